"""Rows that are too long for one partition: in parts, or an equal share in each of many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod

from xdsl.dialects.builtin import f32
from xdsl.utils.exceptions import PassFailedException

from ....dialects.trn import Operator
from ....dialects.trn.limits import PARTITIONS
from .graph import ROW, Access, Load, Node, Operand, Pointwise, Reduce, Repeated, Total, Weight


def in_passes(outputs: Iterable[Access]) -> list[Access]:
    """The same results, with arrays of their own for each pass over a row.

    A pass ends where what is combined along the row is known. What a later one needs besides is
    loaded and computed again, so that no array is needed as a whole. Raises
    ``PassFailedException`` for masks, products, and elements that are read at other places.
    """
    return _Rebuilt(1, by_pass=True).results(outputs)


def in_shares(outputs: Iterable[Access], by_pass: bool) -> tuple[int, list[Access]]:
    """How many partitions share one row, and the results with an equal share in each.

    Every reduction is followed by a ``Total`` of all partitions. Raises ``PassFailedException``
    as ``in_passes`` does, and where there is no reduction or no such number of partitions.
    """
    found = list(outputs)
    lengths = {prod(node.free) for node in _nodes(found)} - {1}
    if len(lengths) != 1 or not any(isinstance(node, Reduce) for node in _nodes(found)):
        raise PassFailedException("no totals of rows of one length")
    (length,) = lengths
    shares = max(count for count in range(1, PARTITIONS + 1) if length % count == 0)
    if shares == 1:
        raise PassFailedException(f"no number of partitions shares {length} elements")
    return shares, _Rebuilt(shares, by_pass).results(found)


def _nodes(outputs: Iterable[Access]) -> list[Node]:
    """What results are computed from."""
    found: dict[Node, None] = {}
    waiting = [access.node for access in outputs]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting += [access.node for access in _read(node)]
    return list(found)


def _read(node: Node) -> list[Access]:
    match node:
        case Pointwise(operands=operands):
            return [one for one in operands if isinstance(one, Access)]
        case Reduce(operand=operand):
            return [operand]
        case Load() | Weight():
            return []
        case _:
            raise PassFailedException("masks and products need whole rows")


def _is_whole(access: Access) -> bool:
    """Whether all elements of a node are read in their order, whatever sizes of 1 there are."""
    shape = enumerate(access.node.free)
    whole = [(size, number, 1) for number, size in shape if size > 1]
    read = zip(access.sizes, access.along, access.steps, strict=True)
    return not any(access.offsets) and [one for one in read if one[0] > 1] == whole


def _with_start(node: Node) -> Reduce | None:
    """The limit of a row in which a number takes part, if that is what a node is."""
    if isinstance(node, Pointwise) and node.code in (Operator.MAXIMUM, Operator.MINIMUM):
        limit, *others = (one.node if isinstance(one, Access) else one for one in node.operands)
        if isinstance(limit, Reduce) and limit.operator == node.code and limit.start is None:
            return replace(limit, start=others[0]) if isinstance(others[0], float) else None
    return None


@dataclass
class _Rebuilt:
    """New nodes for those of a graph."""

    shares: int
    by_pass: bool
    nodes: dict[tuple[Node, int], Node] = field(default_factory=dict[tuple[Node, int], Node])
    """By the pass in which they are computed."""
    passes: dict[Node, int] = field(default_factory=dict[Node, int])

    def results(self, outputs: Iterable[Access]) -> list[Access]:
        found = list(outputs)
        last = max(map(self._pass, _nodes(found)))
        return [self._access(access, last) for access in found]

    def _pass(self, node: Node) -> int:
        """The first pass in which a node can be computed."""
        if node not in self.passes:
            before = max((self._pass(access.node) for access in _read(node)), default=0)
            self.passes[node] = before + (isinstance(node, Reduce) and self.by_pass)
        return self.passes[node]

    def _operand(self, operand: Operand, at: int) -> Operand:
        return self._access(operand, at) if isinstance(operand, Access) else operand

    def _access(self, access: Access, at: int) -> Access:
        is_row = prod(access.node.free) == 1
        if not is_row and not _is_whole(access):
            raise PassFailedException("elements at other places of a row are read")
        key = access.node, 0 if is_row else at
        if key not in self.nodes:
            self.nodes[key] = self._node(access.node, at)
        return Access.whole(self.nodes[key])

    def _node(self, node: Node, at: int) -> Node:
        if (limit := _with_start(node)) is not None:
            return self._reduced(limit)
        length = prod(node.free)
        if self.shares == 1 and len(node.free) > 1:
            raise PassFailedException("rows of several dimensions")
        free = (length // self.shares,) if length > 1 else ROW
        match node:
            case Load(position=position):
                return Load(free, node.element, position)
            case Weight(position=position):
                return Repeated(free, node.element, position) if length > 1 else node
            case Pointwise(code=code, operands=operands):
                again = tuple(self._operand(operand, at) for operand in operands)
                return Pointwise(free, node.element, code, again)
            case Reduce():
                return self._reduced(node)
            case _:
                raise AssertionError(node)

    def _reduced(self, node: Reduce) -> Node:
        operand, operator = node.operand, node.operator
        if prod(operand.sizes[-node.axes :]) != prod(operand.node.free):
            raise PassFailedException("a reduction along some dimensions of a row")
        if self.shares > 1 and node.element != f32:
            raise PassFailedException("totals over partitions need float32")
        data = self._access(operand, self._pass(operand.node))
        found = Reduce(ROW, node.element, operator, data, 1, node.start)
        if self.shares == 1:
            return found
        return Total(ROW, node.element, operator, Access.whole(found))
