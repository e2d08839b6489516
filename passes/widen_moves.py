"""``gemmini-widen-moves``: one move carries several adjacent tiles of a row of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.tile import LoadOp, MatmulOp, StoreOp, ZeroOp
from ..hw.gemmini.config import GemminiConfig
from .index_math import IndexBuilder, constant_value, depends_on, slope
from .kernel import (
    Move,
    accesses,
    buffer_type,
    config_of,
    iv_of,
    refusal,
    schedulable_kernel,
    users,
)
from .loop_transforms import index_builder, tidy
from .lower_tiles import array_type, element_bytes
from .nests import erase, perfectly_nested, redirect, resized, trip_count, with_slot
from .schedule_space import applicable


@dataclass(frozen=True)
class WidenMovesPass(ModulePass):
    """Let each load and store carry up to ``blocks`` tiles that lie side by side.

    ``blocks`` 0 means what one memory request holds (64 bytes of a row). Needs moves of whole nests
    (gemmini-stage), innermost over the columns of tiles, with adjacent slots; others stay as they
    are. Guarantees the same elements. Saves commands and requests; a full-width store and a load
    into the accumulator carry what their wider elements allow.
    """

    name = "gemmini-widen-moves"

    blocks: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = schedulable_kernel(op)
        config = config_of(function)
        index = index_builder(function)
        for buffer in [op for op in function.walk() if isinstance(op, memref.AllocOp)]:
            _join_slots(index, buffer, config)
        widened = [
            _widen(index, move, config, self.blocks)
            for move in list(accesses(function))
            if isinstance(move, LoadOp | StoreOp)
        ]
        if not any(widened):
            raise refusal(function, "has no nest of moves that could carry several tiles at once")
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return applicable(ctx, module_op, [cls(), cls(2)])


def _join_slots(index: IndexBuilder, buffer: memref.AllocOp, config: GemminiConfig) -> None:
    """Let the last two slot dimensions of a buffer be one, where moves go through both as one.

    Tiles of neighbouring rows of an array lie side by side where a row is a few tiles wide.
    """
    *_, outer, inner = (1, 1, *buffer_type(buffer).get_shape()[:-2])
    moves = [op for op in users(buffer) if not isinstance(op, MatmulOp)]
    if outer < 2 or inner < 2 or not all(_goes_on(op, outer, inner, config) for op in moves):
        return
    new = resized(buffer, [*buffer_type(buffer).get_shape()[:-4], outer * inner])

    def joined(slot: Sequence[SSAValue]) -> list[SSAValue]:
        return [*slot[:-2], index.add(index.mul(slot[-2], inner), slot[-1])]

    for op in users(buffer):
        index.at(InsertPoint.before(op))
        if isinstance(op, MatmulOp):
            redirect(op, buffer.memref, new.memref, joined)
            continue
        loop = op.parent_op()
        assert isinstance(loop, scf.ForOp)
        around = loop.parent_op()
        assert isinstance(around, scf.ForOp)
        # The inner loop goes on where the outer one would begin anew.
        loop.operands[1] = index.constant(outer * inner)
        around.operands[1] = index.constant(1)
        index.insert(with_slot(op, new.memref, [*op.slot[:-2], iv_of(loop)], lambda value: value))
        erase(op)
    erase(buffer)


def _goes_on(op: Move, outer: int, inner: int, config: GemminiConfig) -> bool:
    """Whether ``op`` stands in a loop over ``inner`` tiles, which that of ``outer`` continues."""
    loop = op.parent_op()
    around = loop.parent_op() if loop is not None else None
    if isinstance(op, ZeroOp) or constant_value(op.cols) != config.dim:
        return False
    if not isinstance(loop, scf.ForOp) or not isinstance(around, scf.ForOp):
        return False
    if perfectly_nested(around) is not loop:
        return False
    values = (*op.indices[:-1], op.rows, *op.slot[:-2])
    return (
        inner < carried_blocks(op, config)
        and (trip_count(around), trip_count(loop)) == (outer, inner)
        and (op.slot[-2], op.slot[-1]) == (iv_of(around), iv_of(loop))
        and slope(op.indices[-1], iv_of(loop)) == config.dim
        and slope(op.indices[-1], iv_of(around)) == inner * config.dim
        and not any(depends_on(x, iv_of(each)) for x in values for each in (around, loop))
    )


def _widen(index: IndexBuilder, move: LoadOp | StoreOp, config: GemminiConfig, limit: int) -> bool:
    loop = move.parent_op()
    if not isinstance(loop, scf.ForOp) or constant_value(loop.step) != 1:
        return False
    blocks = carried_blocks(move, config)
    if limit:
        blocks = min(blocks, limit)
    if blocks < 2 or not _adjacent(move, iv_of(loop), config.dim):
        return False
    rest = _rest(move, iv_of(loop), config.dim)
    if rest is None and constant_value(move.cols) != config.dim:
        return False
    index.at(InsertPoint.before(move))
    # Tiles left in this nest, and elements left in the row of the array.
    left = index.mul(index.sub(loop.ub, iv_of(loop)), config.dim)
    loop.operands[2] = index.constant(blocks)
    cols = index.minimum(index.constant(blocks * config.dim), left)
    if rest is not None:
        cols = index.minimum(cols, rest)
    # In loads and stores: the array, its indices, the buffer, its slot, the rows, the columns.
    move.operands[3 + len(move.indices) + len(move.slot)] = cols
    return True


def carried_blocks(move: LoadOp | StoreOp, config: GemminiConfig) -> int:
    """Tiles side by side that one move may carry (64-byte requests, and RTL asserts on stores).

    A full-width store of the accumulator carries one tile (StoreController.scala:225).
    """
    array = array_type(move.source if isinstance(move, LoadOp) else move.target)
    if isinstance(move, LoadOp) and move.diagonal is not None:
        return 1
    if isinstance(move, StoreOp) and move.scale is None and config.is_integer:
        return 1
    return config.blocks_per_move(element_bytes(array))


def _adjacent(move: LoadOp | StoreOp, variable: SSAValue, dim: int) -> bool:
    """Whether the next iteration moves the next tile of the same row into the next slot."""
    *rows, column = move.indices
    if isinstance(move, LoadOp) and move.start is not None:
        rows.append(move.start)
    if isinstance(move, LoadOp) and move.term is not None:
        rows, column = [*rows, column], move.term
    if not move.slot or any(depends_on(v, variable) for v in (*rows, *move.slot[:-1], move.rows)):
        return False
    return slope(move.slot[-1], variable) == 1 and slope(column, variable) == dim


def _rest(move: LoadOp | StoreOp, variable: SSAValue, dim: int) -> SSAValue | None:
    """The columns that are left from the first one on, if ``cols`` is their minimum with ``dim``
    and each iteration takes ``dim`` of them."""
    owner = move.cols.owner
    if not isinstance(owner, arith.MinSIOp):
        return None
    for limit, rest in ((owner.lhs, owner.rhs), (owner.rhs, owner.lhs)):
        if constant_value(limit) == dim and slope(rest, variable) == -dim:
            return rest
    return None
