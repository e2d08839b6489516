"""``while``, ``do`` and ``continue`` as counted loops and branches, where they are nothing else."""

from __future__ import annotations

from dataclasses import replace

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.rewrite_tree import with_new_children
from ..c.traversal import descendants
from .early_exits import has_exit, without_exits


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
    return Diagnostic(
        f"{what} is not supported here",
        node.location,
        hint="write a counted loop: for (int i = start; i < bound; i += step)",
    )


def _while(node: syntax.While) -> syntax.Node:
    """``while (i < n) { …; i++; }`` is ``for (; i < n; i++) { … }``."""
    body = node.body.statements if isinstance(node.body, syntax.Compound) else (node.body,)
    if not body or not isinstance(body[-1], syntax.ExpressionStatement):
        raise _refused(node, "a 'while' loop that does not end with a step of its counter")
    step = body[-1].expression
    if not _steps(step, node.condition) or has_exit(node.body, syntax.Continue):
        raise _refused(node, "a 'while' loop that does not end with a step of its counter")
    rest = syntax.Compound(node.body.location, body[:-1])
    return _for(node, node.condition, step, rest)


def _do(node: syntax.While) -> syntax.Node:
    """``do { … } while (++i < n)`` is the body once, and a loop over the rest."""
    condition, body = node.condition, node.body
    if isinstance(condition, syntax.Literal) and not condition.value:
        inner = with_new_children(body, _change)
        return without_exits(without_exits(inner, syntax.Continue), syntax.Break)
    if isinstance(condition, syntax.Binary) and isinstance(condition.left, syntax.Increment):
        step = condition.left
        if step.prefix and isinstance(step.target, syntax.Identifier):
            plain = replace(condition, left=step.target)
            if has_exit(body, syntax.Continue):
                raise _refused(node, "'continue' in a 'do' loop")
            once = syntax.ExpressionStatement(step.location, step)
            inner = with_new_children(body, _change)
            rest = _for(node, plain, step, body)
            return syntax.Compound(node.location, (inner, once, rest))
    statements = body.statements if isinstance(body, syntax.Compound) else (body,)
    if statements and isinstance(statements[-1], syntax.ExpressionStatement):
        step = statements[-1].expression
        if _steps(step, condition) and not has_exit(body, syntax.Continue):
            inner = with_new_children(body, _change)
            without = syntax.Compound(body.location, statements[:-1])
            rest = _for(node, condition, step, without)
            return syntax.Compound(node.location, (inner, rest))
    raise _refused(node, "a 'do' loop that does not end with a step of its counter")


def _for(
    node: syntax.While,
    condition: syntax.Expression,
    step: syntax.Expression,
    body: syntax.Statement,
) -> syntax.For:
    return syntax.For(node.location, None, condition, step, with_new_children(body, _change))


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
    stepped = {n.name for n in descendants(loop.step or loop) if isinstance(n, syntax.Identifier)}
    own = [part for part in parts if _named(part) in stepped]
    if len(parts) < 2 or len(own) != 1 or own[0] is not parts[0]:
        return loop
    name = _named(own[0])
    if any(
        isinstance(n, syntax.Identifier) and n.name == name
        for p in parts[1:]
        for n in descendants(p)
    ):
        return loop
    return syntax.Compound(loop.location, (*parts[1:], replace(loop, initializer=own[0])))


def _named(start: syntax.Declaration | syntax.ExpressionStatement) -> str:
    """The variable that a start of a loop gives a value."""
    if isinstance(start, syntax.Declaration):
        return start.declarators[0].name
    target = getattr(start.expression, "target", None)
    return target.name if isinstance(target, syntax.Identifier) else ""


def _parts(expression: syntax.Expression) -> list[syntax.Expression]:
    """The expressions between commas."""
    parts: list[syntax.Expression] = []
    while isinstance(expression, syntax.Comma):
        parts.insert(0, expression.second)
        expression = expression.first
    return [expression, *parts]


def _steps(step: syntax.Expression, condition: syntax.Expression) -> bool:
    """Whether an expression changes a variable that a condition compares."""
    if not isinstance(step, syntax.Increment | syntax.Assignment):
        return False
    target = step.target
    return isinstance(target, syntax.Identifier) and any(
        isinstance(node, syntax.Identifier) and node.name == target.name
        for node in descendants(condition)
    )
