// RUN: ROUNDTRIP

// CHECK-LABEL: @matmul
func.func @matmul(%A : memref<4096x512xbf16>, %B : memref<4096x1024xbf16>, %C : memref<512x1024xf32>) {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %c4096 = arith.constant 4096 : index
  %psum = memref.alloc() : memref<128x512xf32, #trn<space psum>>
  // CHECK: %acc = trn.view %psum[0, 0] : memref<128x512xf32, #trn<space psum>> to !trn.view<psum, 128x512xf32>
  %acc = trn.view %psum[0, 0] : memref<128x512xf32, #trn<space psum>> to !trn.view<psum, 128x512xf32>
  scf.for %k = %c0 to %c4096 step %c128 {
    %a = memref.alloc() : memref<128x128xbf16, #trn<space sbuf>>
    %b = memref.alloc() : memref<128x512xbf16, #trn<space sbuf>>
    // CHECK: %a_hbm = trn.view %A[%k, 0]
    %a_hbm = trn.view %A[%k, 0] : memref<4096x512xbf16> to !trn.view<hbm, 128x128xbf16>
    %a_tile = trn.view %a[0, 0] : memref<128x128xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x128xbf16>
    // CHECK: trn.dma_copy %a_hbm to %a_tile : !trn.view<hbm, 128x128xbf16>, !trn.view<sbuf, 128x128xbf16>
    trn.dma_copy %a_hbm to %a_tile : !trn.view<hbm, 128x128xbf16>, !trn.view<sbuf, 128x128xbf16>
    %b_hbm = trn.view %B[%k, 0] : memref<4096x1024xbf16> to !trn.view<hbm, 128x512xbf16>
    %b_tile = trn.view %b[0, 0] : memref<128x512xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x512xbf16>
    trn.dma_copy %b_hbm to %b_tile : !trn.view<hbm, 128x512xbf16>, !trn.view<sbuf, 128x512xbf16>
    %first = arith.cmpi eq, %k, %c0 : index
    %not_first = arith.cmpi ne, %k, %c0 : index
    // CHECK: trn.nc_matmul %a_tile, %b_tile to %acc accumulate %not_first : !trn.view<sbuf, 128x128xbf16>, !trn.view<sbuf, 128x512xbf16>, !trn.view<psum, 128x512xf32>
    trn.nc_matmul %a_tile, %b_tile to %acc accumulate %not_first : !trn.view<sbuf, 128x128xbf16>, !trn.view<sbuf, 128x512xbf16>, !trn.view<psum, 128x512xf32>
  }
  %out = memref.alloc() : memref<128x512xf32, #trn<space sbuf>>
  %out_tile = trn.view %out[0, 0] : memref<128x512xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x512xf32>
  // CHECK: trn.tensor_copy %acc to %out_tile {engine = #trn<engine act>} : !trn.view<psum, 128x512xf32>, !trn.view<sbuf, 128x512xf32>
  trn.tensor_copy %acc to %out_tile {engine = #trn<engine act>} : !trn.view<psum, 128x512xf32>, !trn.view<sbuf, 128x512xf32>
  %c_hbm = trn.view %C[0, 0] : memref<512x1024xf32> to !trn.view<hbm, 128x512xf32>
  trn.dma_copy %out_tile to %c_hbm : !trn.view<sbuf, 128x512xf32>, !trn.view<hbm, 128x512xf32>
  func.return
}

// CHECK-LABEL: @views
func.func @views(%A : memref<64x100xf32>, %rows : index, %i : index) {
  %buffer = memref.alloc() : memref<128x4x100xf32, #trn<space sbuf>>
  // CHECK: trn.view %A[%i, 0] sizes(%rows) : memref<64x100xf32> to !trn.view<hbm, ?x100xf32>
  %0 = trn.view %A[%i, 0] sizes (%rows) : memref<64x100xf32> to !trn.view<hbm, ?x100xf32>
  // CHECK: trn.view %buffer[32, 1, 0] {along = array<i64: 0, 2>, steps = array<i64: 1, 2>}
  %1 = trn.view %buffer[32, 1, 0] {along = array<i64: 0, 2>, steps = array<i64: 1, 2>} : memref<128x4x100xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x50xf32>
  // A row of HBM repeated over the partitions.
  %2 = trn.view %A[3, 0] {along = array<i64: 0, 1>, steps = array<i64: 0, 1>} : memref<64x100xf32> to !trn.view<hbm, 128x100xf32>
  // Windows of 3 at steps of 1.
  %3 = trn.view %buffer[0, 0, 0] {along = array<i64: 0, 2, 2>} : memref<128x4x100xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x98x3xf32>
  // CHECK: trn.reshape %buffer
  %4 = trn.reshape %buffer : memref<128x4x100xf32, #trn<space sbuf>> to memref<128x400xf32, #trn<space sbuf>>
  func.return
}

// CHECK-LABEL: @instructions
func.func @instructions(%offset : index) {
  %x = memref.alloc() : memref<128x64xf32, #trn<space sbuf>>
  %y = memref.alloc() : memref<128x64xf32, #trn<space sbuf>>
  %v = memref.alloc() : memref<128x8xf32, #trn<space sbuf>>
  %u = memref.alloc() : memref<128x64xi32, #trn<space sbuf>>
  %h = memref.alloc() : memref<128x64xbf16, #trn<space sbuf>>
  %g = memref.alloc() : memref<128x64xui16, #trn<space sbuf>>
  %a = trn.view %x[0, 0] : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x64xf32>
  %b = trn.view %y[0, 0] : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x64xf32>
  %i = trn.view %u[0, 0] : memref<128x64xi32, #trn<space sbuf>> to !trn.view<sbuf, 128x64xi32>
  %b16 = trn.view %h[0, 0] : memref<128x64xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x64xbf16>
  %index = trn.view %g[0, 0] : memref<128x64xui16, #trn<space sbuf>> to !trn.view<sbuf, 128x4xui16>
  %i8 = trn.view %u[0, 0] : memref<128x64xi32, #trn<space sbuf>> to !trn.view<sbuf, 128x8xi32>
  %start = trn.view %u[0, 0] : memref<128x64xi32, #trn<space sbuf>> to !trn.view<sbuf, 1x1xi32>
  %s = trn.view %v[0, 0] : memref<128x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x1xf32>
  %t = trn.view %v[0, 1] : memref<128x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x1xf32>
  %two = trn.view %v[0, 2] : memref<128x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x2xf32>
  %six = trn.view %v[0, 0] : memref<128x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x6xf32>
  %eight = trn.view %v[0, 0] : memref<128x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x8xf32>
  %row = trn.view %x[0, 0] : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 1x64xf32>
  %block = trn.view %x[0, 0] : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x32xf32>
  %turned = trn.view %y[0, 0] : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x32xf32>
  %half = trn.view %x[0, 0] : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x32xf32>
  // CHECK: trn.activation exp %a scale %s : !trn.view<sbuf, 128x1xf32> bias %t : !trn.view<sbuf, 128x1xf32> to %b : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  trn.activation exp %a scale %s : !trn.view<sbuf, 128x1xf32> bias %t : !trn.view<sbuf, 128x1xf32> to %b : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.activation square %a to %b sum to %s : !trn.view<sbuf, 128x1xf32> {scale_immediate = 5.000000e-01 : f32}
  trn.activation square %a to %b sum to %s : !trn.view<sbuf, 128x1xf32> {scale_immediate = 0.5 : f32} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.tensor_tensor multiply %a, %b to %a
  trn.tensor_tensor multiply %a, %b to %a : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.tensor_scalar multiply %a to %b {immediate0 = 2.000000e+00 : f32}
  trn.tensor_scalar multiply %a to %b {immediate0 = 2.0 : f32} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.tensor_scalar subtract %a scalar0 %s : !trn.view<sbuf, 128x1xf32> scalar1 %t : !trn.view<sbuf, 128x1xf32> to %b {op1 = #trn<op multiply>}
  trn.tensor_scalar subtract %a scalar0 %s : !trn.view<sbuf, 128x1xf32> scalar1 %t : !trn.view<sbuf, 128x1xf32> to %b {op1 = #trn<op multiply>} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.scalar_tensor_tensor subtract multiply %a scalar0 %s : !trn.view<sbuf, 128x1xf32>, %b to %a
  trn.scalar_tensor_tensor subtract multiply %a scalar0 %s : !trn.view<sbuf, 128x1xf32>, %b to %a : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.tensor_scalar_reduce add maximum %a to %b, %s {immediate0 = 1.000000e+00 : f32}
  trn.tensor_scalar_reduce add maximum %a to %b, %s {immediate0 = 1.0 : f32} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x1xf32>
  // CHECK: trn.tensor_tensor_scan multiply add %a, %b initial %s : !trn.view<sbuf, 128x1xf32> to %a
  trn.tensor_tensor_scan multiply add %a, %b initial %s : !trn.view<sbuf, 128x1xf32> to %a : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.tensor_reduce add %a axes 1 to %s {negate}
  trn.tensor_reduce add %a axes 1 to %s {negate} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x1xf32>
  // CHECK: trn.tensor_partition_reduce add %a to %row
  trn.tensor_partition_reduce add %a to %row : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 1x64xf32>
  // CHECK: trn.tensor_copy_predicated %a, %i to %b
  trn.tensor_copy_predicated %a, %i to %b : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xi32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.tensor_copy_dynamic_src %a, %start to %half
  trn.tensor_copy_dynamic_src %a, %start to %half : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 1x1xi32>, !trn.view<sbuf, 128x32xf32>
  // CHECK: trn.tensor_copy_dynamic_dst %half, %start to %b
  trn.tensor_copy_dynamic_dst %half, %start to %b : !trn.view<sbuf, 128x32xf32>, !trn.view<sbuf, 1x1xi32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.reciprocal %a to %b
  trn.reciprocal %a to %b : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.memset %a to 0.000000e+00 {engine = #trn<engine pool>} : !trn.view<sbuf, 128x64xf32>
  trn.memset %a to 0.0 {engine = #trn<engine pool>} : !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.memset %a to 0xff800000 : !trn.view<sbuf, 128x64xf32>
  trn.memset %a to 0xff800000 : !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.bn_stats %a to %six
  trn.bn_stats %a to %six : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x6xf32>
  // CHECK: trn.bn_aggr %six to %two
  trn.bn_aggr %six to %two : !trn.view<sbuf, 128x6xf32>, !trn.view<sbuf, 128x2xf32>
  // CHECK: trn.dropout %a to %b seed 7 {immediate0 = 5.000000e-01 : f32}
  trn.dropout %a to %b seed 7 {immediate0 = 0.5 : f32} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.range_select greater_equal less %a, %s, %t else -1.000000e+30 to %b max to %s : !trn.view<sbuf, 128x1xf32> {start = 4 : i64}
  trn.range_select greater_equal less %a, %s, %t else -1.0e30 to %b max to %s : !trn.view<sbuf, 128x1xf32> {start = 4} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x1xf32>, !trn.view<sbuf, 128x1xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.select_reduce %a, %i else %s : !trn.view<sbuf, 128x1xf32> to %b max to %t : !trn.view<sbuf, 128x1xf32>
  trn.select_reduce %a, %i else %s : !trn.view<sbuf, 128x1xf32> to %b max to %t : !trn.view<sbuf, 128x1xf32> : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xi32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.sequence_bounds %half to %b
  trn.sequence_bounds %half to %b : !trn.view<sbuf, 128x32xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.stream_shuffle %a to %b {mask = array<i64: 1, 0,
  trn.stream_shuffle %a to %b {mask = array<i64: 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 17, 16, 19, 18, 21, 20, 23, 22, 25, 24, 27, 26, 29, 28, 255, 255>} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.max8 %a to %eight
  trn.max8 %a to %eight : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x8xf32>
  // CHECK: trn.find_index8 %a, %eight to %i8
  trn.find_index8 %a, %eight to %i8 : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x8xf32>, !trn.view<sbuf, 128x8xi32>
  // CHECK: trn.match_replace8 %a, %eight by 0.000000e+00 to %b
  trn.match_replace8 %a, %eight by 0.0 to %b : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x8xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.topk %a to %eight, %i8
  trn.topk %a to %eight, %i8 : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x8xf32>, !trn.view<sbuf, 128x8xi32>
  // CHECK: trn.iota offset %offset to %i {partition_step = 64 : i64, steps = array<i64: 1>}
  trn.iota offset %offset to %i {partition_step = 64, steps = array<i64: 1>} : !trn.view<sbuf, 128x64xi32>
  // CHECK: trn.affine_select greater_equal %a offset %offset else 0.000000e+00 to %b {partition_step = 1 : i64, steps = array<i64: -1>}
  trn.affine_select greater_equal %a offset %offset else 0.0 to %b {partition_step = 1, steps = array<i64: -1>} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.local_gather %a, %index to %b {count = 64 : i64, run = 1 : i64}
  trn.local_gather %a, %index to %b {count = 64, run = 1} : !trn.view<sbuf, 128x64xf32>, !trn.view<sbuf, 128x4xui16>, !trn.view<sbuf, 128x64xf32>
  // CHECK: trn.nc_transpose %block to %turned {engine = #trn<engine dve>}
  trn.nc_transpose %block to %turned {engine = #trn<engine dve>} : !trn.view<sbuf, 32x32xf32>, !trn.view<sbuf, 32x32xf32>
  func.return
}
