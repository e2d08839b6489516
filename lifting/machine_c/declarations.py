"""Declares local variables: their types, extents and initial values."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import MemRefType

from ...diagnostics import Diagnostic, SourceLocation
from ..c import syntax
from ..c.types import CVoid, to_mlir
from . import arithmetic
from .context import Context
from .expressions import scalar_bytes
from .values import (
    DramArray,
    Either,
    Held,
    Pointer,
    Unknown,
    UnknownValueError,
    Value,
    Variable,
    depth_of,
    is_null,
)

DEPTH_LIMIT = 100
"""How deep the value of a variable may be nested; a longer chain of updates is no address."""
CELL_LIMIT = 4096
"""Elements of a local array that are followed."""


class Declarations:
    """Declares variables in the scopes of a context, and converts values to their types."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def declare(self, declarator: syntax.Declarator) -> Variable:
        """Declare a local variable and give it its initial value."""
        variable = self._variable(declarator)
        initializer = declarator.initializer
        if isinstance(initializer, syntax.InitializerList):
            self._fill(variable, initializer)
        elif initializer is not None:
            if variable.extents:
                raise Diagnostic(
                    "an array is initialised by a list in braces", initializer.location
                )
            variable.cells[0] = self.converted(variable, initializer)
        elif variable.extents and not variable.is_pointer and self.context.level == 0:
            variable.place = lambda: self._in_memory(variable)
        if not self.context.scopes.declare(variable):
            raise Diagnostic(f"'{variable.name}' is declared twice", declarator.location)
        return variable

    def _in_memory(self, variable: Variable) -> DramArray:
        type = MemRefType(to_mlir(variable.type), variable.extents)
        memref = self.context.emitter.allocate(type, variable.name)
        return DramArray(variable.name, variable.type, variable.extents, memref)

    def _variable(self, declarator: syntax.Declarator) -> Variable:
        kind, location = declarator.type, declarator.location
        derivations = list(kind.derivations)
        arrays: list[int] = []
        while derivations and isinstance(outer := derivations[0], syntax.ArrayOf):
            arrays.append(self._extent(outer.extent, declarator))
            del derivations[0]
        is_pointer = bool(derivations)
        pointee = [part.extent for part in derivations[1:] if isinstance(part, syntax.ArrayOf)]
        if derivations and (
            not isinstance(derivations[0], syntax.PointerTo) or len(pointee) != len(derivations) - 1
        ):
            raise Diagnostic(f"the type of '{declarator.name}' is not supported", location)
        if isinstance(kind.base, CVoid) and not is_pointer:
            raise Diagnostic(f"'{declarator.name}' is declared void", location)
        base = arithmetic.INT if isinstance(kind.base, CVoid) else kind.base
        inner = tuple(
            self.context.expressions.constant(extent, "the extent of an array")
            for extent in pointee
            if extent is not None
        )
        size = 1
        for extent in arrays:
            size *= extent
        unit = scalar_bytes(kind.base)
        for extent in inner:
            unit *= extent
        cells: list[Held] = [None] * (size if size <= CELL_LIMIT else 0)
        return Variable(
            declarator.name, base, location, tuple(arrays), is_pointer, unit, inner, cells
        )

    def _extent(self, extent: syntax.Expression | None, declarator: syntax.Declarator) -> int:
        if extent is not None:
            value = self.context.expressions.constant(extent, "the extent of an array")
            if value < 1:
                raise Diagnostic(f"an array of {value} elements", extent.location)
            return value
        if isinstance(declarator.initializer, syntax.InitializerList):
            return len(declarator.initializer.items)
        raise Diagnostic(
            f"the size of '{declarator.name}' is unknown", declarator.location, hint="name it"
        )

    def _fill(self, variable: Variable, values: syntax.InitializerList) -> None:
        if not variable.extents:
            if len(values.items) != 1:
                raise Diagnostic("a scalar takes one initial value", values.location)
            variable.cells[0] = self._initial(variable, values.items[0])
            return
        variable.cells[:] = [self._zero(variable)] * len(variable.cells)
        self._fill_part(variable, values, 0, len(variable.cells), variable.extents)

    def _fill_part(
        self,
        variable: Variable,
        values: syntax.InitializerList,
        start: int,
        size: int,
        extents: tuple[int, ...],
    ) -> None:
        """Fill ``size`` cells; a list without inner braces runs through all dimensions."""
        position, row = start, size // extents[0]
        for item in values.items:
            nested = isinstance(item, syntax.InitializerList) and len(extents) > 1
            step = row if nested else 1
            if position + step > start + size:
                raise Diagnostic("more initial values than elements", item.location)
            if nested and isinstance(item, syntax.InitializerList):
                self._fill_part(variable, item, position, step, extents[1:])
            else:
                variable.cells[position] = self._initial(variable, item)
            position += step

    def _initial(self, variable: Variable, item: syntax.Initializer) -> Held:
        if isinstance(item, syntax.InitializerList):
            raise Diagnostic("too many braces around an initial value", item.location)
        return self.converted(variable, item)

    def _zero(self, variable: Variable) -> Value:
        return arithmetic.convert(arithmetic.integer(0), variable.type, variable.location)

    def converted(self, variable: Variable, expression: syntax.Expression) -> Held:
        """The value of ``expression`` as the variable holds it."""
        try:
            value = self.context.expressions.value(expression)
            converted = convert_to_variable(value, variable, expression.location)
        except UnknownValueError as error:
            return Unknown(error.message)
        except Diagnostic:
            if not self.context.analysing:
                raise
            return self.context.unknown(variable)
        if depth_of(converted) > DEPTH_LIMIT:
            raise Diagnostic(
                f"the value of '{variable.name}' is too complicated to follow",
                expression.location,
                hint="compute it from the loop variables instead of from its last value",
            )
        return converted

    def parameter(self, parameter: syntax.Declarator) -> Variable:
        """A parameter of a helper; an array parameter is a pointer (C17 6.7.6.3)."""
        derivations = list(parameter.type.derivations)
        if derivations and isinstance(derivations[0], syntax.ArrayOf):
            derivations[0] = syntax.PointerTo()
            kind = replace(parameter.type, derivations=tuple(derivations))
            parameter = replace(parameter, type=kind)
        return self._variable(parameter)


def convert_to_variable(value: Value, variable: Variable, location: SourceLocation) -> Value:
    """``value`` as ``variable`` holds it. Raises Diagnostic where C would not convert it."""
    if isinstance(value, Either):
        then = convert_to_variable(value.then, variable, location)
        otherwise = convert_to_variable(value.otherwise, variable, location)
        return replace(value, then=then, otherwise=otherwise)
    if not variable.is_pointer:
        return arithmetic.convert(value, variable.type, location)
    if is_null(value):
        return value
    if not isinstance(value, Pointer):
        raise Diagnostic(f"'{variable.name}' needs an address", location)
    inner = value.array.extents[len(value.array.extents) - len(variable.pointee) :]
    subscripts = value.subscripts if inner == variable.pointee else None
    return replace(value, unit=variable.unit, extents=variable.pointee, subscripts=subscripts)
