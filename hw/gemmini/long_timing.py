"""The cycle model on programs too long to be held in memory as a whole.

The commands come part by part. A part is put where another was whose commands are all done, so the
simulated machine sees one program: the counts are those of ``simulate_timing``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref

from ...dialects.gemmini import LoopConvWsOp, LoopWsOp
from ..stream import FENCE, CommandStream, StreamError
from .config import GemminiConfig
from .isa import ConfigType, Funct
from .memory import MemoryLayout
from .timing.bound import Amounts, Bound, amounts_of
from .timing.decode import COMMAND
from .timing.engine import PAUSED, PROGRESS, run
from .timing.front_end import STEP
from .timing.level2 import LINE, new_lines, rewind
from .timing.loop_stage import GATE, LOOP
from .timing.program import FetchedCode, Level, Program, build_program, fetch_cycles
from .timing.simulate import DEFAULT_MEMORY_LATENCY, Totals, totals
from .timing.state import UNITS, new_machine
from .timing.traffic import ArrayTraffic, add_traffic, traffic
from .unroll_parts import PART, unroll_in_parts

ENDLESS = "the stream never ends: a command never completes"
NO_LOOPS = (np.zeros(1, LOOP), np.zeros(1, GATE))
COMPUTES = (Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED)


@dataclass(frozen=True)
class LongTiming(Totals):
    """What a simulation counted of a program whose commands are not kept."""

    sent: int
    """Commands and fences of the core."""
    bound: Bound
    """The bound of the program, as ``bound_program`` finds it."""
    traffic: tuple[ArrayTraffic, ...]


def can_be_long(function: func.FuncOp) -> bool:
    """Whether a program can be simulated part by part.

    It has no hardware loops, and no loops of the core over arrays.
    """
    whole = (LoopWsOp, LoopConvWsOp, memref.StoreOp)
    return not any(isinstance(op, whole) for op in function.walk())


def simulate_long(
    function: func.FuncOp,
    config: GemminiConfig,
    layout: MemoryLayout,
    *,
    level: Level = "accelerator",
    memory_latency: int = DEFAULT_MEMORY_LATENCY,
    dram_latency: int | None = None,
    warm: bool = False,
    part: int = PART,
) -> LongTiming:
    """Count the cycles of ``function`` as ``simulate_timing`` does, in memory for a few parts.

    Needs a program that ``can_be_long``. Raises ``StreamError`` as the cycle model does, or what
    ``unroll`` raises.
    """
    if dram_latency is not None:
        config = replace(config, dram_latency=dram_latency)

    def parts() -> Iterator[Program]:
        return _programs(unroll_in_parts(function, config, layout, part), config, level, warm)

    lines = new_lines(config) if level == "soc" else np.zeros(1, LINE)
    run_parts = _Run(config, level, memory_latency, lines, layout)
    if warm and level == "soc":
        run_parts.simulate(parts())
        rewind(lines)
    return run_parts.simulate(parts(), lines_too=level == "soc" and not warm)


def _programs(
    parts: Iterator[CommandStream], config: GemminiConfig, level: Level, warm: bool
) -> Iterator[Program]:
    """Decode part by part, each with the configuration that those before it leave."""
    setup, code = CommandStream.of([]), FetchedCode()
    for part in _pieces(parts):
        whole = CommandStream.joined([setup, part])
        program = build_program(whole, config, level, warm=True)
        first = len(setup)
        steps = program.steps[first:]
        steps["command"] -= first
        if level == "soc" and not warm:
            steps["wait"] += fetch_cycles(part, config, code)
        yield replace(
            program,
            steps=steps,
            commands=program.commands[first:],
            stream=part,
            origin=program.origin[first:] - first,
        )
        setup = _setup(whole)


def _pieces(parts: Iterator[CommandStream]) -> Iterator[CommandStream]:
    """Parts that begin with no compute, and end with a command and not with a fence."""
    held = CommandStream.of([])
    for part in parts:
        held = CommandStream.joined([held, part])
        place = _cut(held)
        if place:
            yield held.between(0, place)
            held = held.between(place, len(held))
    yield held


def _cut(stream: CommandStream) -> int:
    """The last place where a part may end; 0 if there is none."""
    funct = stream.funct
    may_begin = funct == Funct.PRELOAD
    if not may_begin.any():
        may_begin = ~np.isin(funct, COMPUTES)
    places = np.flatnonzero(may_begin[1:] & (funct[:-1] != FENCE)) + 1
    return int(places[-1]) if len(places) else 0


def _setup(stream: CommandStream) -> CommandStream:
    """The configuration commands whose effect lasts to the end of ``stream``."""
    places = np.flatnonzero(stream.funct == Funct.CONFIG)
    words = stream.rs1[places]
    kind = words & np.uint64(3)
    # Loads are configured per channel; part of the array's configuration may keep the rest.
    details = np.where(kind == ConfigType.LOAD, words >> np.uint64(3) & np.uint64(3), 0)
    details += np.where(kind == ConfigType.EXECUTE, words >> np.uint64(7) & np.uint64(1), 0)
    last = {(int(k), int(d)): int(p) for k, d, p in zip(kind, details, places, strict=True)}
    found = [stream.between(place, place + 1) for place in sorted(last.values())]
    return CommandStream.joined(found)


class _Run:
    """Simulations that share the lines of a cache."""

    def __init__(
        self,
        config: GemminiConfig,
        level: Level,
        memory_latency: int,
        lines: NDArray[Any],
        layout: MemoryLayout,
    ) -> None:
        self.config = config
        self.level: Level = level
        self.memory_latency = memory_latency
        self.lines = lines
        self.layout = layout

    def simulate(self, parts: Iterator[Program], *, lines_too: bool = False) -> LongTiming:
        """Run a program; ``lines_too`` lets its bound count the lines of the cache."""
        machine = new_machine(self.config, self.memory_latency, uses_level2=self.level == "soc")
        table = _Table()
        amounts: list[Amounts] = []
        moved: list[tuple[ArrayTraffic, ...]] = []
        commands = sent = 0
        for program in parts:
            if table.end and run(machine, *table.all, *NO_LOOPS, self.lines, table.end) != PAUSED:
                raise StreamError(ENDLESS)
            amounts = [reduce(add, [*amounts, amounts_of(program, self.config, lines=lines_too)])]
            moved = [add_traffic([*moved, traffic(program, self.layout)])]
            commands += int(np.count_nonzero(program.commands["unit"] < UNITS))
            sent += len(program.steps)
            machine["front"][0]["step"] = table.place(program)
        steps, *others = table.all
        steps = steps[: table.end]
        cycles = run(machine, steps, *others, *NO_LOOPS, self.lines, len(steps) + 1)
        if cycles < 0:
            raise StreamError(ENDLESS)
        return LongTiming(
            **totals(machine, cycles, self.level, commands),
            sent=sent,
            bound=amounts[0].bound(self.config),
            traffic=moved[0],
        )


class _Table:
    """The parts that the machine may still look at; each has a place in the machine's tables."""

    def __init__(self) -> None:
        self.commands = np.zeros(0, COMMAND)
        self.progress = np.zeros(0, PROGRESS)
        self.steps = np.zeros(0, STEP)
        self.places: list[slice] = []
        self.end = 0
        """Where the part that was placed last ends."""

    @property
    def all(self) -> tuple[NDArray[Any], ...]:
        return self.steps, self.commands, self.progress

    def place(self, program: Program) -> int:
        """Put a part where all commands are done, or at the end; returns its first step."""
        count = len(program.commands)
        place = next((place for place in self.places if self._is_free(place, count)), None)
        if place is None:
            place = slice(len(self.commands), len(self.commands) + count + count // 4)
            self.places.append(place)
            self.steps, self.commands, self.progress = (
                np.concatenate([column, np.zeros(place.stop - place.start, column.dtype)])
                for column in self.all
            )
        used = slice(place.start, place.start + count)
        self.end = used.stop
        self.commands[used] = program.commands
        self.progress[used] = np.full(count, -1, PROGRESS)
        self.steps[used] = program.steps
        self.steps["command"][used] += place.start
        return place.start

    def _is_free(self, place: slice, count: int) -> bool:
        """Whether ``count`` commands fit, and all there are done (of the part before the last)."""
        if place.start < self.end <= place.stop or place.stop - place.start < count:
            return False
        runs = self.commands["unit"][place] < UNITS
        return bool((self.progress["done"][place][runs] >= 0).all())
