// RUN: liftproof-opt %s -p 'gemmini-place' | filecheck %s --check-prefix=PLACE
// RUN: liftproof-opt %s -p 'gemmini-place{layout=packed}' | filecheck %s --check-prefix=PACKED
// RUN: liftproof-opt %s -p 'gemmini-place{layout=anywhere}' --verify-diagnostics | filecheck %s --check-prefix=LAYOUT
// RUN: liftproof-opt %s -p 'gemmini-place,gemmini-place' --verify-diagnostics | filecheck %s --check-prefix=TWICE
// RUN: liftproof-opt %s -p 'gemmini-place,gemmini-lower-tiles' | filecheck %s --check-prefix=LOWER
// RUN: liftproof-opt %s -p 'gemmini-lower-tiles' --verify-diagnostics | filecheck %s --check-prefix=UNPLACED
// RUN: liftproof-opt %s -p 'gemmini-place,gemmini-lower-tiles,gemmini-hoist-config' | filecheck %s --check-prefix=HOIST
// RUN: liftproof-opt %s -p 'gemmini-reuse-weights,gemmini-place,gemmini-lower-tiles' | filecheck %s --check-prefix=REUSE
// RUN: liftproof-opt %s -p 'gemmini-interchange{order=i,k},gemmini-reuse-weights' --verify-diagnostics | filecheck %s --check-prefix=OTHER
// RUN: liftproof-opt %s -p 'gemmini-peel{loop=i}' | filecheck %s --check-prefix=PEEL
// RUN: liftproof-opt %s -p 'gemmini-peel{loop=k}' --verify-diagnostics | filecheck %s --check-prefix=INNER
// RUN: liftproof-opt %s -p 'gemmini-place,gemmini-lower-tiles,gemmini-hoist-config' -t gemmini-c | filecheck %s --check-prefix=EMIT

func.func @kernel(%A: memref<40x32xi8>, %B: memref<32x16xi8>, %C: memref<40x16xi8>)
    attributes {liftproof.target = "gemmini-16x16-int8", liftproof.outputs = array<i64: 2>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c16 = arith.constant 16 : index
  %c40 = arith.constant 40 : index
  %a = memref.alloc() {tile.phases} : memref<2x3x16x16xi8, #gemmini<space spad>>
  %b = memref.alloc() : memref<2x16x16xi8, #gemmini<space spad>>
  %c = memref.alloc() : memref<3x16x16xi32, #gemmini<space acc>>
  scf.for %k = %c0 to %c2 step %c1 {
    %d = arith.muli %k, %c16 : index
    tile.load %B[%d, %c0] to %b[%k] sizes %c16, %c16 : memref<32x16xi8>, memref<2x16x16xi8, #gemmini<space spad>>
    scf.for %i = %c0 to %c3 step %c1 {
      %row = arith.muli %i, %c16 : index
      %left = arith.subi %c40, %row : index
      %rows = arith.minsi %c16, %left : index
      tile.load %A[%row, %d] to %a[%k, %i] sizes %rows, %c16 : memref<40x32xi8>, memref<2x3x16x16xi8, #gemmini<space spad>>
    }
  }
  scf.for %k = %c0 to %c2 step %c1 {
    %later = arith.cmpi slt, %c0, %k : index
    scf.for %i = %c0 to %c3 step %c1 {
      %row = arith.muli %i, %c16 : index
      %left = arith.subi %c40, %row : index
      %rows = arith.minsi %c16, %left : index
      tile.matmul %a[%k, %i], %b[%k] to %c[%i] sizes %rows, %c16, %c16 accumulate %later : memref<2x3x16x16xi8, #gemmini<space spad>>, memref<2x16x16xi8, #gemmini<space spad>>, memref<3x16x16xi32, #gemmini<space acc>>
    } {tile.loop = "i"}
  } {tile.loop = "k"}
  scf.for %i = %c0 to %c3 step %c1 {
    %row = arith.muli %i, %c16 : index
    %left = arith.subi %c40, %row : index
    %rows = arith.minsi %c16, %left : index
    tile.store %c[%i] to %C[%row, %c0] sizes %rows, %c16 {scale = 0.5 : f32, relu} : memref<3x16x16xi32, #gemmini<space acc>>, memref<40x16xi8>
  }
  func.return
}

