"""Endless loops that are left by a ``break`` at their beginning or end, as loops that end there."""

from __future__ import annotations

from dataclasses import replace

from . import syntax
from .traversal import declared_names, used_names

_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}


def with_condition(loop: syntax.While | syntax.For) -> syntax.Statement:
    """Return ``while (1) { if (c) break; ... }`` as ``while (!c) { ... }``, other loops unchanged.

    A ``break`` at the end makes it ``do { ... } while (!c)``.
    """
    if not _is_endless(loop) or not isinstance(loop.body, syntax.Compound):
        return loop
    statements = loop.body.statements
    if statements and (condition := _left_when(statements[0])) is not None:
        rest = replace(loop.body, statements=statements[1:])
        if isinstance(loop, syntax.For) and loop.step is not None:
            return replace(loop, condition=condition, body=rest)
        return _behind_start(loop, syntax.While(loop.location, condition, rest, body_first=False))
    has_step = isinstance(loop, syntax.For) and loop.step is not None
    if statements and not has_step and (condition := _left_when(statements[-1])) is not None:
        rest = replace(loop.body, statements=statements[:-1])
        if used_names(condition) & declared_names(rest):
            return loop  # behind the body, these names mean something else
        return _behind_start(loop, syntax.While(loop.location, condition, rest, body_first=True))
    return loop


def _is_endless(loop: syntax.While | syntax.For) -> bool:
    condition = loop.condition
    return condition is None or (isinstance(condition, syntax.Literal) and bool(condition.value))


def _left_when(statement: syntax.Node) -> syntax.Expression | None:
    """The condition under which ``if (c) break;`` does not leave the loop."""
    match statement:
        case syntax.If(
            condition=condition,
            then=syntax.Break() | syntax.Compound(statements=(syntax.Break(),)),
            otherwise=None,
        ):
            pass
        case _:
            return None
    if isinstance(condition, syntax.Binary) and condition.operator in _OPPOSITE:
        return replace(condition, operator=_OPPOSITE[condition.operator])
    return syntax.Unary(condition.location, "!", condition)


def _behind_start(loop: syntax.While | syntax.For, endless: syntax.While) -> syntax.Statement:
    """The loop, with what a ``for`` does first in front of it."""
    if isinstance(loop, syntax.While) or loop.initializer is None:
        return endless
    return syntax.Compound(loop.location, (loop.initializer, endless))
