"""Layer normalisation of the NKI tutorial, in operations of nki.language."""

import math

import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def nki_layernorm_kernel_v1(
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
        mean = nl.mean(input_sb, axis=1)
        shift_scale_tensor = nl.subtract(input_sb, mean)
        mean_square = nl.mean(nl.square(shift_scale_tensor), axis=1)
        shift_scale_tensor = nl.multiply(shift_scale_tensor, nl.rsqrt(mean_square + epsilon))
        output_sb = nl.multiply(shift_scale_tensor, gamma_sb_bcast)
        output_sb = nl.add(output_sb, beta_sb_bcast)
        nl.store(
            output_tensor[i * nl.tile_size.pmax + i_p_io, i_f_io],
            value=output_sb,
            mask=(i * nl.tile_size.pmax + i_p_io < input_tensor.shape[0]),
        )
    return output_tensor
