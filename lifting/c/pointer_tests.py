"""Tests whether an array parameter is there: arrays are, so ``if (bias)`` is always taken."""

from __future__ import annotations

from dataclasses import replace

from . import syntax
from .rewrite_tree import rebuilt, with_new_children
from .traversal import declared_names
from .types import INT

_NULL = ("NULL", "nullptr")


def without_pointer_tests(unit: syntax.TranslationUnit) -> syntax.TranslationUnit:
    """Return ``unit`` with what it asks of array parameters as pointers answered."""
    functions = {name: replace(f, body=_PointerTests(f).body) for name, f in unit.functions.items()}
    return replace(unit, functions=functions)


class _PointerTests:
    def __init__(self, function: syntax.Function) -> None:
        arrays = {each.name for each in function.parameters if each.type.derivations}
        self._arrays = arrays - declared_names(function.body)
        self.body = rebuilt(function.body, self._changed) if self._arrays else function.body

    def _changed(self, node: syntax.Node) -> syntax.Node | None:
        """What takes the place of a node with conditions; those below are changed before."""
        if not isinstance(node, syntax.If | syntax.Conditional | syntax.Binary | syntax.Unary):
            return None
        inner = with_new_children(self._with_decided(node), self._changed)
        match inner:
            case syntax.Unary(operator="!", operand=syntax.Literal(value=value)):
                return syntax.Literal(inner.location, int(not value), INT)
            case syntax.Binary(operator="&&" | "||", left=syntax.Literal(value=value)):
                if bool(value) != (inner.operator == "&&"):
                    return syntax.Literal(inner.location, int(bool(value)), INT)
                if isinstance(inner.right, syntax.Literal):
                    return syntax.Literal(inner.location, int(bool(inner.right.value)), INT)
                zero = syntax.Literal(inner.location, 0, INT)
                return syntax.Binary(inner.location, "!=", inner.right, zero)
            case syntax.Binary(operator="==" | "!=", left=left, right=right):
                sides = ((left, right), (right, left))
                if any(self._is_array(a) and _is_null(b) for a, b in sides):
                    return syntax.Literal(inner.location, int(inner.operator == "!="), INT)
            case _:
                pass
        return inner

    def _with_decided(self, node: syntax.Node) -> syntax.Node:
        """The node, with arrays that are conditions of it as what they say."""
        match node:
            case syntax.If(condition=condition) | syntax.Conditional(condition=condition):
                return replace(node, condition=self._decided(condition))
            case syntax.Binary(operator="&&" | "||", left=left, right=right):
                return replace(node, left=self._decided(left), right=self._decided(right))
            case syntax.Unary(operator="!", operand=operand):
                return replace(node, operand=self._decided(operand))
            case _:
                return node

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
