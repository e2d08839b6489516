"""Lowers what C++ kernels do with vectors to arrays.

The elements of a vector that the kernel returns are those of one more array parameter. A vector
that grows with ``push_back`` knows how many elements it has so far, as a formula (see
:mod:`walking`). A row that is pushed into another vector is from the start that row of the other.
``size()`` of a parameter is one more scalar parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from xdsl.dialects import builtin, memref, scf
from xdsl.ir import Block, Region

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .arithmetic import Arithmetic
from .emitter import Emitter
from .expressions import ExpressionLowering
from .polynomial import Atom, LoopRange, Polynomial
from .shapes import size_name
from .traversal import descendants
from .types import INT, UNSIGNED_LONG, CScalar, to_mlir
from .values import ArrayVariable, Value
from .wording import counted

_ZERO = Polynomial.constant(0)
_ONE = Polynomial.constant(1)
_METHODS = "supported are size, empty, push_back, emplace_back, clear, reserve, at, front and back"

Extents = tuple[Polynomial | None, ...]


class Interface(Protocol):
    """What vectors need of the kernel's interface."""

    def result_array(
        self, name: str, element: CScalar, extents: Extents, location: SourceLocation
    ) -> ArrayVariable:
        """Return the array for a vector that the kernel returns, ``None`` for unknown extents."""
        ...

    def local_array(
        self, name: str, element: CScalar, extents: Extents, location: SourceLocation
    ) -> ArrayVariable:
        """Return a new array of the kernel's own."""
        ...

    def size_parameter(self, name: str) -> Polynomial:
        """Return the scalar parameter called ``name``, which is at least 0."""
        ...


@dataclass(frozen=True)
class VectorUse:
    """What a function does with the vectors that it declares, by name."""

    returned: frozenset[str]
    rows_of: dict[str, str]
    """For each vector that is pushed into another one: the other one."""

    @staticmethod
    def of(function: syntax.Function) -> VectorUse:
        """Return the use of vectors in ``function``."""
        returned: set[str] = set()
        rows_of: dict[str, str] = {}
        for node in descendants(function.body):
            match node:
                case syntax.Return(value=syntax.Identifier(name=name)) if function.vector_rank:
                    returned.add(name)
                case syntax.MethodCall(
                    target=syntax.Identifier(name=outer),
                    method="push_back" | "emplace_back",
                    arguments=(syntax.Identifier(name=row),),
                ):
                    rows_of[row] = outer
                case _:
                    pass
        return VectorUse(frozenset(returned), rows_of)


