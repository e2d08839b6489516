"""Selective scan of the NKI tutorial, channels outermost: delta and u are loaded once."""

import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl
import numpy as np


@nki.jit
def mamba_v2(
    delta: "1x4096x512:f32",
    u: "1x4096x512:f32",
    A: "4096x16:f32",
    B: "1x16x512:f32",
    C: "1x16x512:f32",
):
    batch_size, channels, seq_len = delta.shape
    output = nl.ndarray((batch_size, channels, seq_len), dtype=delta.dtype, buffer=nl.shared_hbm)
    _, state_size = A.shape
    channel_psize = nl.tile_size.pmax
    n_channel_tile = channels // channel_psize
    assert channels % channel_psize == 0

    for i_batch in nl.affine_range(batch_size):
        for i_channel_tile in nl.affine_range(n_channel_tile):
            channel_start = i_channel_tile * channel_psize
            scanC_accum = nl.zeros((nl.par_dim(channel_psize), seq_len), dtype=delta.dtype)
            delta_i = nl.load(
                delta[i_batch, channel_start : channel_start + channel_psize, 0:seq_len]
            )
            u_i = nl.load(u[i_batch, channel_start : channel_start + channel_psize, 0:seq_len])
            deltaU = nisa.tensor_tensor(delta_i, u_i, op=nl.multiply)
            for i_state in nl.affine_range(state_size):
                A_i = nl.load(A[channel_start : channel_start + channel_psize, i_state])
                deltaA = nisa.activation(op=nl.exp, data=delta_i, scale=A_i)
                B_i = nl.load(B[i_batch, i_state : i_state + 1, 0:seq_len])
                deltaBu = nisa.tensor_tensor(
                    deltaU, B_i.broadcast_to((channel_psize, seq_len)), op=nl.multiply
                )
                scan_res = nki.isa.tensor_tensor_scan(
                    deltaA, deltaBu, initial=0, op0=np.multiply, op1=np.add
                )
                C_i = nl.load(C[i_batch, i_state : i_state + 1, 0:seq_len])
                scanC = nisa.tensor_tensor(
                    scan_res, C_i.broadcast_to((channel_psize, seq_len)), op=nl.multiply
                )
                scanC_accum[0:channel_psize, 0:seq_len] += scanC
            nl.store(
                output[i_batch, channel_start : channel_start + channel_psize, 0:seq_len],
                scanC_accum[0:channel_psize, 0:seq_len],
            )
    return output
