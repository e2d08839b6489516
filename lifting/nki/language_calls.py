"""Functions of ``nki.language`` (and the NumPy names NKI takes for them), and methods of tiles.

Each entry of ``CALLS`` is the names of the parameters and what the call does.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...dialects import trn
from ...dialects.trn.types import Function, Operator, Space
from . import grids
from .call_arguments import Arguments
from .emitter import free_size, partitions
from .index import Index
from .indexing import Segment, broadcast_shape, clip
from .isa_calls import fill, write_identity
from .library import ACTIVATIONS, OPERATORS, operator_of, space_named
from .tiles import Tiles
from .values import FLOAT32, Array, Dimension, Dtype, Mask, PartitionDimension, View, whole


@dataclass(frozen=True)
class ConstantArray:
    """An array of NumPy that holds one number, or the identity matrix."""

    shape: tuple[int, ...]
    value: float
    is_identity: bool
    dtype: Dtype


Handler = tuple[Sequence[str], Callable[[Tiles, Arguments], Any]]


# Memory.


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


def _dtype(tiles: Tiles, arguments: Arguments, default: Dtype | None = None) -> Dtype:
    dtype = arguments.get("dtype", default)
    if isinstance(dtype, str):
        from .values import DTYPES

        dtype = DTYPES.get(dtype)
    if not isinstance(dtype, Dtype):
        tiles.refuse(arguments.node, f"{arguments.function}: no known element type is given")
    return dtype


def _ndarray(tiles: Tiles, arguments: Arguments) -> View:
    sizes, axis = _shape(tiles, arguments)
    buffer = arguments.get("buffer")
    space = Space.SBUF if buffer is None else _space(tiles, buffer, arguments.node)
    dtype = _dtype(tiles, arguments, FLOAT32)
    name = arguments.get("name")
    array = tiles.reader.emitter.allocate(
        name if isinstance(name, str) else "", sizes, dtype, space, axis
    )
    if space == Space.HBM:
        tiles.reader.hbm_arrays.append(array)
    return whole(array)


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
    view = tiles.new(like.shape, _dtype(tiles, arguments, like.dtype))
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
    result = tiles.new(source.shape, _dtype(tiles, arguments, source.dtype))
    part = masked(tiles, source, arguments.get("mask"), arguments.node)
    if part is None:
        return result
    target = _cut(result, part.shape)
    tiles.move(part, target, arguments.node)
    if target.shape == result.shape and len(source.shape) > 1:
        result.array.loaded_from = source
    elif target.shape[0] < result.shape[0]:
        result.array.valid = target.shape[0]
    return result


def _cut(view: View, shape: Sequence[int]) -> View:
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
    source = source.with_dimensions((source.dimensions[1], source.dimensions[0]))
    result = tiles.new(source.shape, _dtype(tiles, arguments, source.dtype))
    tiles.move(source, result, arguments.node)
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
        value = _cut(tiles.broadcast(value, target.shape, arguments.node), part.shape)
    tiles.move(value, part, arguments.node)


def _copy(tiles: Tiles, arguments: Arguments) -> View:
    source = tiles.on_chip(arguments["src"], arguments.node)
    result = tiles.new(source.shape, _dtype(tiles, arguments, source.dtype))
    part = masked(tiles, source, arguments.get("mask"), arguments.node)
    if part is not None:
        tiles.copy(part, _cut(result, part.shape), arguments.node)
        tiles.note_mask(result, _cut(result, part.shape))
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
    dtype = _dtype(tiles, arguments, FLOAT32)
    return ConstantArray((int(size), int(size)), 1.0, True, dtype)


def _shared(tiles: Tiles, arguments: Arguments) -> ConstantArray:
    constant = arguments["constant"]
    if not isinstance(constant, ConstantArray):
        tiles.refuse(arguments.node, "only np.identity and np.eye are understood as constants")
    return ConstantArray(
        constant.shape,
        constant.value,
        constant.is_identity,
        _dtype(tiles, arguments, constant.dtype),
    )


# Indices and sizes.


def _arange(tiles: Tiles, arguments: Arguments) -> Any:
    first, last, step = arguments["start"], arguments.get("stop"), arguments.get("step", 1)
    if last is None:
        first, last = 0, first
    if not all(isinstance(end, int | Index) for end in (first, last)) or step == 0:
        tiles.refuse(arguments.node, "nl.arange counts integers")
    length = (Index.of(last) - Index.of(first)).require_constant()
    return grids.arange(first, -(-length // step), step)


def _ds(tiles: Tiles, arguments: Arguments) -> Segment:
    size = arguments["size"]
    size = size.require_constant() if isinstance(size, Index) else size
    start = arguments.get("start", 0)
    if not isinstance(start, int | Index) or not isinstance(size, int):
        tiles.refuse(arguments.node, "nl.ds takes integers")
    return Segment(start, size)


def _par_dim(tiles: Tiles, arguments: Arguments) -> PartitionDimension:
    size = arguments["value"]
    size = size.require_constant() if isinstance(size, Index) else size
    if not isinstance(size, int):
        tiles.refuse(arguments.node, "nl.par_dim takes an integer")
    return PartitionDimension(size)


# Arithmetic.


def _result(tiles: Tiles, shape: Sequence[int], arguments: Arguments) -> View | None:
    """A tile of the type that the call asks for, None if it does not ask."""
    if "dtype" not in arguments:
        return None
    return tiles.new(shape, _dtype(tiles, arguments))


def _binary(operator: Operator) -> Handler:
    def run(tiles: Tiles, arguments: Arguments) -> View:
        left, right = arguments["x"], arguments["y"]
        mask = arguments.get("mask")
        shapes = [value.shape for value in (left, right) if isinstance(value, View)]
        if not shapes:
            tiles.refuse(
                arguments.node, f"{arguments.function} of numbers", "use Python's operator"
            )
        shape = broadcast_shape(*shapes)
        dst = _result(tiles, shape, arguments)
        if mask is None:
            return tiles.binary(operator, left, right, dst, arguments.node)
        dtypes = [value.dtype for value in (left, right) if isinstance(value, View)]
        dst = dst or tiles.new(shape, tiles.result_type(operator, dtypes[0], dtypes[-1]))
        left, right, part = _masked_all(tiles, [left, right, dst], shape, mask, arguments.node)
        if part is not None:
            tiles.binary(operator, left, right, part, arguments.node)
            tiles.note_mask(dst, part)
        return dst

    return ("x", "y", "dtype", "mask"), run


def _masked_all(
    tiles: Tiles, values: list[Any], shape: tuple[int, ...], mask: Any, node: ast.AST
) -> list[Any]:
    """All tiles among the values cut to what the mask leaves; all None if that is nothing."""
    if not isinstance(mask, Mask):
        tiles.refuse(node, "a mask compares index tiles", "write mask=(i_p < n)")
    limits = grids.limits_of(mask, shape)
    if limits is None:
        return [None] * len(values)
    cut = list[Any]()
    for value in values:
        if not isinstance(value, View):
            cut.append(value)
            continue
        first = len(shape) - len(value.shape)
        own = {place - first: limit for place, limit in limits.items() if place >= first}
        own = {place: limit for place, limit in own.items() if value.shape[place] > 1}
        cut.append(clip(value, value.shape, own))
    return cut


def _unary(function: Function) -> Handler:
    def run(tiles: Tiles, arguments: Arguments) -> View:
        data = tiles.on_chip(arguments["x"], arguments.node)
        dst = _result(tiles, data.shape, arguments)
        mask = arguments.get("mask")
        if mask is None:
            return tiles.activation(function, data, dst, arguments.node)
        dst = dst or tiles.new(data.shape, data.dtype if data.dtype.is_float else FLOAT32)
        part, target = _masked_all(tiles, [data, dst], data.shape, mask, arguments.node)
        if part is not None:
            tiles.activation(function, part, target, arguments.node)
            tiles.note_mask(dst, target)
        return dst

    return ("x", "dtype", "mask"), run


def _reciprocal(tiles: Tiles, arguments: Arguments) -> View:
    data = tiles.on_chip(arguments["x"], arguments.node)
    dst = _result(tiles, data.shape, arguments) or tiles.new(data.shape, data.dtype)
    tiles.emit(trn.ReciprocalOp(tiles.operand(data), tiles.operand(dst)), dst)
    return dst


def _negative(tiles: Tiles, arguments: Arguments) -> View:
    data = tiles.on_chip(arguments["x"], arguments.node)
    dst = _result(tiles, data.shape, arguments)
    return tiles.binary(Operator.MULTIPLY, data, -1.0, dst, arguments.node)


def axes_of(tiles: Tiles, value: Any, node: ast.AST) -> list[int]:
    axes = list(value) if isinstance(value, tuple | list) else [value]
    if not axes or not all(isinstance(axis, int) for axis in axes):
        tiles.refuse(node, "axis must be an integer or a list of integers")
    return axes


def _reduction(operator: Operator, is_mean: bool = False) -> Handler:
    def run(tiles: Tiles, arguments: Arguments) -> View:
        data = tiles.on_chip(arguments["x"], arguments.node)
        axes = axes_of(tiles, arguments.get("axis", len(data.shape) - 1), arguments.node)
        part = masked(tiles, data, arguments.get("mask"), arguments.node)
        if part is None:
            tiles.refuse(arguments.node, "the mask leaves nothing to reduce")
        result = tiles.reduce(
            operator,
            part,
            axes,
            None,
            arguments.node,
            dtype=arguments.get("dtype"),
            keepdims=bool(arguments.get("keepdims", False)),
        )
        if is_mean:
            count = math.prod(part.shape[axis] for axis in axes)
            tiles.binary(Operator.MULTIPLY, result, 1.0 / count, result, arguments.node)
        return result

    return ("x", "axis", "dtype", "mask", "keepdims"), run


def _variance(tiles: Tiles, arguments: Arguments) -> View:
    data = tiles.on_chip(arguments["x"], arguments.node)
    axes = axes_of(tiles, arguments.get("axis", len(data.shape) - 1), arguments.node)
    node = arguments.node
    count = math.prod(data.shape[axis] for axis in axes)
    mean = tiles.reduce(Operator.ADD, data, axes, None, node, keepdims=True)
    tiles.binary(Operator.MULTIPLY, mean, 1.0 / count, mean, node)
    centred = tiles.binary(Operator.SUBTRACT, data, mean, None, node)
    square = tiles.activation(Function.SQUARE, centred, None, node)
    result = tiles.reduce(Operator.ADD, square, axes, None, node)
    return tiles.binary(Operator.MULTIPLY, result, 1.0 / count, result, node)


def _softmax(tiles: Tiles, arguments: Arguments) -> View:
    data, node = tiles.on_chip(arguments["x"], arguments.node), arguments.node
    axes = axes_of(tiles, arguments.get("axis", len(data.shape) - 1), node)
    largest = tiles.reduce(Operator.MAXIMUM, data, axes, None, node, keepdims=True, negate=True)
    result = tiles.new(data.shape, _dtype(tiles, arguments, data.dtype))
    total = tiles.new((data.shape[0], 1), FLOAT32)
    tiles.activation(Function.EXP, data, result, node, bias=largest, reduced=total)
    inverse = tiles.new(total.shape, FLOAT32)
    tiles.emit(trn.ReciprocalOp(tiles.operand(total), tiles.operand(inverse)), inverse)
    return tiles.binary(Operator.MULTIPLY, result, inverse, result, node)


def _where(tiles: Tiles, arguments: Arguments) -> View:
    condition, node = arguments["condition"], arguments.node
    on_true, on_false = arguments["x"], arguments["y"]
    if isinstance(condition, Mask):
        if isinstance(on_false, View) or not isinstance(on_true, View):
            tiles.refuse(node, "nl.where with a mask takes a tile and a number")
        number = float(tiles.number(on_false, node))
        return select_affine(tiles, condition, on_true, number, None, node)
    predicate = tiles.on_chip(condition, node)
    shapes = [value.shape for value in (predicate, on_true, on_false) if isinstance(value, View)]
    shape = broadcast_shape(*shapes)
    if predicate.dtype.is_float:
        converted = tiles.new(predicate.shape, FLOAT32)
        tiles.binary(Operator.NOT_EQUAL, predicate, 0.0, converted, node)
        whole_number = tiles.new(predicate.shape, _uint8())
        tiles.copy(converted, whole_number, node)
        predicate = whole_number
    dtypes = [value.dtype for value in (on_true, on_false) if isinstance(value, View)]
    dtype = _dtype(tiles, arguments, dtypes[0] if dtypes else FLOAT32)
    result = tiles.new(shape, dtype)
    _fill_or_copy(tiles, on_false, result, node)
    if not isinstance(on_true, View):
        number, on_true = on_true, tiles.new(shape, dtype)
        _fill_or_copy(tiles, number, on_true, node)
    source = tiles.broadcast(on_true, shape, node)
    chosen = tiles.broadcast(predicate, shape, node)
    op = trn.TensorCopyPredicatedOp(
        tiles.operand(source), tiles.operand(chosen), tiles.operand(result)
    )
    tiles.emit(op)
    return result


def _uint8() -> Dtype:
    from .values import DTYPES

    return DTYPES["uint8"]


def _fill_or_copy(tiles: Tiles, value: Any, target: View, node: ast.AST) -> None:
    if isinstance(value, View):
        return tiles.copy(tiles.broadcast(value, target.shape, node), target, node)
    return fill(tiles, target, float(tiles.number(value, node)), node)


def select_affine(
    tiles: Tiles, mask: Mask, data: View, fill_value: float, dst: View | None, node: ast.AST
) -> View:
    """``data`` where the mask holds, else a number: one instruction per condition."""
    dst = dst or tiles.new(data.shape, data.dtype)
    for bound in mask.bounds:
        grid = bound.grid
        factors = (*(0,) * (len(data.shape) - len(grid.factors)), *grid.factors)
        if data.space == Space.PSUM:
            data = tiles.to_sbuf(data, node)
        emitter = tiles.reader.emitter
        base, terms = grid.base.constant, grid.base.terms
        offset = emitter.index(Index(0, terms)) if terms else None
        op = trn.AffineSelectOp(
            Operator.GREATER_EQUAL,
            tiles.operand(data),
            fill_value,
            tiles.operand(dst),
            factors[1:],
            factors[0],
            base,
            offset,
        )
        tiles.emit(op)
        data = dst
    return dst


def _matmul(tiles: Tiles, arguments: Arguments) -> View:
    node = arguments.node
    left, right = (tiles.on_chip(arguments[name], node) for name in ("x", "y"))
    if not arguments.get("transpose_x", False):
        turned = tiles.transpose(left, None, node)
        left = tiles.to_sbuf(turned, node) if turned.space == Space.PSUM else turned
    dst = tiles.new((free_size(left), free_size(right)), FLOAT32, Space.PSUM)
    tiles.product(left, right, dst, node)
    return dst


def _transpose(tiles: Tiles, arguments: Arguments) -> View:
    return tiles.transpose(tiles.on_chip(arguments["x"], arguments.node), None, arguments.node)


def _broadcast_to(tiles: Tiles, arguments: Arguments) -> View:
    view = arguments["src"]
    return _broadcast_view(tiles, view, arguments["shape"], arguments.node)


def _broadcast_view(tiles: Tiles, view: Any, shape: Any, node: ast.AST) -> View:
    sizes = tuple(size.size if isinstance(size, PartitionDimension) else size for size in shape)
    if not isinstance(view, View) or not all(isinstance(size, int) for size in sizes):
        tiles.refuse(node, "broadcast_to takes a tile and a shape")
    if not view.array.on_chip:
        return tiles.broadcast_anywhere(view, sizes, node)
    return tiles.broadcast(view, sizes, node)


def _expand(tiles: Tiles, arguments: Arguments) -> View:
    view, axis = arguments["src"], arguments["axis"]
    if not isinstance(view, View) or not isinstance(axis, int):
        tiles.refuse(arguments.node, "expand_dims takes a tile and an axis")
    axis = axis + len(view.shape) + 1 if axis < 0 else axis
    dimensions = list(view.dimensions)
    dimensions.insert(axis, Dimension(1, len(view.offsets) - 1, 0))
    return view.with_dimensions(tuple(dimensions))


def _reshape_method(
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
        regrouped = _regroup(view, sizes)
        if regrouped is None:
            tiles.refuse(node, "only a whole array can be reshaped")
        return regrouped
    array = tiles.reader.emitter.reshape(view.array, sizes)
    array.zero_pending, array.products = view.array.zero_pending, view.array.products
    array.loops = view.array.loops
    return whole(array)


def _regroup(view: View, sizes: list[int]) -> View | None:
    """A reshape of a view that only adds or drops dimensions of size 1."""
    kept = [dimension for dimension in view.dimensions if dimension.size != 1]
    if [size for size in sizes if size != 1] != [dimension.size for dimension in kept]:
        return None
    rest = iter(kept)
    last = len(view.offsets) - 1
    dimensions = [next(rest) if size != 1 else Dimension(1, last, 0) for size in sizes]
    return view.with_dimensions(tuple(dimensions))


def _nothing(tiles: Tiles, arguments: Arguments) -> None:
    """A call that only helps to debug."""


METHODS: dict[str, Callable[[Tiles, View, list[Any], dict[str, Any], ast.AST], Any]] = {
    "reshape": _reshape_method,
    "broadcast_to": lambda tiles, view, given, named, node: _broadcast_view(
        tiles, view, given[0] if len(given) == 1 else (given or named.get("shape", ())), node
    ),
    "expand_dims": lambda tiles, view, given, named, node: _expand(
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
    "astype": lambda tiles, view, given, named, node: _cast(tiles, view, given[0], node),
}
"""Methods of tiles and arrays."""


def _cast(tiles: Tiles, view: View, dtype: Any, node: ast.AST) -> View:
    if not isinstance(dtype, Dtype):
        tiles.refuse(node, "astype takes an element type")
    result = tiles.new(view.shape, dtype)
    tiles.copy(view, result, node)
    return result


_ARRAY = ("shape", "dtype", "buffer", "name")
_BINARY = (
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "maximum",
    "minimum",
    "equal",
    "not_equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
)
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
    "arange": (("start", "stop", "step"), _arange),
    "ds": (("start", "size"), _ds),
    "par_dim": (("value",), _par_dim),
    "program_id": (("axis",), lambda tiles, arguments: 0),
    "num_programs": (("axes",), lambda tiles, arguments: 1),
    "program_ndim": ((), lambda tiles, arguments: 0),
    "sum": _reduction(Operator.ADD),
    "mean": _reduction(Operator.ADD, is_mean=True),
    "max": _reduction(Operator.MAXIMUM),
    "min": _reduction(Operator.MINIMUM),
    "prod": _reduction(Operator.MULTIPLY),
    "var": (("x", "axis", "dtype"), _variance),
    "softmax": (("x", "axis", "dtype"), _softmax),
    "reciprocal": (("x", "dtype", "mask"), _reciprocal),
    "negative": (("x", "dtype", "mask"), _negative),
    "where": (("condition", "x", "y", "dtype", "mask"), _where),
    "matmul": (("x", "y", "transpose_x", "mask"), _matmul),
    "transpose": (("x", "dtype", "mask"), _transpose),
    "broadcast_to": (("src", "shape"), _broadcast_to),
    "expand_dims": (("src", "axis"), _expand),
    "device_print": (("prefix", "x", "mask"), _nothing),
    "static_print": (("prefix", "x"), _nothing),
}
CALLS.update({name: _binary(OPERATORS[name]) for name in _BINARY})
CALLS.update(
    {name: _unary(function) for name, function in ACTIVATIONS.items() if name not in CALLS}
)

__all__ = ["CALLS", "METHODS", "Array", "axes_of", "masked", "operator_of", "select_affine"]
