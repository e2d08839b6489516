"""Where the buffers of a tile program lie, as far as it decides what waits for what.

As long as they fit, buffers have memory of their own, and two copies in loops: the compiler
double-buffers. Where not even one copy of each fits SBUF, buffers share memory if they are not live
at the same time: linear scan, first fit. What reuses memory then waits for its former user; the
measured layer normalisations show it, whose loads do not overlap with their arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from ....dialects import trn
from ....dialects.trn.types import Space, element_bytes, space_of
from ..config import TrainiumConfig
from .views import root_of

COPIES = 2
"""Copies of a buffer that is allocated in a loop."""
SMALL = 32
"""A buffer of less than this part of its memory is doubled even where memory is short."""


@dataclass(frozen=True)
class Allocation:
    """Copies and shared memory of the buffers."""

    copies: dict[SSAValue, int]
    place: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    """Byte offsets of buffers that share memory; others have memory of their own."""
    group: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """For buffers that share memory, one buffer that stands for all of a group."""


def allocate(function: func.FuncOp, config: TrainiumConfig) -> Allocation:
    """Choose copies, and memory to share where it is short."""
    capacity = {Space.SBUF: config.sbuf_partition_bytes, Space.PSUM: config.psum_partition_bytes}
    allocations = [op for op in function.walk() if isinstance(op, memref.AllocOp)]
    by_space: dict[Space, list[memref.AllocOp]] = {space: [] for space in capacity}
    for op in allocations:
        if (space := space_of(op.memref.type)) in capacity:
            by_space[space].append(op)
    copies = {op.memref: 1 for op in allocations}
    place: dict[SSAValue, int] = {}
    for space, own in by_space.items():
        used = sum(partition_bytes(op.memref.type) for op in own)
        if used <= capacity[space]:
            _double(own, copies, capacity[space] - used)
            continue
        large = [op for op in own if partition_bytes(op.memref.type) * SMALL > capacity[space]]
        place.update(_share(function, large, capacity[space]))
        _double([op for op in own if op not in large], copies, capacity[space] // SMALL)
    return Allocation(copies, place, _groups(place))


def partition_bytes(kind: MemRefType[Any]) -> int:
    """Bytes that a buffer takes in each partition."""
    return prod(kind.get_shape()[1:]) * element_bytes(kind.element_type)


def _double(own: list[memref.AllocOp], copies: dict[SSAValue, int], room: int) -> None:
    for op in own:
        more = (COPIES - 1) * partition_bytes(op.memref.type)
        if more <= room and _is_in_loop(op):
            room -= more
            copies[op.memref] = COPIES


def _is_in_loop(op: Operation) -> bool:
    parent = op.parent_op()
    while parent is not None:
        if isinstance(parent, scf.ForOp):
            return True
        parent = parent.parent_op()
    return False


def _share(function: func.FuncOp, own: list[memref.AllocOp], capacity: int) -> dict[SSAValue, int]:
    """Addresses by linear scan over the text: each buffer at the lowest place that is free.

    Buffers that DMAs fill or empty in loops do not share memory if there is enough of it, so that
    a load need not wait for a store.
    """
    number = {op: place for place, op in enumerate(function.walk())}
    lives = sorted(
        (
            _Life(*_life(op, number), op.memref, _is_in_loop(op) and _is_moved(op.memref))
            for op in own
        ),
        key=lambda life: (life.first, life.last),
    )
    place = _first_fit(lives, apart=True)
    top = max((at + partition_bytes(buffer.type) for buffer, at in place.items()), default=0)  # pyright: ignore[reportArgumentType] - buffers are memrefs
    return place if top <= capacity else _first_fit(lives, apart=False)


@dataclass(frozen=True)
class _Life:
    """First and last operation of the text that needs a buffer; whether DMAs in loops move it."""

    first: int
    last: int
    buffer: SSAValue
    is_moved: bool

    @property
    def size(self) -> int:
        assert isinstance(self.buffer.type, MemRefType)
        return partition_bytes(self.buffer.type)


def _first_fit(lives: list[_Life], *, apart: bool) -> dict[SSAValue, int]:
    place: dict[SSAValue, int] = {}
    for life in lives:
        rivals = sorted(
            (place[other.buffer], place[other.buffer] + other.size)
            for other in lives
            if other.buffer in place
            and (other.last >= life.first or (apart and other.is_moved and life.is_moved))
        )
        at = 0
        for begin, end in rivals:
            if at + life.size <= begin:
                break
            at = max(at, end)
        place[life.buffer] = at
    return place


def _is_moved(buffer: SSAValue) -> bool:
    return any(
        isinstance(op, trn.DmaCopyOp | trn.DmaTransposeOp) for op in _instructions_on(buffer)
    )


def _life(op: memref.AllocOp, number: dict[Operation, int]) -> tuple[int, int]:
    """First and last operation of the text that needs a buffer's contents.

    A use in a loop that the buffer was allocated outside of needs it for the whole loop.
    """
    first, last = len(number), number[op]
    for user in _instructions_on(op.memref):
        top = user
        while top.parent is not op.parent:
            parent = top.parent_op()
            if parent is None:
                break
            top = parent
        inside = [number[one] for one in top.walk()]
        first, last = min(first, inside[0]), max(last, inside[-1])
    return first, last


def _instructions_on(buffer: SSAValue) -> Iterator[Operation]:
    for use in buffer.uses:
        op = use.operation
        if isinstance(op, trn.ReshapeOp):
            yield from _instructions_on(op.result)
        elif isinstance(op, trn.ViewOp):
            assert root_of(op.view)
            yield from (user.operation for user in op.view.uses)


def _groups(place: dict[SSAValue, int]) -> dict[SSAValue, SSAValue]:
    """Buffers whose memory overlaps, directly or through others, get one representative."""
    group: dict[SSAValue, SSAValue] = {}
    end = -1
    current: SSAValue | None = None
    for buffer, begin in sorted(place.items(), key=lambda item: item[1]):
        kind = buffer.type
        assert isinstance(kind, MemRefType)
        if current is None or begin >= end:
            current = buffer
        group[buffer] = current
        end = max(end, begin + partition_bytes(kind))
    return group
