"""Tests whether an array parameter is there: arrays are, so ``if (bias)`` is always taken."""

from __future__ import annotations

from dataclasses import replace

from . import syntax
from .rewrite_tree import rebuilt
from .traversal import descendants
from .types import INT

_NULL = ("NULL", "nullptr")


def without_pointer_tests(unit: syntax.TranslationUnit) -> syntax.TranslationUnit:
    """Return ``unit`` with what it asks of array parameters as pointers answered."""
    functions = {name: replace(f, body=_PointerTests(f).body) for name, f in unit.functions.items()}
    return replace(unit, functions=functions)


class _PointerTests:
    def __init__(self, function: syntax.Function) -> None:
        own = {n.name for n in descendants(function.body) if isinstance(n, syntax.Declarator)}
        arrays = {each.name for each in function.parameters if each.type.derivations}
        self._arrays = arrays - own
        self.body = rebuilt(function.body, self._changed) if self._arrays else function.body

    def _changed(self, node: syntax.Node) -> syntax.Node | None:
        match node:
            case syntax.If(condition=condition) | syntax.Conditional(condition=condition):
                decided = self._decided(condition)
                return None if decided is condition else self._again(node, condition=decided)
            case syntax.Binary(operator="&&" | "||", left=left, right=right):
                sides = self._decided(left), self._decided(right)
                if sides == (left, right):
                    return None
                return self._again(node, left=sides[0], right=sides[1])
            case syntax.Unary(operator="!", operand=operand):
                decided = self._decided(operand)
                return None if decided is operand else replace(node, operand=decided)
            case syntax.Binary(operator="==" | "!=", left=left, right=right):
                sides = ((left, right), (right, left))
                if not any(self._is_array(a) and _is_null(b) for a, b in sides):
                    return None
                return syntax.Literal(node.location, int(node.operator == "!="), INT)
            case _:
                return None

    def _again(self, node: syntax.Node, **changed: syntax.Expression) -> syntax.Node:
        """The node with other conditions, and what is below it changed too."""
        return rebuilt(replace(node, **changed), self._changed)

    def _decided(self, condition: syntax.Expression) -> syntax.Expression:
        is_array = self._is_array(condition)
        return syntax.Literal(condition.location, 1, INT) if is_array else condition

    def _is_array(self, expression: syntax.Expression) -> bool:
        return isinstance(expression, syntax.Identifier) and expression.name in self._arrays


def _is_null(expression: syntax.Expression) -> bool:
    match expression:
        case syntax.Literal(value=0):
            return True
        case syntax.Identifier(name=name):
            return name in _NULL
        case syntax.Cast(operand=operand):
            return _is_null(operand)
        case _:
            return False
