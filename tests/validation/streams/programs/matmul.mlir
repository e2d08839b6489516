// C = Aᵀ·B: tiles of B, PSUM banks and tiles of C in turn, five semaphores, four streams.
func.func @f(%A : memref<3x128x128xbf16>, %B : memref<3x128x2048xbf16>, %C : memref<128x2048xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  %c512 = arith.constant 512 : index
  %K = arith.constant 3 : index
  %N = arith.constant 4 : index
  %a = trn.sbuf partition 0 offset 0 : memref<128x3x128xbf16, #trn<space sbuf>>
  %b = trn.sbuf partition 0 offset 768 : memref<128x2x512xbf16, #trn<space sbuf>>
  %o = trn.sbuf partition 0 offset 2816 : memref<128x2x512xf32, #trn<space sbuf>>
  %p = trn.psum partition 0 bank 0 : memref<128x2x512xf32, #trn<space psum>>
  %stationary_loaded = trn.semaphore
  %moving_loaded = trn.semaphore
  %multiplied = trn.semaphore
  %copied = trn.semaphore
  %stored = trn.semaphore
  trn.stream sp {
    scf.for %k = %c0 to %K step %c1 {
      %s = trn.view %A[%k, 0, 0] {along = array<i64: 1, 2>} : memref<3x128x128xbf16> to !trn.view<hbm, 128x128xbf16>
      %d = trn.view %a[0, %k, 0] {along = array<i64: 0, 2>} : memref<128x3x128xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x128xbf16>
      trn.dma_start queue 0 %s to %d inc %stationary_loaded : !trn.view<hbm, 128x128xbf16>, !trn.view<sbuf, 128x128xbf16>
    }
    scf.for %n = %c0 to %N step %c1 {
      scf.for %k = %c0 to %K step %c1 {
        %nk = arith.muli %n, %K : index
        %i = arith.addi %nk, %k : index
        %w = arith.subi %i, %c1 : index
        trn.wait %multiplied until %w
        %slot = arith.remui %i, %c2 : index
        %col = arith.muli %n, %c512 : index
        %s = trn.view %B[%k, 0, %col] {along = array<i64: 1, 2>} : memref<3x128x2048xbf16> to !trn.view<hbm, 128x512xbf16>
        %d = trn.view %b[0, %slot, 0] {along = array<i64: 0, 2>} : memref<128x2x512xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x512xbf16>
        trn.dma_start queue 1 %s to %d inc %moving_loaded : !trn.view<hbm, 128x512xbf16>, !trn.view<sbuf, 128x512xbf16>
      }
    }
  }
  trn.stream pe {
    %all = arith.muli %K, %c16 : index
    trn.wait %stationary_loaded until %all
    scf.for %n = %c0 to %N step %c1 {
      %pslot = arith.remui %n, %c2 : index
      %pw = arith.subi %n, %c1 : index
      trn.wait %copied until %pw
      scf.for %k = %c0 to %K step %c1 {
        %nk = arith.muli %n, %K : index
        %i = arith.addi %nk, %k : index
        %i1 = arith.addi %i, %c1 : index
        %need = arith.muli %i1, %c16 : index
        trn.wait %moving_loaded until %need
        %slot = arith.remui %i, %c2 : index
        %w = trn.view %a[0, %k, 0] {along = array<i64: 0, 2>} : memref<128x3x128xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x128xbf16>
        %m = trn.view %b[0, %slot, 0] {along = array<i64: 0, 2>} : memref<128x2x512xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x512xbf16>
        %r = trn.view %p[0, %pslot, 0] {along = array<i64: 0, 2>} : memref<128x2x512xf32, #trn<space psum>> to !trn.view<psum, 128x512xf32>
        trn.load_stationary %w : !trn.view<sbuf, 128x128xbf16>
        %more = arith.cmpi ne, %k, %c0 : index
        trn.mult_moving %m to %r accumulate %more : !trn.view<sbuf, 128x512xbf16>, !trn.view<psum, 128x512xf32>
        trn.inc %multiplied by %c1
      }
    }
  }
  trn.stream act {
    scf.for %n = %c0 to %N step %c1 {
      %pslot = arith.remui %n, %c2 : index
      %n1 = arith.addi %n, %c1 : index
      %need = arith.muli %n1, %K : index
      trn.wait %multiplied until %need
      %sw = arith.subi %n, %c1 : index
      %sw16 = arith.muli %sw, %c16 : index
      trn.wait %stored until %sw16
      %r = trn.view %p[0, %pslot, 0] {along = array<i64: 0, 2>} : memref<128x2x512xf32, #trn<space psum>> to !trn.view<psum, 128x512xf32>
      %q = trn.view %o[0, %pslot, 0] {along = array<i64: 0, 2>} : memref<128x2x512xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x512xf32>
      trn.activation copy %r to %q : !trn.view<psum, 128x512xf32>, !trn.view<sbuf, 128x512xf32>
      trn.inc %copied by %c1
    }
  }
  trn.stream pool {
    scf.for %n = %c0 to %N step %c1 {
      %pslot = arith.remui %n, %c2 : index
      %n1 = arith.addi %n, %c1 : index
      trn.wait %copied until %n1
      %col = arith.muli %n, %c512 : index
      %q = trn.view %o[0, %pslot, 0] {along = array<i64: 0, 2>} : memref<128x2x512xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x512xf32>
      %d = trn.view %C[0, %col] : memref<128x2048xf32> to !trn.view<hbm, 128x512xf32>
      trn.dma_start queue 2 %q to %d inc %stored : !trn.view<sbuf, 128x512xf32>, !trn.view<hbm, 128x512xf32>
    }
  }
  func.return
}
