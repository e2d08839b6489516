"""NKIBench silu: x / (1 + exp(−x)), one row of tiles at a time."""

import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def silu(x: "4096x7168:f32"):
    rows, columns = x.shape
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    i_p = nl.arange(128)[:, None]
    i_f = nl.arange(columns)[None, :]
    for i in nl.affine_range(rows // 128):
        tile = nl.load(x[i * 128 + i_p, i_f])
        exponential = nl.exp(nl.negative(tile))
        inverse = nl.reciprocal(exponential + 1.0)
        nl.store(out[i * 128 + i_p, i_f], value=nl.multiply(tile, inverse))
    return out
