"""Pair the summands of two sums by arithmetic: subscripts that are digits are inverted.

Most summands occur once in a program, and say themselves which counters they belong to. What a sum
starts from, a bias say, is the same for many elements: there the output element says it. Untrusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..core.certificate import Pairing, ReadName, SumCertificate, SumQuestion
from ..core.condition import FALSE, TRUE, Condition
from ..core.folds import is_limit
from ..core.index import Index
from ..core.masked import adds_nothing
from ..core.polyhedral import Statement
from ..core.summands import SEPARATOR, step_text
from ..core.terms import Term, substitute
from ..core.totals import FLOAT_TOTAL, is_fold, is_sum, parts_of, total_bits
from ..core.values import numbered, slot_number, slots_of
from .direct import DirectCase, DirectValues, NotDirectError
from .inverse import solve

Place = tuple[Condition, tuple[Index, ...]]
"""A point over the counters of the output element, and where it is meant."""


@dataclass(frozen=True)
class _Class:
    """The summands of one statement and form."""

    label: str
    statement: Statement
    form: Term
    """The summand, its slots numbered in order of appearance."""
    subscripts: tuple[Index, ...]
    starts: tuple[Place, ...]
    """For what sums start from: the points for an output element."""


def direct_pairs(
    source: DirectValues, target: DirectValues, asked: SumQuestion
) -> SumCertificate | None:
    """Partners of all summands of two sums; ``None`` where arithmetic does not find them."""
    sums = [values.sum(name) for values, name in ((source, asked.left), (target, asked.right))]
    widths = [None if total is None else total_bits(total) for total in sums]
    if None in widths:
        return None
    bits = min(width for width in widths if width is not None)
    if is_limit(bits):
        # What occurs several times may have its partner in any statement.
        return None
    try:
        mine = _classes(source, asked.output, asked.left, bits)
        theirs = _classes(target, asked.output, asked.right, bits)
    except NotDirectError:
        return None
    forward, backward = _pairs(mine, theirs), _pairs(theirs, mine)
    if forward is None or backward is None:
        return None
    return SumCertificate(tuple(forward), tuple(backward))


def _classes(values: DirectValues, position: int, name: ReadName, bits: int) -> list[_Class]:
    total = values.sum(name)
    assert total is not None
    (part,) = parts_of(total, bits)
    starts = values.starts(position, name)
    found: list[_Class] = []
    for statement in values.contributors(name):
        for case in values.cases(statement):
            if any(is_sum(slot) or is_fold(slot) for slot in slots_of(case.shape)):
                raise NotDirectError("a sum of sums")
            for piece in parts_of(case.shape, bits):
                if bits == FLOAT_TOTAL and adds_nothing(piece.factor):
                    continue
                label = SEPARATOR.join([part.text, step_text(statement, case.shape, piece)])
                places = tuple(starts.get(statement.name, ()))
                found.append(_class(label, statement, case, piece.factor, places))
    return found


def _class(
    label: str, statement: Statement, case: DirectCase, factor: Term, starts: tuple[Place, ...]
) -> _Class:
    slots = slots_of(factor)
    renumbered = {slot: numbered(slot, place) for place, slot in enumerate(slots)}
    subscripts = tuple(index for slot in slots for index in case.slots[slot_number(slot)])
    # The counters' ranges tell which of them are digits.
    dims = {dim.name: Index.of(dim) for dim in statement.dims}
    subscripts = tuple(index.replace(dims) for index in subscripts)
    return _Class(label, statement, substitute(factor, renumbered), subscripts, starts)


def _pairs(left: list[_Class], right: list[_Class]) -> list[Pairing] | None:
    found: list[Pairing] = []
    for mine in left:
        # Only one of two sums may start from what the other one adds: then nothing is claimed.
        partners = [
            other
            for other in right
            if other.form is mine.form and bool(other.starts) == bool(mine.starts)
        ]
        if not partners:
            return None
        for theirs in partners:
            places = _partners(mine, theirs)
            if places is None:
                return None
            found += [Pairing(mine.label, theirs.label, *place) for place in places]
    return unconditional(found)


def _partners(mine: _Class, theirs: _Class) -> list[Place] | None:
    if mine.starts:
        return list(theirs.starts)
    equations = list(zip(theirs.subscripts, mine.subscripts, strict=True))
    solved = solve(theirs.statement, equations)
    if solved is None:
        return None
    return [] if solved[0] == FALSE else [solved]


def unconditional(pairings: Iterable[Pairing]) -> list[Pairing]:
    """A class with one partner expression needs no condition: nobody asks it elsewhere."""
    found = list(pairings)
    count = Counter(pairing.left for pairing in found)
    return [
        replace(pairing, condition=TRUE) if count[pairing.left] == 1 else pairing
        for pairing in found
    ]
