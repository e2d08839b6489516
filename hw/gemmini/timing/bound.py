"""An analytic lower bound on the cycles of a command stream.

Each term counts what one resource must do whatever the order of events: the rows that the array
takes in, the beats on the memory port, the pieces that the store unit reads and writes, the slots
in which commands are dispatched. No simulation may be below it; a candidate that is, is a fault of
the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream import CommandStream
from ..config import GemminiConfig
from .decode import COMPUTE, CONFIGURE, MOVE, PRELOAD
from .execute_unit import MINIMUM_ROWS
from .front_end import COMMAND_STEP, IDLE_SEEN
from .program import Level, Program, build_program
from .state import EXECUTE, LOAD, STORE, UNITS, mesh_transit

Columns = dict[str, NDArray[np.int64]]
MOVE_COLUMNS = (
    "rows",
    "blocks",
    "row_reads",
    "row_bytes",
    "in_accumulator",
    "dram",
    "dram_step",
)
EXECUTE_COLUMNS = (
    "kind",
    "rows",
    "is_garbage",
    "second_rows",
    "second_is_garbage",
    "weight_stationary",
    "a_transposed",
    "b_transposed",
)
CYCLES_TO_UNIT = 2
"""Cycles from a command's entry into the reservation station to its first action in a unit."""


@dataclass(frozen=True)
class Bound:
    """Lower bounds in cycles, one per resource, and the work that they count."""

    compute: int
    """Rows that the array takes in, with the way in and out."""
    load: int
    """Rows and beats of the loads on the port that brings data in."""
    store: int
    """Pieces of rows that the store unit reads, scales and writes."""
    port: int
    """Requests and answers of loads and stores on the memory port that they share."""
    dispatch: int
    """Commands, one per cycle, and the core's work between them."""
    dram: int
    """Lines that must come over the memory bus (level ``soc``, cold caches)."""
    core: int
    """The core's own loops over arrays, while all other resources stand still."""
    macs: int
    """Multiply-accumulates of the program: A's rows times A's and C's columns, per computation."""
    read_bytes: int
    written_bytes: int

    @property
    def cycles(self) -> int:
        """The largest of the bounds, and the core's own work."""
        return max(self.terms.values()) + self.core

    @property
    def terms(self) -> dict[str, int]:
        """The bounds by resource."""
        names = ("compute", "load", "store", "port", "dispatch", "dram")
        return {name: getattr(self, name) for name in names}

    @property
    def limiting(self) -> str:
        """The resource with the largest bound."""
        terms = {**self.terms, "core": self.core}
        return max(terms, key=lambda name: terms[name])


def lower_bound(
    stream: CommandStream,
    config: GemminiConfig,
    level: Level = "accelerator",
    *,
    cold: bool = False,
) -> Bound:
    """Bound the cycles of ``stream`` from below at ``level``.

    ``cold`` adds the memory bus: every line that the stream touches must cross it once, which is
    not so when an earlier run left lines in the L2. Raises ``StreamError`` as the simulation does.
    """
    return bound_program(build_program(stream, config, level), config, cold=cold)


def bound_program(program: Program, config: GemminiConfig, *, cold: bool = False) -> Bound:
    """The bound of a decoded stream."""
    bound = amounts_of(program, config, lines=cold).bound(config)
    return replace(bound, core=program.core_cycles)


@dataclass(frozen=True)
class Amounts:
    """What a program asks of each resource; those of its parts add up to those of the whole."""

    fed: int
    """Rows that the array takes in, …"""
    fed_to_result: int
    """… up to the last that gives a result (0 if none does)."""
    first_rows: int
    """Rows of the first operation of the array, if it would overlap with one before it."""
    last_rows: int
    """Rows of the last one, if one behind it would overlap with it."""
    fetched_rows: int
    zeroed_rows: int
    read_beats: int
    write_beats: int
    reads: int
    writes: int
    pieces: int
    """Pieces of rows that the store unit reads, …"""
    scaled: int
    """… those of them that it scales, …"""
    writer: int
    """… and cycles of the unit that writes them."""
    first_wait: int
    """Core cycles before the first command, …"""
    dispatched: int
    """… and commands, with the core cycles before each."""
    emitted: int
    """Commands of the hardware's own loops."""
    macs: int
    read_bytes: int
    written_bytes: int
    lines: NDArray[np.int64]
    """Distinct cache lines that the moves touch."""

    def __add__(self, later: Amounts) -> Amounts:
        """Those of a program that goes on as ``later`` does, which begins with no compute."""
        sums = {
            name: getattr(self, name) + getattr(later, name)
            for name in self.__dataclass_fields__
            if name != "lines"
        }
        before = self.fed - min(self.last_rows, later.first_rows)
        reached = before + later.fed_to_result if later.fed_to_result else self.fed_to_result
        special = {
            "fed": before + later.fed,
            "fed_to_result": reached,
            "first_rows": (self if self.fed else later).first_rows,
            "last_rows": (later if later.fed else self).last_rows,
            "first_wait": self.first_wait,
        }
        return Amounts(**sums | special, lines=np.union1d(self.lines, later.lines))

    def bound(self, config: GemminiConfig) -> Bound:
        start = config.front_end_latency + CYCLES_TO_UNIT
        # The result of a compute leaves the array only after its last row has gone in.
        result = self.fed_to_result + mesh_transit(config) if self.fed_to_result else 0
        at_once = config.spad_read_delay + 1
        scaling = max(0, self.scaled - 1) // at_once * config.scale_latency
        loading = max(self.read_beats, self.fetched_rows + self.zeroed_rows)
        through_port = max(self.read_beats + self.writes, self.write_beats + self.reads)
        return Bound(
            compute=_after(start, max(self.fed, result)),
            load=_after(start, loading),
            store=_after(start, max(self.pieces, self.writer, scaling)),
            port=_after(start, through_port),
            dispatch=max(
                _after(0, self.dispatched - self.first_wait),
                _after(config.front_end_latency, self.emitted),
            ),
            dram=len(self.lines) * config.dram_fill_cycles,
            core=0,
            macs=self.macs,
            read_bytes=self.read_bytes,
            written_bytes=self.written_bytes,
        )


