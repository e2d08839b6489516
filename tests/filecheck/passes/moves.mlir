// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=i}' | filecheck %s --check-prefix=STAGE
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=b}' | filecheck %s --check-prefix=ALL
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=k}' --verify-diagnostics | filecheck %s --check-prefix=THERE
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=d loop=k}' --verify-diagnostics | filecheck %s --check-prefix=OPERAND
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=x}' --verify-diagnostics | filecheck %s --check-prefix=LOOP
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=i},gemmini-widen-moves' | filecheck %s --check-prefix=WIDE
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=i},gemmini-widen-moves{blocks=2}' | filecheck %s --check-prefix=TWO
// RUN: liftproof-opt %s -p 'gemmini-widen-moves' --verify-diagnostics | filecheck %s --check-prefix=NARROW
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=i},gemmini-double-buffer{operand=a}' | filecheck %s --check-prefix=TWICE
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=c loop=i},gemmini-double-buffer{operand=c}' | filecheck %s --check-prefix=DEFER
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=b},gemmini-double-buffer{operand=b}' --verify-diagnostics | filecheck %s --check-prefix=OUTSIDE
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=i},gemmini-sink{loop=j}' | filecheck %s --check-prefix=SINK
// RUN: liftproof-opt %s -p 'gemmini-sink{loop=i}' --verify-diagnostics | filecheck %s --check-prefix=NOTHING
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=i},gemmini-double-buffer{operand=a},gemmini-stage{operand=c loop=i},gemmini-interleave{loop=j}' | filecheck %s --check-prefix=SPREAD
// RUN: liftproof-opt %s -p 'gemmini-stage{operand=a loop=i},gemmini-interleave{loop=j}' --verify-diagnostics | filecheck %s --check-prefix=DEPENDS

func.func @kernel(%A: memref<80x100xi8>, %B: memref<100x64xi8>, %C: memref<80x64xi8>)
    attributes {liftproof.target = "gemmini-16x16-int8"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %c7 = arith.constant 7 : index
  %c16 = arith.constant 16 : index
  %c100 = arith.constant 100 : index
  %a = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %b = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %c = memref.alloc() : memref<16x16xi32, #gemmini<space acc>>
  scf.for %i = %c0 to %c5 step %c1 {
    %row = arith.muli %i, %c16 : index
    scf.for %j = %c0 to %c4 step %c1 {
      %col = arith.muli %j, %c16 : index
      scf.for %k = %c0 to %c7 step %c1 {
        %d = arith.muli %k, %c16 : index
        %left = arith.subi %c100, %d : index
        %depth = arith.minsi %c16, %left : index
        %later = arith.cmpi slt, %c0, %k : index
        tile.load %A[%row, %d] to %a[] sizes %c16, %depth : memref<80x100xi8>, memref<16x16xi8, #gemmini<space spad>>
        tile.load %B[%d, %col] to %b[] sizes %depth, %c16 : memref<100x64xi8>, memref<16x16xi8, #gemmini<space spad>>
        tile.matmul %a[], %b[] to %c[] sizes %c16, %c16, %depth accumulate %later : memref<16x16xi8, #gemmini<space spad>>, memref<16x16xi8, #gemmini<space spad>>, memref<16x16xi32, #gemmini<space acc>>
      } {tile.loop = "k"}
      tile.store %c[] to %C[%row, %col] sizes %c16, %c16 {scale = 1.0 : f32} : memref<16x16xi32, #gemmini<space acc>>, memref<80x64xi8>
    } {tile.loop = "j"}
  } {tile.loop = "i"}
  func.return
}

// A row of tiles of A is loaded once, not once for each column of C.
// STAGE: %a = memref.alloc() : memref<7x16x16xi8
// STAGE: scf.for %i =
// STAGE: scf.for %[[K:.*]] = %c0 to %c7
// STAGE: tile.load %A[{{.*}}] to %a[%[[K]]]
// STAGE: scf.for %j =
// STAGE: tile.matmul %a[%{{k.*}}], %b[]

// Without a loop, all of B is loaded in front of everything, rows of tiles first.
// ALL: %b = memref.alloc() : memref<7x4x16x16xi8
// ALL: tile.load %B[{{.*}}] to %b[%k{{.*}}, %j{{.*}}]
// ALL: {tile.loop = "i"}

// THERE: memref.alloc %a: is already loaded and stored there
// OPERAND: func.func: operand must be a, b or c, got 'd'
// LOOP: func.func: has no loop 'x'; its loops are i, j, k

// Four tiles at once, but not more than are left of the nest or of the array.
// WIDE: scf.for %[[K:.*]] = %c0 to %c7 step %c4
// WIDE: %[[TILES:.*]] = arith.subi %c7, %[[K]]
// WIDE: %[[WIDTH:.*]] = arith.muli %[[TILES]], %c16
// WIDE: arith.minsi %c64, %[[WIDTH]]
// WIDE: tile.load %A
// TWO: scf.for {{.*}} = %c0 to %c7 step %c2
// TWO: arith.minsi %c32
// NARROW: func.func: has no nest of moves that could carry several tiles at once

// The first row is loaded in front of the loop, the next one in each iteration but the last.
// TWICE: %a = memref.alloc() {tile.phases} : memref<2x7x16x16xi8
// TWICE: tile.load %A[%c0, {{.*}}] to %a[%c0, %{{.*}}]
// TWICE: scf.for %i =
// TWICE: %[[PHASE:.*]] = arith.remsi %i, %c2
// TWICE: %[[NEXT:.*]] = arith.addi %i, %c1
// TWICE: %[[OTHER:.*]] = arith.remsi {{.*}}, %c2
// TWICE: scf.if
// TWICE: tile.load %A[{{.*}}] to %a[%[[OTHER]], %{{.*}}]
// TWICE: tile.matmul %a[%[[PHASE]], %k{{.*}}]

// The last block of C is stored while this one is computed, and the very last one at the end.
// DEFER: %c = memref.alloc() {tile.phases} : memref<2x4x16x16xi32
// DEFER: scf.for %i =
// DEFER: scf.if
// DEFER: tile.store %c
// DEFER: tile.matmul
// DEFER: {tile.loop = "i"}
// DEFER: tile.store %c[%c0, %{{.*}}]
// OUTSIDE: memref.alloc %b: is not filled and used in the body of one loop

// SINK: scf.for %j =
// SINK-NEXT: %[[FIRST:.*]] = arith.cmpi eq, %j, %c0
// SINK-NEXT: scf.if %[[FIRST]]
// SINK: tile.load %A
// NOTHING: scf.for 'i': has no moves in front of it

// Seven loads of the next row in four iterations: three at a time, none in the first one, because
// the core runs ahead of the array.
// SPREAD: scf.for %j =
// SPREAD: tile.matmul
// SPREAD: arith.cmpi slt, %c0, %j
// SPREAD: scf.for %n = %c0 to %c3
// SPREAD: tile.load %A
// DEPENDS: scf.for 'j': has no independent moves in front of it
