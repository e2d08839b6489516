"""Evaluates C expressions symbolically."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from math import prod

from ...diagnostics import Diagnostic, SourceLocation
from ..c import syntax
from ..c.types import UNSIGNED_LONG, CFloat, CScalar, CVoid
from . import arithmetic
from .algebra import compare, connect, tight_bounds
from .scopes import Scopes
from .signatures import SIGNATURES
from .terms import Condition, Sum, Truth, constant
from .values import (
    DramArray,
    Number,
    Place,
    Pointer,
    Real,
    Unknown,
    UnknownValueError,
    Value,
    Variable,
    address_of,
    element_at,
    is_null,
    join,
    whole_array,
)

POINTER_BYTES = 8
TABLE_LIMIT = 256
"""Elements of a local array that a computed subscript may choose from."""


class Expressions:
    """Evaluates expressions with the variables in ``scopes``; none of it changes them."""

    def __init__(self, scopes: Scopes, constants: dict[str, Value]) -> None:
        self.scopes = scopes
        self._constants = constants
        self.inline: Callable[[syntax.Call], Value | None] = lambda _: None
        """Runs a helper function and gives its value, None if there is no such helper."""
        self.acts: Callable[[syntax.Node], bool] = lambda _: False
        """Whether evaluating an expression does more than giving its value."""

    # ---- what statements ask for ----------------------------------------------------------------
    def value(self, expression: syntax.Expression) -> Value:
        """The value of ``expression``; an array decays to the address of its first element."""
        found = self._evaluate(expression)
        if isinstance(found, Place):
            if not found.is_array:
                raise _core_access(found.pointer.array, expression.location)
            return found.decayed()
        return found

    def number(self, expression: syntax.Expression) -> Number:
        """The value of an integer expression."""
        value = self.value(expression)
        if not isinstance(value, Number):
            raise Diagnostic("an integer is expected here", expression.location)
        return value

    def index(self, expression: syntax.Expression) -> Sum:
        """The exact value of an integer expression."""
        return arithmetic.exact(self.number(expression), expression.location)

    def constant(self, expression: syntax.Expression, what: str) -> int:
        """The value of a constant integer expression; ``what`` names it in the diagnostic."""
        value = self.index(expression)
        if not value.is_constant:
            raise Diagnostic(f"{what} must be constant", expression.location)
        return value.constant

    def condition(self, expression: syntax.Expression) -> Condition:
        """Whether ``expression`` is not 0."""
        match expression:
            case syntax.Binary(operator="&&" | "||" as operator, left=left, right=right):
                first = self.condition(left)
                if isinstance(first, Truth) and first.holds == (operator == "||"):
                    return first
                if not isinstance(first, Truth):
                    self.require_no_effect(right)
                connective = "and" if operator == "&&" else "or"
                return connect(connective, first, self.condition(right))
            case _:
                return arithmetic.truth(self.value(expression), expression.location)

    def require_no_effect(self, part: syntax.Node) -> None:
        """Refuse effects of what is evaluated once here but never, or again, in the program."""
        if self.acts(part):
            raise Diagnostic(
                "a function that does more than computing is called where C may not call it once",
                part.location,
                hint="call it in a statement of its own",
            )

    # ---- expressions ----------------------------------------------------------------------------
    def _evaluate(self, expression: syntax.Expression) -> Value | Place:
        match expression:
            case syntax.Literal(value=value, type=kind):
                return _literal(value, kind)
            case syntax.Identifier():
                return self._identifier(expression)
            case syntax.Unary():
                return self._unary(expression)
            case syntax.Binary(operator="&&" | "||"):
                return arithmetic.from_truth(self.condition(expression))
            case syntax.Binary(operator=operator, left=left, right=right):
                operands = self.value(left), self.value(right)
                return arithmetic.binary(operator, *operands, expression.location)
            case syntax.Conditional():
                return self._conditional(expression)
            case syntax.Subscript():
                return self._subscript(expression)
            case syntax.Cast():
                return self._cast(expression)
            case syntax.SizeOf(operand=operand):
                self.require_no_effect(operand)
                return arithmetic.integer(self._size(operand), UNSIGNED_LONG)
            case syntax.Call(function="__builtin_expect", arguments=(expected, _)):
                return self._evaluate(expected)
            case syntax.Call():
                value = self.inline(expression)
                if value is None:
                    raise _unexpected_call(expression.function, expression.location)
                return value
            case syntax.Assignment() | syntax.Increment() | syntax.Comma():
                raise Diagnostic(
                    "a change of a variable inside an expression is not supported",
                    expression.location,
                    hint="write it as a statement of its own",
                )
            case syntax.StatementExpression():
                raise Diagnostic(
                    "statements inside an expression are not supported",
                    expression.location,
                    hint="write them in front of it",
                )
            case syntax.StringLiteral():
                raise Diagnostic("a string has no use here", expression.location)
            case syntax.Member() | syntax.MethodCall() | syntax.Construct():
                raise Diagnostic("structures and vectors have no use here", expression.location)

    def _identifier(self, expression: syntax.Identifier) -> Value | Place:
        name = expression.name
        match self.scopes.find(name):
            case DramArray() as array:
                return whole_array(array)
            case Variable() as variable:
                return self._variable(variable, expression.location)
            case None:
                pass
        if name in self._constants:
            return self._constants[name]
        raise Diagnostic(f"'{name}' is not declared", expression.location)

    def _variable(self, variable: Variable, location: SourceLocation) -> Value | Place:
        if variable.extents:
            return whole_array(self.placed(variable, location))
        return _initialised(variable, 0, location)

    def _unary(self, expression: syntax.Unary) -> Value | Place:
        match expression.operator:
            case "&":
                if (local := self.element_of_variable(expression.operand)) is not None:
                    self.placed(local[0], expression.location)
                place = self._evaluate(expression.operand)
                if not isinstance(place, Place):
                    raise Diagnostic(
                        "only an array parameter or a part of it has an address here",
                        expression.location,
                        hint="the accelerator reaches array parameters only",
                    )
                return address_of(place)
            case "*":
                pointer = self.value(expression.operand)
                if not isinstance(pointer, Pointer):
                    raise Diagnostic("'*' needs an address", expression.location)
                return Place(pointer)
            case operator:
                operand = self.value(expression.operand)
                return arithmetic.unary(operator, operand, expression.location)

    def _conditional(self, expression: syntax.Conditional) -> Value:
        condition, sides = (
            self.condition(expression.condition),
            [expression.then, expression.otherwise],
        )
        if isinstance(condition, Truth):
            return self._chosen(*(sides if condition.holds else sides[::-1]))
        for side in sides:
            self.require_no_effect(side)
        then, otherwise = (self.value(side) for side in sides)
        if isinstance(then, Number) and isinstance(otherwise, Number):
            kind = arithmetic.common_type("+", then.type, otherwise.type)
            then = arithmetic.convert(then, kind, expression.location)
            otherwise = arithmetic.convert(otherwise, kind, expression.location)
        joined = join(condition, then, otherwise)
        if joined is None:
            raise Diagnostic("the two sides of this choice differ in type", expression.location)
        return joined

    def _chosen(self, expression: syntax.Expression, other: syntax.Expression) -> Value:
        """A value in the type that it has beside ``other``, which need not have a value here."""
        value = self.value(expression)
        if isinstance(value, Number) and not self.acts(other):
            with suppress(Diagnostic):
                beside = self.value(other)
                if isinstance(beside, Number):
                    kind = arithmetic.common_type("+", value.type, beside.type)
                    return arithmetic.convert(value, kind, expression.location)
        return value

    # ---- arrays and addresses -------------------------------------------------------------------
    def _subscript(self, expression: syntax.Subscript) -> Value | Place:
        found = self.element_of_variable(expression)
        if found is not None:
            variable, index = found
            return self._table(variable, index, expression.location)
        base = self.value(expression.base)
        if not isinstance(base, Pointer):
            raise Diagnostic("only arrays have elements", expression.location)
        return element_at(base, self.index(expression.index))

    def placed(self, variable: Variable, location: SourceLocation) -> DramArray:
        """The array as one that the accelerator reaches, from now on."""
        if variable.place is None or any(cell is not None for cell in variable.cells):
            raise _no_address(variable, location)
        array = variable.place()
        self.scopes.replace(variable, array)
        return array

    def element_of_variable(self, expression: syntax.Expression) -> tuple[Variable, Sum] | None:
        """The local array and the element that a chain of subscripts names, None for others."""
        subscripts: list[syntax.Subscript] = []
        base = expression
        while isinstance(base, syntax.Subscript):
            subscripts.insert(0, base)
            base = base.base
        if not isinstance(base, syntax.Identifier):
            return None
        variable = self.scopes.find(base.name)
        if not isinstance(variable, Variable) or not variable.extents:
            return None
        if len(subscripts) != len(variable.extents) and variable.place is not None:
            self.placed(variable, expression.location)
            return None
        if len(subscripts) != len(variable.extents):
            raise Diagnostic(
                f"'{variable.name}' needs {len(variable.extents)} subscripts, "
                f"{len(subscripts)} given",
                expression.location,
                hint="the core uses its elements, so its rows have no address on the accelerator",
            )
        element = constant(0)
        for subscript, extent in zip(subscripts, variable.extents, strict=True):
            index = self.index(subscript.index)
            bounds = index.interval
            if not index.within(0, extent - 1):
                bounds = tight_bounds(index)
            if bounds.low < 0 or bounds.high >= extent:
                wrong = bounds.high if bounds.high >= extent else bounds.low
                raise Diagnostic(
                    f"index {wrong} is outside of '{variable.name}', which has {extent} elements "
                    "here",
                    subscript.index.location,
                    hint="every value that the subscript may take must be inside",
                )
            element = element.scaled(extent) + index
        return variable, element

    def _table(self, variable: Variable, index: Sum, location: SourceLocation) -> Value:
        if index.is_constant:
            return _initialised(variable, index.constant, location)
        low = max(0, index.interval.low)  # the subscripts were checked to be inside
        high = min(len(variable.cells) - 1, index.interval.high)
        if high - low >= TABLE_LIMIT:
            raise Diagnostic(
                f"'{variable.name}' is too large for a computed subscript",
                location,
                hint=f"at most {TABLE_LIMIT} elements",
            )
        values = [_initialised(variable, cell, location) for cell in range(low, high + 1)]
        if (line := _arithmetic_progression(values, index - low)) is not None:
            return line
        result = values[-1]
        for cell, value in reversed(list(enumerate(values[:-1], start=low))):
            joined = join(compare("eq", index, constant(cell)), value, result)
            assert joined is not None  # the elements of an array are of one type
            result = joined
        return result

    # ---- types ----------------------------------------------------------------------------------
    def _cast(self, expression: syntax.Cast) -> Value:
        value = self.value(expression.operand)
        kind, location = expression.type, expression.location
        if isinstance(kind.base, CVoid) and not kind.derivations:
            raise Diagnostic("a value of type void has no use here", location)
        if not kind.derivations:
            assert not isinstance(kind.base, CVoid)
            return arithmetic.convert(value, kind.base, location)
        if is_null(value):
            return value
        return self._cast_pointer(value, kind, location)

    def _cast_pointer(self, value: Value, kind: syntax.TypeName, location: SourceLocation) -> Value:
        if not isinstance(value, Pointer):
            raise Diagnostic("only addresses can become pointers", location)
        first, *inner = kind.derivations
        extents = tuple(
            self.constant(part.extent, "the extent of an array")
            for part in inner
            if isinstance(part, syntax.ArrayOf) and part.extent is not None
        )
        if not isinstance(first, syntax.PointerTo) or len(extents) != len(inner):
            raise Diagnostic("this type of pointer is not supported", location)
        unit = scalar_bytes(kind.base)
        for extent in extents:
            unit *= extent
        # A pointer of another type walks across the ends of rows.
        subscripts = value.subscripts if extents == value.extents else None
        return replace(value, unit=unit, extents=extents, subscripts=subscripts)

    def _size(self, operand: syntax.TypeName | syntax.Expression) -> int:
        if isinstance(operand, syntax.TypeName):
            if any(isinstance(part, syntax.PointerTo) for part in operand.derivations):
                return POINTER_BYTES
            size = scalar_bytes(operand.base)
            for part in operand.derivations:
                if isinstance(part, syntax.ArrayOf) and part.extent is not None:
                    size *= self.constant(part.extent, "the extent of an array")
            return size
        if isinstance(operand, syntax.Identifier):
            variable = self.scopes.find(operand.name)
            if isinstance(variable, Variable):
                element = POINTER_BYTES if variable.is_pointer else variable.type.bits // 8
                return element * prod(variable.extents)
        found = self._evaluate(operand)
        match found:
            case Place(pointer=pointer):
                return pointer.array.bytes_of(pointer.extents)
            case Number() | Real():
                return found.type.bits // 8
            case _:
                return POINTER_BYTES


def scalar_bytes(kind: CScalar | CVoid) -> int:
    """Bytes of a scalar; ``void`` counts as one, as in the pointer arithmetic of GNU C."""
    return 1 if isinstance(kind, CVoid) else kind.bits // 8


def _literal(value: float, kind: CScalar) -> Value:
    if isinstance(kind, CFloat):
        return Real(kind, float(value))
    return Number(kind, constant(int(value)))


def _initialised(variable: Variable, cell: int, location: SourceLocation) -> Value:
    value = variable.cells[cell]
    if value is None:
        raise Diagnostic(
            f"'{variable.name}' has no value yet", location, hint="give it a value first"
        )
    if isinstance(value, Unknown):
        hint = "compute it from the loop variables"
        raise UnknownValueError(value.reason, location, hint)
    return value


def _arithmetic_progression(values: list[Value], index: Sum) -> Value | None:
    """``first + index * step`` where a table is evenly spaced, else None."""
    numbers = [v.sum for v in values if isinstance(v, Number)]
    if len(numbers) != len(values) or len(values) < 2:
        return None
    step = numbers[1] - numbers[0]
    if not step.is_constant:
        return None
    if any(b - a != step for a, b in pairwise(numbers)):
        return None
    first = values[0]
    assert isinstance(first, Number)
    return replace(first, sum=numbers[0] + index.scaled(step.constant))


def _no_address(variable: Variable, location: SourceLocation) -> Diagnostic:
    return Diagnostic(
        f"the local array '{variable.name}' has no address on the accelerator",
        location,
        hint="use its elements; the accelerator reaches parameters, and arrays that are declared"
        " outside of loops and that the core does not use",
    )


class CoreAccessError(Diagnostic):
    """The core reads data where the reader follows what it computes."""


def _core_access(array: DramArray, location: SourceLocation) -> Diagnostic:
    return CoreAccessError(
        f"the core reads an element of '{array.name}'",
        location,
        hint="programs may only let the accelerator touch arrays; take an address with &",
    )


def _unexpected_call(function: str, location: SourceLocation) -> Diagnostic:
    if function in SIGNATURES:
        return Diagnostic(
            f"'{function}' has no value", location, hint="write it as a statement of its own"
        )
    return Diagnostic(
        f"'{function}' is neither an instruction of the accelerator nor a helper of this file",
        location,
        hint="supported: the macros of gemmini.h and void helper functions",
    )
