"""What views mean for the cycle model: sizes, strides in bytes, and the box of cells they touch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn.types import Space, element_bytes
from ...lanes import Scope, Value

Column = NDArray[np.int64]


@dataclass(frozen=True)
class Box:
    """Per dimension of a buffer the first index and the one behind the last, in each lane."""

    low: tuple[Value, ...]
    high: tuple[Value, ...]


def view_op(view: SSAValue) -> trn.ViewOp:
    owner = view.owner
    assert isinstance(owner, trn.ViewOp)
    return owner


def root_of(view: SSAValue) -> tuple[SSAValue, bool]:
    """The buffer that a view looks at, and whether a reshape lies in between."""
    source, reshaped = view_op(view).source, False
    while isinstance(source.owner, trn.ReshapeOp):
        source, reshaped = source.owner.source, True
    return source, reshaped


def sizes_of(view: SSAValue, scope: Scope) -> list[Value]:
    """The sizes of a view in each lane."""
    return [size if isinstance(size, int) else scope.get(size) for size in view_op(view).size_list]


def box_of(view: SSAValue, scope: Scope) -> Box:
    """The smallest box of its buffer (as the view sees it) that holds a view."""
    op = view_op(view)
    low: list[Any] = [
        offset if isinstance(offset, int) else scope.get(offset) for offset in op.offset_list
    ]
    high = [first + 1 for first in low]
    sizes = sizes_of(view, scope)
    for size, along, step in zip(sizes, op.dimensions, op.step_list, strict=True):
        reach = (size - 1) * step
        if step >= 0:
            high[along] = high[along] + reach
        else:
            low[along] = low[along] + reach
    return Box(tuple(low), tuple(high))


def flat_box(view: SSAValue, scope: Scope) -> Box:
    """The same as a range of elements: on chip per partition, so after the partitions' range."""
    kind = view_op(view).source.type
    assert isinstance(kind, MemRefType)
    shape = kind.get_shape()
    box = box_of(view, scope)
    on_chip = trn.view_of(view).on_chip
    first = 1 if on_chip else 0
    low: Any = 0
    last: Any = 0
    for axis in range(first, len(shape)):
        stride = prod(shape[axis + 1 :])
        low = low + box.low[axis] * stride
        last = last + (box.high[axis] - 1) * stride
    if on_chip:
        return Box((box.low[0], low), (box.high[0], last + 1))
    return Box((low,), (last + 1,))


def in_bytes(box: Box, view: SSAValue, offset: Value) -> Box:
    """A flat box on chip as partitions and bytes of shared memory, which begins at ``offset``."""
    size = element_bytes(trn.view_of(view).element_type)
    low, high = box.low[1] * size + offset, box.high[1] * size + offset
    return Box((box.low[0], low), (box.high[0], high))


def inner_stride(view: SSAValue, shape: tuple[int, ...]) -> int:
    """Bytes between two elements of the innermost free dimension of more than one element."""
    bytes_each = element_bytes(trn.view_of(view).element_type)
    for size, stride in zip(reversed(shape[1:]), reversed(view_op(view).strides[1:]), strict=True):
        if size > 1:
            return abs(stride) * bytes_each
    return bytes_each


def is_hbm(view: SSAValue) -> bool:
    return trn.view_of(view).space.data == Space.HBM
