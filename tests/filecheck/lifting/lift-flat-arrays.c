// RUN: liftproof-opt -p lift-loops %s | filecheck %s
// RUN: liftproof-opt -p lift-loops %s | liftproof-opt -f mlir | filecheck %s

// Arrays that are indexed by hand are reshaped; the downward loop becomes an upward one.
void scale(const signed char A[4 * 6], const signed char B[6 * 8], int C[4 * 8]) {
  for (int i = 3; i >= 0; i--)
    for (int j = 0; j < 8; j++) {
      int sum = 0;
      for (int k = 5; k >= 0; k--) sum += A[i * 6 + k] * B[k * 8 + j];
      C[i * 8 + j] = sum;
    }
}

// CHECK:       %[[A:.*]] = tensor.expand_shape %A {{.*}} output_shape [4, 6] : tensor<24xi8> into tensor<4x6xi8>
// CHECK:       %[[B:.*]] = tensor.expand_shape %B {{.*}} output_shape [6, 8] : tensor<48xi8> into tensor<6x8xi8>
// CHECK:       %[[C:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>], {{.*}} ins(%[[A]], %[[B]] : tensor<4x6xi8>, tensor<6x8xi8>)
// CHECK:       tensor.collapse_shape %[[C]] {{.*}} : tensor<4x8xi32> into tensor<32xi32>
