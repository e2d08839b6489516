"""What the core computes from arrays between instructions, lowered as in a plain kernel.

Such a statement stands outside of loops and branches, so that every number in it is known; loops
around it are read iteration by iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xdsl.dialects.func import FuncOp, ReturnOp

from ...diagnostics import Diagnostic, SourceLocation
from ..c import syntax
from ..c.kernel import lower_kernel
from ..c.traversal import declared_names, descendants, root_name, used_names
from ..c.types import INT, CFloat, CScalar, CVoid
from .context import Context
from .scopes import Entity
from .signatures import SIGNATURES
from .values import DramArray, Number, Pointer, Real, Variable

_KINDS = (syntax.ExpressionStatement, syntax.For, syntax.While, syntax.If, syntax.Compound)


class CoreWork:
    """Finds statements in which the core stores to arrays, and lowers them."""

    def __init__(self, context: Context, unit: syntax.TranslationUnit) -> None:
        self._context = context
        self._unit = unit
        self._stored: dict[syntax.Statement, frozenset[str]] = {}

    def owns(self, statement: syntax.Statement) -> bool:
        """Whether the core, and no instruction, stores to arrays in ``statement``."""
        if not self.may_own(statement):
            return False
        if statement not in self._stored:
            self._stored[statement] = frozenset(self._stored_names(statement))
        return any(_is_array(self._context.scopes.find(name)) for name in self._stored[statement])

    def may_own(self, statement: syntax.Statement) -> bool:
        """Whether a statement issues no instruction, and is no declaration."""
        is_kind = isinstance(statement, _KINDS)
        return is_kind and not self._context.called(statement) & SIGNATURES.keys()

    def _stored_names(self, statement: syntax.Statement) -> Iterator[str]:
        for node in descendants(statement):
            match node:
                case (
                    syntax.Assignment(target=syntax.Subscript() | syntax.Unary() as target)
                    | syntax.Increment(target=syntax.Subscript() | syntax.Unary() as target)
                ):
                    yield from root_name(target)
                case syntax.Call(function=name, arguments=arguments):
                    if name in self._context.functions:
                        yield from (n for argument in arguments for n in root_name(argument))
                case _:
                    pass

    def run(self, statement: syntax.Statement) -> None:
        """Emit the statement's loops; Diagnostic where they are in others, or change variables."""
        if self._context.level:
            raise Diagnostic(
                "the core works on arrays inside of a loop or branch of instructions",
                statement.location,
                hint="the iterations around it must be few enough to be read one by one",
            )
        arrays: dict[str, DramArray] = {}
        pointers: dict[str, Pointer] = {}
        declared: list[syntax.Statement] = []
        for name in _free_names(statement):
            if name in _changed_names(statement):
                raise Diagnostic(
                    f"'{name}' changes where the core works on arrays",
                    statement.location,
                    hint="declare it inside of the loop; instructions must not depend on it",
                )
            match self._bound(name, statement.location):
                case DramArray() as array:
                    arrays[name] = array
                case Pointer() as pointer:
                    pointers[name] = pointer
                case declaration:
                    declared.append(declaration)
        taken = frozenset(_free_names(statement))
        for name, pointer in pointers.items():
            declared.append(_pointer(name, pointer, arrays, taken, statement.location))
        self._inline(self._lowered(statement, declared, arrays), arrays)

    def _bound(
        self, name: str, location: SourceLocation
    ) -> DramArray | Pointer | syntax.Declaration:
        """What a name stands for; of numbers, the declaration that gives the name its value."""
        expressions, identifier = self._context.expressions, syntax.Identifier(location, name)
        found = self._context.scopes.find(name)
        if isinstance(found, Variable) and found.place is not None:
            is_table = any(cell is not None for cell in found.cells)
            found = found if is_table else expressions.placed(found, location)
        if isinstance(found, DramArray):
            return found
        value = expressions.value(identifier)
        if isinstance(value, Pointer) and not value.extents and value.offset.is_constant:
            _require_own_type(found, value, location)
            return value
        if isinstance(value, Number) and value.sum.is_constant:
            return _constant(name, value.sum.constant, value.type, location)
        if isinstance(value, Real):
            return _constant(name, value.value, value.type, location)
        raise Diagnostic(f"'{name}' is not known where the core works on arrays", location)

    def _lowered(
        self,
        statement: syntax.Statement,
        declared: list[syntax.Statement],
        arrays: dict[str, DramArray],
    ) -> FuncOp:
        """The loop IR of a function that consists of the statement, over ``arrays``."""
        location = statement.location
        parameters = tuple(_parameter(*item, location) for item in arrays.items())
        body = syntax.Compound(location, (*declared, statement))
        core = syntax.Function(location, "core", CVoid(), 0, parameters, body, is_static=False)
        called = self._context.called(statement) & self._context.functions.keys()
        functions = {name: self._context.functions[name] for name in called} | {core.name: core}
        names = {n for f in functions.values() for n in used_names(f)} - declared_names(core)
        # What is not constant may have changed, or be an array that the accelerator reaches.
        declarations = tuple(
            replace(given, declarators=kept)
            for given in self._unit.declarations
            if (kept := tuple(d for d in given.declarators if d.type.const and d.name in names))
        )
        unit = replace(self._unit, functions=functions, declarations=declarations)
        function = lower_kernel(unit, location.file).body.block.first_op
        assert isinstance(function, FuncOp)
        if "liftproof.assumptions" in function.attributes:
            raise Diagnostic("it is not known whether this loop ends", location)
        return function

    def _inline(self, function: FuncOp, arrays: dict[str, DramArray]) -> None:
        for argument, array in zip(function.body.block.args, arrays.values(), strict=True):
            argument.replace_all_uses_with(array.memref)
        for op in list(function.body.block.ops):
            if not isinstance(op, ReturnOp):
                op.detach()
                self._context.emitter.emit(op)


