"""``gemmini-lower-window-sums``: sums of arrays and over windows become loads that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Self

from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp
from xdsl.dialects.tensor import EmptyOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig
from .begin_function import lower_to_items
from .coalesce import Form
from .contraction import (
    iterators_of,
    maps_of,
    output_position,
    parameter_position,
    returned_tensor,
    subscript_form,
)
from .kernel import kernel_of, named_config, refusal
from .lower_linalg import machine_type
from .lower_sums import GROUPS, groups_for, is_sum, post_of_sum
from .padded import is_zero
from .pooling.read import is_maximum
from .post_op import PostOp, recognise_post_op
from .reshaped import whole_array
from .window_sums_code import Addend, WindowSum, WindowSumsCode


@dataclass(frozen=True)
class LowerWindowSumsPass(ModulePass):
    """Lower sums of elements, and what the store unit does to them, to moves alone.

    Needs tensor IR: the sum over a window of one parameter (average pooling, the sum of all
    pixels), with an element-wise operation behind it; or a sum of parameters, in which each may be
    transposed or repeated. Where the last dimension of an array is not the output's, a move takes
    16 elements of one column. The first element is loaded to the accumulator, the others are
    added to it by their loads, and stores apply ReLU, scale and saturation. Arrays keep their
    dimensions. ``groups`` loads make a block; two blocks take turns. Guarantees the same function
    for any sizes.
    """

    name = "gemmini-lower-window-sums"

    config: str = DEFAULT_CONFIG
    groups: int = GROUPS[0]

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        what = read_window_sum(function, config)
        lower_to_items(
            op,
            self.config,
            lambda lowered, _: WindowSumsCode(what, config, lowered.args, self.groups).all(),
        )

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """Block sizes, for tensor IR that is such a sum."""
        return tuple(cls(groups=groups) for groups in groups_for(module_op, read_window_sum))


def is_window_sum(function: func.FuncOp) -> bool:
    """Whether the kernel adds up elements of one parameter, without products."""
    try:
        return not is_maximum(function) and len(_arrays(_reduction(function)[0])) == 1
    except PassFailedException:
        return False


def read_window_sum(function: func.FuncOp, config: GemminiConfig) -> WindowSum:
    """The sum that ``function`` computes; refuses other functions."""
    if not config.is_integer:
        raise refusal(function, "sums of arrays are supported for integer machines only")
    generic = returned_tensor(function).owner
    if is_sum(function) and isinstance(generic, GenericOp):
        what = _facts(function, generic, post_of_sum(generic, config))
    else:
        generic, post = _reduction(function)
        _require_plain_sum(generic)
        what = _facts(function, generic, _post_of_window(generic, post, config))
    _require_types(generic, config)
    return what


def _reduction(function: func.FuncOp) -> tuple[GenericOp, GenericOp | None]:
    """The reduction, and the element-wise operation behind it if there is one."""
    generic, post = returned_tensor(function).owner, None
    if isinstance(generic, GenericOp) and IteratorType.REDUCTION not in iterators_of(generic):
        post, generic = generic, generic.inputs[0].owner
    if not isinstance(generic, GenericOp) or IteratorType.REDUCTION not in iterators_of(generic):
        raise refusal(function, "is no sum over a window")
    if post is not None and len(post.inputs) != 1:
        raise refusal(post, "the operation after the sum must read the sum only")
    return generic, post


def _arrays(generic: GenericOp) -> list[SSAValue]:
    """The inputs that hold elements; empty ones only tell how large a window is."""
    return [value for value in generic.inputs if not isinstance(value.owner, EmptyOp)]


def _facts(function: func.FuncOp, generic: GenericOp, post: PostOp) -> WindowSum:
    *inputs, target = maps_of(generic)
    kinds = iterators_of(generic)
    parallel = tuple(n for n, kind in enumerate(kinds) if kind == IteratorType.PARALLEL)
    if [subscript_form(x, generic) for x in target.results] != [{loop: 1} for loop in parallel]:
        raise refusal(generic, "must write its elements in the order of its loops")
    out = output_position(function)
    addends = tuple(
        _addend(value, [subscript_form(x, generic) for x in access.results], generic)
        for value, access in zip(generic.inputs, inputs, strict=True)
        if not isinstance(value.owner, EmptyOp)
    )
    if out in {addend.array for addend in addends}:
        raise refusal(generic, "overwrites an array that it reads")
    window = tuple(n for n in range(len(kinds)) if n not in parallel)
    sizes = tuple(generic.get_static_loop_ranges())
    written: tuple[Form, ...] = tuple({loop: 1} for loop in parallel)
    what = WindowSum(sizes, parallel, window, addends, out, written, post)
    return what if _has_columns(what) else _in_single_columns(what)


def _addend(value: SSAValue, subscripts: Sequence[Form], generic: GenericOp) -> Addend:
    """What is read of a parameter that may be seen with dimensions split."""
    array, forms = whole_array(value, subscripts)
    return Addend(parameter_position(array, generic), tuple(forms))


def _require_plain_sum(generic: GenericOp) -> None:
    """The body must be ``sum + widen(element)``, from zero."""
    start = generic.outputs[0].owner
    if not isinstance(start, FillOp) or not is_zero(start.operands[0]):
        raise refusal(generic, "sums of elements must start from zero")
    element, *shapes, total = generic.body.block.args
    last = generic.body.block.last_op
    addition = None if last is None else last.operands[0].owner
    if not isinstance(addition, arith.AddiOp):
        raise refusal(generic, "the body must add an element to the sum")
    widened = {
        x.owner.input if isinstance(x.owner, arith.ExtSIOp) else x for x in addition.operands
    }
    if widened != {element, total} or any(x.uses for x in shapes):
        raise refusal(generic, "the body must add an element, sign-extended, to the sum")


def _post_of_window(generic: GenericOp, post: GenericOp | None, config: GemminiConfig) -> PostOp:
    if post is None:
        return PostOp()
    ranges, kinds = generic.get_static_loop_ranges(), iterators_of(generic)
    terms = prod(n for n, kind in zip(ranges, kinds, strict=True) if kind == IteratorType.REDUCTION)
    narrow = generic.inputs[0].type.get_element_type() == machine_type(config.input_type)  # pyright: ignore
    largest = (1 << (8 * config.input_bytes - 1)) - 1
    return recognise_post_op(post, terms * largest if narrow else 1 << 31)


def _has_columns(what: WindowSum) -> bool:
    """Whether elements side by side in the output are so in all arrays, and rows a step apart."""
    column = what.target[-1]
    return all(
        each.subscripts[-1].get(column) == 1
        and not any(column in form for form in each.subscripts[:-1])
        for each in what.addends
    )


def _in_single_columns(what: WindowSum) -> WindowSum:
    """The sum with a loop of one iteration for columns: tiles are one element wide.

    So a move has the elements of a transposed or repeated array below one another.
    """
    column = len(what.sizes)

    def wider(forms: tuple[Form, ...]) -> tuple[Form, ...]:
        return (*forms[:-1], {**forms[-1], column: 1})

    return replace(
        what,
        sizes=(*what.sizes, 1),
        target=(*what.target, column),
        addends=tuple(replace(x, subscripts=wider(x.subscripts)) for x in what.addends),
        written=wider(what.written),
    )


def _require_types(generic: GenericOp, config: GemminiConfig) -> None:
    wanted = (machine_type(config.input_type), machine_type(config.accumulator_type))
    for value in _arrays(generic):
        element = value.type.get_element_type()  # pyright: ignore[reportAttributeAccessIssue]
        if element not in wanted:
            raise refusal(
                generic, f"adds {value.type}; loads extend {wanted[0]}, or keep {wanted[1]}"
            )
