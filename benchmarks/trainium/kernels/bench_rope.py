"""NKIBench rope: pairs of halves are rotated, head by head, 128 positions at a time."""

import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def rope(x: "64x4096x128:f32", cos: "4096x64:f32", sin: "4096x64:f32"):
    heads, positions, size = x.shape
    half = size // 2
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    i_p = nl.arange(128)[:, None]
    i_f = nl.arange(size)[None, :]
    i_h = nl.arange(half)[None, :]
    for h in nl.affine_range(heads):
        for t in nl.affine_range(positions // 128):
            x_tile = nl.load(x[h, t * 128 + i_p, i_f])
            cos_tile = nl.load(cos[t * 128 + i_p, i_h])
            sin_tile = nl.load(sin[t * 128 + i_p, i_h])
            first = nl.copy(x_tile[i_p, i_h])
            second = nl.copy(x_tile[i_p, half + i_h])
            result = nl.ndarray((128, size), dtype=x.dtype)
            result[i_p, i_h] = nl.subtract(
                nl.multiply(first, cos_tile), nl.multiply(second, sin_tile)
            )
            result[i_p, half + i_h] = nl.add(
                nl.multiply(second, cos_tile), nl.multiply(first, sin_tile)
            )
            nl.store(out[h, t * 128 + i_p, i_f], value=result)
    return out
