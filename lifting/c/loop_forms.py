"""Brings ``while``, ``do``, ``break`` and ``continue`` to counted loops with conditions.

``continue`` puts what follows it into the other branch. ``break`` sets a flag that the rest of the
loop asks for. A ``while`` whose body ends by stepping a variable of its condition is a ``for``.
"""

from __future__ import annotations

from dataclasses import replace

from ...diagnostics import Diagnostic
from . import syntax
from .endless_loops import with_condition
from .loop_header import loop_header
from .loop_returns import returns_after_loops
from .returns import returns_last
from .rewrite_tree import rebuilt, with_new_children
from .traversal import assigned_names, declared_names, descendants, root_name, used_names
from .types import BOOL, INT, VOID

_COUNTING = "write it as 'for', or step the variable of its condition at the end of its body"
_COMPARISONS = ("<", "<=", ">", ">=", "!=")


def counted_loops(unit: syntax.TranslationUnit) -> syntax.TranslationUnit:
    """Return ``unit`` with ``for`` loops only, none of which is left early.

    Raises Diagnostic for a ``while`` that does not count.
    """
    functions = {name: _LoopForms(f).function() for name, f in unit.functions.items()}
    return replace(unit, functions=functions)


class _LoopForms:
    """Rewrites the loops of one function."""

    def __init__(self, function: syntax.Function) -> None:
        self._function = function
        self._added = 0

    def function(self) -> syntax.Function:
        """Return the function with counted loops."""
        function = returns_after_loops(self._function, self._name)
        body = rebuilt(function.body, self._changed)
        for node in descendants(body):
            if isinstance(node, syntax.Break | syntax.Continue):
                word = "break" if isinstance(node, syntax.Break) else "continue"
                raise Diagnostic(f"'{word}' outside of a loop", node.location)
        return replace(self._function, body=body)

    def _changed(self, node: syntax.Node) -> syntax.Node | None:
        if isinstance(node, syntax.While | syntax.For):
            ended = with_condition(node)
            if ended is not node:
                return rebuilt(ended, self._changed)
        if isinstance(node, syntax.While):
            return self._while(replace(node, body=rebuilt(node.body, self._changed)))
        if isinstance(node, syntax.For) and _leaves_early(node.body):
            return self._for(with_new_children(node, self._changed))
        return None

    # ---- break and continue ---------------------------------------------------------------------
    def _for(self, loop: syntax.For) -> syntax.Statement:
        """Return ``loop``, whose inner loops are in form, without ``break`` and ``continue``."""
        if not _leaves_early(loop.body):
            return loop
        if not any(isinstance(node, syntax.Break) for node in descendants(loop.body)):
            return replace(loop, body=self._without_continue(loop.body))
        if (bounded := _with_nearer_bound(loop)) is not None:
            return self._for(bounded)
        if not isinstance(loop.initializer, syntax.Declaration):
            return self._with_own_counter(loop)
        place = loop.location
        flag = self._name("stopped")

        def stop(node: syntax.Node) -> syntax.Node | None:
            if isinstance(node, syntax.For | syntax.While):
                return node
            if not isinstance(node, syntax.Break):
                return None
            one = syntax.Literal(node.location, 1, INT)
            target = syntax.Identifier(node.location, flag)
            stopped = syntax.Assignment(node.location, "", target, one)
            effect = syntax.ExpressionStatement(node.location, stopped)
            return syntax.Compound(node.location, (effect, syntax.Continue(node.location)))

        body = self._without_continue(rebuilt(loop.body, stop))
        running = syntax.Unary(place, "!", syntax.Identifier(place, flag))
        guarded = replace(loop, body=syntax.If(place, running, body, None))
        kind = syntax.TypeName(place, BOOL, False, ())
        declared = syntax.Declarator(place, flag, kind, syntax.Literal(place, 0, INT))
        return syntax.Compound(place, (syntax.Declaration(place, (declared,)), guarded))

    def _with_own_counter(self, loop: syntax.For) -> syntax.Statement:
        """Return a loop that counts turns; the variable, declared before it, is stepped in it."""
        header = loop_header(loop)
        if header.variable in assigned_names(loop.body):
            raise Diagnostic(
                f"'break' in a loop that sets its own variable '{header.variable}'",
                loop.location,
                hint="use another variable",
            )
        if any(isinstance(node, syntax.Continue) for node in descendants(loop.body)):
            raise Diagnostic(
                "'break' and 'continue' in a loop whose variable is declared before it",
                loop.location,
                hint="declare the variable in the loop: for (int i = 0; ...)",
            )
        assert loop.step is not None
        place, name = loop.location, self._name("turn")
        start = header.initial or syntax.Identifier(place, header.variable)

        def renamed(node: syntax.Node) -> syntax.Node | None:
            is_variable = isinstance(node, syntax.Identifier) and node.name == header.variable
            return syntax.Identifier(node.location, name) if is_variable else None

        kind = syntax.TypeName(place, INT, False, ())
        declared = syntax.Declaration(place, (syntax.Declarator(place, name, kind, start),))
        own = replace(
            loop,
            initializer=declared,
            condition=None if loop.condition is None else rebuilt(loop.condition, renamed),
            step=rebuilt(loop.step, renamed),
            body=syntax.Compound(place, (loop.body, syntax.ExpressionStatement(place, loop.step))),
        )
        before = (loop.initializer,) if loop.initializer is not None else ()
        return syntax.Compound(place, (*before, self._for(own)))

    def _without_continue(self, body: syntax.Statement) -> syntax.Statement:
        """Return the body of a loop with each ``continue`` at the end of its path, left out."""
        statements = body.statements if isinstance(body, syntax.Compound) else (body,)

        def as_return(node: syntax.Node) -> syntax.Node | None:
            if isinstance(node, syntax.For | syntax.While):
                return node
            return syntax.Return(node.location, None) if isinstance(node, syntax.Continue) else None

        if any(isinstance(node, syntax.Return) for node in descendants(body)):
            return body  # a 'return' inside a loop is refused later, with its own words
        inner = tuple(rebuilt(statement, as_return) for statement in statements)
        compound = syntax.Compound(body.location, inner)
        moved = returns_last(replace(self._function, result=VOID, vector_rank=0, body=compound))

        def left_out(node: syntax.Node) -> syntax.Node | None:
            return syntax.Empty(node.location) if isinstance(node, syntax.Return) else None

        return syntax.Compound(body.location, tuple(rebuilt(part, left_out) for part in moved))

    # ---- while ----------------------------------------------------------------------------------
    def _while(self, loop: syntax.While) -> syntax.Statement:
        if loop.body_first:
            again = self._while(replace(loop, body_first=False))
            return syntax.Compound(loop.location, (loop.body, again))
        countdown = _countdown(loop.condition)
        counted = self._times(loop, *countdown) if countdown else self._stepped(loop)
        return self._for(counted) if _leaves_early(counted.body) else counted

    def _times(self, loop: syntax.While, variable: str, first: int) -> syntax.For:
        """Return ``while (n--)`` as a loop from ``first`` to n."""
        place = loop.location
        if self._is_used_elsewhere(loop, variable):
            raise Diagnostic(
                f"'{variable}' is used in or after the loop that counts it down",
                place,
                hint="count with a variable of its own",
            )
        name = self._name("step")
        counter = syntax.Identifier(place, name)
        kind = syntax.TypeName(place, INT, False, ())
        declared = syntax.Declarator(place, name, kind, syntax.Literal(place, first, INT))
        condition = syntax.Binary(place, "<", counter, syntax.Identifier(place, variable))
        step = syntax.Increment(place, counter, 1, prefix=True)
        declaration = syntax.Declaration(place, (declared,))
        return syntax.For(place, declaration, condition, step, loop.body)

    def _is_used_elsewhere(self, loop: syntax.While, variable: str) -> bool:
        """Tell whether the value that a countdown leaves, or passes through, matters."""
        body = self._function.body
        whole = list(descendants(body))
        within = set(descendants(loop))
        uses = [n for n in whole if isinstance(n, syntax.Identifier) and n.name == variable]
        later = [use for use in uses if use not in within and _is_after(use, loop)]
        outer = [n for n in whole if isinstance(n, syntax.For | syntax.While)]
        around = [n for n in outer if n is not loop and loop in set(descendants(n))]
        starts_anew = all(
            any(isinstance(n, syntax.Declarator) and n.name == variable for n in descendants(other))
            for other in around
        )
        return len([use for use in uses if use in within]) > 1 or bool(later) or not starts_anew

    def _stepped(self, loop: syntax.While) -> syntax.For:
        """Return a ``while`` whose body ends with the step of a variable of its condition."""
        statements = (
            loop.body.statements if isinstance(loop.body, syntax.Compound) else (loop.body,)
        )
        last = statements[-1] if statements else None
        if isinstance(last, syntax.ExpressionStatement):
            step, rest = last.expression, syntax.Compound(loop.body.location, statements[:-1])
            is_step = isinstance(step, syntax.Increment | syntax.Assignment)
            if is_step and _compares(loop.condition, step.target):
                changed = {name for part in rest.statements for name in assigned_names(part)}
                # Behind the body, names that it declares mean something else.
                stays = changed & root_name(step.target) or declared_names(rest) & used_names(step)
                if not stays and not _has_continue(rest):
                    return syntax.For(loop.location, None, loop.condition, step, rest)
        raise Diagnostic("this 'while' does not count", loop.location, hint=_COUNTING)

    def _name(self, word: str) -> str:
        """Return a name that no C program has."""
        self._added += 1
        return f"{word}${self._added}"


