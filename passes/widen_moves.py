"""``gemmini-widen-moves``: one move carries several adjacent tiles of a row of tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.tile import LoadOp, StoreOp
from ..hw.gemmini.config import GemminiConfig
from .index_math import IndexBuilder, constant_value, depends_on, slope
from .kernel import accesses, config_of, iv_of, refusal, schedulable_kernel
from .loop_transforms import index_builder, tidy
from .lower_tiles import array_type, element_bytes
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
