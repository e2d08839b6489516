"""Cycles of a long program, estimated from a sample of its commands.

The sample runs on the cycle model. The time from a command's entry into the accelerator to that of
the next one counts as often as the next one stands for others of the program. An estimate is for
ranking programs against each other: counts that are reported come from ``simulate_timing``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func

from ..stream import CORE_WORK, StreamError
from .config import GemminiConfig
from .memory import MemoryLayout
from .sampled_cache import GONE, SampledCache
from .sampling import Sample, commands_at_most, sample
from .timing.decode import COMPUTE
from .timing.engine import PROGRESS, run
from .timing.level2 import LINE, new_lines, rewind
from .timing.program import Program, build_program
from .timing.simulate import DEFAULT_MEMORY_LATENCY, Level
from .timing.state import new_machine

LONG_PROGRAM = 1 << 22
"""Commands, were each branch taken, from which on a program is estimated: it takes the cycle model
five seconds or more. Shorter ones are simulated, as estimates of convolutions can be far off."""
SAMPLED_COMMANDS = 1 << 16
"""Commands of a sample, were each branch taken."""


@dataclass(frozen=True)
class Estimate:
    """What a program is expected to take."""

    cycles: int
    compute_bound: int
    """Rows that the array takes in: no simulation of the program is below it."""
    sampled: int
    """Commands that were simulated."""


def is_long(function: func.FuncOp, config: GemminiConfig, layout: MemoryLayout) -> bool:
    """Whether the cycles of a program should be estimated in a search.

    Raises what ``unroll`` raises.
    """
    return commands_at_most(function, config, layout) > LONG_PROGRAM


def estimate_timing(
    function: func.FuncOp,
    config: GemminiConfig,
    layout: MemoryLayout,
    *,
    level: Level = "accelerator",
    memory_latency: int = DEFAULT_MEMORY_LATENCY,
    dram_latency: int | None = None,
    warm: bool = False,
    budget: int = SAMPLED_COMMANDS,
) -> Estimate:
    """About the cycles that ``simulate_timing`` counts, in a time that does not depend on sizes.

    Raises ``StreamError`` or what ``unroll`` raises where a simulation of the sample would.
    """
    if dram_latency is not None:
        config = replace(config, dram_latency=dram_latency)
    found = sample(function, config, layout, budget)
    program = build_program(found.stream, config, level, warm)
    if level == "accelerator":
        cycles = _run(found, program, config, memory_latency, None)
    else:
        lines = _lines(config, layout, warm)
        if warm and not np.any(lines["tag"] == GONE):
            _run(found, program, config, memory_latency, lines)
            rewind(lines)
        cycles = _run(found, program, config, memory_latency, lines)
    own = found.stream.funct == CORE_WORK
    core = int(np.sum(found.stream.rs1[own].astype(np.int64) * found.weights[own]))
    weights = found.weights[program.origin]
    rows = np.where(program.commands["kind"] == COMPUTE, program.commands["rows"], 0)
    bound = int(np.sum(weights * rows))
    return Estimate(max(cycles, bound) + core, bound + core, len(found.stream))


def _lines(config: GemminiConfig, layout: MemoryLayout, warm: bool) -> NDArray[Any]:
    """A cache without lines of use; ways are free as often as they are on average.

    A fill into a free way is faster, and most fills of a long program find none.
    """
    lines = new_lines(config)
    fitting = len(lines) * config.l2_line_bytes / max(1, layout.size)
    taken = 1 - fitting if not warm else float(fitting < 1)
    lines["tag"][np.random.default_rng(0).random(len(lines)) < taken] = GONE
    return lines


def _run(
    found: Sample,
    program: Program,
    config: GemminiConfig,
    memory_latency: int,
    lines: NDArray[Any] | None,
) -> int:
    """Cycles of the whole program, by the times at which the sample's commands enter."""
    machine = new_machine(config, memory_latency, uses_level2=lines is not None)
    steps = program.steps.copy()
    progress = np.full(len(program.commands), -1, PROGRESS)
    tables = (program.commands, progress, program.loops, program.gates)
    if lines is None:
        lines = np.zeros(1, LINE)
    else:
        cache = SampledCache(machine["level2"][0], lines)
        for mark in found.marks:
            run(machine, steps, *tables, lines, mark.position)
            cache.pass_mark(mark)
    cycles = run(machine, steps, *tables, lines, len(steps) + 1)
    if cycles < 0:
        raise StreamError("a sample of the stream never ends")
    entered = np.maximum.reduceat(progress["allocated"], steps["command"])
    entered = np.maximum.accumulate(np.maximum(entered, 0))
    spans = np.diff(entered, prepend=0)
    _, kept = found.stream.without_core_work()
    return int(np.sum(spans * found.weights[kept])) + cycles - int(entered[-1])
