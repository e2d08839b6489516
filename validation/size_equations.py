"""Linear equations between the sizes of two programs, and their solution.

A size is the extent of an array dimension or the number of iterations of a loop. Equations come
from accesses: `in[y + ky]` that stays just within `in` says `extent = size(y) + size(ky) - 1`.
Solving them leaves free sizes, which become symbols, and every other one is an expression of these.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from .core.index import Atom, Index, Variable

Node: TypeAlias = Hashable
"""A dimension of a parameter or of a local array, or a loop, of one of two programs."""


@dataclass
class SizeEquations:
    """Sizes as linear expressions of free sizes, kept solved after every equation."""

    numbers: dict[Node, int] = field(default_factory=dict[Node, int])
    """The value that each size has in the programs."""
    _variables: dict[Node, Variable] = field(default_factory=dict[Node, Variable])
    _nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    _solved: dict[str, Index] = field(default_factory=dict[str, Index])

    def variable(self, node: Node, number: int) -> Index:
        """The size of ``node``, which is ``number`` in the programs."""
        if node not in self._variables:
            self._variables[node] = Variable(f"s{len(self._variables)}", 1)
            self._nodes[self._variables[node].name] = node
            self.numbers[node] = number
        return Index.of(self._variables[node])

    def solution(self, node: Node) -> Index:
        """The size of ``node`` as an expression of free sizes."""
        return Index.of(self._variables[node]).replace(self._solved)

    def node_of(self, variable: Atom) -> Node:
        assert isinstance(variable, Variable)
        return self._nodes[variable.name]

    def nodes(self) -> list[Node]:
        return list(self._variables)

    def add(self, left: Index, right: Index) -> None:
        """Demand that two expressions of sizes are equal; contradictions are left out.

        The solution stays true for the programs as they are: an equation that does not hold for
        their numbers is not taken.
        """
        difference = (left - right).replace(self._solved)
        if not difference.terms or self.value(difference) != 0:
            return
        candidates = [(atom, factor) for atom, factor in difference.terms if abs(factor) == 1]
        if not candidates:
            return
        pivot, factor = max(candidates, key=lambda pair: self._rank(pair[0]))
        assert isinstance(pivot, Variable)
        value = Index.of(pivot) - difference * factor
        step = {pivot.name: value}
        self._solved = {name: index.replace(step) for name, index in self._solved.items()}
        self._solved[pivot.name] = value

    def freeze(self, node: Node) -> None:
        """Keep the number of a size: it is no symbol."""
        number = Index((), self.numbers[node])
        self.add(Index.of(self._variables[node]), number)

    def value(self, expression: Index) -> int:
        """The number that an expression of sizes is in the programs."""
        return expression.constant + sum(
            factor * self.numbers[self.node_of(atom)] for atom, factor in expression.terms
        )

    def _rank(self, atom: Atom) -> tuple[bool, int, str]:
        """What is better expressed by the others: loops and local arrays, then large sizes."""
        node = self.node_of(atom)
        return not is_parameter(node), self.numbers[node], str(node)


def is_parameter(node: Node) -> bool:
    """Whether a node is a dimension of a parameter, and so a size that a caller chooses."""
    return isinstance(node, tuple) and node[0] == "parameter"
