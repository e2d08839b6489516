"""Which arrays of a row graph lie turned: columns in the partitions, rows along each of them.

The tensor engine gives a product either way, and takes a left operand turned. So what lies between
two products, the scores of attention say, needs no transposes if it is computed turned. What is
combined along a row is then combined tile by tile, and over the partitions in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from xdsl.dialects.builtin import f32

from ....dialects.trn import Operator
from ....dialects.trn.limits import MOVING_COLUMNS
from .graph import ROW, SELECT, Access, Masked, Node, Operand, Pointwise, Product, Reduce, Weight
from .reach import nodes_of, reads
from .steps import accesses_of

_COMBINED = (Operator.ADD, Operator.MAXIMUM, Operator.MINIMUM)


@dataclass(frozen=True)
class Turned:
    """The arrays that lie turned, and what is done with them besides."""

    nodes: frozenset[Node] = frozenset()
    totals: Mapping[Node, Reduce] = field(default_factory=dict[Node, Reduce])
    """The sum of a product's left operand, which comes along as one more column of it."""

    @staticmethod
    def of(outputs: Iterable[Access]) -> Turned:
        """All that can lie turned of what leads from products to other products."""
        results = [access.node for access in outputs]
        nodes = nodes_of(results)
        products = [node for node in nodes if isinstance(node, Product)]
        found = [between for one in products if (between := _between(one.left)) is not None]
        for between in found:
            between.update(node for node in nodes if _goes_on(node, between))
        while True:
            turned = frozenset[Node]().union(*found)
            lost = turned.intersection(results) | _read_otherwise(nodes, turned)
            if not lost:
                return Turned(turned, _totals(nodes, turned))
            found = [between for between in found if not between & lost]


def _between(left: Access) -> set[Node] | None:
    """The arrays on the way from products to an operand; None where they cannot lie turned."""
    found: set[Node] = set()
    waiting = [left] if len(left.node.free) == 1 and left.node.free != ROW else []
    while waiting:
        access = waiting.pop()
        node = access.node
        if not access.is_whole or node.free != left.node.free:
            return None
        if node in found:
            continue
        found.add(node)
        if isinstance(node, Pointwise):
            if not all(_is_turnable(node, operand) for operand in node.operands):
                return None
            waiting += [one for one in accesses_of(*node.operands) if not one.is_row]
        elif isinstance(node, Masked):
            waiting.append(node.data)
        elif not isinstance(node, Product):
            return None
    return found or None


def _goes_on(node: Node, between: set[Node]) -> bool:
    """Whether an array is computed from such arrays, for a reduction say."""
    if not isinstance(node, Pointwise | Masked):
        return False
    wide = [access for access, _ in reads(node, frozenset()) if not access.is_row]
    if not wide or not all(access.is_whole and access.node in between for access in wide):
        return False
    return isinstance(node, Masked) or all(_is_turnable(node, one) for one in node.operands)


def _is_turnable(node: Pointwise, operand: Operand) -> bool:
    """Whether an operand can be taken turned: a number of a row is repeated in all partitions."""
    if not isinstance(operand, Access) or not operand.is_row:
        return True
    return node.code != SELECT and (operand.node.free, operand.node.element) == (ROW, f32)


def _read_otherwise(nodes: Iterable[Node], turned: frozenset[Node]) -> set[Node]:
    """The turned arrays that something else reads, which needs them as they are in memory."""
    return {
        access.node
        for node in nodes
        if node not in turned
        for access, _ in reads(node, frozenset())
        if access.node in turned and not _takes_turned(node, access)
    }


def _takes_turned(node: Node, access: Access) -> bool:
    if isinstance(node, Reduce):
        wide = node.element == access.node.element == f32
        return wide and access.is_whole and node.operator in _COMBINED
    return isinstance(node, Product) and access.is_whole


def _totals(nodes: Iterable[Node], turned: frozenset[Node]) -> dict[Node, Reduce]:
    """For products with a column to spare in PSUM, the sum of what they multiply."""
    nodes = list(nodes)
    products = {
        node.left.node: node
        for node in nodes
        if isinstance(node, Product) and node.bias is None and prod(node.free) < MOVING_COLUMNS
    }
    return {
        products[node.operand.node]: node
        for node in nodes
        if isinstance(node, Reduce)
        and (node.operator, node.start) == (Operator.ADD, None)
        and node.operand.node in turned.intersection(products)
    }


def is_scalar(operand: Operand) -> bool:
    """Whether an operand is the same for all rows: a number, or a parameter of one element."""
    return not isinstance(operand, Access) or isinstance(operand.node, Weight)
