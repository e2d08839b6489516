// RUN: liftproof-opt %s | filecheck %s
// RUN: liftproof-opt %s --print-op-generic | liftproof-opt -f mlir | filecheck %s

// Downward, stepped, triangular, tiled and unsigned loops; subscripts are plain index arithmetic.
void loops(unsigned n, int m, int A[m][2 * m], int *p, int *q) {
    for (int i = m - 1; i > 2; i -= 2)
        for (int j = 0; j <= i; ++j) A[i][j + 1] = i;
    for (unsigned i = 0; i < n; i++) p[3 * i + 1] = 0;
    for (int t = 0; t < m; t += 16)
        for (int i = t; i < (t + 16 < m ? t + 16 : m); i++) q[i / 4 + t % 8] = p[i * m];
}

// CHECK:      builtin.module {
// CHECK-NEXT:   func.func @loops(%n: i32, %m: i32, %A: memref<?x?xi32>, %p: memref<?xi32>, %q: memref<?xi32>) attributes {liftproof.c_types = ["uint32_t", "int32_t", "int32_t[m][2 * m]", "int32_t *", "int32_t *"], liftproof.parameters = ["n", "m", "A", "p", "q"], liftproof.extents = [[], [], ["m", "2 * m"], ["?"], ["?"]], liftproof.outputs = array<i64: 2, 3, 4>, liftproof.source = "loops.c", liftproof.assumptions = ["line 8: 'i' does not wrap around"]} {
// CHECK-NEXT:     %0 = arith.extui %n : i32 to i64
// CHECK-NEXT:     %n_index = arith.index_cast %0 : i64 to index
// CHECK-NEXT:     %m_index = arith.index_cast %m : i32 to index
// CHECK-NEXT:     %c1_i32 = arith.constant 1 : i32
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c3 = arith.constant 3 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c3_i32 = arith.constant 3 : i32
// CHECK-NEXT:     %c0_i32 = arith.constant 0 : i32
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c4 = arith.constant 4 : index
// CHECK-NEXT:     %c8 = arith.constant 8 : index
// CHECK-NEXT:     %1 = arith.subi %m_index, %c3 : index
// CHECK-NEXT:     scf.for %i = %c0 to %1 step %c2 {
// CHECK-NEXT:       %2 = arith.subi %m_index, %i : index
// CHECK-NEXT:       %3 = arith.subi %2, %c1 : index
// CHECK-NEXT:       %4 = arith.index_cast %3 : index to i32
// CHECK-NEXT:       %5 = arith.subi %m_index, %i : index
// CHECK-NEXT:       scf.for %j = %c0 to %5 step %c1 {
// CHECK-NEXT:         %6 = arith.subi %m_index, %i : index
// CHECK-NEXT:         %7 = arith.subi %6, %c1 : index
// CHECK-NEXT:         %8 = arith.addi %j, %c1 : index
// CHECK-NEXT:         memref.store %4, %A[%7, %8] : memref<?x?xi32>
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     scf.for %i_1 = %c0 to %n_index step %c1 {
// CHECK-NEXT:       %9 = arith.index_cast %i_1 : index to i32
// CHECK-NEXT:       %10 = arith.muli %c3_i32, %9 : i32
// CHECK-NEXT:       %11 = arith.addi %10, %c1_i32 : i32
// CHECK-NEXT:       %12 = arith.extui %11 : i32 to i64
// CHECK-NEXT:       %13 = arith.index_cast %12 : i64 to index
// CHECK-NEXT:       memref.store %c0_i32, %p[%13] : memref<?xi32>
// CHECK-NEXT:     }
// CHECK-NEXT:     scf.for %t = %c0 to %m_index step %c16 {
// CHECK-NEXT:       %14 = arith.addi %t, %c16 : index
// CHECK-NEXT:       %15 = arith.minsi %14, %m_index : index
// CHECK-NEXT:       scf.for %i_2 = %t to %15 step %c1 {
// CHECK-NEXT:         %16 = arith.muli %m_index, %i_2 : index
// CHECK-NEXT:         %17 = memref.load %p[%16] : memref<?xi32>
// CHECK-NEXT:         %18 = arith.divsi %i_2, %c4 : index
// CHECK-NEXT:         %19 = arith.remsi %t, %c8 : index
// CHECK-NEXT:         %20 = arith.addi %18, %19 : index
// CHECK-NEXT:         memref.store %17, %q[%20] : memref<?xi32>
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT: }
