"""Functions of ``nki.isa``: one instruction each.

In the Beta-2 form a call writes ``dst``; in the older form it returns a new tile. Each entry of
``CALLS`` is the names of the parameters and what the call does.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from ...dialects import trn
from ...dialects.trn.types import Engine, Function, Operator, ReduceCommand, Space
from .call_arguments import Arguments
from .emitter import free_size, partitions
from .grids import limits_of
from .index import Index
from .indexing import clip
from .library import activation_of, operator_of
from .tiles import Tiles
from .values import DTYPES, FLOAT32, Dtype, Grid, Mask, Named, View

Handler = tuple[Sequence[str], Callable[[Tiles, Arguments], Any]]
ENGINES = {
    "vector": Engine.DVE,
    "vector_engine": Engine.DVE,
    "scalar": Engine.ACT,
    "scalar_engine": Engine.ACT,
    "gpsimd": Engine.POOL,
    "gpsimd_engine": Engine.POOL,
    "tensor": Engine.PE,
    "tensor_engine": Engine.PE,
}
"""``nisa.vector_engine`` or ``nisa.engine.vector``."""


def fill(tiles: Tiles, view: View, value: float, node: ast.AST) -> None:
    """Set a part of an array to a number; in HBM by a DMA from a tile."""
    if view.array.on_chip:
        view.array.zero_pending = False
        return tiles.emit(trn.MemsetOp(tiles.operand(view), value), view)
    shape = view.shape if len(view.shape) > 1 else (1, *view.shape)
    tile = tiles.new((min(shape[0], 128), *shape[1:]), view.dtype)
    if shape[0] > 128:
        tiles.refuse(node, "set HBM to a number in parts of at most 128 rows")
    fill(tiles, tile, value, node)
    return tiles.move(tile, view, node)


def write_identity(tiles: Tiles, view: View) -> None:
    """Ones on the diagonal of a square tile, zeros elsewhere."""
    ones = tiles.new(view.shape, view.dtype)
    tiles.emit(trn.MemsetOp(tiles.operand(ones), 1.0), ones)
    op = trn.AffineSelectOp(Operator.EQUAL, tiles.operand(ones), 0.0, tiles.operand(view), [-1], 1)
    tiles.emit(op)


# What the handlers share.


def _dst(
    tiles: Tiles,
    arguments: Arguments,
    shape: Sequence[int],
    dtype: Dtype,
    space: Space = Space.SBUF,
) -> View:
    """Where the result goes: the argument ``dst``, or a new tile."""
    given = arguments.get("dst")
    if given is not None:
        return tiles.on_chip(given, arguments.node)
    asked = arguments.get("dtype", dtype)
    if not isinstance(asked, Dtype):
        tiles.refuse(arguments.node, f"{arguments.function}: dtype must be an element type")
    return tiles.new(shape, asked, space)


def _tile(tiles: Tiles, arguments: Arguments, name: str) -> View:
    return tiles.on_chip(arguments[name], arguments.node)


def _operator(tiles: Tiles, arguments: Arguments, name: str) -> Operator:
    operator = operator_of(arguments[name])
    if operator is None:
        tiles.refuse(arguments.node, f"{name}: {arguments[name]} is no operator", "such as nl.add")
    return operator


def engine_of(tiles: Tiles, arguments: Arguments) -> Engine | None:
    """The engine that a call asks for, None if it leaves the choice."""
    value = arguments.get("engine")
    if value is None:
        return None
    name = value.name.split(".")[-1] if isinstance(value, Named) else str(value)
    if name in ("unknown", "unknown_engine"):
        return None
    if name not in ENGINES:
        tiles.refuse(arguments.node, f"no engine {name!r}", ", ".join(ENGINES))
    return ENGINES[name]


def _mask(tiles: Tiles, arguments: Arguments, *views: View) -> list[View] | None:
    """The views cut to what ``mask`` leaves; None if that is nothing."""
    mask = arguments.get("mask")
    if mask is None:
        return list(views)
    if not isinstance(mask, Mask):
        tiles.refuse(arguments.node, "a mask compares index tiles", "write mask=(i_p < n)")
    shape = max((view.shape for view in views), key=len)
    limits = limits_of(mask, shape)
    if limits is None:
        return None
    cut = list[View]()
    for view in views:
        first = len(shape) - len(view.shape)
        own = {p - first: limit for p, limit in limits.items() if p >= first}
        own = {p: limit for p, limit in own.items() if view.shape[p] > 1}
        cut.append(clip(view, view.shape, own))
    if len(views) > 1 and "dst" not in arguments:
        tiles.note_mask(views[-1], cut[-1])
    return cut


# Moves.


def _dma_copy(tiles: Tiles, arguments: Arguments) -> View:
    target, source = arguments["dst"], arguments["src"]
    if not isinstance(target, View) or not isinstance(source, View):
        tiles.refuse(arguments.node, "dma_copy takes parts of arrays")
    add = "dst_rmw_op" in arguments
    if add and _operator(tiles, arguments, "dst_rmw_op") != Operator.ADD:
        tiles.refuse(arguments.node, "dma_copy can only add to dst")
    cut = _mask(tiles, arguments, source, target)
    if cut is None:
        return target
    tiles.move(cut[0], cut[1], arguments.node, add=add)
    if target.is_whole and target.array.on_chip and source.space == Space.HBM and not add:
        target.array.loaded_from = source if cut[1] == target else None
    return target


def _dma_transpose(tiles: Tiles, arguments: Arguments) -> View:
    target, source = arguments["dst"], arguments["src"]
    if not isinstance(target, View) or not isinstance(source, View):
        tiles.refuse(arguments.node, "dma_transpose takes parts of arrays")
    op = trn.DmaTransposeOp(tiles.operand(source), tiles.operand(target))
    tiles.emit(op, target)
    return target


def _tensor_copy(tiles: Tiles, arguments: Arguments) -> View:
    source = _tile(tiles, arguments, "src")
    dst = _dst(tiles, arguments, source.shape, source.dtype)
    cut = _mask(tiles, arguments, source, dst)
    if cut is not None:
        src = tiles.broadcast(cut[0], cut[1].shape, arguments.node)
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
    if dst.space == Space.PSUM and value == 0.0 and dst.is_whole and not dst.array.products:
        dst.array.zero_pending = True
        return dst
    dst.array.zero_pending = False
    tiles.emit(trn.MemsetOp(tiles.operand(dst), value, engine_of(tiles, arguments)), dst)
    return dst


# The tensor engine.


def _nc_matmul(tiles: Tiles, arguments: Arguments) -> View:
    stationary, moving = (_tile(tiles, arguments, name) for name in ("stationary", "moving"))
    if "dst" in arguments:
        dst = _tile(tiles, arguments, "dst")
        given = arguments.get("accumulate")
        tiles.accumulate(stationary, moving, dst, arguments.node, given)
        return dst
    dst = tiles.new((free_size(stationary), free_size(moving)), FLOAT32, Space.PSUM)
    tiles.product(stationary, moving, dst, arguments.node)
    return dst


def _nc_transpose(tiles: Tiles, arguments: Arguments) -> View:
    dst = arguments.get("dst")
    target = None if dst is None else tiles.on_chip(dst, arguments.node)
    data = _tile(tiles, arguments, "data")
    return tiles.transpose(data, target, arguments.node, engine_of(tiles, arguments))


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
    data = _tile(tiles, arguments, "data")
    function = _function(tiles, arguments)
    own = data.dtype if data.dtype.is_float else FLOAT32
    dst = _dst(tiles, arguments, data.shape, own)
    if "reduce_op" in arguments and _operator(tiles, arguments, "reduce_op") != Operator.ADD:
        tiles.refuse(arguments.node, "an activation reduces by addition only")
    command = arguments.get("reduce_cmd")
    cut = _mask(tiles, arguments, data, dst)
    if cut is None:
        return dst
    data = tiles.broadcast(cut[0], cut[1].shape, arguments.node)
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


# The vector engine.


def _tensor_tensor(tiles: Tiles, arguments: Arguments) -> View:
    left, right = (_tile(tiles, arguments, name) for name in ("data1", "data2"))
    operator = _operator(tiles, arguments, "op")
    shape = left.shape if free_size(left) >= free_size(right) else right.shape
    dst = _dst(tiles, arguments, shape, tiles.result_type(operator, left.dtype, right.dtype))
    cut = _mask(tiles, arguments, left, right, dst)
    if cut is None:
        return dst
    node = arguments.node
    left, right = (tiles.broadcast(value, cut[2].shape, node) for value in cut[:2])
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
    data, node = _tile(tiles, arguments, "data"), arguments.node
    op0 = _operator(tiles, arguments, "op0")
    op1 = _operator(tiles, arguments, "op1") if "op1" in arguments else None
    dst = _dst(tiles, arguments, data.shape, tiles.result_type(op1 or op0, data.dtype, data.dtype))
    cut = _mask(tiles, arguments, data, dst)
    if cut is None:
        return dst
    data = tiles.broadcast(cut[0], cut[1].shape, node)
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
    data, node = _tile(tiles, arguments, "data"), arguments.node
    op0 = _operator(tiles, arguments, "op0")
    dst = _dst(tiles, arguments, data.shape, data.dtype)
    reduced = _tile(tiles, arguments, "reduce_res")
    op = trn.TensorScalarReduceOp(
        op0,
        _operator(tiles, arguments, "reduce_op"),
        tiles.operand(data),
        _scalar(tiles, op0, arguments.get("operand0"), data, node),
        tiles.operand(dst),
        tiles.operand(reduced),
        reverse0=bool(arguments.get("reverse0", False)),
    )
    tiles.emit(op)
    return dst


def _scalar_tensor_tensor(tiles: Tiles, arguments: Arguments) -> View:
    data, node = _tile(tiles, arguments, "data"), arguments.node
    op0, op1 = (_operator(tiles, arguments, name) for name in ("op0", "op1"))
    right = arguments["operand1"]
    dst = _dst(tiles, arguments, data.shape, data.dtype)
    if not isinstance(right, View):
        tiles.refuse(node, "operand1 must be a tile", "use tensor_scalar for two numbers")
    if data.space == right.space == Space.PSUM:
        right = tiles.to_sbuf(right, node)
    op = trn.ScalarTensorTensorOp(
        op0,
        op1,
        tiles.operand(data),
        _scalar(tiles, op0, arguments.get("operand0"), data, node),
        tiles.operand(tiles.broadcast(right, data.shape, node)),
        tiles.operand(dst),
        reverse0=bool(arguments.get("reverse0", False)),
        reverse1=bool(arguments.get("reverse1", False)),
    )
    tiles.emit(op, dst)
    return dst


def _scan(tiles: Tiles, arguments: Arguments) -> View:
    data0, data1 = (_tile(tiles, arguments, name) for name in ("data0", "data1"))
    node = arguments.node
    dst = _dst(tiles, arguments, data0.shape, FLOAT32)
    cut = _mask(tiles, arguments, data0, data1, dst)
    if cut is None:
        return dst
    data0, data1 = (tiles.broadcast(value, cut[2].shape, node) for value in cut[:2])
    if data0.space == data1.space == Space.PSUM:
        data1 = tiles.to_sbuf(data1, node)
    op = trn.TensorTensorScanOp(
        _operator(tiles, arguments, "op0"),
        _operator(tiles, arguments, "op1"),
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
    data, node = _tile(tiles, arguments, "data"), arguments.node
    axis = arguments["axis"]
    axes = list(axis) if isinstance(axis, tuple | list) else [axis]
    if not axes or not all(isinstance(one, int) for one in axes):
        tiles.refuse(node, "axis must be an integer or a list of integers")
    given = arguments.get("dst")
    cut = _mask(tiles, arguments, data)
    if cut is None:
        tiles.refuse(node, "the mask leaves nothing to reduce")
    if given is not None and partitions(given) > partitions(cut[0]):
        given = clip(given, given.shape, {0: partitions(cut[0])})
    return tiles.reduce(
        _operator(tiles, arguments, "op"),
        cut[0],
        axes,
        given,
        node,
        dtype=arguments.get("dtype"),
        keepdims=bool(arguments.get("keepdims", False)),
        negate=bool(arguments.get("negate", False)),
    )


def _partition_reduce(tiles: Tiles, arguments: Arguments) -> View:
    data = _tile(tiles, arguments, "data")
    operator = _operator(tiles, arguments, "op")
    return tiles.reduce(operator, data, [0], arguments.get("dst"), arguments.node)


def _reciprocal(tiles: Tiles, arguments: Arguments) -> View:
    data = _tile(tiles, arguments, "data")
    dst = _dst(tiles, arguments, data.shape, data.dtype)
    cut = _mask(tiles, arguments, data, dst)
    if cut is not None:
        tiles.emit(trn.ReciprocalOp(tiles.operand(cut[0]), tiles.operand(cut[1])), cut[1])
    return dst


def _copy_predicated(tiles: Tiles, arguments: Arguments) -> View:
    source, predicate, dst = (_tile(tiles, arguments, n) for n in ("src", "predicate", "dst"))
    op = trn.TensorCopyPredicatedOp(
        tiles.operand(source),
        tiles.operand(predicate),
        tiles.operand(dst),
        reverse=bool(arguments.get("reverse_pred", False)),
    )
    tiles.emit(op)
    return dst


def _statistics(operation: Callable[..., Any], results: int) -> Handler:
    def run(tiles: Tiles, arguments: Arguments) -> View:
        data = _tile(tiles, arguments, "data")
        dst = _dst(tiles, arguments, (partitions(data), results), FLOAT32)
        cut = _mask(tiles, arguments, data)
        if cut is None:
            return dst
        target = dst
        if partitions(cut[0]) < partitions(dst):
            target = clip(dst, dst.shape, {0: partitions(cut[0])})
        tiles.emit(operation(tiles.operand(cut[0]), tiles.operand(target)), target)
        return dst

    return ("data", "dtype", "mask", "dst"), run


def _find_index(tiles: Tiles, arguments: Arguments) -> View:
    data, values = (_tile(tiles, arguments, name) for name in ("data", "vals"))
    dst = _dst(tiles, arguments, (partitions(data), 8), DTYPES["uint32"])
    operands = [tiles.operand(value) for value in (data, values, dst)]
    tiles.emit(trn.FindIndex8Op(*operands), dst)
    return dst


def _match_replace(tiles: Tiles, arguments: Arguments) -> View:
    data, values = (_tile(tiles, arguments, name) for name in ("data", "vals"))
    number = float(tiles.number(arguments["imm"], arguments.node))
    dst = _dst(tiles, arguments, data.shape, data.dtype)
    op = trn.MatchReplace8Op(tiles.operand(data), tiles.operand(values), number, tiles.operand(dst))
    tiles.emit(op, dst)
    return dst


def _shuffle(tiles: Tiles, arguments: Arguments) -> View:
    source, dst = (_tile(tiles, arguments, name) for name in ("src", "dst"))
    mask = arguments["shuffle_mask"]
    op = trn.StreamShuffleOp(tiles.operand(source), tiles.operand(dst), list(mask))
    tiles.emit(op, dst)
    return dst


# GpSimd.


def _iota(tiles: Tiles, arguments: Arguments) -> View:
    node = arguments.node
    if isinstance(arguments.get("expr"), Grid):
        grid: Grid = arguments["expr"]
        dst = _dst(tiles, arguments, grid.shape, DTYPES["int32"])
        factors, base = grid.factors, grid.base
    else:
        dst = _dst(tiles, arguments, (1,), DTYPES["int32"])
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

    data, node = _tile(tiles, arguments, "on_true_tile"), arguments.node
    number = float(tiles.number(arguments["on_false_value"], node))
    dst = _dst(tiles, arguments, data.shape, data.dtype)
    if isinstance(arguments.get("pred"), Mask):
        return select_affine(tiles, arguments["pred"], data, number, dst, node)
    comparison = Operator.GREATER_EQUAL
    if "cmp_op" in arguments:
        comparison = _operator(tiles, arguments, "cmp_op")
    steps = [pair[0] for pair in arguments["pattern"]]
    base = Index.of(arguments.get("offset", 0))
    offset = tiles.reader.emitter.index(Index(0, base.terms)) if base.terms else None
    data, target = (_shaped(tiles, view, len(steps) + 1, node) for view in (data, dst))
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


def _version(tiles: Tiles, arguments: Arguments) -> Named:
    return Named("nisa", "nc_version.gen2")


_DST = ("dst",)
CALLS: dict[str, Handler] = {
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
            "mask",
            "dst",
            "accumulate",
            "perf_mode",
        ),
        _nc_matmul,
    ),
    "nc_transpose": (("data", "mask", "dtype", "engine", "dst"), _nc_transpose),
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
    "tensor_partition_reduce": (("op", "data", "mask", "dtype", "dst"), _partition_reduce),
    "reciprocal": (("data", "dtype", "mask", "engine", "dst"), _reciprocal),
    "tensor_copy_predicated": (
        ("src", "dst", "predicate", "mask", "dtype", "reverse_pred"),
        _copy_predicated,
    ),
    "bn_stats": _statistics(trn.BnStatsOp, 6),
    "bn_aggr": _statistics(trn.BnAggrOp, 2),
    "max8": (
        ("src", "mask", "dtype", "dst"),
        lambda tiles, arguments: _max8(tiles, arguments),
    ),
    "nc_find_index8": (("data", "vals", "mask", "dtype", "dst"), _find_index),
    "nc_match_replace8": (("data", "vals", "imm", "mask", "dtype", "dst"), _match_replace),
    "nc_stream_shuffle": (("src", "dst", "shuffle_mask", "dtype", "mask"), _shuffle),
    "iota": (
        ("expr", "dtype", "mask", "dst", "pattern", "channel_multiplier", "offset"),
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


def _max8(tiles: Tiles, arguments: Arguments) -> View:
    data = _tile(tiles, arguments, "src")
    dst = _dst(tiles, arguments, (partitions(data), 8), data.dtype)
    tiles.emit(trn.Max8Op(tiles.operand(data), tiles.operand(dst)), dst)
    return dst
