"""Functions of ``nki.isa`` that the vector engine runs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ...dialects import trn
from ...dialects.trn.types import Engine, Operator, Space
from .call_arguments import Arguments, Handler
from .emitter import free_size, partitions
from .indexing import clip
from .isa_common import (
    engine_of,
    masked_views,
    operator_argument,
    result_tile,
    tile_argument,
)
from .library import LIMITS
from .tiles import Tiles
from .values import DTYPES, FLOAT32, Named, View


def _tensor_tensor(tiles: Tiles, arguments: Arguments) -> View:
    left, right = (tile_argument(tiles, arguments, name) for name in ("data1", "data2"))
    operator = operator_argument(tiles, arguments, "op")
    shape = left.extents
    if shape != right.extents and free_size(left) < free_size(right):
        shape = right.extents
    dst = result_tile(tiles, arguments, shape, tiles.result_type(operator, left.dtype, right.dtype))
    cut = masked_views(tiles, arguments, left, right, dst)
    if cut is None:
        return dst
    node = arguments.node
    left, right = (tiles.broadcast(value, cut[2].extents, node) for value in cut[:2])
    if left.space == right.space == Space.PSUM:
        right = tiles.to_sbuf(right, node)
    engine = engine_of(tiles, arguments)
    if operator == Operator.POWER:
        engine = Engine.POOL
    op = trn.TensorTensorOp(
        operator, tiles.operand(left), tiles.operand(right), tiles.operand(cut[2]), engine
    )
    tiles.emit(op, cut[2])
    return dst


def _tensor_scalar(tiles: Tiles, arguments: Arguments) -> View:
    data, node = tile_argument(tiles, arguments, "data"), arguments.node
    op0 = operator_argument(tiles, arguments, "op0")
    op1 = operator_argument(tiles, arguments, "op1") if "op1" in arguments else None
    dst = result_tile(
        tiles, arguments, data.extents, tiles.result_type(op1 or op0, data.dtype, data.dtype)
    )
    cut = masked_views(tiles, arguments, data, dst)
    if cut is None:
        return dst
    data = tiles.broadcast(cut[0], cut[1].extents, node)
    op = trn.TensorScalarOp(
        op0,
        tiles.operand(data),
        _scalar(tiles, op0, arguments.get("operand0"), data, node),
        tiles.operand(cut[1]),
        op1,
        None if op1 is None else _scalar(tiles, op1, arguments.get("operand1"), data, node),
        reverse0=bool(arguments.get("reverse0", False)),
        reverse1=bool(arguments.get("reverse1", False)),
        engine=engine_of(tiles, arguments),
    )
    tiles.emit(op, cut[1])
    return dst


def _scalar(tiles: Tiles, operator: Operator, value: Any, data: View, node: ast.AST) -> Any:
    """A number, or a column with as many partitions as the data."""
    if not isinstance(value, View):
        return tiles.scalar(operator, value, node)
    value = tiles.on_chip(value, node)
    if partitions(value) > partitions(data):
        first = value.dimensions[0]
        own = [d for d in value.dimensions if d is not first]
        cut = type(first)(partitions(data), first.along, first.step)
        value = value.with_dimensions((cut, *own))
    return tiles.scalar(operator, value, node)


def _tensor_scalar_reduce(tiles: Tiles, arguments: Arguments) -> View:
    data, node = tile_argument(tiles, arguments, "data"), arguments.node
    op0 = operator_argument(tiles, arguments, "op0")
    dst = result_tile(tiles, arguments, data.extents, data.dtype)
    cut = masked_views(tiles, arguments, data, tile_argument(tiles, arguments, "reduce_res"), dst)
    if cut is None:
        return dst
    data, reduced, target = cut
    op = trn.TensorScalarReduceOp(
        op0,
        operator_argument(tiles, arguments, "reduce_op"),
        tiles.operand(data),
        _scalar(tiles, op0, arguments.get("operand0"), data, node),
        tiles.operand(target),
        tiles.operand(reduced),
        reverse0=bool(arguments.get("reverse0", False)),
    )
    tiles.emit(op)
    return dst


def _scalar_tensor_tensor(tiles: Tiles, arguments: Arguments) -> View:
    data, node = tile_argument(tiles, arguments, "data"), arguments.node
    op0, op1 = (operator_argument(tiles, arguments, name) for name in ("op0", "op1"))
    right = arguments["operand1"]
    dst = result_tile(tiles, arguments, data.extents, data.dtype)
    if not isinstance(right, View):
        tiles.refuse(node, "operand1 must be a tile", "use tensor_scalar for two numbers")
    cut = masked_views(tiles, arguments, data, right, dst)
    if cut is None:
        return dst
    data, right, target = cut
    if data.space == right.space == Space.PSUM:
        right = tiles.to_sbuf(right, node)
    op = trn.ScalarTensorTensorOp(
        op0,
        op1,
        tiles.operand(data),
        _scalar(tiles, op0, arguments.get("operand0"), data, node),
        tiles.operand(tiles.broadcast(right, data.extents, node)),
        tiles.operand(target),
        reverse0=bool(arguments.get("reverse0", False)),
        reverse1=bool(arguments.get("reverse1", False)),
    )
    tiles.emit(op, target)
    return dst


def _scan(tiles: Tiles, arguments: Arguments) -> View:
    data0, data1 = (tile_argument(tiles, arguments, name) for name in ("data0", "data1"))
    node = arguments.node
    dst = result_tile(tiles, arguments, data0.extents, FLOAT32)
    cut = masked_views(tiles, arguments, data0, data1, dst)
    if cut is None:
        return dst
    data0, data1 = (tiles.broadcast(value, cut[2].extents, node) for value in cut[:2])
    if data0.space == data1.space == Space.PSUM:
        data1 = tiles.to_sbuf(data1, node)
    op = trn.TensorTensorScanOp(
        operator_argument(tiles, arguments, "op0"),
        operator_argument(tiles, arguments, "op1"),
        tiles.operand(data0),
        tiles.operand(data1),
        _scalar(tiles, Operator.ADD, arguments.get("initial", 0.0), data0, node),
        tiles.operand(cut[2]),
        reverse0=bool(arguments.get("reverse0", False)),
        reverse1=bool(arguments.get("reverse1", False)),
    )
    tiles.emit(op, cut[2])
    return dst


def _tensor_reduce(tiles: Tiles, arguments: Arguments) -> View:
    data, node = tile_argument(tiles, arguments, "data"), arguments.node
    axis = arguments["axis"]
    axes = list(axis) if isinstance(axis, tuple | list) else [axis]
    if not axes or not all(isinstance(one, int) for one in axes):
        tiles.refuse(node, "axis must be an integer or a list of integers")
    given = arguments.get("dst")
    cut = masked_views(tiles, arguments, data)
    if cut is None:
        tiles.refuse(node, "the mask leaves nothing to reduce")
    if given is not None and partitions(given) > partitions(cut[0]):
        given = clip(given, given.shape, {0: partitions(cut[0])})
    return tiles.reduce(
        operator_argument(tiles, arguments, "op"),
        cut[0],
        axes,
        given,
        node,
        dtype=arguments.get("dtype"),
        keepdims=bool(arguments.get("keepdims", False)),
        negate=bool(arguments.get("negate", False)),
        uncut=data,
    )


def _partition_reduce(tiles: Tiles, arguments: Arguments) -> View:
    data = tile_argument(tiles, arguments, "data")
    operator = operator_argument(tiles, arguments, "op")
    dtype = arguments.get("dtype")
    return tiles.reduce(operator, data, [0], arguments.get("dst"), arguments.node, dtype=dtype)


def _reciprocal(tiles: Tiles, arguments: Arguments) -> View:
    data = tile_argument(tiles, arguments, "data")
    dst = result_tile(tiles, arguments, data.extents, data.dtype)
    cut = masked_views(tiles, arguments, data, dst)
    if cut is not None:
        tiles.emit(trn.ReciprocalOp(tiles.operand(cut[0]), tiles.operand(cut[1])), cut[1])
    return dst


def _copy_predicated(tiles: Tiles, arguments: Arguments) -> View:
    source, predicate, dst = (
        tile_argument(tiles, arguments, n) for n in ("src", "predicate", "dst")
    )
    cut = masked_views(tiles, arguments, source, predicate, dst)
    if cut is not None:
        reverse = bool(arguments.get("reverse_pred", False))
        tiles.emit(trn.TensorCopyPredicatedOp(*map(tiles.operand, cut), reverse=reverse))
    return dst


def _select_reduce(tiles: Tiles, arguments: Arguments) -> View:
    data, node = tile_argument(tiles, arguments, "on_true"), arguments.node
    predicate = tile_argument(tiles, arguments, "predicate")
    dst = result_tile(tiles, arguments, data.extents, data.dtype)
    reduced = _reduced_maximum(tiles, arguments)
    op = trn.SelectReduceOp(
        tiles.operand(data),
        tiles.operand(predicate),
        _scalar(tiles, Operator.ADD, arguments["on_false"], data, node),
        tiles.operand(dst),
        None if reduced is None else tiles.operand(reduced),
        reverse=bool(arguments.get("reverse_pred", False)),
    )
    tiles.emit(op)
    return dst


def _range_select(tiles: Tiles, arguments: Arguments) -> View:
    data, node = tile_argument(tiles, arguments, "on_true_tile"), arguments.node
    comparisons = (
        operator_argument(tiles, arguments, "comp_op0"),
        operator_argument(tiles, arguments, "comp_op1"),
    )
    bounds = [tile_argument(tiles, arguments, name) for name in ("bound0", "bound1")]
    dst = result_tile(tiles, arguments, data.extents, FLOAT32)
    reduced = _reduced_maximum(tiles, arguments)
    start = arguments.get("range_start", 0)
    fill = arguments.get("on_false_value", LIMITS["float32"][0])
    op = trn.RangeSelectOp(
        comparisons,
        tiles.operand(data),
        (tiles.operand(bounds[0]), tiles.operand(bounds[1])),
        float(tiles.number(fill, node)),
        tiles.operand(dst),
        None if reduced is None else tiles.operand(reduced),
        int(tiles.number(start, node)),
    )
    tiles.emit(op)
    return dst


def _reduced_maximum(tiles: Tiles, arguments: Arguments) -> View | None:
    """Where a selection puts the maxima of the partitions, None if it does not."""
    named = arguments.get("reduce_cmd")
    command = named.name.rpartition(".")[2] if isinstance(named, Named) else "idle"
    if command not in ("idle", "reset_reduce"):
        tiles.refuse(arguments.node, f"no reduction goes on with {command} here")
    if (
        "reduce_op" in arguments
        and operator_argument(tiles, arguments, "reduce_op") != Operator.MAXIMUM
    ):
        tiles.refuse(arguments.node, "a selection reduces by maximum only")
    return tile_argument(tiles, arguments, "reduce_res") if command != "idle" else None


def _statistics(operation: Callable[..., Any], results: int) -> Handler:
    def run(tiles: Tiles, arguments: Arguments) -> View:
        data = tile_argument(tiles, arguments, "data")
        dst = result_tile(tiles, arguments, (partitions(data), results), FLOAT32)
        cut = masked_views(tiles, arguments, data)
        if cut is None:
            return dst
        target = dst
        if partitions(cut[0]) < partitions(dst):
            target = clip(dst, dst.shape, {0: partitions(cut[0])})
        tiles.emit(operation(tiles.operand(cut[0]), tiles.operand(target)), target)
        return dst

    return ("data", "dtype", "mask", "dst"), run


def _find_index(tiles: Tiles, arguments: Arguments) -> View:
    data, values = (tile_argument(tiles, arguments, name) for name in ("data", "vals"))
    dst = result_tile(tiles, arguments, (partitions(data), 8), DTYPES["uint32"])
    operands = [tiles.operand(value) for value in (data, values, dst)]
    tiles.emit(trn.FindIndex8Op(*operands), dst)
    return dst


def _match_replace(tiles: Tiles, arguments: Arguments) -> View:
    data, values = (tile_argument(tiles, arguments, name) for name in ("data", "vals"))
    number = float(tiles.number(arguments["imm"], arguments.node))
    dst = result_tile(tiles, arguments, data.extents, data.dtype)
    op = trn.MatchReplace8Op(tiles.operand(data), tiles.operand(values), number, tiles.operand(dst))
    tiles.emit(op, dst)
    return dst


def _shuffle(tiles: Tiles, arguments: Arguments) -> View:
    source, dst = (tile_argument(tiles, arguments, name) for name in ("src", "dst"))
    mask = arguments["shuffle_mask"]
    op = trn.StreamShuffleOp(tiles.operand(source), tiles.operand(dst), list(mask))
    tiles.emit(op, dst)
    return dst


def _max8(tiles: Tiles, arguments: Arguments) -> View:
    data = tile_argument(tiles, arguments, "src")
    dst = result_tile(tiles, arguments, (partitions(data), 8), data.dtype)
    tiles.emit(trn.Max8Op(tiles.operand(data), tiles.operand(dst)), dst)
    return dst


CALLS: dict[str, Handler] = {
    "tensor_tensor": (("data1", "data2", "op", "dtype", "mask", "engine", "dst"), _tensor_tensor),
    "tensor_scalar": (
        (
            "data",
            "op0",
            "operand0",
            "reverse0",
            "op1",
            "operand1",
            "reverse1",
            "dtype",
            "mask",
            "engine",
            "dst",
        ),
        _tensor_scalar,
    ),
    "tensor_scalar_reduce": (
        ("data", "op0", "operand0", "reduce_op", "reduce_res", "reverse0", "dtype", "mask", "dst"),
        _tensor_scalar_reduce,
    ),
    "scalar_tensor_tensor": (
        (
            "data",
            "op0",
            "operand0",
            "op1",
            "operand1",
            "reverse0",
            "reverse1",
            "dtype",
            "mask",
            "dst",
        ),
        _scalar_tensor_tensor,
    ),
    "tensor_tensor_scan": (
        (
            "data0",
            "data1",
            "initial",
            "op0",
            "op1",
            "reverse0",
            "reverse1",
            "dtype",
            "mask",
            "dst",
        ),
        _scan,
    ),
    "tensor_reduce": (
        ("op", "data", "axis", "mask", "dtype", "negate", "keepdims", "dst"),
        _tensor_reduce,
    ),
    "tensor_partition_reduce": (("op", "data", "dtype", "dst"), _partition_reduce),
    "reciprocal": (("data", "dtype", "mask", "engine", "dst"), _reciprocal),
    "tensor_copy_predicated": (
        ("src", "dst", "predicate", "mask", "reverse_pred"),
        _copy_predicated,
    ),
    "select_reduce": (
        (
            "dst",
            "predicate",
            "on_true",
            "on_false",
            "reduce_res",
            "reduce_cmd",
            "reduce_op",
            "reverse_pred",
            "dtype",
        ),
        _select_reduce,
    ),
    "range_select": (
        (
            "on_true_tile",
            "comp_op0",
            "comp_op1",
            "bound0",
            "bound1",
            "reduce_cmd",
            "reduce_res",
            "reduce_op",
            "range_start",
            "on_false_value",
            "dtype",
            "dst",
        ),
        _range_select,
    ),
    "bn_stats": _statistics(trn.BnStatsOp, 6),
    "bn_aggr": _statistics(trn.BnAggrOp, 2),
    "max8": (("src", "dtype", "dst"), _max8),
    "nc_find_index8": (("data", "vals", "dtype", "dst"), _find_index),
    "nc_match_replace8": (("data", "vals", "imm", "dtype", "dst"), _match_replace),
    "nc_stream_shuffle": (("src", "dst", "shuffle_mask"), _shuffle),
}
