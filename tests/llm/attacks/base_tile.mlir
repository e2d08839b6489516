func.func @kernel(%A: memref<17x16xi8>, %B: memref<16x16xi8>, %C: memref<17x16xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  %c17 = arith.constant 17 : index
  %a = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %b = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %c = memref.alloc() : memref<16x16xi32, #gemmini<space acc>>
  scf.for %i = %c0 to %c2 step %c1 {
    %row = arith.muli %i, %c16 : index
    %left = arith.subi %c17, %row : index
    %rows = arith.minsi %left, %c16 : index
    tile.load %A[%row, %c0] to %a[] sizes %rows, %c16 : memref<17x16xi8>, memref<16x16xi8, #gemmini<space spad>>
    tile.load %B[%c0, %c0] to %b[] sizes %c16, %c16 : memref<16x16xi8>, memref<16x16xi8, #gemmini<space spad>>
    tile.matmul %a[], %b[] to %c[] sizes %rows, %c16, %c16 : memref<16x16xi8, #gemmini<space spad>>, memref<16x16xi8, #gemmini<space spad>>, memref<16x16xi32, #gemmini<space acc>>
    tile.store %c[] to %C[%row, %c0] sizes %rows, %c16 {scale = 1.000000e+00 : f32} : memref<16x16xi32, #gemmini<space acc>>, memref<17x16xi8>
  } {tile.loop = "i"}
  func.return
}
