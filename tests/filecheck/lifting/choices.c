// RUN: liftproof-opt %s | filecheck %s

// What is safe to compute on both paths becomes a select, the rest a branch.
void choices(const int A[8], const int *p, int n, int B[8]) {
    for (int i = 0; i < 8; i++) {
        B[i] = A[i] > 0 ? A[i] : 0;
        B[i] += p[i] > 0 ? 3 : n / p[i];
        if (n > 0 && p[n] > 0)
            B[i] = 7;
    }
}

// CHECK:      builtin.module {
// CHECK-NEXT:   func.func @choices(%A: memref<8xi32>, %p: memref<?xi32>, %n: i32, %B: memref<8xi32>) attributes {liftproof.c_types = ["const int32_t[8]", "const int32_t *", "int32_t", "int32_t[8]"], liftproof.parameters = ["A", "p", "n", "B"], liftproof.extents = [[8 : i64], ["?"], [], [8 : i64]], liftproof.outputs = array<i64: 3>, liftproof.source = "choices.c"} {
// CHECK-NEXT:     %n_index = arith.index_cast %n : i32 to index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c8 = arith.constant 8 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0_i32 = arith.constant 0 : i32
// CHECK-NEXT:     %c3_i32 = arith.constant 3 : i32
// CHECK-NEXT:     %false = arith.constant false
// CHECK-NEXT:     %c7_i32 = arith.constant 7 : i32
// CHECK-NEXT:     scf.for %i = %c0 to %c8 step %c1 {
// CHECK-NEXT:       %0 = memref.load %A[%i] : memref<8xi32>
// CHECK-NEXT:       %1 = arith.cmpi sgt, %0, %c0_i32 : i32
// CHECK-NEXT:       %2 = memref.load %A[%i] : memref<8xi32>
// CHECK-NEXT:       %3 = arith.select %1, %2, %c0_i32 : i32
// CHECK-NEXT:       memref.store %3, %B[%i] : memref<8xi32>
// CHECK-NEXT:       %4 = memref.load %p[%i] : memref<?xi32>
// CHECK-NEXT:       %5 = arith.cmpi sgt, %4, %c0_i32 : i32
// CHECK-NEXT:       %6 = scf.if %5 -> (i32) {
// CHECK-NEXT:         scf.yield %c3_i32 : i32
// CHECK-NEXT:       } else {
// CHECK-NEXT:         %7 = memref.load %p[%i] : memref<?xi32>
// CHECK-NEXT:         %8 = arith.divsi %n, %7 : i32
// CHECK-NEXT:         scf.yield %8 : i32
// CHECK-NEXT:       }
// CHECK-NEXT:       %9 = memref.load %B[%i] : memref<8xi32>
// CHECK-NEXT:       %10 = arith.addi %9, %6 : i32
// CHECK-NEXT:       memref.store %10, %B[%i] : memref<8xi32>
// CHECK-NEXT:       %11 = arith.cmpi sgt, %n_index, %c0 : index
// CHECK-NEXT:       %12 = scf.if %11 -> (i1) {
// CHECK-NEXT:         %13 = memref.load %p[%n_index] : memref<?xi32>
// CHECK-NEXT:         %14 = arith.cmpi sgt, %13, %c0_i32 : i32
// CHECK-NEXT:         scf.yield %14 : i1
// CHECK-NEXT:       } else {
// CHECK-NEXT:         scf.yield %false : i1
// CHECK-NEXT:       }
// CHECK-NEXT:       scf.if %12 {
// CHECK-NEXT:         memref.store %c7_i32, %B[%i] : memref<8xi32>
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT: }