class VectorLowering:
    """Emits declarations and method calls of vectors."""

    use: VectorUse

    def __init__(
        self, emitter: Emitter, expressions: ExpressionLowering, interface: Interface
    ) -> None:
        self.use = VectorUse(frozenset(), {})
        self._emitter = emitter
        self._arithmetic = Arithmetic(emitter)
        self._expressions = expressions
        self._interface = interface

    # ---- declarations ---------------------------------------------------------------------------
    def declared(self, declarator: syntax.Declarator, element: CScalar) -> ArrayVariable:
        """Return the variable of ``declarator``, a vector, with its initial elements emitted."""
        initializer = declarator.initializer
        if declarator.type.reference and initializer is not None:
            if isinstance(initializer, syntax.InitializerList):
                raise _not_a_vector(declarator.name, initializer.location)
            target = self._expressions.array(initializer)
            return replace(target, name=declarator.name, location=declarator.location)
        rank = len(declarator.type.derivations)
        match initializer:
            case None:
                return self._empty(declarator, element, rank)
            case syntax.Construct(arguments=()):
                return self._empty(declarator, element, rank)
            case syntax.Construct():
                return self._filled(declarator, element, initializer)
            case syntax.InitializerList(items=items):
                return self._listed(declarator, element, items)
            case _:
                return self._copied(declarator, element, self._expressions.array(initializer))

    def _empty(self, declarator: syntax.Declarator, element: CScalar, rank: int) -> ArrayVariable:
        name = declarator.name
        if name in self.use.rows_of and name not in self.use.returned:
            return self._row(name, declarator.location)
        whole = self._array(declarator, element, (None,) * rank)
        return replace(whole, length=_ZERO)

    def _row(self, name: str, location: SourceLocation) -> ArrayVariable:
        """Return the empty vector ``name`` as the next row of the vector it is pushed into."""
        outer = self._expressions.find(self.use.rows_of[name], location)
        if not isinstance(outer, ArrayVariable) or outer.length is None or outer.rank < 2:
            raise _not_a_vector(self.use.rows_of[name], location)
        return replace(outer.part(outer.length), name=name, location=location, length=_ZERO)

    def _filled(
        self, declarator: syntax.Declarator, element: CScalar, construct: syntax.Construct
    ) -> ArrayVariable:
        rank = len(declarator.type.derivations)
        extents, value = self._sizes(construct)
        if len(extents) != rank:
            raise Diagnostic(
                f"vector '{declarator.name}' has {counted(rank, 'dimension')}, "
                f"{counted(len(extents), 'size')} given",
                construct.location,
                hint="give a size for each dimension: vector<vector<int>> v(m, vector<int>(n))",
            )
        array = self._array(declarator, element, tuple(extents))
        initial = self._initial(value, element)
        self._for_each(extents, lambda index: self._store(array, index, initial))
        return array

    def _sizes(self, construct: syntax.Construct) -> tuple[list[Polynomial], Value | None]:
        """Return the sizes that nested constructors give, and the value of the elements."""
        if not 1 <= len(construct.arguments) <= 2:
            raise Diagnostic("a vector takes a size and a value", construct.location)
        outermost, *rest = construct.arguments
        sizes = [self._expressions.index(outermost, "the size of a vector")]
        if not rest:
            return sizes, None
        inner = rest[0]
        if isinstance(inner, syntax.Construct):
            more, value = self._sizes(inner)
            return sizes + more, value
        return sizes, self._expressions.value(inner)

    def _listed(
        self,
        declarator: syntax.Declarator,
        element: CScalar,
        items: Sequence[syntax.Initializer],
    ) -> ArrayVariable:
        if len(declarator.type.derivations) != 1:
            raise Diagnostic("a list can only start a vector of scalars", declarator.location)
        array = self._array(declarator, element, (Polynomial.constant(len(items)),))
        for place, item in enumerate(items):
            if isinstance(item, syntax.InitializerList):
                raise Diagnostic("a list can only start a vector of scalars", item.location)
            value = self._expressions.converted(item, element)
            self._store(array, (Polynomial.constant(place),), value)
        return array

    def _copied(
        self, declarator: syntax.Declarator, element: CScalar, source: ArrayVariable
    ) -> ArrayVariable:
        if source.rank != len(declarator.type.derivations) or source.element != element:
            raise Diagnostic(
                f"mismatched types: '{source.name}' is no vector like '{declarator.name}'",
                declarator.location,
                hint="element types and numbers of dimensions must agree",
            )
        extents = self._extents(source, declarator.location)
        array = self._array(declarator, element, tuple(extents))
        self._copy(array, source, extents)
        return array

    def _array(
        self, declarator: syntax.Declarator, element: CScalar, extents: Extents
    ) -> ArrayVariable:
        is_result = declarator.name in self.use.returned
        make = self._interface.result_array if is_result else self._interface.local_array
        return make(declarator.name, element, extents, declarator.location)

    # ---- methods --------------------------------------------------------------------------------
    def call(self, call: syntax.MethodCall) -> Value | None:
        """Emit a method call and return its result, if it has one. Raises Diagnostic."""
        match call.method:
            case "size" | "length" if not call.arguments:
                return self._size(call.target)
            case "empty" if not call.arguments:
                size, zero = self._size(call.target), self._arithmetic.constant(0, UNSIGNED_LONG)
                return self._arithmetic.binary("==", size, zero)
            case "push_back" | "emplace_back" if len(call.arguments) == 1:
                self._push(call.target, call.arguments[0])
            case "clear" if not call.arguments:
                self._clear(call.target)
            case "reserve":
                pass
            case _:
                raise Diagnostic(
                    f"'{call.method}' is not a method of a vector that is supported",
                    call.location,
                    hint=_METHODS,
                )
        return None

    def _size(self, target: syntax.Expression) -> Value:
        array = self._expressions.array(target)
        extent = self._extent(array, len(array.fixed), target.location)
        ssa = self._arithmetic.from_index(self._emitter.index(extent), UNSIGNED_LONG)
        return Value(UNSIGNED_LONG, ssa=ssa, polynomial=extent)

    def _extents(self, array: ArrayVariable, location: SourceLocation) -> list[Polynomial]:
        """Return the sizes along the dimensions that are left."""
        first = len(array.fixed)
        return [self._extent(array, place, location) for place in range(first, len(array.extents))]

    def _extent(self, array: ArrayVariable, place: int, location: SourceLocation) -> Polynomial:
        if place == len(array.fixed) and array.length is not None:
            return array.length
        if (known := array.extents[place]) is not None:
            return known
        if not array.vector:
            raise Diagnostic(
                f"cannot tell the size of '{array.name}'",
                location,
                hint="take the size of a vector parameter",
            )
        return self._interface.size_parameter(size_name(array.vector, place))

    def _push(self, target: syntax.Expression, item: syntax.Expression) -> None:
        vector = self._expressions.array(target)
        if vector.length is None or not isinstance(target, syntax.Identifier):
            raise Diagnostic(
                f"'{vector.name}' cannot grow",
                target.location,
                hint="push into an empty vector of the kernel's own",
            )
        place = vector.subscripts(vector.length)
        if vector.rank == 1:
            value = self._expressions.converted(item, vector.element)
            self._store(replace(vector, fixed=()), place, value)
        else:
            self._push_row(vector, vector.part(vector.length), item)
        self._expressions.scopes.rebind(replace(vector, length=vector.length + _ONE))

    def _push_row(self, vector: ArrayVariable, row: ArrayVariable, item: syntax.Expression) -> None:
        if isinstance(item, syntax.Construct):
            extents, value = self._sizes(item)
            initial = self._initial(value, row.element)
            self._for_each(extents, lambda index: self._store(row, index, initial))
            return
        source = self._expressions.array(item)
        if source.rank != row.rank or source.element != row.element:
            raise _not_a_vector(source.name, item.location)
        if source.memref is vector.memref:
            if not _is_same_row(source, row):
                raise Diagnostic(
                    f"'{source.name}' is pushed a second time, or late",
                    item.location,
                    hint="push each row once, after it was filled",
                )
            return
        self._copy(row, source, self._extents(source, item.location))

    def _clear(self, target: syntax.Expression) -> None:
        if not isinstance(target, syntax.Identifier):
            raise Diagnostic("only a vector variable can be cleared", target.location)
        if target.name in self.use.rows_of:
            self._expressions.scopes.rebind(self._row(target.name, target.location))
            return
        vector = self._expressions.array(target)
        if vector.length is None:
            raise _not_a_vector(vector.name, target.location)
        self._expressions.scopes.rebind(replace(vector, length=_ZERO))

    # ---- elements -------------------------------------------------------------------------------
    def _initial(self, value: Value | None, element: CScalar) -> Value:
        """Return the value of each element of a new vector: 0 unless one is given."""
        zero = self._arithmetic.constant(0, INT)
        return self._arithmetic.convert(zero if value is None else value, element)

    def _store(self, array: ArrayVariable, index: tuple[Polynomial, ...], value: Value) -> None:
        part = array
        for subscript in index[:-1]:
            part = part.part(subscript)
        place = self._expressions.element(part, index[-1], self._emitter.location)
        self._expressions.store(place, value)

    def _copy(
        self, target: ArrayVariable, source: ArrayVariable, extents: Sequence[Polynomial]
    ) -> None:
        def copy(index: tuple[Polynomial, ...]) -> None:
            part = source
            for subscript in index[:-1]:
                part = part.part(subscript)
            place = self._expressions.element(part, index[-1], self._emitter.location)
            self._store(target, index, self._expressions.load(place))

        self._for_each(extents, copy)

    def _for_each(
        self,
        extents: Sequence[Polynomial],
        body: Callable[[tuple[Polynomial, ...]], None],
        index: tuple[Polynomial, ...] = (),
    ) -> None:
        """Emit loops over ``extents`` with what ``body`` emits for an index inside."""
        if not extents:
            body(index)
            return
        loop_range = LoopRange(_ZERO, extents[0], 1)
        block = Block(arg_types=[builtin.IndexType()])
        start, stop = self._emitter.index(_ZERO), self._emitter.index(extents[0])
        atom = Atom("i", block.args[0], extents[0].interval, loop_range)
        with self._emitter.inside(block):
            self._for_each(extents[1:], body, (*index, Polynomial.atom(atom)))
            self._emitter.emit(scf.YieldOp())
        self._emitter.emit(
            scf.ForOp(start, stop, self._emitter.index_constant(1), [], Region(block))
        )


def local_storage(
    emitter: Emitter, name: str, element: CScalar, extents: Sequence[Polynomial]
) -> memref.AllocaOp:
    """Return a new array for the elements of a vector of the kernel's own."""
    shape = [
        builtin.DYNAMIC_INDEX if extent.constant_value is None else extent.constant_value
        for extent in extents
    ]
    sizes = [emitter.index(extent) for extent in extents if extent.constant_value is None]
    return emitter.emit(
        memref.AllocaOp.get(to_mlir(element), shape=shape, dynamic_sizes=sizes), name
    )


def _is_same_row(left: ArrayVariable, right: ArrayVariable) -> bool:
    return len(left.fixed) == len(right.fixed) and all(
        a.same_as(b) for a, b in zip(left.fixed, right.fixed, strict=True)
    )


def _not_a_vector(name: str, location: SourceLocation) -> Diagnostic:
    return Diagnostic(
        f"'{name}' is not a vector that can be used here",
        location,
        hint="use a vector of the kernel's own with elements of the same type",
    )
