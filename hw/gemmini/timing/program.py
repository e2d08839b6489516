"""From a command stream to what the simulated front end executes: steps over decoded commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...stream import CORE_WORK, FENCE, CommandStream
from ..config import GemminiConfig
from ..findings import Findings
from ..loop_machines import EMISSION_ORDER
from ..loop_unroller import UnrolledLoop, interleave_loops, unroll_loops
from .decode import MOVE, decode
from .front_end import COMMAND_STEP, FENCE_STEP, MARK_STEP, STEP
from .loop_stage import GATE, LOOP
from .state import LOAD, UNITS

INSTRUCTION_BYTES = 4

Level = Literal["accelerator", "soc"]
"""``accelerator``: a command per cycle, memory of fixed latency. ``soc``: core, L2 and DRAM."""


@dataclass(frozen=True)
class Program:
    """A decoded stream."""

    steps: NDArray[Any]
    """What the core does, in order: commands, fences and marks (``STEP`` records)."""
    commands: NDArray[Any]
    """The commands that the units execute (``COMMAND`` records), those of loops among them."""
    stream: CommandStream
    """The same commands as words: the stream, and behind each loop command what it emits."""
    loops: NDArray[Any]
    """For each loop, where the commands of its state machines lie (``LOOP`` records)."""
    gates: NDArray[Any]
    """For each command, when a loop may emit it (``GATE`` records); empty without loops."""
    origin: NDArray[np.int64]
    """The position in the given stream that each command comes from."""
    mark_names: tuple[str, ...]
    core_cycles: int = 0
    """What the core's own loops over arrays take, between fences, while nothing else runs."""


def build_program(
    stream: CommandStream, config: GemminiConfig, level: Level, warm: bool = True
) -> Program:
    """Decode ``stream`` and unroll its loops. Raises ``StreamError`` for a faulty loop or move.

    At level ``soc`` the core waits for its own work before each command and, unless ``warm``, for
    code that it executes for the first time.
    """
    core_cycles = int(stream.rs1[stream.funct == CORE_WORK].sum())
    stream, kept = stream.without_core_work()
    loops = unroll_loops(stream, config, alternate=True)
    whole, source = interleave_loops(stream, loops)
    counts = np.bincount(source, minlength=len(stream))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)[:-1]
    table, gates = _place_loops(loops, starts, len(whole))
    commands = decode(whole, config)
    origin = kept[source]
    _check_moves(commands, whole.rs2, origin, config)
    names = tuple(name for _, name in stream.marks)
    return Program(
        _steps(stream, starts, _waits(stream, config, level, warm)),
        commands,
        whole,
        table,
        gates,
        origin,
        names,
        core_cycles,
    )


def _check_moves(
    commands: NDArray[Any],
    words: NDArray[np.uint64],
    source: NDArray[np.int64],
    config: GemminiConfig,
) -> None:
    """Reject moves that a unit would never finish, or not within its queues."""
    moves = np.flatnonzero(commands["kind"] == MOVE)
    moves = moves[commands["unit"][moves] < UNITS]
    rows, cols = commands["rows"][moves], commands["cols"][moves]
    is_load = commands["unit"][moves] == LOAD
    # A broadcast load reads one row, but is as wrong with too many.
    rows = np.where(is_load, (words[moves] >> np.uint64(48)).astype(np.int64), rows)
    limit = config.dim * config.max_blocks
    findings = Findings()
    index = source[moves]
    too_many = is_load & (rows > config.dim)
    findings.add(index, too_many, "moves {} rows, not 1 to {}", rows, config.dim)
    findings.add(index, rows < 1, "moves no rows")
    outside = (cols < 1) | (cols > limit)
    findings.add(index, outside, "moves {} columns, not 1 to {}", cols, limit)
    findings.raise_first()


def _waits(
    stream: CommandStream, config: GemminiConfig, level: Level, warm: bool
) -> NDArray[np.int64]:
    """Core cycles before each command."""
    if level != "soc":
        return np.zeros(len(stream), np.int64)
    waits = stream.issue_cycles.astype(np.int64)
    return waits if warm else waits + fetch_cycles(stream, config, FetchedCode())


@dataclass
class FetchedCode:
    """How far the core has come in the program's text."""

    highest: int = -1
    """The highest origin of a command so far."""
    instructions: int = 0


def fetch_cycles(
    stream: CommandStream, config: GemminiConfig, code: FetchedCode
) -> NDArray[np.int64]:
    """Cycles to fetch code on its first execution; ``code`` goes on behind ``stream``.

    A command whose origin is the highest so far runs for the first time; its instructions (one
    per cycle of core work, and its own) follow those of the command before. Each line of them
    comes from DRAM (measured: 32 unrolled commands, two lines, take 90 cycles more when cold).
    """
    origin = stream.origin.astype(np.int64)
    highest = np.maximum.accumulate(np.concatenate([[code.highest], origin]))
    is_new = origin > highest[:-1]
    instructions = np.where(is_new, stream.issue_cycles.astype(np.int64) + 1, 0)
    executed = code.instructions + np.cumsum(np.concatenate([[0], instructions]))
    lines = np.diff(executed * INSTRUCTION_BYTES // config.instruction_line_bytes)
    code.highest, code.instructions = int(highest[-1]), int(executed[-1])
    miss = config.l2_miss_request + config.dram_latency + config.l2_miss_response
    return lines * miss


def _steps(
    stream: CommandStream, starts: NDArray[np.int64], waits: NDArray[np.int64]
) -> NDArray[Any]:
    steps = np.zeros(len(stream), STEP)
    steps["kind"] = np.where(stream.funct == FENCE, FENCE_STEP, COMMAND_STEP)
    steps["command"] = starts
    steps["wait"] = waits
    if not stream.marks:
        return steps
    positions = np.array([position for position, _ in stream.marks], np.int64)
    mark = np.zeros(len(positions), STEP)
    mark["kind"] = MARK_STEP
    return np.insert(steps, positions, mark)


def _place_loops(
    loops: list[UnrolledLoop], starts: NDArray[np.int64], commands: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    table = np.zeros(max(1, len(loops)), LOOP)
    gates = np.zeros(commands if loops else 1, GATE)
    for row, loop in zip(table, loops, strict=False):
        first = int(starts[loop.position]) + 1
        for machine in EMISSION_ORDER:
            emitted = loop.machines[machine]
            row["first"][machine], row["count"][machine] = first, len(emitted)
            place = slice(first, first + len(emitted))
            gates["needs"][place] = emitted.needs
            gates["progress"][place] = emitted.progress
            first += len(emitted)
    return table, gates
