"""Builds the loop IR of a kernel: its function, parameters and attributes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TypeAlias

from xdsl.dialects import builtin, func, memref
from xdsl.ir import Attribute, Block, Region, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .arithmetic import Arithmetic, SizeTooLargeError
from .call_graph import find_kernel
from .declarations import constant_extent, scalar_type
from .emitter import Emitter, mlir_location
from .functions import FunctionLowering
from .loop_forms import counted_loops
from .named import NamedPolynomial
from .paths import is_computation
from .pointer_tests import without_pointer_tests
from .polynomial import Atom, Interval, Polynomial
from .shapes import Dimension, equal_sizes, reached_elements, untouched
from .structures import without_structures
from .types import INT, CInteger, CScalar, to_mlir
from .usage import VariableUsage
from .values import ArrayVariable, Layout, ScalarVariable, Value
from .vectors import Extents, VectorUse, local_storage
from .walking import CannotWalkError

UNKNOWN_EXTENT = "?"
"""Stands in ``liftproof.extents`` for the extent of what a pointer parameter points to."""


Shapes: TypeAlias = "dict[str, tuple[Dimension, ...]]"
"""The dimensions of arrays whose extents C does not state, by parameter name."""


def lower_kernel(unit: syntax.TranslationUnit, filename: str) -> builtin.ModuleOp:
    """Return the module with the loop IR of the kernel of ``unit``.

    Raises Diagnostic for what the subset does not support and what C does not allow.
    """
    unit = counted_loops(without_pointer_tests(without_structures(unit)))
    kernel = find_kernel(unit, filename)
    shapes: Shapes = {}
    equal: dict[str, str] = {}
    largest: dict[str, int] = {}
    in_memory: frozenset[syntax.Declarator] = frozenset()
    while True:
        builder = _KernelBuilder(unit, kernel, filename, shapes, equal, largest, in_memory)
        try:
            module = builder.build()
        except CannotWalkError as error:
            in_memory |= {error.declarator}
            continue
        except SizeTooLargeError as error:
            largest[error.name] = error.highest
            continue
        new = {n: s for n, s in builder.shapes().items() if n not in shapes}
        same = builder.equal_sizes()
        if not new and not same:
            return module
        # Once sizes are known to be equal, all that was found before is said in other terms.
        shapes, equal = ({}, {**equal, **same}) if same else ({**shapes, **new}, equal)


class _KernelBuilder:
    """Lowers the kernel once, with what earlier lowerings found out about its arrays."""

    def __init__(
        self,
        unit: syntax.TranslationUnit,
        kernel: syntax.Function,
        filename: str,
        shapes: Shapes,
        equal: dict[str, str],
        largest: dict[str, int],
        in_memory: frozenset[syntax.Declarator],
    ) -> None:
        self._shapes = shapes
        self._equal = equal
        self._largest = largest
        self._extent_names = unit.extents
        self._parameters: dict[Atom, str] = {}
        self._kernel = kernel
        self._filename = filename
        self._emitter = Emitter(kernel.location)
        self._arithmetic = Arithmetic(self._emitter)
        self._functions = FunctionLowering(self._emitter, unit, self, in_memory)
        self._names: list[str] = []
        self._sizes: dict[str, Polynomial] = {}
        self._facts: list[str] = []
        self._unknown: dict[str, tuple[int, str]] = {}
        """Rank of each array parameter of unknown extents, and its name if it is a vector."""
        self._c_types: list[str] = []
        self._use = VectorUse.of(kernel)
        self._extents: list[list[Attribute]] = []

    def build(self) -> builtin.ModuleOp:
        self._functions.file_scope()
        usage = self._functions.usage(self._kernel)
        scopes = self._functions.expressions.scopes
        scopes.push()
        for parameter in self._kernel.parameters:
            with self._emitter.at(parameter.location):
                self._parameter(parameter, usage)
        self._lay_out_pointers()
        result = self._functions.body(self._kernel)
        returned = [] if result is None else [self._arithmetic.materialise(result)]
        body = self._finish(returned)
        outputs = _written_parameters(body)
        if not outputs and result is None:
            raise Diagnostic(
                f"kernel '{self._kernel.name}' writes no output",
                self._kernel.location,
                hint="store the result in an array parameter, or return it",
            )
        return self._module(body, returned, outputs)

    def shapes(self) -> Shapes:
        """Return what the accesses say about the arrays of unknown extents."""
        accesses = self._functions.expressions.accesses
        unused = {
            name: tuple(untouched(vector, place) for place in range(rank))
            for name, (rank, vector) in self._unknown.items()
            if name not in accesses.accesses
        }
        return {**accesses.shapes(self._parameters), **unused}

    def equal_sizes(self) -> dict[str, str]:
        """Return which sizes of vectors and tensors the accesses want to be equal."""
        sizes = self._extent_names | set(self._sizes)
        log = self._functions.expressions.accesses
        found = equal_sizes(log, self._parameters, frozenset(sizes))
        return {n: first for n, first in found.items() if n not in self._equal and first != n}

    # ---- parameters -----------------------------------------------------------------------------
    def _parameter(self, parameter: syntax.Declarator, usage: VariableUsage) -> None:
        if not parameter.name:
            raise Diagnostic("this parameter has no name", parameter.location)
        kind = scalar_type(parameter)
        declarations = self._functions.declarations
        if parameter.type.derivations:
            declarations.declare(self._array(parameter, kind))
            return
        self._describe(("const " if parameter.type.const else "") + str(kind), [])
        argument = self._argument(parameter.name, to_mlir(kind))
        value = self._scalar_value(argument, kind, parameter.name)
        if usage.walks(parameter):
            declarations.declare(declarations.walking(parameter, value))
            return
        if usage.needs_memory(parameter):
            declarations.declare(declarations.scalar(parameter, argument, usage))
            return
        declarations.declare(
            ScalarVariable(
                parameter.name, kind, parameter.type.const, parameter.location, value=value
            )
        )

    def _argument(self, name: str, mlir_type: Attribute) -> SSAValue:
        head = self._emitter.head
        argument = head.insert_arg(mlir_type, len(head.args))
        argument.name_hint = name
        self._names.append(name)
        return argument

    def size_parameter(self, name: str) -> Polynomial:
        """Return the size of a vector, a scalar parameter that C++ does not have."""
        for atom, known in self._parameters.items():
            if known == name:
                return Polynomial.atom(atom)
        if name not in self._sizes:
            self._sizes[name] = self._new_size(name)
        return self._sizes[name]

    def _new_size(self, name: str) -> Polynomial:
        self._describe(str(INT), [])
        argument = self._argument(name, to_mlir(INT))
        if (same := self._same(name)) is not None:
            return same
        with self._emitter.inside(self._emitter.head):
            index = self._arithmetic.as_index(argument, INT)
            index.name_hint = f"{name}_index"
        highest = self._largest.get(name, INT.highest)
        # Sizes are there before everything else, wherever they are first asked for.
        serial = -1 - len(self._parameters)
        atom = Atom(name, index, Interval(0, highest), is_size=True, serial=serial)
        self._parameters[atom] = name
        if highest < INT.highest:
            self._functions.loops.assumptions.append(f"{name} <= {highest}")
            self._facts.append(f"{highest} - {name}")
        return Polynomial.atom(atom)

    def _same(self, name: str) -> Polynomial | None:
        """Return the parameter that the parameter ``name`` equals, if there is one."""
        first = self._equal.get(name)
        if first is None:
            return None
        text = f"{name} == {first}"
        if text not in self._functions.loops.assumptions:
            self._functions.loops.assumptions.append(text)
            self._facts += [f"{name} - {first}", f"{first} - {name}"]
        return self.size_parameter(first)

    def result_array(
        self, name: str, element: CScalar, extents: Extents, location: SourceLocation
    ) -> ArrayVariable:
        """Return the array for a vector that the kernel returns: one more parameter."""
        if name in self._names:
            raise Diagnostic(
                f"two vectors called '{name}' are returned",
                location,
                hint="return one vector",
            )
        dimensions = self._shapes.get(name)
        if dimensions is not None and None in extents:
            shape = self._describe_found(_vector_type(element, len(extents)), dimensions)
        else:
            shape = [
                builtin.DYNAMIC_INDEX if e is None else constant_extent(e, name, location)
                for e in extents
            ]
            self._describe(_vector_type(element, len(extents)), list(extents))
        argument = self._argument(name, builtin.MemRefType(to_mlir(element), shape))
        layouts = self._layouts(dimensions) if None in extents and dimensions else None
        key = name if None in extents else ""
        return ArrayVariable(
            name, element, False, location, argument, extents, key=key, layouts=layouts
        )

    def local_array(
        self, name: str, element: CScalar, extents: Extents, location: SourceLocation
    ) -> ArrayVariable:
        """Return an array for a vector of the kernel's own."""
        key = f"{name}@{location.line}:{location.column}" if None in extents else ""
        dimensions = self._shapes.get(key)
        layouts = self._layouts(dimensions) if dimensions is not None else None
        if layouts is not None:
            sizes = [extent for layout in layouts for extent in layout.extents]
        else:
            sizes = [Polynomial.constant(1) if e is None else e for e in extents]
        storage = local_storage(self._emitter, name, element, sizes).memref
        return ArrayVariable(
            name, element, False, location, storage, extents, key=key, layouts=layouts
        )

    def _scalar_value(self, argument: SSAValue, kind: CScalar, name: str) -> Value:
        if not isinstance(kind, CInteger):
            return Value(kind, ssa=argument)
        with self._emitter.inside(self._emitter.head):
            index = self._arithmetic.as_index(argument, kind)
            index.name_hint = f"{name}_index"
        if (same := self._same(name)) is not None:
            return Value(kind, ssa=argument, polynomial=same)
        atom = Atom(name, index, Interval(kind.lowest, kind.highest))
        self._parameters[atom] = name
        return Value(kind, ssa=argument, polynomial=Polynomial.atom(atom))

    def _array(self, parameter: syntax.Declarator, kind: CScalar) -> ArrayVariable:
        extents: list[Polynomial | None] = []
        for position, part in enumerate(parameter.type.derivations):
            if isinstance(part, syntax.ArrayOf) and part.extent is not None:
                extents.append(
                    self._functions.expressions.index(part.extent, "the extent of an array")
                )
            elif position == 0 or _is_pointer_chain(parameter.type.derivations[: position + 1]):
                extents.append(None)
            else:
                raise Diagnostic(
                    f"parameter '{parameter.name}' is an array of pointers",
                    parameter.location,
                    hint="use an array with more dimensions, as in 'int8_t A[N][M]'",
                )
        is_vector = isinstance(parameter.type.derivations[0], syntax.VectorOf)
        is_value = is_vector and not parameter.type.reference
        is_const = parameter.type.const or (is_value and parameter.name not in self._use.returned)
        c_type = _array_type(parameter, kind, extents)
        if parameter.name in self._shapes:
            shape = self._describe_found(c_type, self._shapes[parameter.name])
        else:
            shape = [
                builtin.DYNAMIC_INDEX
                if extent is None
                else constant_extent(extent, parameter.name, parameter.location)
                for extent in extents
            ]
            self._describe(c_type, extents)
        argument = self._argument(parameter.name, builtin.MemRefType(to_mlir(kind), shape))
        if None in extents:
            self._unknown[parameter.name] = len(extents), parameter.name if is_vector else ""
        return ArrayVariable(
            parameter.name,
            kind,
            is_const,
            parameter.location,
            argument,
            tuple(extents),
            movable=isinstance(parameter.type.derivations[0], syntax.PointerTo),
            vector=parameter.name if is_vector else "",
            key=parameter.name if None in extents else "",
        )

    def _lay_out_pointers(self) -> None:
        """Split the subscripts of the pointers whose dimensions are known."""
        scopes, loops = self._functions.expressions.scopes, self._functions.loops
        for name, dimensions in self._shapes.items():
            variable = scopes.find(name)
            if isinstance(variable, ArrayVariable):
                scopes.rebind(replace(variable, layouts=self._layouts(dimensions)))
            if "@" not in name:
                loops.assumptions.extend(reached_elements(name, dimensions))

    def _layouts(self, dimensions: tuple[Dimension, ...]) -> tuple[Layout, ...]:
        """Return dimensions that were found earlier in terms of this lowering's parameters."""
        return tuple(
            Layout(
                tuple(stride.bind(self.size_parameter) for stride in dimension.strides),
                tuple(extent.bind(self.size_parameter) for extent in dimension.extents),
            )
            for dimension in dimensions
        )

    def _describe_found(self, c_type: str, dimensions: tuple[Dimension, ...]) -> list[int]:
        """Enter the extents that were found for a pointer; return the shape of its memref."""
        self._c_types.append(c_type)
        extents = [extent for dimension in dimensions for extent in dimension.extents]
        constants = [extent.constant_value for extent in extents]
        self._extents.append(
            [
                builtin.StringAttr(str(extent))
                if constant is None
                else builtin.IntegerAttr(constant, 64)
                for extent, constant in zip(extents, constants, strict=True)
            ]
        )
        return [builtin.DYNAMIC_INDEX if constant is None else constant for constant in constants]

    def _describe(self, c_type: str, extents: list[Polynomial | None]) -> None:
        self._c_types.append(c_type)
        described: list[Attribute] = []
        for extent in extents:
            constant = extent.constant_value if extent is not None else None
            if constant is not None:
                described.append(builtin.IntegerAttr(constant, 64))
            else:
                described.append(builtin.StringAttr(_extent_text(extent)))
        self._extents.append(described)

    # ---- result ---------------------------------------------------------------------------------
    def _finish(self, returned: list[SSAValue]) -> Region:
        self._emitter.emit(func.ReturnOp(*returned))
        entry = self._emitter.head
        for op in list(self._emitter.block.ops):
            op.detach()
            entry.add_op(op)
        _erase_unused(entry)
        return Region(entry)

    def _module(
        self, body: Region, returned: list[SSAValue], outputs: list[int]
    ) -> builtin.ModuleOp:
        inputs = [argument.type for argument in body.block.args]
        results = [value.type for value in returned]
        function = func.FuncOp(self._kernel.name, (inputs, results), body)
        function.location = mlir_location(self._kernel.location)
        strings = builtin.StringAttr
        names = [strings(name) for name in self._names]
        attributes: dict[str, Attribute] = {
            "c_types": builtin.ArrayAttr([strings(c_type) for c_type in self._c_types]),
            "parameters": builtin.ArrayAttr(names),
            "extents": builtin.ArrayAttr([builtin.ArrayAttr(row) for row in self._extents]),
            "outputs": builtin.DenseArrayBase.from_list(builtin.i64, outputs),
            "source": strings(PurePath(self._filename).name),
        }
        if returned:
            attributes["c_result"] = strings(str(self._kernel.result))
        if assumptions := self._functions.loops.assumptions:
            attributes["assumptions"] = builtin.ArrayAttr([strings(a) for a in assumptions])
        required = [NamedPolynomial.of(p, self._parameters) for p in self._functions.loops.required]
        facts = [strings(str(fact)) for fact in required if fact and fact.is_linear]
        facts.extend(strings(fact) for fact in self._facts)
        if facts:
            attributes["preconditions"] = builtin.ArrayAttr(facts)
        for name, attribute in attributes.items():
            function.attributes[f"liftproof.{name}"] = attribute
        module = builtin.ModuleOp([function])
        module.verify()
        return module


