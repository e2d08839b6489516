"""Functions of ``nki.isa``: one instruction each.

In the Beta-2 form a call writes ``dst``; in the older form it returns a new tile. Each entry of
``CALLS`` is the names of the parameters and what the call does.
"""

from __future__ import annotations

import ast

from ...dialects import trn
from ...dialects.trn.types import Function, Operator, ReduceCommand, Space
from . import vector_calls
from .call_arguments import Arguments, Handler
from .emitter import free_size, partitions
from .index import Index
from .isa_common import (
    engine_of,
    fill,
    masked_views,
    operator_argument,
    result_tile,
    tile_argument,
)
from .library import NC_VERSIONS, activation_of
from .tiles import Tiles
from .values import DTYPES, FLOAT32, Grid, Mask, Named, View

# Moves.


def _dma_copy(tiles: Tiles, arguments: Arguments) -> View:
    target, source = arguments["dst"], arguments["src"]
    if not isinstance(target, View) or not isinstance(source, View):
        tiles.refuse(arguments.node, "dma_copy takes parts of arrays")
    add = "dst_rmw_op" in arguments
    if add and operator_argument(tiles, arguments, "dst_rmw_op") != Operator.ADD:
        tiles.refuse(arguments.node, "dma_copy can only add to dst")
    cut = masked_views(tiles, arguments, source, target)
    if cut is None:
        return target
    tiles.move(cut[0], cut[1], arguments.node, add=add)
    from_hbm = target.array.on_chip and source.space == Space.HBM
    if target.is_whole and from_hbm and not add and cut[1] == target:
        tiles.note_load(target, source)
    return target


def _dma_transpose(tiles: Tiles, arguments: Arguments) -> View:
    target, source = arguments["dst"], arguments["src"]
    if not isinstance(target, View) or not isinstance(source, View):
        tiles.refuse(arguments.node, "dma_transpose takes parts of arrays")
    if tuple(arguments.get("axes", (1, 0))) != (1, 0):
        tiles.refuse(arguments.node, "dma_transpose exchanges two dimensions")
    op = trn.DmaTransposeOp(tiles.operand(source), tiles.operand(target))
    tiles.emit(op, target)
    return target


def _tensor_copy(tiles: Tiles, arguments: Arguments) -> View:
    source = tile_argument(tiles, arguments, "src")
    dst = result_tile(tiles, arguments, source.extents, source.dtype)
    cut = masked_views(tiles, arguments, source, dst)
    if cut is not None:
        src = tiles.broadcast(cut[0], cut[1].extents, arguments.node)
        engine = engine_of(tiles, arguments)
        tiles.emit(trn.TensorCopyOp(tiles.operand(src), tiles.operand(cut[1]), engine), cut[1])
    return dst


def _memset(tiles: Tiles, arguments: Arguments) -> View:
    value = float(tiles.number(arguments.get("value", 0.0), arguments.node))
    given = arguments.get("dst")
    if given is None:
        shape = arguments["shape"]
        dst = tiles.new(shape, arguments.get("dtype", FLOAT32))
    else:
        dst = tiles.on_chip(given, arguments.node)
    cut = masked_views(tiles, arguments, dst)
    if cut is not None:
        fill(tiles, cut[0], value, arguments.node, engine_of(tiles, arguments))
    return dst


# The tensor engine.


def _nc_matmul(tiles: Tiles, arguments: Arguments) -> View:
    stationary, moving = (
        tile_argument(tiles, arguments, name) for name in ("stationary", "moving")
    )
    if "dst" in arguments:
        dst = tile_argument(tiles, arguments, "dst")
        given = arguments.get("accumulate")
        tiles.accumulate(stationary, moving, dst, arguments.node, given)
        return dst
    dst = tiles.new((free_size(stationary), free_size(moving)), FLOAT32, Space.PSUM)
    tiles.product(stationary, moving, dst)
    return dst


def _nc_transpose(tiles: Tiles, arguments: Arguments) -> View:
    dst = arguments.get("dst")
    target = None if dst is None else tiles.on_chip(dst, arguments.node)
    data, dtype = tile_argument(tiles, arguments, "data"), arguments.get("dtype")
    engine = engine_of(tiles, arguments)
    return tiles.transpose(data, target, arguments.node, engine, dtype)


# The scalar engine.


def _function(tiles: Tiles, arguments: Arguments) -> Function:
    function = activation_of(arguments["op"])
    if function is None:
        tiles.refuse(arguments.node, f"op: {arguments['op']} is no activation", "such as nl.exp")
    return function


def _optional_tile(tiles: Tiles, arguments: Arguments, name: str, data: View) -> View | None:
    """A column, or a number as a column."""
    value = arguments.get(name)
    if value is None or isinstance(value, View):
        return value
    number = float(tiles.number(value, arguments.node))
    if number == 0.0:
        return None
    column = tiles.new((partitions(data), 1), FLOAT32)
    tiles.emit(trn.MemsetOp(tiles.operand(column), number), column)
    return column


COMMANDS = {
    "idle": ReduceCommand.IDLE,
    "reset": ReduceCommand.RESET,
    "reduce": ReduceCommand.REDUCE,
    "reset_reduce": ReduceCommand.RESET_REDUCE,
}


