"""Changes inside expressions as statements of their own: ``move(sp++)`` is ``move(sp); sp++``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..c import syntax
from ..c.rewrite_tree import rebuilt, with_new_children
from ..c.traversal import children, descendants

_Statements = tuple[syntax.Statement, ...]


@dataclass(frozen=True)
class Separated:
    """An expression without changes, and the statements to run before and after it."""

    expression: syntax.Expression
    before: _Statements = ()
    after: _Statements = ()


def with_plain_expressions(
    function: syntax.Function, shared: frozenset[str] = frozenset()
) -> syntax.Function:
    """The function with each change of a variable a statement, where it is clear when it happens.

    That is where the expression names the variable once and always comes to it. ``shared`` are
    variables that functions which an expression calls may see too. Other changes stay.
    """
    return replace(function, body=_Separation(shared).block(function.body))


def separated(expression: syntax.Expression, shared: frozenset[str] = frozenset()) -> Separated:
    """Take the changes out of an expression, where it is clear when they happen."""
    names = [n.name for n in descendants(expression) if isinstance(n, syntax.Identifier)]
    before: list[syntax.Statement] = []
    after: list[syntax.Statement] = []

    def take(node: syntax.Node) -> syntax.Node | None:
        if not isinstance(node, syntax.Increment | syntax.Assignment):
            return None
        target = node.target
        assert isinstance(target, syntax.Identifier)
        change = syntax.ExpressionStatement(node.location, node)
        is_late = isinstance(node, syntax.Increment) and not node.prefix
        (after if is_late else before).append(change)
        return target

    for node in _changes(expression):
        target = node.target
        if not isinstance(target, syntax.Identifier) or target.name in shared:
            return Separated(expression)
        if names.count(target.name) != 1:
            return Separated(expression)
    if any(_changes_sometimes(node) for node in descendants(expression)):
        return Separated(expression)
    return Separated(rebuilt(expression, take), tuple(before), tuple(after))


def _changes(node: syntax.Node) -> Iterator[syntax.Increment | syntax.Assignment]:
    for found in descendants(node):
        if isinstance(found, syntax.Increment | syntax.Assignment):
            yield found


def _changes_sometimes(node: syntax.Node) -> bool:
    """Whether a change in this expression depends on a condition, or is only measured."""
    match node:
        case syntax.Conditional(then=then, otherwise=otherwise):
            parts: tuple[syntax.Node, ...] = (then, otherwise)
        case syntax.Binary(operator="&&" | "||", right=right):
            parts = (right,)
        case syntax.SizeOf() | syntax.Comma():
            parts = tuple(children(node))
        case _:
            return False
    return any(True for part in parts for _ in _changes(part))


class _Separation:
    def __init__(self, shared: frozenset[str]) -> None:
        self._shared = shared

    def block(self, block: syntax.Compound) -> syntax.Compound:
        statements = tuple(s for old in block.statements for s in self._statement(old))
        is_same = len(statements) == len(block.statements) and all(
            new is old for new, old in zip(statements, block.statements, strict=True)
        )
        return block if is_same else replace(block, statements=statements)

    def _inner(self, node: syntax.Node) -> syntax.Node | None:
        """A statement below another one, as one statement."""
        if isinstance(node, syntax.Compound):
            return self.block(node)
        if not isinstance(node, syntax.Statement):
            return None
        found = self._statement(node)
        return found[0] if len(found) == 1 else syntax.Compound(node.location, found)

    def _statement(self, statement: syntax.Statement) -> _Statements:
        match statement:
            case syntax.Declaration() if any(True for _ in _changes(statement)):
                return tuple(s for d in statement.declarators for s in self._declared(d))
            case syntax.ExpressionStatement(expression=expression):
                return self._effect(statement, expression)
            case syntax.If(condition=condition):
                taken = separated(condition, self._shared)
                if taken.after:
                    return (with_new_children(statement, self._inner),)
                plain = replace(statement, condition=taken.expression)
                return (*taken.before, with_new_children(plain, self._inner))
            case syntax.For(body=body):
                inner = self._inner(body)
                return (statement if inner is body else replace(statement, body=inner),)
            case _:
                return (with_new_children(statement, self._inner),)

    def _declared(self, declarator: syntax.Declarator) -> _Statements:
        value = declarator.initializer
        if value is None or isinstance(value, syntax.InitializerList):
            return (syntax.Declaration(declarator.location, (declarator,)),)
        taken = separated(value, self._shared)
        plain = replace(declarator, initializer=taken.expression)
        own = syntax.Declaration(declarator.location, (plain,))
        return (*taken.before, own, *taken.after)

    def _effect(
        self, statement: syntax.ExpressionStatement, expression: syntax.Expression
    ) -> _Statements:
        if isinstance(expression, syntax.Assignment):
            # Both sides are evaluated in any order, so a name may occur once in them together.
            whole = syntax.Binary(expression.location, "+", expression.target, expression.value)
        elif isinstance(expression, syntax.Call):
            whole = expression
        else:
            return (statement,)
        taken = separated(whole, self._shared)
        if not taken.before and not taken.after:
            return (statement,)
        plain = taken.expression
        if isinstance(expression, syntax.Assignment):
            assert isinstance(plain, syntax.Binary)
            plain = replace(expression, target=plain.left, value=plain.right)
        before = tuple(s for old in taken.before for s in self._statement(old))
        return (*before, replace(statement, expression=plain), *taken.after)
