"""``gemmini-scale-loops``: loops count in the units in which addresses are computed."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from .index_math import IndexBuilder, constant_value, is_power_of_two
from .kernel import accesses, iv_of, kernel_of, refusal
from .loop_transforms import index_builder, tidy


@dataclass(frozen=True)
class ScaleLoopsPass(ModulePass):
    """Let a loop whose variable is only ever multiplied by constants count in steps of them.

    Needs ISA IR. Guarantees the same values. Saves the core a multiplication per use of the
    variable (strength reduction), as the loop adds the step anyway.
    """

    name = "gemmini-scale-loops"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        if (access := next(accesses(function), None)) is not None:
            raise refusal(access, "is not an instruction yet: schedule passes need steps of 1")
        index = index_builder(function)
        for loop in [x for x in function.walk() if isinstance(x, scf.ForOp)]:
            _scale(index, loop)
        tidy(function)


def _scale(index: IndexBuilder, loop: scf.ForOp) -> None:
    factors = _factors(iv_of(loop))
    factor = gcd(*factors.values()) if factors else 0
    lower, step = constant_value(loop.lb), constant_value(loop.step)
    if factor < 2 or lower is None or step is None:
        return
    upper = _scaled_bound(index, loop.ub, factor)
    if upper is None:
        return
    loop.operands[0] = index.constant(lower * factor)
    loop.operands[1] = upper
    loop.operands[2] = index.constant(step * factor)
    for product, own in factors.items():
        index.at(InsertPoint.before(product))
        scaled = index.mul(iv_of(loop), own // factor)
        product.result.replace_all_uses_with(scaled)
        product.detach()
        product.erase()


def _scaled_bound(index: IndexBuilder, bound: SSAValue, factor: int) -> SSAValue | None:
    """``bound · factor``; None where it costs more than a shift, or has no place of its own."""
    if (number := constant_value(bound)) is not None:
        return index.constant(number * factor)
    if not isinstance(bound.owner, Operation) or not is_power_of_two(factor):
        return None
    index.at(InsertPoint.after(bound.owner))
    return index.mul(bound, factor)


def _factors(variable: SSAValue) -> dict[arith.MuliOp, int]:
    """The products with constants that are all uses of ``variable``; empty if there are others."""
    found: dict[arith.MuliOp, int] = {}
    for use in variable.uses:
        product = use.operation
        if not isinstance(product, arith.MuliOp):
            return {}
        other = product.rhs if product.lhs is variable else product.lhs
        number = constant_value(other)
        if number is None or number < 1:
            return {}
        found[product] = number
    return found
