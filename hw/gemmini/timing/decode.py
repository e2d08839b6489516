"""What the cycle model needs to know of each command, decoded for the whole stream at once.

Dispatch is in order, so the configuration that a command runs under is that of the program text:
the last CONFIG of its kind before it. Everything here is NumPy on whole columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream import CommandStream
from .. import isa
from ..config import GemminiConfig
from ..isa import ConfigType, Funct
from ..loop_unroller import LOOP_FUNCTS
from .state import EXECUTE, LOAD, STORE

NO_UNIT = 3
"""Commands that the reservation station never sees (flush, counters): no cost was measured."""
LOOP_UNIT = 4
"""A command that starts one of the hardware's loops."""
LOOP_SETUP = 5
"""A command that configures one."""

MOVE, CONFIGURE, PRELOAD, COMPUTE = 0, 1, 2, 3
"""What a command is to its controller."""

ACCUMULATOR_SPACE = 1 << 32
"""Added to accumulator rows so that the two memories never overlap in one range of integers."""
ACCUMULATOR_ROW_MASK = 0x03FF_FFFF
SPAD_ROW_MASK = 0x1FFF_FFFF
_NOWHERE = -1
"""Start and end of the range of an operand that does not exist: it overlaps nothing."""

COMMAND = np.dtype(
    [
        (name, np.int64)
        for name in (
            "unit",
            "kind",
            "range_start",  # rows written (loads, preloads) or read (stores, A of a compute)
            "range_end",
            "other_start",  # rows read besides: B of a preload, B or D of a compute
            "other_end",
            "rows",
            "blocks",  # pieces of dim columns in a row
            "block_step",  # local rows between them
            "local",  # row number in its memory
            "in_accumulator",
            "is_garbage",
            "cols",
            "second_local",
            "second_in_accumulator",
            "second_is_garbage",
            "second_rows",
            "second_cols",
            "accumulates",
            "dram",  # address; 0 in a load means zeros
            "dram_step",  # bytes between rows
            "row_bytes",
            "row_reads",  # local rows read per row written: the pool's window, else 1
            "last_bytes",  # bytes that leave with the last block
            "element_bytes",
            "weight_stationary",
            "a_transposed",
            "b_transposed",
            "a_step",
            "c_step",
            "flips",
        )
    ],
    align=True,
)
"""One decoded command."""


def decode(stream: CommandStream, config: GemminiConfig) -> NDArray[Any]:
    """The decoded commands of ``stream``, one ``COMMAND`` record for each of its rows."""
    table = np.zeros(len(stream), COMMAND)
    table["unit"] = NO_UNIT
    for name in ("range_start", "range_end", "other_start", "other_end"):
        table[name] = _NOWHERE
    _decode_operands(table, stream)
    _decode_configs(table, stream)
    _decode_loads(table, stream, config)
    _decode_execute(table, stream)
    _decode_stores(table, stream, config)
    table["unit"][np.isin(stream.funct, list(LOOP_FUNCTS))] = LOOP_SETUP
    table["unit"][np.isin(stream.funct, (Funct.LOOP_WS, Funct.LOOP_CONV_WS))] = LOOP_UNIT
    return table


def _bits(words: NDArray[np.uint64], low: int, width: int) -> NDArray[np.int64]:
    return ((words >> np.uint64(low)) & np.uint64((1 << width) - 1)).astype(np.int64)


