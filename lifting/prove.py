"""Lifting with proof: the lifter proposes a tensor program, validation decides about it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr

from ..validation.execution.counterexample import Counterexample
from ..validation.validate import ONE_SIZE, Validation, Verdict, validate, validate_generalized
from .lift import lift
from .results import with_result_as_output
from .tensors.describe import describe


@dataclass(frozen=True)
class LiftResult:
    """A tensor program, and what is known about its being equal to the loops."""

    module: ModuleOp
    """The tensor program."""
    verdict: Verdict
    """``proved``, ``refuted`` or ``unknown``; only ``proved`` may be built upon."""
    method: str
    """For which sizes the verdict holds, in words, such as ``for all sizes``."""
    assumptions: tuple[str, ...]
    """What the proof takes for granted."""
    obligations: int
    """Proof obligations that the solver decided."""
    seconds: float
    """Time of the lift and the proof together."""
    summary: str
    """The tensor program in one line of words."""
    reason: str = ""
    """Why the verdict is not ``proved``."""
    counterexample: Counterexample | None = None
    """Inputs on which loops and tensor program differ, if it is refuted."""


def lift_and_prove(module: ModuleOp) -> LiftResult:
    """Lift the loops of ``module`` to tensor IR and prove the result equal to them.

    Raises :class:`Diagnostic` if the loops cannot be lifted. A lift that cannot be proved is
    returned with its verdict: the lifter is not trusted.
    """
    start = time.perf_counter()
    source = with_result_as_output(module)
    lifted = lift(source)
    return _result(lifted, validate_generalized(source, lifted), start)


def prove_lift(source: ModuleOp, lifted: ModuleOp) -> LiftResult:
    """A tensor program and the verdict whether it equals the loops, at the sizes given."""
    start = time.perf_counter()
    found = validate(source, lifted)
    found = replace(found, assumptions=(*found.assumptions, ONE_SIZE))
    return _result(lifted, found, start)


def _result(lifted: ModuleOp, validation: Validation, start: float) -> LiftResult:
    return LiftResult(
        module=lifted,
        verdict=validation.verdict,
        method=_method(validation),
        assumptions=(*_stated(lifted), *validation.assumptions),
        obligations=validation.obligations,
        seconds=time.perf_counter() - start,
        summary=describe(lifted),
        reason=validation.reason,
        counterexample=validation.counterexample,
    )


def _stated(module: ModuleOp) -> list[str]:
    """Return what the front end took for granted, and noted at the function."""
    return [
        entry.data
        for op in module.ops
        if isinstance(listed := op.attributes.get("liftproof.assumptions"), ArrayAttr)
        for entry in listed
        if isinstance(entry, StringAttr)
    ]


def _method(validation: Validation) -> str:
    """Return for which sizes the verdict holds."""
    if validation.verdict == "proved" and ONE_SIZE not in validation.assumptions:
        return "for all sizes"
    return "for the sizes given"
