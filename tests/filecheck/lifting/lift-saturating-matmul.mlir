// RUN: liftproof-opt -p lift-loops %s | filecheck %s
// RUN: liftproof-opt -p lift-loops --validate-each %s 2>&1 | filecheck %s --check-prefix=PROOF

// A scalar accumulator and clamps by if become one contraction and one element-wise operation.
func.func @matmul(%A: memref<512x512xi8>, %B: memref<512x512xi8>, %C: memref<512x512xi8>) attributes {liftproof.outputs = array<i64: 2>, liftproof.parameters = ["A", "B", "C"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 512 : index
  %zero = arith.constant 0 : i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  scf.for %i = %c0 to %n step %c1 {
    scf.for %j = %c0 to %n step %c1 {
      %acc = memref.alloca() : memref<i32>
      memref.store %zero, %acc[] : memref<i32>
      scf.for %k = %c0 to %n step %c1 {
        %a = memref.load %A[%i, %k] : memref<512x512xi8>
        %b = memref.load %B[%k, %j] : memref<512x512xi8>
        %a1 = arith.extsi %a : i8 to i32
        %b1 = arith.extsi %b : i8 to i32
        %p = arith.muli %a1, %b1 : i32
        %old = memref.load %acc[] : memref<i32>
        %s = arith.addi %old, %p : i32
        memref.store %s, %acc[] : memref<i32>
      }
      %v = memref.load %acc[] : memref<i32>
      %big = arith.cmpi sgt, %v, %hi : i32
      scf.if %big {
        memref.store %hi, %acc[] : memref<i32>
      }
      %w = memref.load %acc[] : memref<i32>
      %small = arith.cmpi slt, %w, %lo : i32
      scf.if %small {
        memref.store %lo, %acc[] : memref<i32>
      }
      %x = memref.load %acc[] : memref<i32>
      %y = arith.trunci %x : i32 to i8
      memref.store %y, %C[%i, %j] : memref<512x512xi8>
    }
  }
  func.return
}

// PROOF: lift-loops: proved

// CHECK:       func.func @matmul(%A: tensor<512x512xi8>, %B: tensor<512x512xi8>, %C: tensor<512x512xi8>) -> tensor<512x512xi8>
// CHECK-SAME:    liftproof.outputs = array<i64: 2>
// CHECK-NEXT:    %{{.*}} = tensor.empty() : tensor<512x512xi32>
// CHECK-NEXT:    %{{.*}} = arith.constant 0 : i32
// CHECK-NEXT:    %[[ZERO:.*]] = linalg.fill
// CHECK-NEXT:    %[[SUM:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%A, %B : {{.*}}) outs(%[[ZERO]] : tensor<512x512xi32>) {
// CHECK:           arith.muli
// CHECK-NEXT:      arith.addi
// CHECK-NEXT:      linalg.yield
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]} ins(%[[SUM]] : tensor<512x512xi32>)
// CHECK:           arith.constant -128 : i32
// CHECK-NEXT:      arith.maxsi
// CHECK-NEXT:      arith.constant 127 : i32
// CHECK-NEXT:      arith.minsi
// CHECK-NEXT:      arith.trunci
// CHECK-NEXT:      linalg.yield
