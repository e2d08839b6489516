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
            return _with_one_step(replace(inner, body=without_exits(inner.body, syntax.Continue)))
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
    steps: list[syntax.Expression] = []
    rest: syntax.Expression = loop.step
    while isinstance(rest, syntax.Comma):
        steps.insert(0, rest.second)
        rest = rest.first
    steps.insert(0, rest)
    own = [step for step in steps if _steps(step, loop.condition)]
    if len(own) != 1:
        return loop
    others = (syntax.ExpressionStatement(s.location, s) for s in steps if s is not own[0])
    body = syntax.Compound(loop.body.location, (loop.body, *others))
    return replace(loop, step=own[0], body=body)


def _steps(step: syntax.Expression, condition: syntax.Expression) -> bool:
    """Whether an expression changes a variable that a condition compares."""
    if not isinstance(step, syntax.Increment | syntax.Assignment):
        return False
    target = step.target
    return isinstance(target, syntax.Identifier) and any(
        isinstance(node, syntax.Identifier) and node.name == target.name
        for node in descendants(condition)
    )
