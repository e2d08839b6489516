"""From a command stream to what the simulated front end executes: steps over decoded commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream import FENCE, CommandStream
from ..config import GemminiConfig
from .decode import decode
from .front_end import COMMAND_STEP, FENCE_STEP, MARK_STEP, STEP


@dataclass(frozen=True)
class Program:
    """A decoded stream."""

    steps: NDArray[Any]
    """What the core does, in order: commands, fences and marks (``STEP`` records)."""
    commands: NDArray[Any]
    """The commands that the units execute (``COMMAND`` records)."""
    origin: NDArray[np.int64]
    """The position in the stream that each command comes from."""
    mark_names: tuple[str, ...]


def build_program(stream: CommandStream, config: GemminiConfig, level: str, warm: bool) -> Program:
    """Decode ``stream``."""
    commands = decode(stream, config)
    steps = np.zeros(len(stream), STEP)
    steps["kind"] = np.where(stream.funct == FENCE, FENCE_STEP, COMMAND_STEP)
    steps["command"] = np.arange(len(stream))
    if level == "soc":
        steps["wait"] = stream.issue_cycles
    positions = np.array([position for position, _ in stream.marks], np.int64)
    mark = np.zeros(len(positions), STEP)
    mark["kind"] = MARK_STEP
    steps = np.insert(steps, positions, mark)
    names = tuple(name for _, name in stream.marks)
    return Program(steps, commands, np.arange(len(stream)), names)
