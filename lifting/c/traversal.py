"""Walks syntax trees, and asks simple questions about what is in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from . import syntax


def children(node: syntax.Node) -> Iterator[syntax.Node]:
    """Yield the nodes directly below ``node``, in source order."""
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        for item in cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,):
            if isinstance(item, syntax.Node):
                yield item
            elif isinstance(item, syntax.ArrayOf) and item.extent is not None:
                yield item.extent


def descendants(node: syntax.Node) -> Iterator[syntax.Node]:
    """Yield ``node`` and every node below it."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(children(current))


def used_names(node: syntax.Node) -> set[str]:
    """Names that ``node`` uses."""
    return {found.name for found in descendants(node) if isinstance(found, syntax.Identifier)}


def declared_names(node: syntax.Node) -> set[str]:
    """Names that ``node`` declares, in whatever scope."""
    return {found.name for found in descendants(node) if isinstance(found, syntax.Declarator)}


def assigned_names(node: syntax.Node) -> set[str]:
    """Return the names of scalars and arrays that ``node`` may change.

    An array that is handed to a function counts, since the function may write it.
    """
    names: set[str] = set()
    for current in descendants(node):
        if isinstance(current, (syntax.Assignment, syntax.Increment)):
            names.update(root_name(current.target))
        elif isinstance(current, syntax.Call):
            for argument in current.arguments:
                names.update(root_name(argument))
    return names


def root_name(expression: syntax.Expression) -> set[str]:
    """Return the name of the variable that an assignment to ``expression`` changes."""
    match expression:
        case syntax.Identifier(name=name):
            return {name}
        case syntax.Subscript(base=base):
            return root_name(base)
        case syntax.Unary(operand=operand) | syntax.Cast(operand=operand):
            return root_name(operand)
        case syntax.Binary(left=left, right=right):
            return root_name(left) | root_name(right)
        case _:
            return set()
