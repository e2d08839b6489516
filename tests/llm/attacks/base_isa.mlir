func.func @kernel(%A: memref<17x16xi8>, %B: memref<16x16xi8>, %C: memref<17x16xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  %c17 = arith.constant 17 : index
  %c64 = arith.constant 64 : index
  gemmini.config_ld {stride = 16 : i64, block_stride = 16 : i64}
  gemmini.config_ex
  gemmini.config_st {stride = 16 : i64}
  %weights = gemmini.spad %c64
  gemmini.mvin %B[%c0, %c0] to %weights[%c16, %c16] : memref<16x16xi8>, !gemmini.local<spad>
  scf.for %i = %c0 to %c2 step %c1 {
    %row = arith.muli %i, %c16 : index
    %left = arith.subi %c17, %row : index
    %rows = arith.minsi %left, %c16 : index
    %a = gemmini.spad %row
    gemmini.mvin %A[%row, %c0] to %a[%rows, %c16] : memref<17x16xi8>, !gemmini.local<spad>
    %c = gemmini.acc %row
    %none = gemmini.none
    gemmini.preload %weights[%c16, %c16] to %c[%rows, %c16] : !gemmini.local<spad>, !gemmini.local<acc>
    gemmini.compute_preloaded %a[%rows, %c16], %none[%rows, %c16] : !gemmini.local<spad>, !gemmini.local<none>
    gemmini.mvout %c[%rows, %c16] to %C[%row, %c0] : !gemmini.local<acc>, memref<17x16xi8>
  }
  gemmini.fence
  func.return
}
