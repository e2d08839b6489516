"""Tells which variables are surely set before they are read, whatever path is taken."""

from __future__ import annotations

from . import syntax
from .traversal import descendants


def set_before_read(function: syntax.Function) -> set[syntax.Declarator]:
    """Return the local variables without initial value that are set before any other use.

    Only what can be seen from the statements in the block of the declaration counts.
    """
    found: set[syntax.Declarator] = set()
    for node in descendants(function.body):
        if not isinstance(node, syntax.Compound):
            continue
        for place, statement in enumerate(node.statements):
            if isinstance(statement, syntax.Declaration):
                rest = node.statements[place + 1 :]
                found.update(
                    declarator
                    for declarator in statement.declarators
                    if declarator.initializer is None and _sets(rest, declarator.name)
                )
    return found


def _sets(statements: tuple[syntax.Statement, ...], name: str) -> bool:
    """Tell whether the first of ``statements`` that uses the variable surely sets it."""
    for statement in statements:
        if _mentions(statement, name):
            return _surely_sets(statement, name)
    return False


def _surely_sets(statement: syntax.Statement, name: str) -> bool:
    match statement:
        case syntax.ExpressionStatement(
            expression=syntax.Assignment(
                operator="", target=syntax.Identifier(name=target), value=value
            )
        ):
            return target == name and not _mentions(value, name)
        case syntax.Compound(statements=inner):
            return _sets(inner, name)
        case syntax.If(condition=condition, then=then, otherwise=otherwise):
            if otherwise is None or _mentions(condition, name):
                return False
            return _surely_sets(then, name) and _surely_sets(otherwise, name)
        case _:
            return False


def _mentions(node: syntax.Node, name: str) -> bool:
    return any(
        isinstance(part, syntax.Identifier | syntax.Declarator) and part.name == name
        for part in descendants(node)
    )
