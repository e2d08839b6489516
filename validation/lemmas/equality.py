"""Equality of value terms for all values of their slots: normal form first, then Z3.

The query is in the theories of bit-vectors and IEEE floating point, with the ranges of the slots as
premises. Answers are cached by content: a lemma is proved once per process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..core.smt import Answer
from ..core.terms import Term, is_float
from ..core.values import slots_of
from ..query_log import is_logging
from .encoding import NoEncoding, equality_query
from .evaluation import FEW_VALUES, MOST_VALUES, difference
from .normal_form import NormalForm
from .ranges import Range, Ranges

RESOURCE_LIMIT = 6_000_000
"""Z3 resource units for one lemma, some seconds."""
PRODUCTS = ("mul", "mulf")
LARGE_SUMS = (1 << 12, 1 << 16, 1 << 20)
"""From where on sums may be all alike."""


@dataclass(frozen=True)
class LemmaResult:
    """``UNSAT``: equal for all values; ``SAT``: different for the values in ``witness``."""

    answer: Answer
    witness: tuple[tuple[Term, int], ...] = ()


def equal_for_all(left: Term, right: Term, ranges: Mapping[Term, Range]) -> LemmaResult:
    """Whether two terms are equal for all values of their slots within the given ranges.

    ``left`` is the source's: where it has no defined value, ``right`` may have any.
    """
    known = {slot: r for slot, r in ranges.items() if slot in slots_of(left) + slots_of(right)}
    form = NormalForm(known, shares_slots=True)
    left, right = form.of(left), form.of(right)
    if left is right:
        return LemmaResult(Answer.UNSAT)
    # A log of queries is complete only if no lemma comes from the cache.
    decide = _decide.__wrapped__ if is_logging() else _decide
    return decide(left, right, tuple(sorted(known.items(), key=lambda item: repr(item[0]))))


@lru_cache(maxsize=4096)
def _decide(left: Term, right: Term, ranges: tuple[tuple[Term, Range], ...]) -> LemmaResult:
    # A log of queries is to be complete: then the solver is asked first.
    for combinations in () if is_logging() else (0, FEW_VALUES):
        tried = _try(left, right, ranges, combinations)
        if tried is not None:
            return tried
    if left.operation in PRODUCTS and _have_equal_factors(left, right, ranges):
        return LemmaResult(Answer.UNSAT)
    result = _ask(left, right, ranges)
    if result.answer is Answer.UNKNOWN:
        # What the solver does not decide in time, all values of one sum may.
        tried = _try(left, right, ranges, MOST_VALUES) or _try_parts(left, right, dict(ranges))
        return tried or result
    return result


def _try_parts(left: Term, right: Term, ranges: Mapping[Term, Range]) -> LemmaResult | None:
    """Where the only sum is large, both terms may be the same limit; between, all values are tried.

    So saturation is decided for sums of any size, that of a bias say.
    """
    slots = dict.fromkeys([*slots_of(left), *slots_of(right)])
    if len(slots) != 1 or any(is_float(slot.type) for slot in slots):
        return None
    (slot,) = slots
    low, high = Ranges(ranges).integer(slot)
    for limit in LARGE_SUMS:
        outer = [(low, -limit - 1), (limit + 1, high)]
        if all(a > b or _are_same(left, right, {slot: (a, b)}) for a, b in outer):
            inner = (slot, (max(low, -limit), min(high, limit)))
            return _try(left, right, (inner,), MOST_VALUES)
    return None


def _are_same(left: Term, right: Term, ranges: Mapping[Term, Range]) -> bool:
    form = NormalForm(ranges, shares_slots=True)
    return form.of(left) is form.of(right)


def _have_equal_factors(left: Term, right: Term, ranges: tuple[tuple[Term, Range], ...]) -> bool:
    """Whether two products differ in one factor only, which is equal in both.

    Solvers find products hard, and seldom are two equal for another reason.
    """
    if (left.operation, left.type, left.payload) != (right.operation, right.type, right.payload):
        return False
    mine, theirs = Counter(left.operands), Counter(right.operands)
    ours, others = list((mine - theirs).elements()), list((theirs - mine).elements())
    return len(ours) == len(others) == 1 and (
        _decide(ours[0], others[0], ranges).answer is Answer.UNSAT
    )


def _try(
    left: Term, right: Term, ranges: tuple[tuple[Term, Range], ...], combinations: int
) -> LemmaResult | None:
    tried = difference(left, right, dict(ranges), combinations=combinations)
    if tried is None:
        return None
    return LemmaResult(Answer.SAT if tried[0] else Answer.UNSAT, tuple(tried[1].items()))


def _ask(left: Term, right: Term, ranges: tuple[tuple[Term, Range], ...]) -> LemmaResult:
    common = _common_parts(left, right)
    for opaque in (common, frozenset[Term]()) if common else (frozenset[Term](),):
        try:
            answer, witness = equality_query(left, right, dict(ranges), opaque, RESOURCE_LIMIT)
        except NoEncoding:
            continue
        if answer is Answer.UNSAT or not opaque:
            return LemmaResult(answer, tuple(witness.items()))
    return LemmaResult(Answer.UNKNOWN)


def _common_parts(left: Term, right: Term) -> frozenset[Term]:
    """The largest integer-valued subterms with operations that both terms share.

    Equality with these taken as arbitrary numbers in their ranges implies equality.
    """
    theirs = _subterms(right)
    found: set[Term] = set()
    stack = [left]
    while stack:
        current = stack.pop()
        if current in theirs and current.operands and current.type == "int":
            found.add(current)
        else:
            stack.extend(current.operands)
    return frozenset(found)


def _subterms(root: Term) -> set[Term]:
    seen: set[Term] = set()
    stack = [root]
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            stack.extend(current.operands)
    return seen
