"""Buffers with places that share memory, for all executions at once (trusted core).

Each memory that buffers share is seen as one array of partitions × bytes, so that an access through
one buffer meets those through the others. In a program without races, the last write to a cell
before a read is the same in all executions: in any one of them it is checked that each read sees
what was written through its own buffer, if anything was written at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import product
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.ir import SSAValue

from ...dialects import trn
from ...dialects.trn import Instruction, element_bytes, partition_bytes
from ...hw.lanes import Scope
from ...hw.trainium.timing.cells import BufferAccess
from ...hw.trainium.timing.dependencies import Accesses
from ...hw.trainium.timing.executions import Executions
from ...hw.trainium.timing.views import flat_box, root_of, view_op
from .stream_events import keeps_contents

Place = trn.SbufOp | trn.PsumOp
Column = NDArray[np.int64]
MAX_RUNS = 64
"""Runs of bytes of one view that are told apart; more are taken to be all that they span."""


class Role(IntEnum):
    """What an access does to the cells that it is taken to touch."""

    READ = 0
    WRITE = 1
    """Writes some of them, maybe all."""
    FILL = 2
    """Writes all bytes of them."""


@dataclass(frozen=True)
class SharedAccess:
    """A run of bytes in all executions of one operand."""

    access: BufferAccess
    buffer: int
    """The number of the buffer, from 1."""
    role: Role


def shared_memories(function: func.FuncOp) -> list[list[Place]]:
    """The buffers with cells in common, directly or through others: two or more in each list."""
    groups: list[list[Place]] = []
    for op in function.walk():
        if isinstance(op, Place):
            meeting = [group for group in groups if any(_overlap(op, other) for other in group)]
            groups = [group for group in groups if group not in meeting]
            groups.append([other for group in meeting for other in group] + [op])
    return [group for group in groups if len(group) > 1]


def _overlap(left: Place, right: Place) -> bool:
    if type(left) is not type(right):
        return False
    pairs = zip(_extent(left), _extent(right), strict=True)
    return all(one.start < other.stop and other.start < one.stop for one, other in pairs)


def _extent(op: Place) -> tuple[range, range]:
    """The partitions, and the bytes of each."""
    first, start, kind = op.partition.value.data, first_byte(op), op.buffer.type
    return range(first, first + kind.get_shape()[0]), range(start, start + partition_bytes(kind))


def first_byte(op: Place) -> int:
    """Where a buffer starts in each of its partitions."""
    return op.offset.value.data if isinstance(op, trn.SbufOp) else op.byte_offset


def shared_accesses(
    memory: Sequence[Place], first: int, issues: Sequence[Executions]
) -> list[SharedAccess]:
    """What the executions of instructions do to a shared memory, an instruction's reads first.

    Its buffers have the numbers from ``first`` on. Cells are taken to be as fine as the accesses.
    """
    places: dict[SSAValue, tuple[int, Place]] = {
        op.buffer: (number, op) for number, op in enumerate(memory, first)
    }
    reads, writes = list[SharedAccess](), list[SharedAccess]()
    for issue in issues:
        op = issue.op
        assert isinstance(op, Instruction)
        written = op.written
        for view in dict.fromkeys(op.views):
            if (root := root_of(view)[0]) not in places:
                continue
            number, place = places[root]
            runs = [_in_memory(run, place, issue) for run in _runs(view, issue.scope)]
            if view in written:
                role = Role.FILL if _writes_all(op, view) else Role.WRITE
                writes += [SharedAccess(replace(run, writes=True), number, role) for run in runs]
                lanes = _keeping(op, view, issue.scope)
                runs = [_in_lanes(run, lanes) for run in runs] if lanes.any() else []
            reads += [SharedAccess(run, number, Role.READ) for run in runs]
    return reads + writes


def _writes_all(op: Instruction, view: SSAValue) -> bool:
    """Whether an instruction writes all bytes of the runs of a target, in every execution."""
    # An instruction with an empty operand does nothing.
    sizes = [size for operand in op.views for size in view_op(operand).size_list]
    has_elements = all(isinstance(size, int) and size > 0 for size in sizes)
    return has_elements and len(_starts(view)[0]) <= MAX_RUNS


def _keeping(op: Instruction, target: SSAValue, scope: Scope) -> NDArray[np.bool_]:
    """The executions in which a target's old contents matter."""
    if isinstance(op, trn.MultMovingOp) and op.accumulate is not None:
        return scope.column(scope.get(op.accumulate)) != 0
    return np.full(scope.size, keeps_contents(op, target))


