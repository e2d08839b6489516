"""Read a maximum over windows of pixels from tensor IR."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import IntegerAttr
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp, IndexOp
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ..coalesce import Form
from ..contraction import (
    is_element_wise,
    iterators_of,
    maps_of,
    output_position,
    parameter_position,
    returned_tensor,
    subscript_form,
)
from ..evaluate import Values, evaluate_body
from ..kernel import refusal
from ..padded import read_padded
from ..post_op import PostOp, recognise_post_op
from ..reshaped import whole_array
from .facts import Convolution, Pooling, Side
from .forms import extents_of, loop_of
from .read_sums import read_sums

LOWEST = -128
"""The start of a maximum of int8 that never decides."""


def is_maximum(function: func.FuncOp) -> bool:
    """Whether ``function`` ends with a minimum or maximum over something."""
    generic = _maximum(function)[0]
    return generic is not None and takes_maximum(generic)


def takes_maximum(reduction: GenericOp) -> bool:
    """Whether a reduction chooses one of the values that it combines."""
    last = reduction.body.block.last_op
    return last is not None and isinstance(
        last.operands[0].owner, arith.MaxSIOp | arith.MinSIOp | arith.SelectOp
    )


def _maximum(function: func.FuncOp) -> tuple[GenericOp | None, GenericOp | None]:
    """The reduction that ``function`` ends with, and what happens to its elements behind it."""
    generic, after = returned_tensor(function).owner, None
    if isinstance(generic, GenericOp) and IteratorType.REDUCTION not in iterators_of(generic):
        after, maps = generic, maps_of(generic)
        generic = generic.inputs[0].owner if len(maps) == 2 and maps[0] == maps[1] else None
    if not isinstance(generic, GenericOp) or IteratorType.REDUCTION not in iterators_of(generic):
        return None, None
    return generic, after


def pooling_of(function: func.FuncOp) -> Pooling | None:
    """The pooling that ``function`` computes, if it is one that can be read."""
    try:
        return read_pooling(function) if is_maximum(function) else None
    except PassFailedException:
        return None


def read_pooling(function: func.FuncOp) -> Pooling:
    """The pooling that ``function`` computes; refuses other functions."""
    generic, after = _maximum(function)
    if generic is None:
        raise refusal(function, "expected linalg.generic: a maximum over windows")
    return _Reader(function, generic, after).read()


class _Reader:
    def __init__(self, function: func.FuncOp, generic: GenericOp, after: GenericOp | None) -> None:
        self.function = function
        self.generic = generic
        self.after = after
        self.sizes = generic.get_static_loop_ranges()
        *inputs, target = maps_of(generic)
        self.target = [loop_of(subscript_form(x, generic), generic) for x in target.results]
        kinds = iterators_of(generic)
        self.window = [n for n, kind in enumerate(kinds) if kind == IteratorType.REDUCTION]
        block = generic.body.block
        used = [n for n, _ in enumerate(inputs) if block.args[n].first_use is not None]
        if used != [0] or len(self.window) != 2 or len(self.target) < 3:
            raise refusal(generic, "is no maximum of one array over windows of rows and columns")
        forms = [subscript_form(x, generic) for x in inputs[0].results]
        self.array, self.forms = whole_array(generic.inputs[0], forms)
        self.before: GenericOp | None = None
        """What is done to each pixel before the maximum is taken."""
        self.guard = [op for op in block.ops if isinstance(op, IndexOp)]

    def read(self) -> Pooling:
        generic = self.generic
        forms, extents, source, convolution = self._pixels()
        *batch, row, col, channel = self.target
        place = len(forms) - 3
        expected = [*({loop: 1} for loop in batch), {channel: 1}]
        if place < 0 or [*forms[:place], forms[-1]] != expected:
            raise refusal(generic, "windows must slide along rows and columns, channels come last")
        rows = self._side(forms[place], row, extents[place])
        cols = self._side(forms[place + 1], col, extents[place + 1])
        if rows.window != cols.window or rows.step != cols.step:
            raise refusal(generic, "the store unit's windows are square")
        return Pooling(
            source,
            output_position(self.function),
            tuple(self.sizes[loop] for loop in batch),
            rows,
            cols,
            self.sizes[channel],
            self._post(rows.pad, convolution is not None),
            convolution,
            not self.guard,
        )

    def _pixels(self) -> tuple[Sequence[Form], tuple[int, ...], int, Convolution | None]:
        """Subscripts and extents of what is pooled, the parameter behind it, and a convolution."""
        padded = read_padded(self.array)
        forms, inner = padded.subscripts(self.forms), padded.inside
        if isinstance(inner.owner, GenericOp) and is_element_wise(inner.owner):
            self.before = inner.owner
            inner = self.before.inputs[0]
        if isinstance(inner.owner, GenericOp):
            sums = read_sums(inner.owner, forms)
            return sums.forms, sums.extents, sums.source, sums.convolution
        return forms, extents_of(inner), parameter_position(inner, self.generic), None

    def _side(self, form: Form, pooled: int, extent: int) -> Side:
        window = [loop for loop in self.window if form.get(loop) == 1]
        rest = set(form) - {None, pooled, *window}
        if len(window) != 1 or rest or form.get(pooled, 0) < 1:
            raise refusal(self.generic, f"the subscript {dict(form)} is no window that slides")
        pad = -form.get(None, 0)
        if pad < 0:
            raise refusal(self.generic, "windows that begin behind the first pixel")
        return Side(self.sizes[pooled], self.sizes[window[0]], form[pooled], pad, extent)

    def _post(self, pad: int, has_sum: bool) -> PostOp:
        """What the store makes of a pixel, found by trial (see ``post_op``) in a window inside."""
        block = self.generic.body.block
        known: dict[SSAValue, Values] = {block.args[-1]: np.array(self._start())}
        for op in self.guard:
            inside = pad if op.dim.value.data in self.window else 0
            known[op.result] = np.array(inside, np.int64)

        def compute(pixels: Values) -> Values:
            if self.before is not None:
                pixels = evaluate_body(
                    self.before.body.block, {self.before.body.block.args[0]: pixels}
                )[0]
            best = evaluate_body(block, {**known, block.args[0]: pixels})[0]
            if self.after is None:
                return best
            inner = self.after.body.block
            return evaluate_body(inner, {inner.args[0]: best})[0]

        largest = 1 << 31 if has_sum else -LOWEST - 1
        last = self.after or self.generic
        return recognise_post_op(self.before or self.generic, largest, compute, last.results[0])

    def _start(self) -> int:
        """What the maximum starts from; an element of the window is beyond none of the others."""
        owner = self.generic.outputs[0].owner
        if isinstance(owner, FillOp) and isinstance(owner.inputs[0].owner, arith.ConstantOp):
            value = owner.inputs[0].owner.value
            if isinstance(value, IntegerAttr):
                return value.value.data
        return LOWEST
