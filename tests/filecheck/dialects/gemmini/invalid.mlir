// RUN: liftproof-opt %s --verify-diagnostics --parsing-diagnostics --split-input-file | filecheck %s
// What no Gemmini accepts is rejected with the rule that it breaks.

gemmini.config_ex {a_transpose, b_transpose}
// CHECK: weight-stationary: A and B cannot both be transposed

// -----
gemmini.config_ex {dataflow = #gemmini<dataflow os>, b_transpose}
// CHECK: output-stationary: B transposed needs A transposed too

// -----
gemmini.config_ex {shift = 32 : i64}
// CHECK: shift must be in 0..31, got 32

// -----
gemmini.config_ld {stride = 64 : i64, block_stride = 16 : i64, channel = 3 : i64}
// CHECK: load channel must be 0, 1 or 2, got 3

// -----
gemmini.config_ld {stride = -1 : i64, block_stride = 16 : i64}
// CHECK: stride must fit 32 unsigned bits, got -1

// -----
gemmini.config_st {stride = 64 : i64, pool_size = 4 : i64}
// CHECK: pool_size must fit 2 unsigned bits, got 4

// -----
func.func @indices(%A: memref<64x64xi8>, %i: index) {
  %s = gemmini.spad %i
  gemmini.mvin %A[%i] to %s[%i, %i] : memref<64x64xi8>, !gemmini.local<spad>
  func.return
}
// CHECK: expected 2 indices into memref<64x64xi8>, got 1

// -----
func.func @target(%A: memref<64x64xi8>, %i: index) {
  %n = gemmini.none
  gemmini.mvin %A[%i, %i] to %n[%i, %i] : memref<64x64xi8>, !gemmini.local<none>
  func.return
}
// CHECK: target of mvin must be a local address in spad or acc

// -----
func.func @stationary(%i: index) {
  %c = gemmini.acc %i
  gemmini.preload %c[%i, %i] to %c[%i, %i] : !gemmini.local<acc>, !gemmini.local<acc>
  func.return
}
// CHECK: preloaded operand must be a local address in spad or none

// -----
gemmini.loop_ws {bounds = array<i64: 4, 4>, pads = array<i64: 0, 0, 0>, strides = array<i64: 64, 64, 0, 64>}
// CHECK: bounds must hold 3 numbers, got 2
