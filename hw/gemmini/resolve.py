"""A command stream with the configuration written into every command that depends on it.

Commands run in order, so the configuration of a move or a computation is that of the last CONFIG
before it, and its preload is the last PRELOAD before it. Resolving is done for whole columns; what
follows (checks, simulation) then sees three tables of self-contained records. Every record field is
an ``int64``, except for the ``float32`` scales. Flags are 0 or 1; ``index`` is the position of the
command in the stream; a ``…_source`` field is the position of the CONFIG that counts, −1 if there
is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream import CommandStream
from . import isa
from .fields import (
    CONFIG_EX,
    CONFIG_LD,
    CONFIG_NORM,
    CONFIG_ST,
    KEEP_SCALE,
    MOVE,
    PAIR,
    Field,
    Layout,
    bits_float,
    signed,
)
from .isa import ConfigType, Funct

ROW_MASK = 0x03FF_FFFF
"""The row number in a local address, below the flags and the normalizer's command."""


def _record(*names: str, scales: tuple[str, ...] = ()) -> np.dtype[Any]:
    columns = [(name, np.int64) for name in names] + [(name, np.float32) for name in scales]
    return np.dtype(columns, align=True)


_LOCAL = ("row", "in_accumulator", "accumulate", "full_width", "norm_command", "is_none", "flags")
_MOVE = ("index", "dram", "rows", "cols", *_LOCAL, "stride", "config_source")

MOVE_IN = _record(*_MOVE, "is_zeros", "block_stride", "pixel_repeats", "shrunk", scales=("scale",))
"""mvin, mvin2, mvin3. ``stride`` is bytes between DRAM rows, ``block_stride`` local rows.

``is_zeros`` marks the DRAM address 0, from which zeros are moved.
"""

MOVE_OUT = _record(
    *_MOVE,
    "scale_source",
    "activation",
    "pool_stride",
    "pool_size",
    "pool_out_dim",
    "pool_rows",
    "pool_cols",
    "out_rows",
    "out_cols",
    "upper_pad",
    "left_pad",
    "norm_source",
    "stat_id",
    "igelu_qb",
    "igelu_qc",
    "qln2",
    "qln2_inverse",
    scales=("scale",),
)
"""mvout; ``pool_stride`` 0 means no pooling."""


