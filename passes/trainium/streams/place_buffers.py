"""Where the buffers of a tile program lie in SBUF and PSUM, and how many copies each one has.

A buffer that is allocated in a loop is a new one in each iteration. With several copies, taken in
turns, an iteration need not wait for the one before to be done with its buffers. Every buffer first
gets one copy, in memory of its own as long as all fit, else in memory that it shares with buffers
that are not live at the same time. What is left goes to copies, the innermost loops first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

from xdsl.dialects import func, memref, scf
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects import trn
from ....dialects.trn import Space, element_bytes, partition_bytes, space_of
from ....dialects.trn.limits import PSUM_BANK_BYTES
from ....hw.trainium.config import TrainiumConfig
from ....hw.trainium.timing.allocation import Allocation, groups_of, lifetime

ALIGNMENT = 4
"""Bytes of the widest elements."""


@dataclass(frozen=True)
class Placed:
    """A buffer on chip, and its place; sizes and offsets are bytes per partition."""

    op: memref.AllocOp
    space: Space
    size: int
    """Of one copy, with what is left free behind it."""
    rows: int | None
    """Size of the first free dimension with what is left free behind it; None if there is none."""
    life: tuple[int, int]
    """First and last operation of the text that needs it."""
    loop_life: tuple[int, int] | None
    """The same for more than one copy; None if only one is possible."""
    depth: int
    """Loops around it."""
    copies: int = 1
    offset: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size * self.copies


@dataclass(frozen=True)
class Placement:
    """The places of all buffers on chip."""

    buffers: dict[SSAValue, Placed]
    allocation: Allocation
    """The same, for the dependences between instructions."""


def place_buffers(function: func.FuncOp, config: TrainiumConfig, copies: int) -> Placement:
    """Place all buffers of a tile program, with up to ``copies`` copies of those in loops.

    Raises ``PassFailedException`` where not even buffers that share memory fit.
    """
    number = {op: place for place, op in enumerate(function.walk())}
    every: list[Placed] = []
    shared: dict[SSAValue, SSAValue] = {}
    rooms = {Space.SBUF: config.sbuf_partition_bytes, Space.PSUM: config.psum_partition_bytes}
    for space, room in rooms.items():
        own = [
            _described(op, space, number)
            for op in function.walk()
            if isinstance(op, memref.AllocOp) and space_of(op.memref.type) == space
        ]
        placed = _placed(own, room, copies)
        every += placed
        shared |= _shared(placed)
    buffers: dict[SSAValue, Placed] = {buffer.op.memref: buffer for buffer in every}
    counts: dict[SSAValue, int] = {
        op.memref: 1 for op in function.walk() if isinstance(op, memref.AllocOp)
    }
    counts |= {value: buffer.copies for value, buffer in buffers.items()}
    places = {value: buffers[value].offset for value in shared}
    return Placement(buffers, Allocation(counts, places, shared))


def _described(op: memref.AllocOp, space: Space, number: dict[Operation, int]) -> Placed:
    kind = op.memref.type
    size, rows = _rounded(op, space)
    loops = list(_loops_around(op))
    turns = loops and (rows is not None or size == _aligned(partition_bytes(kind)))
    loop_life = (number[loops[0]], number[_last_inside(loops[0])]) if turns else None
    return Placed(op, space, size, rows, lifetime(op, number), loop_life, len(loops))


def _rounded(op: memref.AllocOp, space: Space) -> tuple[int, int | None]:
    """Bytes of a copy such that no copy crosses a bank of PSUM, and the rows that this makes."""
    kind = op.memref.type
    shape, size = kind.get_shape(), partition_bytes(kind)
    if space == Space.PSUM:
        whole = size if size > PSUM_BANK_BYTES else 1 << max(0, size - 1).bit_length()
        whole = -(-whole // PSUM_BANK_BYTES) * PSUM_BANK_BYTES if size > PSUM_BANK_BYTES else whole
    else:
        whole = _aligned(size)
    if len(shape) < 2:
        return whole, None
    row = prod(shape[2:]) * element_bytes(kind.element_type)
    reshaped = any(isinstance(use.operation, trn.ReshapeOp) for use in op.memref.uses)
    if whole % row or (whole != size and reshaped):
        return whole, None
    return whole, whole // row


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _loops_around(op: Operation) -> Iterable[scf.ForOp]:
    """The loops around an operation, the innermost first."""
    parent = op.parent_op()
    while parent is not None:
        if isinstance(parent, scf.ForOp):
            yield parent
        parent = parent.parent_op()


def _last_inside(op: Operation) -> Operation:
    return list(op.walk())[-1]


def _placed(own: list[Placed], room: int, copies: int) -> list[Placed]:
    """The buffers of one memory with their copies and places."""
    apart = sum(buffer.size for buffer in own) <= room
    found = _fit(own, room, share=not apart)
    if found is None and apart:
        found = _fit(own, room, share=True)
    if found is None:
        needed = max(own, key=lambda buffer: buffer.size)
        raise PassFailedException(
            f"capacity: {len(own)} buffers of up to {needed.size} bytes per partition of"
            f" {needed.space.upper()} do not fit its {room} at the same time"
        )
    order = sorted(
        (place for place, buffer in enumerate(own) if buffer.loop_life is not None),
        key=lambda place: (-own[place].depth, own[place].size, place),
    )
    wanted = [copies] if copies < 2 else range(2, copies + 1)
    for count in wanted:
        every = [replace(b, copies=count) if b.loop_life is not None else b for b in found]
        whole = _fit(every, room, share=False)
        if whole is not None:
            found = whole
            continue
        for place in order:
            more = [replace(b, copies=count) if n == place else b for n, b in enumerate(found)]
            found = _fit(more, room, share=not apart) or found
    return found


def _fit(own: list[Placed], room: int, *, share: bool) -> list[Placed] | None:
    """The lowest place for each buffer, in the order of their lives; None if they do not fit."""
    found: dict[int, Placed] = {}
    for place in sorted(range(len(own)), key=lambda place: (_life(own[place]), place)):
        buffer = own[place]
        rivals = [other for other in found.values() if not share or _meet(buffer, other)]
        at = _free_place(rivals, buffer)
        if at + buffer.size * buffer.copies > room:
            return None
        found[place] = replace(buffer, offset=at)
    return [found[place] for place in range(len(own))]


def _life(buffer: Placed) -> tuple[int, int]:
    if buffer.copies > 1 and buffer.loop_life is not None:
        return buffer.loop_life
    return buffer.life


def _meet(left: Placed, right: Placed) -> bool:
    (first, last), (begin, end) = _life(left), _life(right)
    return first <= end and begin <= last


def _free_place(rivals: list[Placed], buffer: Placed) -> int:
    """The lowest offset between the rivals; in PSUM, such that no copy crosses a bank."""
    unit = min(buffer.size, PSUM_BANK_BYTES) if buffer.space == Space.PSUM else ALIGNMENT
    at, size = 0, buffer.size * buffer.copies
    for rival in sorted(rivals, key=lambda rival: rival.offset):
        if at + size <= rival.offset:
            break
        at = max(at, -(-rival.end // unit) * unit)
    return at


def _shared(placed: list[Placed]) -> dict[SSAValue, SSAValue]:
    """One representative for all buffers whose memory overlaps; buffers alone are left out."""
    places: dict[SSAValue, tuple[int, int]] = {
        buffer.op.memref: (buffer.offset, buffer.end) for buffer in placed
    }
    groups = groups_of(places)
    members: dict[SSAValue, int] = {}
    for head in groups.values():
        members[head] = members.get(head, 0) + 1
    return {value: head for value, head in groups.items() if members[head] > 1}
