"""``while``, ``do`` and ``continue`` as counted loops and branches, where they are nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.rewrite_tree import with_new_children
from ..c.traversal import declared_names, used_names
from .early_exits import COUNTED_LOOP, has_exit, without_exits

_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def with_plain_loops(function: syntax.Function, *, keep: bool = False) -> syntax.Function:
    """The function with every loop a ``for`` without ``continue``.

    A ``while`` loop must end with the step of the variable that its condition compares. Raises
    Diagnostic for other loops; with ``keep`` they stay as they are.
    """
    change = _change_or_keep if keep else _change
    return replace(function, body=with_new_children(function.body, change))


def _change_or_keep(node: syntax.Node) -> syntax.Node | None:
    try:
        return _change(node)
    except Diagnostic:
        return None


def _change(node: syntax.Node) -> syntax.Node | None:
    match node:
        case syntax.While(body_first=True):
            return _do(node)
        case syntax.While():
            return _while(node)
        case syntax.For():
            inner = with_new_children(node, _change)
            plain = replace(inner, body=without_exits(inner.body, syntax.Continue))
            return _with_one_start(_with_one_step(plain))
        case syntax.Break():
            raise _refused(node, "'break'")
        case _:
            return None


def _refused(node: syntax.Node, what: str) -> Diagnostic:
    return Diagnostic(f"{what} is not supported here", node.location, hint=COUNTED_LOOP)


def _while(node: syntax.While) -> syntax.Node:
    """``while (i < n) { …; i++; }`` is ``for (; i < n; i++) { … }``."""
    body = _statements(node.body)
    if isinstance(node.condition, syntax.Literal) and node.condition.value:
        return _do(_leaving_last(node, body))
    found = _without_step(body, node.condition)
    if found is None or has_exit(node.body, syntax.Continue):
        raise _refused(node, "a 'while' loop that does not end with a step of its counter")
    step, rest = found
    return _for(node, node.condition, step, rest)


def _leaving_last(node: syntax.While, body: Sequence[syntax.Statement]) -> syntax.While:
    """``while (1) { …; if (c) break; }`` is ``do { … } while (!c)``."""
    match body[-1:]:
        case (syntax.If(condition=condition, then=then, otherwise=None),) if all(
            isinstance(leaves, syntax.Break) for leaves in _statements(then)
        ):
            rest = syntax.Compound(node.body.location, tuple(body[:-1]))
            if used_names(condition) & declared_names(rest):
                raise _refused(node, "a loop that is left by what its body declares")
            return replace(node, condition=_negated(condition), body=rest, body_first=True)
        case _:
            raise _refused(node, "a 'while' loop that does not end with a step of its counter")


def _negated(condition: syntax.Expression) -> syntax.Expression:
    if isinstance(condition, syntax.Binary) and condition.operator in _NEGATED:
        return replace(condition, operator=_NEGATED[condition.operator])
    return syntax.Unary(condition.location, "!", condition)


def _do(node: syntax.While) -> syntax.Node:
    """``do { … } while (++i < n)`` is the body once, and a loop over the rest."""
    condition, body = node.condition, node.body
    if isinstance(condition, syntax.Literal) and not condition.value:
        inner = with_new_children(body, _change)
        return without_exits(without_exits(inner, syntax.Continue), syntax.Break)
    if has_exit(body, syntax.Continue):
        raise _refused(node, "'continue' in a 'do' loop")
    found = _without_step(_statements(body), condition)
    if isinstance(condition, syntax.Binary) and _steps_first(condition.left):
        found = condition.left, _statements(body)
        condition = replace(condition, left=condition.left.target)
    if found is None:
        raise _refused(node, "a 'do' loop that does not end with a step of its counter")
    step, rest = found
    first = with_new_children(syntax.Compound(body.location, rest), _change)
    once = syntax.ExpressionStatement(step.location, step)
    return syntax.Compound(node.location, (first, once, _for(node, condition, step, rest)))


def _steps_first(value: syntax.Expression) -> TypeGuard[syntax.Increment | syntax.Assignment]:
    """Whether a value is that of a variable behind its step: ``++i`` or ``(i += 2)``."""
    is_late = isinstance(value, syntax.Increment) and not value.prefix
    return not is_late and _stepped(value) is not None


def _without_step(
    body: tuple[syntax.Statement, ...], condition: syntax.Expression
) -> tuple[syntax.Expression, tuple[syntax.Statement, ...]] | None:
    """The step of what a condition compares at the end of a body, and the body without it.

    Steps of other variables, such as pointers that advance, may follow.
    """
    behind: set[str] = set()
    for number in reversed(range(len(body))):
        last = body[number]
        if not isinstance(last, syntax.ExpressionStatement) or not _stepped(last.expression):
            return None
        if _steps(last.expression, condition):
            rest = (*body[:number], *body[number + 1 :])
            moved = used_names(last)
            # Behind the body, names that it declares mean something else.
            stays = behind & moved or any(moved & declared_names(each) for each in rest)
            return None if stays else (last.expression, rest)
        behind |= used_names(last)
    return None


def _stepped(expression: syntax.Expression) -> str | None:
    """The variable that an expression changes, if it is a step."""
    if not isinstance(expression, syntax.Increment | syntax.Assignment):
        return None
    return expression.target.name if isinstance(expression.target, syntax.Identifier) else None


def _statements(body: syntax.Statement) -> tuple[syntax.Statement, ...]:
    return body.statements if isinstance(body, syntax.Compound) else (body,)


def _for(
    node: syntax.While,
    condition: syntax.Expression,
    step: syntax.Expression,
    body: tuple[syntax.Statement, ...],
) -> syntax.For:
    whole = with_new_children(syntax.Compound(node.body.location, body), _change)
    return syntax.For(node.location, None, condition, step, whole)


def _with_one_step(loop: syntax.For) -> syntax.For:
    """The loop with the steps of variables that its condition does not compare in its body."""
    if not isinstance(loop.step, syntax.Comma) or loop.condition is None:
        return loop
    steps = _parts(loop.step)
    own = [step for step in steps if _steps(step, loop.condition)]
    if len(own) != 1:
        return loop
    others = (syntax.ExpressionStatement(s.location, s) for s in steps if s is not own[0])
    body = syntax.Compound(loop.body.location, (loop.body, *others))
    return replace(loop, step=own[0], body=body)


def _with_one_start(loop: syntax.For) -> syntax.Statement:
    """The loop behind the starts of variables that it does not step."""
    starts = loop.initializer
    parts: list[syntax.Declaration | syntax.ExpressionStatement] = []
    if isinstance(starts, syntax.Declaration):
        parts = [replace(starts, declarators=(each,)) for each in starts.declarators]
    elif starts is not None:
        parts = [replace(starts, expression=each) for each in _parts(starts.expression)]
    stepped = used_names(loop.step or loop)
    own = [part for part in parts if _named(part) in stepped]
    if len(parts) < 2 or len(own) != 1 or own[0] is not parts[0]:
        return loop
    name = _named(own[0])
    if any(name in used_names(part) for part in parts[1:]):
        return loop
    return syntax.Compound(loop.location, (*parts[1:], replace(loop, initializer=own[0])))


def _named(start: syntax.Declaration | syntax.ExpressionStatement) -> str:
    """The variable that a start of a loop gives a value."""
    if isinstance(start, syntax.Declaration):
        return start.declarators[0].name
    return _stepped(start.expression) or ""


def _parts(expression: syntax.Expression) -> list[syntax.Expression]:
    """The expressions between commas."""
    parts: list[syntax.Expression] = []
    while isinstance(expression, syntax.Comma):
        parts.insert(0, expression.second)
        expression = expression.first
    return [expression, *parts]


def _steps(step: syntax.Expression, condition: syntax.Expression) -> bool:
    """Whether an expression changes a variable that a condition compares."""
    name = _stepped(step)
    return name is not None and name in used_names(condition)
