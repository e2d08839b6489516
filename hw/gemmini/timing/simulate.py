"""The cycle model's one entry point, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream import CommandStream, StreamError
from ..config import GemminiConfig
from .bound import cycles_left
from .causes import CAUSE_NAMES, CAUSES, Unit
from .engine import PAUSED, PROGRESS, run
from .front_end import MARK_STEP
from .level2 import LINE, new_lines, rewind
from .program import Level, Program, build_program
from .state import NEVER, new_machine

DEFAULT_MEMORY_LATENCY = 6
"""Cycles from a request to its answer at level ``accelerator``: that of a hit in the L2."""
LOOKS = 64
"""How often a simulation with a limit looks whether it can still end below it."""


@dataclass(frozen=True)
class Segment:
    """A named part of the stream, and its cycles from its first command to idle (or to its end)."""

    name: str
    cycles: int


@dataclass(frozen=True)
class Totals:
    """What a simulation counted."""

    cycles: int
    """From the first command until the accelerator is idle again, and the core's own work."""
    core_cycles: int
    """Of them, those of loops of the core over arrays: the accelerator stands still, and neither
    its units' cycles nor the times of commands count them."""
    level: Level
    commands: int
    """Commands that the units executed, after the hardware's own loops were unrolled."""
    units: dict[str, dict[str, int]]
    """For each unit, the cycles it was busy, idle, or stood still for each cause."""
    conflicts: dict[str, int]
    """Cycles lost to a bank that was taken: of operand reads, load writes and store reads."""
    cache: dict[str, int]
    """Accesses, misses and write-backs of the L2 (zero at level ``accelerator``)."""


@dataclass(frozen=True)
class TimingResult(Totals):
    """What a simulation measured. All times are in cycles since the first command."""

    program: Program
    segments: tuple[Segment, ...]
    allocated: NDArray[np.int64]
    """For each command of ``program``: when it entered the reservation station, −1 if never."""
    issued: NDArray[np.int64]
    done: NDArray[np.int64]

    @property
    def segment_cycles(self) -> dict[str, int]:
        """Cycles by segment name; the last of equal names counts."""
        return {segment.name: segment.cycles for segment in self.segments}


def simulate_timing(
    stream: CommandStream,
    config: GemminiConfig,
    *,
    level: Level = "accelerator",
    memory_latency: int = DEFAULT_MEMORY_LATENCY,
    dram_latency: int | None = None,
    warm: bool = False,
) -> TimingResult:
    """Count the cycles of ``stream`` without computing any data.

    ``memory_latency`` applies to level ``accelerator``, ``dram_latency`` (default: the config's) to
    level ``soc``, where ``warm`` means that the same stream has run once before, so that the L2
    and the core's instruction cache hold what they can. Raises ``StreamError`` for a command that
    the cycle model cannot run, and for a stream that would never end.
    """
    if memory_latency < 1 or (dram_latency is not None and dram_latency < 0):
        raise ValueError("latencies must be positive")
    if dram_latency is not None:
        config = replace(config, dram_latency=dram_latency)
    result = simulate_program(
        build_program(stream, config, level, warm), config, level, memory_latency, warm
    )
    assert result is not None, "without a limit a simulation ends"
    return result


def simulate_program(
    program: Program,
    config: GemminiConfig,
    level: Level,
    memory_latency: int = DEFAULT_MEMORY_LATENCY,
    warm: bool = False,
    limit: int | None = None,
) -> TimingResult | None:
    """Count the cycles of a program that was built for ``level`` and ``warm``.

    None where it takes at least ``limit`` cycles: the simulation stops as soon as what is left
    takes too long for any machine. Raises ``StreamError`` as ``simulate_timing`` does.
    """
    if level == "accelerator":
        return _run(program, config, level, memory_latency, np.zeros(1, LINE), limit)
    lines = new_lines(config)
    if warm:
        _run(program, config, level, memory_latency, lines)
        rewind(lines)
    return _run(program, config, level, memory_latency, lines, limit)


def _run(
    program: Program,
    config: GemminiConfig,
    level: Level,
    memory_latency: int,
    lines: NDArray[Any],
    limit: int | None = None,
) -> TimingResult | None:
    machine = new_machine(config, memory_latency, uses_level2=level == "soc")
    steps = program.steps.copy()
    progress = np.full(len(program.commands), -1, PROGRESS)
    tables = (program.commands, progress, program.loops, program.gates, lines)
    over = int(NEVER) if limit is None else limit - program.core_cycles
    for pause, left in _looks(program, config) if limit is not None else ():
        cycles = run(machine, steps, *tables, pause)
        if cycles != PAUSED:
            break
        if int(machine["clock"][0]) + left >= over:
            return None
    else:
        cycles = run(machine, steps, *tables, len(steps) + 1)
    if cycles < 0:
        _raise_stuck(program, progress)
    if cycles >= over:
        return None
    core = program.core_cycles
    marks = steps[steps["kind"] == MARK_STEP]
    allocated = progress["allocated"]
    return TimingResult(
        **totals(machine, int(cycles), level, int(np.count_nonzero(allocated >= 0)), core),
        program=program,
        segments=tuple(
            Segment(name, int(mark["done"] - mark["start"]))
            for name, mark in zip(program.mark_names, marks, strict=True)
        ),
        allocated=allocated,
        issued=progress["issued"],
        done=progress["done"],
    )


def totals(
    machine: NDArray[Any], cycles: int, level: Level, commands: int, core_cycles: int = 0
) -> dict[str, Any]:
    """The fields of ``Totals``: as a machine counted them, and the core's own work."""
    counters, level2 = machine["counters"][0], machine["level2"][0]
    table = counters["cycles"].reshape(len(Unit), CAUSES)
    return {
        "cycles": cycles + core_cycles,
        "core_cycles": core_cycles,
        "level": level,
        "commands": commands,
        "units": {
            unit.name.lower(): dict(zip(CAUSE_NAMES, map(int, table[unit]), strict=True))
            for unit in Unit
        },
        "conflicts": {
            "operand_reads": int(counters["operand_conflicts"]),
            "load_writes": int(counters["write_conflicts"]),
            "store_reads": int(counters["read_conflicts"]),
        },
        "cache": {name: int(level2[name]) for name in ("accesses", "misses", "write_backs")},
    }


def _looks(program: Program, config: GemminiConfig) -> list[tuple[int, int]]:
    """Steps before which to look at the clock, and the least cycles from there to the end."""
    left = cycles_left(program, config)
    steps = range(0, len(left), max(1, len(left) // LOOKS))
    return [(step, int(left[step])) for step in steps]


def _raise_stuck(program: Program, progress: NDArray[Any]) -> None:
    """Name the oldest command that never completed."""
    waiting = np.flatnonzero((progress["allocated"] >= 0) & (progress["done"] < 0))
    if not len(waiting):
        raise StreamError("the stream never ends: the accelerator does not become idle")
    index = int(program.origin[waiting[0]])
    raise StreamError(
        f"command {index}: never completes (a preload needs a compute behind it, and a move needs"
        " at least one row and column)"
    )
