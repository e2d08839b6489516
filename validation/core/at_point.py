"""Expressions and conditions at a point, where each variable is a number (trusted core)."""

from __future__ import annotations

from collections.abc import Mapping

from .condition import Comparison, Condition
from .index import Extremum, FloorDivision, Index


def is_true(condition: Condition, values: Mapping[str, int]) -> bool:
    """Whether a condition holds at a point."""
    if isinstance(condition, Comparison):
        number = value_at(condition.expression, values)
        return number == 0 if condition.is_equality else number >= 0
    holds = (is_true(part, values) for part in condition.parts)
    return all(holds) if condition.kind == "and" else any(holds)


def value_at(index: Index, values: Mapping[str, int]) -> int:
    """The number that an expression has at a point."""
    total = index.constant
    for atom, factor in index.terms:
        if isinstance(atom, FloorDivision):
            number = value_at(atom.dividend, values) // atom.divisor
        elif isinstance(atom, Extremum):
            choose = min if atom.kind == "min" else max
            number = choose(value_at(atom.left, values), value_at(atom.right, values))
        else:
            number = values[atom.name]
        total += factor * number
    return total
