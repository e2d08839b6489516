// RUN: liftproof-opt %s -p gemmini-lower-linalg | filecheck %s
// RUN: liftproof-opt %s -p 'gemmini-lower-linalg{config="gemmini-8x8"}' --verify-diagnostics | filecheck %s --check-prefix=MISSING
// The plainest program: tiles loaded where they are used, sums zeroed, stored with saturation.

func.func @kernel(%A: tensor<21x16xi8>, %B: tensor<16x32xi8>, %C: tensor<21x32xi8>) -> tensor<21x32xi8>
    attributes {liftproof.outputs = array<i64: 2>} {
  %zero = arith.constant 0 : i32
  %low = arith.constant -128 : i32
  %high = arith.constant 127 : i32
  %empty = tensor.empty() : tensor<21x32xi32>
  %init = linalg.fill ins(%zero : i32) outs(%empty : tensor<21x32xi32>) -> tensor<21x32xi32>
  %sums = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%A, %B : tensor<21x16xi8>, tensor<16x32xi8>) outs(%init : tensor<21x32xi32>) {
  ^bb0(%a: i8, %b: i8, %c: i32):
    %x = arith.extsi %a : i8 to i32
    %y = arith.extsi %b : i8 to i32
    %p = arith.muli %x, %y : i32
    %s = arith.addi %c, %p : i32
    linalg.yield %s : i32
  } -> tensor<21x32xi32>
  %target = tensor.empty() : tensor<21x32xi8>
  %result = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%sums : tensor<21x32xi32>) outs(%target : tensor<21x32xi8>) {
  ^bb0(%s: i32, %old: i8):
    %u = arith.maxsi %s, %low : i32
    %v = arith.minsi %u, %high : i32
    %n = arith.trunci %v : i32 to i8
    linalg.yield %n : i8
  } -> tensor<21x32xi8>
  func.return %result : tensor<21x32xi8>
}

// CHECK: func.func @kernel(%A: memref<21x16xi8>, %B: memref<16x32xi8>, %C: memref<21x32xi8>)
// CHECK-SAME: liftproof.target = "gemmini-16x16-int8"
// CHECK: scf.for %i = %c0 to %c2
// CHECK-NEXT: %[[ROW:.*]] = arith.muli %i, %c16
// CHECK-NEXT: %[[LEFT:.*]] = arith.subi %c21, %[[ROW]]
// CHECK-NEXT: %[[ROWS:.*]] = arith.minsi %c16, %[[LEFT]]
// CHECK-NEXT: scf.for %j = %c0 to %c2
// CHECK-NEXT: %[[COL:.*]] = arith.muli %j, %c16
// CHECK-NEXT: tile.zero %c[] sizes %[[ROWS]], %c16
// CHECK-NEXT: scf.for %k = %c0 to %c1
// CHECK: tile.load %A[%[[ROW]], {{.*}}] to %a[] sizes %[[ROWS]], %c16
// CHECK-NEXT: tile.load %B[{{.*}}, %[[COL]]] to %b[] sizes %c16, %c16
// CHECK-NEXT: tile.matmul %a[], %b[] to %c[] sizes %[[ROWS]], %c16, %c16 accumulate %true
// CHECK: tile.store %c[] to %C[%[[ROW]], %[[COL]]] sizes %[[ROWS]], %c16 {scale = 1.000000e+00 : f32}

// MISSING: no configuration 'gemmini-8x8': neither a file nor one of
