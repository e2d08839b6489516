// RUN: liftproof-opt -p lift-loops %s | filecheck %s

// A bias that is one row is broadcast, and the contraction starts from it, although the program
// adds it afterwards. The second operand is transposed, and the sizes are parameters.
func.func @bias(%m: index, %n: index, %p: index, %A: memref<?x?xi8>, %B: memref<?x?xi8>, %D: memref<?xi32>, %C: memref<?x?xi32>) attributes {liftproof.outputs = array<i64: 6>, liftproof.parameters = ["m", "n", "p", "A", "B", "D", "C"], liftproof.extents = [[], [], [], ["m", "p"], ["n", "p"], ["n"], ["m", "n"]]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i32
  scf.for %i = %c0 to %m step %c1 {
    scf.for %j = %c0 to %n step %c1 {
      memref.store %zero, %C[%i, %j] : memref<?x?xi32>
      scf.for %k = %c0 to %p step %c1 {
        %a = memref.load %A[%i, %k] : memref<?x?xi8>
        %b = memref.load %B[%j, %k] : memref<?x?xi8>
        %wide_a = arith.extsi %a : i8 to i32
        %wide_b = arith.extsi %b : i8 to i32
        %product = arith.muli %wide_a, %wide_b : i32
        %old = memref.load %C[%i, %j] : memref<?x?xi32>
        %new = arith.addi %old, %product : i32
        memref.store %new, %C[%i, %j] : memref<?x?xi32>
      }
      %sum = memref.load %C[%i, %j] : memref<?x?xi32>
      %d = memref.load %D[%j] : memref<?xi32>
      %result = arith.addi %sum, %d : i32
      memref.store %result, %C[%i, %j] : memref<?x?xi32>
    }
  }
  func.return
}

// CHECK:       func.func @bias(
// CHECK-NEXT:    %[[EMPTY:.*]] = tensor.empty(%m, %n) : tensor<?x?xi32>
// CHECK-NEXT:    %[[BIAS:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%D : tensor<?xi32>) outs(%[[EMPTY]] : tensor<?x?xi32>) {
// CHECK:         %[[SUM:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%A, %B : {{.*}}) outs(%[[BIAS]] : tensor<?x?xi32>) {
// CHECK:         func.return %[[SUM]] : tensor<?x?xi32>
