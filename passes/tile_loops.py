"""``gemmini-tile``: strip-mine loops over array tiles for the local memories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from .block_sizes import block_sizes, has_transposed_weights, misaligned_operands
from .dependence import require_permutable
from .index_math import IndexBuilder, constant_value
from .kernel import (
    config_of,
    loop_name,
    named_loop,
    named_loops,
    products,
    refusal,
    schedulable_kernel,
)
from .loop_transforms import index_builder, permute, strip_mine, tidy
from .nests import perfect_band, trip_count
from .schedule_space import applicable

MAX_LISTED = 12
"""Block sizes that the schedule space lists: the best ones by estimate."""
OUTER = "o"
"""Ending of the name of a loop over blocks."""


TILED = "ghijrsk"
"""The loops that can be split, outermost first."""


@dataclass(frozen=True)
class TilePass(ModulePass):
    """Split the loops over array tiles into loops over blocks and loops inside a block.

    Options are block sizes in iterations of the loop of that name; 0 leaves a loop alone. ``i``,
    ``j`` and ``k`` count array tiles, ``g`` and ``h`` repeat tiles around ``i``, ``r`` and ``s``
    around ``k``. The new loops over blocks, called ``io``, ``jo``, ``ko`` and so on, move outward
    as far as the nest is perfect. Needs loops from 0 to a constant, not split yet.
    Guarantees the same tiles for any sizes: the last block is shorter where the size does not
    divide the trip count. Costs nothing by itself.
    """

    name = "gemmini-tile"

    i: int = 0
    j: int = 0
    k: int = 0
    h: int = 0
    g: int = 0
    r: int = 0
    s: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = schedulable_kernel(op)
        sizes = {name: getattr(self, name) for name in TILED}
        if not any(sizes.values()):
            raise refusal(function, f"gemmini-tile needs a size for one of {', '.join(TILED)}")
        index = index_builder(function)
        for name, size in sizes.items():
            if size:
                if name + OUTER in named_loops(function):
                    raise refusal(function, f"loop {name!r} is split already")
                strip_mine(index, named_loop(function, name), size, name + OUTER)
        for name, size in sizes.items():
            if size:
                _move_outward(index, function, name + OUTER)
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        try:
            function = schedulable_kernel(module_op)
            config = config_of(function)
            loops = named_loops(function)
        except PassFailedException:
            return ()
        counts = {name: trip_count(loop) for name, loop in loops.items()}
        known = {name: count for name, count in counts.items() if count}
        if known != counts or not set("ijk") <= set(counts) or not set(counts) <= set(TILED):
            return ()
        sizes = block_sizes(
            known,
            config,
            tile_height(function),
            misaligned=misaligned_operands(function),
            b_transposed=has_transposed_weights(function),
        )[:MAX_LISTED]
        return applicable(ctx, module_op, [cls(**size) for size in sizes])


def tile_height(function: func.FuncOp) -> int:
    """Rows of the tiles of C where all have the same number, else 0."""
    heights = {constant_value(product.m) for product in products(function)}
    return next(iter(heights)) or 0 if len(heights) == 1 else 0


def _move_outward(index: IndexBuilder, function: func.FuncOp, name: str) -> None:
    """Move a loop over blocks in front of the loops inside blocks that are perfectly around it."""
    target = named_loop(function, name)
    outermost = target
    while isinstance(parent := outermost.parent_op(), scf.ForOp) and (
        target in perfect_band(parent)
    ):
        outermost = parent
    band = perfect_band(outermost)
    inner = [loop for loop in band if _is_split(function, loop)]
    order = [loop for loop in band if loop not in inner] + inner
    if order == band:
        return
    require_permutable(band)
    permute(index, band, order)


def _is_split(function: func.FuncOp, loop: scf.ForOp) -> bool:
    """Whether ``loop`` runs inside the blocks of another."""
    name = loop_name(loop)
    return name is not None and name + OUTER in named_loops(function)
