"""One builder per instruction: named operands in, one operation of the dialect out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, UnitAttr, i64
from xdsl.ir import Attribute, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from ...dialects import gemmini
from ...dialects.gemmini import CONV_SIZES, ActivationKind, Dataflow
from ...hw.gemmini.isa import Activation
from .operands import Operand, OperandEmitter, Operands
from .values import Real


def _mvin(emit: OperandEmitter, operands: Operands, location: SourceLocation, channel: int) -> None:
    target, place = emit.local(operands["local"]), emit.place(operands["dram"])
    rows, cols = emit.extent(operands["rows"]), emit.extent(operands["cols"])
    local = emit.address(target)
    if place is None:
        emit.add(gemmini.MvinZerosOp(local, rows, cols, channel), location)
    else:
        emit.add(gemmini.MvinOp(*place, local, rows, cols, channel), location)


def _mvout(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    source, place = emit.local(operands["local"]), emit.place(operands["dram"])
    if place is None:
        raise Diagnostic("mvout has no address to move to", operands["dram"].location)
    rows, cols = emit.extent(operands["rows"]), emit.extent(operands["cols"])
    local = emit.address(source)
    emit.add(gemmini.MvoutOp(local, rows, cols, *place), location)


def _tile(emit: OperandEmitter, operands: Operands, name: str) -> tuple[SSAValue, SSAValue]:
    rows, cols = operands[f"{name}_rows"], operands[f"{name}_cols"]
    return emit.extent(rows), emit.extent(cols)


def _preload(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    stationary, target = emit.local(operands["bd"]), emit.local(operands["c"])
    extents = _tile(emit, operands, "bd"), _tile(emit, operands, "c")
    addresses = emit.address(stationary), emit.address(target)
    emit.add(gemmini.PreloadOp(addresses[0], *extents[0], addresses[1], *extents[1]), location)


def _compute(
    emit: OperandEmitter,
    operands: Operands,
    location: SourceLocation,
    kind: type[gemmini.ComputePreloadedOp] | type[gemmini.ComputeAccumulatedOp],
) -> None:
    moving, other = emit.local(operands["a"]), emit.local(operands["bd"])
    extents = _tile(emit, operands, "a"), _tile(emit, operands, "bd")
    addresses = emit.address(moving), emit.address(other)
    emit.add(kind(addresses[0], *extents[0], addresses[1], *extents[1]), location)


def _choose_kind(operand: Operand, kinds: Sequence[ActivationKind | Dataflow]) -> int:
    number = operand.constant()
    if not 0 <= number < len(kinds):
        raise Diagnostic(
            f"'{operand.name}' is {number}; it may be 0 to {len(kinds) - 1}", operand.location
        )
    return number


_DATAFLOWS = (Dataflow.OUTPUT_STATIONARY, Dataflow.WEIGHT_STATIONARY)
_ACTIVATIONS = tuple(ActivationKind[kind.name] for kind in Activation)


def _dataflow(operands: Operands) -> Dataflow:
    return _DATAFLOWS[_choose_kind(operands["dataflow"], _DATAFLOWS)]


def _activation(operand: Operand) -> ActivationKind:
    return _ACTIVATIONS[_choose_kind(operand, _ACTIVATIONS)]


def _config_ex(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    names = ("shift", "a_stride", "c_stride")
    emit.add(
        gemmini.ConfigExOp(
            _dataflow(operands),
            _activation(operands["act"]),
            scale=operands["scale"].real(),
            a_transpose=operands["a_transpose"].constant() != 0,
            b_transpose=operands["b_transpose"].constant() != 0,
            strides_only=operands["strides_only"].constant() != 0,
            **{name: operands[name].constant() for name in names},
        ),
        location,
    )


def _config_ld(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    block_stride, channel = operands["block_stride"], operands["id"]
    if "id_or_block_stride" in operands:
        # The three-argument spelling is used for both; no block stride is as small as a channel.
        last = operands["id_or_block_stride"]
        if 0 <= last.constant() <= 2:
            channel = last
        else:
            block_stride = last
    emit.add(
        gemmini.ConfigLdOp(
            operands["stride"].constant(),
            block_stride.constant(),
            channel=channel.constant(),
            scale=operands["scale"].real(),
            shrunk=operands["shrunk"].constant() != 0,
            pixel_repeats=operands["pixel_repeats"].constant(),
        ),
        location,
    )


def _config_st(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    act, scale = operands["act"], operands["scale"]
    if "act_or_scale" in operands:
        last = operands["act_or_scale"]
        act, scale = (act, last) if isinstance(last.value, Real) else (last, scale)
    pool = (
        "pool_stride", "pool_size", "pool_out_dim", "pool_rows", "pool_cols", "out_rows",
        "out_cols", "upper_pad", "left_pad",
    )  # fmt: skip
    emit.add(
        gemmini.ConfigStOp(
            operands["stride"].constant(),
            _activation(act),
            scale.real(),
            **{name: operands[name].constant() for name in pool},
        ),
        location,
    )


def _flags(operands: Operands, **names: str) -> dict[str, Attribute]:
    return {
        attribute: UnitAttr()
        for attribute, operand in names.items()
        if operands[operand].constant() != 0
    }


def _config_norm(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    numbers = ("q_const", "q_const_type", "stat_id", "igelu_qb", "igelu_qc")
    properties: dict[str, Attribute] = {
        name: IntegerAttr(operands[name].constant(), i64) for name in numbers
    }
    properties.update(_flags(operands, stat_id_only="stat_id_only", act_msb="act_msb"))
    emit.add(gemmini.ConfigNormOp.create(properties=properties), location)


def _fence(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    emit.add(gemmini.FenceOp.create(), location)


def _flush(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    flags = _flags(operands, skip="skip")
    emit.add(gemmini.FlushOp.create(properties=flags), location)


def _places(
    emit: OperandEmitter, operands: Operands, names: Sequence[str]
) -> list[Sequence[SSAValue]]:
    """Arrays and subscripts of several addresses, as operands of an operation expect them."""
    found = [emit.place(operands[name]) for name in names]
    groups: list[Sequence[SSAValue]] = []
    for place in found:
        groups.extend(([], []) if place is None else ([place[0]], place[1]))
    return groups


def _numbers(operands: Operands, names: Sequence[str]) -> DenseArrayBase:
    return DenseArrayBase.from_list(i64, [operands[name].constant() for name in names])


def _loop_ws(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    properties: dict[str, Attribute] = {
        "bounds": _numbers(operands, ("I", "J", "K")),
        "pads": _numbers(operands, ("pad_I", "pad_J", "pad_K")),
        "strides": _numbers(operands, ("A_stride", "B_stride", "D_stride", "C_stride")),
        "activation": gemmini.ActivationAttr(_activation(operands["act"])),
        **_flags(
            operands,
            a_transpose="A_transpose",
            b_transpose="B_transpose",
            full_c="full_C",
            low_d="low_D",
            accumulate="ex_accumulate",
            residual_add="is_resadd",
        ),
    }
    for name in ("a_spad_id", "b_spad_id"):
        properties[name] = IntegerAttr(operands[name].constant(), i64)
    groups = _places(emit, operands, ("A", "B", "D", "C"))
    emit.add(gemmini.LoopWsOp(operands=groups, properties=properties), location)


def _loop_conv_ws(emit: OperandEmitter, operands: Operands, location: SourceLocation) -> None:
    flags = (
        "no_bias", "no_pool", "wrot180", "trans_output_1203", "trans_weight_1203",
        "trans_weight_0132", "trans_input_3120", "downsample", "depthwise", "input_dilated",
    )  # fmt: skip
    properties: dict[str, Attribute] = {
        "sizes": _numbers(operands, CONV_SIZES),
        "activation": gemmini.ActivationAttr(_activation(operands["activation"])),
        **_flags(operands, **{name: name for name in flags}),
    }
    for name in ("a_spad_id", "b_spad_id", "max_pixels_per_row"):
        properties[name] = IntegerAttr(operands[name].constant(), i64)
    groups = _places(emit, operands, ("weights", "output", "bias", "input"))
    emit.add(gemmini.LoopConvWsOp(operands=groups, properties=properties), location)


Builder = Callable[[OperandEmitter, Operands, SourceLocation], None]
BUILDERS: dict[str, Builder] = {
    "mvin": lambda e, o, at: _mvin(e, o, at, 0),
    "mvin2": lambda e, o, at: _mvin(e, o, at, 1),
    "mvin3": lambda e, o, at: _mvin(e, o, at, 2),
    "mvout": _mvout,
    "preload": _preload,
    "compute_preloaded": lambda e, o, at: _compute(e, o, at, gemmini.ComputePreloadedOp),
    "compute_accumulated": lambda e, o, at: _compute(e, o, at, gemmini.ComputeAccumulatedOp),
    "config_ex": _config_ex,
    "config_ld": _config_ld,
    "config_st": _config_st,
    "config_norm": _config_norm,
    "loop_ws": _loop_ws,
    "loop_conv_ws": _loop_conv_ws,
    "fence": _fence,
    "flush": _flush,
}
