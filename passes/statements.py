"""Split a kernel of several contractions into kernels of one, and join what they are lowered to.

A statement computes one array from the kernel's parameters and from what earlier statements
computed. All statements have the parameters of the kernel, and one for each array that is only
needed in between, so that their programs can be put one behind the other as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from xdsl.dialects import func, memref, tensor
from xdsl.dialects.builtin import (
    DenseArrayBase,
    FunctionType,
    MemRefType,
    ModuleOp,
    i64,
)
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import Block, Operation, Region, SSAValue

from ..dialects.gemmini import FenceOp
from .contraction import OUTPUTS, maps_of, repeats
from .kernel import kernel_of, refusal
from .pooling.read import pooling_of, takes_maximum
from .reshaped import split_result
from .split_narrowed import split_narrowed_sums
from .split_offsets import split_offsets

SEPARATOR = " ; "
"""Between the pipelines of the statements of a kernel."""


@dataclass(frozen=True)
class Statement:
    """One array that a kernel computes; parameters are named by their positions."""

    kernel: ModuleOp
    """Tensor IR that computes this array alone; earlier arrays are parameters."""
    written: int
    read: frozenset[int]


def split_statements(
    module: ModuleOp, can_lower: Callable[[ModuleOp], bool] | None = None
) -> tuple[Statement, ...]:
    """The statements of a kernel in tensor IR, in their order.

    An element-wise operation is a statement of its own where the accelerator ``can_lower`` it not
    together with what it reads. Raises ``PassFailedException`` for a kernel that reads the old
    contents of an array after a statement wrote it.
    """
    module = module.clone()
    split_narrowed_sums(module)
    if can_lower is not None:
        split_offsets(module)
    function = kernel_of(module)
    apart: set[SSAValue] = set()
    while True:
        places = _places(function, apart)
        found = _split(function, places)
        if can_lower is None:
            return found
        refused = (v for v, x in zip(places, found, strict=True) if not can_lower(x.kernel))
        more = {read for value in refused for read in _computed(value)} - places.keys()
        if not more:
            return found
        apart |= more


def _split(function: func.FuncOp, places: dict[SSAValue, int]) -> tuple[Statement, ...]:
    found: list[Statement] = []
    for value in places:
        needed = _operations_behind(value, places)
        written = {earlier.written for earlier in found}
        for argument in function.args:
            if argument.index in written and any(use.operation in needed for use in argument.uses):
                raise refusal(
                    function,
                    f"needs the old contents of %{argument.name_hint} after they are overwritten",
                )
        found.append(_statement(function, value, places, needed))
    return tuple(found)


def join_programs(
    module: ModuleOp, statements: Sequence[Statement], programs: Sequence[ModuleOp]
) -> ModuleOp:
    """The programs of all ``statements`` of ``module`` as one function.

    A program ends with a fence. It stays where the next one reads or writes what programs since the
    last fence write, or writes what they read.
    """
    kernel = kernel_of(module)
    joined = programs[0].clone()
    function = kernel_of(joined)
    function.properties["sym_name"] = kernel.sym_name
    function.attributes[OUTPUTS] = kernel.attributes[OUTPUTS]
    last = function.body.block.last_op
    assert isinstance(last, func.ReturnOp)
    unfenced = [statements[0]]
    for statement, program in zip(statements[1:], programs[1:], strict=True):
        if any(_conflict(earlier, statement) for earlier in unfenced):
            unfenced = []
        elif isinstance(fence := last.prev_op, FenceOp):
            fence.detach()
            fence.erase()
        unfenced.append(statement)
        _append(kernel_of(program.clone()).body.block, function.body.block, last)
    _allocate_in_between(function, len(kernel.args))
    joined.verify()
    return joined


def _append(body: Block, target: Block, before: Operation) -> None:
    for old, new in zip(body.args, target.args, strict=True):
        old.replace_all_uses_with(new)
    for operation in list(body.ops)[:-1]:
        operation.detach()
        target.insert_op_before(operation, before)


def _allocate_in_between(function: func.FuncOp, parameters: int) -> None:
    """Make the parameters behind the kernel's own into arrays of the function."""
    block = function.body.block
    for argument in list(block.args)[parameters:]:
        assert isinstance(argument.type, MemRefType)
        assert block.first_op is not None
        alloc = memref.AllocOp([], [], argument.type)
        alloc.memref.name_hint = argument.name_hint
        block.insert_op_before(alloc, block.first_op)
        argument.replace_all_uses_with(alloc.memref)
        block.erase_arg(argument)
    inputs = [argument.type for argument in block.args]
    function.properties["function_type"] = FunctionType.from_lists(inputs, [])


def _conflict(earlier: Statement, later: Statement) -> bool:
    touched = later.read | {later.written}
    return earlier.written in touched or later.written in earlier.read


def _computed(result: SSAValue) -> Iterator[SSAValue]:
    """What other operations compute for the one that gives ``result``.

    What a sum starts from may be repeated: that takes no array.
    """
    value, _ = split_result(result)
    if isinstance(value.owner, GenericOp):
        for read in value.owner.operands:
            while isinstance(view := read.owner, tensor.ExpandShapeOp | tensor.InsertSliceOp):
                read = view.operands[0]
            if repeats(read):
                (read, *_) = read.owner.operands  # pyright: ignore[reportAttributeAccessIssue]
            if isinstance(read.owner, GenericOp):
                yield read


