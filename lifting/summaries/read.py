"""Reads summaries and conditions about the parameters of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lark import Token, Tree
from xdsl.dialects.builtin import MemRefType, i1
from xdsl.dialects.func import FuncOp

from ...diagnostics import Diagnostic, SourceLocation
from ...validation.execution.trial_sizes import parameter_names
from ..invariants.execution import Contents, subscripts
from ..invariants.simplify import offset
from ..invariants.summary import Output, Summary, as_index, extents_of, parameter_of, sizes_of
from ..invariants.terms import Term, element, same
from ..lift import output_positions
from ..tensors.numpy import unsigned_type
from .elaborate import Elaborator
from .parser import Node, parse
from .values import Value, common, converted, scalar


def scope_of(function: FuncOp) -> dict[str, Value]:
    """The parameters of a function as values: arrays as they are at the start.

    Sizes are subscripts, so that they never overflow together with other subscripts.
    """
    unsigned, sizes = _unsigned(function), sizes_of(function)
    found: dict[str, Value] = {}
    for position, name in enumerate(parameter_names(function)):
        argument = function.args[position]
        if not isinstance(argument.type, MemRefType):
            term = parameter_of(function, position)
            if position in sizes and position not in unsigned:
                term = as_index(term)
            found[name] = scalar(term, position in unsigned)
            continue
        type = argument.type.element_type
        extents = extents_of(function, position)

        def at(places: tuple[Term, ...], position: int = position, type: object = type) -> Term:
            return element(position, places, type)  # pyright: ignore[reportArgumentType]

        found[name] = Value(type, extents, at, position in unsigned)
    return found


def _unsigned(function: FuncOp) -> set[int]:
    types = Summary(function, ()).c_types
    return {position for position, type in enumerate(types) if unsigned_type(type) is not None}


def read_summary(text: str, function: FuncOp, file: str = "summary") -> Summary:
    """The summary that ``text`` states of a function whose result is an output.

    One line ``name = expression`` for each output; other names may be defined for use further down.
    With a single output, the expression alone will do. Raises :class:`Diagnostic` with the place.
    """
    tree = parse(text, "summary", file)
    scope: dict[str, Value] = dict(scope_of(function))
    names = parameter_names(function)
    wanted = {names[position]: position for position in output_positions(function)}
    found: dict[str, Output] = {}
    for statement in tree.children:
        assert isinstance(statement, Tree)
        target = statement.children[0]
        expression = statement.children[1]
        name = str(target) if isinstance(target, Token) else _only(wanted, expression, file)
        if name in found or (name in scope and name not in wanted):
            raise Diagnostic(f"'{name}' cannot be defined here", _place(target, expression, file))
        value = Elaborator(scope, file).value(expression)
        if name in wanted:
            found[name] = _output(value, wanted[name], function, _place(target, expression, file))
        else:
            scope[name] = value
    missing = [name for name in wanted if name not in found]
    if missing:
        raise Diagnostic(
            f"the summary does not say what '{missing[0]}' holds at the end",
            SourceLocation(file, 1, 1),
            hint=f"write one line '{missing[0]} = expression'",
        )
    return Summary(function, tuple(found[name] for name in wanted))


def _only(wanted: Mapping[str, int], expression: Node | Token, file: str) -> str:
    if len(wanted) == 1:
        return next(iter(wanted))
    raise Diagnostic(
        f"which output is this? There are {len(wanted)}",
        _place(None, expression, file),
        hint="write one line 'name = expression' for each of " + ", ".join(wanted),
    )


def _place(target: object, expression: Node | Token, file: str) -> SourceLocation:
    if isinstance(target, Token):
        return SourceLocation(file, target.line or 1, target.column or 1)
    if isinstance(expression, Tree) and not expression.meta.empty:
        return SourceLocation(file, expression.meta.line, expression.meta.column)
    return SourceLocation(file, 1, 1)


def _output(value: Value, position: int, function: FuncOp, place: SourceLocation) -> Output:
    argument = function.args[position].type
    assert isinstance(argument, MemRefType)
    extents = extents_of(function, position)
    name = parameter_names(function)[position]
    fits = value.rank == len(extents) and all(
        offset(own, extent) == 0 for own, extent in zip(value.shape, extents, strict=True)
    )
    if value.rank and not fits:
        raise Diagnostic(f"the value of '{name}' does not have the shape of '{name}'", place)
    made = converted(value, argument.element_type, position in _unsigned(function))
    formals = subscripts(argument)
    return Output(position, Contents(formals, made.at(formals if value.rank else ())))


def conditions_of(nodes: Sequence[Node], elaborator: Elaborator) -> list[Term]:
    """Conditions as terms; raises :class:`Diagnostic` with the place."""
    found: list[Term] = []
    for node in nodes:
        value = _same_numbers(node, elaborator) or elaborator.value(node)
        if value.rank:
            raise Diagnostic(
                "a condition must be one truth value, not an array of them",
                _place(None, node, elaborator.file),
                hint="name an element, or say all(…)",
            )
        found.append(converted(value, i1).scalar)
    return found


def _same_numbers(node: Node, elaborator: Elaborator) -> Value | None:
    """``x == y`` of floats says that they are the same number, NaN or not; else ``None``."""
    if node.data != "comparison" or len(node.children) != 3 or node.children[1] != "==":
        return None
    left, right = common(*(elaborator.value(side) for side in node.children[::2]))
    if not left.is_float or left.rank or right.rank:
        return None
    return scalar(same(left.scalar, right.scalar))
