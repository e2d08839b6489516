"""Operands of the tensor engine: parts of arrays with the summed dimension in the partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from xdsl.builder import Builder
from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, SSAValue

from ...dialects import trn
from ...dialects.trn import Space, SpaceAttr, ViewOp
from ...dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from .blocks.emission import BlockCode, Part, Place
from .blocks.plan import Needed, Plan
from .loop_nests import Number
from .spans import Lane, Span
from .tensor_functions import element_type, tensor_sizes


@dataclass(frozen=True)
class Operand:
    """A part of a parameter, and the dimension over which is summed."""

    value: SSAValue
    summed: int
    spans: tuple[Span, ...]
    """For each dimension; that of the summed one does not matter."""


def tile_of(
    plan: Plan, builder: Builder, operand: Operand, start: int, count: int, number: Number
) -> Part:
    """Load ``count`` places of the summed dimension, from ``start`` on, into partitions.

    An array whose rows would be cut into short runs is loaded by its rows, and transposed.
    """
    turned = _row_dimension(operand)
    lane = Lane(operand.summed, 1, 0)
    if turned is None:
        place = Place(start, count, number)
        return _loaded(plan, builder, operand.value, Needed(lane, operand.spans), place)
    return _transposed(plan, builder, operand, turned, (start, count), number)


def _loaded(plan: Plan, builder: Builder, value: SSAValue, needed: Needed, place: Place) -> Part:
    alone = Plan(plan.parameters, {}, loads={(value, needed.lane): needed})
    code = BlockCode(alone, builder, place)
    code.load_all()
    return code.loaded[value, needed.lane]


def _row_dimension(operand: Operand) -> int | None:
    """Which other dimension to load into partitions, if that gives longer runs in memory."""
    others = [
        number
        for number, span in enumerate(operand.spans)
        if number != operand.summed and span.size > 1 and not span.factor
    ]
    best = max(others, key=lambda number: _run(operand, number), default=operand.summed)
    return best if _run(operand, best) > _run(operand, operand.summed) else None


def _run(operand: Operand, partition: int) -> int:
    """Elements next to each other in memory if a dimension lies in the partitions."""
    run = 1
    sizes = tensor_sizes(operand.value)
    for number in reversed(range(len(sizes))):
        if number == partition:
            break
        size = sizes[number] if number == operand.summed else operand.spans[number].size
        run *= size
        if size != sizes[number]:
            break
    return run


def _transposed(
    plan: Plan,
    builder: Builder,
    operand: Operand,
    rows: int,
    summed: tuple[int, int],
    number: Number,
) -> Part:
    """Load rows, and transpose them on the tensor engine."""
    start, count = summed
    needed = Needed(Lane(operand.summed, 1, 0), operand.spans)
    element = element_type(operand.value)
    sizes = [span.size for n, span in enumerate(operand.spans) if n != operand.summed]
    long = [size for size in sizes if size > 1]
    target = Part(allocated(builder, (count, *long), element, Space.SBUF), needed)
    span = operand.spans[rows]
    for first in range(0, span.size, PARTITIONS):
        height = min(PARTITIONS, span.size - first)
        spans = [*operand.spans]
        spans[operand.summed] = Span(start, count)
        part = Needed(Lane(rows, 1, 0), tuple(spans))
        place = Place(span.start + first, height, number)
        source = _loaded(plan, builder, operand.value, part, place)
        _turn(builder, source, target, (rows, first, height), (operand.summed, count))
    return target


def _turn(
    builder: Builder,
    source: Part,
    target: Part,
    rows: tuple[int, int, int],
    summed: tuple[int, int],
) -> None:
    """Exchange partitions and the summed dimension, for each place along the others."""
    dimension, first, height = rows
    others = [number for number in target.along if number != dimension]
    extents = [target.needed.spans[number].size for number in others]
    inner = extents[-1] if extents else 1
    together = max(1, min(inner, MOVING_COLUMNS // height))
    element = source.buffer.type.element_type  # pyright: ignore
    for outer in product(*(range(extent) for extent in extents[:-1])):
        for at in range(0, inner, together):
            width = min(together, inner - at)
            shape = (summed[1], width, height)
            turned = allocated(builder, shape, element, Space.PSUM)
            for step in range(width):
                place = dict(zip(others, (*outer, at + step), strict=False))
                from_view = _view(builder, source, place, height, {summed[0]: summed[1]})
                to_view = builder.insert(
                    ViewOp(turned, (0, step, 0), (summed[1], height), (0, 2), (1, 1))
                ).view
                builder.insert(trn.NcTransposeOp(from_view, to_view))
            place = dict(zip(others, (*outer, at), strict=False)) | {dimension: first}
            wide = {others[-1]: width} if others else {}
            to_view = _view(builder, target, place, summed[1], wide | {dimension: height})
            whole = builder.insert(ViewOp(turned, (0, 0, 0), shape)).view
            builder.insert(trn.TensorCopyOp(whole, to_view))


def _view(
    builder: Builder,
    part: Part,
    places: dict[int, int],
    partitions: int,
    sizes: dict[int, int],
) -> SSAValue:
    """Some elements of a part: where along each dimension, and how many along some."""
    rank = len(part.along) + 1
    offsets = [0] * max(rank, 2)
    for number, place in places.items():
        if number in part.along:
            offsets[part.along[number]] = place
    moving = [(part.along[number], size) for number, size in sizes.items() if number in part.along]
    along = (0, *(place for place, _ in moving)) if moving else (0, 1)
    extents = (partitions, *(size for _, size in moving)) if moving else (partitions, 1)
    return builder.insert(ViewOp(part.buffer, offsets, extents, along, (1,) * len(along))).view


def allocated(builder: Builder, shape: Sequence[int], element: Attribute, space: Space) -> SSAValue:
    shape = tuple(shape) if len(shape) > 1 else (*shape, 1)
    type = MemRefType(element, shape, memory_space=SpaceAttr(space))
    return builder.insert(memref.AllocOp([], [], type)).memref
