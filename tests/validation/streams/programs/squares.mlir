// Two buffers in turn: loads, squares and stores of eight tiles overlap.
func.func @f(%x : memref<8x32x16xf32>, %y : memref<8x32x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  %t = trn.sbuf partition 0 offset 0 : memref<32x2x16xf32, #trn<space sbuf>>
  %loaded = trn.semaphore
  %squared = trn.semaphore
  %stored = trn.semaphore
  trn.stream sp {
    scf.for %i = %c0 to %c8 step %c1 {
      %early = arith.cmpi slt, %i, %c2 : index
      %before = arith.subi %i, %c1 : index
      %needed = arith.muli %before, %c16 : index
      %count = arith.select %early, %c0, %needed : index
      trn.wait %stored until %count
      %slot = arith.remui %i, %c2 : index
      %from = trn.view %x[%i, 0, 0] {along = array<i64: 1, 2>}
        : memref<8x32x16xf32> to !trn.view<hbm, 32x16xf32>
      %to = trn.view %t[0, %slot, 0] {along = array<i64: 0, 2>}
        : memref<32x2x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
      trn.dma_start queue 0 %from to %to inc %loaded
        : !trn.view<hbm, 32x16xf32>, !trn.view<sbuf, 32x16xf32>
    }
  }
  trn.stream act {
    scf.for %i = %c0 to %c8 step %c1 {
      %next = arith.addi %i, %c1 : index
      %count = arith.muli %next, %c16 : index
      trn.wait %loaded until %count
      %slot = arith.remui %i, %c2 : index
      %v = trn.view %t[0, %slot, 0] {along = array<i64: 0, 2>}
        : memref<32x2x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
      trn.activation square %v to %v : !trn.view<sbuf, 32x16xf32>, !trn.view<sbuf, 32x16xf32>
      trn.inc %squared by %c1
    }
  }
  trn.stream pool {
    scf.for %i = %c0 to %c8 step %c1 {
      %next = arith.addi %i, %c1 : index
      trn.wait %squared until %next
      %slot = arith.remui %i, %c2 : index
      %from = trn.view %t[0, %slot, 0] {along = array<i64: 0, 2>}
        : memref<32x2x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
      %to = trn.view %y[%i, 0, 0] {along = array<i64: 1, 2>}
        : memref<8x32x16xf32> to !trn.view<hbm, 32x16xf32>
      trn.dma_start queue 1 %from to %to inc %stored
        : !trn.view<sbuf, 32x16xf32>, !trn.view<hbm, 32x16xf32>
    }
  }
  func.return
}
