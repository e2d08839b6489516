"""Split element-wise operations that narrow a sum and then combine it with other arrays.

A residual connection adds an array to a layer's result, which is scaled and saturated to the
narrow type first. The store unit does the former with sums, a load to the accumulator the latter:
two statements, with the narrow result in memory in between.
"""

from __future__ import annotations

from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, ModuleOp, TensorType
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import GenericOp, YieldOp
from xdsl.dialects.tensor import EmptyOp
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue

from .contraction import iterators_of, maps_of


def split_narrowed_sums(module: ModuleOp) -> None:
    """Split each element-wise operation on a sum and other arrays at the last narrow value.

    That is a value of the type of the sum's factors that depends on the sum alone, and through
    which alone the result depends on the sum. Others are left as they are.
    """
    for post in [op for op in module.walk() if isinstance(op, GenericOp)]:
        if IteratorType.REDUCTION in iterators_of(post) or len(post.inputs) < 2:
            continue
        for place, value in enumerate(post.inputs):
            if _is_sum(value):
                narrow = _narrow_value(post, place, value)
                if narrow is not None:
                    _split(post, place, narrow)


def _is_sum(value: SSAValue) -> bool:
    owner = value.owner
    return isinstance(owner, GenericOp) and IteratorType.REDUCTION in iterators_of(owner)


def _narrow_value(post: GenericOp, place: int, value: SSAValue) -> SSAValue | None:
    """The last value in the body of ``post`` where it can be split."""
    assert isinstance(value.owner, GenericOp)
    factor = value.owner.inputs[0].type
    total = post.body.block.args[place]
    assert isinstance(factor, TensorType)
    for operation in reversed(list(post.body.block.ops)):
        for result in operation.results:
            if result.type == factor.element_type and _arguments_behind(result) == {total}:
                without = _arguments_behind(post.body.block.last_op, result)
                return None if total in without else result
    return None


def _arguments_behind(
    target: SSAValue | Operation | None, stop: SSAValue | None = None
) -> set[BlockArgument]:
    """The arguments of the body that a value depends on, other than through ``stop``."""
    found: set[BlockArgument] = set()
    open_values = [target] if isinstance(target, SSAValue) else [*target.operands] if target else []
    while open_values:
        value = open_values.pop()
        if value is stop:
            continue
        if isinstance(value, BlockArgument):
            found.add(value)
        elif isinstance(value.owner, Operation):
            open_values += value.owner.operands
    return found


def _split(post: GenericOp, place: int, narrow: SSAValue) -> None:
    body, out = post.body.block, post.results[0].type
    assert isinstance(out, TensorType)
    maps = [AffineMapAttr(map) for map in maps_of(post)]
    empty = EmptyOp([], TensorType(narrow.type, out.get_shape()))
    first = Block(arg_types=[body.args[place].type, narrow.type])
    mapping: dict[SSAValue, SSAValue] = {body.args[place]: first.args[0]}
    for operation in list(body.ops)[:-1]:
        if _arguments_behind(operation) <= {body.args[place]}:
            first.add_op(operation.clone(mapping))
    first.add_op(YieldOp(mapping[narrow]))
    narrowed = GenericOp(
        [post.inputs[place]],
        [empty.tensor],
        Region(first),
        ArrayAttr([maps[place], maps[-1]]),
        post.iterator_types,
        [empty.tensor.type],
    )
    for new in (empty, narrowed):
        post.parent_block().insert_op_before(new, post)  # pyright: ignore[reportOptionalMemberAccess]
    argument = body.insert_arg(narrow.type, place)
    narrow.replace_all_uses_with(argument)
    for operation in reversed(list(body.ops)[:-1]):
        if not any(result.uses for result in operation.results):
            operation.detach()
            operation.erase()
    body.erase_arg(body.args[place + 1])
    post.operands[place] = narrowed.results[0]
