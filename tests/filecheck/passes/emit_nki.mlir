// RUN: liftproof-opt %s -t nki | filecheck %s

// Names, loops, subscripts, and the condition under which a product accumulates.

// CHECK:       @nki.jit
// CHECK-NEXT:  def product(a: "256x128:bfloat16", b: "256x512:bfloat16"):
// CHECK-NEXT:      c = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.shared_hbm)
// CHECK-NEXT:      sum = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
// CHECK-NEXT:      for k in nl.sequential_range(0, 256, 128):
// CHECK-NEXT:          left = nl.ndarray((128, 128), dtype=nl.bfloat16, buffer=nl.sbuf)
// CHECK-NEXT:          nisa.dma_copy(dst=left, src=a[k : k + 128, 0 : 128])
// CHECK:               nisa.nc_matmul(dst=sum, stationary=left, moving=right, accumulate=k != 0)
// CHECK:           nisa.tensor_scalar(dst=out, data=sum, op0=nl.multiply, operand0=0.5)
// CHECK:           return c

func.func @product(%a: memref<256x128xbf16>, %b: memref<256x512xbf16>, %c: memref<128x512xf32>)
    attributes {liftproof.parameters = ["a", "b", "c"], liftproof.outputs = array<i64: 2>} {
  %zero = arith.constant 0 : index
  %size = arith.constant 256 : index
  %step = arith.constant 128 : index
  %sum = memref.alloc() : memref<128x512xf32, #trn<space psum>>
  %s = trn.view %sum[0, 0]
    : memref<128x512xf32, #trn<space psum>> to !trn.view<psum, 128x512xf32>
  scf.for %k = %zero to %size step %step {
    %left = memref.alloc() : memref<128x128xbf16, #trn<space sbuf>>
    %ha = trn.view %a[%k, 0] : memref<256x128xbf16> to !trn.view<hbm, 128x128xbf16>
    %l = trn.view %left[0, 0]
      : memref<128x128xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x128xbf16>
    trn.dma_copy %ha to %l : !trn.view<hbm, 128x128xbf16>, !trn.view<sbuf, 128x128xbf16>
    %right = memref.alloc() : memref<128x512xbf16, #trn<space sbuf>>
    %hb = trn.view %b[%k, 0] : memref<256x512xbf16> to !trn.view<hbm, 128x512xbf16>
    %r = trn.view %right[0, 0]
      : memref<128x512xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x512xbf16>
    trn.dma_copy %hb to %r : !trn.view<hbm, 128x512xbf16>, !trn.view<sbuf, 128x512xbf16>
    %later = arith.cmpi ne, %k, %zero : index
    trn.nc_matmul %l, %r to %s accumulate %later
      : !trn.view<sbuf, 128x128xbf16>, !trn.view<sbuf, 128x512xbf16>, !trn.view<psum, 128x512xf32>
  }
  %out = memref.alloc() : memref<128x512xf32, #trn<space sbuf>>
  %o = trn.view %out[0, 0]
    : memref<128x512xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x512xf32>
  trn.tensor_scalar multiply %s to %o {immediate0 = 5.000000e-01 : f32}
    : !trn.view<psum, 128x512xf32>, !trn.view<sbuf, 128x512xf32>
  %hc = trn.view %c[0, 0] : memref<128x512xf32> to !trn.view<hbm, 128x512xf32>
  trn.dma_copy %o to %hc : !trn.view<sbuf, 128x512xf32>, !trn.view<hbm, 128x512xf32>
  func.return
}
