"""Names: the scopes of a kernel's functions, and what a loop carries to its next iteration."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from .index import Index, LoopVariable, UnrollRequest
from .values import Dtype, Function, Grid, LoopLocal, Named, View

Bindings = dict[str, Any]


@dataclass
class RolledLoop:
    """A loop that stays a loop, while its body is read once for all iterations."""

    node: ast.AST
    frame: Bindings
    """The bindings of the function that the loop is in."""
    written: set[str] = field(default_factory=set[str])
    read_first: set[str] = field(default_factory=set[str])
    """Names from before the loop that were read before they were written."""


@dataclass
class Scopes:
    """The chain of scopes, innermost last, and the loops around the current statement."""

    chain: tuple[Bindings, ...]
    loops: list[RolledLoop] = field(default_factory=list[RolledLoop])

    @property
    def frame(self) -> Bindings:
        return self.chain[-1]

    def read(self, name: str) -> Any:
        """The value of a name; raises ``KeyError`` if there is none.

        A name that only has its value from the last iteration of a loop asks to unroll that loop.
        """
        for bindings in reversed(self.chain):
            if name not in bindings:
                continue
            for loop in self.loops:
                if loop.frame is bindings and name not in loop.written:
                    loop.read_first.add(name)
            value = bindings[name]
            if isinstance(value, LoopLocal):
                raise UnrollRequest(value.loop)
            return value
        raise KeyError(name)

    def write(self, name: str, value: Any) -> None:
        self.frame[name] = value
        for loop in self.loops:
            if loop.frame is self.frame:
                loop.written.add(name)
                if name in loop.read_first:
                    raise UnrollRequest(loop.node)

    def enter_loop(self, node: ast.AST) -> RolledLoop:
        loop = RolledLoop(node, self.frame)
        self.loops.append(loop)
        return loop

    def leave_branch(self) -> None:
        """End a branch: what a name means behind it depends on which way was taken."""
        branch = self.loops.pop()
        for name in branch.written:
            branch.frame[name] = LoopLocal(branch.node)

    def leave_loop(self, variable: LoopVariable) -> None:
        """End a loop: what a name means now must be the same for all iterations, or is unknown."""
        loop = self.loops.pop()
        for name in loop.written:
            if not _is_same_in_all(loop.frame[name], variable):
                loop.frame[name] = LoopLocal(loop.node)


def _is_same_in_all(value: Any, variable: LoopVariable) -> bool:
    """Whether a value that a loop computed does not depend on its iteration."""
    if isinstance(value, tuple):
        return all(_is_same_in_all(one, variable) for one in value)
    if isinstance(value, Index):
        return variable not in value.terms
    if isinstance(value, Grid):
        return variable not in value.base.terms
    if isinstance(value, View):
        outside = value.array.loops <= variable.depth
        return outside and all(variable not in offset.terms for offset in value.offsets)
    if isinstance(value, Function):
        return all(_is_same_in_all(default, variable) for default in value.defaults.values())
    return isinstance(value, int | float | str | Dtype | Named | None)
