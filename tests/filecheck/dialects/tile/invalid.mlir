// RUN: liftproof-opt %s --verify-diagnostics --split-input-file | filecheck %s
// Buffers lie in a local memory, arrays in DRAM, and each needs its number of indices.

func.func @slot(%A: memref<64x64xi8>, %i: index) {
  %a = memref.alloc() : memref<2x16x16xi8, #gemmini<space spad>>
  tile.load %A[%i, %i] to %a[%i, %i] sizes %i, %i : memref<64x64xi8>, memref<2x16x16xi8, #gemmini<space spad>>
  func.return
}
// CHECK: needs 1 slot indices, got 2

// -----
func.func @dram(%A: memref<64x64xi8>, %i: index) {
  tile.zero %A[] sizes %i, %i : memref<64x64xi8>
  func.return
}
// CHECK: is not in a local memory space

// -----
func.func @narrowing(%C: memref<64x64xi8>, %i: index) {
  %c = memref.alloc() : memref<1x16x16xi32, #gemmini<space acc>>
  tile.store %c[%i] to %C[%i, %i] sizes %i, %i : memref<1x16x16xi32, #gemmini<space acc>>, memref<64x64xi8>
  func.return
}
// CHECK: a store that changes the element type needs a scale
