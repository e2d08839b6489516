"""Functions on tensors and the functions on arrays in memory that they are lowered to."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.builder import Builder
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IndexType,
    IntegerType,
    MemRefType,
    ModuleOp,
    TensorType,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.utils.exceptions import PassFailedException, VerifyException

from ...dialects.trn import ReshapeOp


def replace_function(function: func.FuncOp, block: Block) -> None:
    """Put a function with the given body, and all attributes of the old one, in its place."""
    types = [argument.type for argument in block.args]
    lowered = func.FuncOp(function.sym_name.data, (types, []), Region(block))
    lowered.attributes.update(function.attributes)
    parent = function.parent_block()
    assert parent is not None
    parent.insert_op_before(lowered, function)
    function.detach()
    function.erase(safe_erase=False)


def lower_functions(module: ModuleOp, lower: Callable[[func.FuncOp], None]) -> None:
    """Lower each function in place.

    An instruction that the dialect does not allow means that the pass does not apply.
    """
    for function in [op for op in module.ops if isinstance(op, func.FuncOp)]:
        try:
            lower(function)
        except VerifyException as error:
            raise PassFailedException(f"what would be needed is not allowed: {error}") from error


def parameters_in_memory(function: func.FuncOp) -> Block:
    """A block whose arguments are the function's parameters as arrays in HBM."""
    block = Block(arg_types=[in_memory(argument.type) for argument in function.args])
    for new, old in zip(block.args, function.args, strict=True):
        new.name_hint = old.name_hint
    return block


def in_memory(type: Attribute) -> Attribute:
    if isinstance(type, TensorType) and type.has_static_shape():
        return MemRefType(type.element_type, type.get_shape())
    raise PassFailedException(f"a parameter of type {type}")


def reshaped(builder: Builder, array: SSAValue, shape: tuple[int, ...]) -> SSAValue:
    """An array in memory with other sizes."""
    type = array.type
    assert isinstance(type, MemRefType)
    if tuple(type.get_shape()) == shape:
        return array
    return builder.insert(ReshapeOp(array, MemRefType(type.element_type, shape))).result


def output_positions(function: func.FuncOp) -> list[int]:
    attribute = function.attributes.get("liftproof.outputs")
    if not isinstance(attribute, DenseArrayBase):
        raise PassFailedException("the function lacks `liftproof.outputs`")
    return [int(position) for position in attribute.get_values()]


def index_constant(builder: Builder, number: int) -> SSAValue:
    return builder.insert(index_constant_op(number)).result


def index_constant_op(number: int) -> arith.ConstantOp:
    return arith.ConstantOp.from_int_and_width(number, IndexType())


def tensor_sizes(value: SSAValue) -> tuple[int, ...]:
    if not isinstance(value.type, TensorType) or not value.type.has_static_shape():
        raise PassFailedException(f"{value.type} is no tensor of known size")
    return tuple(value.type.get_shape())


def element_type(value: SSAValue) -> Attribute:
    """The element type of a tensor; raises ``PassFailedException`` for one of integers."""
    assert isinstance(value.type, TensorType)
    if isinstance(value.type.element_type, IntegerType):
        raise PassFailedException("integers are not computed by these instructions")
    return value.type.element_type
