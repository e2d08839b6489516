"""Test the lemmas to destruction: random terms and changes of them, judged by their values.

Neither the normal form, nor the encoding, nor the evaluation of whole ranges takes part in the
judgement: the values are those of ``execution.arithmetic``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from ..core.smt import Answer
from ..core.terms import Term, constant_value, is_float
from ..execution.arithmetic import FLOATS, apply, numpy_type
from ..lemmas.equality import equal_for_all
from ..lemmas.ranges import Range, type_range
from .random_terms import SLOTS, RandomTerms

SAMPLES = 100
"""Points at which terms that are said to be equal are compared."""


@dataclass
class LemmaReport:
    """What was decided, and where the decision was wrong."""

    answers: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def summary(self) -> str:
        counts = ", ".join(f"{count} {answer}" for answer, count in sorted(self.answers.items()))
        return f"{sum(self.answers.values())} lemmas: {counts}; {len(self.wrong)} decided wrongly"


def fuzz_lemmas(count: int, seed: int) -> LemmaReport:
    """Ask whether ``count`` random terms equal a change of themselves, and check the answers."""
    report, rng = LemmaReport(), Random(seed)
    terms = RandomTerms(rng)
    while sum(report.answers.values()) < count:
        left, ranges = terms.any(), terms.ranges()
        right = terms.changed(left)
        if right is left:
            continue
        result = equal_for_all(left, right, ranges)
        if result.answer is Answer.UNKNOWN:
            report.answers["undecided"] += 1
            continue
        said = result.answer is Answer.UNSAT
        report.answers["equal" if said else "different"] += 1
        points = [_sample(ranges, rng) for _ in range(SAMPLES)]
        if not said:
            points = [_sample(ranges, rng) | dict(result.witness)]
        values = [(_value(left, point), _value(right, point)) for point in points]
        if any(bool(a == b) is not said for a, b in values if a is not None and b is not None):
            verdict = "equal" if said else "different"
            report.wrong.append(f"said to be {verdict}: {left!r} and {right!r}, {ranges}")
    return report


def _sample(ranges: Mapping[Term, Range], rng: Random) -> dict[Term, int]:
    point: dict[Term, int] = {}
    for slot in SLOTS:
        low, high = (int(bound) for bound in ranges.get(slot, type_range(slot.type)))
        near = (low, high, 0, 1, -1, 127, 128, -128, -129, 255, 256, rng.randint(low, high))
        point[slot] = rng.choice([number for number in near if low <= number <= high])
    return point


def _value(root: Term, point: Mapping[Term, int]) -> object | None:
    """The value of a term; ``None`` where a conversion does not fit, which C leaves undefined."""
    done: dict[Term, object] = {}

    def of(value: Term) -> object:
        if value not in done:
            done[value] = compute(value)
        return done[value]

    def compute(value: Term) -> object:
        number = point.get(value) if value.operation == "slot" else constant_value(value)
        if number is not None and is_float(value.type):
            return FLOATS[value.type](number)
        if number is not None:
            return np.asarray(int(number), np.int64).astype(numpy_type(value.type))[()]
        operands = [of(operand) for operand in value.operands]
        if value.operation in ("fptosi", "fptoui"):
            low, high = type_range(value.type)
            shift = -low if value.operation == "fptoui" else 0
            if not low + shift <= np.trunc(np.float64(operands[0])) <= high + shift:  # pyright: ignore
                raise _Undefined
        return apply(value.operation, value.type, operands, value.payload)[()]

    try:
        return of(root)
    except _Undefined:
        return None


class _Undefined(Exception):  # noqa: N818 - it names what was met
    """A conversion whose result does not fit."""