def _is_array(found: Entity | None) -> bool:
    """Whether a name stands for data in memory; tables of integers and of pointers do not."""
    if isinstance(found, Variable) and found.extents:
        return isinstance(found.type, CFloat) and found.place is not None
    return isinstance(found, DramArray) or (found is not None and found.is_pointer)


def _free_names(statement: syntax.Statement) -> list[str]:
    """Names that a statement uses and declares nowhere, in order."""
    return sorted(used_names(statement) - declared_names(statement))


def _require_own_type(found: Entity | None, value: Pointer, location: SourceLocation) -> None:
    """Raise Diagnostic where a variable points to something else than elements of its type."""
    array = value.array
    is_own = isinstance(found, Variable) and found.type == array.element
    is_element = value.unit == array.element_bytes and not value.offset.constant % value.unit
    if not (is_own and is_element):
        raise Diagnostic(
            f"the core reads '{array.name}' as other elements than those it has",
            location,
            hint=f"point to elements of type {array.element} only",
        )


def _changed_names(statement: syntax.Statement) -> set[str]:
    """Variables, and not elements of arrays, that a statement gives another value."""
    nodes = descendants(statement)
    targets = (n.target for n in nodes if isinstance(n, syntax.Assignment | syntax.Increment))
    return {target.name for target in targets if isinstance(target, syntax.Identifier)}


def _constant(
    name: str, value: float, type: CScalar, location: SourceLocation
) -> syntax.Declaration:
    kind = syntax.TypeName(location, type, True, ())
    literal = syntax.Literal(location, value, type)
    return syntax.Declaration(location, (syntax.Declarator(location, name, kind, literal),))


def _parameter(name: str, array: DramArray, location: SourceLocation) -> syntax.Declarator:
    extents = (syntax.ArrayOf(syntax.Literal(location, n, INT)) for n in array.extents)
    kind = syntax.TypeName(location, array.element, False, tuple(extents))
    return syntax.Declarator(location, name, kind)


def _pointer(
    name: str,
    pointer: Pointer,
    arrays: dict[str, DramArray],
    taken: frozenset[str],
    location: SourceLocation,
) -> syntax.Declaration:
    """The declaration of a pointer to an element of one of ``arrays``, to which its array is added.

    Scopes may hide the array's own name, or have another array of that name: ``taken`` are names
    that mean something else.
    """
    array = pointer.array
    own = next((own for own, known in arrays.items() if known == array), None)
    if own is None:
        is_free = array.name not in taken | arrays.keys()
        own = array.name if is_free else f"{array.name}.{len(arrays)}"
        arrays[own] = array
    kind = syntax.TypeName(location, array.element, False, (syntax.PointerTo(),))
    start = _address(own, pointer, location)
    return syntax.Declaration(location, (syntax.Declarator(location, name, kind, start),))


def _address(name: str, pointer: Pointer, location: SourceLocation) -> syntax.Expression:
    """``&name[i][j]`` for a pointer to an element of the array ``name``."""
    array = pointer.array
    place: syntax.Expression = syntax.Identifier(location, name)
    left = pointer.offset.constant
    for position in range(len(array.extents)):
        size = array.bytes_of(array.extents[position + 1 :])
        place = syntax.Subscript(location, place, syntax.Literal(location, left // size, INT))
        left %= size
    return syntax.Unary(location, "&", place)
