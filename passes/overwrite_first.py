"""``gemmini-overwrite-first``: the first product of a sum overwrites instead of adding to zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.tile import LoadOp, MatmulOp, ZeroOp
from .dependence import covers
from .index_math import IndexBuilder, constant_value, depends_on, name
from .kernel import accesses, enclosing_loops, iv_of, refusal, schedulable_kernel, users
from .loop_transforms import index_builder, tidy
from .nests import erase, move_nest, replace_product
from .schedule_space import applicable


@dataclass(frozen=True)
class OverwriteFirstPass(ModulePass):
    """Drop the zeroing of sums and let the first product of each sum overwrite.

    Needs each ``tile.zero`` (or nest of them) in front of the loops in which one ``tile.matmul``
    always accumulates into the same slots. Guarantees the same sums. Saves the moves of zeros;
    costs a comparison per product where it is not hoisted.
    """

    name = "gemmini-overwrite-first"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = schedulable_kernel(op)
        zeros = [access for access in accesses(function) if isinstance(access, ZeroOp)]
        if not zeros:
            raise refusal(function, "has no tile.zero")
        index = index_builder(function)
        for zero in zeros:
            _overwrite(index, zero)
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return applicable(ctx, module_op, [cls()])


def _overwrite(index: IndexBuilder, zero: ZeroOp) -> None:
    product = _product_of(zero)
    scope = _common_scope(zero, product)
    if not covers(zero, zero.slot, product, product.c_slot):
        raise refusal(zero, "does not zero all slots that the product sums into")
    index.at(InsertPoint.before(product))
    count = index.constant(0)
    for loop in enclosing_loops(product, scope):
        if any(depends_on(slot, iv_of(loop)) for slot in product.c_slot):
            continue
        if constant_value(loop.lb) != 0:
            raise refusal(loop, "must begin at 0")
        count = index.add(count, iv_of(loop))
    replace_product(product, accumulate=name(index.positive(count), "later"))
    erase(_statement(zero, scope))


def _product_of(zero: ZeroOp) -> MatmulOp:
    """The only product that sums into the buffer that ``zero`` clears."""
    buffer = zero.buffer.owner
    if not isinstance(buffer, memref.AllocOp):
        raise refusal(zero, "clears something other than a buffer")
    others = [op for op in users(buffer) if op is not zero]
    found = [op for op in others if isinstance(op, MatmulOp)]
    if len(found) != 1 or found[0].c is not zero.buffer:
        raise refusal(zero, "needs exactly one product that sums into the buffer")
    if any(isinstance(op, ZeroOp | LoadOp) for op in others):
        raise refusal(zero, "is not the only move into the buffer")
    accumulate = found[0].accumulate
    if accumulate is None or not constant_value(accumulate):
        raise refusal(found[0], "does not always accumulate")
    return found[0]


def _common_scope(zero: ZeroOp, product: MatmulOp) -> Operation:
    """The innermost operation around both; nothing but loops may lie between it and ``product``."""
    scope = zero.parent_op()
    while scope is not None and not scope.is_ancestor(product):
        scope = scope.parent_op()
    assert scope is not None
    parent = product.parent_op()
    while parent is not None and parent is not scope:
        if not isinstance(parent, scf.ForOp):
            raise refusal(parent, "guards the product, so its first iteration is not known")
        parent = parent.parent_op()
    return scope


def _statement(zero: ZeroOp, scope: Operation) -> Operation:
    """The statement of ``scope`` that does nothing but zeroing."""
    statement: Operation = zero
    while (parent := statement.parent_op()) is not None and parent is not scope:
        statement = parent
    if move_nest(statement) is None:
        raise refusal(statement, "does more than zeroing")
    return statement