def _local_rows(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row number and whether it is the accumulator's, of packed local operands."""
    low = _bits(words, 0, 32)
    in_accumulator = low >> 31
    return np.where(in_accumulator, low & ACCUMULATOR_ROW_MASK, low & SPAD_ROW_MASK), in_accumulator


def _garbage(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    return (_bits(words, 29, 3) == 7) & (_bits(words, 0, 15) == 0x7FFF)


def _set_range(
    table: NDArray[Any],
    where: NDArray[np.int64],
    which: str,
    words: NDArray[np.uint64],
    length: NDArray[np.int64],
) -> None:
    """Give the commands at ``where`` the local ranges, ``length`` rows each, of their ``words``."""
    exists = ~_garbage(words[where])
    where, length = where[exists], length[exists]
    row, in_accumulator = _local_rows(words[where])
    start = row + in_accumulator * ACCUMULATOR_SPACE
    table[f"{which}_start"][where] = start
    table[f"{which}_end"][where] = start + length


def _decode_operands(table: NDArray[Any], stream: CommandStream) -> None:
    """Fields that have the same place in every command that has them."""
    is_load = np.isin(stream.funct, isa.MVIN_OF_CHANNEL)
    is_move = is_load | (stream.funct == Funct.MVOUT)
    first = np.where(is_move, stream.rs2, stream.rs1)
    second = np.where(is_move, np.uint64(0), stream.rs2)
    table["local"], table["in_accumulator"] = _local_rows(first)
    table["second_local"], table["second_in_accumulator"] = _local_rows(second)
    table["is_garbage"], table["second_is_garbage"] = _garbage(first), _garbage(second)
    table["cols"], table["rows"] = _bits(first, 32, 16), _bits(first, 48, 16)
    table["second_cols"], table["second_rows"] = _bits(second, 32, 16), _bits(second, 48, 16)
    table["dram"] = np.where(is_move, stream.rs1, np.uint64(0)).astype(np.int64)


def _last(where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each position, the last position at or before it that is in ``where``; −1 if none."""
    positions = np.where(where, np.arange(len(where)), -1)
    return np.maximum.accumulate(positions) if len(where) else positions


def _carried(source: NDArray[np.int64], values: NDArray[Any], default: int) -> NDArray[np.int64]:
    """``values`` at the positions ``source``, ``default`` where there is none."""
    if not len(values):
        return np.zeros(0, np.int64)
    return np.where(source >= 0, values[source], default)


def _decode_configs(table: NDArray[Any], stream: CommandStream) -> None:
    is_config = stream.funct == Funct.CONFIG
    kind = _bits(stream.rs1, 0, 2)
    table["kind"][is_config] = CONFIGURE
    table["unit"][is_config & (kind == ConfigType.EXECUTE)] = EXECUTE
    table["unit"][is_config & (kind == ConfigType.LOAD)] = LOAD
    table["unit"][is_config & (kind >= ConfigType.STORE)] = STORE


def _decode_loads(table: NDArray[Any], stream: CommandStream, config: GemminiConfig) -> None:
    is_config = (stream.funct == Funct.CONFIG) & (_bits(stream.rs1, 0, 2) == ConfigType.LOAD)
    for channel, funct in enumerate(isa.MVIN_OF_CHANNEL):
        of_channel = is_config & (_bits(stream.rs1, 3, 2) == channel)
        moves = np.flatnonzero(stream.funct == funct)
        source = _last(of_channel)[moves]
        table["dram_step"][moves] = _carried(source, stream.rs2.astype(np.int64), 0)
        table["block_step"][moves] = _carried(source, _bits(stream.rs1, 16, 16), config.dim)
        shrunk = _carried(source, _bits(stream.rs1, 2, 1), 0)
        wide = (table["in_accumulator"][moves] == 1) & (shrunk == 0)
        element = np.where(wide, config.accumulator_bytes, config.input_bytes)
        table["element_bytes"][moves] = element
    moves = np.flatnonzero(np.isin(stream.funct, isa.MVIN_OF_CHANNEL))
    rows, cols, steps = (table[name][moves] for name in ("rows", "cols", "dram_step"))
    blocks = -(-cols // config.dim)
    table["unit"][moves] = LOAD
    table["kind"][moves] = MOVE
    table["blocks"][moves] = blocks
    table["row_bytes"][moves] = cols * table["element_bytes"][moves]
    length = (blocks - 1) * table["block_step"][moves] + rows
    _set_range(table, moves, "range", stream.rs2, length)
    # A stride of 0 broadcasts one row, which the hardware reads once (LoadController.scala:76).
    is_broadcast = (steps == 0) & (table["dram"][moves] != 0)
    table["rows"][moves] = np.where(is_broadcast, np.minimum(rows, 1), rows)


def _decode_execute(table: NDArray[Any], stream: CommandStream) -> None:
    is_config = (stream.funct == Funct.CONFIG) & (_bits(stream.rs1, 0, 2) == ConfigType.EXECUTE)
    any_config = _last(is_config)
    full_config = _last(is_config & (_bits(stream.rs1, 7, 1) == 0))
    preloads = np.flatnonzero(stream.funct == Funct.PRELOAD)
    flips = stream.funct == Funct.COMPUTE_PRELOADED
    computes = np.flatnonzero(flips | (stream.funct == Funct.COMPUTE_ACCUMULATED))
    table["unit"][preloads] = table["unit"][computes] = EXECUTE
    table["kind"][preloads] = PRELOAD
    table["kind"][computes] = COMPUTE
    table["flips"][flips] = 1
    table["weight_stationary"] = _carried(full_config, _bits(stream.rs1, 2, 1), 1)
    table["a_transposed"] = _carried(full_config, _bits(stream.rs1, 8, 1), 0)
    table["b_transposed"] = _carried(full_config, _bits(stream.rs1, 9, 1), 0)
    table["a_step"] = _carried(any_config, _bits(stream.rs1, 16, 16), 1)
    table["c_step"] = _carried(any_config, _bits(stream.rs2, 48, 16), 1)
    table["accumulates"] = _bits(stream.rs2, 30, 1)
    c_rows = table["second_rows"][preloads] * table["c_step"][preloads]
    _set_range(table, preloads, "range", stream.rs2, c_rows)
    _set_range(table, preloads, "other", stream.rs1, table["rows"][preloads])
    is_transposed, rows, cols = (table[name][computes] for name in ("a_transposed", "rows", "cols"))
    a_rows = np.where(is_transposed == 1, cols, rows) * table["a_step"][computes]
    _set_range(table, computes, "range", stream.rs1, a_rows)
    _set_range(table, computes, "other", stream.rs2, table["second_rows"][computes])


def _decode_stores(table: NDArray[Any], stream: CommandStream, config: GemminiConfig) -> None:
    is_config = (stream.funct == Funct.CONFIG) & (_bits(stream.rs1, 0, 2) == ConfigType.STORE)
    moves = np.flatnonzero(stream.funct == Funct.MVOUT)
    source = _last(is_config)[moves]
    pool_step = _carried(source, _bits(stream.rs1, 4, 2), 0)
    window = _carried(source, _bits(stream.rs1, 6, 2), 1)
    outputs = _carried(source, _bits(stream.rs1, 32, 8) * _bits(stream.rs1, 40, 8), 0)
    pools = pool_step > 0
    rows, cols = table["rows"][moves], table["cols"][moves]
    blocks = -(-cols // config.dim)
    full = (table["in_accumulator"][moves] == 1) & (_bits(stream.rs2[moves], 29, 1) == 1)
    element = np.where(full, config.accumulator_bytes, config.input_bytes)
    table["unit"][moves] = STORE
    table["kind"][moves] = MOVE
    table["dram_step"][moves] = _carried(source, _bits(stream.rs2, 0, 32), 0)
    table["rows"][moves] = np.where(pools, outputs, rows)
    table["row_reads"][moves] = np.where(pools, window * window, 1)
    table["blocks"][moves] = blocks
    table["block_step"][moves] = config.dim
    table["element_bytes"][moves] = element
    table["row_bytes"][moves] = cols * element
    # A pooling store reads the whole image of its channels.
    image = _carried(source, _bits(stream.rs1, 48, 8) * _bits(stream.rs1, 56, 8), 0)
    length = np.where(pools, image, (blocks - 1) * config.dim + rows)
    _set_range(table, moves, "range", stream.rs2, length)
