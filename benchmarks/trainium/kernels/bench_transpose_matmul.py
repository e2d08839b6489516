"""NKIBench transpose_matmul: lhs arrives transposed, a block of rhs stays in SBUF."""

import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl


@nki.jit
def transpose_matmul(lhsT: "2048x4096:f32", rhs: "2048x10944:f32"):
    K, M = lhsT.shape
    _, N = rhs.shape
    out = nl.ndarray((M, N), dtype=lhsT.dtype, buffer=nl.shared_hbm)
    TILE_N, TILES = 456, 3
    BLOCK_N = TILE_N * TILES
    i_p = nl.arange(128)[:, None]
    i_m = nl.arange(128)[None, :]
    i_n = nl.arange(TILE_N)[None, :]
    i_b = nl.arange(BLOCK_N)[None, :]
    for n in nl.affine_range(N // BLOCK_N):
        rhs_block = nl.ndarray((K // 128, nl.par_dim(128), BLOCK_N), dtype=rhs.dtype)
        for k in nl.affine_range(K // 128):
            rhs_block[k, i_p, i_b] = nl.load(rhs[k * 128 + i_p, n * BLOCK_N + i_b])
        for m in nl.affine_range(M // 128):
            lhs_block = nl.ndarray((K // 128, nl.par_dim(128), 128), dtype=lhsT.dtype)
            for k in nl.affine_range(K // 128):
                lhs_block[k, i_p, i_m] = nl.load(lhsT[k * 128 + i_p, m * 128 + i_m])
            for b in nl.affine_range(TILES):
                acc = nl.zeros((128, TILE_N), dtype=nl.float32, buffer=nl.psum)
                for k in nl.affine_range(K // 128):
                    acc += nisa.nc_matmul(
                        lhs_block[k, i_p, i_m], rhs_block[k, i_p, b * TILE_N + i_n]
                    )
                result = nl.copy(acc, dtype=out.dtype)
                nl.store(out[m * 128 + i_p, n * BLOCK_N + b * TILE_N + i_n], value=result)
    return out
