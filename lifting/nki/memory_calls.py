"""Functions of ``nki.language`` that allocate, load, store and copy."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...dialects.trn.types import Space
from . import grids
from .call_arguments import Arguments, Handler
from .index import Index
from .indexing import broadcast_shape, clip
from .isa_common import fill, write_identity
from .launches import shared_array
from .library import space_named
from .tiles import Tiles
from .values import (
    DTYPES,
    FLOAT32,
    Dimension,
    Dtype,
    Mask,
    Named,
    PartitionDimension,
    View,
    whole,
)


@dataclass(frozen=True)
class ConstantArray:
    """An array of NumPy that holds one number, or the identity matrix."""

    shape: tuple[int, ...]
    value: float
    is_identity: bool
    dtype: Dtype


def _shape(tiles: Tiles, arguments: Arguments) -> tuple[list[int], int]:
    """The sizes of a new array, and which of them counts partitions."""
    given = arguments["shape"]
    sizes = list[int]()
    axis: int | None = None
    for place, size in enumerate(given if isinstance(given, tuple | list) else [given]):
        if isinstance(size, PartitionDimension):
            axis, size = place, size.size
        if isinstance(size, Index):
            size = size.require_constant()
        if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
            tiles.refuse(arguments.node, f"a size must be a positive number, got {size!r}")
        sizes.append(size)
    if not sizes:
        tiles.refuse(arguments.node, "an array has at least one dimension")
    return sizes, 0 if axis is None else axis


def dtype_of(tiles: Tiles, arguments: Arguments, default: Dtype | None = None) -> Dtype:
    dtype = arguments.get("dtype", default)
    if isinstance(dtype, str):
        dtype = DTYPES.get(dtype)
    if not isinstance(dtype, Dtype):
        tiles.refuse(arguments.node, f"{arguments.function}: no known element type is given")
    return dtype


def _ndarray(tiles: Tiles, arguments: Arguments) -> View:
    sizes, axis = _shape(tiles, arguments)
    buffer = arguments.get("buffer")
    space = Space.SBUF if buffer is None else _space(tiles, buffer, arguments.node)
    dtype = dtype_of(tiles, arguments, FLOAT32)
    name = arguments.get("name") if isinstance(arguments.get("name"), str) else ""
    if buffer == Named("nl", "shared_hbm"):
        return whole(shared_array(tiles.reader, name, sizes, dtype))
    return whole(tiles.reader.emitter.allocate(name, sizes, dtype, space, axis))


def _space(tiles: Tiles, buffer: Any, node: ast.AST) -> Space:
    name = space_named(buffer)
    if name is None:
        tiles.refuse(node, "the buffer must be nl.sbuf, nl.psum or an nl.hbm")
    return Space(name)


def _zeros(tiles: Tiles, arguments: Arguments) -> View:
    view = _ndarray(tiles, arguments)
    if view.space == Space.PSUM:
        view.array.zero_pending = True
        return view
    fill(tiles, view, 0.0, arguments.node)
    return view


def _ones(tiles: Tiles, arguments: Arguments) -> View:
    view = _ndarray(tiles, arguments)
    fill(tiles, view, 1.0, arguments.node)
    return view


def _full(tiles: Tiles, arguments: Arguments) -> View:
    view = _ndarray(tiles, arguments)
    value = float(tiles.number(arguments["fill_value"], arguments.node))
    fill(tiles, view, value, arguments.node)
    return view


def _zeros_like(tiles: Tiles, arguments: Arguments) -> View:
    like = tiles.on_chip(arguments["x"], arguments.node)
    view = tiles.new(like.shape, dtype_of(tiles, arguments, like.dtype))
    fill(tiles, view, 0.0, arguments.node)
    return view


def masked(tiles: Tiles, view: View, mask: Any, node: ast.AST) -> View | None:
    """The part of a view that a mask leaves; None if it leaves nothing."""
    if mask is None:
        return view
    if not isinstance(mask, Mask):
        tiles.refuse(node, "a mask compares index tiles", "write mask=(i_p < n)")
    shape = broadcast_shape(*(bound.grid.shape for bound in mask.bounds), view.shape)
    if shape != view.shape and len(shape) > len(view.shape):
        tiles.refuse(node, "the mask has more dimensions than the tile")
    limits = grids.limits_of(mask, view.shape)
    return None if limits is None else clip(view, view.shape, limits)


def _load(tiles: Tiles, arguments: Arguments) -> View:
    source = arguments["src"]
    if isinstance(source, ConstantArray):
        return _constant_tile(tiles, source, arguments.node)
    if not isinstance(source, View):
        tiles.refuse(arguments.node, "nl.load takes a part of an array in HBM")
    result = tiles.new(source.shape, dtype_of(tiles, arguments, source.dtype))
    part = masked(tiles, source, arguments.get("mask"), arguments.node)
    if part is None:
        return result
    target = cut(result, part.shape)
    tiles.move(part, target, arguments.node)
    if target.shape == result.shape and len(source.shape) > 1:
        tiles.note_load(result, source)
    else:
        tiles.note_mask(result, target)
    return result


def cut(view: View, shape: Sequence[int]) -> View:
    """The first elements of a view, as many as ``shape`` says per dimension."""
    sizes = (*shape, *(1,) * (len(view.shape) - len(shape)))
    dimensions = tuple(
        Dimension(size, d.along, d.step) for size, d in zip(sizes, view.dimensions, strict=True)
    )
    return view.with_dimensions(dimensions)


def _load_transposed(tiles: Tiles, arguments: Arguments) -> View:
    source = arguments["src"]
    if not isinstance(source, View) or len(source.shape) != 2:
        tiles.refuse(arguments.node, "nl.load_transpose2d takes a two-dimensional part of HBM")
    part = masked(tiles, source, arguments.get("mask"), arguments.node)
    dtype = dtype_of(tiles, arguments, source.dtype)
    result = tiles.new((source.shape[1], source.shape[0]), dtype)
    if part is not None:
        turned = part.with_dimensions((part.dimensions[1], part.dimensions[0]))
        target = cut(result, turned.shape)
        tiles.move(turned, target, arguments.node)
        tiles.note_mask(result, target)
    return result


def _store(tiles: Tiles, arguments: Arguments) -> None:
    target, value = arguments["dst"], arguments["value"]
    if not isinstance(target, View):
        tiles.refuse(arguments.node, "nl.store writes to a part of an array in HBM")
    if not isinstance(value, View):
        number = tiles.number(value, arguments.node)
        value = tiles.new(target.shape, target.dtype)
        fill(tiles, value, float(number), arguments.node)
    part = masked(tiles, target, arguments.get("mask"), arguments.node)
    if part is None:
        return
    if part.shape != target.shape:
        value = cut(tiles.broadcast(value, target.shape, arguments.node), part.shape)
    tiles.move(value, part, arguments.node)


def _copy(tiles: Tiles, arguments: Arguments) -> View:
    source = tiles.on_chip(arguments["src"], arguments.node)
    result = tiles.new(source.shape, dtype_of(tiles, arguments, source.dtype))
    part = masked(tiles, source, arguments.get("mask"), arguments.node)
    if part is not None:
        tiles.copy(part, cut(result, part.shape), arguments.node)
        tiles.note_mask(result, cut(result, part.shape))
    return result


def _constant_tile(tiles: Tiles, constant: ConstantArray, node: ast.AST) -> View:
    view = tiles.new(constant.shape, constant.dtype)
    if constant.is_identity:
        write_identity(tiles, view)
    else:
        fill(tiles, view, constant.value, node)
    return view


def _identity(tiles: Tiles, arguments: Arguments) -> ConstantArray:
    size = arguments["n"]
    dtype = dtype_of(tiles, arguments, FLOAT32)
    return ConstantArray((int(size), int(size)), 1.0, True, dtype)


def _shared(tiles: Tiles, arguments: Arguments) -> ConstantArray:
    constant = arguments["constant"]
    if not isinstance(constant, ConstantArray):
        tiles.refuse(arguments.node, "only np.identity and np.eye are understood as constants")
    return ConstantArray(
        constant.shape,
        constant.value,
        constant.is_identity,
        dtype_of(tiles, arguments, constant.dtype),
    )


_ARRAY = ("shape", "dtype", "buffer", "name")
CALLS: dict[str, Handler] = {
    "ndarray": (_ARRAY, _ndarray),
    "empty": (_ARRAY, _ndarray),
    "zeros": (_ARRAY, _zeros),
    "ones": (_ARRAY, _ones),
    "full": (("shape", "fill_value", "dtype", "buffer", "name"), _full),
    "zeros_like": (("x", "dtype"), _zeros_like),
    "identity": (("n", "dtype"), _identity),
    "eye": (("n", "dtype"), _identity),
    "shared_constant": (("constant", "dtype"), _shared),
    "load": (("src", "mask", "dtype"), _load),
    "load_transpose2d": (("src", "mask", "dtype"), _load_transposed),
    "store": (("dst", "value", "mask"), _store),
    "copy": (("src", "mask", "dtype"), _copy),
}