def amounts_of(program: Program, config: GemminiConfig, *, lines: bool) -> Amounts:
    """The amounts of a program, or of a part of one; ``lines`` counts those of the cache too."""
    commands, steps = program.commands, program.steps
    is_load = (commands["unit"] == LOAD) & (commands["kind"] == MOVE)
    is_zero = commands["dram"] == 0
    fetched = _columns(commands, is_load & ~is_zero, MOVE_COLUMNS)
    zeros = _columns(commands, is_load & is_zero, MOVE_COLUMNS)
    is_store = (commands["unit"] == STORE) & (commands["kind"] == MOVE)
    stores = _columns(commands, is_store, MOVE_COLUMNS)
    pieces = stores["rows"] * stores["blocks"] * stores["row_reads"]
    beats = _ceil(stores["row_bytes"], config.bus_bytes)
    return Amounts(
        **_fed(commands, config),
        fetched_rows=_sum(fetched["rows"]),
        zeroed_rows=_sum(zeros["rows"]),
        read_beats=_sum(fetched["rows"] * _ceil(fetched["row_bytes"], config.bus_bytes)),
        write_beats=_sum(stores["rows"] * beats),
        reads=_sum(fetched["rows"] * _ceil(fetched["row_bytes"], config.max_request_bytes)),
        writes=_sum(stores["rows"] * _ceil(stores["row_bytes"], config.max_request_bytes)),
        pieces=_sum(pieces),
        scaled=_sum(pieces[stores["in_accumulator"] == 1]),
        writer=_sum(stores["rows"] * (stores["blocks"] * stores["row_reads"] - 1 + beats)),
        first_wait=_sum(steps["wait"][:1]),
        dispatched=_sum(steps["kind"] == COMMAND_STEP) + _sum(steps["wait"]),
        emitted=_sum((commands["unit"] < UNITS)[_is_emitted(program)]),
        macs=_macs(commands),
        read_bytes=_sum(fetched["rows"] * fetched["row_bytes"]),
        written_bytes=_sum(stores["rows"] * stores["row_bytes"]),
        lines=_lines(fetched, stores, config) if lines else np.zeros(0, np.int64),
    )


def cycles_left(program: Program, config: GemminiConfig) -> NDArray[np.int64]:
    """For each step, the least cycles from when it is next to be dispatched to the end.

    The array takes in at most one row a cycle, of commands that are all still to come, and the core
    dispatches one command a cycle besides its own work. Steps that are no commands get 0.
    """
    commands, steps = program.commands, program.steps
    fed = np.zeros(len(commands), np.int64)
    execute = _columns(commands, _works(commands), EXECUTE_COLUMNS)
    fed[_works(commands)] = _rows_fed(execute, _operation_rows(execute, config))
    is_command = steps["kind"] == COMMAND_STEP
    dispatched = is_command + steps["wait"]
    left = np.maximum(_from_here_on(fed)[steps["command"]], _from_here_on(dispatched) - dispatched)
    return np.where(is_command, left, 0)


