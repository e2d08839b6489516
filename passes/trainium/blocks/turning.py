"""Parts of arrays whose rows would be cut into short runs: moved by rows, and transposed.

The tensor engine turns up to 128 × 128 elements at a time, so that memory sees long runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from xdsl.builder import Builder
from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Space, SpaceAttr, ViewOp
from ....dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from ..loop_nests import Number, linear
from ..rows.parts import over_parts, plus
from ..spans import Lane, Span
from .cells import shape_of

if TYPE_CHECKING:
    from .emission import BlockCode, Part

_WRITTEN_OUT = 64
"""Places along other dimensions for which transposes are written out."""


def row_dimension(
    shape: Sequence[int], lane: Lane | None, lanes: int, spans: Sequence[Span]
) -> int | None:
    """Which other dimension to have in partitions in memory, if that gives longer runs there.

    ``lanes`` is how many elements lie along the lane. ``None`` also where too many transposes
    would be needed.
    """
    if lane is None or lane.factor != 1:
        return None
    sizes = [lanes if n == lane.dimension else span.size for n, span in enumerate(spans)]
    places = prod(sizes) // lanes
    best, longest = None, _run(shape, sizes, lane.dimension)
    for number, span in enumerate(spans):
        is_static = number != lane.dimension and not span.factor
        run = _run(shape, sizes, number)
        if is_static and span.size > 1 and places // span.size <= _WRITTEN_OUT and run > longest:
            best, longest = number, run
    return best


def _run(shape: Sequence[int], sizes: Sequence[int], partition: int) -> int:
    """Elements next to each other in memory if a dimension lies in the partitions."""
    run = 1
    for number in reversed(range(len(shape))):
        if number == partition:
            break
        run *= sizes[number]
        if sizes[number] != shape[number]:
            break
    return run


def load_turned(code: BlockCode, value: SSAValue, part: Part, rows: int) -> None:
    """Load a part by its dimension ``rows``, and exchange that and the lane."""
    span = part.needed.spans[rows]
    size = PARTITIONS if len(part.along) > 1 else MOVING_COLUMNS

    def some(builder: Builder, first: Number, count: int, _: Number) -> None:
        sources = [
            _rows_of(code, builder, value, part, (rows, plus(builder, first, at), height))
            for at, height in _tiles(count)
        ]
        _turn(builder, sources, part, (rows, first, count), code.place.rows)

    over_parts(code.builder, span.size, size, some)


def _tiles(count: int) -> Iterator[tuple[int, int]]:
    for at in range(0, count, PARTITIONS):
        yield at, min(PARTITIONS, count - at)


def _rows_of(
    code: BlockCode,
    builder: Builder,
    value: SSAValue,
    part: Part,
    rows: tuple[int, Number, int],
) -> Part:
    """Some rows of a part as they are in memory: dimension, where they start, their number."""
    dimension, first, height = rows
    lane, spans = part.needed.lane, list(part.needed.spans)
    assert lane is not None
    spans[lane.dimension] = Span(lane.constant, code.place.rows)
    start = plus(builder, first, spans[dimension].start)
    place = replace(code.place, row=start, rows=height)
    inner = code.beside(builder, place)
    return inner.moved(
        value,
        replace(part.needed, lane=Lane(dimension, 1, 0), spans=tuple(spans)),
        {lane.dimension: code.place.row},
    )


def _turn(
    builder: Builder,
    sources: Sequence[Part],
    target: Part,
    rows: tuple[int, Number, int],
    lanes: int,
) -> None:
    """Exchange partitions and lane, for each place along the other dimensions."""
    dimension, first, count = rows
    lane = target.needed.lane
    assert lane is not None
    others = [number for number in target.along if number != dimension]
    extents = [target.needed.spans[number].size for number in others]
    inner = extents[-1] if extents else 1
    together = max(1, min(inner, MOVING_COLUMNS // count))
    element = sources[0].buffer.type.element_type  # pyright: ignore
    for outer in product(*(range(extent) for extent in extents[:-1])):
        for at in range(0, inner, together):
            width = min(together, inner - at)
            turned = allocated(builder, (lanes, width, count), element, Space.PSUM)
            for step, (source, (begin, height)) in product(
                range(width), zip(sources, _tiles(count), strict=True)
            ):
                place = dict(zip(others, (*outer, at + step), strict=False))
                from_view = _view(builder, source, place, height, {lane.dimension: lanes})
                to_view = builder.insert(
                    ViewOp(turned, (0, step, begin), (lanes, height), (0, 2), (1, 1))
                ).view
                builder.insert(trn.NcTransposeOp(from_view, to_view))
            place = dict(zip(others, (*outer, at), strict=False)) | {dimension: first}
            wide = {others[-1]: width} if others else {}
            to_view = _view(builder, target, place, lanes, wide | {dimension: count})
            whole = builder.insert(ViewOp(turned, (0, 0, 0), (lanes, width, count))).view
            builder.insert(trn.TensorCopyOp(whole, to_view))


def _view(
    builder: Builder,
    part: Part,
    places: Mapping[int, Number],
    partitions: int,
    sizes: Mapping[int, int],
) -> SSAValue:
    """Some elements of a part: where along each dimension, and how many along some."""
    offsets: list[Number] = [0] * max(len(part.along) + 1, 2)
    for number, place in places.items():
        if number in part.along:
            offsets[part.along[number]] = place
    moving = [(part.along[number], size) for number, size in sizes.items() if number in part.along]
    along = (0, *(place for place, _ in moving)) if moving else (0, 1)
    extents = (partitions, *(size for _, size in moving)) if moving else (partitions, 1)
    return builder.insert(ViewOp(part.buffer, offsets, extents, along, (1,) * len(along))).view


def store_turned(
    code: BlockCode,
    buffer: SSAValue,
    array: SSAValue,
    lane: Lane,
    spans: Sequence[Span],
) -> bool:
    """Store a whole buffer by rows of an array, if that gives longer runs in memory.

    ``spans`` says where its dimensions of more than one element lie in the array; false where
    nothing was stored.
    """
    lanes = code.place.rows
    rows = row_dimension(shape_of(array), lane, lanes, spans)
    along = [n for n, span in enumerate(spans) if n != lane.dimension and span.size > 1]
    if rows is None or shape_of(buffer)[1:] != tuple(spans[n].size for n in along):
        return False
    others = [n for n in along if n != rows]
    points = list(product(*(range(spans[n].size) for n in others)))
    builder, element = code.builder, array.type.element_type  # pyright: ignore
    place = {n: linear(builder, code.place.number, s.factor, s.start) for n, s in enumerate(spans)}
    place[lane.dimension] = linear(builder, code.place.row, 1, lane.constant)

    def some(inner: Builder, first: Number, height: int, _: Number) -> None:
        for point in points:
            at = dict(zip(others, point, strict=True)) | {rows: first}
            offsets = (0, *(at[n] for n in along))
            free = 1 + along.index(rows)
            source = inner.insert(ViewOp(buffer, offsets, (lanes, height), (0, free), (1, 1)))
            turned = allocated(inner, (height, lanes), element, Space.PSUM)
            kept = allocated(inner, (height, lanes), element, Space.SBUF)
            to_turned, to_kept = (inner.insert(whole_view(one)).view for one in (turned, kept))
            inner.insert(trn.NcTransposeOp(source.view, to_turned))
            inner.insert(trn.TensorCopyOp(to_turned, to_kept))
            start = [plus(inner, place[n], at.get(n, 0)) for n in range(len(spans))]
            memory = ViewOp(array, start, (height, lanes), (rows, lane.dimension), (1, 1))
            inner.insert(trn.DmaCopyOp(to_kept, inner.insert(memory).view))

    over_parts(builder, spans[rows].size, PARTITIONS, some)
    return True


def whole_view(buffer: SSAValue) -> ViewOp:
    shape = shape_of(buffer)
    return ViewOp(buffer, (0,) * len(shape), shape)


def allocated(builder: Builder, shape: Sequence[int], element: object, space: Space) -> SSAValue:
    shape = tuple(shape) if len(shape) > 1 else (*shape, 1)
    type = MemRefType(element, shape, memory_space=SpaceAttr(space))  # pyright: ignore
    return builder.insert(memref.AllocOp([], [], type)).memref
