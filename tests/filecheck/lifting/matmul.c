// RUN: liftproof-opt %s | filecheck %s

#include <stdint.h>
#define N 512
static inline int8_t saturate(int32_t x) {
    if (x > INT8_MAX) return INT8_MAX;
    if (x < INT8_MIN) return INT8_MIN;
    return (int8_t)x;
}
void matmul(const int8_t A[N][N], const int8_t B[N][N], int8_t C[N][N]) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++) sum += A[i][k] * B[k][j];
            C[i][j] = saturate(sum);
        }
}

// CHECK:      builtin.module {
// CHECK-NEXT:   func.func @matmul(%A: memref<512x512xi8>, %B: memref<512x512xi8>, %C: memref<512x512xi8>) attributes {liftproof.c_types = ["const int8_t[512][512]", "const int8_t[512][512]", "int8_t[512][512]"], liftproof.parameters = ["A", "B", "C"], liftproof.extents = [[512 : i64, 512 : i64], [512 : i64, 512 : i64], [512 : i64, 512 : i64]], liftproof.outputs = array<i64: 2>, liftproof.source = "matmul.c"} {
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c512 = arith.constant 512 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0_i32 = arith.constant 0 : i32
// CHECK-NEXT:     %c127_i32 = arith.constant 127 : i32
// CHECK-NEXT:     %cm128_i32 = arith.constant -128 : i32
// CHECK-NEXT:     %cm128_i8 = arith.constant -128 : i8
// CHECK-NEXT:     %c127_i8 = arith.constant 127 : i8
// CHECK-NEXT:     scf.for %i = %c0 to %c512 step %c1 {
// CHECK-NEXT:       scf.for %j = %c0 to %c512 step %c1 {
// CHECK-NEXT:         %sum = memref.alloca() : memref<i32>
// CHECK-NEXT:         memref.store %c0_i32, %sum[] : memref<i32>
// CHECK-NEXT:         scf.for %k = %c0 to %c512 step %c1 {
// CHECK-NEXT:           %0 = memref.load %A[%i, %k] : memref<512x512xi8>
// CHECK-NEXT:           %1 = memref.load %B[%k, %j] : memref<512x512xi8>
// CHECK-NEXT:           %2 = arith.extsi %0 : i8 to i32
// CHECK-NEXT:           %3 = arith.extsi %1 : i8 to i32
// CHECK-NEXT:           %4 = arith.muli %2, %3 : i32
// CHECK-NEXT:           %5 = memref.load %sum[] : memref<i32>
// CHECK-NEXT:           %6 = arith.addi %5, %4 : i32
// CHECK-NEXT:           memref.store %6, %sum[] : memref<i32>
// CHECK-NEXT:         }
// CHECK-NEXT:         %7 = memref.load %sum[] : memref<i32>
// CHECK-NEXT:         %8 = arith.cmpi sgt, %7, %c127_i32 : i32
// CHECK-NEXT:         %9 = arith.cmpi slt, %7, %cm128_i32 : i32
// CHECK-NEXT:         %10 = arith.trunci %7 : i32 to i8
// CHECK-NEXT:         %11 = arith.select %9, %cm128_i8, %10 : i8
// CHECK-NEXT:         %12 = arith.select %8, %c127_i8, %11 : i8
// CHECK-NEXT:         memref.store %12, %C[%i, %j] : memref<512x512xi8>
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT: }
