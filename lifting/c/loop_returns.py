"""Moves ``return`` out of loops: the loop notes the value and ends early, what follows returns it.

``for (…) if (a[i] == x) return i; return -1;`` becomes a loop that sets a value and a flag and
breaks, followed by ``if (flag) return value;``. A loop around such a loop breaks as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import syntax
from .rewrite_tree import rebuilt
from .traversal import descendants
from .types import BOOL, INT, VOID, CType


def returns_after_loops(
    function: syntax.Function, fresh_name: Callable[[str], str]
) -> syntax.Function:
    """Return ``function`` without ``return`` inside of loops.

    ``fresh_name`` gives names that no C program has. A function that returns a vector is left as it
    is.
    """
    if function.vector_rank or not any(_is_loop_with_return(n) for n in descendants(function.body)):
        return function
    return _LoopReturns(function, fresh_name("returned"), fresh_name("value")).function()


def _is_loop_with_return(node: syntax.Node) -> bool:
    return isinstance(node, syntax.For | syntax.While) and _returns(node)


def _returns(node: syntax.Node) -> bool:
    return any(isinstance(inner, syntax.Return) for inner in descendants(node))


class _LoopReturns:
    def __init__(self, function: syntax.Function, flag: str, value: str) -> None:
        self._function = function
        self._flag = flag
        self._value = value

    def function(self) -> syntax.Function:
        body = rebuilt(self._function.body, self._outermost)
        statements = (*self._declarations(), *body.statements)
        return replace(self._function, body=replace(body, statements=statements))

    def _declarations(self) -> tuple[syntax.Statement, ...]:
        place = self._function.body.location
        names: dict[str, CType] = {self._flag: BOOL}
        if self._function.result != VOID:
            names[self._value] = self._function.result
        zero = syntax.Literal(place, 0, INT)
        return tuple(
            syntax.Declaration(
                place,
                (syntax.Declarator(place, n, syntax.TypeName(place, t, False, ()), zero),),
            )
            for n, t in names.items()
        )

    def _outermost(self, node: syntax.Node) -> syntax.Node | None:
        """A loop of the function's body, and the ``return`` that follows it."""
        if not _is_loop_with_return(node):
            return None
        assert isinstance(node, syntax.For | syntax.While)
        place = node.location
        is_void = self._function.result == VOID
        value = None if is_void else syntax.Identifier(place, self._value)
        leave = syntax.If(place, self._flagged(place), syntax.Return(place, value), None)
        return syntax.Compound(place, (self._loop(node), leave))

    def _loop(self, loop: syntax.For | syntax.While) -> syntax.Statement:
        return replace(loop, body=rebuilt(loop.body, self._inside))

    def _inside(self, node: syntax.Node) -> syntax.Node | None:
        if isinstance(node, syntax.For | syntax.While):
            if not _returns(node):
                return node
            place = node.location
            leave = syntax.If(place, self._flagged(place), syntax.Break(place), None)
            return syntax.Compound(place, (self._loop(node), leave))
        if not isinstance(node, syntax.Return):
            return None
        noted = [self._set(node.location, self._flag, syntax.Literal(node.location, 1, INT))]
        if node.value is not None:
            noted.append(self._set(node.location, self._value, node.value))
        return syntax.Compound(node.location, (*noted, syntax.Break(node.location)))

    def _flagged(self, place: syntax.SourceLocation) -> syntax.Expression:
        return syntax.Identifier(place, self._flag)

    def _set(
        self, place: syntax.SourceLocation, name: str, value: syntax.Expression
    ) -> syntax.Statement:
        target = syntax.Identifier(place, name)
        return syntax.ExpressionStatement(place, syntax.Assignment(place, "", target, value))
