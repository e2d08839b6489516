"""``switch`` as a chain of ``if``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.rewrite_tree import rebuilt, with_new_children
from .early_exits import without_exits


def without_switches(function: syntax.Function) -> syntax.Function:
    """The function with each ``switch`` a chain of ``if``; what falls through is repeated.

    Raises Diagnostic for statements that no label reaches.
    """
    return replace(function, body=rebuilt(function.body, _change))


@dataclass(frozen=True)
class _Section:
    values: tuple[syntax.Expression, ...]
    is_default: bool
    body: syntax.Statement


def _change(node: syntax.Node) -> syntax.Node | None:
    if not isinstance(node, syntax.Switch):
        return None
    return _chain(with_new_children(node, _change))


def _chain(switch: syntax.Switch) -> syntax.Statement:
    sections = _sections(switch)
    defaults = [section.body for section in sections if section.is_default]
    chain: syntax.Statement | None = defaults[0] if defaults else None
    for section in reversed(sections):
        if not section.is_default:
            condition = reduce(_either, (_equal(switch.value, v) for v in section.values))
            chain = syntax.If(section.body.location, condition, section.body, chain)
    return chain or syntax.Empty(switch.location)


def _equal(left: syntax.Expression, right: syntax.Expression) -> syntax.Expression:
    return syntax.Binary(right.location, "==", left, right)


def _either(left: syntax.Expression, right: syntax.Expression) -> syntax.Expression:
    return syntax.Binary(left.location, "||", left, right)


def _sections(switch: syntax.Switch) -> list[_Section]:
    body = switch.body
    statements = body.statements if isinstance(body, syntax.Compound) else (body,)
    if statements and not isinstance(statements[0], syntax.Case):
        raise Diagnostic("no label leads to this statement", statements[0].location)
    found: list[_Section] = []
    labels: list[syntax.Case] = []
    for number, statement in enumerate(statements):
        if not isinstance(statement, syntax.Case):
            continue
        labels.append(statement)
        following = statements[number + 1] if number + 1 < len(statements) else None
        if not isinstance(following, syntax.Case):
            values = tuple(label.value for label in labels if label.value is not None)
            is_default = len(values) < len(labels)
            found.append(_Section(values, is_default, _body(statement, statements[number + 1 :])))
            labels = []
    return found


def _body(label: syntax.Case, following: tuple[syntax.Statement, ...]) -> syntax.Statement:
    """What runs from a label on."""
    own: list[syntax.Statement] = []
    for statement in following:
        if not isinstance(statement, syntax.Case):
            own.append(statement)
        if _leaves(statement):
            break
    return without_exits(syntax.Compound(label.location, tuple(own)), syntax.Break)


def _leaves(statement: syntax.Statement) -> bool:
    """Whether nothing behind a statement is reached from it."""
    match statement:
        case syntax.Break() | syntax.Continue() | syntax.Return():
            return True
        case syntax.Compound(statements=(*_, last)):
            return _leaves(last)
        case _:
            return False
