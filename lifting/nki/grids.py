"""Index tiles: arithmetic of ``nl.arange`` and ``nl.mgrid``, and the masks that compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .index import Index, Integer
from .indexing import IndexingError, Slice, broadcast_shape, resolve
from .values import Bound, Grid, Mask


class GridTuple(tuple[Grid, ...]):
    """What ``nl.mgrid[...]`` gives: one index tile per dimension, also called p, x, y and z."""

    __slots__ = ()
    NAMES = ("p", "x", "y", "z")


def arange(start: Integer, size: int, step: int = 1) -> Grid:
    """``nl.arange``."""
    return Grid(Index.of(start), (size,), (step,))


def mgrid(slices: Sequence[Slice]) -> GridTuple:
    """``nl.mgrid[0:a, 0:b]``."""
    segments = [resolve(item, 0) for item in slices]
    shape = tuple(Index.of(segment.size).require_constant() for segment in segments)
    return GridTuple(
        Grid(
            Index.of(segment.start),
            shape,
            tuple(segment.step if own == place else 0 for own in range(len(shape))),
        )
        for place, segment in enumerate(segments)
    )


def select_axes(grid: Grid, items: Sequence[Any]) -> Grid:
    """``grid[:, None]`` and its like: only ``:``, ``...`` and new dimensions are possible."""
    missing = len(grid.shape) - sum(isinstance(item, Slice) for item in items)
    written = list[Any]()
    for item in items:
        written.extend([Slice(None, None, None)] * missing if item is Ellipsis else [item])
    if Ellipsis not in items:
        written.extend([Slice(None, None, None)] * missing)
    shape, factors = list[int](), list[int]()
    axes = iter(zip(grid.shape, grid.factors, strict=True))
    for item in written:
        if item is None:
            shape.append(1)
            factors.append(0)
        elif isinstance(item, Slice) and item == Slice(None, None, None):
            size, factor = next(axes, (1, 0))
            shape.append(size)
            factors.append(factor)
        else:
            raise IndexingError("an index tile takes `:` and None as indices only")
    return Grid(grid.base, tuple(shape), tuple(factors))


def add(left: Grid | Integer, right: Grid | Integer) -> Grid:
    """The sum of two index tiles or integers, at least one of them a tile."""
    one, two = _grid(left), _grid(right)
    shape = broadcast_shape(one.shape, two.shape)
    factors = [0] * len(shape)
    for grid in (one, two):
        for place, factor in enumerate(grid.factors, len(shape) - len(grid.shape)):
            factors[place] += factor
    return Grid(one.base + two.base, shape, tuple(factors))


def scale(grid: Grid, factor: int) -> Grid:
    return Grid(grid.base.scaled(factor), grid.shape, tuple(own * factor for own in grid.factors))


def _grid(value: Grid | Integer) -> Grid:
    return value if isinstance(value, Grid) else Grid(Index.of(value), (), ())


def compare(operator: str, left: Grid | Integer, right: Grid | Integer) -> Mask:
    """``left < right`` and its like as a mask; ``operator`` is Python's."""
    if operator in (">", ">="):
        operator, left, right = {">": "<", ">=": "<="}[operator], right, left
    if operator not in ("<", "<="):
        raise IndexingError(f"a mask compares with <, <=, > or >=, not {operator}")
    slack = 1 if operator == "<" else 0
    negative = scale(left, -1) if isinstance(left, Grid) else Index.of(left).scaled(-1)
    return Mask((Bound(add(add(right, negative), -slack)),))


def limits_of(mask: Mask, shape: tuple[int, ...]) -> dict[int, int] | None:
    """The sizes to which the mask shortens each dimension of ``shape``; None if nothing is left.

    Asks to unroll a loop on which a size depends. Raises ``IndexingError`` for a mask that is no
    box that begins at index 0.
    """
    limits: dict[int, int] = {}
    for bound in mask.bounds:
        grid = bound.grid
        first = len(shape) - len(grid.shape)
        along = [(place, f) for place, f in enumerate(grid.factors, first) if f]
        worst = grid.base.minimum + sum(min(0, f * (shape[place] - 1)) for place, f in along)
        if worst >= 0:
            continue
        base = grid.base.require_constant()
        if not along:
            return None
        if len(along) > 1 or along[0][1] > 0:
            raise IndexingError("this mask does not cut off the end of one dimension")
        place, factor = along[0]
        size = base // -factor + 1 if base >= 0 else 0
        limits[place] = min(size, limits.get(place, shape[place]))
    return None if any(size <= 0 for size in limits.values()) else limits
