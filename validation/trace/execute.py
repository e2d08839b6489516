"""Running a plan over the symbolic state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...hw.gemmini import semantics
from ...hw.gemmini.resolve import MOVES_IN, MOVES_OUT
from ..compiled import entry, inner, source_digest
from .computes import compute
from .decode import Plan
from .interning import index_table
from .moves import mvin, mvout
from .state import Machine, grown, room_per_command
from .status import Status

_NAMES = (
    "cell_form",
    "cells",
    "computes",
    "execute",
    "interning",
    "moves",
    "state",
    "status",
    "sums",
)
_SOURCES = [Path(__file__).parent / f"{name}.py" for name in _NAMES]
_DONE, _NO_ROOM = int(Status.DONE), int(Status.NO_ROOM)


@inner
def _has_room(machine: Machine, room: int) -> bool:
    unit = machine.registers[0]
    return (
        unit.row_count + room <= len(machine.rows)
        and unit.matrix_count + room <= len(machine.matrices)
        and unit.node_count + room <= len(machine.nodes)
        and unit.pool_count + room < len(machine.pools)
        and unit.window_count + room <= len(machine.windows)
    )


def _build_run(digest: int) -> Callable[..., int]:
    """The compiled loop over all steps; ``digest`` is that of its sources."""

    @entry
    def run(machine: Machine, plan: Plan, counters: Any, room: int) -> int:
        """Run on from the steps that ``counters`` names; a status. Indexes the tables first."""
        unit = machine.registers[0]
        index_table(machine.rows, machine.row_slots, unit.row_count)
        index_table(machine.matrices, machine.matrix_slots, unit.matrix_count)
        status = _DONE if digest else _NO_ROOM
        while counters[0] < len(plan.order) and status == _DONE:
            if not _has_room(machine, room):
                return _NO_ROOM
            kind = plan.order[counters[0]]
            if kind == MOVES_IN:
                at = counters[1]
                width, transform = plan.in_bytes[at], plan.in_transform[at]
                status = mvin(machine, plan.moves_in[at], width, transform)
                counters[1] += 1
            elif kind == MOVES_OUT:
                at = counters[2]
                width, transform = plan.out_bytes[at], plan.out_transform[at]
                status = mvout(machine, plan.moves_out[at], width, transform)
                counters[2] += 1
            else:
                at = counters[3]
                output, result = plan.array_transform[at], plan.spad_transform[at]
                status = compute(machine, plan.products[at], output, result)
                counters[3] += 1
            counters[0] += 1
        return status

    return run


_run = _build_run(source_digest([*_SOURCES, semantics.__file__]))


def execute(machine: Machine, plan: Plan) -> tuple[Machine, Status]:
    """Run all steps: the final state, and why the run stopped (``DONE`` at the end).

    Where a command has no defined effect, the registers say which one and at which cell.
    """
    counters = np.zeros(4, np.int64)
    room = max(room_per_command(machine.spad.shape[1]), _largest_pool(plan))
    while True:
        status = _run(machine, plan, counters, room)
        if status != Status.NO_ROOM:
            return machine, Status(status)
        machine = grown(machine, room)


def _largest_pool(plan: Plan) -> int:
    """Most rows that the windows of a pooling store have together, or pixels of its image."""
    moves = plan.moves_out
    windows = moves["pool_rows"] * moves["pool_cols"] * moves["pool_size"] ** 2
    most = np.maximum(windows, moves["out_rows"] * moves["out_cols"])
    return int(most[moves["pool_stride"] > 0].max(initial=0))
