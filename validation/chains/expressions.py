"""Floating-point expressions in a normal form, hash-consed (trusted core).

An expression is a node of a table with a sign; equal expressions have the same node and sign. The
normal form makes equal what the listed assumptions allow, and nothing else:

* sums are multisets of signed terms: they may be reassociated, and exact zeros add nothing;
* a negation is exact, so that signs move through sums and products;
* a product of two is commutative; products are not reassociated or distributed;
* every other operation is a function of which nothing is known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from ..core.polyhedral import Unsupported

MAX_TERMS = 4_000_000
"""Terms that all sums of a run may have: seconds of work. Larger programs are not decided."""

Key = tuple[Hashable, ...]
Summand = tuple[int, int]
"""A node and its sign."""


@dataclass(frozen=True)
class Expression:
    """A node of a table, and 1 or −1."""

    node: int
    sign: int = 1

    def __neg__(self) -> Expression:
        return Expression(self.node, -self.sign if self.node != ZERO.node else 1)


ZERO = Expression(0)


@dataclass
class Table:
    """All nodes of a proof. Node 0 is zero, node 1 is one."""

    _numbers: dict[Key, int] = field(default_factory=dict[Key, int])
    _keys: list[Key] = field(default_factory=list[Key])
    _work: int = 0

    def __post_init__(self) -> None:
        self._node(("constant", 0.0))
        self._node(("constant", 1.0))

    def _node(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._keys)
            self._keys.append(key)
        return number

    def element(self, position: int, number: int) -> Expression:
        """What element ``number`` of parameter ``position`` holds before the program."""
        return Expression(self._node(("input", position, number)))

    def constant(self, value: float) -> Expression:
        """A constant of the program; ``Unsupported`` if it is not finite."""
        if not math.isfinite(value):
            raise Unsupported(f"the constant {value} in a chain of products")
        return Expression(self._node(("constant", abs(value))), -1 if value < 0 else 1)

    def add(self, *operands: Expression) -> Expression:
        """The sum of expressions, in any order."""
        terms: Counter[Summand] = Counter()
        for operand in operands:
            for (node, sign), count in self._summands(operand):
                terms[node, sign * operand.sign] += count
        self._work += len(terms)
        if self._work > MAX_TERMS:
            raise Unsupported(f"a chain of products with more than {MAX_TERMS} terms")
        return self._sum(terms)

    def _summands(self, value: Expression) -> Sequence[tuple[Summand, int]]:
        """The terms of a sum that is not negated, with their counts; otherwise the node itself."""
        if value.node == ZERO.node:
            return ()
        key = self._keys[value.node]
        if key[0] == "sum":
            return key[1]  # pyright: ignore[reportReturnType] - _sum made it
        return (((value.node, 1), 1),)

    def _sum(self, terms: Counter[Summand]) -> Expression:
        if not terms:
            return ZERO
        if len(terms) == 1 and next(iter(terms.values())) == 1:
            return Expression(*next(iter(terms)))
        as_is = tuple(sorted(terms.items()))
        negated = tuple(sorted(((node, -sign), count) for (node, sign), count in as_is))
        # Of a sum and its negation one is the node, whichever is met first.
        if negated < as_is:
            return Expression(self._node(("sum", negated)), -1)
        return Expression(self._node(("sum", as_is)))

    def multiply(self, left: Expression, right: Expression) -> Expression:
        """The product; zero times anything is zero."""
        sign = left.sign * right.sign
        first, second = sorted((left.node, right.node))
        if first == ZERO.node:
            return ZERO
        if first == 1:
            return Expression(second, sign)
        return Expression(self._node(("product", first, second)), sign)

    def apply(self, name: str, operands: Sequence[Hashable]) -> Expression:
        """An operation of which nothing is known but that equal operands give equal results."""
        return Expression(self._node(("operation", name, *operands)))

    def describe(self, value: Expression, names: Sequence[str], depth: int = 3) -> str:
        """The expression for people; parts that lie deep are left out."""
        sign = "-" if value.sign < 0 else ""
        kind, *rest = self._keys[value.node]
        if kind == "input":
            return f"{sign}{names[rest[0]]}.{rest[1]}"  # pyright: ignore
        if kind == "constant":
            return f"{sign}{rest[0]}"
        if depth == 0:
            return f"{sign}(...)"
        if kind == "sum":
            terms = self._summands(Expression(value.node))
            shown = [self.describe(Expression(*term), names, depth - 1) for term, _ in terms[:4]]
            more = [f"... {len(terms) - 4} more"] if len(terms) > 4 else []
            return f"{sign}({' + '.join([*shown, *more])})"
        if kind == "product":
            parts = [self.describe(Expression(int(n)), names, depth - 1) for n in rest]  # pyright: ignore
            return sign + "·".join(parts)
        return f"{sign}{rest[0]}(...)"