def _is_pointer_chain(derivations: tuple[syntax.Derivation, ...]) -> bool:
    """Tell whether each dimension but the first, which may be ``[]``, is behind a pointer."""
    first, *others = derivations
    if all(isinstance(part, syntax.VectorOf) for part in derivations):
        return True
    starts = isinstance(first, syntax.PointerTo) or (
        isinstance(first, syntax.ArrayOf) and first.extent is None
    )
    return starts and all(isinstance(part, syntax.PointerTo) for part in others)


def _vector_type(element: CScalar, rank: int) -> str:
    return f"{element} " + "*" * rank


def _extent_text(extent: Polynomial | None) -> str:
    return UNKNOWN_EXTENT if extent is None else str(extent)


def _array_type(
    parameter: syntax.Declarator, kind: CScalar, extents: list[Polynomial | None]
) -> str:
    const = "const " if parameter.type.const else ""
    if all(extent is None for extent in extents):
        return f"{const}{kind} " + "*" * len(extents)
    texts = ["" if extent is None else str(extent) for extent in extents]
    return f"{const}{kind}" + "".join(f"[{text}]" for text in texts)


def _written_parameters(body: Region) -> list[int]:
    """Return the positions of the array parameters that the kernel stores to."""
    written = {op.memref for op in body.walk() if isinstance(op, memref.StoreOp)}
    return [argument.index for argument in body.block.args if argument in written]


def _erase_unused(block: Block) -> None:
    """Erase computations without effect whose results nobody uses, innermost and last first."""
    op = block.last_op
    while op is not None:
        previous = op.prev_op
        for region in op.regions:
            for inner in region.blocks:
                _erase_unused(inner)
        is_unused = all(not result.uses for result in op.results)
        if is_unused and is_computation(op):
            op.detach()
            op.erase()
        op = previous
