"""``gemmini-hoist-arithmetic``: compute what a loop does not change in front of the loop."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from .kernel import kernel_of

ALWAYS_DEFINED = (arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.MinSIOp, arith.MaxSIOp)
"""What may be computed although a guard does not hold; quotients need a dividend from 0 on."""


@dataclass(frozen=True)
class HoistArithmeticPass(ModulePass):
    """Move arithmetic under guards out of the loops that do not change it.

    xDSL's ``licm`` takes out what stands in a loop itself; moves that are spread between products
    stand under guards, and compute their addresses there. Needs guards in loops; leaves other
    programs as they are. Guarantees the same values. Saves the
    core instructions for each move; costs registers.
    """

    name = "gemmini-hoist-arithmetic"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for guard in [x for x in kernel_of(op).walk() if isinstance(x, scf.IfOp)]:
            for region in guard.regions:
                for block in region.blocks:
                    for operation in list(block.ops):
                        _hoist(operation)


def _hoist(operation: Operation) -> None:
    if not isinstance(operation, ALWAYS_DEFINED):
        return
    around: Operation | None = operation.parent_op()
    target: scf.ForOp | None = None
    while isinstance(around, scf.IfOp | scf.ForOp) and not _any_inside(operation, around):
        if isinstance(around, scf.ForOp):
            target = around
        around = around.parent_op()
    if target is not None:
        operation.detach()
        assert target.parent is not None
        target.parent.insert_op_before(operation, target)


def _any_inside(operation: Operation, scope: Operation) -> bool:
    """Whether ``operation`` reads a value of ``scope``."""
    return any(_is_inside(operand, scope) for operand in operation.operands)


def _is_inside(value: SSAValue, scope: Operation) -> bool:
    return scope.is_ancestor(value.owner)
