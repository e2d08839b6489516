"""What symbolic execution needs to know of each command, decoded for the whole stream at once.

Commands are dispatched in order, so the configuration that a command runs under is that of the
program text: the last one of its kind. Bit positions come from ``hw.gemmini.fields``; everything
here is NumPy on whole columns.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...hw.gemmini import fields, isa
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.isa import Activation, ConfigType, Funct
from ...hw.stream import FENCE, CommandStream
from ..polyhedral import Unsupported
from .transforms import TransformTable


class Kind(IntEnum):
    """What a command does to the symbolic state."""

    NOTHING = 0
    MVIN = 1
    MVOUT = 2
    PRELOAD = 3
    COMPUTE_PRELOADED = 4
    COMPUTE_ACCUMULATED = 5
    FENCE = 6
    CONFIG_EX = 7


COMMAND = np.dtype(
    [
        (name, np.int64)
        for name in (
            "kind",
            "dram",  # byte address; 0 in a move-in means zeros
            "stride",  # bytes between DRAM rows
            "element_bytes",
            "row",  # of the first operand: a row number of its memory
            "in_accumulator",
            "accumulates",
            "full_width",
            "is_none",
            "rows",
            "cols",
            "second_row",
            "second_in_accumulator",
            "second_accumulates",
            "second_is_none",
            "second_rows",
            "second_cols",
            "block_stride",
            "repeats",
            "transform",  # of moved elements, number in the transform table
            "weight_stationary",
            "a_transpose",
            "b_transpose",
            "a_stride",
            "c_stride",
            "array_transform",  # of sums that leave the array, output-stationary
            "spad_transform",  # of results that go to the scratchpad
        )
    ],
    align=True,
)
"""One decoded command."""

ACCUMULATOR_ROW_MASK = 0x03FF_FFFF
"""Bits below the normalizer command of an accumulator address."""
SPAD_ROW_MASK = 0x1FFF_FFFF

_KINDS = {
    Funct.MVIN: Kind.MVIN,
    Funct.MVIN2: Kind.MVIN,
    Funct.MVIN3: Kind.MVIN,
    Funct.MVOUT: Kind.MVOUT,
    Funct.PRELOAD: Kind.PRELOAD,
    Funct.COMPUTE_PRELOADED: Kind.COMPUTE_PRELOADED,
    Funct.COMPUTE_ACCUMULATED: Kind.COMPUTE_ACCUMULATED,
    FENCE: Kind.FENCE,
}
_WITHOUT_EFFECT = (Funct.CONFIG, Funct.FLUSH, Funct.COUNTER_OP)


class Unconfigured(Exception):  # noqa: N818 - it states a property of the stream
    """A command runs under configuration that the stream never sets."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(f"{what} is used before it is configured")
        self.index = index


def decode(
    stream: CommandStream, config: GemminiConfig, transforms: TransformTable
) -> NDArray[Any]:
    """The decoded commands of ``stream``; value transforms are entered in ``transforms``.

    Raises ``Unsupported`` for commands whose meaning is not known here, and ``Unconfigured``.
    """
    table = np.zeros(len(stream), COMMAND)
    _decode_kinds(table, stream)
    _decode_operands(table, stream)
    _decode_loads(table, stream, config, transforms)
    _decode_stores(table, stream, config, transforms)
    _decode_execute(table, stream, config, transforms)
    return table


def _decode_kinds(table: NDArray[Any], stream: CommandStream) -> None:
    known = np.isin(stream.funct, [*_KINDS, *_WITHOUT_EFFECT])
    if not known.all():
        index = int(np.argmin(known))
        number = int(stream.funct[index])
        name = Funct(number).name if number in set(Funct) else f"funct {number}"
        raise Unsupported(f"command {index}: {name} has no symbolic meaning")
    for funct, kind in _KINDS.items():
        table["kind"][stream.funct == funct] = kind
    table["kind"][_configurations(stream, ConfigType.EXECUTE)] = Kind.CONFIG_EX


