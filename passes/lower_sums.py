"""``gemmini-lower-sums``: element-wise sums of arrays become loads that add to the accumulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import MemRefType, ModuleOp, i32
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig
from .begin_function import lower_to_items, memref_of
from .contraction import iterators_of, maps_of, output_position, returned_tensor
from .index_math import IndexBuilder
from .instruction_tree import Item
from .kernel import kernel_of, named_config, refusal
from .lower_linalg import collapsed, machine_type
from .post_op import PostOp, recognise_post_op
from .sums_code import ElementSum, SumsCode

GROUPS = (8, 4, 2)
"""Moves of each array in a block, as the menu offers them."""


@dataclass(frozen=True)
class LowerSumsPass(ModulePass):
    """Lower an element-wise sum of arrays, and what the store unit does to it, to moves alone.

    Needs tensor IR: one element-wise operation on parameters of equal shape, of the machine's input
    or accumulator type, which adds each of them once; a single array is a sum too. The first is
    loaded to the accumulator, the others are added to it by their loads, and stores apply ReLU,
    scale and saturation. ``groups`` moves of each array make a block; two blocks take turns.
    Guarantees the same function for any sizes.
    """

    name = "gemmini-lower-sums"

    config: str = DEFAULT_CONFIG
    groups: int = GROUPS[0]

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        what = read_sum(function, config)

        def make(lowered: func.FuncOp, index: IndexBuilder) -> list[Item]:
            arrays = [_flat(index, argument) for argument in lowered.args]
            return SumsCode(what, config, arrays, self.groups).all()

        lower_to_items(op, self.config, make)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """Block sizes, for tensor IR that is such a sum."""
        return tuple(cls(groups=groups) for groups in groups_for(module_op, read_sum))


def groups_for(
    module: ModuleOp, read: Callable[[func.FuncOp, GemminiConfig], object]
) -> tuple[int, ...]:
    """The block sizes on the menu; none where ``read`` refuses the kernel of ``module``."""
    try:
        function = kernel_of(module)
        read(function, named_config(function, DEFAULT_CONFIG))
    except PassFailedException:
        return ()
    return GROUPS


def is_sum(function: func.FuncOp) -> bool:
    """Whether the kernel is one operation without reductions on its parameters."""
    try:
        value = returned_tensor(function)
    except PassFailedException:
        return False
    generic = value.owner
    return isinstance(value, BlockArgument) or (
        isinstance(generic, GenericOp)
        and IteratorType.REDUCTION not in iterators_of(generic)
        and all(isinstance(value, BlockArgument) for value in generic.inputs)
    )


def read_sum(function: func.FuncOp, config: GemminiConfig) -> ElementSum:
    """The sum that ``function`` computes; refuses other functions."""
    if not is_sum(function):
        raise refusal(function, "is no element-wise operation on its parameters")
    if not config.is_integer:
        raise refusal(function, "sums of arrays are supported for integer machines only")
    result = returned_tensor(function)
    generic = result.owner
    if isinstance(generic, GenericOp) and not keeps_places(generic):
        raise refusal(generic, "must read and write each array element by element")
    out = output_position(function)
    inputs = generic.inputs if isinstance(generic, GenericOp) else [result]
    arrays = [value.index for value in inputs if isinstance(value, BlockArgument)]
    if out in arrays:
        raise refusal(function, "overwrites an array that it reads")
    for position in (out, *arrays):
        type = memref_of(function.args[position].type, function)
        wanted = (machine_type(config.input_type), machine_type(config.accumulator_type))
        if not isinstance(type, MemRefType) or type.element_type not in wanted:
            raise refusal(function, f"adds {type}; loads extend {wanted[0]}, or keep {wanted[1]}")
    if isinstance(generic, GenericOp):
        return ElementSum(tuple(arrays), out, post_of_sum(generic, config))
    return ElementSum(tuple(arrays), out, copy_of(result.type.get_element_type()))  # pyright: ignore


def keeps_places(generic: GenericOp) -> bool:
    """Whether all arrays are read and written at the same subscripts, the loops."""
    rank = len(generic.iterator_types)
    return all(map.results == map.identity(rank).results for map in maps_of(generic))


def copy_of(element: Attribute) -> PostOp:
    """The store of an element as it was loaded."""
    return PostOp(scale=None if element == i32 else 1.0)


def post_of_sum(generic: GenericOp, config: GemminiConfig) -> PostOp:
    """What happens to the sum before it is stored."""
    body = generic.clone()
    block = body.body.block
    inputs = block.args[: len(body.inputs)]
    sums = [op.results[0] for op in block.ops if isinstance(op, arith.AddiOp | arith.ExtSIOp)]
    total = next((x for x in [*sums, *inputs] if _added(x) == Counter(inputs)), None)
    last = block.last_op
    if last is not None and last.operands[0] in inputs:
        return copy_of(last.operands[0].type)
    if total is None or total.type != i32 or last is None:
        raise refusal(generic, "is no sum in which each array is added once, in 32 bits")
    if last.operands[0] is total:
        return PostOp()
    argument = block.insert_arg(i32, 0)
    total.replace_all_uses_with(argument)
    for op in reversed(list(block.ops)):
        if op is not last and not any(result.uses for result in op.results):
            op.detach()
            op.erase()
    bits = 8 * config.input_bytes
    widths = {value.type.get_element_type() for value in generic.inputs}  # pyright: ignore
    is_narrow = widths == {machine_type(config.input_type)}
    largest = len(inputs) * ((1 << (bits - 1)) - 1) if is_narrow else 1 << 31
    return recognise_post_op(body, largest)


def _added(value: SSAValue) -> Counter[SSAValue]:
    """The block arguments whose sum ``value`` is; other values count as themselves."""
    owner = value.owner
    if isinstance(owner, arith.ExtSIOp) and owner.input.type != i32:
        return _added(owner.input)
    if isinstance(owner, arith.AddiOp):
        return _added(owner.lhs) + _added(owner.rhs)
    return Counter([value])


def _flat(index: IndexBuilder, array: SSAValue) -> SSAValue:
    """An array as one row of elements."""
    assert isinstance(array.type, MemRefType)
    if array.type.get_num_dims() < 2:
        return array
    view = collapsed(array, (tuple(range(array.type.get_num_dims())),))
    index.insert(view)
    return view.result
