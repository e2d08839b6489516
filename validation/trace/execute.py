"""Running a decoded stream over the symbolic state."""

from __future__ import annotations

from typing import Any

import numba
from numpy.typing import NDArray

from .computes import compute, preload
from .decode import Kind
from .interning import index_table
from .moves import mvin, mvout
from .state import Machine, grown, room_per_command
from .status import Status

_MVIN, _MVOUT, _PRELOAD = int(Kind.MVIN), int(Kind.MVOUT), int(Kind.PRELOAD)
_PRELOADED, _ACCUMULATED = int(Kind.COMPUTE_PRELOADED), int(Kind.COMPUTE_ACCUMULATED)
_DONE, _NO_ROOM = int(Status.DONE), int(Status.NO_ROOM)


@numba.njit
def _has_room(machine: Machine, room: int) -> bool:
    unit = machine.registers[0]
    return (
        unit.row_count + room <= len(machine.rows)
        and unit.matrix_count + room <= len(machine.matrices)
        and unit.node_count + room <= len(machine.nodes)
    )


@numba.njit
def _step(machine: Machine, command: Any) -> int:
    kind = command.kind
    if kind == _MVIN:
        return mvin(machine, command)
    if kind == _MVOUT:
        return mvout(machine, command)
    if kind == _PRELOAD:
        return preload(machine, command)
    if kind in (_PRELOADED, _ACCUMULATED):
        return compute(machine, command, kind == _PRELOADED)
    return _DONE


@numba.njit(cache=True)
def _run(machine: Machine, commands: Any, start: int, room: int) -> tuple[int, int]:
    """Execute from ``start`` on; the index of the command that stopped it, and the status."""
    for index in range(start, len(commands)):
        if not _has_room(machine, room):
            return index, _NO_ROOM
        status = _step(machine, commands[index])
        if status != _DONE:
            return index, status
    return len(commands), _DONE


@numba.njit(cache=True)
def _index_tables(machine: Machine) -> None:
    unit = machine.registers[0]
    index_table(machine.rows, machine.row_slots, unit.row_count)
    index_table(machine.matrices, machine.matrix_slots, unit.matrix_count)


def execute(machine: Machine, commands: NDArray[Any]) -> tuple[Machine, int, Status]:
    """Run all commands; the final state, and where and why the run stopped.

    The index is the number of commands if every one has a defined effect.
    """
    room = room_per_command(machine.spad.shape[1])
    _index_tables(machine)
    index = 0
    while True:
        index, status = _run(machine, commands, index, room)
        if status != Status.NO_ROOM:
            return machine, index, Status(status)
        machine = grown(machine)
        _index_tables(machine)