def _decode_operands(table: NDArray[Any], stream: CommandStream) -> None:
    is_move = np.isin(table["kind"], (Kind.MVIN, Kind.MVOUT))
    table["dram"] = np.where(is_move, stream.rs1, np.uint64(0)).view(np.int64)
    operands = (("", np.where(is_move, stream.rs2, stream.rs1)), ("second_", stream.rs2))
    for prefix, words in operands:
        local = (words & np.uint64(0xFFFF_FFFF)).astype(np.int64)
        accumulator = (local & isa.ACCUMULATOR_BIT) != 0
        table[f"{prefix}in_accumulator"] = accumulator
        table[f"{prefix}accumulates"] = (local & isa.ACCUMULATE_BIT) != 0
        table[f"{prefix}is_none"] = (local >> 29 == 7) & (local & 0x7FFF == 0x7FFF)
        mask = np.where(accumulator, ACCUMULATOR_ROW_MASK, SPAD_ROW_MASK)
        table[f"{prefix}row"] = local & mask
        table[f"{prefix}cols"] = (words >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
        table[f"{prefix}rows"] = (words >> np.uint64(48)).astype(np.int64)
    table["full_width"] = (stream.rs2 & np.uint64(isa.FULL_WIDTH_BIT)) != 0
    is_norm = (table["kind"] == Kind.MVOUT) & (table["in_accumulator"] == 1)
    is_norm &= (stream.rs2 >> np.uint64(26) & np.uint64(7)) != 0
    _reject_any(is_norm, "a normalizer statistic")


def _configurations(stream: CommandStream, type_: ConfigType) -> NDArray[np.bool_]:
    return (stream.funct == Funct.CONFIG) & ((stream.rs1 & np.uint64(3)) == np.uint64(type_))


def _field(layout: fields.Layout, name: str, stream: CommandStream) -> NDArray[np.int64]:
    return layout[name].of(stream.rs1, stream.rs2)


def _last(where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each position, the last position at or before it that is in ``where``; −1 if none."""
    return np.maximum.accumulate(np.where(where, np.arange(len(where)), -1))


def _source(where: NDArray[np.bool_], users: NDArray[np.bool_], what: str) -> NDArray[np.int64]:
    """The configuration among ``where`` that each of ``users`` runs under."""
    source = _last(where)[users]
    if (source < 0).any():
        raise Unconfigured(int(np.flatnonzero(users)[np.argmin(source)]), what)
    return source


def _reject_any(where: NDArray[np.bool_], what: str) -> None:
    if where.any():
        raise Unsupported(f"command {int(np.argmax(where))}: {what} has no symbolic meaning")


def _decode_loads(
    table: NDArray[Any], stream: CommandStream, config: GemminiConfig, transforms: TransformTable
) -> None:
    is_config = _configurations(stream, ConfigType.LOAD)
    for channel, funct in enumerate(isa.MVIN_OF_CHANNEL):
        moves = stream.funct == funct
        if not moves.any():
            continue
        of_channel = is_config & (_field(fields.CONFIG_LD, "channel", stream) == channel)
        source = _source(of_channel, moves, f"load channel {channel}")
        table["stride"][moves] = _field(fields.CONFIG_LD, "stride", stream)[source]
        table["block_stride"][moves] = _field(fields.CONFIG_LD, "block_stride", stream)[source]
        repeats = _field(fields.CONFIG_LD, "pixel_repeats", stream)[source]
        table["repeats"][moves] = np.maximum(repeats, 1)
        shrunk = _field(fields.CONFIG_LD, "shrunk", stream)[source]
        wide = (table["in_accumulator"][moves] == 1) & (shrunk == 0)
        table["element_bytes"][moves] = np.where(wide, config.accumulator_bytes, config.input_bytes)
        scales = _field(fields.CONFIG_LD, "scale", stream)[source]
        pairs = np.stack([scales, wide], axis=1)
        table["transform"][moves] = _numbered(
            pairs, lambda key: transforms.load(int(key[0]), bool(key[1]))
        )


def _decode_stores(
    table: NDArray[Any], stream: CommandStream, config: GemminiConfig, transforms: TransformTable
) -> None:
    is_config = _configurations(stream, ConfigType.STORE)
    moves = stream.funct == Funct.MVOUT
    if not moves.any():
        return
    source = _source(is_config, moves, "the store unit")
    table["stride"][moves] = _field(fields.CONFIG_ST, "stride", stream)[source]
    in_accumulator = table["in_accumulator"][moves] == 1
    full = in_accumulator & (table["full_width"][moves] == 1)
    table["element_bytes"][moves] = np.where(full, config.accumulator_bytes, config.input_bytes)
    pools = np.zeros(len(stream), np.bool_)
    pools[moves] = _field(fields.CONFIG_ST, "pool_stride", stream)[source] != 0
    _reject_any(pools, "a pooling store")
    scaled = np.zeros(len(stream), np.bool_)
    scaled[moves] = in_accumulator & ~full
    if not scaled.any():
        return
    keeps = _field(fields.CONFIG_ST, "scale", stream) == fields.KEEP_SCALE
    scale_source = _source(is_config & ~keeps, scaled, "the store scale")
    activations = np.zeros(len(stream), np.int64)
    activations[moves] = _field(fields.CONFIG_ST, "activation", stream)[source]
    _reject_any(scaled & (activations > Activation.RELU), "a normalizing activation")
    scales = _field(fields.CONFIG_ST, "scale", stream)[scale_source]
    pairs = np.stack([scales, activations[scaled]], axis=1)
    table["transform"][scaled] = _numbered(
        pairs, lambda key: transforms.store(int(key[0]), key[1] == Activation.RELU)
    )


def _decode_execute(
    table: NDArray[Any], stream: CommandStream, config: GemminiConfig, transforms: TransformTable
) -> None:
    computes = np.isin(table["kind"], (Kind.COMPUTE_PRELOADED, Kind.COMPUTE_ACCUMULATED))
    if not computes.any():
        return
    is_config = _configurations(stream, ConfigType.EXECUTE)
    layout = fields.CONFIG_EX
    strides = _source(is_config, computes, "the execute unit")
    table["a_stride"][computes] = _field(layout, "a_stride", stream)[strides]
    table["c_stride"][computes] = _field(layout, "c_stride", stream)[strides]
    whole = is_config & (_field(layout, "strides_only", stream) == 0)
    source = _source(whole, computes, "the dataflow")
    for name in ("weight_stationary", "a_transpose", "b_transpose"):
        table[name][computes] = _field(layout, name, stream)[source]
    stationary = table["weight_stationary"][computes]
    shifts = np.where(stationary == 1, 0, _field(layout, "shift", stream)[source])
    activations = _field(layout, "activation", stream)[source]
    wrong = np.zeros(len(stream), np.bool_)
    wrong[computes] = (activations > Activation.RELU) | (shifts > 31)
    _reject_any(wrong, "this activation or shift of the execute unit")
    output = np.stack([stationary, shifts], axis=1)
    table["array_transform"][computes] = _numbered(
        output, lambda key: 0 if key[0] else transforms.array_output(int(key[1]))
    )
    table["spad_transform"][computes] = _numbered(
        activations[:, None], lambda key: transforms.spad_result(key[0] == Activation.RELU)
    )


def _numbered(keys: NDArray[np.int64], number: Any) -> NDArray[np.int64]:
    """``number(key)`` for each row of ``keys``, called once per distinct row."""
    distinct, inverse = np.unique(keys, axis=0, return_inverse=True)
    numbers = np.array([number(key) for key in distinct], np.int64)
    return numbers[inverse.reshape(-1)]
