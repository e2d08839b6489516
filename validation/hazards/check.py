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
  (LoadController.scala:84), so they must not write the same rows, unless they only add; see
  ``load_order`` for what is assumed of others.
* ``UNTRACKED_ROWS``: a transposed B operand is read by columns, its range is tracked by rows.
* ``RESULT_IN_FLIGHT``: a computation that reads scratchpad rows which an unfinished computation
  writes is held back only if it reads from exactly the row where that result begins
  (ExecuteController.scala:212-226).

Stores leave through one port in order, and the accumulator resolves its own read-modify-writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...hw.gemmini.check_moves import move_element_bytes
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.isa import ConfigType, Funct
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.resolve import Program
from ...hw.stream import FENCE, CommandStream
from . import order as hazard_order
from .load_order import load_order


class Rule(IntEnum):
    """What may go wrong; see the module."""

    FINAL_FENCE = 1
    READ_AFTER_STORE = hazard_order.READ_AFTER_STORE
    STORE_AFTER_READ = hazard_order.STORE_AFTER_READ
    LOADS_IN_FLIGHT = hazard_order.LOADS_IN_FLIGHT
    UNTRACKED_ROWS = hazard_order.UNTRACKED_ROWS
    RESULT_IN_FLIGHT = hazard_order.RESULT_IN_FLIGHT


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


def results_in_flight(config: GemminiConfig) -> int:
    """Most results that are on their way through the array (MeshWithDelays.scala: tags)."""
    return 5 * (config.tile_latency + 1) + 1


def hazard_and_assumptions(
    stream: CommandStream, program: Program, layout: MemoryLayout, config: GemminiConfig
) -> tuple[Hazard | None, tuple[str, ...]]:
    """``find_hazard``; if there is none, also what is assumed of loads where that matters."""
    if find_hazard(stream, program, layout, config, len(stream)) is None:
        return None, ()
    hazard = find_hazard(stream, program, layout, config)
    return hazard, () if hazard is not None else (load_order(config.loads_in_flight),)


def find_hazard(
    stream: CommandStream,
    program: Program,
    layout: MemoryLayout,
    config: GemminiConfig,
    loads_in_flight: int | None = None,
) -> Hazard | None:
    """The first command that breaks a rule.

    ``program`` is the checked, resolved ``stream``, without hardware loops. With
    ``loads_in_flight``, so many loads of local rows may end in any order.
    """
    fences = np.flatnonzero(stream.funct == FENCE)
    in_flight = loads_in_flight or config.loads_in_flight
    state = _order(stream, program, layout, config, fences, in_flight)
    hazard_order.check_order(state)
    found = state.unit[0]
    if found["rule"] == hazard_order.NO_RULE:
        return _unfenced(program, fences, layout)
    rule, command, other = Rule(int(found["rule"])), int(found["command"]), int(found["other"])
    array = layout.all_arrays[int(found["array"])].name if found["array"] >= 0 else ""
    return Hazard(rule, command, other, REASONS[rule].format(array=array, other=other))


def _order(
    stream: CommandStream,
    program: Program,
    layout: MemoryLayout,
    config: GemminiConfig,
    fences: NDArray[np.int64],
    loads_in_flight: int,
) -> hazard_order.Order:
    """The stream as the analysis wants it, and its state before the first command."""
    is_config = (stream.funct == Funct.CONFIG) & (stream.rs1 & np.uint64(3) == ConfigType.EXECUTE)
    drains = np.flatnonzero(is_config | (stream.funct == FENCE))
    arrays = _arrays(program, layout)
    sizes = np.zeros(1, hazard_order.SIZES)
    sizes[0] = (config.spad_rows, config.dim, loads_in_flight, results_in_flight(config))
    rows = np.full(config.spad_rows + config.acc_rows, -1, hazard_order.ROW)
    rows["load_mask"] = rows["store_mask"] = 0
    unit = np.full(1, -1, hazard_order.UNIT)
    unit["rule"] = hazard_order.NO_RULE
    known = np.array([[-1, 0]] * 3)
    shared_bytes = int(arrays["size"][arrays["is_shared"] == 1].sum())
    return hazard_order.Order(
        program.order,
        program.moves_in,
        move_element_bytes(program.moves_in, config, is_store=False),
        np.searchsorted(fences, program.moves_in["index"]),
        program.moves_out,
        move_element_bytes(program.moves_out, config, is_store=True),
        np.searchsorted(fences, program.moves_out["index"]),
        program.products,
        np.searchsorted(fences, program.products["index"]),
        np.searchsorted(drains, program.products["index"]),
        arrays,
        sizes,
        rows,
        np.full(shared_bytes, -1, hazard_order.BYTE),
        unit,
        known,
        np.zeros((len(program.products), 2), np.int64),
        np.zeros(2, np.int64),
    )


def _arrays(program: Program, layout: MemoryLayout) -> NDArray[Any]:
    """The arrays; only those that are both loaded and stored can have hazards in DRAM."""
    arrays = np.zeros(len(layout.all_arrays), hazard_order.ARRAY)
    loads = program.moves_in["dram"][program.moves_in["is_zeros"] == 0]
    first = 0
    for number, array in enumerate(layout.all_arrays):
        end = array.address + array.size
        touched = [
            ((d >= array.address) & (d < end)).any() for d in (loads, program.moves_out["dram"])
        ]
        arrays[number] = (array.address, array.size, first, all(touched))
        first += array.size if all(touched) else 0
    return arrays


def _unfenced(program: Program, fences: NDArray[np.int64], layout: MemoryLayout) -> Hazard | None:
    stores = program.moves_out[program.moves_out["norm_command"] == 0]
    last = int(stores["index"][-1]) if len(stores) else -1
    if last <= (int(fences[-1]) if len(fences) else -1):
        return None
    dram = int(stores["dram"][-1])
    holds = [a.name for a in layout.all_arrays if a.address <= dram < a.address + a.size]
    reason = REASONS[Rule.FINAL_FENCE].format(array=holds[0] if holds else f"{dram:#x}")
    return Hazard(Rule.FINAL_FENCE, last, len(program.order), reason)
