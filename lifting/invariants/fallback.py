"""The whole of lifting without a model: tensor programs, and recurrences where there is none."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ...diagnostics import Diagnostic
from ..prove import LiftResult, lift_and_prove
from .prove import Proof, summarise


def lift_or_summarise(module: ModuleOp) -> LiftResult | Proof:
    """Lift to tensor IR, or else find and prove what the loops compute as recurrences.

    What is not proved either way is returned as the tensor program, with its verdict. Raises
    :class:`Diagnostic` with the lifter's reason where neither way applies.
    """
    lifted: LiftResult | None = None
    problem: Diagnostic | None = None
    try:
        lifted = lift_and_prove(module)
    except Diagnostic as refusal:
        problem = refusal
    if lifted is not None and lifted.verdict == "proved":
        return lifted
    try:
        proof = summarise(module)
    except Diagnostic:
        proof = None
    if proof is not None and (proof.verdict == "proved" or lifted is None):
        return proof
    if lifted is not None:
        return lifted
    assert problem is not None
    raise problem
