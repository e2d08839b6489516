"""C spelling of Gemmini's instructions: one macro of the public ``gemmini.h`` for each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from xdsl.dialects.builtin import AnyFloat, FloatAttr, UnitAttr
from xdsl.ir import Operation, SSAValue

from ...dialects.gemmini import (
    ActivationKind,
    ComputeAccumulatedOp,
    ComputePreloadedOp,
    ConfigExOp,
    ConfigLdOp,
    ConfigNormOp,
    ConfigStOp,
    Dataflow,
    FenceOp,
    FlushOp,
    MvinOp,
    MvinZerosOp,
    MvoutOp,
    PreloadOp,
)
from ...dialects.gemmini.loops import LoopConvWsOp, LoopWsOp
from ...hw.gemmini.isa import Activation
from ..kernel import refusal
from .c_expressions import bare
from .c_hardware_loops import loop_conv_ws_arguments, loop_ws_arguments

Text = Callable[[SSAValue], str]
Pointer = Callable[[SSAValue, list[SSAValue]], str]

MVIN = ("gemmini_extended_mvin", "gemmini_extended_mvin2", "gemmini_extended_mvin3")
"""The macro of each load channel."""
DATAFLOWS = {
    Dataflow.OUTPUT_STATIONARY: "OUTPUT_STATIONARY",
    Dataflow.WEIGHT_STATIONARY: "WEIGHT_STATIONARY",
}
ACTIVATIONS = {ActivationKind.NONE: "NO_ACTIVATION", ActivationKind.RELU: "RELU"}
POOLING = (
    "pool_stride",
    "pool_size",
    "pool_out_dim",
    "pool_rows",
    "pool_cols",
    "out_rows",
    "out_cols",
    "upper_pad",
    "left_pad",
)
"""Properties of ``gemmini.config_st`` in the order of ``gemmini_extended2_config_st``."""


def instruction_text(op: Operation, text: Text, pointer: Pointer) -> str:
    """The C statement of one instruction; refuses those that have no macro here."""
    match op:
        case MvinOp():
            source = pointer(op.source, list(op.indices))
            return _call(
                MVIN[op.channel.value.data], source, *_tile(op.target, op.rows, op.cols, text)
            )
        case MvinZerosOp():
            return _call(
                MVIN[op.channel.value.data], "0", *_tile(op.target, op.rows, op.cols, text)
            )
        case MvoutOp():
            target = pointer(op.target, list(op.indices))
            return _call(
                "gemmini_extended_mvout", target, *_tile(op.source, op.rows, op.cols, text)
            )
        case PreloadOp():
            return _preload(op, text)
        case ComputePreloadedOp():
            return _compute("gemmini_extended_compute_preloaded", op, text)
        case ComputeAccumulatedOp():
            return _compute("gemmini_extended_compute_accumulated", op, text)
        case LoopWsOp():
            activation = activation_text(op.activation.data)
            return _call("gemmini_loop_ws", *loop_ws_arguments(op, activation, pointer))
        case LoopConvWsOp():
            activation = activation_text(op.activation.data)
            return _call("gemmini_loop_conv_ws", *loop_conv_ws_arguments(op, activation, pointer))
        case FenceOp():
            return _call("gemmini_fence")
        case FlushOp():
            return _call("gemmini_flush", _flag(op.skip))
        case _:
            return _configuration(op)


def _call(macro: str, *arguments: str) -> str:
    return f"{macro}({', '.join(bare(argument) for argument in arguments)});"


def _tile(local: SSAValue, rows: SSAValue, cols: SSAValue, text: Text) -> tuple[str, str, str]:
    """Local address and extents in the order of the macros."""
    return text(local), text(cols), text(rows)


def _preload(op: PreloadOp, text: Text) -> str:
    return _call(
        "gemmini_extended_preload",
        text(op.stationary),
        text(op.target),
        text(op.stationary_cols),
        text(op.stationary_rows),
        text(op.target_cols),
        text(op.target_rows),
    )


def _compute(macro: str, op: ComputePreloadedOp | ComputeAccumulatedOp, text: Text) -> str:
    return _call(
        macro,
        text(op.a),
        text(op.bd),
        text(op.a_cols),
        text(op.a_rows),
        text(op.bd_cols),
        text(op.bd_rows),
    )


def _configuration(op: Operation) -> str:
    match op:
        case ConfigExOp():
            return _config_ex(op)
        case ConfigLdOp():
            return _config_ld(op)
        case ConfigStOp():
            return _config_st(op)
        case ConfigNormOp():
            return _config_norm(op)
        case _:
            raise refusal(op, "has no C spelling")


def _config_ex(op: ConfigExOp) -> str:
    common = (
        DATAFLOWS[op.dataflow.data],
        activation_text(op.activation.data),
        str(op.shift.value.data),
    )
    a_stride, transposes = (
        str(op.a_stride.value.data),
        (_flag(op.a_transpose), _flag(op.b_transpose)),
    )
    if op.c_stride.value.data == 1 and op.scale.value.data == 1 and op.strides_only is None:
        return _call("gemmini_extended_config_ex", *common, a_stride, *transposes)
    return _call(
        "gemmini_extended3_config_ex",
        *common,
        float_text(op.scale),
        str(op.c_stride.value.data),
        a_stride,
        *transposes,
        _flag(op.strides_only),
    )


def _config_ld(op: ConfigLdOp) -> str:
    common = (
        str(op.stride.value.data),
        float_text(op.scale),
        "true" if op.shrunk is not None else "false",
        str(op.block_stride.value.data),
    )
    repeats, channel = op.pixel_repeats.value.data, str(op.channel.value.data)
    if repeats == 1:
        return _call("gemmini_extended4_config_ld", *common, channel)
    return _call("gemmini_extended5_config_ld", *common, str(repeats), channel)


def _config_st(op: ConfigStOp) -> str:
    common = (str(op.stride.value.data), activation_text(op.activation.data), float_text(op.scale))
    pooling = [getattr(op, name).value.data for name in POOLING]
    if not any(pooling):
        return _call("gemmini_extended_config_st", *common)
    return _call("gemmini_extended2_config_st", *common, *(str(number) for number in pooling))


def _config_norm(op: ConfigNormOp) -> str:
    return _call(
        "gemmini_config_norm",
        str(op.q_const.value.data),
        str(op.q_const_type.value.data),
        _flag(op.stat_id_only),
        _flag(op.act_msb),
        str(op.stat_id.value.data),
        str(op.igelu_qb.value.data),
        str(op.igelu_qc.value.data),
    )


def activation_text(kind: ActivationKind) -> str:
    """The macro of an activation, or its number where ``gemmini.h`` names none."""
    return ACTIVATIONS.get(kind) or str(int(Activation[kind.name]))


def _flag(attribute: UnitAttr | None) -> str:
    return "0" if attribute is None else "1"


def float_text(number: FloatAttr[AnyFloat]) -> str:
    """A C float literal that reads back as the same float32."""
    return f"{np.float32(number.value.data)!s}f"
