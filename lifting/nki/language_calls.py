"""Functions of ``nki.language`` (and the NumPy names NKI takes for them), and methods of tiles.

Each entry of ``CALLS`` is the names of the parameters and what the call does.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

from ...dialects import trn
from ...dialects.trn.types import Function, Operator, Space
from . import grids, launches, memory_calls, reshaping
from .call_arguments import Arguments, Handler
from .emitter import free_size
from .index import Index
from .indexing import Segment, broadcast_shape, clip
from .isa_common import fill
from .library import ACTIVATIONS, OPERATORS
from .memory_calls import dtype_of, masked
from .patterns import loop_reduce
from .tiles import Tiles
from .values import DTYPES, FLOAT32, Mask, PartitionDimension, View

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
    start, size = arguments.get("start", 0), arguments["size"]
    if not isinstance(start, int | Index) or not isinstance(size, int | Index):
        tiles.refuse(arguments.node, "nl.ds takes integers")
    if isinstance(size, Index) and size.minimum <= 0:
        size = size.require_constant()
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
    return tiles.new(shape, dtype_of(tiles, arguments))


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


def _on_tile(compute: Callable[[Tiles, View, View, ast.AST], object]) -> Handler:
    """A function from one tile to another of its sizes, as far as a mask says."""

    def run(tiles: Tiles, arguments: Arguments) -> View:
        data, node = tiles.on_chip(arguments["x"], arguments.node), arguments.node
        own = data.dtype if data.dtype.is_float else FLOAT32
        dst = _result(tiles, data.shape, arguments) or tiles.new(data.shape, own)
        mask = arguments.get("mask")
        if mask is None:
            compute(tiles, data, dst, node)
            return dst
        part, target = _masked_all(tiles, [data, dst], data.shape, mask, node)
        if part is not None:
            compute(tiles, part, target, node)
            tiles.note_mask(dst, target)
        return dst

    return ("x", "dtype", "mask"), run


def _unary(function: Function) -> Handler:
    return _on_tile(lambda tiles, data, dst, node: tiles.activation(function, data, dst, node))


def _reciprocal(tiles: Tiles, data: View, dst: View, node: ast.AST) -> None:
    tiles.emit(trn.ReciprocalOp(tiles.operand(data), tiles.operand(dst)), dst)


def _negative(tiles: Tiles, data: View, dst: View, node: ast.AST) -> None:
    tiles.binary(Operator.MULTIPLY, data, -1.0, dst, node)


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
            uncut=data,
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
    result = tiles.new(data.shape, dtype_of(tiles, arguments, data.dtype))
    total = tiles.new((data.shape[0], 1), FLOAT32)
    tiles.activation(Function.EXP, data, result, node, bias=largest, reduced=total)
    inverse = tiles.new(total.shape, FLOAT32)
    tiles.emit(trn.ReciprocalOp(tiles.operand(total), tiles.operand(inverse)), inverse)
    return tiles.binary(Operator.MULTIPLY, result, inverse, result, node)


def _where(tiles: Tiles, arguments: Arguments) -> View:
    condition, node = arguments["condition"], arguments.node
    on_true, on_false, mask = arguments["x"], arguments["y"], arguments.get("mask")
    if isinstance(condition, Mask):
        if isinstance(on_false, View) or not isinstance(on_true, View) or mask is not None:
            tiles.refuse(node, "nl.where with a mask takes a tile and a number")
        number = float(tiles.number(on_false, node))
        return select_affine(tiles, condition, on_true, number, None, node)
    values = [tiles.on_chip(condition, node), on_true, on_false]
    shape = broadcast_shape(*(value.shape for value in values if isinstance(value, View)))
    dtypes = [value.dtype for value in (on_true, on_false) if isinstance(value, View)]
    result = tiles.new(shape, dtype_of(tiles, arguments, dtypes[0] if dtypes else FLOAT32))
    values.append(result)
    if mask is not None:
        values = _masked_all(tiles, values, shape, mask, node)
    if values[-1] is not None:
        _choose(tiles, values, node)
        tiles.note_mask(result, values[-1])
    return result


def _choose(tiles: Tiles, values: list[Any], node: ast.AST) -> None:
    """``dst = on_true`` where the predicate is not zero, else ``on_false``."""
    predicate, on_true, on_false, dst = values
    if predicate.dtype.is_float:
        converted = tiles.new(predicate.shape, FLOAT32)
        tiles.binary(Operator.NOT_EQUAL, predicate, 0.0, converted, node)
        predicate = tiles.new(predicate.shape, DTYPES["uint8"])
        tiles.copy(converted, predicate, node)
    _fill_or_copy(tiles, on_false, dst, node)
    if not isinstance(on_true, View):
        number, on_true = on_true, tiles.new(dst.shape, dst.dtype)
        _fill_or_copy(tiles, number, on_true, node)
    source = tiles.broadcast(on_true, dst.shape, node)
    chosen = tiles.broadcast(predicate, dst.shape, node)
    op = trn.TensorCopyPredicatedOp(
        tiles.operand(source), tiles.operand(chosen), tiles.operand(dst)
    )
    tiles.emit(op)


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
        tiles.emit(op, dst)
        data = dst
    return dst


def _matmul(tiles: Tiles, arguments: Arguments) -> View:
    node = arguments.node
    left, right = (tiles.on_chip(arguments[name], node) for name in ("x", "y"))
    if not arguments.get("transpose_x", False):
        turned = tiles.transpose(left, None, node)
        left = tiles.to_sbuf(turned, node) if turned.space == Space.PSUM else turned
    dst = tiles.new((free_size(left), free_size(right)), FLOAT32, Space.PSUM)
    tiles.product(left, right, dst)
    return dst


def _transpose(tiles: Tiles, arguments: Arguments) -> View:
    data, dtype = tiles.on_chip(arguments["x"], arguments.node), arguments.get("dtype")
    return tiles.transpose(data, None, arguments.node, dtype=dtype)


def _nothing(tiles: Tiles, arguments: Arguments) -> None:
    """A call that only helps to debug."""


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
    **memory_calls.CALLS,
    **reshaping.CALLS,
    "loop_reduce": (("x", "op", "loop_indices", "dtype"), loop_reduce),
    "arange": (("start", "stop", "step"), _arange),
    "ds": (("start", "size"), _ds),
    "par_dim": (("value",), _par_dim),
    "program_id": (("axis",), launches.program_id),
    "num_programs": (("axes",), launches.num_programs),
    "program_ndim": ((), launches.program_ndim),
    "nc": (("count",), lambda tiles, arguments: arguments["count"]),
    "sum": _reduction(Operator.ADD),
    "mean": _reduction(Operator.ADD, is_mean=True),
    "max": _reduction(Operator.MAXIMUM),
    "min": _reduction(Operator.MINIMUM),
    "prod": _reduction(Operator.MULTIPLY),
    "var": (("x", "axis", "dtype"), _variance),
    "softmax": (("x", "axis", "dtype"), _softmax),
    "reciprocal": _on_tile(_reciprocal),
    "negative": _on_tile(_negative),
    "where": (("condition", "x", "y", "dtype", "mask"), _where),
    "matmul": (("x", "y", "transpose_x"), _matmul),
    "transpose": (("x", "dtype"), _transpose),
    "device_print": (("prefix", "x", "mask"), _nothing),
    "static_print": (("prefix", "x"), _nothing),
}
CALLS.update({name: _binary(OPERATORS[name]) for name in _BINARY})
CALLS.update(
    {name: _unary(function) for name, function in ACTIVATIONS.items() if name not in CALLS}
)
