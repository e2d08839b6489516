// RUN: liftproof-opt %s | filecheck %s

#include <stdint.h>
void scale(const int8_t x[100], int32_t factor, int32_t y[100]) {
    for (int i = 0; i < 100; i++)
        y[i] = factor * x[i];
}

// CHECK:      builtin.module {
// CHECK-NEXT:   func.func @scale(%x: memref<100xi8>, %factor: i32, %y: memref<100xi32>) attributes {liftproof.c_types = ["const int8_t[100]", "int32_t", "int32_t[100]"], liftproof.parameters = ["x", "factor", "y"], liftproof.extents = [[100 : i64], [], [100 : i64]], liftproof.outputs = array<i64: 2>, liftproof.source = "scale.c"} {
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c100 = arith.constant 100 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     scf.for %i = %c0 to %c100 step %c1 {
// CHECK-NEXT:       %0 = memref.load %x[%i] : memref<100xi8>
// CHECK-NEXT:       %1 = arith.extsi %0 : i8 to i32
// CHECK-NEXT:       %2 = arith.muli %factor, %1 : i32
// CHECK-NEXT:       memref.store %2, %y[%i] : memref<100xi32>
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT: }
