"""Layer normalisation of the NKI tutorial, with bn_stats, bn_aggr and one fused tensor_scalar."""

import math

import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl
import numpy as np


@nki.jit
def nki_layernorm_kernel_v2(
    input_tensor: "4096x8192:f32",
    epsilon=1e-5,
    gamma_vector: "8192:f32" = None,
    beta_vector: "8192:f32" = None,
):
    output_tensor = nl.ndarray(input_tensor.shape, dtype=input_tensor.dtype, buffer=nl.shared_hbm)
    assert input_tensor.shape[1] == gamma_vector.shape[0] == beta_vector.shape[0]
    i_p_io = nl.arange(nl.tile_size.pmax)[:, None]
    i_f_io = nl.arange(input_tensor.shape[1])[None, :]
    i_p_param = nl.arange(1)[:, None]
    gamma_sb = nl.load(gamma_vector.reshape((1, gamma_vector.shape[0]))[i_p_param, i_f_io])
    beta_sb = nl.load(beta_vector.reshape((1, beta_vector.shape[0]))[i_p_param, i_f_io])
    gamma_sb_bcast = gamma_sb.broadcast_to((nl.tile_size.pmax, gamma_vector.shape[0]))
    beta_sb_bcast = beta_sb.broadcast_to((nl.tile_size.pmax, beta_vector.shape[0]))

    for i in nl.affine_range(math.ceil(input_tensor.shape[0] / nl.tile_size.pmax)):
        input_sb = nl.load(
            input_tensor[i * nl.tile_size.pmax + i_p_io, i_f_io],
            mask=(i * nl.tile_size.pmax + i_p_io < input_tensor.shape[0]),
        )
        i_f_bn = nl.arange(nl.tile_size.bn_stats_fmax)[None, :]
        i_f_stats = nl.arange(6)[None, :]
        num_bn_stats = math.ceil(input_tensor.shape[1] / nl.tile_size.bn_stats_fmax)
        stats_results = nl.ndarray((nl.tile_size.pmax, 6 * num_bn_stats), dtype=np.float32)
        for j in nl.affine_range(num_bn_stats):
            stats_results[i_p_io, j * 6 + i_f_stats] = nisa.bn_stats(
                input_sb[i_p_io, j * nl.tile_size.bn_stats_fmax + i_f_bn],
                mask=(j * nl.tile_size.bn_stats_fmax + i_f_bn < input_tensor.shape[1]),
                dtype=np.float32,
            )
        i_f_aggr = nl.arange(6 * num_bn_stats)[None, :]
        mean_var = nisa.bn_aggr(stats_results[i_p_io, i_f_aggr])
        mean = mean_var[i_p_io, 0]
        var = mean_var[i_p_io, 1]
        scale_var = nl.rsqrt(var + epsilon)
        shift_scale_tensor = nisa.tensor_scalar(
            data=input_sb,
            op0=np.subtract,
            operand0=mean,
            op1=np.multiply,
            operand1=scale_var,
        )
        output_sb = nl.multiply(shift_scale_tensor, gamma_sb_bcast)
        output_sb = nl.add(output_sb, beta_sb_bcast)
        nl.store(
            output_tensor[i * nl.tile_size.pmax + i_p_io, i_f_io],
            value=output_sb,
            mask=(i * nl.tile_size.pmax + i_p_io < input_tensor.shape[0]),
        )
    return output_tensor
