"""One case of a fuzz run: the verdict on a program against what running it shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xdsl.dialects.builtin import ModuleOp

from ..core.polyhedral import Unsupported
from ..extract.extraction import Level, level_of
from ..trace.api import validate_unrolled
from ..validate import PreparedSource, Validation, validate
from .oracle import Oracle


class Outcome(StrEnum):
    """How a verdict compares with the runs."""

    PROVED = "proved"
    REFUTED = "refuted"
    """With inputs on which the programs differ when both are executed."""
    HAZARD = "hazard"
    """Right in order, but it needs an ordering that the machine does not give."""
    UNKNOWN_EQUAL = "unknown, equal"
    """Not decided; no run differs."""
    UNKNOWN_WRONG = "unknown, wrong"
    """Not decided; a run differs."""
    REJECTED_RIGHT = "rejected right"
    """Refuted without inputs that show it, and no run differs."""
    ACCEPTED_WRONG = "accepted wrong"
    """Proved, and a run differs: the validator is unsound."""
    CONTRADICTION = "contradiction"
    """One engine proves what the other refutes."""
    CRASH = "crash"
    """Validation raised an exception, which it never should."""


FAULTS = (Outcome.ACCEPTED_WRONG, Outcome.REJECTED_RIGHT, Outcome.CONTRADICTION, Outcome.CRASH)
UNDECIDED = (Outcome.UNKNOWN_EQUAL, Outcome.UNKNOWN_WRONG)


@dataclass(frozen=True)
class Judgement:
    """The outcome, and the reason that the validator gave."""

    outcome: Outcome
    reason: str = ""


def is_instructions(module: ModuleOp) -> bool:
    try:
        return level_of(module) is Level.ISA
    except Unsupported:
        return False


def judge(
    source: PreparedSource, target: ModuleOp, oracle: Oracle, *, at_size_only: bool
) -> Judgement | None:
    """Validate and run a target; ``None`` if it cannot be executed, so that nothing is learnt.

    ISA IR is judged by both engines, as ``decide`` combines them, or by the second one alone.
    """
    instructions = is_instructions(target)
    verdicts: list[Validation] = []
    if not (at_size_only and instructions):
        verdicts.append(validate(source, target))
    if instructions:
        verdicts.append(validate_unrolled(source, target))
    agrees = oracle.agrees(target)
    if agrees is None:
        return None
    return combine(verdicts, agrees)


def combine(verdicts: list[Validation], agrees: bool) -> Judgement:
    """The worst outcome of several verdicts on one program; decided if one of them decides."""
    found = [Judgement(_outcome(verdict, agrees), verdict.reason) for verdict in verdicts]
    for judgement in found:
        if judgement.outcome in FAULTS:
            return judgement
    outcomes = {judgement.outcome for judgement in found}
    if {Outcome.PROVED, Outcome.REFUTED} <= outcomes:
        return Judgement(Outcome.CONTRADICTION, "; ".join(each.reason for each in found))
    decided = [judgement for judgement in found if judgement.outcome not in UNDECIDED]
    return decided[-1] if decided else found[0]


def _outcome(result: Validation, agrees: bool) -> Outcome:
    match result.verdict:
        case "proved":
            return Outcome.PROVED if agrees else Outcome.ACCEPTED_WRONG
        case "unknown":
            return Outcome.UNKNOWN_EQUAL if agrees else Outcome.UNKNOWN_WRONG
        case "refuted":
            if result.counterexample is not None:
                return Outcome.REFUTED
            if "hazard: " in result.reason:
                return Outcome.HAZARD
            return Outcome.REJECTED_RIGHT if agrees else Outcome.REFUTED