def _activation(tiles: Tiles, arguments: Arguments) -> View:
    data = tile_argument(tiles, arguments, "data")
    function = _function(tiles, arguments)
    own = data.dtype if data.dtype.is_float else FLOAT32
    dst = result_tile(tiles, arguments, data.extents, own)
    if (
        "reduce_op" in arguments
        and operator_argument(tiles, arguments, "reduce_op") != Operator.ADD
    ):
        tiles.refuse(arguments.node, "an activation reduces by addition only")
    command = arguments.get("reduce_cmd")
    cut = masked_views(tiles, arguments, data, dst)
    if cut is None:
        return dst
    data = tiles.broadcast(cut[0], cut[1].extents, arguments.node)
    tiles.activation(
        function,
        data,
        cut[1],
        arguments.node,
        scale=arguments.get("scale", 1.0),
        bias=_optional_tile(tiles, arguments, "bias", data),
        reduced=arguments.get("reduce_res"),
        command=COMMANDS.get(command.name.split(".")[-1]) if isinstance(command, Named) else None,
    )
    return dst


def _activation_reduce(tiles: Tiles, arguments: Arguments) -> View:
    return _activation(tiles, arguments)


# GpSimd.


def _iota(tiles: Tiles, arguments: Arguments) -> View:
    node = arguments.node
    if isinstance(arguments.get("expr"), Grid):
        grid: Grid = arguments["expr"]
        dst = result_tile(tiles, arguments, grid.shape, DTYPES["int32"])
        factors, base = grid.factors, grid.base
    else:
        dst = result_tile(tiles, arguments, (1,), DTYPES["int32"])
        steps = [pair[0] for pair in arguments.get("pattern", [[1, free_size(dst)]])]
        factors = (int(arguments.get("channel_multiplier", 0)), *steps)
        base = Index.of(arguments.get("offset", 0))
    dst = _shaped(tiles, dst, len(factors), node)
    offset = tiles.reader.emitter.index(Index(0, base.terms)) if base.terms else None
    op = trn.IotaOp(tiles.operand(dst), factors[1:], factors[0], base.constant, offset)
    tiles.emit(op)
    return dst


def _shaped(tiles: Tiles, view: View, rank: int, node: ast.AST) -> View:
    """The view with ``rank`` dimensions, if only those of size 1 are in the way."""
    dimensions = [d for p, d in enumerate(view.dimensions) if p == 0 or d.size > 1]
    while len(dimensions) < rank:
        dimensions.append(type(dimensions[0])(1, len(view.offsets) - 1, 0))
    if len(dimensions) != rank:
        tiles.refuse(node, f"the pattern has {rank - 1} free dimensions, not {len(dimensions) - 1}")
    return view.with_dimensions(tuple(dimensions))


def _affine_select(tiles: Tiles, arguments: Arguments) -> View:
    from .language_calls import select_affine

    data, node = tile_argument(tiles, arguments, "on_true_tile"), arguments.node
    number = float(tiles.number(arguments["on_false_value"], node))
    dst = result_tile(tiles, arguments, data.extents, data.dtype)
    cut = masked_views(tiles, arguments, data, dst)
    if cut is None:
        return dst
    data, target = cut
    if isinstance(arguments.get("pred"), Mask):
        select_affine(tiles, arguments["pred"], data, number, target, node)
        return dst
    comparison = Operator.GREATER_EQUAL
    if "cmp_op" in arguments:
        comparison = operator_argument(tiles, arguments, "cmp_op")
    steps = [pair[0] for pair in arguments["pattern"]]
    base = Index.of(arguments.get("offset", 0))
    offset = tiles.reader.emitter.index(Index(0, base.terms)) if base.terms else None
    data, target = (_shaped(tiles, view, len(steps) + 1, node) for view in cut)
    op = trn.AffineSelectOp(
        comparison,
        tiles.operand(data),
        number,
        tiles.operand(target),
        steps,
        int(arguments.get("channel_multiplier", 0)),
        base.constant,
        offset,
    )
    tiles.emit(op)
    return dst


def _version(tiles: Tiles, arguments: Arguments) -> int:
    """NeuronCore-v2: what such a kernel does everywhere."""
    return NC_VERSIONS["nc_version.gen2"]


CALLS: dict[str, Handler] = {
    **vector_calls.CALLS,
    "dma_copy": (("dst", "src", "dst_rmw_op", "mask", "dge_mode", "engine"), _dma_copy),
    "dma_transpose": (("dst", "src", "axes", "dge_mode"), _dma_transpose),
    "tensor_copy": (("src", "dtype", "mask", "engine", "dst"), _tensor_copy),
    "memset": (("shape", "value", "dtype", "mask", "engine", "dst"), _memset),
    "nc_matmul": (
        (
            "stationary",
            "moving",
            "is_stationary_onezero",
            "is_moving_onezero",
            "is_transpose",
            "dst",
            "accumulate",
        ),
        _nc_matmul,
    ),
    "nc_transpose": (("data", "dtype", "engine", "dst"), _nc_transpose),
    "activation": (
        (
            "op",
            "data",
            "bias",
            "scale",
            "reduce_op",
            "reduce_res",
            "reduce_cmd",
            "mask",
            "dtype",
            "dst",
        ),
        _activation,
    ),
    "activation_reduce": (
        ("op", "data", "reduce_op", "reduce_res", "bias", "scale", "mask", "dtype", "dst"),
        _activation_reduce,
    ),
    "iota": (
        ("expr", "dtype", "dst", "pattern", "channel_multiplier", "offset"),
        _iota,
    ),
    "affine_select": (
        (
            "pred",
            "on_true_tile",
            "on_false_value",
            "mask",
            "dtype",
            "dst",
            "pattern",
            "channel_multiplier",
            "cmp_op",
            "offset",
        ),
        _affine_select,
    ),
    "get_nc_version": ((), _version),
}
