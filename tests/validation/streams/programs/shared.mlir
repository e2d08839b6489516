// Two engines fill a buffer and count one semaphore; a queue takes the moves of two streams.
func.func @f(%x : memref<64x16xf32>, %y : memref<64x16xf32>, %z : memref<64x16xf32>) {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  %c32 = arith.constant 32 : index
  %t = trn.sbuf partition 0 offset 0 : memref<64x16xf32, #trn<space sbuf>>
  %u = trn.sbuf partition 64 offset 0 : memref<64x16xf32, #trn<space sbuf>>
  %xv = trn.view %x[0, 0] : memref<64x16xf32> to !trn.view<hbm, 64x16xf32>
  %yv = trn.view %y[0, 0] : memref<64x16xf32> to !trn.view<hbm, 64x16xf32>
  %zv = trn.view %z[0, 0] : memref<64x16xf32> to !trn.view<hbm, 64x16xf32>
  %tv = trn.view %t[0, 0] : memref<64x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 64x16xf32>
  %low = trn.view %t[0, 0] : memref<64x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
  %high = trn.view %t[32, 0] : memref<64x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
  %uv = trn.view %u[0, 0] : memref<64x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 64x16xf32>
  %loaded = trn.semaphore
  %worked = trn.semaphore
  %turn = trn.semaphore
  %stored = trn.semaphore
  trn.stream sp {
    trn.dma_start queue 0 %xv to %tv inc %loaded
      : !trn.view<hbm, 64x16xf32>, !trn.view<sbuf, 64x16xf32>
    trn.wait %worked until %c2
    trn.dma_start queue 1 %tv to %yv inc %stored
      : !trn.view<sbuf, 64x16xf32>, !trn.view<hbm, 64x16xf32>
    trn.inc %turn by %c1
  }
  trn.stream act {
    trn.wait %loaded until %c16
    trn.activation square %low to %low : !trn.view<sbuf, 32x16xf32>, !trn.view<sbuf, 32x16xf32>
    trn.inc %worked by %c1
  }
  trn.stream dve {
    trn.wait %loaded until %c16
    trn.reciprocal %high to %high : !trn.view<sbuf, 32x16xf32>, !trn.view<sbuf, 32x16xf32>
    trn.inc %worked by %c1
    trn.wait %stored until %c32
    trn.memset %tv to 0.0 : !trn.view<sbuf, 64x16xf32>
  }
  trn.stream pool {
    trn.wait %turn until %c1
    trn.dma_start queue 1 %yv to %uv inc %stored
      : !trn.view<hbm, 64x16xf32>, !trn.view<sbuf, 64x16xf32>
    trn.dma_start queue 1 %uv to %zv inc %stored
      : !trn.view<sbuf, 64x16xf32>, !trn.view<hbm, 64x16xf32>
  }
  func.return
}
