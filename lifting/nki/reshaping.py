"""The same elements in other dimensions: functions and methods that only change the view."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

from .call_arguments import Arguments, Handler
from .emitter import partitions
from .index import Index
from .patterns import access_pattern
from .tiles import Tiles
from .values import Array, Dimension, Dtype, PartitionDimension, View, whole


def broadcast_to(tiles: Tiles, arguments: Arguments) -> View:
    view = arguments["src"]
    return broadcast_view(tiles, view, arguments["shape"], arguments.node)


def broadcast_view(tiles: Tiles, view: Any, shape: Any, node: ast.AST) -> View:
    sizes = tuple(size.size if isinstance(size, PartitionDimension) else size for size in shape)
    if not isinstance(view, View) or not all(isinstance(size, int | Index) for size in sizes):
        tiles.refuse(node, "broadcast_to takes a tile and a shape")
    if not view.array.on_chip:
        return tiles.broadcast_anywhere(view, sizes, node)
    return tiles.broadcast(view, sizes, node)


def expand(tiles: Tiles, arguments: Arguments) -> View:
    view, axis = arguments["src"], arguments["axis"]
    if not isinstance(view, View) or not isinstance(axis, int):
        tiles.refuse(arguments.node, "expand_dims takes a tile and an axis")
    axis = axis + len(view.shape) + 1 if axis < 0 else axis
    dimensions = list(view.dimensions)
    dimensions.insert(axis, Dimension(1, len(view.offsets) - 1, 0))
    return view.with_dimensions(tuple(dimensions))


def _reshape(
    tiles: Tiles, view: View, given: list[Any], named: dict[str, Any], node: ast.AST
) -> View:
    shape = given[0] if len(given) == 1 else named.get("shape", tuple(given))
    return reshape(tiles, view, shape, node)


def reshape(tiles: Tiles, view: View, shape: Any, node: ast.AST) -> View:
    """The elements of a whole array in other sizes; on chip the partitions stay."""
    sizes = list[int]()
    for size in shape if isinstance(shape, tuple | list) else [shape]:
        own = size.size if isinstance(size, PartitionDimension) else size
        if not isinstance(own, int):
            tiles.refuse(node, "the sizes of a reshape are numbers")
        sizes.append(own)
    total = math.prod(view.shape)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = total // max(1, -math.prod(sizes))
    if math.prod(sizes) != total:
        tiles.refuse(node, f"{view.shape} and {tuple(sizes)} hold different numbers of elements")
    if tuple(sizes) == view.shape:
        return view
    if view.array.on_chip and sizes[0] != partitions(view):
        tiles.refuse(node, "a reshape on chip keeps the partitions")
    if not view.is_whole or view.array.axes != tuple(range(len(view.array.axes))):
        regrouped = _regroup(view, sizes) or _restrided(tiles, view, sizes)
        if regrouped is None:
            tiles.refuse(node, f"this part of an array cannot be seen as {tuple(sizes)}")
        return regrouped
    return whole(_same_memory(tiles, view.array, sizes))


def _same_memory(tiles: Tiles, origin: Array, sizes: Sequence[int]) -> Array:
    """A whole array in other sizes."""
    array = tiles.reader.emitter.reshape(origin, sizes)
    array.zero_pending, array.products = origin.zero_pending, origin.products
    array.others, array.group_loops = origin.others, origin.group_loops
    array.loops, array.branches = origin.loops, origin.branches
    return array


def _regroup(view: View, sizes: list[int]) -> View | None:
    """A reshape of a view that only adds or drops dimensions of size 1."""
    kept = [dimension for dimension in view.dimensions if dimension.size != 1]
    if [size for size in sizes if size != 1] != [dimension.size for dimension in kept]:
        return None
    rest = iter(kept)
    last = len(view.offsets) - 1
    dimensions = [next(rest) if size != 1 else Dimension(1, last, 0) for size in sizes]
    return view.with_dimensions(tuple(dimensions))


def _restrided(tiles: Tiles, view: View, sizes: list[int]) -> View | None:
    """A reshape of a part of an array, as a view of its elements in a row; None if it is none."""
    array = view.array
    total = [array.shape[array.axes.index(axis)] for axis in range(len(array.axes))]
    first = 1 if array.on_chip else 0  # the partitions stay
    strides = [math.prod(total[axis + 1 :]) for axis in range(len(total))]
    free = [own for own in view.dimensions if own.along >= first]
    steps = _steps([(own.size, own.step * strides[own.along]) for own in free], sizes[first:])
    if steps is None:
        return None
    flat = _same_memory(tiles, array, (*total[:first], math.prod(total[first:])))
    start = Index(0)
    for offset, stride in list(zip(view.offsets, strides, strict=True))[first:]:
        start += offset.scaled(stride)
    rows = tuple(Dimension(size, 0) for size in sizes[:first])
    own = zip(sizes[first:], steps, strict=True)
    dimensions = (*rows, *(Dimension(size, first, step) for size, step in own))
    return View(flat, (*view.offsets[:first], start), dimensions)


def _steps(dimensions: list[tuple[int, int]], sizes: Sequence[int]) -> list[int] | None:
    """The steps of new dimensions over the same elements as ``(size, step)``, as in NumPy."""
    old = [pair for pair in dimensions if pair[0] != 1]
    steps = list[int]()
    for size in reversed(sizes):
        if size == 1:
            steps.append(0)
            continue
        while old and len(old) > 1 and old[-1][0] % size and size % old[-1][0] == 0:
            (outer, outer_step), (inner, step) = old[-2:]
            if outer_step != inner * step:
                return None
            old[-2:] = [(outer * inner, step)]
        if not old or old[-1][0] % size:
            return None
        count, step = old.pop()
        steps.append(step)
        if count > size:
            old.append((count // size, step * size))
    return steps[::-1]


def _cast(tiles: Tiles, view: View, dtype: Any, node: ast.AST) -> View:
    if not isinstance(dtype, Dtype):
        tiles.refuse(node, "astype takes an element type")
    result = tiles.new(view.shape, dtype)
    tiles.copy(view, result, node)
    return result


METHODS: dict[str, Callable[[Tiles, View, list[Any], dict[str, Any], ast.AST], Any]] = {
    "reshape": _reshape,
    "broadcast_to": lambda tiles, view, given, named, node: broadcast_view(
        tiles, view, given[0] if len(given) == 1 else (given or named.get("shape", ())), node
    ),
    "expand_dims": lambda tiles, view, given, named, node: expand(
        tiles,
        Arguments(
            tiles.reader.source,
            node,
            "expand_dims",
            ("src", "axis"),
            [view, *given],
            named,
        ),
    ),
    "ap": access_pattern,
    "astype": lambda tiles, view, given, named, node: _cast(tiles, view, given[0], node),
}
"""Methods of tiles and arrays."""


CALLS: dict[str, Handler] = {
    "broadcast_to": (("src", "shape"), broadcast_to),
    "expand_dims": (("src", "axis"), expand),
}
