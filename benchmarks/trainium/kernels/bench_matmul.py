"""NKIBench matmul: lhs is transposed on the tensor engine, rhs loaded per row of tiles.

Written from the published traffic: lhs moves N / 1024 times, rhs M / 128 times, in rows of 4 KiB.
"""

import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl


@nki.jit
def matmul(lhs: "4096x5120:f32", rhs: "5120x12288:f32"):
    M, K = lhs.shape
    _, N = rhs.shape
    out = nl.ndarray((M, N), dtype=lhs.dtype, buffer=nl.shared_hbm)
    i_p = nl.arange(128)[:, None]
    i_row = nl.arange(K)[None, :]
    i_k = nl.arange(128)[None, :]
    i_n = nl.arange(512)[None, :]
    i_b = nl.arange(1024)[None, :]
    for m in nl.affine_range(M // 128):
        for n in nl.affine_range(N // 1024):
            acc = nl.zeros((2, nl.par_dim(128), 512), dtype=nl.float32, buffer=nl.psum)
            lhs_row = nl.load(lhs[m * 128 + i_p, i_row])
            for k in nl.affine_range(K // 128):
                rhs_tile = nl.load(rhs[k * 128 + i_p, n * 1024 + i_b])
                lhs_t = nl.copy(nisa.nc_transpose(lhs_row[i_p, k * 128 + i_k]))
                for b in nl.affine_range(2):
                    acc[b, i_p, i_n] += nisa.nc_matmul(lhs_t, rhs_tile[i_p, b * 512 + i_n])
            for b in nl.affine_range(2):
                result = nl.copy(acc[b, i_p, i_n], dtype=out.dtype)
                nl.store(out[m * 128 + i_p, n * 1024 + b * 512 + i_n], value=result)
    return out
