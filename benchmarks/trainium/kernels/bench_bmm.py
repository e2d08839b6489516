"""NKIBench bmm: many small products, bound by the traffic of the result."""

import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl


@nki.jit
def bmm(lhsT: "16x64x4096:f32", rhs: "16x64x4096:f32"):
    B, K, M = lhsT.shape
    _, _, N = rhs.shape
    out = nl.ndarray((B, M, N), dtype=lhsT.dtype, buffer=nl.shared_hbm)
    i_k = nl.arange(K)[:, None]
    i_m = nl.arange(M)[None, :]
    i_p = nl.arange(128)[:, None]
    i_t = nl.arange(128)[None, :]
    i_n = nl.arange(512)[None, :]
    for b in nl.affine_range(B):
        lhs_tile = nl.load(lhsT[b, i_k, i_m])
        rhs_tile = nl.load(rhs[b, i_k, i_m])
        for m in nl.affine_range(M // 128):
            row = nl.ndarray((128, N), dtype=out.dtype)
            for n in nl.affine_range(N // 512):
                product = nisa.nc_matmul(lhs_tile[i_k, m * 128 + i_t], rhs_tile[i_k, n * 512 + i_n])
                row[i_p, n * 512 + i_n] = nl.copy(product)
            nl.store(out[b, m * 128 + i_p, i_m], value=row)
    return out
