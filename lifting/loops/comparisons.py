"""Comparisons of integers: outcomes that follow from the ranges of the loop variables."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, i1

from .constants import wrap
from .index import IndexExpression, is_nonnegative, is_positive
from .terms import Apply, Constant, Properties, Term, as_index, constant

PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
"""Names of the integer comparisons, in the numbering of ``arith.cmpi``."""
"""Names of the integer comparisons, in the numbering of ``arith.cmpi``."""

_SIGNED_TESTS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "slt": lambda a, b: a < b,
    "sle": lambda a, b: a <= b,
    "sgt": lambda a, b: a > b,
    "sge": lambda a, b: a >= b,
}


def predicate_of(term: Apply) -> str:
    """Return the name of the predicate of an ``arith.cmpi``."""
    return _predicate(term.properties)


def _predicate(properties: Properties) -> str:
    predicate = dict(properties)["predicate"]
    assert isinstance(predicate, IntegerAttr)
    return PREDICATES[predicate.value.data]


def compare(operands: tuple[Term, ...], properties: Properties) -> Term | None:
    """Return the outcome of an ``arith.cmpi``, or a simpler test, where one is known."""
    name = _predicate(properties)
    left, right = operands
    if _is_truth_test(name, left, right):
        assert isinstance(left, Apply)
        return left.operands[0]
    a, b = as_index(left), as_index(right)
    if a is None or b is None:
        return None
    outcome = _decide(name, a, b)
    return None if outcome is None else constant(int(outcome), i1)


def _is_truth_test(name: str, left: Term, right: Term) -> bool:
    """Return whether ``left != right`` asks a widened comparison result for being true."""
    return (
        name == "ne"
        and isinstance(right, Constant)
        and right.value == 0
        and isinstance(left, Apply)
        and left.operation is arith.ExtUIOp
        and left.operands[0].type == i1
    )


def _decide(name: str, a: IndexExpression, b: IndexExpression) -> bool | None:
    """Return the outcome of the comparison if it is the same for all values in range."""
    if (difference := (a - b).constant) is not None and name in _SIGNED_TESTS:
        return _SIGNED_TESTS[name](difference, 0)
    less, greater = is_positive(b - a), is_positive(a - b)
    not_greater, not_less = less or is_nonnegative(b - a), greater or is_nonnegative(a - b)
    holds = {"slt": less, "sle": not_greater, "sgt": greater, "sge": not_less}
    fails = {"slt": not_less, "sle": greater, "sgt": not_greater, "sge": less}
    fails["eq"] = holds["ne"] = less or greater
    if holds.get(name, False):
        return True
    return False if fails.get(name, False) else None


def equivalent_tests(condition: Apply) -> list[tuple[str, Term, Term]]:
    """Return the test as it is and with a constant on the right moved by one (``> 126``)."""
    name, (left, right) = predicate_of(condition), condition.operands
    swapped = {"slt": "sgt", "sle": "sge", "sgt": "slt", "sge": "sle"}
    if isinstance(left, Constant) and name in swapped:
        name, left, right = swapped[name], right, left
    tests = [(name, left, right)]
    shifted = {"sgt": ("sge", 1), "sge": ("sgt", -1), "slt": ("sle", -1), "sle": ("slt", 1)}
    if isinstance(right, Constant) and name in shifted:
        other_name, step = shifted[name]
        moved = int(right.value) + step
        if wrap(moved, right.type) == moved:
            tests.append((other_name, left, constant(moved, right.type)))
    return tests
