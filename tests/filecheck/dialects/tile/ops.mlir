// RUN: ROUNDTRIP
// Every operation keeps its meaning through the generic and the custom form.

func.func @tiles(%A: memref<64x64xi8>, %C: memref<64x64xi8>, %i: index, %flag: i1) {
  %a = memref.alloc() : memref<2x16x16xi8, #gemmini<space spad>>
  %c = memref.alloc() : memref<1x16x16xi32, #gemmini<space acc>>
  tile.load %A[%i, %i] to %a[%i] sizes %i, %i {broadcast} : memref<64x64xi8>, memref<2x16x16xi8, #gemmini<space spad>>
  tile.zero %c[%i] sizes %i, %i : memref<1x16x16xi32, #gemmini<space acc>>
  tile.matmul %a[%i], %a[%i] to %c[%i] sizes %i, %i, %i accumulate %flag keep %flag {a_transpose} : memref<2x16x16xi8, #gemmini<space spad>>, memref<2x16x16xi8, #gemmini<space spad>>, memref<1x16x16xi32, #gemmini<space acc>>
  tile.store %c[%i] to %C[%i, %i] sizes %i, %i {scale = 1.0 : f32, relu} : memref<1x16x16xi32, #gemmini<space acc>>, memref<64x64xi8>
  func.return
}

// CHECK:      tile.load %A[%i, %i] to %a[%i] sizes %i, %i {broadcast} : memref<64x64xi8>, memref<2x16x16xi8, #gemmini<space spad>>
// CHECK-NEXT: tile.zero %c[%i] sizes %i, %i : memref<1x16x16xi32, #gemmini<space acc>>
// CHECK-NEXT: tile.matmul %a[%i], %a[%i] to %c[%i] sizes %i, %i, %i accumulate %flag keep %flag {a_transpose} : memref<2x16x16xi8, #gemmini<space spad>>, memref<2x16x16xi8, #gemmini<space spad>>, memref<1x16x16xi32, #gemmini<space acc>>
// CHECK-NEXT: tile.store %c[%i] to %C[%i, %i] sizes %i, %i {scale = 1.000000e+00 : f32, relu} : memref<1x16x16xi32, #gemmini<space acc>>, memref<64x64xi8>