def _from_here_on(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.cumsum(values[::-1])[::-1]


def _columns(commands: NDArray[Any], where: NDArray[np.bool_], names: tuple[str, ...]) -> Columns:
    """The named columns of some commands (whole records would be copied in full)."""
    positions = np.flatnonzero(where)
    return {name: commands[name][positions] for name in names}


def _sum(values: Any) -> int:
    return int(np.sum(values, dtype=np.int64))


def _ceil(values: NDArray[np.int64], divisor: int) -> NDArray[np.int64]:
    return -(-values // divisor)


def _after(start: int, work: int) -> int:
    """``work`` cycles that cannot begin before ``start``; nothing if there is no work."""
    return start + work + IDLE_SEEN - 1 if work else 0


def _is_emitted(program: Program) -> NDArray[np.bool_]:
    """Which commands the hardware's loops emit: those that are not at the head of their place."""
    first = np.ones(len(program.origin), bool)
    first[1:] = program.origin[1:] != program.origin[:-1]
    return ~first


def _macs(commands: NDArray[Any]) -> int:
    """A's rows × A's columns × C's columns, of each computation that has a result."""
    of_pairs = np.flatnonzero((commands["kind"] == PRELOAD) | (commands["kind"] == COMPUTE))
    is_compute = commands["kind"][of_pairs] == COMPUTE
    follows = np.flatnonzero(is_compute[1:] & ~is_compute[:-1]) + 1
    preload, compute = of_pairs[follows - 1], of_pairs[follows]
    counts = commands["rows"][compute] * commands["cols"][compute]
    counts *= commands["second_cols"][preload]
    is_garbage = commands["second_is_garbage"][preload] | commands["is_garbage"][compute]
    return _sum(counts[is_garbage == 0])


def _fed(commands: NDArray[Any], config: GemminiConfig) -> dict[str, int]:
    """Rows of all operations of the array, when every compute overlaps the preload behind it."""
    execute = _columns(commands, _works(commands), EXECUTE_COLUMNS)
    whole = _operation_rows(execute, config)
    names = ("fed", "fed_to_result", "first_rows", "last_rows")
    if not len(whole):
        return dict.fromkeys(names, 0)
    fed = np.cumsum(_rows_fed(execute, whole))
    is_preload = execute["kind"] == PRELOAD
    with_result = is_preload[:-1] & ~is_preload[1:] & (execute["second_is_garbage"][:-1] == 0)
    results = np.flatnonzero(with_result) + 1
    first, last = whole[0] * is_preload[0], whole[-1] * ~is_preload[-1]
    values = (fed[-1], fed[results[-1]] if len(results) else 0, first, last)
    return dict(zip(names, map(int, values), strict=True))


def _works(commands: NDArray[Any]) -> NDArray[np.bool_]:
    """Which commands are operations of the array."""
    return (commands["unit"] == EXECUTE) & (commands["kind"] != CONFIGURE)


def _rows_fed(execute: Columns, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that each operation of the array adds to those before it; ``rows`` are its own."""
    is_preload = execute["kind"] == PRELOAD
    overlaps = np.zeros(len(rows), bool)
    overlaps[1:] = is_preload[1:] & ~is_preload[:-1]
    # A preload behind a compute shares its operation, which is as long as the longer of the two.
    return np.where(overlaps, np.maximum(rows - np.roll(rows, 1), 0), rows)


def _operation_rows(execute: Columns, config: GemminiConfig) -> NDArray[np.int64]:
    """The least rows of the operation that each preload or compute is part of."""
    used = execute["is_garbage"] == 0
    second_used = execute["second_is_garbage"] == 0
    shortest = min(MINIMUM_ROWS, config.dim)
    a_rows = np.where(used, execute["rows"], 1)
    b_rows = np.where(second_used, execute["second_rows"], 1)
    compute_rows = np.clip(np.maximum(a_rows, b_rows), shortest, config.dim)
    preload_rows = np.where(used, config.dim, shortest)
    transposes = (execute["a_transposed"] == 1) | (execute["b_transposed"] == 1)
    is_long = (execute["weight_stationary"] == 0) | transposes
    rows = np.where(execute["kind"] == PRELOAD, preload_rows, compute_rows)
    return np.where(is_long, config.dim, rows)


def _lines(loads: Columns, stores: Columns, config: GemminiConfig) -> NDArray[np.int64]:
    """Distinct cache lines that the moves touch (a lower count: whole rows of aligned lines)."""
    touched: list[NDArray[np.int64]] = []
    for moves in (loads, stores):
        if len(moves["rows"]):
            touched.extend(_line_numbers(moves, config.l2_line_bytes))
    return _distinct(np.concatenate(touched)) if touched else np.zeros(0, np.int64)


def _distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """``np.unique``, quicker where the numbers lie close together, as the lines of arrays do."""
    low, span = numbers.min(), int(np.ptp(numbers)) + 1
    if span > len(numbers):
        return np.unique(numbers)
    is_present = np.zeros(span, bool)
    is_present[numbers - low] = True
    return np.flatnonzero(is_present) + low


def _line_numbers(moves: Columns, line_bytes: int) -> list[NDArray[np.int64]]:
    row = np.arange(int(moves["rows"].max()))
    address = moves["dram"][:, None] + row[None, :] * moves["dram_step"][:, None]
    is_row = row[None, :] < moves["rows"][:, None]
    first = address[is_row] // line_bytes
    last = (address + moves["row_bytes"][:, None] - 1)[is_row] // line_bytes
    return [first, last]
