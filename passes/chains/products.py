"""Small products in loops over time, as plain facts: what ``read_products`` finds in loop IR.

A program is a sequence of loops that run in order and of assignments. An assignment computes a
vector or a matrix, element by element, from signed terms::

    out[…, i, …, j] = Σ ± a[…] + Σ ± Σ_k a[…, i, …, k] · b[…, k, …, j]

Sums are of floats, and read as sums of real numbers: their order is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xdsl.ir import SSAValue

Affine = Mapping[int | None, int]
"""Factor of each loop by its number; the key ``None`` holds the constant."""


@dataclass(frozen=True)
class Counter:
    """A loop from 0 to ``extent``."""

    number: int
    extent: int
    name: str


@dataclass(frozen=True)
class Access:
    """One element of an array, a parameter or a local one."""

    array: SSAValue
    subscripts: tuple[Affine, ...]

    def dimension_of(self, counter: Counter | None) -> int | None:
        """The one dimension whose subscript depends on ``counter``, None if there is none."""
        if counter is None:
            return None
        found = [d for d, form in enumerate(self.subscripts) if form.get(counter.number)]
        return found[0] if len(found) == 1 else None

    def depends_on(self, counter: Counter) -> bool:
        return any(form.get(counter.number) for form in self.subscripts)


@dataclass(frozen=True)
class Term:
    """A signed element, or a signed product of two, summed over ``k`` if there is one."""

    sign: int
    factors: tuple[Access, ...]
    k: Counter | None = None

    @property
    def negated(self) -> Term:
        return replace(self, sign=-self.sign)


@dataclass(frozen=True)
class Assign:
    """``target = Σ terms`` for all values of ``loops``, which are one or two."""

    target: Access
    loops: tuple[Counter, ...]
    terms: tuple[Term, ...]

    @property
    def reads(self) -> tuple[Access, ...]:
        return tuple(factor for term in self.terms for factor in term.factors)


@dataclass
class Loop:
    """Nodes that run one iteration after the other."""

    counter: Counter
    body: list[Assign | Loop] = field(default_factory=list["Assign | Loop"])


Node = Assign | Loop


@dataclass(frozen=True)
class ProductProgram:
    """All nodes of a kernel, and its local arrays."""

    nodes: list[Node]
    locals: tuple[SSAValue, ...]


def assignments(nodes: Sequence[Node]) -> Iterator[Assign]:
    """All assignments, in the order of the text."""
    for node in nodes:
        if isinstance(node, Assign):
            yield node
        else:
            yield from assignments(node.body)


def plus(a: Affine, b: Affine, factor: int = 1) -> Affine:
    """``a + factor · b`` without zeros."""
    total = {key: a.get(key, 0) + factor * b.get(key, 0) for key in {**a, **b}}
    return {key: number for key, number in total.items() if number}


def value_at(form: Affine, values: Mapping[int, int]) -> int:
    """The number that a subscript is where the loops have the given values."""
    return sum(n if key is None else n * values[key] for key, n in form.items())
