"""Integers that may depend on loop variables: sums of multiples, with known ranges."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from xdsl.ir import SSAValue


class UnrollRequest(Exception):  # noqa: N818 - not an error: the reader starts again
    """A loop's variable must be a number; the reader starts again and unrolls that loop."""

    def __init__(self, loop: ast.AST) -> None:
        super().__init__()
        self.loop = loop


@dataclass(frozen=True, eq=False)
class LoopVariable:
    """The variable of a loop that stays a loop."""

    name: str
    loop: ast.AST
    value: SSAValue
    lower: Index
    last_minimum: int
    last_maximum: int
    """Least and greatest value that the variable takes."""
    step: int
    depth: int
    """Loops around this one."""


@dataclass(frozen=True)
class Index:
    """``constant + Σ factor · variable``."""

    constant: int
    terms: Mapping[LoopVariable, int] = field(default_factory=dict[LoopVariable, int])

    @staticmethod
    def of(value: int | Index) -> Index:
        return value if isinstance(value, Index) else Index(int(value))

    @staticmethod
    def variable(variable: LoopVariable) -> Index:
        return Index(0, {variable: 1})

    def __add__(self, other: int | Index) -> Index:
        other = Index.of(other)
        terms = dict(self.terms)
        for variable, factor in other.terms.items():
            terms[variable] = terms.get(variable, 0) + factor
        terms = {variable: factor for variable, factor in terms.items() if factor}
        return Index(self.constant + other.constant, terms)

    def scaled(self, factor: int) -> Index:
        terms = {variable: own * factor for variable, own in self.terms.items() if factor}
        return Index(self.constant * factor, terms)

    def __sub__(self, other: int | Index) -> Index:
        return self + Index.of(other).scaled(-1)

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @property
    def minimum(self) -> int:
        """The least value; exact for a single variable, else a bound."""
        return self.constant + sum(
            factor * (variable.last_minimum if factor > 0 else variable.last_maximum)
            for variable, factor in self.terms.items()
        )

    @property
    def maximum(self) -> int:
        return self.constant + sum(
            factor * (variable.last_maximum if factor > 0 else variable.last_minimum)
            for variable, factor in self.terms.items()
        )

    def require_constant(self) -> int:
        """The value; asks to unroll the innermost loop it depends on if there is one."""
        if not self.is_constant:
            raise UnrollRequest(self.innermost.loop)
        return self.constant

    @property
    def innermost(self) -> LoopVariable:
        return max(self.terms, key=lambda variable: variable.depth)

    def divided(self, divisor: int) -> Index | None:
        """The quotient rounded down, if it is a sum of multiples again."""
        remainder = self.constant % divisor
        if any(factor % divisor for factor in self.terms.values()):
            same = self.minimum // divisor == self.maximum // divisor
            return Index(self.minimum // divisor) if same else None
        terms = {variable: factor // divisor for variable, factor in self.terms.items()}
        return Index((self.constant - remainder) // divisor, terms)

    def remainder(self, divisor: int) -> Index | None:
        """What the division leaves, if it is a sum of multiples."""
        quotient = self.divided(divisor)
        return None if quotient is None else self - quotient.scaled(divisor)


@dataclass(frozen=True)
class PastFirst:
    """Whether any of several loops is past its first iteration."""

    variables: tuple[LoopVariable, ...]

    @property
    def loop(self) -> ast.AST:
        """The innermost of the loops."""
        return max(self.variables, key=lambda variable: variable.depth).loop


Integer = int | Index


def simplified(index: Index) -> Integer:
    """A plain number where there is no variable."""
    return index.constant if index.is_constant else index


def sign(difference: Integer) -> int | None:
    """1, 0 or −1 if the difference has that sign in all iterations, else None."""
    index = Index.of(difference)
    if index.minimum > 0:
        return 1
    if index.maximum < 0:
        return -1
    return 0 if index.minimum == index.maximum == 0 else None
