"""The function that tensor IR is lowered to: before it has a body, and with one of instructions."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.builder import Builder
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, MemRefType, ModuleOp, StringAttr, TensorType
from xdsl.ir import Attribute, Block, Region
from xdsl.rewriter import InsertPoint

from .index_math import IndexBuilder
from .instruction_tree import Item, TreeBuilder, configured, insert_fence
from .kernel import TARGET, kernel_of, refusal
from .loop_transforms import tidy


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


def lower_to_items(
    module: ModuleOp, config: str, make: Callable[[func.FuncOp, IndexBuilder], list[Item]]
) -> None:
    """Replace the kernel of ``module`` by what ``make`` gives for the function that it becomes.

    Configurations come where they change something, and a fence at the end.
    """
    function = kernel_of(module)
    lowered, index = begin_function(function)
    lowered.attributes[TARGET] = StringAttr(config)
    items = [*make(lowered, index), insert_fence]
    TreeBuilder(index).build(configured(items, {}))
    tidy(lowered)
    function.detach()
    module.body.block.add_op(lowered)


def memref_of(type: Attribute, function: func.FuncOp) -> Attribute:
    """The type of a parameter in memory; refuses sizes that are not numbers."""
    if not isinstance(type, TensorType):
        return type
    if any(size < 0 for size in type.get_shape()):
        raise refusal(function, f"needs sizes that are numbers, as in `#define N 64`; got {type}")
    return MemRefType(type.element_type, type.get_shape())
