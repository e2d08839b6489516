"""Rebuilds syntax trees with some nodes replaced."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar, cast

from . import syntax

NodeT = TypeVar("NodeT", bound=syntax.Node)


Change = Callable[[syntax.Node], "syntax.Node | None"]
"""Returns what takes the place of a node, ``None`` if the node stays and its children are asked."""


def rebuilt(node: NodeT, change: Change) -> NodeT:
    """Return ``node`` with ``change`` applied to it or, where it gives ``None``, below it.

    What does not change is not copied, so that nodes keep their identity.
    """
    replaced = change(node)
    return cast(NodeT, with_new_children(node, change) if replaced is None else replaced)


def with_new_children(node: NodeT, change: Change) -> NodeT:
    """Return ``node`` with ``change`` applied below it."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(node):
        old = getattr(node, field.name)
        new = _rebuilt_value(old, change)
        if new is not old:
            changed[field.name] = new
    return dataclasses.replace(node, **changed) if changed else node


def _rebuilt_value(value: Any, change: Change) -> Any:
    if isinstance(value, syntax.Node):
        return rebuilt(value, change)
    if isinstance(value, syntax.ArrayOf) and value.extent is not None:
        extent = rebuilt(value.extent, change)
        return value if extent is value.extent else syntax.ArrayOf(extent)
    if not isinstance(value, tuple):
        return value
    items = cast("tuple[Any, ...]", value)
    new = tuple(_rebuilt_value(item, change) for item in items)
    is_same = all(left is right for left, right in zip(items, new, strict=True))
    return items if is_same else new
