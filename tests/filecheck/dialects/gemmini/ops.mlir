// RUN: ROUNDTRIP
// Every operation keeps its meaning through the generic and the custom form.

func.func @instructions(%A: memref<64x64xi8>, %C: memref<64x64xi8>, %i: index, %flag: i1) {
  %dim = arith.constant 16 : index
  gemmini.config_ex {a_transpose}
  gemmini.config_ex {dataflow = #gemmini<dataflow os>, shift = 3 : i64}
  gemmini.config_ld {stride = 64 : i64, block_stride = 16 : i64, channel = 2 : i64, shrunk}
  gemmini.config_st {stride = 64 : i64, activation = #gemmini<activation relu>, scale = 5.0e-01 : f32}
  gemmini.config_norm {stat_id = 1 : i64}
  %s = gemmini.spad %i
  %c = gemmini.acc %i accumulate %flag full
  %d = gemmini.acc %i
  %n = gemmini.none
  gemmini.mvin %A[%i, %i] to %s[%dim, %dim] {channel = 1 : i64} : memref<64x64xi8>, !gemmini.local<spad>
  gemmini.mvin_zeros %d[%dim, %dim] : !gemmini.local<acc>
  gemmini.preload %s[%dim, %dim] to %c[%dim, %dim] : !gemmini.local<spad>, !gemmini.local<acc>
  gemmini.compute_preloaded %s[%dim, %dim], %n[%dim, %dim] : !gemmini.local<spad>, !gemmini.local<none>
  gemmini.compute_accumulated %s[%dim, %dim], %n[%dim, %dim] : !gemmini.local<spad>, !gemmini.local<none>
  gemmini.mvout %c[%dim, %dim] to %C[%i, %i] : !gemmini.local<acc>, memref<64x64xi8>
  gemmini.loop_ws a %A[%i, %i] : memref<64x64xi8> c %C[%i, %i] : memref<64x64xi8> {bounds = array<i64: 4, 4, 4>, pads = array<i64: 0, 0, 0>, strides = array<i64: 64, 64, 0, 64>}
  gemmini.fence
  gemmini.flush
  func.return
}

// CHECK:      gemmini.config_ex {a_transpose}
// CHECK-NEXT: gemmini.config_ex {dataflow = #gemmini<dataflow os>, shift = 3 : i64}
// CHECK-NEXT: gemmini.config_ld {stride = 64 : i64, block_stride = 16 : i64, channel = 2 : i64, shrunk}
// CHECK-NEXT: gemmini.config_st {stride = 64 : i64, activation = #gemmini<activation relu>, scale = 5.000000e-01 : f32}
// CHECK-NEXT: gemmini.config_norm {stat_id = 1 : i64}
// CHECK-NEXT: %s = gemmini.spad %i
// CHECK-NEXT: %c = gemmini.acc %i accumulate %flag full
// CHECK-NEXT: %d = gemmini.acc %i
// CHECK-NEXT: %n = gemmini.none
// CHECK-NEXT: gemmini.mvin %A[%i, %i] to %s[%dim, %dim] {channel = 1 : i64} : memref<64x64xi8>, !gemmini.local<spad>
// CHECK-NEXT: gemmini.mvin_zeros %d[%dim, %dim] : !gemmini.local<acc>
// CHECK-NEXT: gemmini.preload %s[%dim, %dim] to %c[%dim, %dim] : !gemmini.local<spad>, !gemmini.local<acc>
// CHECK-NEXT: gemmini.compute_preloaded %s[%dim, %dim], %n[%dim, %dim] : !gemmini.local<spad>, !gemmini.local<none>
// CHECK-NEXT: gemmini.compute_accumulated
// CHECK-NEXT: gemmini.mvout %c[%dim, %dim] to %C[%i, %i] : !gemmini.local<acc>, memref<64x64xi8>
// CHECK-NEXT: gemmini.loop_ws a %A[%i, %i] : memref<64x64xi8> c %C[%i, %i] : memref<64x64xi8>
// CHECK-NEXT: gemmini.fence
// CHECK-NEXT: gemmini.flush
