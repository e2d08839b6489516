"""Where variables stand and what may change them: steps and checks of places in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .bounds import extreme
from .guards import Fact, Narrowing
from .polynomial import Polynomial
from .shapes import AccessLog, split_subscript
from .values import ArrayVariable, ScalarVariable, UnsetPointer, Value, Variable
from .walking import CannotWalkError
from .wording import counted


def walked(variable: ScalarVariable, value: Value) -> ScalarVariable:
    """Return ``variable`` with a new value. Raises CannotWalkError if that has no formula."""
    assert variable.walks is not None
    if value.polynomial is None:
        raise CannotWalkError(variable.walks)
    return replace(variable, value=Value(variable.type, polynomial=value.polynomial))


def pointed(
    pointer: ArrayVariable | UnsetPointer, target: ArrayVariable, location: SourceLocation
) -> ArrayVariable:
    """Return ``pointer`` set to ``target``. Raises Diagnostic if their types do not agree."""
    if target.element != pointer.element:
        raise Diagnostic(
            f"mismatched types: '{pointer.name}' points to {pointer.element}, "
            f"'{target.name}' holds {target.element}",
            location,
        )
    if target.const and not pointer.const:
        raise Diagnostic(
            f"mismatched types: '{pointer.name}' would drop the const of '{target.name}'",
            location,
            hint="declare the pointer with 'const'",
        )
    return replace(
        target, name=pointer.name, const=pointer.const, location=pointer.location, movable=True
    )


def moving_pointer(location: SourceLocation) -> Diagnostic:
    return Diagnostic(
        "an array or pointer cannot be assigned or moved",
        location,
        hint="use subscripts: A[i] instead of *A++",
    )


def write_to_const(name: str, location: SourceLocation) -> Diagnostic:
    return Diagnostic(
        f"'{name}' is const and cannot be assigned",
        location,
        hint="remove 'const' if the kernel writes it",
    )


def wrong_subscripts(array: ArrayVariable, given: int) -> str:
    return (
        f"wrong number of subscripts: '{array.name}' has "
        f"{counted(len(array.extents), 'dimension')}, {counted(given, 'subscript')} given"
    )


def memory_subscripts(
    array: ArrayVariable,
    index: Polynomial,
    facts: Sequence[Fact],
    log: AccessLog,
    location: SourceLocation,
) -> tuple[tuple[Polynomial, ...], tuple[Polynomial | None, ...]]:
    """Return the subscripts and extents of ``array.memref`` for ``array[index]`` of C.

    The access is noted in ``log``; ``facts`` hold where it happens.
    """
    narrowing = Narrowing.of(facts)
    subscripts = tuple(narrowing.narrowed(part) for part in array.subscripts(index))
    if array.key:
        log.add(array.key, subscripts)
    digits, extents = _digits(array, subscripts, location)
    return tuple(narrowing.widened(digit) for digit in digits), extents


def _digits(
    array: ArrayVariable, subscripts: tuple[Polynomial, ...], location: SourceLocation
) -> tuple[tuple[Polynomial, ...], tuple[Polynomial | None, ...]]:
    if array.layouts is None:
        return _across_rows(array, subscripts) or subscripts, array.extents
    digits: list[Polynomial] = []
    for subscript, layout in zip(subscripts, array.layouts, strict=True):
        parts = split_subscript(subscript, layout.strides)
        if parts is None:
            raise Diagnostic(
                f"cannot tell which row of '{array.name}' the subscript '{subscript}' is in",
                location,
                hint="use an array with a subscript for each dimension",
            )
        digits.extend(parts)
    return tuple(digits), tuple(extent for layout in array.layouts for extent in layout.extents)


def _across_rows(
    array: ArrayVariable, subscripts: tuple[Polynomial, ...]
) -> tuple[Polynomial, ...] | None:
    """Subscripts within the rows, for a pointer to one row that walks on through those behind it.

    So ``p[64 * i + k]`` is ``w[i][k]`` behind ``p = &w[0][0]``. None where it stays in its row.
    """
    *_, extent = array.extents
    high = extreme(subscripts[-1], largest=True)
    if not array.movable or not array.fixed or extent is None or high is None:
        return None
    if len(subscripts) < len(array.extents) or (extent - high.value).interval.high > 0:
        return None
    strides = [Polynomial.constant(1)]
    for size in reversed(array.extents[1:]):
        if size is None:
            return None
        strides.insert(0, strides[0] * size)
    flat = Polynomial.constant(0)
    for subscript, stride in zip(subscripts, strides, strict=True):
        flat = flat + subscript * stride
    return split_subscript(flat, strides)


def too_many_subscripts(variable: Variable | None, expression: syntax.Expression) -> Diagnostic:
    """Return the diagnostic for an access of ``variable`` with more subscripts than it takes."""
    if variable is None:
        return Diagnostic(
            "mismatched types: this is not an array", expression.location, hint="use subscripts"
        )
    if isinstance(variable, ScalarVariable):
        return Diagnostic(
            f"mismatched types: '{variable.name}' is a scalar, not an array",
            expression.location,
            hint="only arrays and pointers take subscripts",
        )
    if isinstance(variable, UnsetPointer):
        return Diagnostic(
            f"mismatched types: '{variable.name}' points to scalars",
            expression.location,
            hint="give one subscript",
        )
    count, place = 0, expression.location
    while isinstance(expression, syntax.Subscript):
        expression, count = expression.base, count + 1
    return Diagnostic(
        wrong_subscripts(variable, count),
        place,
        hint="give a subscript for each dimension",
    )


def known_value(variable: ScalarVariable, location: SourceLocation) -> Value:
    """Return the value of a variable that never changes. Raises Diagnostic if it has none."""
    if variable.value is None:
        raise Diagnostic(
            f"'{variable.name}' is used but never set",
            location,
            hint="give it a value where it is declared",
        )
    return variable.value


def cast_pointer(array: ArrayVariable, type_name: syntax.TypeName) -> ArrayVariable:
    """Return ``array`` cast to a pointer. Raises Diagnostic if that has another element type."""
    if type_name.base != array.element:
        raise Diagnostic(
            f"mismatched types: '{array.name}' holds {array.element}, "
            f"a pointer to {type_name.base} is made of it",
            type_name.location,
            hint="declare the parameter with the type that it is used with",
        )
    return array


def without_value(
    expression: syntax.Member | syntax.Construct | syntax.StringLiteral,
) -> Diagnostic:
    """What to say of an expression that no kernel can compute with."""
    match expression:
        case syntax.Member(name=name):
            message = f"the member '{name}' is not one of a structure parameter"
            hint = "structures may only be parameters"
        case syntax.Construct():
            message, hint = "a new vector is not supported here", ""
        case syntax.StringLiteral():
            message = "strings are not supported"
            hint = "a kernel computes on arrays and scalars; leave printing to its caller"
    return Diagnostic(message, expression.location, hint=hint)
