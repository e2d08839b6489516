"""Checks of proposed summaries and invariants, as plain values that cross process boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from xdsl.parser import Parser

from ..diagnostics import Diagnostic
from ..lifting.summaries.prove import lift_to_summary
from ..validation.execution.counterexample import Counterexample
from .evaluate import new_context
from .untrusted_text import check_text

RESOURCE_LIMIT = 5_000_000
"""Z3 resource units for each question about a proposal."""
MOST_SHOWN = 24
"""Elements of an array that a counterexample shows."""
Status = Literal["proved", "refuted", "unknown", "unreadable"]


@dataclass(frozen=True)
class Checked:
    """What came of a proposal."""

    status: Status
    reason: str = ""
    """What the model is told: the diagnostic, the counterexample, or what was not proved."""


def check_summary(kernel: str, summary: str, invariants: str) -> Checked:
    """Check a proposal about the kernel ``kernel`` (loop IR whose result is an output)."""
    try:
        check_text(summary, "summary")
        if invariants:
            check_text(invariants, "invariants")
        module = Parser(new_context(), kernel).parse_module()
        proof = lift_to_summary(module, summary, invariants, resource_limit=RESOURCE_LIMIT)
    except Diagnostic as problem:
        return Checked("unreadable", problem.render(summary)[:1000])
    if proof.verdict == "proved":
        return Checked("proved")
    if proof.counterexample is not None:
        return Checked("refuted", counterexample_text(proof.counterexample))
    return Checked("unknown", proof.reason[:1500])


def counterexample_text(found: Counterexample) -> str:
    """The arrays on which kernel and summary differ, and where."""
    given = "\n".join(
        f"{name} = {_text(array)}" for name, array in zip(found.names, found.inputs, strict=True)
    )
    if found.fault:
        return f"With these parameters, the summary {found.fault}:\n{given}"
    place = "".join(f"[{index}]" for index in found.element)
    return (
        f"With these parameters, the kernel leaves {found.expected} in {found.parameter}{place},"
        f" the summary says {found.actual}:\n{given}"
    )


def _text(array: NDArray[Any]) -> str:
    if array.size > MOST_SHOWN:
        return f"(shape {array.shape}) {np.ravel(array)[:MOST_SHOWN].tolist()} …"
    return str(array.tolist())
