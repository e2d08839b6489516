"""Boolean combinations of comparisons between quasi-affine expressions (trusted core)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from .index import Index


@dataclass(frozen=True)
class Comparison:
    """``expression >= 0`` or ``expression == 0``."""

    expression: Index
    is_equality: bool = False

    @cached_property
    def smt(self) -> str:
        return f"({'=' if self.is_equality else '>='} {self.expression.smt} 0)"

    @cached_property
    def isl(self) -> str:
        return f"({self.expression.isl} {'=' if self.is_equality else '>='} 0)"

    @property
    def decided(self) -> bool | None:
        """The truth value where the ranges of the variables decide it, else ``None``."""
        low, high = self.expression.interval
        if self.is_equality:
            if low == high == 0:
                return True
            outside = (low is not None and low > 0) or (high is not None and high < 0)
            return False if outside else None
        if low is not None and low >= 0:
            return True
        return False if high is not None and high < 0 else None

    def replace(self, values: Mapping[str, Index]) -> Condition:
        return compare(self.expression.replace(values), self.is_equality)


@dataclass(frozen=True)
class Connective:
    """``and`` or ``or`` of conditions."""

    kind: str
    parts: tuple[Condition, ...]

    @cached_property
    def smt(self) -> str:
        if not self.parts:
            return "true" if self.kind == "and" else "false"
        return f"({self.kind} {' '.join(part.smt for part in self.parts)})"

    @cached_property
    def isl(self) -> str:
        if not self.parts:
            return "true" if self.kind == "and" else "false"
        return "(" + f" {self.kind} ".join(part.isl for part in self.parts) + ")"

    def replace(self, values: Mapping[str, Index]) -> Condition:
        parts = [part.replace(values) for part in self.parts]
        return all_of(parts) if self.kind == "and" else any_of(parts)


Condition: TypeAlias = Comparison | Connective

TRUE = Connective("and", ())
FALSE = Connective("or", ())


def compare(expression: Index, is_equality: bool = False) -> Condition:
    comparison = Comparison(expression, is_equality)
    decided = comparison.decided
    if decided is None:
        return comparison
    return TRUE if decided else FALSE


def at_least(left: Index | int, right: Index | int) -> Condition:
    """``left >= right``."""
    return compare(Index.of(left) - right)


def less_than(left: Index | int, right: Index | int) -> Condition:
    """``left < right``."""
    return compare(Index.of(right) - left - 1)


def equal(left: Index | int, right: Index | int) -> Condition:
    return compare(Index.of(left) - right, is_equality=True)


def within(value: Index, low: Index | int, high: Index | int) -> Condition:
    """``low <= value < high``."""
    return all_of([at_least(value, low), less_than(value, high)])


def all_of(parts: Sequence[Condition]) -> Condition:
    return _connect("and", parts, neutral=TRUE, absorbing=FALSE)


def any_of(parts: Sequence[Condition]) -> Condition:
    return _connect("or", parts, neutral=FALSE, absorbing=TRUE)


def negate(condition: Condition) -> Condition:
    if isinstance(condition, Connective):
        parts = [negate(part) for part in condition.parts]
        return any_of(parts) if condition.kind == "and" else all_of(parts)
    if not condition.is_equality:
        return compare(-condition.expression - 1)
    return any_of([compare(condition.expression - 1), compare(-condition.expression - 1)])


def _connect(
    kind: str, parts: Sequence[Condition], neutral: Connective, absorbing: Connective
) -> Condition:
    kept: dict[Condition, None] = {}
    for part in parts:
        if part == absorbing:
            return absorbing
        if isinstance(part, Connective) and part.kind == kind:
            kept.update(dict.fromkeys(part.parts))
        elif part != neutral:
            kept[part] = None
    if not kept:
        return neutral
    return next(iter(kept)) if len(kept) == 1 else Connective(kind, tuple(kept))
