"""NKIBench adamw: one step of the optimiser, element by element; the last tile is half full.

Written from the published traffic: four arrays are read, one is written.
"""

import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def adamw(
    theta: "10944x2048:f32",
    g: "10944x2048:f32",
    m: "10944x2048:f32",
    v: "10944x2048:f32",
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    decay=0.01,
):
    rows, columns = theta.shape
    theta_out = nl.ndarray(theta.shape, dtype=theta.dtype, buffer=nl.shared_hbm)
    i_p = nl.arange(128)[:, None]
    i_f = nl.arange(columns)[None, :]
    for i in nl.affine_range((rows + 127) // 128):
        theta_t = nl.load(theta[i * 128 + i_p, i_f], mask=i * 128 + i_p < rows)
        g_t = nl.load(g[i * 128 + i_p, i_f], mask=i * 128 + i_p < rows)
        m_t = nl.load(m[i * 128 + i_p, i_f], mask=i * 128 + i_p < rows)
        v_t = nl.load(v[i * 128 + i_p, i_f], mask=i * 128 + i_p < rows)
        m_new = nl.add(nl.multiply(m_t, beta1), nl.multiply(g_t, 1.0 - beta1))
        g_square = nl.multiply(g_t, g_t)
        v_new = nl.add(nl.multiply(v_t, beta2), nl.multiply(g_square, 1.0 - beta2))
        m_hat = nl.multiply(m_new, 1.0 / (1.0 - beta1))
        v_hat = nl.multiply(v_new, 1.0 / (1.0 - beta2))
        denominator = nl.add(nl.sqrt(v_hat), eps)
        update = nl.divide(m_hat, denominator)
        step = nl.multiply(update, lr)
        kept = nl.multiply(theta_t, 1.0 - lr * decay)
        nl.store(
            theta_out[i * 128 + i_p, i_f], value=nl.subtract(kept, step), mask=i * 128 + i_p < rows
        )
    return theta_out
