"""Conditions on subscripts that keep reads inside of an array, as at the border of an image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from xdsl.dialects import arith
from xdsl.dialects.builtin import i1

from ..loops.comparisons import predicate_of
from ..loops.index import IndexExpression, is_nonnegative
from ..loops.recurrence import is_zero
from ..loops.simplify import apply
from ..loops.solve import Subscripts
from ..loops.terms import Apply, Constant, Read, Term, as_index, children, constant

_OPPOSITE = {"slt": "sge", "sge": "slt", "sgt": "sle", "sle": "sgt", "eq": "ne", "ne": "eq"}


def guarded_reads(term: Term) -> set[Read]:
    """Return the reads that are used only where some condition on subscripts holds."""
    free: set[Read] = set()
    seen: set[Term] = set()
    stack = [term]
    found: set[Read] = set()
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if isinstance(current, Read):
            free.add(current)
        elif _is_choice_by_place(current):
            assert isinstance(current, Apply)
            found.update(t for arm in current.operands[1:] for t in _reads(arm))
        else:
            stack.extend(children(current))
    return found - free


def without_needless_guards(term: Term, extents_of: dict[Read, Subscripts]) -> Term:
    """Return a term in which ``inside ? x * w : 0`` is ``x * w``, where ``x`` is 0 outside.

    ``extents_of`` gives the extents of the arrays of those reads that are 0 outside of them.
    """
    if isinstance(term, Apply):
        operands = tuple(without_needless_guards(o, extents_of) for o in term.operands)
        if operands != term.operands:
            term = apply(term.operation, operands, term.type, term.properties)
    if not (isinstance(term, Apply) and term.operation is arith.SelectOp):
        return term
    condition, chosen, other = term.operands
    holds = not is_zero(chosen)
    inside = chosen if holds else other
    if holds and not is_zero(other):
        return term
    needed = conjuncts(condition, holds)
    if needed is None:
        return term
    open_tests: list[Term] = []
    for tests, original in needed:
        if not all(_is_bound(inside, test, extents_of) for test in tests):
            open_tests.append(original)
    if len(open_tests) == len(needed):
        return term
    if not open_tests:
        return inside
    remaining = reduce(lambda a, b: apply(arith.AndIOp, (a, b), i1), open_tests)
    return apply(arith.SelectOp, (remaining, inside, other if holds else chosen), term.type)


def conjuncts(
    condition: Term, holds: bool = True
) -> list[tuple[tuple[IndexExpression, ...], Term]] | None:
    """Split "the condition is ``holds``" into tests that must all hold.

    Each is given as the expressions that it requires to be at least 0, beside the test itself.
    ``None`` if it is no conjunction of comparisons of subscripts.
    """
    if not isinstance(condition, Apply):
        return None
    if condition.operation is arith.CmpiOp:
        distances = _distances(condition, holds)
        return None if distances is None else [(distances, _asserted(condition, holds))]
    if condition.operation is arith.XOrIOp and isinstance(condition.operands[1], Constant):
        return conjuncts(condition.operands[0], not holds)
    joint = arith.AndIOp if holds else arith.OrIOp
    if condition.operation is joint:
        left, right = (conjuncts(operand, holds) for operand in condition.operands)
        return None if left is None or right is None else [*left, *right]
    if condition.operation is arith.SelectOp:
        return _short_circuit(condition, holds)
    return None


def _short_circuit(
    condition: Apply, holds: bool
) -> list[tuple[tuple[IndexExpression, ...], Term]] | None:
    """Split ``a ? b : false``, which is how ``a && b`` is evaluated, and ``a ? true : b``."""
    test, chosen, other = condition.operands
    fixed, rest = (other, chosen) if holds else (chosen, other)
    if not isinstance(fixed, Constant) or bool(fixed.value) is holds:
        return None
    left, right = conjuncts(test, holds), conjuncts(rest, holds)
    return None if left is None or right is None else [*left, *right]


def _distances(test: Apply, holds: bool) -> tuple[IndexExpression, ...] | None:
    """Return the expressions that are at least 0 exactly if the comparison is ``holds``."""
    left, right = (as_index(operand) for operand in test.operands)
    if left is None or right is None:
        return None
    name = predicate_of(test)
    if name == "ult" and holds and is_nonnegative(right):
        return (left, right - 1 - left)
    if name == "uge" and not holds and is_nonnegative(right):
        return (left, right - 1 - left)
    if name not in _OPPOSITE:
        return None
    match name if holds else _OPPOSITE[name]:
        case "slt":
            return (right - 1 - left,)
        case "sle":
            return (right - left,)
        case "sgt":
            return (left - 1 - right,)
        case "sge":
            return (left - right,)
        case "eq":
            return (left - right, right - left)
        case _:
            return None


def _asserted(test: Apply, holds: bool) -> Term:
    """Return the comparison, or its opposite if it must not hold."""
    if holds:
        return test
    return apply(arith.XOrIOp, (test, constant(1, i1)), i1)


def _is_bound(term: Term, distance: IndexExpression, extents_of: dict[Read, Subscripts]) -> bool:
    """Return whether ``term`` is 0 if ``distance`` is negative, because a factor lies outside."""
    return any(
        distance in (index, extent - 1 - index)
        for factor in _integer_factors(term)
        if isinstance(factor, Read) and factor in extents_of
        for index, extent in zip(factor.indices, extents_of[factor], strict=True)
    )


def _integer_factors(term: Term) -> Iterator[Term]:
    """Yield terms each of which makes the whole 0 if it is 0; floats have none (``0 * inf``)."""
    yield term
    if isinstance(term, Apply):
        if term.operation in (arith.ExtSIOp, arith.ExtUIOp, arith.TruncIOp):
            yield from _integer_factors(term.operands[0])
        elif term.operation in (arith.MuliOp, arith.AndIOp):
            for operand in term.operands:
                yield from _integer_factors(operand)
        elif term.operation in (arith.ShLIOp, arith.ShRSIOp):
            yield from _integer_factors(term.operands[0])


def _is_choice_by_place(term: Term) -> bool:
    return (
        isinstance(term, Apply)
        and term.operation is arith.SelectOp
        and _tests_place(term.operands[0])
    )


def _tests_place(condition: Term) -> bool:
    if not isinstance(condition, Apply):
        return False
    if condition.operation is arith.CmpiOp:
        return all(as_index(operand) is not None for operand in condition.operands)
    return any(_tests_place(operand) for operand in condition.operands)


def _reads(term: Term) -> Iterator[Read]:
    seen: set[Term] = set()
    stack = [term]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if isinstance(current, Read):
            yield current
        stack.extend(children(current))
