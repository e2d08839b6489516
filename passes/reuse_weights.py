"""``gemmini-reuse-weights``: do not load a tile of B that is in the array already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.tile import MatmulOp
from .index_math import IndexBuilder, constant_value, depends_on, name
from .kernel import accesses, iv_of, kernel_of, products, refusal
from .loop_transforms import index_builder
from .nests import replace_product, touches, trip_count
from .schedule_space import applicable


@dataclass(frozen=True)
class ReuseWeightsPass(ModulePass):
    """Mark products whose tile of B the array still holds from the product before.

    Needs a product, alone in its innermost loop, whose tile of B does not change in that loop (nor
    is loaded in it). Guarantees the same sums. Frees the scratchpad bank of B for the DMA; short
    tiles take as few cycles as they have rows.
    """

    name = "gemmini-reuse-weights"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        index = index_builder(function)
        for product in products(function):
            if product.keep is not None:
                raise refusal(product, "has a keep flag already")
            _mark(index, product)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return applicable(ctx, module_op, [cls()])


def _mark(index: IndexBuilder, product: MatmulOp) -> None:
    if product.a_transpose is not None and product.b_transpose is not None:
        raise refusal(product, "is output-stationary: the array holds sums, not weights")
    index.at(InsertPoint.before(product))
    passed = index.constant(0)
    loop = product.parent_op()
    while isinstance(loop, scf.ForOp) and _leaves_weights(loop, product):
        passed = index.add(passed, iv_of(loop))
        loop = loop.parent_op()
    if constant_value(passed) is not None:
        raise refusal(product, "uses another tile of B in each iteration of its innermost loop")
    replace_product(product, keep=name(index.positive(passed), "keep"))


def _leaves_weights(loop: scf.ForOp, product: MatmulOp) -> bool:
    """Whether all iterations of ``loop`` are products with the same tile of B."""
    weights = (*product.b_slot, product.depth, product.n)
    if constant_value(loop.lb) != 0 or any(depends_on(w, iv_of(loop)) for w in weights):
        return False
    inside = list(accesses(loop))
    if sum(isinstance(op, MatmulOp) for op in inside) != 1 or trip_count(loop) == 1:
        return False
    return not any(
        touch.memory is product.b and touch.writes for op in inside for touch in touches(op)
    )
