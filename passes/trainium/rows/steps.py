"""Instructions that compute nodes of a row graph, before they have buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from ....dialects.trn import Engine, Function, Operator
from .graph import Access, Node, Operand, Reduce


def accesses_of(*operands: Operand | None) -> tuple[Access, ...]:
    return tuple(one for one in operands if isinstance(one, Access))


@dataclass(frozen=True, eq=False)
class Step(ABC):
    """What fills the array of ``node``."""

    node: Node

    @property
    @abstractmethod
    def reads(self) -> Iterable[Access]: ...

    @property
    def space(self) -> tuple[int, ...]:
        """The sizes of the iteration space, for one row."""
        return self.node.free

    @property
    def engine(self) -> Engine | None:
        """What is busy; None for what the choice of engines does not change."""
        return Engine.DVE

    @property
    def elements(self) -> int:
        """Elements that each partition of the engine takes."""
        return prod(self.space)


@dataclass(frozen=True, eq=False)
class Move(Step):
    """The rows of a parameter, from memory."""

    @property
    def reads(self) -> Iterable[Access]:
        return ()

    @property
    def engine(self) -> Engine | None:
        return None


@dataclass(frozen=True, eq=False)
class Multiply(Step):
    """A product of matrices; ``left`` is what is multiplied, and perhaps summed up as ``total``."""

    left: Access
    total: Reduce | None = None

    @property
    def reads(self) -> Iterable[Access]:
        return (self.left,)

    @property
    def engine(self) -> Engine | None:
        return None


@dataclass(frozen=True, eq=False)
class Activate(Step):
    """``function(data · scale + bias)``, and perhaps the sum of its results as ``total``."""

    function: Function
    data: Access
    scale: Operand = 1.0
    bias: Access | None = None
    total: Reduce | None = None

    @property
    def reads(self) -> Iterable[Access]:
        return accesses_of(self.data, self.scale, self.bias)

    @property
    def engine(self) -> Engine | None:
        return Engine.ACT


@dataclass(frozen=True, eq=False)
class Scalars(Step):
    """``data op0 scalar0 op1 scalar1``, the operands exchanged by ``reverse``."""

    data: Access
    operators: tuple[Operator, ...]
    scalars: tuple[Operand, ...]
    reverse: tuple[bool, ...]

    @property
    def reads(self) -> Iterable[Access]:
        return accesses_of(self.data, *self.scalars)


@dataclass(frozen=True, eq=False)
class Pair(Step):
    """``left op right`` with an array on both sides; or ``(left op0 scalar) op right``."""

    operator: Operator
    left: Access
    right: Access
    inner: Operator | None = None
    scalar: Operand = 1.0
    reverse_inner: bool = False
    reverse: bool = False
    on_pool: bool = False
    """On GpSimd, which does plain arithmetic on two arrays faster, but cannot reach PSUM."""

    @property
    def reads(self) -> Iterable[Access]:
        return accesses_of(self.left, self.right, self.scalar)

    @property
    def engine(self) -> Engine | None:
        return Engine.POOL if self.on_pool else Engine.DVE

    @property
    def elements(self) -> int:
        is_single = self.on_pool or self.left.is_row or self.right.is_row
        return prod(self.space) if is_single else 2 * prod(self.space)


@dataclass(frozen=True, eq=False)
class Choose(Step):
    """``condition ? then : otherwise``; at least one of them is an array."""

    condition: Access
    then: Operand
    otherwise: Operand

    @property
    def reads(self) -> Iterable[Access]:
        return accesses_of(self.condition, self.then, self.otherwise)


@dataclass(frozen=True, eq=False)
class Combine(Step):
    """A reduction of its own, which ``start`` takes part in."""

    data: Access
    operator: Operator
    axes: int
    start: float | None = None
    on_pool: bool = False
    """Added up on GpSimd, tile by tile."""

    @property
    def reads(self) -> Iterable[Access]:
        return (self.data,)

    @property
    def space(self) -> tuple[int, ...]:
        return self.data.sizes

    @property
    def engine(self) -> Engine | None:
        return Engine.POOL if self.on_pool else Engine.DVE


@dataclass(frozen=True, eq=False)
class Gather(Step):
    """One element of each partition, combined, for all of them."""

    data: Access
    operator: Operator

    @property
    def reads(self) -> Iterable[Access]:
        return (self.data,)

    @property
    def engine(self) -> Engine | None:
        return None


@dataclass(frozen=True, eq=False)
class Hide(Step):
    """The mask of ``node``, a ``Masked``, on its data."""

    data: Access

    @property
    def reads(self) -> Iterable[Access]:
        return (self.data,)

    @property
    def engine(self) -> Engine | None:
        return None


@dataclass(frozen=True, eq=False)
class Fill(Step):
    """A number or an array, copied and converted."""

    source: Operand

    @property
    def reads(self) -> Iterable[Access]:
        return accesses_of(self.source)
