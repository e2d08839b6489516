"""Invert subscripts that are digits: where isl would search, arithmetic suffices (untrusted).

``row = 128·a + 16·b + c`` with ``0 <= b < 8`` and ``0 <= c < 16`` has one solution:
``a = row // 128``, ``b = row // 16 - 8·(row // 128)``, ``c = row - 16·(row // 16)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from ..core.condition import Comparison, Condition, Connective, all_of, compare
from ..core.index import Index, Variable
from ..core.polyhedral import Statement


def solve(
    statement: Statement, equations: Sequence[tuple[Index, Index]]
) -> tuple[Condition, tuple[Index, ...]] | None:
    """The point of a statement at which each left side equals the right side.

    Left sides are over the statement's counters, right sides over other ones. Returns a condition
    for the point to be in the domain, and the point; ``None`` if the left sides are not digits or
    leave a counter open.
    """
    return _solve(statement, tuple(equations))


@lru_cache(maxsize=256)
def _solve(
    statement: Statement, equations: tuple[tuple[Index, Index], ...]
) -> tuple[Condition, tuple[Index, ...]] | None:
    """``solve``, which is asked the same for each place where a sum is read."""
    halves = _halves(equations)
    plain = {name: value for name, (value, _) in halves.items()}
    split = [(left.replace(plain), right) for left, right in equations]
    found = unique_values(statement.condition, split)
    for name, (value, digits) in halves.items():
        if digits <= found.keys():
            found[name] = value.replace(found)
    if any(dim.name not in found for dim in statement.dims):
        return None
    point = tuple(found[dim.name] for dim in statement.dims)
    inside = [statement.condition.replace(found)]
    for dim, value in zip(statement.dims, point, strict=True):
        if dim.low is not None:
            inside.append(compare(value - dim.low))
        if dim.high is not None:
            inside.append(compare(-value + dim.high))
    inside += [compare(left.replace(found) - right, is_equality=True) for left, right in equations]
    return all_of(inside), point


def _halves(
    equations: Sequence[tuple[Index, Index]],
) -> dict[str, tuple[Index, frozenset[str]]]:
    """Counters that left sides divide, as two digits each, and the names of these."""
    found: dict[str, tuple[Index, frozenset[str]]] = {}
    for left, _ in equations:
        for division in left.divisions:
            weight = division.divisor
            counter = next((atom for atom, _ in division.dividend.terms), None)
            if not isinstance(counter, Variable) or counter.low != 0 or counter.high is None:
                continue
            if division.dividend != Index.of(counter):
                continue
            upper = Variable(f"{counter.name} upper", 0, counter.high // weight)
            lower = Variable(f"{counter.name} lower", 0, weight - 1)
            value = Index.of(upper) * weight + Index.of(lower)
            found.setdefault(counter.name, (value, frozenset({upper.name, lower.name})))
    return found


def unique_values(
    condition: Condition, equations: Sequence[tuple[Index, Index]]
) -> dict[str, Index]:
    """The counters of left sides, by name, for which the equations leave one value.

    ``condition`` limits the counters of the left sides.
    """
    found: dict[str, Index] = dict(_fixed(condition))
    limits = dict(_limits(condition))
    pending = list(equations)
    while pending:
        # What one equation gives may leave digits only in another: ``h + r`` with ``r`` known.
        later = [pair for pair in pending if not _use(*pair, found, limits)]
        if len(later) == len(pending):
            break
        pending = later
    return found


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """The conditions that must all hold."""
    is_and = isinstance(condition, Connective) and condition.kind == "and"
    return condition.parts if isinstance(condition, Connective) and is_and else (condition,)


def _fixed(condition: Condition) -> Iterator[tuple[str, Index]]:
    """Counters that the condition sets to a number."""
    for part in conjuncts(condition):
        if isinstance(part, Comparison) and part.is_equality and len(part.expression.terms) == 1:
            atom, factor = part.expression.terms[0]
            if isinstance(atom, Variable) and abs(factor) == 1:
                yield atom.name, Index((), -part.expression.constant * factor)


def _limits(condition: Condition) -> Iterator[tuple[str, int]]:
    """The largest values of counters that the condition limits by numbers."""
    for part in conjuncts(condition):
        if (
            isinstance(part, Comparison)
            and not part.is_equality
            and len(part.expression.terms) == 1
        ):
            atom, factor = part.expression.terms[0]
            if isinstance(atom, Variable) and factor == -1:
                yield atom.name, part.expression.constant


def _use(left: Index, right: Index, found: dict[str, Index], limits: Mapping[str, int]) -> bool:
    """Solve an equation for the counters that are not known yet, if they are digits."""
    rest = Index((), left.constant)
    for atom, factor in left.terms:
        if isinstance(atom, Variable) and atom.name in found:
            right = right - found[atom.name] * factor
        else:
            limit = limits.get(atom.name) if isinstance(atom, Variable) else None
            if isinstance(atom, Variable) and limit is not None:
                high = limit if atom.high is None else min(limit, atom.high)
                atom = Variable(atom.name, atom.low, high)
            rest = rest + Index.of(atom) * factor
    digits = _digits(rest)
    if digits is None:
        return False
    for variable, value in _values(digits, right - rest.constant):
        found.setdefault(variable.name, value)
    return True


def _digits(left: Index) -> list[tuple[int, Variable]] | None:
    """Weights and counters, highest first, if lower ones together stay below each weight."""
    digits: list[tuple[int, Variable]] = []
    for atom, weight in left.terms:
        if not isinstance(atom, Variable) or atom.low != 0 or weight <= 0:
            return None
        digits.append((weight, atom))
    digits.sort(key=lambda digit: -digit[0])
    if any(variable.high is None for _, variable in digits[1:]):
        return None
    below = 0
    for weight, variable in reversed(digits):
        if below >= weight:
            return None
        below += weight * (variable.high or 0)
    return digits


def _values(digits: list[tuple[int, Variable]], number: Index) -> Iterator[tuple[Variable, Index]]:
    above = Index((), 0)
    for weight, variable in digits:
        quotient = number // weight
        # ``above`` is what the higher digits stand for; a lower weight may not divide it.
        exact = all(factor % weight == 0 for _, factor in above.terms)
        value = quotient - above // weight if exact else (number - above) // weight
        yield variable, value
        above = quotient * weight
