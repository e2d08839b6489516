"""The command words of each Gemmini operation, for all lanes at once.

A word is a Python integer if it is the same in all lanes, else a ``uint64`` array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, MemRefType, UnitAttr
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import gemmini
from .. import core
from ..lanes import Scope, Value
from ..stream import CORE_WORK, FENCE
from . import fields, isa
from .config import GemminiConfig
from .core_work import core_cycles, core_work
from .fields import Layout, encode, float_bits
from .isa import Activation, ConfigType, Funct
from .memory import PlacedArray

Word = int | NDArray[np.uint64]
Command = tuple[int, Word, Word]
"""``(funct, rs1, rs2)``."""

CORE_OPERATIONS = (scf.ForOp, scf.IfOp, memref.StoreOp)
"""What the core's own work on arrays may be."""
ROW_BITS = 26
"""Bits of a row number in a local address, below the flags (LocalAddr.scala)."""


@dataclass(frozen=True)
class Operands:
    """The values of an operation's operands in the lanes of its region."""

    scope: Scope
    arrays: dict[SSAValue, PlacedArray]
    config: GemminiConfig

    def number(self, value: SSAValue) -> Value:
        return self.scope.get(value)

    def dram(self, array: SSAValue | None, indices: Sequence[SSAValue]) -> Value:
        """The address of an element; 0 for an absent array. ``ValueError`` outside the array."""
        if array is None:
            return 0
        placed = self.arrays[array]
        address: Value = placed.address
        for index, extent, stride in zip(indices, placed.shape, placed.strides, strict=True):
            number = self.scope.get(index)
            _require_index(placed.name, number, extent)
            address = address + number * stride
        return address

    def require_type(self, array: SSAValue, local: SSAValue) -> None:
        """Reject a move between an array and a memory that cannot hold its element type."""
        types = [self.config.input_type]
        if gemmini.space_of(local) == gemmini.LocalSpace.ACC:
            types.append(self.config.accumulator_type)
        if (found := self.arrays[array].dtype.name) not in types:
            raise ValueError(f"{self.arrays[array].name} holds {found}, not {' or '.join(types)}")

    def pair(self, first: Sequence[SSAValue], second: Sequence[SSAValue]) -> tuple[Word, Word]:
        """Two local operands, each given as address, rows and columns."""
        names = ("first", "first_rows", "first_cols", "second", "second_rows", "second_cols")
        numbers = [self.number(value) for value in (*first, *second)]
        return encode(fields.PAIR, **dict(zip(names, numbers, strict=True)))

    def packing_cycles(self, op: Operation) -> int:
        """Core cycles to build the command's operand words from values (see ``core``)."""
        if self.scope.loop_depth == 0:
            return 2 * core.IMMEDIATE_WORD if op.operands else 0
        return sum(self._operand_cycles(op, operand) for operand in op.operands)

    def _operand_cycles(self, op: Operation, operand: SSAValue) -> int:
        if isinstance(operand.type, MemRefType) or not self.scope.varies(operand):
            return 0
        if isinstance(operand.type, gemmini.LocalType):
            return core.LOCAL_ADDRESS
        stride = self._stride_of_index(op, operand)
        if stride is None:
            return core.FIELD
        return core.multiply_cycles(stride) + core.ARITHMETIC

    def _stride_of_index(self, op: Operation, operand: SSAValue) -> int | None:
        """Bytes per step if the operand is an index into the move's array, else None."""
        if isinstance(op, gemmini.MvinOp):
            array, indices = op.source, op.indices
        elif isinstance(op, gemmini.MvoutOp):
            array, indices = op.target, op.indices
        else:
            return None
        for index, stride in zip(indices, self.arrays[array].strides, strict=True):
            if index is operand:
                return stride
        return None


def local_address(op: Operation, scope: Scope) -> Value | None:
    """The packed result of ``spad``, ``acc`` or ``none``; None for any other operation.

    Raises ``ValueError`` when a row number does not fit the address.
    """
    if isinstance(op, gemmini.NoneOp):
        return isa.GARBAGE_ADDRESS
    if isinstance(op, gemmini.SpadOp):
        return _require_row(scope.get(op.row))
    if not isinstance(op, gemmini.AccOp):
        return None
    accumulate = 0 if op.accumulate is None else scope.get(op.accumulate)
    flags = isa.ACCUMULATOR_BIT | (isa.FULL_WIDTH_BIT if op.full else 0)
    return _require_row(scope.get(op.row)) + flags + accumulate * isa.ACCUMULATE_BIT


