"""What the functions of ``nki.isa`` share: their operands, masks, engines and results."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ...dialects import trn
from ...dialects.trn.types import Engine, Operator, Space
from .call_arguments import Arguments
from .emitter import free_size
from .grids import limits_of
from .index import Integer
from .indexing import Slice, clip, select
from .library import operator_of
from .psum_groups import begin_at_zero
from .tiles import Tiles
from .values import Dtype, Mask, Named, View

MAX_FILL = 1 << 15
"""Elements per partition that one memset sets: half of what an access pattern may walk through."""
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


def fill(
    tiles: Tiles, view: View, value: float, node: ast.AST, engine: Engine | None = None
) -> None:
    """Set a part of an array to a number; in HBM by a DMA from a tile."""
    if view.array.on_chip:
        is_reset = view.space == Space.PSUM and value == 0.0 and view.is_whole
        if is_reset and begin_at_zero(tiles.reader, view):
            return None
        view.array.zero_pending = False
        for part in _pieces(view):
            tiles.emit(trn.MemsetOp(tiles.operand(part), value, engine), part)
        return None
    shape = view.shape if len(view.shape) > 1 else (1, *view.shape)
    tile = tiles.new((min(shape[0], 128), *shape[1:]), view.dtype)
    if shape[0] > 128:
        tiles.refuse(node, "set HBM to a number in parts of at most 128 rows")
    fill(tiles, tile, value, node)
    return tiles.move(tile, view, node)


def _pieces(view: View) -> list[View]:
    """Parts of a view that one instruction can walk through."""
    if free_size(view) <= MAX_FILL:
        return [view]
    free = [place for place, own in enumerate(view.dimensions) if own.along != 0]
    place = max(free, key=lambda place: view.dimensions[place].size)
    half = view.dimensions[place].size // 2
    everything = Slice(None, None, None)
    cuts = (Slice(None, half, None), Slice(half, None, None))
    return [piece for cut in cuts for piece in _pieces(select(view, [*[everything] * place, cut]))]


def write_identity(tiles: Tiles, view: View) -> None:
    """Ones on the diagonal of a square tile, zeros elsewhere."""
    ones = tiles.new(view.shape, view.dtype)
    tiles.emit(trn.MemsetOp(tiles.operand(ones), 1.0), ones)
    op = trn.AffineSelectOp(Operator.EQUAL, tiles.operand(ones), 0.0, tiles.operand(view), [-1], 1)
    tiles.emit(op)


def result_tile(
    tiles: Tiles,
    arguments: Arguments,
    shape: Sequence[Integer],
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


def tile_argument(tiles: Tiles, arguments: Arguments, name: str) -> View:
    return tiles.on_chip(arguments[name], arguments.node)


def operator_argument(tiles: Tiles, arguments: Arguments, name: str) -> Operator:
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


def masked_views(tiles: Tiles, arguments: Arguments, *views: View) -> list[View] | None:
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
