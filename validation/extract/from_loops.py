"""Loop IR (``scf``, ``memref``, ``arith``, ``math``) to affine statements (trusted core)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, Operation

from ..core.condition import all_of, at_least, within
from ..core.digits import with_digits
from ..core.index import Index, Variable, constant_index
from ..core.polyhedral import Array, Program, Read, Role, Statement, Unsupported, element_variables
from ..core.terms import bit_width, is_float, read, term
from ..core.unrolled import roll_up
from ..sizes import CONCRETE, Extraction, SizePlan
from .extent_text import parse_extent
from .pure_operations import type_name
from .structured import Extractor, single_function

BEFORE = (constant_index(-1),)
"""The point of time before the program starts."""


def extract_loops(
    module: ModuleOp, plan: SizePlan = CONCRETE, *, drops_offsets: bool = False
) -> Extraction:
    """The affine statements of a function on memrefs, with ``without_offsets`` if asked for.

    Raises ``Unsupported`` for constructs outside the quasi-affine class.
    """
    extractor = Extractor(plan)
    extractor.drops_offsets = drops_offsets
    return Extraction(extract_memrefs(extractor, single_function(module)), extractor)


def extract_running(module: ModuleOp, stores: frozenset[Operation]) -> Program:
    """The same, with each of ``stores`` as going on from what its cell held, not as adding to it.

    Raises ``Unsupported`` like ``extract_loops``.
    """
    extractor = Extractor()
    extractor.running = stores
    return extract_memrefs(extractor, single_function(module))


def extract_memrefs(extractor: Extractor, function: FuncOp) -> Program:
    """Run an extractor over a function whose array parameters are memrefs."""
    written = output_positions(function)
    bind_parameters(extractor, function, written)
    extractor.scope.position = 0
    extractor.walk(function.body.block)
    finish_outputs(extractor, [extractor.arrays[function.args[p]] for p in written], written)
    return extractor.program


def output_positions(function: FuncOp) -> list[int]:
    """Positions of the parameters that the function may write (``liftproof.outputs``)."""
    attribute = function.attributes.get("liftproof.outputs")
    if not isinstance(attribute, DenseArrayBase):
        raise Unsupported(f"function {function.sym_name.data} lacks `liftproof.outputs`")
    return [int(position) for position in attribute.get_values()]


def bind_parameters(extractor: Extractor, function: FuncOp, written: Sequence[int]) -> None:
    """Give each parameter its array or value; a written one starts with its input contents."""
    bind_inputs(extractor, function)
    for position, argument in enumerate(function.args):
        if position in written and argument in extractor.arrays:
            source = extractor.arrays[argument]
            kind, extents = source.element_type, source.extents
            memory = Array(f"p{position}", kind, extents, Role.MEMORY, position)
            extractor.arrays[argument] = memory
            _initialise(extractor.program, memory, source)


def bind_inputs(extractor: Extractor, function: FuncOp) -> None:
    """Give each parameter an array that holds its contents before the program, or a value."""
    sizes = _scalar_parameters(extractor, function)
    for position, argument in enumerate(function.args):
        if isinstance(argument.type, MemRefType | TensorType):
            planned = extractor.plan.extents.get(argument)
            extents = planned or _extents(function, position, argument, sizes)
            kind = type_name(argument.type.element_type)
            source = Array(f"in{position}", kind, extents, Role.INPUT, position)
            extractor.arrays[argument] = source


def symbol_name(position: int | str) -> str:
    """The name of the symbol for the integer parameter at a position."""
    return f"n{position}"


def _scalar_parameters(extractor: Extractor, function: FuncOp) -> dict[str, Index]:
    """Scalars become symbols if they are integers, inputs of rank 0 else.

    Extents are at least 1, and the expressions of ``liftproof.preconditions`` at least 0.
    """
    names = _string_list(function, "liftproof.parameters")
    used = {name for row in extent_rows(function) for name in row if isinstance(name, str)}
    sizes: dict[str, Index] = {}
    for position, argument in enumerate(function.args):
        if isinstance(argument.type, MemRefType | TensorType):
            continue
        kind = type_name(argument.type)
        if is_float(kind):
            array = Array(f"in{position}", kind, (), Role.INPUT, position)
            extractor.values[argument] = extractor.read_element(array, ())
            continue
        half = 1 << (bit_width(kind) - 1)
        symbol = Variable(symbol_name(position), -half, half - 1)
        name = names[position] if position < len(names) else ""
        context = [extractor.program.context]
        if name in used:
            symbol = Variable(symbol.name, 1, half - 1)
            context.append(at_least(Index.of(Variable(symbol.name)), 1))
        if name:
            sizes[name] = Index.of(symbol)
        value = Index.of(symbol)
        extractor.values[argument] = (
            value if kind == "index" else term("index", kind, payload=value)
        )
        extractor.program.symbols += (symbol,)
        extractor.program.context = all_of(context)
    facts = [at_least(fact, low) for fact, low in _facts(function, used, sizes)]
    extractor.program.context = all_of([extractor.program.context, *facts])
    return sizes


def _facts(
    function: FuncOp, used: set[str], sizes: Mapping[str, Index]
) -> Iterator[tuple[Index, int]]:
    """Yield what is taken for granted about the scalar parameters, each with its least value."""
    plain = {name: Index.of(Variable(_symbol_name(index))) for name, index in sizes.items()}
    for text in sorted(used - sizes.keys()):
        if (extent := _linear(text, plain)) is not None:
            yield extent, 1
    for text in _string_list(function, "liftproof.preconditions"):
        fact = _linear(text, plain)
        if fact is None:
            raise Unsupported(f"precondition `{text} >= 0` is not linear in integer parameters")
        yield fact, 0


def _symbol_name(index: Index) -> str:
    ((atom, _),) = index.terms
    assert isinstance(atom, Variable)
    return atom.name


def _linear(text: str, sizes: Mapping[str, Index]) -> Index | None:
    """Return a sum of multiples of parameters as an index; ``None`` if it is none."""
    terms = parse_extent(text)
    if terms is None or any(len(names) > 1 or not sizes.keys() >= set(names) for names, _ in terms):
        return None
    total = constant_index(0)
    for names, coefficient in terms:
        total = total + (sizes[names[0]] * coefficient if names else constant_index(coefficient))
    return total


def _extents(
    function: FuncOp, position: int, argument: BlockArgument, sizes: dict[str, Index]
) -> tuple[Index, ...]:
    assert isinstance(argument.type, MemRefType | TensorType)
    shape = argument.type.get_shape()
    if all(extent >= 0 for extent in shape):
        return tuple(constant_index(extent) for extent in shape)
    rows = extent_rows(function)
    if position >= len(rows) or len(rows[position]) != len(shape):
        raise Unsupported("an array without constant extents and without `liftproof.extents`")
    result: list[Index] = []
    for entry in rows[position]:
        if isinstance(entry, int):
            result.append(constant_index(entry))
        elif (extent := _linear(entry, sizes)) is not None:
            result.append(extent)
        else:
            raise Unsupported(f"array extent `{entry}` is not linear in integer parameters")
    return tuple(result)


def extent_rows(function: FuncOp) -> list[list[str | int]]:
    """The extents of each parameter as ``liftproof.extents`` gives them; empty without it."""
    rows = function.attributes.get("liftproof.extents")
    if not isinstance(rows, ArrayAttr):
        return []
    result: list[list[str | int]] = []
    for row in rows.data:
        entries = row.data if isinstance(row, ArrayAttr) else ()
        result.append([_extent(entry) for entry in entries])
    return result


def _extent(entry: object) -> str | int:
    if isinstance(entry, IntegerAttr):
        return entry.value.data
    text = entry.data if isinstance(entry, StringAttr) else ""
    return int(text) if text.isdigit() else text


def _string_list(function: FuncOp, name: str) -> list[str]:
    attribute = function.attributes.get(name)
    if not isinstance(attribute, ArrayAttr):
        return []
    return [entry.data for entry in attribute.data if isinstance(entry, StringAttr)]


def _initialise(program: Program, memory: Array, source: Array) -> None:
    """Before everything else, each element of a written parameter gets its input value."""
    dims = element_variables(f"{memory.name}x", memory.extents)
    indices = tuple(Index.of(dim) for dim in dims)
    program.statements.append(
        Statement(
            f"initial_{memory.name}",
            dims,
            extent_condition(dims, memory.extents),
            BEFORE,
            memory,
            indices,
            read(0, memory.element_type),
            (Read(source, indices, BEFORE),),
            unordered=len(dims),
        )
    )


def finish_outputs(extractor: Extractor, arrays: Sequence[Array], positions: Sequence[int]) -> None:
    """After everything else, an observer reads each element of each output."""
    program = extractor.program
    statements, program.rolled = roll_up(program.statements, program.moves)
    program.statements = with_digits(statements)
    schedule = (constant_index(extractor.scope.position),)
    for array, position in zip(arrays, positions, strict=True):
        dims = element_variables("x", array.extents)
        indices = tuple(Index.of(dim) for dim in dims)
        observed = Array(f"out{position}", array.element_type, array.extents, position=position)
        extractor.program.outputs[position] = Statement(
            f"final_{position}",
            dims,
            extent_condition(dims, array.extents),
            schedule,
            observed,
            indices,
            read(0, array.element_type),
            (Read(array, indices, schedule),),
            unordered=len(dims),
        )


def extent_condition(dims: Sequence[Variable], extents: Sequence[Index]):
    """What the ranges of ``dims`` do not say: each is within a symbolic extent."""
    pairs = zip(dims, extents, strict=True)
    return all_of([within(Index.of(Variable(d.name)), 0, e) for d, e in pairs if not e.is_constant])