def _countdown(condition: syntax.Expression) -> tuple[str, int] | None:
    """Return n, and where to begin, if the condition is ``n--``, ``n-- > 0`` or ``--n``."""
    if isinstance(condition, syntax.Binary) and condition.operator in (">", "!="):
        if not (isinstance(condition.right, syntax.Literal) and condition.right.value == 0):
            return None
        condition = condition.left
    match condition:
        case syntax.Increment(target=syntax.Identifier(name=name), step=-1, prefix=prefix):
            return name, 1 if prefix else 0
        case _:
            return None


def _compares(condition: syntax.Expression, target: syntax.Expression) -> bool:
    """Tell whether the condition compares the variable ``target`` with something."""
    if not isinstance(target, syntax.Identifier) or not isinstance(condition, syntax.Binary):
        return False
    sides = (condition.left, condition.right)
    names = [side.name for side in sides if isinstance(side, syntax.Identifier)]
    return condition.operator in _COMPARISONS and target.name in names


def _with_nearer_bound(loop: syntax.For) -> syntax.For | None:
    """Return a loop that begins with ``if (i >= m) break;`` as one that also ends at m."""
    statements = loop.body.statements if isinstance(loop.body, syntax.Compound) else ()
    match (loop.condition, statements[:1]):
        case (
            syntax.Binary(operator="<", left=syntax.Identifier(name=counter) as variable) as test,
            (
                syntax.If(
                    condition=syntax.Binary(
                        operator=">=", left=syntax.Identifier() as tested
                    ) as leave,
                    then=syntax.Break() | syntax.Compound(statements=(syntax.Break(),)),
                    otherwise=None,
                ),
            ),
        ) if tested.name == counter:
            pass
        case _:
            return None
    changed = assigned_names(loop.body) | {variable.name}
    names = {n.name for n in descendants(leave.right) if isinstance(n, syntax.Identifier)}
    if names & changed:
        return None
    place = leave.location
    nearer = syntax.Binary(place, "<", test.right, leave.right)
    bound = syntax.Conditional(place, nearer, test.right, leave.right)
    condition = syntax.Binary(test.location, "<", variable, bound)
    return replace(
        loop, condition=condition, body=syntax.Compound(loop.body.location, statements[1:])
    )


def _has_continue(statement: syntax.Statement) -> bool:
    """Tell whether a ``continue`` of this loop, not of an inner one, is inside ``statement``."""
    found = False

    def visit(node: syntax.Node) -> syntax.Node | None:
        nonlocal found
        found = found or isinstance(node, syntax.Continue)
        return node if isinstance(node, syntax.For | syntax.While) else None

    rebuilt(statement, visit)
    return found


def _leaves_early(body: syntax.Statement) -> bool:
    exits = (syntax.Break, syntax.Continue, syntax.While)
    return any(isinstance(node, exits) for node in descendants(body))


def _is_after(node: syntax.Node, other: syntax.Node) -> bool:
    place, before = node.location, other.location
    return (place.line, place.column) > (before.line, before.column)
