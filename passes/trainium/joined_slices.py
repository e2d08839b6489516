"""Tensors that consist of slices: which of them hide all that was there before."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from math import gcd, prod

from xdsl.dialects import tensor
from xdsl.ir import Operation, SSAValue

from .subscripts import Slice, inserted, slice_of
from .tensor_functions import tensor_sizes


def first_of_covering(operations: Iterable[Operation]) -> set[Operation]:
    """Insertions into a tensor of which later ones leave nothing."""
    found: set[Operation] = set()
    for operation in operations:
        if isinstance(operation, tensor.InsertSliceOp):
            chain = insertions(operation.result)
            if covers([slice_of(one) for one in chain], tensor_sizes(operation.result)):
                found.add(chain[0])
    return found


def insertions(value: SSAValue) -> list[tensor.InsertSliceOp]:
    """What puts slices into a tensor, the first one first; only the last result is used again."""
    found: list[tensor.InsertSliceOp] = []
    while (operation := inserted(value)) is not None:
        if found and value.has_more_than_one_use():
            break
        found.append(operation)
        value = operation.dest
    return found[::-1]


def covers(slices: list[Slice], sizes: tuple[int, ...]) -> bool:
    """Whether slices, no two of which share an element, are all of a tensor."""
    complete = sum(prod(one.sizes) for one in slices) == prod(sizes)
    return complete and all(_disjoint(one, other) for one, other in combinations(slices, 2))


def _disjoint(one: Slice, other: Slice) -> bool:
    """Whether the slices differ along some dimension, in place or in what remains of steps."""
    for number in range(len(one.offsets)):
        spans = [
            (part.offsets[number], part.offsets[number] + part.strides[number] * (size - 1))
            for part, size in ((one, one.sizes[number]), (other, other.sizes[number]))
        ]
        step = gcd(one.strides[number], other.strides[number])
        apart = spans[0][1] < spans[1][0] or spans[1][1] < spans[0][0]
        if apart or (spans[0][0] - spans[1][0]) % step:
            return True
    return False
