"""The function that tensor IR is lowered to, before it has a body."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, MemRefType, TensorType
from xdsl.ir import Attribute, Block, Region
from xdsl.rewriter import InsertPoint

from .index_math import IndexBuilder
from .kernel import refusal


def begin_function(function: func.FuncOp) -> tuple[func.FuncOp, IndexBuilder]:
    """A function over memrefs with the name and attributes of ``function``, and a builder in it.

    Raises ``PassFailedException`` for parameters of unknown size.
    """
    types = [memref_of(argument.type, function) for argument in function.args]
    block = Block(arg_types=types)
    for new, old in zip(block.args, function.args, strict=True):
        new.name_hint = old.name_hint
    lowered = func.FuncOp(function.sym_name.data, FunctionType.from_lists(types, []), Region(block))
    lowered.attributes.update(function.attributes)
    end = Builder(InsertPoint.at_end(block)).insert(func.ReturnOp())
    return lowered, IndexBuilder(block, InsertPoint.before(end))


def memref_of(type: Attribute, function: func.FuncOp) -> Attribute:
    """The type of a parameter in memory; refuses sizes that are not numbers."""
    if not isinstance(type, TensorType):
        return type
    if any(size < 0 for size in type.get_shape()):
        raise refusal(function, f"needs sizes that are numbers, as in `#define N 64`; got {type}")
    return MemRefType(type.element_type, type.get_shape())