def local_address_cycles(op: Operation, scope: Scope) -> int:
    """Core cycles to set the accumulate bit of an address from a varying condition."""
    if isinstance(op, gemmini.AccOp) and op.accumulate is not None:
        return core.FIELD if scope.varies(op.accumulate) else 0
    return 0


def commands_of(op: Operation, operands: Operands) -> list[Command] | None:
    """The commands of one of ``instructions``; None if ``op`` is not one.

    Raises ``ValueError`` when a number does not fit its field or an index its array.
    """
    if isinstance(op, CORE_OPERATIONS):
        return [(CORE_WORK, core_cycles(op), 0)]
    encoder = _ENCODERS.get(type(op))
    return None if encoder is None else encoder(op, operands)


def instructions(module: Operation) -> list[Operation]:
    """The instruction operations under ``module`` in order; ``origin`` counts them from 0.

    Loops of the core over arrays are one each.
    """
    own = set(core_work(module))
    return [op for op in module.walk() if type(op) in _ENCODERS or op in own]


def _number(attribute: Attribute | None) -> int:
    """The number that a property stands for in a command field."""
    match attribute:
        case None:
            return 0
        case UnitAttr():
            return 1
        case IntegerAttr():
            return attribute.value.data
        case FloatAttr():
            return float_bits(attribute.value.data)
        case gemmini.ActivationAttr():
            return Activation[attribute.data.upper()]
        case gemmini.DataflowAttr():
            return attribute.data == gemmini.Dataflow.WEIGHT_STATIONARY
        case _:
            raise ValueError(f"no number: {attribute}")


def _from_properties(layout: Layout, op: Operation, **others: Any) -> tuple[Word, Word]:
    """Encode a layout whose fields have the names of the operation's properties."""
    numbers = {name: _number(op.properties[name]) for name in layout if name in op.properties}
    return encode(layout, **numbers, **others)


def _config_ex(op: gemmini.ConfigExOp, operands: Operands) -> list[Command]:
    words = _from_properties(
        fields.CONFIG_EX,
        op,
        type=ConfigType.EXECUTE,
        weight_stationary=_number(op.dataflow),
    )
    return [(Funct.CONFIG, *words)]


def _config_ld(op: gemmini.ConfigLdOp, operands: Operands) -> list[Command]:
    return [(Funct.CONFIG, *_from_properties(fields.CONFIG_LD, op, type=ConfigType.LOAD))]


def _config_st(op: gemmini.ConfigStOp, operands: Operands) -> list[Command]:
    return [(Funct.CONFIG, *_from_properties(fields.CONFIG_ST, op, type=ConfigType.STORE))]


def _config_norm(op: gemmini.ConfigNormOp, operands: Operands) -> list[Command]:
    constants = {
        name: _number(op.properties[name]) & 0xFFFF_FFFF
        for name in ("q_const", "igelu_qb", "igelu_qc")
    }
    words = encode(
        fields.CONFIG_NORM,
        type=ConfigType.NORM,
        stat_id=_number(op.stat_id),
        act_msb=_number(op.act_msb),
        stat_id_only=_number(op.stat_id_only),
        q_const_type=_number(op.q_const_type),
        **constants,
    )
    return [(Funct.CONFIG, *words)]


def _move(funct: int, dram: Value, local: Value, rows: Value, cols: Value) -> list[Command]:
    words = encode(fields.MOVE, dram=dram, local=local, rows=rows, cols=cols)
    return [(funct, *words)]


def _mvin(op: gemmini.MvinOp, operands: Operands) -> list[Command]:
    operands.require_type(op.source, op.target)
    funct = isa.MVIN_OF_CHANNEL[op.channel.value.data]
    dram = operands.dram(op.source, op.indices)
    return _move(funct, dram, *(operands.number(v) for v in (op.target, op.rows, op.cols)))


def _mvin_zeros(op: gemmini.MvinZerosOp, operands: Operands) -> list[Command]:
    funct = isa.MVIN_OF_CHANNEL[op.channel.value.data]
    return _move(funct, 0, *(operands.number(v) for v in (op.target, op.rows, op.cols)))


def _mvout(op: gemmini.MvoutOp, operands: Operands) -> list[Command]:
    operands.require_type(op.target, op.source)
    dram = operands.dram(op.target, op.indices)
    numbers = (operands.number(v) for v in (op.source, op.rows, op.cols))
    return _move(Funct.MVOUT, dram, *numbers)


def _preload(op: gemmini.PreloadOp, operands: Operands) -> list[Command]:
    words = operands.pair(
        (op.stationary, op.stationary_rows, op.stationary_cols),
        (op.target, op.target_rows, op.target_cols),
    )
    return [(Funct.PRELOAD, *words)]


