"""Hazards: does a stream rely on an ordering that Gemmini does not give?

Sequential execution of the commands is what the machine does only where it interlocks. It runs
loads, computations and stores in three queues, each issued in order. A command waits for older ones
of another queue only if the ranges of local rows that the reservation station tracks overlap, and
then until they complete (ReservationStation.scala:331-375). The rules here name what is left:

* ``FINAL_FENCE``: a store whose data the host reads needs a fence behind it.
* ``READ_AFTER_STORE``: DRAM is not tracked, and a store counts as complete when its data has left
  the local memory; a load of what was stored needs a fence in between.
* ``STORE_AFTER_READ``: a store to DRAM that an older load reads must be ordered behind it, by a
  fence or by the tracked dependences between them.
* ``LOADS_IN_FLIGHT``: a few loads are in flight at once and may complete in any order
  (LoadController.scala:84), so they must not write the same rows, unless they only add.
* ``UNTRACKED_ROWS``: a transposed B operand is read by columns, its range is tracked by rows.
* ``RESULT_IN_FLIGHT``: a computation that reads scratchpad rows which an unfinished computation
  writes is held back only if it reads from exactly the row where that result begins
  (ExecuteController.scala:212-226).

Stores leave through one port in order, and the accumulator resolves its own read-modify-writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ..hw.gemmini.check import move_element_bytes
from ..hw.gemmini.config import GemminiConfig
from ..hw.gemmini.isa import ConfigType, Funct
from ..hw.gemmini.memory import MemoryLayout
from ..hw.gemmini.resolve import Program
from ..hw.stream import FENCE, CommandStream
from .hazard_order import check_order


class Rule(IntEnum):
    """What may go wrong; see the module."""

    NONE = 0
    FINAL_FENCE = 1
    READ_AFTER_STORE = 2
    STORE_AFTER_READ = 3
    LOADS_IN_FLIGHT = 4
    UNTRACKED_ROWS = 5
    RESULT_IN_FLIGHT = 6


REASONS = {
    Rule.FINAL_FENCE: "stores to {array} without a fence before the host reads it",
    Rule.READ_AFTER_STORE: "loads from {array} what command {other} stores, without a fence",
    Rule.STORE_AFTER_READ: "stores to {array} what command {other} may not have read yet",
    Rule.LOADS_IN_FLIGHT: "writes rows that command {other} may still be writing",
    Rule.UNTRACKED_ROWS: "is not ordered with command {other}, which uses the same rows",
    Rule.RESULT_IN_FLIGHT: "reads rows that command {other} may not have written yet",
}


@dataclass(frozen=True)
class Hazard:
    """The command that needs an ordering it does not have, and the one it needs it with."""

    rule: Rule
    command: int
    other: int
    reason: str


def loads_in_flight(config: GemminiConfig) -> int:
    """Most loads that are in flight at once (LoadController.scala:84)."""
    return config.max_packets_in_flight // config.dim + 1


def results_in_flight(config: GemminiConfig) -> int:
    """Most results that are on their way through the array (MeshWithDelays.scala: tags)."""
    return 5 * (config.tile_latency + 1) + 1


def find_hazard(
    stream: CommandStream, program: Program, layout: MemoryLayout, config: GemminiConfig
) -> Hazard | None:
    """The first command of a checked stream, without hardware loops, that breaks a rule."""
    fences = np.flatnonzero(stream.funct == FENCE)
    is_config = (stream.funct == Funct.CONFIG) & (stream.rs1 & np.uint64(3) == ConfigType.EXECUTE)
    drains = np.flatnonzero(is_config | (stream.funct == FENCE))
    names = [array.name for array in layout.arrays]
    found = np.array(
        check_order(
            program.order,
            program.moves_in,
            move_element_bytes(program.moves_in, config, is_store=False),
            program.moves_out,
            move_element_bytes(program.moves_out, config, is_store=True),
            program.products,
            _Ends(fences, drains).columns(program),
            _arrays(layout),
            _sizes(config),
        )
    )
    rule, command, other, array = (int(value) for value in found)
    if rule:
        name = names[array] if array >= 0 else ""
        reason = REASONS[Rule(rule)].format(array=name, other=other)
        return Hazard(Rule(rule), command, other, reason)
    return _unfenced(program, fences, layout)


@dataclass(frozen=True)
class _Ends:
    """Positions of the commands that end an epoch."""

    fences: NDArray[np.int64]
    drains: NDArray[np.int64]
    """Fences, and configurations of the array, which wait until it is empty."""

    def columns(self, program: Program) -> tuple[NDArray[np.int64], ...]:
        """Fences before each load, store and computation; drains before each computation."""
        tables = (program.moves_in, program.moves_out, program.products)
        epochs = [np.searchsorted(self.fences, table["index"]) for table in tables]
        return (*epochs, np.searchsorted(self.drains, program.products["index"]))


def _arrays(layout: MemoryLayout) -> NDArray[np.int64]:
    """Address and bytes of each array."""
    rows = [(array.address, array.size) for array in layout.arrays]
    return np.array(rows, np.int64).reshape(len(rows), 2)


def _sizes(config: GemminiConfig) -> NDArray[np.int64]:
    sizes = (
        config.spad_rows,
        config.acc_rows,
        config.dim,
        loads_in_flight(config),
        results_in_flight(config),
    )
    return np.array(sizes, np.int64)


def _unfenced(program: Program, fences: NDArray[np.int64], layout: MemoryLayout) -> Hazard | None:
    stores = program.moves_out[program.moves_out["norm_command"] == 0]
    last = int(stores["index"][-1]) if len(stores) else -1
    if last <= (int(fences[-1]) if len(fences) else -1):
        return None
    dram = int(stores["dram"][-1])
    holds = [a.name for a in layout.arrays if a.address <= dram < a.address + a.size]
    reason = REASONS[Rule.FINAL_FENCE].format(array=holds[0] if holds else f"{dram:#x}")
    return Hazard(Rule.FINAL_FENCE, last, len(program.order), reason)
