"""The state machines of the hardware's loops, and what each emits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STORE_C, EXECUTE_LOOP, LOAD_D, LOAD_A, LOAD_B = range(5)
"""The state machines; of those that can emit a command the first does, but A and B take turns."""
MACHINES = 5
EMISSION_ORDER = (LOAD_D, LOAD_A, LOAD_B, EXECUTE_LOOP, STORE_C)
"""A sequential order in which every command comes after those that it needs."""
HARDWARE_GARBAGE = 0xE000_7FFF
"""The "none" address that the state machines emit (LocalAddr.scala:43)."""

Column = NDArray[np.int64]


@dataclass(frozen=True)
class Emitted:
    """The commands of one state machine, in its order."""

    funct: NDArray[np.uint8]
    rs1: NDArray[np.uint64]
    rs2: NDArray[np.uint64]
    needs: NDArray[np.int64]
    """``needs[n, m]``: commands that machine ``m`` must have emitted before command ``n``."""
    progress: NDArray[np.int64]
    """The machine's loop counters at each command, as one number; the load that is behind goes."""

    def __len__(self) -> int:
        return len(self.funct)


def nothing() -> Emitted:
    """What a machine emits that has nothing to do."""
    empty = np.zeros(0, np.int64)
    words = np.zeros(0, np.uint64)
    return Emitted(np.zeros(0, np.uint8), words, words, np.zeros((0, MACHINES), np.int64), empty)


def emitted(funct: Any, words: tuple[Any, Any], progress: Column | None = None) -> Emitted:
    """Commands of the given functs and words, which need nothing yet."""
    rs1, rs2 = np.broadcast_arrays(*(np.asarray(word, np.uint64) for word in words))
    count = len(rs1)
    return Emitted(
        np.broadcast_to(np.asarray(funct, np.uint8), count).copy(),
        rs1.copy(),
        rs2.copy(),
        np.zeros((count, MACHINES), np.int64),
        np.zeros(count, np.int64) if progress is None else progress,
    )


def emitted_commands(commands: list[tuple[int, int, int]]) -> Emitted:
    """The same for commands in a list."""
    if not commands:
        return nothing()
    funct, rs1, rs2 = zip(*commands, strict=True)
    return emitted(np.array(funct), (np.array(rs1, np.uint64), np.array(rs2, np.uint64)))
