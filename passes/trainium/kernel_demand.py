"""What a kernel asks of the machine, whatever the program for it.

Equal values are computed once, and only elements that results depend on. Where rows are computed
alone, what masks hide is not counted; where the masks of several readers differ, only the largest
share counts. Elsewhere products that a condition may hide count as none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn import Function, Operator, element_bytes, is_float
from ...hw.trainium.kernel_bound import Demand
from .array_demand import array_bytes, bytes_of_element, products_of_arrays
from .lower_rows import rows_of
from .rows.graph import (
    Access,
    Load,
    Masked,
    Node,
    Pointwise,
    Product,
    Reduce,
    Repeated,
    Total,
    Weight,
)
from .rows.reach import Guards, visible
from .rows.steps import accesses_of
from .tensor_functions import element_type, output_positions, tensor_sizes

Column = NDArray[np.int64]
ONLY_IN_TABLES = frozenset(map(Function, ("exp", "log", "tanh", "erf", "sin", "cos", "arctan")))
"""Functions that no other engine computes; roots and reciprocals are powers elsewhere too."""
WIDE_BYTES = 4
_ALL: Guards = frozenset()


def demand_of(function: func.FuncOp) -> Demand:
    """What every program for a function on tensors needs, as far as it is known.

    Raises ``PassFailedException`` for sizes that are no numbers.
    """
    with suppress(PassFailedException):
        return demand_of_rows(function)
    products, moved = products_of_arrays(function), array_bytes(function)
    if all(bytes_of_element(array) == WIDE_BYTES for array in function.args):
        return Demand(wide_products=products, moved_bytes=moved)
    return Demand(narrow_products=products, moved_bytes=moved)


def demand_of_rows(function: func.FuncOp) -> Demand:
    """What every program for a function on tensors needs.

    Raises ``PassFailedException`` where rows are not computed alone.
    """
    outer, inner, program = rows_of(function)
    needed = _Needed(program.rows, [access for access, _ in program.outputs])
    products = {True: 0, False: 0}
    table = 0
    moved = sum(_bytes(function.args[place]) for place in output_positions(function))
    read: dict[int, int] = {}
    for node in needed.regions:
        if isinstance(node, Product):
            factors = element_type(inner.args[node.right]), node.left.node.element
            if all(map(is_float, factors)):
                products[max(map(element_bytes, factors)) == WIDE_BYTES] += needed.products(node)
            columns = int(needed.elements(node).max(initial=0))
            read[node.right] = max(read.get(node.right, 0), needed.depth(node.left) * columns)
        elif isinstance(node, Pointwise) and node.code in ONLY_IN_TABLES:
            table += int(needed.elements(node).sum())
        elif isinstance(node, Load):
            read[node.position] = int(needed.elements(node).sum())
        elif isinstance(node, Weight | Repeated):
            read[node.position] = int(needed.elements(node).max(initial=0))
    for place, count in read.items():
        argument, own = function.args[place], inner.args[place]
        repeats = prod(outer) if len(tensor_sizes(argument)) > len(tensor_sizes(own)) else 1
        moved += repeats * count * bytes_of_element(argument)
    times = prod(outer)
    return Demand(products[False] * times, products[True] * times, table * times, moved)


def _bytes(value: SSAValue) -> int:
    return prod(tensor_sizes(value)) * bytes_of_element(value)


class _Needed:
    """Which elements of the nodes that some results are computed from are needed."""

    def __init__(self, rows: int, results: Iterable[Access]) -> None:
        self.rows = rows
        self.regions: dict[Node, set[Guards]] = {}
        """What each reader needs of a node as a whole."""
        self._slices: dict[Node, NDArray[np.bool_]] = {}
        results = list(results)
        for access in results:
            self._add(access, _ALL)
        for node in _readers_first(results):
            for region in tuple(self.regions.setdefault(node, set())):
                for access, part in _reads(node, region):
                    self._add(access, part)
            if node in self._slices:
                for access, _ in _reads(node, _ALL):
                    # Of a slice it is not known which elements of the operands belong to it.
                    self.regions.setdefault(access.node, set())

    def _add(self, access: Access, region: Guards) -> None:
        node = access.node
        if access.is_whole:
            self.regions.setdefault(node, set()).add(region)
        elif not region:
            mask = self._slices.setdefault(node, np.zeros(node.free, np.bool_))
            mask[np.ix_(*_places(access))] = True

    def elements(self, node: Node) -> Column:
        """How many elements of each row are needed at least."""
        every = [_count(node.free, region, self.rows) for region in self.regions[node]]
        if node in self._slices:
            every.append(np.full(self.rows, int(self._slices[node].sum())))
        return np.max(every, axis=0) if every else np.zeros(self.rows, np.int64)

    def products(self, node: Product) -> int:
        """Multiplications of a product of rows with a matrix."""
        return int((self.elements(node) * self._depths(node.left)).sum())

    def depth(self, left: Access) -> int:
        """The rows of the matrix that a product needs."""
        return int(self._depths(left).max(initial=0))

    def _depths(self, left: Access) -> Column:
        return _count(left.sizes, visible(left, Operator.ADD), self.rows)


def _readers_first(results: Iterable[Access]) -> list[Node]:
    """The nodes that results are computed from, each behind those that read it."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in found:
            for access, _ in _reads(node, _ALL):
                visit(access.node)
            found[node] = None

    for access in results:
        visit(access.node)
    return list(found)[::-1]


def _reads(node: Node, region: Guards) -> Iterator[tuple[Access, Guards]]:
    """What a region of a node is computed from, and which elements of that."""
    match node:
        case Masked(data=data, guard=guard):
            yield data, region | {guard}
        case Pointwise(operands=operands):
            for access in accesses_of(*operands):
                yield access, region if access.sizes == node.free else _ALL
        case Reduce(operand=operand, operator=operator) | Total(operand=operand, operator=operator):
            yield operand, visible(operand, operator)
        case Product(left=left):
            yield left, visible(left, Operator.ADD)
        case _:
            pass


def _places(access: Access) -> list[list[int]]:
    """The subscripts of an access in each dimension of its node."""
    places: list[list[int]] = []
    for dimension, offset in enumerate(access.offsets):
        found = {offset}
        for size, along, step in zip(access.sizes, access.along, access.steps, strict=True):
            if along == dimension and step:
                found = {at + step * number for at in found for number in range(size)}
        places.append(sorted(found))
    return places


def _count(free: tuple[int, ...], region: Guards, rows: int) -> Column:
    """The elements of each row for which all guards hold; none where that is not worked out."""
    if region and len(free) != 1:
        return np.zeros(rows, np.int64)
    row = np.arange(rows)
    first, end = np.zeros(rows, np.int64), np.full(rows, prod(free))
    for guard in region:
        (step,), base = guard.steps, guard.row * row + guard.constant
        if step > 0:
            first = np.maximum(first, -(base // step))
        elif step < 0:
            end = np.minimum(end, base // -step + 1)
        else:
            end = np.where(base >= 0, end, 0)
    return np.maximum(end - first, 0)
