"""Moves every ``return`` to the end of its path, so that functions can be lowered as structured IR.

``if (x > 127) return 127; return x;`` becomes ``if (x > 127) return 127; else return x;``.
"""

from __future__ import annotations

from ...diagnostics import Diagnostic
from . import syntax
from .traversal import descendants

PATH_LIMIT = 200
"""Branches that may be made for one function: statements after a partial return are repeated."""
DEPTH_LIMIT = 40
"""Early returns in a row; each nests the rest of the function one level deeper."""

Statements = tuple[syntax.Statement, ...]


def returns_last(function: syntax.Function) -> Statements:
    """Return statements equivalent to the body, with each ``return`` the last on its path.

    An ``if`` that contains a ``return`` is the last statement of the result, and what followed it
    is inside its branches. Raises Diagnostic for a ``return`` inside a loop and for more early
    returns than the limits above.
    """
    return _ReturnMover(function).move(function.body.statements, 0)


def always_returns(statements: Statements) -> bool:
    """Tell whether every path through ``statements`` (returns last) ends with a ``return``."""
    if not statements:
        return False
    match statements[-1]:
        case syntax.Return():
            return True
        case syntax.Compound(statements=inner):
            return always_returns(inner)
        case syntax.If(then=then, otherwise=otherwise):
            return (
                otherwise is not None and always_returns((then,)) and always_returns((otherwise,))
            )
        case _:
            return False


class _ReturnMover:
    def __init__(self, function: syntax.Function) -> None:
        self._function = function
        self._paths = 0

    def move(self, statements: Statements, depth: int) -> Statements:
        for position, statement in enumerate(statements):
            if not _contains_return(statement):
                continue
            before, after = statements[:position], statements[position + 1 :]
            match statement:
                case syntax.Return():
                    return (*before, statement)
                case syntax.Compound(statements=inner):
                    _check_names_stay_apart(inner, after)
                    tail = self.move((*inner, *after), depth)
                    return (*before, syntax.Compound(statement.location, tail))
                case syntax.If(condition=condition, then=then, otherwise=otherwise):
                    self._count(statement, depth)
                    branches = [
                        self._branch(branch, after, statement, depth + 1)
                        for branch in (then, otherwise)
                    ]
                    return (*before, syntax.If(statement.location, condition, *branches))
                case _:
                    raise Diagnostic(
                        "'return' inside a loop is not supported",
                        _first_return(statement).location,
                        hint="let the loop run to its end and select the result with 'if'",
                    )
        return statements

    def _branch(
        self,
        branch: syntax.Statement | None,
        after: Statements,
        statement: syntax.If,
        depth: int,
    ) -> syntax.Compound:
        inner = branch.statements if isinstance(branch, syntax.Compound) else (branch,)
        own = tuple(part for part in inner if part is not None)
        location = branch.location if branch is not None else statement.location
        finished = self.move(own, depth)
        if always_returns(finished):
            return syntax.Compound(location, finished)
        _check_names_stay_apart(own, after)
        return syntax.Compound(location, self.move((*own, *after), depth))

    def _count(self, statement: syntax.If, depth: int) -> None:
        self._paths += 1
        if self._paths > PATH_LIMIT or depth > DEPTH_LIMIT:
            raise Diagnostic(
                f"function '{self._function.name}' has too many early returns",
                statement.location,
                hint="select the result with 'if' and 'else' and return it once",
            )


def _check_names_stay_apart(own: Statements, after: Statements) -> None:
    """Refuse to move ``after`` into a scope whose declarations it would then see."""
    declared = {
        declarator.name
        for statement in own
        if isinstance(statement, syntax.Declaration)
        for declarator in statement.declarators
    }
    for statement in after if declared else ():
        for node in descendants(statement):
            if isinstance(node, syntax.Identifier) and node.name in declared:
                raise Diagnostic(
                    f"'{node.name}' has another meaning in the branch that returns before this",
                    node.location,
                    hint="rename one of the variables",
                )


def _first_return(statement: syntax.Statement) -> syntax.Node:
    return min(
        (node for node in descendants(statement) if isinstance(node, syntax.Return)),
        key=lambda node: (node.location.line, node.location.column),
    )


def _contains_return(statement: syntax.Statement) -> bool:
    return any(isinstance(node, syntax.Return) for node in descendants(statement))
