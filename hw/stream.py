"""A command stream: what the core sends to the accelerator, in order, loops unrolled.

It is the meeting point of the readers: ISA IR, machine C and ``.rocc`` files become one; the
functional simulator, the cycle model and the trace validator start from one. A stream is a handful
of NumPy columns, so that a hundred thousand commands cost milliseconds, not seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FENCE = 255
"""Value of ``funct`` in a row that waits until the accelerator is idle (no machine command)."""

CORE_WORK = 254
"""Value of ``funct`` in a row for loops of the core over arrays in memory; ``rs1`` is their cycles.

What they compute is not in the stream: only the program that it comes from says so.
"""

COLUMNS = ("funct", "rs1", "rs2", "issue_cycles", "origin")


class StreamError(Exception):
    """A malformed or illegal command; the message names the command's index (and line if known)."""


@dataclass(frozen=True)
class CommandStream:
    """``n`` commands as columns, plus named segment ends."""

    funct: NDArray[np.uint8]
    """funct7 of each command, ``FENCE`` or ``CORE_WORK``."""
    rs1: NDArray[np.uint64]
    rs2: NDArray[np.uint64]
    issue_cycles: NDArray[np.uint16]
    """Core cycles spent on address and loop arithmetic before the command (level ``soc`` only)."""
    origin: NDArray[np.int32]
    """Number of the instruction op (ISA IR) or line (``.rocc``) behind a command, -1 if none."""
    marks: tuple[tuple[int, str], ...] = field(default=())
    """``(position, name)``: the segment ``name`` ends before the command at ``position``."""

    def __len__(self) -> int:
        return len(self.funct)

    @staticmethod
    def of(commands: Sequence[tuple[int, int, int]]) -> CommandStream:
        """The stream of ``(funct, rs1, rs2)`` without dispatch cost; ``origin`` counts from 0."""
        count = len(commands)
        return CommandStream(
            np.array([funct for funct, _, _ in commands], np.uint8),
            np.array([rs1 for _, rs1, _ in commands], np.uint64),
            np.array([rs2 for _, _, rs2 in commands], np.uint64),
            np.zeros(count, np.uint16),
            np.arange(count, dtype=np.int32),
        )

    def between(self, start: int, stop: int) -> CommandStream:
        """The commands from ``start`` to before ``stop``, without marks."""
        return CommandStream(*(getattr(self, name)[start:stop] for name in COLUMNS))

    @property
    def has_core_work(self) -> bool:
        """Whether the core works on arrays itself."""
        return bool((self.funct == CORE_WORK).any())

    def without_core_work(self) -> tuple[CommandStream, NDArray[np.int64]]:
        """The stream without the core's own loops, and where each of its commands comes from."""
        kept = np.flatnonzero(self.funct != CORE_WORK)
        columns: dict[str, Any] = {name: getattr(self, name)[kept] for name in COLUMNS}
        marks = tuple((int(np.searchsorted(kept, place)), name) for place, name in self.marks)
        return CommandStream(**columns, marks=marks), kept

    @staticmethod
    def joined(parts: Sequence[CommandStream]) -> CommandStream:
        """Streams without marks, one after the other."""
        streams = (CommandStream.of([]), *parts)
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(each, name) for each in streams]) for name in COLUMNS
        }
        return CommandStream(**columns)
