"""Makes scalar parameters arrays of one element, for machines that read all data from memory."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects import arith, func, memref
from xdsl.dialects.builtin import (
    AnyFloat,
    ArrayAttr,
    FunctionType,
    IndexType,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    i64,
)
from xdsl.ir import Block, BlockArgument
from xdsl.rewriter import InsertPoint, Rewriter

from .results import with_result_as_output


def with_arrays_only(module: ModuleOp) -> ModuleOp:
    """Return ``module`` with arrays for its float parameters and for the value it returns.

    Each is an array of one element, which is read once, or written last. A module without such
    parameters and results, or with several functions, is returned as it is; the given module is
    never changed.
    """
    copy = with_result_as_output(module).clone()
    functions = [op for op in copy.ops if isinstance(op, func.FuncOp) and op.body.blocks]
    if len(functions) != 1:
        return module
    (function,) = functions
    block = function.body.block
    changed = [argument.index for argument in block.args if _is_scalar(argument)]
    if not changed:
        return module
    for position in changed:
        _put_in_memory(block, position)
    function.properties["function_type"] = FunctionType.from_lists(
        [argument.type for argument in block.args], function.function_type.outputs.data
    )
    extents = function.attributes.get("liftproof.extents")
    if isinstance(extents, ArrayAttr):
        listed = list(extents.data)
        for position in changed:
            listed[position] = ArrayAttr([IntegerAttr(1, i64)])
        function.attributes["liftproof.extents"] = ArrayAttr(listed)
    copy.verify()
    return copy


def _is_scalar(argument: BlockArgument) -> bool:
    type = argument.type
    return isinstance(type, AnyFloat) or (isinstance(type, MemRefType) and not type.get_num_dims())


def _put_in_memory(block: Block, position: int) -> None:
    """Give an argument one dimension of one element, and mend its uses."""
    argument = block.args[position]
    uses, type = list(argument.uses), argument.type
    element = type.element_type if isinstance(type, MemRefType) else type
    Rewriter.replace_value_with_new_type(argument, MemRefType(element, [1]))
    if not uses:
        return
    builder = Builder(InsertPoint.at_start(block))
    first = builder.insert(arith.ConstantOp.from_int_and_width(0, IndexType())).result
    if isinstance(type, MemRefType):
        for use in uses:
            use.operation.operands = [*use.operation.operands, first]
        return
    value = builder.insert(memref.LoadOp.get(block.args[position], [first])).res
    for use in uses:
        use.operation.operands[use.index] = value
