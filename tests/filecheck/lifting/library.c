// RUN: liftproof-opt %s | filecheck %s

#include <math.h>
#include <stdlib.h>
float library(float x, double y, int n) {
    float a = rintf(x) + roundf(x) + floorf(x) + ceilf(x) + truncf(x) + fabsf(x);
    float b = sqrtf(x) + expf(x) + logf(x) + powf(x, a) + tanhf(x) + erff(x);
    return a + b + fminf(a, b) + fmaxf(a, b) + exp(y) + abs(n) + lrintf(x);
}

// CHECK:      builtin.module {
// CHECK-NEXT:   func.func @library(%x: f32, %y: f64, %n: i32) -> f32 attributes {liftproof.c_types = ["float", "double", "int32_t"], liftproof.parameters = ["x", "y", "n"], liftproof.extents = [[], [], []], liftproof.outputs = array<i64>, liftproof.source = "library.c", liftproof.c_result = "float"} {
// CHECK-NEXT:     %0 = math.roundeven %x : f32
// CHECK-NEXT:     %1 = math.round %x : f32
// CHECK-NEXT:     %2 = arith.addf %0, %1 : f32
// CHECK-NEXT:     %3 = math.floor %x : f32
// CHECK-NEXT:     %4 = arith.addf %2, %3 : f32
// CHECK-NEXT:     %5 = math.ceil %x : f32
// CHECK-NEXT:     %6 = arith.addf %4, %5 : f32
// CHECK-NEXT:     %7 = math.trunc %x : f32
// CHECK-NEXT:     %8 = arith.addf %6, %7 : f32
// CHECK-NEXT:     %9 = math.absf %x : f32
// CHECK-NEXT:     %10 = arith.addf %8, %9 : f32
// CHECK-NEXT:     %11 = math.sqrt %x : f32
// CHECK-NEXT:     %12 = math.exp %x : f32
// CHECK-NEXT:     %13 = arith.addf %11, %12 : f32
// CHECK-NEXT:     %14 = math.log %x : f32
// CHECK-NEXT:     %15 = arith.addf %13, %14 : f32
// CHECK-NEXT:     %16 = math.powf %x, %10 : f32
// CHECK-NEXT:     %17 = arith.addf %15, %16 : f32
// CHECK-NEXT:     %18 = math.tanh %x : f32
// CHECK-NEXT:     %19 = arith.addf %17, %18 : f32
// CHECK-NEXT:     %20 = math.erf %x : f32
// CHECK-NEXT:     %21 = arith.addf %19, %20 : f32
// CHECK-NEXT:     %22 = arith.addf %10, %21 : f32
// CHECK-NEXT:     %23 = arith.minnumf %10, %21 : f32
// CHECK-NEXT:     %24 = arith.addf %22, %23 : f32
// CHECK-NEXT:     %25 = arith.maxnumf %10, %21 : f32
// CHECK-NEXT:     %26 = arith.addf %24, %25 : f32
// CHECK-NEXT:     %27 = math.exp %y : f64
// CHECK-NEXT:     %28 = arith.extf %26 : f32 to f64
// CHECK-NEXT:     %29 = arith.addf %28, %27 : f64
// CHECK-NEXT:     %30 = math.absi %n : i32
// CHECK-NEXT:     %31 = arith.sitofp %30 : i32 to f64
// CHECK-NEXT:     %32 = arith.addf %29, %31 : f64
// CHECK-NEXT:     %33 = math.roundeven %x : f32
// CHECK-NEXT:     %34 = arith.fptosi %33 : f32 to i64
// CHECK-NEXT:     %35 = arith.sitofp %34 : i64 to f64
// CHECK-NEXT:     %36 = arith.addf %32, %35 : f64
// CHECK-NEXT:     %37 = arith.truncf %36 : f64 to f32
// CHECK-NEXT:     func.return %37 : f32
// CHECK-NEXT:   }
// CHECK-NEXT: }
