"""Which part of each tensor a block needs: spans of subscripts, and guards as limits of loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xdsl.utils.exceptions import PassFailedException

from .subscripts import Access, Subscript, inserted, resolved, slice_of
from .tensor_functions import tensor_sizes


@dataclass(frozen=True)
class Span:
    """``size`` numbers from ``factor · block + start`` on, where ``block`` is known at run time."""

    start: int
    size: int
    factor: int = 0

    def union(self, other: Span) -> Span:
        """The shortest span of both; raises ``PassFailedException`` if it depends on the block."""
        if self.factor != other.factor:
            raise PassFailedException("parts of a tensor that move apart from block to block")
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return Span(start, end - start, self.factor)


Spans = Mapping[int, Span]
"""The iterations of loops by number; the loop in the partitions is not among them."""


@dataclass(frozen=True)
class Lane:
    """What a partition sees of a tensor: ``factor · row + constant`` along one dimension."""

    dimension: int
    factor: int
    constant: int

    @property
    def is_own_row(self) -> bool:
        return (self.factor, self.constant) == (1, 0)


def span_of(subscript: Subscript, spans: Spans) -> Span:
    """The values of a subscript; its loops are all in ``spans``."""
    start, size, moves = subscript.constant, 1, 0
    for loop, factor in subscript.factors:
        span = spans[loop]
        start += factor * span.start + min(0, factor * (span.size - 1))
        size += abs(factor) * (span.size - 1)
        moves += factor * span.factor
    return Span(start, size, moves)


def lane_of(access: Access, row: int | None, spans: Spans) -> Lane | None:
    """How an access depends on the loop ``row``, which is in the partitions."""
    if row is None:
        return None
    places = [d for d, subscript in enumerate(access.subscripts) if subscript.factor(row)]
    if not places:
        return None
    if len(places) > 1:
        raise PassFailedException("a diagonal of a tensor")
    subscript = access.subscripts[places[0]]
    rest = span_of(without(subscript, row), spans)
    if rest.size > 1 or rest.factor:
        raise PassFailedException("rows that depend on each other")
    return Lane(places[0], subscript.factor(row), rest.start)


def without(subscript: Subscript, loop: int) -> Subscript:
    return Subscript.of(subscript.constant, dict(subscript.factors) | {loop: 0})


def settled(access: Access, row: int | None, spans: Spans) -> Access:
    """The access in the tensor from which a slice was put in, where it stays within the slice."""
    access = resolved(access)
    operation = inserted(access.value)
    if operation is None:
        return access
    place, whole = slice_of(operation), tensor_sizes(operation.dest)
    found: list[Subscript] = []
    for number, subscript in enumerate(access.subscripts):
        offset, size, stride = place.offsets[number], place.sizes[number], place.strides[number]
        if row is not None and subscript.factor(row):
            inside, outside = (offset, size, stride) == (0, whole[number], 1), False
        else:
            span = span_of(subscript, spans)
            end = span.start + span.size
            whole_span = (offset, size) == (0, whole[number])
            inside = whole_span or (
                not span.factor and span.start >= offset and end <= offset + size
            )
            inside = inside and stride == 1
            last = offset + stride * (size - 1)
            outside = not span.factor and (end <= offset or span.start > last)
        if outside:
            return settled(Access(operation.dest, access.subscripts), row, spans)
        if not inside:
            return access
        found.append(subscript.plus(Subscript(-offset)))
    kept = tuple(found[number] for number in place.kept)
    return settled(Access(operation.source, kept), row, spans)


def limited(
    guards: Sequence[Subscript], row: int | None, spans: Spans, extents: Sequence[int]
) -> Spans | None:
    """The iterations where all guards are at least 0; ``None`` if there are none.

    Raises ``PassFailedException`` where that is no span of each loop, or differs between rows.
    """
    found = dict(spans)
    everything = {loop: Span(0, extent) for loop, extent in enumerate(extents)}
    for guard in guards:
        least = span_of(guard, everything).start
        if least >= 0:
            continue
        if row is not None and guard.factor(row):
            raise PassFailedException("a condition that differs between rows")
        moving = [loop for loop in guard.loops if found[loop].size > 1 or found[loop].factor]
        fixed = span_of(Subscript.of(guard.constant, {}), {}).start + sum(
            factor * found[loop].start for loop, factor in guard.factors if loop not in moving
        )
        if not moving:
            if fixed < 0:
                return None
            continue
        if len(moving) > 1 or found[moving[0]].factor:
            raise PassFailedException("a condition that does not limit one loop")
        cut = _cut(found[moving[0]], guard.factor(moving[0]), fixed)
        if cut is None:
            return None
        found[moving[0]] = cut
    return found


def _cut(span: Span, factor: int, constant: int) -> Span | None:
    """The part of a span where ``factor · i + constant >= 0``."""
    low, high = span.start, span.start + span.size - 1
    if factor > 0:
        low = max(low, -(constant // factor))
    else:
        high = min(high, constant // -factor)
    return replace(span, start=low, size=high - low + 1) if low <= high else None
