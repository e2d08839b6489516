"""Subscripts: from an array or a view and its indices to the part they select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .index import Index, Integer, simplified
from .values import Dimension, Grid, View


class IndexingError(Exception):
    """A subscript that selects no part of an array; the message says why."""


@dataclass(frozen=True)
class Segment:
    """``size`` elements from ``start`` by ``step``: a slice or ``nl.ds``."""

    start: Integer
    size: Integer
    step: int = 1


@dataclass(frozen=True)
class Slice:
    """A slice as written; ``None`` stands for the end of the dimension."""

    start: Integer | None
    stop: Integer | None
    step: int | None


NEW_AXIS = None
Item = Any
"""An integer, ``Segment``, ``Slice``, ``Grid``, ``Ellipsis``, or ``None`` for a new dimension."""


def select(view: View, items: Sequence[Item]) -> View:
    """The part of ``view`` that the indices select; raises ``IndexingError``."""
    items = _expanded(items, len(view.dimensions))
    if any(isinstance(item, Grid) for item in items):
        return _advanced(view, items)
    offsets, dimensions = list(view.offsets), list[Dimension]()
    position = 0
    for item in items:
        if item is NEW_AXIS:
            dimensions.append(Dimension(1, len(offsets) - 1, 0))
            continue
        dimension = view.dimensions[position]
        position += 1
        segment = _segment(item, dimension.size)
        start = Index.of(segment.start)
        last = start + (Index.of(segment.size) - 1).scaled(segment.step) if segment.size else start
        _check_bounds(start, last, dimension.size, position - 1)
        offsets[dimension.along] += start.scaled(dimension.step)
        if not isinstance(item, int | Index):
            dimensions.append(
                Dimension(segment.size, dimension.along, dimension.step * segment.step)
            )
    return _on_partitions(View(view.array, tuple(offsets), tuple(dimensions)))


def _on_partitions(view: View) -> View:
    """A tile has a free dimension: one number per partition is a column."""
    if not view.array.on_chip or [own.along for own in view.dimensions] != [0]:
        return view
    return view.with_dimensions((*view.dimensions, Dimension(1, len(view.offsets) - 1, 0)))


def _expanded(items: Sequence[Item], rank: int) -> list[Item]:
    """The items with ``...`` and missing ones written out."""
    taken = sum(item is not NEW_AXIS and item is not Ellipsis for item in items)
    if taken > rank:
        raise IndexingError(f"{taken} indices for {rank} dimensions")
    everything = [Slice(None, None, None)] * (rank - taken)
    places = [place for place, item in enumerate(items) if item is Ellipsis]
    if len(places) > 1:
        raise IndexingError("more than one `...`")
    place = places[0] if places else len(items)
    return [*items[:place], *everything, *items[place + 1 :]]


def _segment(item: Item, size: int) -> Segment:
    if isinstance(item, Segment):
        return item
    if isinstance(item, int):
        return Segment(item + size if item < 0 else item, 1)
    if isinstance(item, Index):
        return Segment(item, 1)
    if isinstance(item, Slice):
        return resolve(item, size)
    raise IndexingError(f"{type(item).__name__} is no index")


def resolve(item: Slice, size: int) -> Segment:
    """Where a slice of a dimension of ``size`` elements begins, and how many it takes."""
    step = 1 if item.step is None else item.step
    if step <= 0:
        raise IndexingError(f"a slice with step {step}")
    start = 0 if item.start is None else item.start
    stop = size if item.stop is None else item.stop
    start = start + size if isinstance(start, int) and start < 0 else start
    stop = stop + size if isinstance(stop, int) and stop < 0 else stop
    length = simplified(Index.of(stop) - start)
    if isinstance(length, Index) and length.minimum > 0 and step == 1:
        return Segment(start, length)
    length = Index.of(length).require_constant()
    return Segment(start, max(0, -(-length // step)), step)


def _check_bounds(start: Index, last: Index, size: int, position: int) -> None:
    low, high = min(start.minimum, last.minimum), max(start.maximum, last.maximum)
    if low < 0 or high >= size:
        raise IndexingError(
            f"index {low if low < 0 else high} is outside dimension {position} of size {size}"
        )


def _advanced(view: View, items: list[Item]) -> View:
    """NumPy's advanced indexing: the grids are broadcast, and give the dimensions."""
    grids = [item for item in items if isinstance(item, Grid)]
    if NEW_AXIS in items:
        raise IndexingError("a new dimension beside index tiles")
    shape = broadcast_shape(*(grid.shape for grid in grids))
    offsets = list(view.offsets)
    found: list[Dimension | None] = [None] * len(shape)
    rest: list[Dimension] = []
    for dimension, item in zip(view.dimensions, items, strict=True):
        if not isinstance(item, Grid):
            segment = _segment(item, dimension.size)
            offsets[dimension.along] += Index.of(segment.start).scaled(dimension.step)
            if not isinstance(item, int | Index):
                step = dimension.step * segment.step
                rest.append(Dimension(segment.size, dimension.along, step))
            continue
        offsets[dimension.along] += item.base.scaled(dimension.step)
        first = len(shape) - len(item.shape)
        for place, factor in enumerate(item.factors, first):
            if not factor or shape[place] == 1:
                continue
            if found[place] is not None:
                raise IndexingError("one index tile dimension walks along two dimensions at once")
            found[place] = Dimension(shape[place], dimension.along, factor * dimension.step)
    along = len(offsets) - 1
    dimensions = tuple(
        dimension or Dimension(size, along, 0) for dimension, size in zip(found, shape, strict=True)
    )
    return View(view.array, tuple(offsets), dimensions + tuple(rest))


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape of NumPy's broadcasting; raises ``IndexingError``."""
    rank = max(len(shape) for shape in shapes)
    result = [1] * rank
    for shape in shapes:
        for place, size in enumerate(shape, rank - len(shape)):
            if size != 1 and result[place] not in (1, size):
                raise IndexingError(f"shapes {shapes} do not fit each other")
            result[place] = max(result[place], size) if size else 0
    return tuple(result)


def clip(view: View, grids_shape: tuple[int, ...], limits: dict[int, int]) -> View:
    """The view with dimension ``d`` shortened to ``limits[d]`` elements (``grids_shape``: rank)."""
    first = len(view.dimensions) - len(grids_shape)
    dimensions = list(view.dimensions)
    for place, limit in limits.items():
        own = dimensions[first + place]
        dimensions[first + place] = Dimension(min(own.size, limit), own.along, own.step)
    return view.with_dimensions(tuple(dimensions))
