// RUN: liftproof-opt %s -p 'gemmini-overwrite-first' | filecheck %s --check-prefix=FIRST
// RUN: liftproof-opt %s -p 'gemmini-tile{i=2 k=3}' | filecheck %s --check-prefix=TILE
// RUN: liftproof-opt %s -p 'gemmini-tile{i=2 j=2},gemmini-interchange{order=jo,io,i,j}' | filecheck %s --check-prefix=ORDER
// RUN: liftproof-opt %s -p 'gemmini-tile' --verify-diagnostics | filecheck %s --check-prefix=SIZES
// RUN: liftproof-opt %s -p 'gemmini-tile{i=2},gemmini-tile{i=1}' --verify-diagnostics | filecheck %s --check-prefix=TWICE
// RUN: liftproof-opt %s -p 'gemmini-interchange{order=j,k}' --verify-diagnostics | filecheck %s --check-prefix=NEST
// RUN: liftproof-opt %s -p 'gemmini-interchange{order=i,j}' --verify-diagnostics | filecheck %s --check-prefix=SAME
// RUN: liftproof-opt %s -p 'gemmini-overwrite-first,gemmini-overwrite-first' --verify-diagnostics | filecheck %s --check-prefix=NOZERO

func.func @kernel(%A: memref<80x112xi8>, %B: memref<112x64xi8>, %C: memref<80x64xi8>)
    attributes {liftproof.target = "gemmini-16x16-int8"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %c7 = arith.constant 7 : index
  %c16 = arith.constant 16 : index
  %true = arith.constant true
  %a = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %b = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %c = memref.alloc() : memref<16x16xi32, #gemmini<space acc>>
  scf.for %i = %c0 to %c5 step %c1 {
    %row = arith.muli %i, %c16 : index
    scf.for %j = %c0 to %c4 step %c1 {
      %col = arith.muli %j, %c16 : index
      tile.zero %c[] sizes %c16, %c16 : memref<16x16xi32, #gemmini<space acc>>
      scf.for %k = %c0 to %c7 step %c1 {
        %d = arith.muli %k, %c16 : index
        tile.load %A[%row, %d] to %a[] sizes %c16, %c16 : memref<80x112xi8>, memref<16x16xi8, #gemmini<space spad>>
        tile.load %B[%d, %col] to %b[] sizes %c16, %c16 : memref<112x64xi8>, memref<16x16xi8, #gemmini<space spad>>
        tile.matmul %a[], %b[] to %c[] sizes %c16, %c16, %c16 accumulate %true : memref<16x16xi8, #gemmini<space spad>>, memref<16x16xi8, #gemmini<space spad>>, memref<16x16xi32, #gemmini<space acc>>
      } {tile.loop = "k"}
      tile.store %c[] to %C[%row, %col] sizes %c16, %c16 {scale = 1.0 : f32} : memref<16x16xi32, #gemmini<space acc>>, memref<80x64xi8>
    } {tile.loop = "j"}
  } {tile.loop = "i"}
  func.return
}

// The zeros go, and the first product of each sum overwrites.
// FIRST-NOT: tile.zero
// FIRST: %[[LATER:.*]] = arith.cmpi slt, %c0, %k
// FIRST: tile.matmul {{.*}} accumulate %[[LATER]]

// Five rows of tiles in blocks of two, seven tiles deep in chunks of three: the last are shorter.
// TILE: scf.for %io = %c0 to %c3
// TILE: %[[START:.*]] = arith.muli %io, %c2
// TILE: %[[REST:.*]] = arith.subi %c5, %[[START]]
// TILE: %[[COUNT:.*]] = arith.minsi %c2, %[[REST]]
// TILE: scf.for %i = %c0 to %[[COUNT]]
// TILE: arith.addi %[[START]], %i
// TILE: scf.for %ko = %c0 to %c3
// TILE: scf.for %k = %c0 to

// ORDER: scf.for %jo
// ORDER-NEXT: scf.for %io
// ORDER: scf.for %i =
// ORDER: scf.for %j =
// ORDER: tile.zero

// SIZES: func.func: gemmini-tile needs a size for one of g, h, i, j, r, s, k
// TWICE: func.func: loop 'i' is split already
// NEST: scf.for 'j': the loops j, k are not perfectly nested
// SAME: scf.for 'i': is already in the order i,j
// NOZERO: func.func: has no tile.zero
