"""Lifting as a pass, for ``liftproof-opt``."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from .lift import lift


@dataclass(frozen=True)
class LiftLoopsPass(ModulePass):
    """Replace the loops of a kernel by the tensor program that they compute.

    Needs: loop IR of one kernel, as the C front end makes it. Guarantees nothing by itself: the
    result is a proposal, to be proved by ``--validate-each`` or ``liftproof lift``. Refuses, with
    the statement and the reason, what it cannot express. Costs milliseconds, whatever the sizes.
    """

    name = "lift-loops"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        lifted = lift(op)
        for old in list(op.body.block.ops):
            old.detach()
            old.erase()
        for new in list(lifted.body.block.ops):
            new.detach()
            op.body.block.add_op(new)