// Each phase of A has a bank of its own, and so has B.
// PLACE: %a = memref.alloc() {tile.phases, gemmini.row = 0 : i64, gemmini.strides = array<i64: 4096, 16>}
// PLACE: %b = memref.alloc() {gemmini.row = 8192 : i64, gemmini.strides = array<i64: 16>}
// PLACE: %c = memref.alloc() {gemmini.row = 0 : i64
// PACKED: %a = memref.alloc() {tile.phases, gemmini.row = 0 : i64, gemmini.strides = array<i64: 48, 16>}
// PACKED: %b = memref.alloc() {gemmini.row = 96 : i64
// LAYOUT: func.func: layout must be one of auto, banks, buffers, packed
// TWICE: func.func: has no buffers, or their places are given already

// LOWER: gemmini.config_ld {stride = 16 : i64, block_stride = 16 : i64}
// LOWER: gemmini.mvin %B[{{.*}}, %c0] to %{{.*}}[%c16, %c16]
// LOWER: gemmini.config_ld {channel = 1 : i64, stride = 32 : i64, block_stride = 16 : i64}
// LOWER: gemmini.mvin %A{{.*}} {channel = 1 : i64}
// LOWER: gemmini.config_ex
// LOWER: %[[C:.*]] = gemmini.acc %{{.*}} accumulate %later
// LOWER: gemmini.preload %{{.*}}[%c16, %c16] to %[[C]][%[[ROWS:.*]], %c16]
// LOWER: gemmini.compute_preloaded %{{.*}}[%[[ROWS]], %c16], %{{.*}}[%[[ROWS]], %c16]
// LOWER: gemmini.config_st {stride = 16 : i64, activation = #gemmini<activation relu>, scale = 5.000000e-01 : f32}
// LOWER: gemmini.mvout
// LOWER: gemmini.fence
// UNPLACED: memref.alloc %b: has no place in its memory

// Every configuration stands in front of the loops, once.
// HOIST: gemmini.config_ld
// HOIST-NEXT: gemmini.config_ld {channel = 1
// HOIST-NEXT: scf.for
// HOIST: gemmini.config_ex
// HOIST-NEXT: scf.for %k
// HOIST: gemmini.config_st
// HOIST-NEXT: scf.for %i
// HOIST-NOT: gemmini.config

// REUSE: %[[KEEP:.*]] = arith.cmpi slt, %c0, %i
// REUSE: scf.if %[[KEEP]]
// REUSE: gemmini.compute_accumulated
// REUSE: else
// REUSE: gemmini.compute_preloaded
// OTHER: tile.matmul: uses another tile of B than the product before, in its innermost loop too

// Two full tiles in the loop, the last eight rows behind it.
// PEEL: scf.for %i{{.*}} = %c0 to %c2
// PEEL: tile.matmul {{.*}} sizes %c16, %c16, %c16
// PEEL: {tile.loop = "i"}
// PEEL: tile.matmul {{.*}} sizes %c8, %c16, %c16
// INNER: scf.for 'k': has named loops inside

// EMIT: void kernel(const int8_t A[40][32], const int8_t B[32][16], int8_t C[40][16])
// EMIT: gemmini_extended4_config_ld(16, 1.0f, false, 16, 0);
// EMIT: gemmini_extended_mvin(&B[d][0], 8192 + (k * 16), 16, 16);
// EMIT: gemmini_extended_config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 0, 1, 0, 0);
// EMIT: gemmini_extended_compute_preloaded(
// EMIT: gemmini_extended_config_st(16, RELU, 0.5f);
// EMIT: gemmini_fence();
