"""What a block of rows computes: a graph with one node for each array, equal ones only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeVar

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute

from ....dialects.trn import Function, Operator

ROW = (1,)
"""Sizes of what has one element in each row."""
SELECT = "select"
"""The code of ``condition ? then : otherwise``."""
COPY = "copy"
"""The code of a conversion to another type, or of a repetition."""
Code = Operator | Function | str


@dataclass(frozen=True, eq=False)
class Node:
    """An array with rows; ``free`` are the sizes of a row. Only ``RowGraph`` makes nodes."""

    free: tuple[int, ...]
    element: Attribute


@dataclass(frozen=True, eq=False)
class Load(Node):
    """The rows of a parameter."""

    position: int


@dataclass(frozen=True, eq=False)
class Weight(Node):
    """A parameter without rows, the same for all of them."""

    position: int


@dataclass(frozen=True, eq=False)
class Repeated(Node):
    """A parameter without rows, some columns of which are repeated in all partitions."""

    position: int


@dataclass(frozen=True, eq=False)
class Pointwise(Node):
    """One operation for each element; operands of one element are repeated."""

    code: Code
    operands: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class Reduce(Node):
    """The last dimensions of an operand, as many as ``axes``, combined."""

    operator: Operator
    operand: Access
    axes: int
    start: float | None = None
    """A number that takes part."""


@dataclass(frozen=True, eq=False)
class Total(Node):
    """What all partitions have of a row together, in each of them."""

    operator: Operator
    operand: Access


@dataclass(frozen=True, eq=False)
class Product(Node):
    """``Σ_k left[k] · right[k, start + j] + bias[j]``."""

    left: Access
    right: int
    """Position of the parameter."""
    turned: bool
    """Whether the parameter is ``[j, k]``."""
    start: int
    bias: Access | None = None
    """A row that is added to all rows."""


@dataclass(frozen=True)
class Guard:
    """Holds for element j of row i where ``row · i + Σ_d steps[d] · j_d + constant >= 0``."""

    row: int
    steps: tuple[int, ...]
    constant: int

    @property
    def reach(self) -> int | None:
        """The ``c`` of a guard ``j <= i + c`` on rows of one dimension."""
        return self.constant if (self.row, self.steps) == (1, (-1,)) else None

    def holds_everywhere(self, place: Sequence[int]) -> bool:
        """Whether it holds for the element at a place of every row."""
        shift = sum(step * at for step, at in zip(self.steps, place, strict=True))
        return self.row >= 0 and self.constant + shift >= 0


@dataclass(frozen=True, eq=False)
class Masked(Node):
    """Data where the guard holds, and ``fill`` elsewhere."""

    data: Access
    guard: Guard
    fill: float


@dataclass(frozen=True)
class Access:
    """Elements of a node: dimension d runs along dimension ``along[d]`` of it by ``steps[d]``."""

    node: Node
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    along: tuple[int, ...]
    steps: tuple[int, ...]

    @staticmethod
    def whole(node: Node) -> Access:
        rank = len(node.free)
        return Access(node, node.free, (0,) * rank, tuple(range(rank)), (1,) * rank)

    @property
    def is_whole(self) -> bool:
        return self == Access.whole(self.node)

    @property
    def is_row(self) -> bool:
        """Whether there is one element in each row."""
        return prod(self.sizes) == 1

    @property
    def is_slice(self) -> bool:
        """Whether neighbours are neighbours in the node, in all its dimensions."""
        whole = Access.whole(self.node)
        return (self.along, self.steps) == (whole.along, whole.steps)

    def within(self, free: Sequence[int], dimensions: Sequence[Subscript]) -> Access:
        """What an iteration space over ``free`` sees through one subscript for each size."""
        offsets = list(self.offsets)
        found: dict[int, tuple[int, int]] = {}
        for number, (dimension, factor, constant) in enumerate(dimensions):
            offsets[self.along[number]] += constant * self.steps[number]
            if dimension is not None:
                found[dimension] = self.along[number], factor * self.steps[number]
        if not found:
            return Access(self.node, ROW, tuple(offsets), (0,), (1,))
        pairs = [found.get(number, (0, 0)) for number in range(len(free))]
        along, steps = (tuple(pair[side] for pair in pairs) for side in (0, 1))
        return Access(self.node, tuple(free), tuple(offsets), along, steps)


Subscript = tuple[int | None, int, int]
"""Which dimension runs along a subscript, its factor, and a constant."""
Operand = Access | float
AnyNode = TypeVar("AnyNode", bound=Node)


class RowGraph:
    """Makes nodes, each once. Nodes of an earlier reading of the same program are remembered.

    Where slices of one array are computed, and all of it as well, the slices are taken from that.
    So a program is read until nothing new appears.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], Node] = {}
        self._known: set[tuple[Any, ...]] = set()
        self._columns: dict[tuple[Any, ...], tuple[int, int]] = {}

    def read_again(self) -> bool:
        """Whether the last reading found something new, which another one may use."""
        state = set(self._nodes) | {(*key, limits) for key, limits in self._columns.items()}
        grown = state != self._known
        self._known = state
        return grown

    def count(self, kind: type[Node]) -> int:
        """How many nodes of a kind there are."""
        return sum(isinstance(node, kind) for node in self._nodes.values())

    def make(self, kind: type[AnyNode], *fields: Any) -> AnyNode:
        key = _key(kind, *fields)
        if key not in self._nodes:
            self._nodes[key] = kind(*fields)
        found = self._nodes[key]
        assert isinstance(found, kind)
        return found

    def pointwise(
        self, code: Code, operands: Sequence[Operand], free: Sequence[int], element: Attribute
    ) -> Access:
        """The results of an operation on all elements of ``free``."""
        if code == Operator.ADD and (biased := self._biased(operands, element)) is not None:
            return Access.whole(biased)
        sliced = _common_slice(operands)
        if sliced is not None:
            whole = [_whole_of(operand) for operand in operands]
            key = _key(Pointwise, sliced.node.free, element, code, tuple(whole))
            if key in self._known:
                return Access(self._nodes[key], *_pattern(sliced))
        return Access.whole(self.make(Pointwise, tuple(free), element, code, tuple(operands)))

    def masked(self, data: Access, guard: Guard, fill: float) -> Access:
        """Data where a guard on it holds, else a number; a slice of an array that is masked."""
        if data.is_slice and not data.is_whole:
            shift = sum(step * at for step, at in zip(guard.steps, data.offsets, strict=True))
            moved = replace(guard, constant=guard.constant - shift)
            whole = Access.whole(data.node)
            key = _key(Masked, whole.sizes, data.node.element, whole, moved, fill)
            if key in self._known:
                return replace(data, node=self._nodes[key])
        return Access.whole(self.make(Masked, data.sizes, data.node.element, data, guard, fill))

    def _biased(self, operands: Sequence[Operand], element: Attribute) -> Product | None:
        """The product that a row is added to, with that row: it becomes part of the sum."""
        for product, row in (operands, operands[::-1]):
            if not isinstance(product, Access) or not isinstance(row, Access):
                continue
            node = product.node
            if not isinstance(node, Product) or node.bias is not None or not product.is_whole:
                continue
            is_vector = isinstance(row.node, Weight) and len(row.node.free) == 1 and row.is_slice
            is_wide = {row.node.element, node.element, element} == {f32}
            if is_vector and is_wide and row.sizes == node.free:
                fields = (node.left, node.right, node.turned, node.start)
                return self.make(Product, node.free, element, *fields, row)
        return None

    def product(
        self,
        left: Access,
        right: int,
        turned: bool,
        columns: tuple[int, int],
        element: Attribute,
    ) -> Access:
        """Columns from one number up to another; all that are needed become one product."""
        key = ("columns", left, right, turned, element)
        low, high = self._columns.get(key, columns)
        low, high = min(low, columns[0]), max(high, columns[1])
        self._columns[key] = low, high
        node = self.make(Product, (high - low,), element, left, right, turned, low)
        return Access(node, (columns[1] - columns[0],), (columns[0] - low,), (0,), (1,))


def _key(*fields: Any) -> tuple[Any, ...]:
    """Fields to compare; numbers as text, since 0.0 equals -0.0."""
    return tuple(
        tuple(map(_exact, field)) if isinstance(field, tuple) else _exact(field) for field in fields
    )


def _exact(field: Any) -> Any:
    return repr(field) if isinstance(field, float) else field


def _common_slice(operands: Sequence[Operand]) -> Access | None:
    """The first operand of more than one element, if all such are slices at one place."""
    wide = [one for one in operands if isinstance(one, Access) and prod(one.node.free) > 1]
    patterns = {_pattern(one) for one in wide}
    if len(patterns) != 1 or len({one.node.free for one in wide}) != 1:
        return None
    first = wide[0]
    return first if first.is_slice and not first.is_whole else None


def _pattern(access: Access) -> tuple[tuple[int, ...], ...]:
    return access.sizes, access.offsets, access.along, access.steps


def _whole_of(operand: Operand) -> Operand:
    if isinstance(operand, Access) and prod(operand.node.free) > 1:
        return Access.whole(operand.node)
    return operand
