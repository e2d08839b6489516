"""Lowers the declarations of local variables: scalars, arrays and pointers into arrays."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects import builtin, memref, scf
from xdsl.ir import Block, Region, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .arithmetic import Arithmetic
from .emitter import Emitter
from .expressions import ExpressionLowering
from .places import pointed, walked
from .polynomial import Polynomial
from .types import INT, CAuto, CScalar, CStruct, CVoid, to_mlir
from .usage import VariableUsage
from .values import ArrayVariable, ScalarVariable, UnsetPointer, Value, Variable
from .vectors import VectorLowering

EXTENT_LIMIT = 1 << 31
"""Elements of an array along one dimension."""
INITIALIZER_LIMIT = 4096
"""Elements of an array that has an initializer list other than ``{0}``."""


def scalar_type(declarator: syntax.Declarator) -> CScalar:
    """Return the base type of ``declarator``. Raises Diagnostic for ``void``."""
    if isinstance(declarator.type.base, CStruct):
        raise Diagnostic(
            f"'{declarator.name}' has type {declarator.type.base}, which is not supported here",
            declarator.location,
            hint="structures may only be parameters",
        )
    if isinstance(declarator.type.base, CVoid):
        raise Diagnostic(
            f"'{declarator.name}' cannot have type {declarator.type.base}",
            declarator.location,
            hint="use a pointer to the type of the elements",
        )
    return declarator.type.base


def constant_extent(extent: Polynomial, name: str, location: SourceLocation) -> int:
    """Return the extent of a dimension, -1 if it is not constant. Raises Diagnostic if not > 0."""
    constant = extent.constant_value
    if constant is None:
        return builtin.DYNAMIC_INDEX
    if not 0 < constant < EXTENT_LIMIT:
        raise Diagnostic(
            f"array '{name}' has extent {constant}",
            location,
            hint=f"an extent must be positive and below {EXTENT_LIMIT}",
        )
    return constant


class DeclarationLowering:
    """Declares local variables in the scopes of an ``ExpressionLowering``."""

    def __init__(
        self, emitter: Emitter, expressions: ExpressionLowering, vectors: VectorLowering
    ) -> None:
        self._vectors = vectors
        self._emitter = emitter
        self._arithmetic = Arithmetic(emitter)
        self._expressions = expressions

    def lower(self, declaration: syntax.Declaration, usage: VariableUsage) -> None:
        """Emit the storage and initial values of the variables of ``declaration``."""
        for declarator in declaration.declarators:
            derivations = declarator.type.derivations
            if derivations and isinstance(derivations[0], syntax.FunctionTaking):
                continue  # a prototype
            with self._emitter.at(declarator.location):
                self.declare(self._variable(declarator, usage))

    def declare(self, variable: Variable) -> None:
        """Make ``variable`` visible. Raises Diagnostic if the scope has one of that name."""
        previous = self._expressions.scopes.declare(variable)
        if previous is not None:
            raise Diagnostic(
                f"'{variable.name}' is declared twice",
                variable.location,
                hint=f"it is already declared in line {previous.location.line}",
            )

    def scalar(
        self, declarator: syntax.Declarator, initial: SSAValue | None, usage: VariableUsage
    ) -> ScalarVariable:
        """Return the variable of ``declarator`` in memory, ``initial`` stored there."""
        kind = scalar_type(declarator)
        variable = ScalarVariable(declarator.name, kind, declarator.type.const, declarator.location)
        alloca = memref.AllocaOp.get(to_mlir(kind), shape=[])
        storage = self._emitter.value(alloca, declarator.name)
        if initial is not None:
            self._emitter.emit(memref.StoreOp.get(initial, storage, []))
        return replace(variable, storage=storage)

    def walking(self, declarator: syntax.Declarator, initial: Value | None) -> ScalarVariable:
        """Return the variable of ``declarator`` as a formula. Raises CannotWalkError."""
        variable = ScalarVariable(
            declarator.name,
            scalar_type(declarator),
            declarator.type.const,
            declarator.location,
            walks=declarator,
        )
        return variable if initial is None else walked(variable, initial)

    def _variable(self, declarator: syntax.Declarator, usage: VariableUsage) -> Variable:
        derivations = declarator.type.derivations
        if derivations and isinstance(derivations[0], syntax.VectorOf):
            return self._vectors.declared(declarator, scalar_type(declarator))
        if derivations and isinstance(derivations[0], syntax.PointerTo):
            return self._pointer(declarator)
        if derivations:
            return self._array(declarator)
        initializer = declarator.initializer
        if isinstance(initializer, syntax.InitializerList):
            if len(initializer.items) != 1:
                raise Diagnostic(
                    f"mismatched types: '{declarator.name}' is a scalar", initializer.location
                )
            initializer = initializer.items[0]
        assert not isinstance(initializer, syntax.InitializerList)
        value: Value | None = None
        declared = declarator
        if declarator.type.typeof is not None:
            kind = self._expressions.type_of(declarator.type.typeof)
            declarator = replace(declarator, type=replace(declarator.type, base=kind))
        elif isinstance(declarator.type.base, CAuto) and initializer is not None:
            value = self._expressions.value(initializer)
            declarator = replace(declarator, type=replace(declarator.type, base=value.type))
        kind = scalar_type(declarator)
        if initializer is not None and value is None:
            value = self._expressions.converted(initializer, kind)
        if usage.walks(declared):
            return self.walking(declared, value)
        if usage.needs_memory(declared):
            if value is None and usage.is_set_first(declared):
                # Nothing can read this value; with it, both sides of a condition have one.
                value = self._arithmetic.convert(self._arithmetic.constant(0, INT), kind)
            ssa = self._arithmetic.materialise(value) if value is not None else None
            return self.scalar(declarator, ssa, usage)
        return ScalarVariable(
            declarator.name, kind, declarator.type.const, declarator.location, value=value
        )

    def _pointer(self, declarator: syntax.Declarator) -> ArrayVariable | UnsetPointer:
        """Return the part of an array that a pointer variable points to at first."""
        initializer = declarator.initializer
        kind = scalar_type(declarator)
        pointer = UnsetPointer(declarator.name, kind, declarator.type.const, declarator.location)
        if initializer is None:
            return pointer
        if isinstance(initializer, syntax.InitializerList):
            raise Diagnostic(
                f"pointer '{declarator.name}' does not start in an array",
                declarator.location,
                hint="start it in an array parameter, as in 'const int8_t *row = A[i];'",
            )
        return pointed(pointer, self._expressions.array(initializer), declarator.location)

    # ---- arrays ---------------------------------------------------------------------------------
    def _array(self, declarator: syntax.Declarator) -> ArrayVariable:
        kind = scalar_type(declarator)
        extents = [self._extent(declarator, part) for part in declarator.type.derivations]
        shape = [constant_extent(part, declarator.name, declarator.location) for part in extents]
        sizes = [
            self._emitter.index(extent)
            for extent, size in zip(extents, shape, strict=True)
            if size == builtin.DYNAMIC_INDEX
        ]
        alloca = memref.AllocaOp.get(to_mlir(kind), shape=shape, dynamic_sizes=sizes)
        storage = self._emitter.value(alloca, declarator.name)
        array = ArrayVariable(
            declarator.name,
            kind,
            declarator.type.const,
            declarator.location,
            storage,
            tuple(extents),
        )
        if declarator.initializer is not None:
            self._initialize(array, shape, declarator.initializer)
        return array

    def _extent(self, declarator: syntax.Declarator, part: syntax.Derivation) -> Polynomial:
        if not isinstance(part, syntax.ArrayOf):
            raise Diagnostic(
                f"'{declarator.name}' is an array of pointers",
                declarator.location,
                hint="use an array with more dimensions",
            )
        if part.extent is not None:
            return self._expressions.index(part.extent, "the extent of an array")
        initializer = declarator.initializer
        if part is not declarator.type.derivations[0] or not isinstance(
            initializer, syntax.InitializerList
        ):
            raise Diagnostic(f"array '{declarator.name}' has no extent", declarator.location)
        return Polynomial.constant(len(initializer.items))

    def _initialize(
        self, array: ArrayVariable, shape: list[int], initializer: syntax.Initializer
    ) -> None:
        if not isinstance(initializer, syntax.InitializerList):
            raise Diagnostic(
                f"mismatched types: array '{array.name}' needs a list of values",
                initializer.location,
                hint="write { ... }",
            )
        items = self._flatten(array, shape, initializer)
        if all(isinstance(item, syntax.Literal) and item.value == 0 for item in items.values()):
            self._fill_with_zero(array)
            return
        size = 1
        for extent in shape:
            size *= extent
        if size > INITIALIZER_LIMIT:
            raise Diagnostic(
                f"the initializer of '{array.name}' has more than {INITIALIZER_LIMIT} elements",
                initializer.location,
                hint="pass the table as a parameter",
            )
        for position in range(size):
            indices: list[SSAValue] = []
            rest = position
            for extent in reversed(shape):
                indices.insert(0, self._emitter.index_constant(rest % extent))
                rest //= extent
            ssa = self._emitter.constant(0, array.element)
            if (item := items.get(position)) is not None:
                value = self._expressions.converted(item, array.element)
                ssa = self._arithmetic.materialise(value)
            self._emitter.emit(memref.StoreOp.get(ssa, array.memref, indices))

    def _flatten(
        self, array: ArrayVariable, shape: list[int], initializer: syntax.InitializerList
    ) -> dict[int, syntax.Expression]:
        """Return the given values by position in row-major order; the others are 0."""
        inner = shape[1:]
        stride = 1
        for extent in inner:
            stride *= extent
        flat: dict[int, syntax.Expression] = {}
        position = 0
        for item in initializer.items:
            if isinstance(item, syntax.InitializerList):
                if not inner:
                    raise _too_many_values(array, item.location)
                position = -(-position // stride) * stride
                for offset, value in self._flatten(array, inner, item).items():
                    flat[position + offset] = value
                position += stride
            else:
                flat[position] = item
                position += 1
        size = stride * shape[0]
        if size > 0 and position > size:
            raise _too_many_values(array, initializer.location)
        return flat

    def _fill_with_zero(self, array: ArrayVariable) -> None:
        zero = self._emitter.constant(0, array.element)
        bounds = [self._emitter.index(extent) for extent in array.extents if extent is not None]
        start, step = self._emitter.index_constant(0), self._emitter.index_constant(1)
        blocks = [Block(arg_types=[builtin.IndexType()]) for _ in bounds]
        indices = [block.args[0] for block in blocks]
        outer = self._emitter.block
        for bound, block in zip(bounds, blocks, strict=True):
            with self._emitter.inside(outer):
                self._emitter.emit(scf.ForOp(start, bound, step, [], Region(block)))
            outer = block
        with self._emitter.inside(outer):
            self._emitter.emit(memref.StoreOp.get(zero, array.memref, indices))
        for block in blocks:
            block.add_op(scf.YieldOp())


def _too_many_values(array: ArrayVariable, location: SourceLocation) -> Diagnostic:
    return Diagnostic(f"too many values for array '{array.name}'", location)
