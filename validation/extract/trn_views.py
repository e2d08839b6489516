"""What instructions of Trainium see of arrays, as index expressions (trusted core).

Position ``(p, i)`` of a view is element i, in row-major order, of partition p. Views of one
instruction have equally many elements per partition, though not always in equal dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dialects.trn import ViewOp
from ..core.condition import Condition, less_than
from ..core.index import Index, Variable, constant_index

ZERO = constant_index(0)
ONE = constant_index(1)


@dataclass(frozen=True)
class View:
    """An access pattern with its numbers: see ``trn.view``."""

    array: SSAValue
    offsets: tuple[Index, ...]
    sizes: tuple[Index, ...]
    along: tuple[int, ...]
    steps: tuple[int, ...]

    @staticmethod
    def of(operation: ViewOp, offsets: Sequence[Index], sizes: Sequence[Index]) -> View:
        return View(
            operation.source,
            tuple(offsets),
            tuple(sizes),
            operation.dimensions,
            operation.step_list,
        )

    def element(self, at: Sequence[Index]) -> tuple[Index, ...]:
        """The array's subscripts of the element at one index for each dimension of the view."""
        found = list(self.offsets)
        for index, dimension, step in zip(at, self.along, self.steps, strict=True):
            found[dimension] = found[dimension] + index * step
        return tuple(found)

    @property
    def is_injective(self) -> bool:
        """Whether each element is visibly another one of the array."""
        moving = [
            (dimension, step)
            for dimension, step, size in zip(self.along, self.steps, self.sizes, strict=True)
            if size != ONE
        ]
        different = {dimension for dimension, step in moving if step}
        return len(different) == len(moving)


@dataclass(frozen=True)
class Positions:
    """All positions of a view: a counter for each dimension that has more than one place."""

    sizes: tuple[Index, ...]
    at: tuple[Index, ...]
    dims: tuple[Variable, ...]
    conditions: tuple[Condition, ...]

    @staticmethod
    def over(sizes: Sequence[Index], names: Sequence[str]) -> Positions:
        """Counters with the given names, from 0 below each size."""
        at: list[Index] = []
        dims: list[Variable] = []
        conditions: list[Condition] = []
        for size, name in zip(sizes, names, strict=True):
            if size == ONE:
                at.append(ZERO)
                continue
            greatest = size.interval[1]
            dim = Variable(name, 0, None if greatest is None else greatest - 1)
            dims.append(dim)
            at.append(Index.of(dim))
            if not size.is_constant:
                conditions.append(less_than(Index.of(dim), size))
        return Positions(tuple(sizes), tuple(at), tuple(dims), tuple(conditions))

    @property
    def partition(self) -> Index:
        return self.at[0]

    @property
    def place(self) -> Index | None:
        """The element's number within its partition; ``None`` if the sizes are not all known."""
        return row_major(self.at[1:], self.sizes[1:])

    def within(self, view: View) -> tuple[Index, ...] | None:
        """The same position in another view; ``None`` if the sizes are not known well enough."""
        if _long(view.sizes[1:]) == _long(self.sizes[1:]):
            places = iter(_indices(self.at[1:], self.sizes[1:]))
            rest = [ZERO if size == ONE else next(places) for size in view.sizes[1:]]
            return (self.at[0], *rest)
        place = self.place
        if place is None or not all(size.is_constant for size in view.sizes[1:]):
            return None
        return (self.at[0], *digits(place, [size.constant for size in view.sizes[1:]]))


def row_major(at: Sequence[Index], sizes: Sequence[Index]) -> Index | None:
    """The number of an element in row-major order; ``None`` if an inner size is not known."""
    place = ZERO
    for number, (index, size) in enumerate(zip(at, sizes, strict=True)):
        if number and not size.is_constant:
            return None
        place = index if not number else place * size.constant + index
    return place


def digits(place: Index, sizes: Sequence[int]) -> list[Index]:
    """The index in each dimension of the element with a number in row-major order."""
    found: list[Index] = []
    inner = 1
    for number, size in reversed(list(enumerate(sizes))):
        digit = place // inner
        found.append(digit % size if number else digit)
        inner *= size
    return found[::-1]


def _long(sizes: Sequence[Index]) -> list[Index]:
    return [size for size in sizes if size != ONE]


def _indices(at: Sequence[Index], sizes: Sequence[Index]) -> list[Index]:
    return [index for index, size in zip(at, sizes, strict=True) if size != ONE]
