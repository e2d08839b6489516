"""NKIBench rmsnorm_matmul: rows are normalised, transposed on the tensor engine and multiplied."""

import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl


@nki.jit
def rmsnorm_matmul(x: "4096x1024:f32", g: "1024:f32", w: "1024x2048:f32"):
    M, K = x.shape
    _, N = w.shape
    out = nl.ndarray((M, N), dtype=x.dtype, buffer=nl.shared_hbm)
    i_p = nl.arange(128)[:, None]
    i_k = nl.arange(128)[None, :]
    i_row = nl.arange(K)[None, :]
    i_n = nl.arange(512)[None, :]
    i_w = nl.arange(N)[None, :]
    w_tiles = nl.ndarray((K // 128, nl.par_dim(128), N), dtype=w.dtype)
    g_tiles = nl.ndarray((K // 128, nl.par_dim(128), 1), dtype=g.dtype)
    g_column = g.reshape((K, 1))
    for k in nl.affine_range(K // 128):
        w_tiles[k, i_p, i_w] = nl.load(w[k * 128 + i_p, i_w])
        g_tiles[k, i_p, 0] = nl.load(g_column[k * 128 + i_p, 0])
        w_tiles[k, i_p, i_w] = nl.multiply(w_tiles[k, i_p, i_w], g_tiles[k, i_p, 0])
    for m in nl.affine_range(M // 128):
        x_tile = nl.load(x[m * 128 + i_p, i_row])
        square = nl.square(x_tile)
        total = nl.sum(square, axis=[1])
        scale = nl.rsqrt(total * (1.0 / K) + 1e-5)
        normal = nl.multiply(x_tile, scale)
        turned = nl.ndarray((K // 128, nl.par_dim(128), 128), dtype=x.dtype)
        for k in nl.affine_range(K // 128):
            turned[k, i_p, i_k] = nl.copy(nisa.nc_transpose(normal[i_p, k * 128 + i_k]))
        for n in nl.affine_range(N // 512):
            acc = nl.zeros((128, 512), dtype=nl.float32, buffer=nl.psum)
            for k in nl.affine_range(K // 128):
                acc += nisa.nc_matmul(turned[k, i_p, i_k], w_tiles[k, i_p, n * 512 + i_n])
            result = nl.copy(acc, dtype=out.dtype)
            nl.store(out[m * 128 + i_p, n * 512 + i_n], value=result)
    return out
