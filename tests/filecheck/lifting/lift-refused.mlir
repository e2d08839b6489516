// RUN: not liftproof-opt -p lift-loops %s 2>&1 | filecheck %s

// CHECK: error: cannot lift output 'y': 'y' depends on earlier iterations of loop 'i'
func.func @scan(%y: memref<65xi32>) attributes {liftproof.outputs = array<i64: 0>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  scf.for %i = %c0 to %c64 step %c1 {
    %next = arith.addi %i, %c1 : index
    %old = memref.load %y[%i] : memref<65xi32>
    %here = memref.load %y[%next] : memref<65xi32>
    %sum = arith.addi %old, %here : i32
    memref.store %sum, %y[%next] : memref<65xi32>
  }
  func.return
}
