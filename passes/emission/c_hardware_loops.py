"""C spelling of the hardware's own loops, ``gemmini_loop_ws`` and ``gemmini_loop_conv_ws``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import SSAValue

from ...dialects.gemmini.loops import CONV_SIZES, LoopConvWsOp, LoopWsOp

Pointer = Callable[[SSAValue, list[SSAValue]], str]
STRIDES = ("in_stride", "weight_stride", "out_stride")
"""The sizes that the macro takes at its end."""


def loop_ws_arguments(op: LoopWsOp, activation: str, pointer: Pointer) -> list[str]:
    """The 23 arguments of ``gemmini_loop_ws``."""
    arrays = ((op.a, op.a_indices), (op.b, op.b_indices), (op.d, op.d_indices))
    return [
        *_numbers(op.bounds.get_values()),
        *_numbers(op.pads.get_values()),
        *(_place(*array, pointer) for array in (*arrays, (op.c, op.c_indices))),
        *_numbers(op.strides.get_values()),
        *_flags(op.a_transpose, op.b_transpose, op.full_c, op.low_d, op.accumulate),
        activation,
        *_numbers([op.a_spad_id.value.data, op.b_spad_id.value.data]),
        *_flags(op.residual_add),
    ]


def loop_conv_ws_arguments(op: LoopConvWsOp, activation: str, pointer: Pointer) -> list[str]:
    """The arguments of ``gemmini_loop_conv_ws`` in the order of ``gemmini.h``."""
    sizes = dict(zip(CONV_SIZES, map(int, op.sizes.get_values()), strict=True))
    arrays = (
        (op.weights, op.weights_indices),
        (op.output, op.output_indices),
        (op.bias, op.bias_indices),
        (op.input, op.input_indices),
    )
    return [
        *_numbers([number for name, number in sizes.items() if name not in STRIDES]),
        *(_place(*array, pointer) for array in arrays),
        *_flags(op.no_bias, op.no_pool, op.downsample, op.wrot180, op.input_dilated),
        activation,
        *_flags(op.trans_output_1203, op.trans_weight_1203),
        *_flags(op.trans_weight_0132, op.trans_input_3120),
        *_numbers([op.max_pixels_per_row.value.data, *(sizes[name] for name in STRIDES)]),
        *_flags(op.depthwise),
        *_numbers([op.a_spad_id.value.data, op.b_spad_id.value.data]),
    ]


def _place(array: SSAValue | None, indices: Sequence[SSAValue], pointer: Pointer) -> str:
    return "NULL" if array is None else pointer(array, list(indices))


def _numbers(values: Sequence[int]) -> list[str]:
    return [str(int(value)) for value in values]


def _flags(*attributes: UnitAttr | None) -> list[str]:
    return ["false" if attribute is None else "true" for attribute in attributes]