def _places(function: func.FuncOp, apart: set[SSAValue]) -> dict[SSAValue, int]:
    """The parameter for each array that statements compute, in the order of the statements.

    Those ``apart`` are stored in any case.
    """
    outputs = function.attributes.get(OUTPUTS)
    last = function.body.block.last_op
    if not isinstance(outputs, DenseArrayBase) or not isinstance(last, func.ReturnOp):
        raise refusal(function, f"is no kernel with {OUTPUTS}")
    returned = dict(zip(last.arguments, map(int, outputs.get_values()), strict=True))
    places: dict[SSAValue, int] = {}
    next_place = len(function.args)
    needed = _stored(function, set(returned)) | apart
    for operation in function.body.block.ops:
        for value in operation.results:
            if value in returned:
                places[value] = returned[value]
            elif value in needed:
                places[value] = next_place
                next_place += 1
    return places


def _is_contraction(operation: Operation | Block) -> TypeGuard[GenericOp]:
    return isinstance(operation, GenericOp) and IteratorType.REDUCTION in (
        kind.data for kind in operation.iterator_types
    )


def _stored(function: func.FuncOp, returned: set[SSAValue]) -> set[SSAValue]:
    """The arrays that lie in memory between statements: factors, and what was narrowed.

    A maximum over windows stays together with the convolution below it.
    """
    reductions = [op for op in function.body.block.ops if _is_contraction(op)]
    maxima = [op for op in reductions if takes_maximum(op)]
    products = [op for op in reductions if op not in maxima]
    factors = {v for op in products for v in _factors(op)} | {
        op.outputs[0] for op in products if _starts_rows(op.outputs[0].owner)
    }
    together: set[Operation] = set()
    for maximum in maxima:
        value, arrays = maximum.results[0], returned | factors
        if _is_pooling(function, value, arrays):
            together |= _operations_behind(value, arrays)
    factors |= {v for op in maxima if op not in together for v in _factors(op)}
    others = (op for op in function.body.block.ops if op not in together)
    return factors | {v for op in others for v in _narrowed(op)}


def _starts_rows(start: Operation | Block) -> bool:
    """Whether sums start from numbers that repeat in each row: no load brings them there."""
    if not isinstance(start, GenericOp) or len(start.inputs) != 1 or _is_contraction(start):
        return False
    source, target = maps_of(start)
    return target.results[-1] not in source.results


def _is_pooling(function: func.FuncOp, value: SSAValue, arrays: set[SSAValue]) -> bool:
    """Whether ``value`` is a maximum over windows as the store unit takes it."""
    places = {x: len(function.args) + n for n, x in enumerate([*(arrays - {value}), value])}
    kernel = _statement(function, value, places, _operations_behind(value, places)).kernel
    return pooling_of(kernel_of(kernel)) is not None


def _factors(contraction: GenericOp) -> Iterator[SSAValue]:
    """The arrays that other operations compute and ``contraction`` reads, behind paddings."""
    open_values: list[SSAValue] = [*contraction.inputs]
    open_values += [x for x in contraction.outputs if _is_contraction(x.owner)]
    while open_values:
        value = open_values.pop()
        if isinstance(value.owner, GenericOp):
            yield value
        elif isinstance(value.owner, Operation):
            open_values += value.owner.operands


def _narrowed(operation: Operation | Block) -> Iterator[SSAValue]:
    """What an element-wise operation reads of another: the store unit does one of them."""
    if isinstance(operation, GenericOp) and not _is_contraction(operation):
        owners = ((value, value.owner) for value in operation.inputs)
        for value, owner in owners:
            if isinstance(owner, GenericOp) and not _is_contraction(owner):
                yield value


def _statement(
    function: func.FuncOp, value: SSAValue, places: dict[SSAValue, int], needed: set[Operation]
) -> Statement:
    """The operations ``needed`` for ``value``, as a kernel."""
    between = [x for x, place in places.items() if place >= len(function.args)]
    arguments = [*function.args, *between]
    block = Block(arg_types=[x.type for x in arguments])
    for new, old in zip(block.args, arguments, strict=True):
        new.name_hint = old.name_hint
    mapping: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args, strict=True))
    mapping |= {x: block.args[place] for x, place in places.items() if x is not value}
    mapping.pop(value, None)
    for operation in function.body.block.ops:
        if operation in needed:
            block.add_op(operation.clone(mapping))
    block.add_op(func.ReturnOp(mapping[value]))
    types = FunctionType.from_lists([x.type for x in block.args], [value.type])
    kernel = func.FuncOp(function.sym_name.data, types, Region(block))
    kernel.attributes.update(function.attributes)
    kernel.attributes[OUTPUTS] = DenseArrayBase.from_list(i64, [places[value]])
    read = {x.index for x in block.args if x.first_use is not None}
    return Statement(ModuleOp([kernel]), places[value], frozenset(read))


def _operations_behind(value: SSAValue, arrays: Container[SSAValue]) -> set[Operation]:
    """The operations that compute ``value`` from parameters and ``arrays``."""
    needed: set[Operation] = set()
    open_values = [value]
    while open_values:
        current = open_values.pop()
        owner = current.owner
        if isinstance(owner, Operation) and (current is value or current not in arrays):
            needed.add(owner)
            # Bodies may read scalars from outside.
            open_values += [x for op in owner.walk() for x in op.operands]
    return needed
