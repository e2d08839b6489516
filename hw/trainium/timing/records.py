"""What the cycle model needs to know of each instruction: plain records, in float nanoseconds.

A program is an array of ``INSTRUCTION`` records in program order, each bound to an in-order stream,
plus, per instruction, the semaphore values that it waits for and the increments that it makes when
its result is visible. ISA programs become such records as they stand; tile programs become them
through the list scheduler. Streams 0 to 4 are the five engines, those behind them DMA queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Engine(IntEnum):
    """Who does the work; the first five are also in-order instruction streams."""

    PE = 0
    ACT = 1
    DVE = 2
    POOL = 3
    SP = 4
    DMA = 5


FIRST_QUEUE = 5
"""Stream of DMA queue 0 where queues issue on their own (tile programs)."""
QUEUES = 16
"""DMA rings that one core uses in parallel (16 per DMA engine)."""
STREAMS = FIRST_QUEUE + QUEUES
DMA_ENGINES = 16
"""DMA engines of one core; a transfer gives each of them the rows of 8 partitions."""

NO_TABLE = -1
"""``table`` of an instruction that needs no activation table."""

SBUF_PORT = 1
"""VectorE and GpSimdE share one port to SBUF on NeuronCore-v2."""
PSUM_PORT = 2
"""VectorE and ScalarE share one port to PSUM on NeuronCore-v2."""
PORTS = 2

INSTRUCTION = np.dtype(
    [
        ("stream", np.int64),
        ("engine", np.int64),
        ("occupancy", np.float64),
        ("latency", np.float64),
        ("table", np.int64),
        ("ports", np.int64),
        ("first_dma", np.int64),
        ("dmas", np.int64),
        ("dma_time", np.float64),
        ("bytes", np.float64),
        ("ideal", np.float64),
        ("origin", np.int64),
    ],
    align=True,
)
"""One instruction.

``occupancy``: ns on its stream. ``latency``: ns from the end of that until its result is visible.
``table``: number of the activation function set. ``ports``: mask of shared ports it holds.
``first_dma``, ``dmas``, ``dma_time``: DMA engines it uses (none: 0), and the ns on each of them.
``bytes``: moved from or to HBM. ``ideal``: ns that its products take if the whole array works.
``origin``: number of the operation behind it, -1 if none.
"""

Records = Any
"""An array of such records; numba sees its fields, the type checker does not."""


@dataclass(frozen=True)
class Links:
    """For each instruction, pairs ``(key, amount)``: semaphore values waited for, or increments."""

    begin: NDArray[np.int64]
    """``begin[i]`` to ``begin[i + 1]`` are the pairs of instruction i; one element more than it."""
    key: NDArray[np.int64]
    amount: NDArray[np.int64]

    @staticmethod
    def of(pairs: list[list[tuple[int, int]]]) -> Links:
        """The links of a program given as one list of pairs per instruction."""
        flat = [pair for one in pairs for pair in one]
        begin = np.cumsum([0, *(len(one) for one in pairs)], dtype=np.int64)
        key = np.array([key for key, _ in flat], np.int64)
        return Links(begin, key, np.array([amount for _, amount in flat], np.int64))


@dataclass(frozen=True)
class Program:
    """A scheduled program: per stream, its instructions run in the order of the array."""

    instructions: Records
    waits: Links
    increments: Links
    at_end: int = -1
    """The semaphore that counts when an instruction leaves its engine; all others count when its
    result is visible."""

    def __len__(self) -> int:
        return len(self.instructions)

    @property
    def semaphores(self) -> int:
        """Semaphores that are waited for or incremented."""
        keys = np.concatenate((self.waits.key, self.increments.key))
        return int(keys.max(initial=-1)) + 1


def new_instructions(count: int) -> Records:
    """``count`` records of instructions that cost nothing and use no table, port or DMA engine."""
    records = np.zeros(count, INSTRUCTION)
    records["table"] = NO_TABLE
    records["origin"] = -1
    return records