def _in_lanes(access: BufferAccess, lanes: NDArray[np.bool_]) -> BufferAccess:
    low, high = (tuple(end[lanes] for end in ends) for ends in (access.low, access.high))
    return BufferAccess(access.position[lanes], access.copy[lanes], low, high, access.writes)


Run = tuple[tuple[Any, Any], tuple[Any, Any]]
"""First partition and byte, and those behind the last, counted from the buffer's first."""


def _runs(view: SSAValue, scope: Scope) -> list[Run]:
    """The bytes of a view as runs of neighbours in each partition."""
    box, size = flat_box(view, scope), element_bytes(trn.view_of(view).element_type)
    (top, first), (bottom, behind) = box.low, box.high
    starts, length = _starts(view)
    if not 0 < len(starts) <= MAX_RUNS:
        return [((top, first * size), (bottom, behind * size))]
    begins = ((first + start) * size for start in starts)
    return [((top, begin), (bottom, begin + length * size)) for begin in begins]


def _starts(view: SSAValue) -> tuple[list[int], int]:
    """Where runs of neighbouring elements start, from a view's first, and their length.

    No starts if sizes are not known.
    """
    op = view_op(view)
    sizes = [size for size in op.size_list[1:] if isinstance(size, int)]
    if len(sizes) < len(op.size_list) - 1:
        return [], 0
    length, outer = 1, list[range]()
    for stride, size in sorted((abs(s), n) for s, n in zip(op.strides[1:], sizes, strict=True)):
        if stride <= length and not outer:
            length += (size - 1) * stride
        else:
            outer.append(range(0, size * stride, stride))
    return sorted({sum(steps) for steps in product(*outer)}), length


def _in_memory(run: Run, place: Place, issue: Executions) -> BufferAccess:
    """A run in the partitions and bytes of the memory."""
    origin = (place.partition.value.data, first_byte(place))
    low, high = (
        tuple(issue.scope.column(at + start) for at, start in zip(ends, origin, strict=True))
        for ends in run
    )
    return BufferAccess(issue.positions, np.zeros_like(issue.positions), low, high, False)


def reads_own_contents(order: Column, accesses: Accesses, shared: Sequence[SharedAccess]) -> bool:
    """Whether every read of shared memory sees what was written through its own buffer.

    ``order`` has the events of one execution. The first accesses of ``accesses`` are ``shared``,
    in cells that none of them covers in part.
    """
    alone = int(accesses.access.max(initial=-1)) + 1 - len(shared)
    buffer = np.array([one.buffer for one in shared] + [0] * alone, np.int64)[accesses.access]
    role = np.array([one.role for one in shared] + [0] * alone, np.int64)[accesses.access]
    entries = (accesses.begin, accesses.cell, buffer, role, accesses.cells)
    return bool(_own_contents(order, *entries))


_MIXED = -1
_READ, _FILL = int(Role.READ), int(Role.FILL)


@numba.njit(cache=True)
def _own_contents(order: Any, begin: Any, cell: Any, buffer: Any, role: Any, cells: int) -> bool:
    """Follow through which buffer each cell was written: 0 for none, ``_MIXED`` for several."""
    owners = np.zeros(cells, np.int64)
    for event in order:
        for entry in range(begin[event], begin[event + 1]):
            own, owner = buffer[entry], owners[cell[entry]]
            if own == 0:
                continue
            is_foreign = owner not in (0, own)
            if role[entry] == _READ:
                if is_foreign:
                    return False
            elif is_foreign and role[entry] != _FILL:
                owners[cell[entry]] = _MIXED
            else:
                owners[cell[entry]] = own
    return True
