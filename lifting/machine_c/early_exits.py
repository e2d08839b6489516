"""``continue``, ``break`` and ``return`` in branches, as branches around what they skip."""

from __future__ import annotations

from dataclasses import replace

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.returns import returns_last
from ..c.traversal import descendants

COUNTED_LOOP = "write a counted loop: for (int i = start; i < bound; i += step)"
"""The hint for control flow that has no form as loops and branches."""
Exit = type[syntax.Continue] | type[syntax.Break]


def has_exit(node: syntax.Node, kind: Exit) -> bool:
    """Whether an exit of this statement, not of a loop or ``switch`` inside, occurs."""
    if isinstance(node, kind):
        return True
    match node:
        case syntax.Switch(body=body) if kind is syntax.Continue:
            return has_exit(body, kind)
        case syntax.Compound(statements=statements):
            return any(has_exit(inner, kind) for inner in statements)
        case syntax.If(then=then, otherwise=otherwise):
            return has_exit(then, kind) or (otherwise is not None and has_exit(otherwise, kind))
        case _:
            return False


def without_exits(body: syntax.Statement, kind: Exit) -> syntax.Statement:
    """``if (c) continue; rest`` is ``if (!c) { rest }``; ``break`` of a ``switch`` likewise.

    Raises Diagnostic for an exit in a nested block whose variables what follows must not see.
    """
    if not has_exit(body, kind):
        return body
    statements = body.statements if isinstance(body, syntax.Compound) else (body,)
    found: list[syntax.Statement] = []
    for number, statement in enumerate(statements):
        if isinstance(statement, kind):
            break
        if not has_exit(statement, kind):
            found.append(statement)
            continue
        rest = syntax.Compound(statement.location, tuple(statements[number + 1 :]))
        match statement:
            case syntax.Compound() if not rest.statements or not _declares(statement):
                whole = replace(statement, statements=(*statement.statements, *rest.statements))
                found.append(without_exits(whole, kind))
            case syntax.If():
                found.append(_branch(statement, rest, kind))
            case _:
                raise Diagnostic(
                    f"'{kind.__name__.lower()}' in a nested block is not supported here",
                    statement.location,
                    hint=COUNTED_LOOP,
                )
        break
    return syntax.Compound(body.location, tuple(found))


def _branch(statement: syntax.If, rest: syntax.Compound, kind: Exit) -> syntax.Statement:
    """The branch with what follows it in those of its sides that do not skip it."""

    def side(inner: syntax.Statement | None) -> syntax.Statement:
        own = () if inner is None else (inner,)
        whole = syntax.Compound(statement.location, (*own, *rest.statements))
        return without_exits(whole, kind)

    then, otherwise = side(statement.then), side(statement.otherwise)
    return replace(statement, then=then, otherwise=otherwise)


def _declares(block: syntax.Compound) -> bool:
    """Whether a block has variables of its own, which what follows it must not see."""
    return any(isinstance(statement, syntax.Declaration) for statement in block.statements)


def with_last_return(function: syntax.Function) -> syntax.Function:
    """The function with returns in branches as one at its end, where branches choose a value.

    Raises Diagnostic for a ``return`` in a loop.
    """
    branches = (n for n in descendants(function.body) if isinstance(n, syntax.If))
    if not any(isinstance(n, syntax.Return) for branch in branches for n in descendants(branch)):
        return function
    statements = _folded(returns_last(function))
    return replace(function, body=replace(function.body, statements=statements))


def _folded(statements: tuple[syntax.Statement, ...]) -> tuple[syntax.Statement, ...]:
    """Statements that return last, with a choice of values for a choice of returns."""
    if not statements:
        return statements
    before, last = statements[:-1], statements[-1]
    match last:
        case syntax.Return(value=None):
            return before
        case syntax.Compound(statements=inner):
            inner = _folded(inner)
            single = inner[0] if len(inner) == 1 else replace(last, statements=inner)
            return (*before, single)
        case syntax.If(then=then, otherwise=otherwise):
            (first,) = _folded((then,))
            second = None if otherwise is None else _folded((otherwise,))[0]
            if isinstance(first, syntax.Return) and isinstance(second, syntax.Return):
                assert first.value is not None
                assert second.value is not None
                value = syntax.Conditional(last.location, last.condition, first.value, second.value)
                return (*before, syntax.Return(last.location, value))
            return (*before, replace(last, then=first, otherwise=second))
        case _:
            return statements
