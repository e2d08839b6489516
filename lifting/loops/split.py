"""Cutting the range of a loop where a condition on its variable changes.

``if (k == 0)`` inside a loop over ``k`` hides that the other iterations form a reduction; the
iterations before, at and after the place are evaluated apart, each without the condition.
"""

from __future__ import annotations

from itertools import pairwise

from xdsl.dialects import arith

from .index import IndexExpression, LoopVariable, is_nonnegative
from .state import Update
from .terms import Apply, Reduction, Unliftable, as_index, walk


def is_awkward(updates: list[Update], variable: LoopVariable) -> bool:
    """Return whether the loop has no closed form, or one whose reduction tests an index."""
    for update in updates:
        for term in walk(update.value):
            if isinstance(term, Unliftable):
                return True
            if isinstance(term, Reduction) and variable in term.variables:
                tests = (t for t in walk(term.body) if isinstance(t, Apply))
                if any(t.operation is arith.CmpiOp and variable in t.free for t in tests):
                    return True
    return False


def thresholds(test: Apply, variable: LoopVariable) -> list[IndexExpression]:
    """Return the first values of ``variable`` for which a comparison of indices may change."""
    left, right = (as_index(operand) for operand in test.operands)
    if left is None or right is None:
        return []
    parts = (left - right).split(variable)
    if parts is None or parts[0].constant not in (1, -1):
        return []
    # The test changes around the value at which both sides are equal.
    equal = parts[1] * parts[0] * -1
    return [equal, equal + 1]


def pieces(variable: LoopVariable, points: list[IndexExpression]) -> list[LoopVariable]:
    """Return consecutive parts of the variable's range, cut at the points that lie inside."""
    if variable.extent is None:
        return [variable]
    inside = [
        point
        for point in dict.fromkeys(points)
        if is_nonnegative(point - variable.lower)
        and is_nonnegative(variable.uppers[0] - point)
        and point not in (variable.lower, variable.uppers[0])
        and variable not in point.variables
    ]
    ordered: list[IndexExpression] = []
    for point in inside:
        rank = sum(1 for other in ordered if is_nonnegative(point - other))
        if not all(is_nonnegative(other - point) for other in ordered[rank:]):
            return [variable]
        ordered.insert(rank, point)
    edges = [variable.lower, *ordered, variable.uppers[0]]
    return [LoopVariable(variable.name, lower, (upper,)) for lower, upper in pairwise(edges)]
