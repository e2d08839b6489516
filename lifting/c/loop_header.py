"""Recognises counted loops: ``for (i = start; i < bound; i += step)`` in the forms people write."""

from __future__ import annotations

from dataclasses import dataclass

from ...diagnostics import Diagnostic
from . import syntax

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!="}
_FORM = "write it as for (int i = start; i < bound; i += step)"


@dataclass(frozen=True)
class LoopHeader:
    """The parts of a counted loop, as written."""

    variable: str
    declared: syntax.Declarator | None
    """The declaration of the variable if the loop has it."""
    initial: syntax.Expression | None
    operator: str
    """The comparison with the variable on its left."""
    bound: syntax.Expression
    direction: int
    """+1 if the step is added, -1 if it is subtracted."""
    step: syntax.Expression | None
    """None for ``++`` and ``--``."""


def loop_header(loop: syntax.For) -> LoopHeader:
    """Return the header of ``loop``. Raises Diagnostic if it does not count in a known way."""
    variable, direction, step = _step(loop)
    declared, initial = _initializer(loop, variable)
    operator, bound = _condition(loop, variable)
    return LoopHeader(variable, declared, initial, operator, bound, direction, step)


def _step(loop: syntax.For) -> tuple[str, int, syntax.Expression | None]:
    match loop.step:
        case None:
            raise Diagnostic("this loop has no step", loop.location, hint=_FORM)
        case syntax.Increment(target=syntax.Identifier(name=name), step=step):
            return name, step, None
        case syntax.Assignment(
            operator="+" | "-" as operator, target=syntax.Identifier(name=name), value=value
        ):
            return name, 1 if operator == "+" else -1, value
        case syntax.Assignment(
            operator="",
            target=syntax.Identifier(name=name),
            value=syntax.Binary(operator="+" | "-" as operator, left=left, right=right),
        ):
            if isinstance(left, syntax.Identifier) and left.name == name:
                return name, 1 if operator == "+" else -1, right
            if operator == "+" and isinstance(right, syntax.Identifier) and right.name == name:
                return name, 1, left
        case syntax.Comma():
            raise Diagnostic(
                "a loop that steps several variables is not supported",
                loop.step.location,
                hint="step one variable and compute the others from it in the body",
            )
        case _:
            pass
    raise Diagnostic(
        "this loop step is not supported", loop.step.location, hint="use ++, --, += or -="
    )


def _initializer(
    loop: syntax.For, variable: str
) -> tuple[syntax.Declarator | None, syntax.Expression | None]:
    match loop.initializer:
        case None:
            return None, None
        case syntax.Declaration(declarators=(declarator,)):
            if declarator.name == variable and not isinstance(
                declarator.initializer, syntax.InitializerList | None
            ):
                return declarator, declarator.initializer
        case syntax.ExpressionStatement(
            expression=syntax.Assignment(
                operator="", target=syntax.Identifier(name=name), value=value
            )
        ):
            if name == variable:
                return None, value
        case _:
            pass
    raise Diagnostic(
        f"this loop must start by setting its variable '{variable}', and nothing else",
        loop.initializer.location,
        hint=_FORM,
    )


def _condition(loop: syntax.For, variable: str) -> tuple[str, syntax.Expression]:
    condition = loop.condition
    if condition is None:
        raise Diagnostic("this loop has no condition", loop.location, hint=_FORM)
    if isinstance(condition, syntax.Binary) and condition.operator in _MIRRORED:
        left, right = condition.left, condition.right
        if isinstance(left, syntax.Identifier) and left.name == variable:
            return condition.operator, right
        if (moved := _moved_constant(condition, variable)) is not None:
            return condition.operator, moved
        if isinstance(right, syntax.Identifier) and right.name == variable:
            return _MIRRORED[condition.operator], left
    raise Diagnostic(
        f"this loop condition does not compare '{variable}' with a bound",
        condition.location,
        hint=_FORM,
    )


def _moved_constant(condition: syntax.Binary, variable: str) -> syntax.Expression | None:
    """Return ``bound - 1`` for a condition ``variable + 1 < bound``."""
    match condition.left:
        case syntax.Binary(
            operator="+" | "-" as operator,
            left=syntax.Identifier(name=name),
            right=syntax.Literal() as constant,
        ) if name == variable:
            opposite = "-" if operator == "+" else "+"
            return syntax.Binary(condition.location, opposite, condition.right, constant)
        case _:
            return None
