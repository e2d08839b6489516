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

COPIES = 2
"""Copies of a buffer that is allocated in a loop."""
ROUND = 8
"""A buffer of up to this part of its memory is placed behind the last one, not at the lowest place:
what uses memory next then need not wait for what used it last."""
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
    copies: dict[SSAValue, int] = {op.memref: 1 for op in allocations}
    place: dict[SSAValue, int] = {}
    for space, room in capacity.items():
        own = [op for op in allocations if space_of(op.memref.type) == space]
        single = sum(partition_bytes(op.memref.type) for op in own)
        double = sum(partition_bytes(op.memref.type) for op in own if _is_in_loop(op))
        if single + double <= room:
            copies.update({op.memref: COPIES for op in own if _is_in_loop(op)})
            continue
        large = [op for op in own if partition_bytes(op.memref.type) * SMALL > room]
        small = [op for op in own if partition_bytes(op.memref.type) * SMALL <= room]
        _double(small, copies, room // SMALL)
        place.update(_share(function, large, copies, room))
    ends = {
        buffer: (begin, begin + partition_bytes(_kind(buffer)) * copies[buffer])
        for buffer, begin in place.items()
    }
    return Allocation(copies, place, groups_of(ends))


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


def _share(
    function: func.FuncOp,
    own: list[memref.AllocOp],
    copies: dict[SSAValue, int],
    capacity: int,
) -> dict[SSAValue, int]:
    """Addresses by linear scan over the text; updates ``copies``.

    If memory suffices, buffers that DMAs fill or empty in loops have two copies. Else they have
    one, but do not share memory with each other, so that a load need not wait for a store; and if
    even that is too much, they do.
    """
    number = {op: place for place, op in enumerate(function.walk())}
    lives = sorted(
        (
            _Life(*lifetime(op, number), op.memref, _is_in_loop(op), _is_moved(op.memref))
            for op in own
        ),
        key=lambda life: (life.first, life.last),
    )
    doubled = {life.buffer: COPIES for life in lives if life.is_in_loop and life.is_moved}
    for more, apart in ((doubled, True), ({}, True), ({}, False)):
        wanted = {life.buffer: more.get(life.buffer, 1) for life in lives}
        place = _fit(lives, wanted, capacity, apart=apart)
        top = max(
            (place[life.buffer] + life.size * wanted[life.buffer] for life in lives), default=0
        )
        if top <= capacity or not (more or apart):
            copies.update(wanted)
            return place
    raise AssertionError


@dataclass(frozen=True)
class _Life:
    """First and last operation of the text that needs a buffer; whether DMAs move it."""

    first: int
    last: int
    buffer: SSAValue
    is_in_loop: bool
    is_moved: bool

    @property
    def size(self) -> int:
        assert isinstance(self.buffer.type, MemRefType)
        return partition_bytes(self.buffer.type)


def _fit(
    lives: list[_Life], copies: dict[SSAValue, int], capacity: int, *, apart: bool
) -> dict[SSAValue, int]:
    """The lowest free place for large buffers; for others the next one, going round."""
    place: dict[SSAValue, int] = {}
    done = list[_Life]()
    begin_at = 0
    for life in lives:
        done = [own for own in done if own.last >= life.first or (apart and _stays_apart(own))]
        rivals = sorted(
            (place[own.buffer], place[own.buffer] + own.size * copies[own.buffer])
            for own in done
            if own.last >= life.first or (_stays_apart(own) and _stays_apart(life))
        )
        size = life.size * copies[life.buffer]
        goes_round = life.size * ROUND <= capacity
        at = _free_place(rivals, size, begin_at if goes_round else 0)
        if at + size > capacity:
            at = _free_place(rivals, size, 0)
        place[life.buffer] = at
        begin_at = at + size
        done.append(life)
    return place


def _stays_apart(life: _Life) -> bool:
    return life.is_in_loop and life.is_moved


def _free_place(rivals: list[tuple[int, int]], size: int, at: int) -> int:
    """The lowest address from ``at`` on with ``size`` bytes between the rivals' ranges."""
    for begin, end in rivals:
        if at + size <= begin:
            break
        at = max(at, end)
    return at


def _is_moved(buffer: SSAValue) -> bool:
    return any(isinstance(op, trn.DmaCopyOp | trn.DmaTransposeOp) for op in uses_of(buffer))


def lifetime(op: memref.AllocOp, number: dict[Operation, int]) -> tuple[int, int]:
    """First and last operation of the text that needs a buffer's contents.

    A use in a loop that the buffer was allocated outside of needs it for the whole loop.
    """
    first, last = len(number), number[op]
    for user in uses_of(op.memref):
        top = user
        while top.parent is not op.parent:
            parent = top.parent_op()
            if parent is None:
                break
            top = parent
        inside = [number[one] for one in top.walk()]
        first, last = min(first, inside[0]), max(last, inside[-1])
    return first, last


def uses_of(buffer: SSAValue) -> Iterator[Operation]:
    """The instructions on a buffer, through whatever views."""
    for use in buffer.uses:
        op = use.operation
        if isinstance(op, trn.ReshapeOp):
            yield from uses_of(op.result)
        elif isinstance(op, trn.ViewOp):
            yield from (user.operation for user in op.view.uses)


def groups_of(places: dict[SSAValue, tuple[int, int]]) -> dict[SSAValue, SSAValue]:
    """Buffers whose memory overlaps, directly or through others, get one representative.

    ``places`` has the first byte of each buffer, and the one behind its last.
    """
    group: dict[SSAValue, SSAValue] = {}
    end = -1
    current: SSAValue | None = None
    for buffer, (first, behind) in sorted(places.items(), key=lambda item: item[1][0]):
        if current is None or first >= end:
            current = buffer
        group[buffer] = current
        end = max(end, behind)
    return group


def _kind(buffer: SSAValue) -> MemRefType[Any]:
    assert isinstance(buffer.type, MemRefType)
    return buffer.type
