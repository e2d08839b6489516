"""Proofs of summaries that somebody states, with or without loop invariants."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ...validation.core.smt import RESOURCE_LIMIT
from ...validation.extract.structured import single_function
from ..invariants.prove import Proof, prove_summary
from ..results import with_result_as_output
from .read import read_summary
from .stated import proposer_of, read_invariants


def lift_to_summary(
    module: ModuleOp,
    summary: str,
    invariants: str = "",
    file: str = "summary",
    resource_limit: int = RESOURCE_LIMIT,
) -> Proof:
    """Prove that the kernel in ``module`` computes what ``summary`` says.

    Both texts are in the language of docs/summaries.md; ``file`` names the summary in messages.
    Raises :class:`Diagnostic` for texts that cannot be read.
    """
    source = with_result_as_output(module)
    function = single_function(source)
    stated = read_summary(summary, function, file)
    sections = read_invariants(invariants, function) if invariants.strip() else {}
    return prove_summary(source, stated, proposer_of(sections, function), resource_limit)