def _compute(
    op: gemmini.ComputePreloadedOp | gemmini.ComputeAccumulatedOp, operands: Operands
) -> list[Command]:
    preloaded = isinstance(op, gemmini.ComputePreloadedOp)
    funct = Funct.COMPUTE_PRELOADED if preloaded else Funct.COMPUTE_ACCUMULATED
    return [(funct, *operands.pair((op.a, op.a_rows, op.a_cols), (op.bd, op.bd_rows, op.bd_cols)))]


def _loop_ws(op: gemmini.LoopWsOp, operands: Operands) -> list[Command]:
    i, j, k = op.bounds.get_values()
    pad_i, pad_j, pad_k = op.pads.get_values()
    a_stride, b_stride, d_stride, c_stride = op.strides.get_values()
    a, b = operands.dram(op.a, op.a_indices), operands.dram(op.b, op.b_indices)
    d, c = operands.dram(op.d, op.d_indices), operands.dram(op.c, op.c_indices)
    bounds = encode(fields.LOOP_WS_BOUNDS, i=i, j=j, k=k, pad_i=pad_i, pad_j=pad_j, pad_k=pad_k)
    two = fields.TWO_WORDS
    return [
        (Funct.LOOP_WS_CONFIG_BOUNDS, *bounds),
        (Funct.LOOP_WS_CONFIG_ADDRS_AB, *encode(two, first=a, second=b)),
        (Funct.LOOP_WS_CONFIG_ADDRS_DC, *encode(two, first=d, second=c)),
        (Funct.LOOP_WS_CONFIG_STRIDES_AB, *encode(two, first=a_stride, second=b_stride)),
        (Funct.LOOP_WS_CONFIG_STRIDES_DC, *encode(two, first=d_stride, second=c_stride)),
        (Funct.LOOP_WS, *_from_properties(fields.LOOP_WS, op)),
    ]


def _loop_conv_ws(op: gemmini.LoopConvWsOp, operands: Operands) -> list[Command]:
    numbers: dict[str, Value] = dict(zip(gemmini.CONV_SIZES, op.sizes.get_values(), strict=True))
    numbers["weights"] = operands.dram(op.weights, op.weights_indices)
    numbers["output"] = operands.dram(op.output, op.output_indices)
    numbers["bias"] = operands.dram(op.bias, op.bias_indices)
    numbers["input"] = operands.dram(op.input, op.input_indices)
    configs: list[Command] = [
        (funct, *encode(layout, **{name: numbers[name] for name in layout}))
        for funct, layout in fields.LOOP_CONV_WS_CONFIGS.items()
    ]
    return [*configs, (Funct.LOOP_CONV_WS, *_from_properties(fields.LOOP_CONV_WS, op))]


def _fence(op: gemmini.FenceOp, operands: Operands) -> list[Command]:
    return [(FENCE, 0, 0)]


def _flush(op: gemmini.FlushOp, operands: Operands) -> list[Command]:
    return [(Funct.FLUSH, _number(op.skip), 0)]


_ENCODERS: dict[type[Operation], Any] = {
    gemmini.ConfigExOp: _config_ex,
    gemmini.ConfigLdOp: _config_ld,
    gemmini.ConfigStOp: _config_st,
    gemmini.ConfigNormOp: _config_norm,
    gemmini.MvinOp: _mvin,
    gemmini.MvinZerosOp: _mvin_zeros,
    gemmini.MvoutOp: _mvout,
    gemmini.PreloadOp: _preload,
    gemmini.ComputePreloadedOp: _compute,
    gemmini.ComputeAccumulatedOp: _compute,
    gemmini.LoopWsOp: _loop_ws,
    gemmini.LoopConvWsOp: _loop_conv_ws,
    gemmini.FenceOp: _fence,
    gemmini.FlushOp: _flush,
}


def _outlier(number: Value, limit: int) -> int | None:
    """Some element that is not in 0 … limit-1, None if all are."""
    if isinstance(number, int):
        return None if 0 <= number < limit else number
    wrong = number[(number < 0) | (number >= limit)]
    return int(wrong[0]) if len(wrong) else None


def _require_row(row: Value) -> Value:
    if (wrong := _outlier(row, 1 << ROW_BITS)) is not None:
        raise ValueError(f"local row {wrong} does not exist")
    return row


def _require_index(name: str, number: Value, extent: int) -> None:
    if (wrong := _outlier(number, extent)) is not None:
        raise ValueError(f"index {wrong} is outside of {name}: the dimension has {extent} elements")
