"""Sums of arrays and over windows, without products, as tensor IR states them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from xdsl.dialects import arith, func
from xdsl.dialects.builtin import MemRefType, TensorType, i32
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp
from xdsl.dialects.tensor import EmptyOp
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ..hw.gemmini.config import GemminiConfig
from .begin_function import memref_of
from .coalesce import Form
from .contraction import (
    iterators_of,
    maps_of,
    output_position,
    parameter_position,
    returned_tensor,
    subscript_form,
)
from .kernel import refusal
from .lower_linalg import machine_type
from .padded import is_zero
from .pooling.read import is_maximum
from .post_op import PostOp, recognise_post_op
from .reshaped import whole_array

Forms = tuple[Form, ...]
"""The subscripts of an array."""


@dataclass(frozen=True)
class Addend:
    """An array, by the position of its parameter, and the subscripts of what is added."""

    array: int
    subscripts: Forms


@dataclass(frozen=True)
class ElementSum:
    """``out[written] = post(Σ over window and addends of array[subscripts])``."""

    sizes: tuple[int, ...]
    """Iterations of each loop."""
    target: tuple[int, ...]
    """The loops over elements of the output; the last one runs along columns of tiles."""
    window: tuple[int, ...]
    addends: tuple[Addend, ...]
    out: int
    written: Forms
    """The subscripts of the output."""
    post: PostOp

    @property
    def keeps_places(self) -> bool:
        """Whether all arrays are read and written at the same subscripts, the loops."""
        places = _places(range(len(self.sizes)))
        return all(forms == places for forms in (self.written, *self._read))

    @property
    def has_columns(self) -> bool:
        """Whether elements side by side in the output are so in all arrays, rows a step apart."""
        column = self.target[-1]
        return all(
            last.get(column) == 1 and not any(column in form for form in others)
            for *others, last in self._read
        )

    @property
    def _read(self) -> list[Forms]:
        return [each.subscripts for each in self.addends]

    def flattened(self) -> ElementSum:
        """A sum that keeps places, of arrays that are seen as one row each."""
        row = _places([0])
        addends = tuple(replace(each, subscripts=row) for each in self.addends)
        size = prod(self.sizes)
        return replace(self, sizes=(size,), target=(0,), addends=addends, written=row)

    def in_single_columns(self) -> ElementSum:
        """The sum with a loop of one iteration for columns: tiles are one element wide.

        So a move has the elements of a transposed or repeated array below one another.
        """
        column = len(self.sizes)

        def wider(forms: Forms) -> Forms:
            return (*forms[:-1], {**forms[-1], column: 1})

        return replace(
            self,
            sizes=(*self.sizes, 1),
            target=(*self.target, column),
            addends=tuple(replace(x, subscripts=wider(x.subscripts)) for x in self.addends),
            written=wider(self.written),
        )


def is_sum_of_arrays(function: func.FuncOp) -> bool:
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


def is_window_sum(function: func.FuncOp) -> bool:
    """Whether the kernel adds up elements of one parameter, without products."""
    try:
        return not is_maximum(function) and len(_arrays(_reduction(function)[0])) == 1
    except PassFailedException:
        return False


def read_element_sum(function: func.FuncOp, config: GemminiConfig) -> ElementSum:
    """The sum that ``function`` computes; refuses other functions."""
    if not config.is_integer:
        raise refusal(function, "sums of arrays are supported for integer machines only")
    result = returned_tensor(function)
    generic = result.owner
    if isinstance(result, BlockArgument):
        what = _copy(result, output_position(function))
    elif is_sum_of_arrays(function) and isinstance(generic, GenericOp):
        what = _facts(function, generic, _post_of_arrays(generic, config))
    else:
        generic, post = _reduction(function)
        _require_plain_sum(generic)
        what = _facts(function, generic, _post_of_window(generic, post, config))
    _require_arrays(function, what, config)
    return what if what.has_columns else what.in_single_columns()


def _places(loops: Sequence[int]) -> Forms:
    return tuple({loop: 1} for loop in loops)


def _reduction(function: func.FuncOp) -> tuple[GenericOp, GenericOp | None]:
    """The reduction, and the element-wise operation behind it if there is one."""
    generic, post = returned_tensor(function).owner, None
    if isinstance(generic, GenericOp) and IteratorType.REDUCTION not in iterators_of(generic):
        post, generic = generic, generic.inputs[0].owner
    if not isinstance(generic, GenericOp) or IteratorType.REDUCTION not in iterators_of(generic):
        raise refusal(function, "is no sum of its parameters, nor one over a window")
    if post is not None and len(post.inputs) != 1:
        raise refusal(post, "the operation after the sum must read the sum only")
    return generic, post


def _arrays(generic: GenericOp) -> list[SSAValue]:
    """The inputs that hold elements; empty ones only tell how large a window is."""
    return [value for value in generic.inputs if not isinstance(value.owner, EmptyOp)]


def _copy(array: BlockArgument, out: int) -> ElementSum:
    assert isinstance(array.type, TensorType)
    sizes = array.type.get_shape()
    loops = tuple(range(len(sizes)))
    forms, post = _places(loops), _post_of_copy(array.type.element_type)
    return ElementSum(sizes, loops, (), (Addend(array.index, forms),), out, forms, post)


def _facts(function: func.FuncOp, generic: GenericOp, post: PostOp) -> ElementSum:
    *inputs, target = maps_of(generic)
    kinds = iterators_of(generic)
    loops = tuple(n for n, kind in enumerate(kinds) if kind == IteratorType.PARALLEL)
    written = _places(loops)
    if tuple(subscript_form(x, generic) for x in target.results) != written:
        raise refusal(generic, "must write its elements in the order of its loops")
    addends = tuple(
        _addend(value, [subscript_form(x, generic) for x in access.results], generic)
        for value, access in zip(generic.inputs, inputs, strict=True)
        if not isinstance(value.owner, EmptyOp)
    )
    window = tuple(n for n in range(len(kinds)) if n not in loops)
    sizes = tuple(generic.get_static_loop_ranges())
    return ElementSum(sizes, loops, window, addends, output_position(function), written, post)


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


def _require_arrays(function: func.FuncOp, what: ElementSum, config: GemminiConfig) -> None:
    read = [each.array for each in what.addends]
    if what.out in read:
        raise refusal(function, "overwrites an array that it reads")
    wanted = (machine_type(config.input_type), machine_type(config.accumulator_type))
    for position in (what.out, *read):
        type = memref_of(function.args[position].type, function)
        if not isinstance(type, MemRefType) or type.element_type not in wanted:
            raise refusal(function, f"adds {type}; loads extend {wanted[0]}, or keep {wanted[1]}")


def _post_of_copy(element: Attribute) -> PostOp:
    """The store of an element as it was loaded."""
    return PostOp(scale=None if element == i32 else 1.0)


def _post_of_arrays(generic: GenericOp, config: GemminiConfig) -> PostOp:
    """What happens to the sum of arrays before it is stored."""
    body = generic.clone()
    block = body.body.block
    inputs = block.args[: len(body.inputs)]
    sums = [op.results[0] for op in block.ops if isinstance(op, arith.AddiOp | arith.ExtSIOp)]
    total = next((x for x in [*sums, *inputs] if _added(x) == Counter(inputs)), None)
    last = block.last_op
    if last is not None and last.operands[0] in inputs:
        return _post_of_copy(last.operands[0].type)
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
    return recognise_post_op(body, _largest(generic.inputs, len(inputs), config))


def _added(value: SSAValue) -> Counter[SSAValue]:
    """The block arguments whose sum ``value`` is; other values count as themselves."""
    owner = value.owner
    if isinstance(owner, arith.ExtSIOp) and owner.input.type != i32:
        return _added(owner.input)
    if isinstance(owner, arith.AddiOp):
        return _added(owner.lhs) + _added(owner.rhs)
    return Counter([value])


def _post_of_window(generic: GenericOp, post: GenericOp | None, config: GemminiConfig) -> PostOp:
    if post is None:
        return PostOp()
    ranges, kinds = generic.get_static_loop_ranges(), iterators_of(generic)
    terms = prod(n for n, kind in zip(ranges, kinds, strict=True) if kind == IteratorType.REDUCTION)
    return recognise_post_op(post, _largest(generic.inputs[:1], terms, config))


def _largest(arrays: Sequence[SSAValue], terms: int, config: GemminiConfig) -> int:
    """The largest magnitude of a sum of ``terms`` elements."""
    types = {array.type.get_element_type() for array in arrays}  # pyright: ignore
    is_narrow = types == {machine_type(config.input_type)}
    return terms * ((1 << (8 * config.input_bytes - 1)) - 1) if is_narrow else 1 << 31
