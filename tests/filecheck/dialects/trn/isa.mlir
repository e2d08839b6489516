// RUN: ROUNDTRIP

// CHECK-LABEL: @product
func.func @product(%A : memref<128x64xbf16>, %B : memref<128x256xbf16>, %C : memref<64x256xf32>) {
  %one = arith.constant 1 : index
  %loads = arith.constant 32 : index
  %stored = arith.constant 16 : index
  // CHECK: %a = trn.sbuf partition 0 offset 0 : memref<128x64xbf16, #trn<space sbuf>>
  %a = trn.sbuf partition 0 offset 0 : memref<128x64xbf16, #trn<space sbuf>>
  %b = trn.sbuf partition 0 offset 128 : memref<128x256xbf16, #trn<space sbuf>>
  %c = trn.sbuf partition 0 offset 1024 : memref<64x256xf32, #trn<space sbuf>>
  // CHECK: %p = trn.psum partition 0 bank 3 : memref<64x256xf32, #trn<space psum>>
  %p = trn.psum partition 0 bank 3 : memref<64x256xf32, #trn<space psum>>
  // CHECK: trn.psum partition 64 bank 7 {offset = 1024 : i64}
  %q = trn.psum partition 64 bank 7 {offset = 1024 : i64} : memref<64x256xf32, #trn<space psum>>
  %A_view = trn.view %A[0, 0] : memref<128x64xbf16> to !trn.view<hbm, 128x64xbf16>
  %B_view = trn.view %B[0, 0] : memref<128x256xbf16> to !trn.view<hbm, 128x256xbf16>
  %C_view = trn.view %C[0, 0] : memref<64x256xf32> to !trn.view<hbm, 64x256xf32>
  %a_view = trn.view %a[0, 0] : memref<128x64xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x64xbf16>
  %b_view = trn.view %b[0, 0] : memref<128x256xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x256xbf16>
  %c_view = trn.view %c[0, 0] : memref<64x256xf32, #trn<space sbuf>> to !trn.view<sbuf, 64x256xf32>
  %p_view = trn.view %p[0, 0] : memref<64x256xf32, #trn<space psum>> to !trn.view<psum, 64x256xf32>
  // CHECK: %loaded = trn.semaphore
  %loaded = trn.semaphore
  %multiplied = trn.semaphore
  %copied = trn.semaphore
  %written = trn.semaphore
  // CHECK: trn.stream sp {
  trn.stream sp {
    // CHECK-NEXT: trn.dma_start queue 0 %A_view to %a_view inc %loaded : !trn.view<hbm, 128x64xbf16>, !trn.view<sbuf, 128x64xbf16>
    trn.dma_start queue 0 %A_view to %a_view inc %loaded : !trn.view<hbm, 128x64xbf16>, !trn.view<sbuf, 128x64xbf16>
    trn.dma_start queue 1 %B_view to %b_view inc %loaded : !trn.view<hbm, 128x256xbf16>, !trn.view<sbuf, 128x256xbf16>
    // CHECK: trn.wait %copied until %one
    trn.wait %copied until %one
    trn.dma_start queue 0 %c_view to %C_view inc %written : !trn.view<sbuf, 64x256xf32>, !trn.view<hbm, 64x256xf32>
    trn.wait %written until %stored
  }
  trn.stream pe {
    trn.wait %loaded until %loads
    // CHECK: trn.load_stationary %a_view : !trn.view<sbuf, 128x64xbf16>
    trn.load_stationary %a_view : !trn.view<sbuf, 128x64xbf16>
    // CHECK: trn.mult_moving %b_view to %p_view : !trn.view<sbuf, 128x256xbf16>, !trn.view<psum, 64x256xf32>
    trn.mult_moving %b_view to %p_view : !trn.view<sbuf, 128x256xbf16>, !trn.view<psum, 64x256xf32>
    // CHECK: trn.inc %multiplied by %one
    trn.inc %multiplied by %one
  }
  // CHECK: trn.stream act {
  trn.stream act {
    trn.wait %multiplied until %one
    // CHECK: trn.activation copy %p_view to %c_view : !trn.view<psum, 64x256xf32>, !trn.view<sbuf, 64x256xf32>
    trn.activation copy %p_view to %c_view : !trn.view<psum, 64x256xf32>, !trn.view<sbuf, 64x256xf32>
    trn.inc %copied by %one
  }
  func.return
}