def _operand(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{field}" for field in (*_LOCAL, "rows", "cols"))


PRODUCT = _record(
    "index",
    "preload_index",
    "previous_product",
    "preloaded",
    *_operand("stationary"),
    *_operand("a"),
    *_operand("other"),
    *_operand("c"),
    "config_source",
    "strides_source",
    "weight_stationary",
    "activation",
    "shift",
    "a_transpose",
    "b_transpose",
    "a_stride",
    "c_stride",
)
"""A computation with its preload. ``other`` is D if weight-stationary, else B."""

MOVES_IN, MOVES_OUT, PRODUCTS, NOTHING = 0, 1, 2, 3


@dataclass(frozen=True)
class Program:
    """The moves and computations of a stream, resolved."""

    moves_in: NDArray[Any]
    moves_out: NDArray[Any]
    products: NDArray[Any]
    order: NDArray[np.uint8]
    """The table of each step: ``MOVES_IN``, ``MOVES_OUT`` or ``PRODUCTS``."""


def resolve(stream: CommandStream) -> Program:
    """The program of a stream without loop commands. Nothing is checked here (see ``check``)."""
    kind = np.full(256, NOTHING, np.uint8)
    kind[list(isa.MVIN_OF_CHANNEL)] = MOVES_IN
    kind[Funct.MVOUT] = MOVES_OUT
    kind[[Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED]] = PRODUCTS
    kinds = kind[stream.funct]
    columns = _Columns(stream)
    return Program(
        _moves_in(columns, np.flatnonzero(kinds == MOVES_IN)),
        _moves_out(columns, np.flatnonzero(kinds == MOVES_OUT)),
        _products(columns, np.flatnonzero(kinds == PRODUCTS)),
        kinds[kinds != NOTHING],
    )


class _Columns:
    """Look-ups over the whole stream."""

    def __init__(self, stream: CommandStream) -> None:
        self.funct = stream.funct
        self.rs1 = stream.rs1
        self.rs2 = stream.rs2
        self.config_type = np.where(
            stream.funct == Funct.CONFIG, self.field(CONFIG_EX["type"], None), -1
        )

    def field(self, field: Field, at: NDArray[np.int64] | None) -> NDArray[np.int64]:
        if at is None:
            return field.of(self.rs1, self.rs2)
        return field.of(self.rs1[at], self.rs2[at])

    def last(self, where: NDArray[np.bool_], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each position in ``at``, the last one before it where ``where`` holds, or −1."""
        candidates = np.flatnonzero(where)
        found = np.searchsorted(candidates, at)
        return np.concatenate(([-1], candidates))[found]

    def configured(
        self, field: Field, source: NDArray[np.int64], default: int = 0
    ) -> NDArray[np.int64]:
        """A field of the commands at ``source``; ``default`` where there is none."""
        if len(self.rs1) == 0:
            return np.zeros(0, np.int64)
        return np.where(source >= 0, self.field(field, source), default)


def _fill_local(table: NDArray[Any], prefix: str, local: NDArray[np.int64]) -> None:
    """Take a packed local address apart. ``flags`` are the bits between the row and bit 31."""
    is_none = ((local >> 29) == 7) & (local & 0x7FFF == 0x7FFF)
    table[f"{prefix}row"] = local & ROW_MASK
    table[f"{prefix}in_accumulator"] = local >> 31 & 1
    table[f"{prefix}accumulate"] = local >> 30 & 1
    table[f"{prefix}full_width"] = local >> 29 & 1
    table[f"{prefix}norm_command"] = local >> 26 & 7
    table[f"{prefix}flags"] = local >> 26 & 31
    table[f"{prefix}is_none"] = is_none


def _fill(
    table: NDArray[Any],
    columns: _Columns,
    layout: Layout,
    source: NDArray[np.int64],
    names: tuple[str, ...],
) -> None:
    for name in names:
        table[name] = columns.configured(layout[name], source)


def _moves(columns: _Columns, at: NDArray[np.int64], record: np.dtype[Any]) -> NDArray[Any]:
    table = np.zeros(len(at), record)
    table["index"] = at
    for name in ("dram", "rows", "cols"):
        table[name] = columns.field(MOVE[name], at)
    _fill_local(table, "", columns.field(MOVE["local"], at))
    return table


def _moves_in(columns: _Columns, at: NDArray[np.int64]) -> NDArray[Any]:
    table = _moves(columns, at, MOVE_IN)
    table["is_zeros"] = table["dram"] == 0
    is_config = columns.config_type == ConfigType.LOAD
    channel = columns.field(CONFIG_LD["channel"], None)
    source = np.full(len(at), -1, np.int64)
    for number, funct in enumerate(isa.MVIN_OF_CHANNEL):
        of_channel = columns.funct[at] == funct
        source[of_channel] = columns.last(is_config & (channel == number), at[of_channel])
    table["config_source"] = source
    _fill(table, columns, CONFIG_LD, source, ("stride", "block_stride", "pixel_repeats", "shrunk"))
    table["pixel_repeats"] = np.maximum(table["pixel_repeats"], 1)
    table["scale"] = bits_float(columns.configured(CONFIG_LD["scale"], source))
    return table


def _moves_out(columns: _Columns, at: NDArray[np.int64]) -> NDArray[Any]:
    table = _moves(columns, at, MOVE_OUT)
    is_config = columns.config_type == ConfigType.STORE
    source = columns.last(is_config, at)
    names = (
        "stride",
        "activation",
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
    table["config_source"] = source
    _fill(table, columns, CONFIG_ST, source, names)
    sets_scale = is_config & (columns.field(CONFIG_ST["scale"], None) != KEEP_SCALE)
    scale_source = columns.last(sets_scale, at)
    table["scale_source"] = scale_source
    table["scale"] = bits_float(columns.configured(CONFIG_ST["scale"], scale_source))
    _fill_normalizer(table, columns, at)
    return table


def _fill_normalizer(table: NDArray[Any], columns: _Columns, at: NDArray[np.int64]) -> None:
    is_config = columns.config_type == ConfigType.NORM
    if not is_config.any():
        table["norm_source"] = -1
        return
    is_full = is_config & (columns.field(CONFIG_NORM["stat_id_only"], None) == 0)
    is_inverse = columns.field(CONFIG_NORM["q_const_type"], None) == 1
    sets_msb = is_full & (columns.field(CONFIG_NORM["act_msb"], None) == 1)
    source = columns.last(is_full, at)
    table["norm_source"] = source
    table["stat_id"] = columns.configured(CONFIG_NORM["stat_id"], columns.last(is_config, at))
    # The bit is never cleared again: softmax stays (F:396-405).
    table["activation"] |= (columns.last(sets_msb, at) >= 0) * int(isa.Activation.SOFTMAX)
    for name, last in (
        ("igelu_qb", source),
        ("igelu_qc", source),
    ):
        table[name] = signed(columns.configured(CONFIG_NORM[name], last))
    q_const = CONFIG_NORM["q_const"]
    for name, where in (("qln2", is_full & ~is_inverse), ("qln2_inverse", is_full & is_inverse)):
        table[name] = signed(columns.configured(q_const, columns.last(where, at)))


def _products(columns: _Columns, at: NDArray[np.int64]) -> NDArray[Any]:
    table = np.zeros(len(at), PRODUCT)
    table["index"] = at
    table["previous_product"] = np.concatenate(([-1], at))[:-1] if len(at) else at
    table["preloaded"] = columns.funct[at] == Funct.COMPUTE_PRELOADED
    preload = columns.last(columns.funct == Funct.PRELOAD, at)
    table["preload_index"] = preload
    for name, half, source in (
        ("stationary", "first", preload),
        ("c", "second", preload),
        ("a", "first", at),
        ("other", "second", at),
    ):
        _fill_local(table, f"{name}_", columns.configured(PAIR[half], source))
        for extent in ("rows", "cols"):
            table[f"{name}_{extent}"] = columns.configured(PAIR[f"{half}_{extent}"], source)
    is_config = columns.config_type == ConfigType.EXECUTE
    any_source = columns.last(is_config, at)
    is_full = is_config & (columns.field(CONFIG_EX["strides_only"], None) == 0)
    source = columns.last(is_full, at)
    table["config_source"], table["strides_source"] = source, any_source
    full = ("weight_stationary", "activation", "shift", "a_transpose", "b_transpose")
    _fill(table, columns, CONFIG_EX, source, full)
    _fill(table, columns, CONFIG_EX, any_source, ("a_stride", "c_stride"))
    return table
