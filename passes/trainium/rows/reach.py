"""Which elements of arrays are needed at all: what masks hide need not be computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ....dialects.trn import Operator
from ..scalar_operations import NEUTRAL
from .graph import Access, Guard, Masked, Node, Pointwise, Product, Reduce, Total
from .steps import Activate, Combine, Multiply, Step, accesses_of

Guards = frozenset[Guard]
"""The elements for which all of them hold."""
_ALL: Guards = frozenset()


def needed_elements(outputs: Iterable[Access]) -> dict[Node, Guards]:
    """The elements of each node that results depend on, or more."""
    found = {access.node: _ALL for access in outputs}
    for node in reversed(nodes_of(found)):
        for access, guards in reads(node, found[node]):
            found[access.node] = guards & found.get(access.node, guards)
    return found


def reach(step: Step, needed: Mapping[Node, Guards]) -> int | None:
    """A ``c`` such that only elements ``j <= i + c`` of row i take part in a step."""
    if isinstance(step, Combine):
        return _least_reach(visible(step.data, step.operator))
    if isinstance(step, Activate) and step.node not in needed:
        return _least_reach(visible(step.data, Operator.ADD))
    return _least_reach(needed[step.node])


def depth_reach(step: Multiply) -> int | None:
    """The like for the elements that a product sums over."""
    return _least_reach(visible(step.left, Operator.ADD))


def visible(operand: Access, operator: Operator) -> Guards:
    """The elements of what is combined that are not masked by a number that changes nothing."""
    found = _ALL
    while operand.is_whole and isinstance(mask := operand.node, Masked):
        if mask.fill != NEUTRAL[operator]:
            break
        found |= {mask.guard}
        operand = mask.data
    return found


def _least_reach(guards: Guards) -> int | None:
    return min((guard.reach for guard in guards if guard.reach is not None), default=None)


def reads(node: Node, needed: Guards) -> Iterator[tuple[Access, Guards]]:
    """What is read to compute some elements of a node, and which elements of that."""
    match node:
        case Masked(data=data, guard=guard):
            # The mask runs over all that is needed of it.
            kept = {guard} if guard.reach is None or guard in needed else _ALL
            yield data, needed | kept if data.is_whole else _ALL
        case Pointwise(operands=operands):
            for access in accesses_of(*operands):
                yield access, needed if access.is_whole and access.sizes == node.free else _ALL
        case Reduce(operand=operand, operator=operator):
            yield operand, visible(operand, operator)
        case Total(operand=operand):
            yield operand, _ALL
        case Product(left=left):
            yield left, visible(left, Operator.ADD)
        case _:
            pass


def nodes_of(roots: Iterable[Node]) -> list[Node]:
    """The nodes that roots are computed from, each behind those that it reads."""
    found: dict[Node, None] = {}
    waiting = [(node, False) for node in roots]
    while waiting:
        node, done = waiting.pop()
        if done:
            found.setdefault(node)
        elif node not in found:
            waiting.append((node, True))
            waiting += [(access.node, False) for access, _ in reads(node, _ALL)]
    return list(found)
