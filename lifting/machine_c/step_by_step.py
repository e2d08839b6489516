"""Runs a loop iteration by iteration: whatever the core computes is known then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.traversal import descendants
from .values import Value

if TYPE_CHECKING:
    from .statements import Statements

ITERATION_LIMIT = 1 << 10
"""Iterations of one loop that are read one by one."""


class LeaveIteration(Exception):  # noqa: N818 - no error, it ends an iteration
    """``continue``, or ``break`` if it ``ends_loop``."""

    def __init__(self, *, ends_loop: bool) -> None:
        super().__init__()
        self.ends_loop = ends_loop


class LeaveFunction(Exception):  # noqa: N818 - no error, it ends a function
    """``return`` with a value, None without."""

    def __init__(self, value: Value | None) -> None:
        super().__init__()
        self.value = value


def run_step_by_step(
    statements: Statements, loop: syntax.For | syntax.While, reason: Diagnostic | None
) -> None:
    """Run a loop as the core does; ``reason`` says why it is not read as a loop.

    Raises Diagnostic if conditions of the loop are not known, and after too many iterations.
    """
    context = statements.context
    steps = context.steps
    is_endless = loop.condition is None or isinstance(loop.condition, syntax.Literal)
    exits = (syntax.Break, syntax.Return)
    if is_endless and not any(isinstance(node, exits) for node in descendants(loop.body)):
        raise Diagnostic("this loop does not end", loop.location)
    outer, steps.loop_level = steps.loop_level, context.level
    try:
        with context.scope():
            _run(statements, loop)
    finally:
        steps.loop_level = outer
    if not context.analysing:
        why = "" if reason is None else f": {reason.message}"
        steps.notes.setdefault(
            loop.location, f"{loop.location}: note: each iteration is read by itself{why}"
        )


def _run(statements: Statements, loop: syntax.For | syntax.While) -> None:
    step = loop.step if isinstance(loop, syntax.For) else None
    if isinstance(loop, syntax.For) and loop.initializer is not None:
        statements.run(loop.initializer)
    is_first = isinstance(loop, syntax.While) and loop.body_first
    iterations = 0
    while is_first or loop.condition is None or statements.holds(loop.condition):
        is_first = False
        iterations += 1
        if iterations > ITERATION_LIMIT:
            raise Diagnostic("too many iterations to read one by one", loop.location)
        try:
            with statements.context.scope():
                statements.run(loop.body)
        except LeaveIteration as left:
            if left.ends_loop:
                return
        if step is not None:
            statements.effect(step)
