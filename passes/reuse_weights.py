"""``gemmini-reuse-weights``: do not load a tile of B that is in the array already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.tile import MatmulOp
from .index_math import (
    IndexBuilder,
    constant_value,
    depends_on,
    is_index_math,
    name,
    range_of,
)
from .kernel import accesses, iv_of, products, refusal, schedulable_kernel
from .loop_transforms import index_builder, tidy
from .nests import (
    copy_product,
    erase,
    insert_loop,
    perfect_band,
    replace_product,
    same_tile,
    touches,
    trip_count,
)
from .schedule_space import applicable


@dataclass(frozen=True)
class ReuseWeightsPass(ModulePass):
    """Mark products whose tile of B the array still holds from the product before.

    Needs a product whose tile of B does not change in the loops directly around it (nor is loaded
    in them). With ``apart`` the product that loads the tile stands in front of loops over the
    others, which needs loops that contain nothing else; without, a flag tells them apart.
    Guarantees the same sums. Frees the scratchpad bank of B for the DMA; short tiles take as few
    cycles as they have rows. Costs the core a branch for each product, or with ``apart`` a longer
    program.
    """

    name = "gemmini-reuse-weights"

    apart: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = schedulable_kernel(op)
        index = index_builder(function)
        marked = [self._reuse(index, product) for product in products(function)]
        if not any(marked):
            raise refusal(
                products(function)[-1],
                "uses another tile of B than the product before, in its innermost loop too",
            )
        tidy(function)

    def _reuse(self, index: IndexBuilder, product: MatmulOp) -> bool:
        if product.keep is not None:
            raise refusal(product, "has a keep flag already")
        loops = _loops_with_same_weights(product)
        held = _held_before(index, loops[0] if loops else product, product)
        once = all(trip_count(loop) == 1 for loop in loops)
        if held is not None and (once or constant_value(held)):
            replace_product(product, keep=held)
        elif once:
            return False
        elif self.apart:
            _set_apart(index, product, loops, held)
        else:
            _mark(index, product, loops, held)
        return True

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return applicable(ctx, module_op, [cls(apart=True), cls()])


def _held_before(index: IndexBuilder, statement: Operation, product: MatmulOp) -> SSAValue | None:
    """The condition on which the last product before ``statement`` has the same weights, if any.

    It stands directly in front of it, alone, in loops or under one guard, as gemmini-peel leaves
    them.
    """
    op = _effect_before(statement)
    held = index.flag(True)
    if isinstance(op, scf.IfOp) and not op.false_region.blocks:
        held, op = op.cond, _last_effect(op.true_region.block)
    while isinstance(op, scf.ForOp) and (range_of(op.ub).low or 0) > (constant_value(op.lb) or 0):
        op = _last_effect(op.body.block)
    if not isinstance(op, MatmulOp) or op.b is not product.b:
        return None
    weights = (*product.b_slot, product.depth, product.n)
    return held if same_tile(weights, (*op.b_slot, op.depth, op.n)) else None


def _effect_before(statement: Operation) -> Operation | None:
    """What comes last before ``statement``, also if that stands under guards that it does not."""
    op = statement.prev_op
    while op is not None and is_index_math(op):
        op = op.prev_op
    if op is None and isinstance(parent := statement.parent_op(), scf.IfOp):
        return _effect_before(parent)
    return op


def _last_effect(block: Block) -> Operation | None:
    return next((op for op in reversed(block.ops) if not _is_silent(op)), None)


def _is_silent(op: Operation) -> bool:
    return is_index_math(op) or isinstance(op, scf.YieldOp)


def _loops_with_same_weights(product: MatmulOp) -> list[scf.ForOp]:
    """The loops directly around ``product`` whose iterations share a tile of B, outermost first."""
    if product.a_transpose is not None and product.b_transpose is not None:
        raise refusal(product, "is output-stationary: the array holds sums, not weights")
    found: list[scf.ForOp] = []
    loop = product.parent_op()
    while isinstance(loop, scf.ForOp) and _leaves_weights(loop, product):
        found.append(loop)
        loop = loop.parent_op()
    return found[::-1]


def _leaves_weights(loop: scf.ForOp, product: MatmulOp) -> bool:
    """Whether all iterations of ``loop`` are products with the same tile of B."""
    weights = (*product.b_slot, product.depth, product.n)
    if constant_value(loop.lb) != 0 or any(depends_on(w, iv_of(loop)) for w in weights):
        return False
    inside = list(accesses(loop))
    if sum(isinstance(op, MatmulOp) for op in inside) != 1:
        return False
    return not any(
        touch.memory is product.b and touch.writes for op in inside for touch in touches(op)
    )


def _mark(
    index: IndexBuilder, product: MatmulOp, loops: Sequence[scf.ForOp], held: SSAValue | None
) -> None:
    index.at(InsertPoint.before(product))
    passed = index.constant(0)
    for loop in reversed(loops):
        passed = index.add(passed, iv_of(loop))
    keep = index.positive(passed)
    if held is not None:
        keep = index.either(keep, held)
    replace_product(product, keep=name(keep, "keep"))


def _set_apart(
    index: IndexBuilder, product: MatmulOp, loops: Sequence[scf.ForOp], held: SSAValue | None
) -> None:
    """Rebuild ``loops`` as the very first product, and loops over the others from the inside out.

    The first iterations of all loops but one are in front of the rest of that one.
    """
    nest = loops[0]
    if product not in _only_effects(loops):
        raise refusal(nest, "contains more than products with one tile of B")
    for loop in loops:
        if (range_of(loop.ub).low or 0) < 1:
            raise refusal(loop, "may not run at all")
    index.at(InsertPoint.before(nest))
    first = {iv_of(loop): index.constant(0) for loop in loops}
    copy_product(index, product, dict(first), nest, keep=held)
    for position in reversed(range(len(loops))):
        mapping = {iv_of(loop): first[iv_of(loop)] for loop in loops[:position]}
        index.at(InsertPoint.before(nest))
        for depth, loop in enumerate(loops[position:]):
            upper = index.copy(loop.ub, mapping, nest)
            hint = iv_of(loop).name_hint or "x"
            _, mapping[iv_of(loop)] = insert_loop(index, upper, hint, lower=int(depth == 0))
        copy_product(index, product, mapping, nest, keep=index.flag(True))
    erase(nest)


def _only_effects(loops: Sequence[scf.ForOp]) -> list[Operation]:
    """What the innermost of ``loops`` does, if each of the others does nothing but the next one."""
    if perfect_band(loops[0])[: len(loops)] != list(loops):
        return []
    body = [op for op in loops[-1].body.block.ops if not is_index_math(op)]
    return body[:-1] if len(body) == 2 else []
