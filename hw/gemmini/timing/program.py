"""From a command stream to what the simulated front end executes: steps over decoded commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream import FENCE, CommandStream
from ..config import GemminiConfig
from ..loop_unroller import (
    EMISSION_ORDER,
    UnrolledLoop,
    interleave_loops,
    unroll_loops,
)
from .decode import decode
from .front_end import COMMAND_STEP, FENCE_STEP, MARK_STEP, STEP
from .loop_stage import GATE, LOOP


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


def build_program(stream: CommandStream, config: GemminiConfig, level: str) -> Program:
    """Decode ``stream`` and unroll its loops. Raises ``StreamError`` for a faulty loop."""
    loops = unroll_loops(stream, config, alternate=True)
    whole, source = interleave_loops(stream, loops)
    counts = np.bincount(source, minlength=len(stream))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)[:-1]
    table, gates = _place_loops(loops, starts, len(whole))
    names = tuple(name for _, name in stream.marks)
    return Program(
        _steps(stream, starts, level),
        decode(whole, config),
        whole,
        table,
        gates,
        source,
        names,
    )


def _steps(stream: CommandStream, starts: NDArray[np.int64], level: str) -> NDArray[Any]:
    steps = np.zeros(len(stream), STEP)
    steps["kind"] = np.where(stream.funct == FENCE, FENCE_STEP, COMMAND_STEP)
    steps["command"] = starts
    if level == "soc":
        steps["wait"] = stream.issue_cycles
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
