"""Which numbers of a program are sizes: the plan by which extraction makes them symbols.

The plan is a proposal. A program extracted by a plan is the original one where every symbol has the
value of the number that it replaced, so what is proved for all values of the symbols holds for the
original too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from xdsl.dialects import scf
from xdsl.ir import SSAValue

from .condition import Condition, all_of, at_least
from .index import Index, Variable

if TYPE_CHECKING:
    from .polyhedral import Array, Program
    from .structured import Extractor

Node: TypeAlias = Hashable
"""A dimension of a parameter or of a local array, or a loop, of one of two programs."""


@dataclass
class SizePlan:
    """Symbols for loop bounds and array extents; what is not in the plan stays a number."""

    symbols: tuple[Variable, ...] = ()
    loops: dict[scf.ForOp, Index] = field(default_factory=dict[scf.ForOp, Index])
    extents: dict[SSAValue, tuple[Index, ...]] = field(
        default_factory=dict[SSAValue, tuple[Index, ...]]
    )
    meaning: dict[str, str] = field(default_factory=dict[str, str])
    """For each symbol, the parameter dimensions that have this size."""

    @property
    def context(self) -> Condition:
        """Sizes are at least 1."""
        return all_of([at_least(Index.of(Variable(symbol.name)), 1) for symbol in self.symbols])


CONCRETE = SizePlan()
"""The plan that keeps all numbers."""


@dataclass
class Extraction:
    """A program and the IR that its arrays and loops come from."""

    program: Program
    extractor: Extractor


class _Classes:
    """Union-find over nodes that have the same size."""

    def __init__(self) -> None:
        self._parents: dict[Node, Node] = {}

    def find(self, node: Node) -> Node:
        parent = self._parents.setdefault(node, node)
        if parent == node:
            return node
        self._parents[node] = self.find(parent)
        return self._parents[node]

    def join(self, left: Node, right: Node) -> None:
        self._parents[self.find(left)] = self.find(right)

    def groups(self) -> list[list[Node]]:
        found: dict[Node, list[Node]] = defaultdict(list)
        for node in self._parents:
            found[self.find(node)].append(node)
        return list(found.values())


def plan_sizes(
    source: Extraction, target: Extraction, names: Sequence[str]
) -> tuple[SizePlan, SizePlan]:
    """Plans for two programs with the same parameters: equal sizes become the same symbol.

    Sizes are equal if one loop counter runs over all of them, alone in a subscript.
    """
    classes = _Classes()
    for number, extraction in enumerate((source, target)):
        for left, right in _equal_sizes(extraction, number):
            classes.join(left, right)
    plans = (SizePlan(), SizePlan())
    for group in classes.groups():
        parameters = sorted(node for node in group if _is_parameter(node))  # pyright: ignore
        if not parameters:
            continue
        symbol = Variable(f"size{len(plans[0].symbols)}", 1)
        meaning = ", ".join(f"{names[node[1]]}[{node[2]}]" for node in parameters)  # pyright: ignore
        for plan in plans:
            plan.symbols += (symbol,)
            plan.meaning[symbol.name] = meaning
        for number, (extraction, plan) in enumerate(zip((source, target), plans, strict=True)):
            _apply(extraction, number, plan, set(group), Index.of(symbol))
    return plans


def _is_parameter(node: Node) -> bool:
    return isinstance(node, tuple) and node[0] == "parameter"


def _equal_sizes(extraction: Extraction, number: int) -> Iterator[tuple[Node, Node]]:
    """Pairs of a counter and an array dimension that it runs over completely."""
    for (left, first), (right, second) in extraction.extractor.same_extents:
        if left.extents[first].is_constant and right.extents[second].is_constant:
            yield array_node(left, first, number), array_node(right, second, number)
    for statement in extraction.program.readers():
        sizes = {dim.name: dim.high + 1 for dim in statement.dims if dim.high is not None}
        accesses = [(statement.array, statement.indices)]
        accesses += [(read.array, read.indices) for read in statement.reads]
        for array, indices in accesses:
            for place, (index, extent) in enumerate(zip(indices, array.extents, strict=True)):
                name = _single_variable(index)
                if name in sizes and extent.is_constant and sizes[name] == extent.constant:
                    yield (number, name), array_node(array, place, number)


def _single_variable(index: Index) -> str:
    if index.constant or len(index.terms) != 1:
        return ""
    atom, factor = index.terms[0]
    return atom.name if isinstance(atom, Variable) and factor == 1 else ""


def array_node(array: Array, place: int, number: int) -> Node:
    """Dimension ``place`` of an array; parameters are the same in both programs."""
    if array.position is not None:
        return ("parameter", array.position, place)
    return (number, array.name, place)


def _apply(
    extraction: Extraction, number: int, plan: SizePlan, group: set[Node], symbol: Index
) -> None:
    extractor = extraction.extractor
    for name, loop in extractor.loops.items():
        if (number, name) in group:
            plan.loops[loop] = symbol
    for value, array in extractor.arrays.items():
        for place in range(len(array.extents)):
            if array_node(array, place, number) in group:
                known = list(plan.extents.get(value, array.extents))
                known[place] = symbol
                plan.extents[value] = tuple(known)
