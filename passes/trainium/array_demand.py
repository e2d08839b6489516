"""What a function on tensors certainly reads, writes and multiplies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from ...dialects.trn import element_bytes
from .tensor_functions import tensor_sizes

_RESHAPES = tensor.ExtractSliceOp | tensor.ExpandShapeOp | tensor.CollapseShapeOp
Box = tuple[Sequence[int], ...]
"""Subscripts in each dimension; all their combinations are meant."""
MAX_COMBINATIONS = 1 << 16
"""Of the loops of one subscript: with more, what it reaches is not worked out."""


def array_bytes(function: func.FuncOp) -> int:
    """Bytes of the parameters that are read, and of the results that are written, each once.

    Raises ``PassFailedException`` for sizes that are no numbers.
    """
    (block,) = function.body.blocks
    boxes = {argument: list(_boxes_read(argument)) for argument in block.args}
    every = [(argument, boxes) for argument, boxes in boxes.items() if boxes]
    last = block.last_op
    assert isinstance(last, func.ReturnOp)
    every += [(result, list(_boxes_written(result))) for result in last.operands]
    return sum(_size(value, found) for value, found in every)


def bytes_of_element(array: SSAValue) -> int:
    assert isinstance(array.type, TensorType)
    return element_bytes(array.type.element_type)


def products_of_arrays(function: func.FuncOp) -> int:
    """Multiplications in sums of products of parameters; none where a condition may hide one."""
    if any(isinstance(op, arith.SelectOp | linalg.IndexOp) for op in function.walk()):
        return 0
    found: dict[tuple[object, ...], int] = {}
    for op in function.walk():
        if isinstance(op, linalg.GenericOp) and _sums_products(op):
            sources = tuple(_source(value) for value in op.inputs)
            if None not in sources:
                # Equal operations, which a program computes once, have equal keys.
                found[(*sources, str(op.indexing_maps))] = prod(op.get_static_loop_ranges())
    return sum(found.values())


def _sums_products(op: linalg.GenericOp) -> bool:
    kinds = {kind.data for kind in op.iterator_types}
    multiplies = any(isinstance(inner, arith.MulfOp) for inner in op.body.walk())
    return IteratorType.REDUCTION in kinds and multiplies


def _source(value: SSAValue) -> tuple[object, ...] | None:
    """A parameter, or a part or other shape of it; None for what is computed."""
    if isinstance(value, BlockArgument):
        return (value.index,)
    op = value.owner
    if not isinstance(op, _RESHAPES):
        return None
    source = _source(op.operands[0])
    return None if source is None else (op.name, str(op.properties), str(value.type), *source)


def _boxes_read(array: SSAValue) -> Iterator[Box]:
    whole = tuple(map(range, tensor_sizes(array)))
    for use in array.uses:
        op = use.operation
        if isinstance(op, linalg.GenericOp):
            if use.index < len(op.inputs) and not _has_indices(op):
                access = list(op.get_indexing_maps())[use.index].data
                box = _reached(access, op.get_static_loop_ranges())
                yield from () if box is None else (box,)
        elif isinstance(op, tensor.ExtractSliceOp):
            box = _slice(op)
            yield from () if box is None else (box,)
        elif not isinstance(op, tensor.InsertSliceOp | linalg.FillOp | func.ReturnOp):
            yield whole


def _boxes_written(result: SSAValue) -> Iterator[Box]:
    if isinstance(result, BlockArgument):
        return
    op = result.owner
    if isinstance(op, tensor.InsertSliceOp):
        box = _slice(op)
        yield from () if box is None else (box,)
        yield from _boxes_written(op.dest)
    else:
        yield tuple(map(range, tensor_sizes(result)))


def _has_indices(op: Operation) -> bool:
    """Whether conditions on the place may hide elements."""
    return any(isinstance(inner, linalg.IndexOp) for inner in op.walk())


def _reached(access: AffineMap, ranges: Sequence[int]) -> Box | None:
    """The elements that a loop nest reads through subscripts that share no loops."""
    loops = [sorted(expression.used_dims()) for expression in access.results]
    if len({loop for own in loops for loop in own}) < sum(len(own) for own in loops):
        return None
    found = [_values(e, own, ranges) for e, own in zip(access.results, loops, strict=True)]
    box = tuple(values for values in found if values is not None)
    return box if len(box) == len(found) else None


def _values(
    expression: AffineExpr, loops: Sequence[int], ranges: Sequence[int]
) -> Sequence[int] | None:
    if prod(ranges[loop] for loop in loops) > MAX_COMBINATIONS:
        return None
    point = [0] * len(ranges)
    found: set[int] = set()
    for places in product(*(range(ranges[loop]) for loop in loops)):
        for loop, place in zip(loops, places, strict=True):
            point[loop] = place
        found.add(expression.eval(point, []))
    return sorted(found)


def _slice(op: tensor.ExtractSliceOp | tensor.InsertSliceOp) -> Box | None:
    lists = [
        numbers.get_values() for numbers in (op.static_offsets, op.static_sizes, op.static_strides)
    ]
    if any(DYNAMIC_INDEX in numbers for numbers in lists):
        return None
    places = zip(*lists, strict=True)
    return tuple(range(first, first + count * step, step) for first, count, step in places)


def _size(array: SSAValue, boxes: Sequence[Box]) -> int:
    """Bytes of the elements that lie in at least one of the boxes."""
    sizes, each = tensor_sizes(array), bytes_of_element(array)
    if any(all(len(p) == size for p, size in zip(box, sizes, strict=True)) for box in boxes):
        return prod(sizes) * each
    touched: NDArray[np.bool_] = np.zeros(sizes, np.bool_)
    for box in boxes:
        touched[np.ix_(*map(list, box))] = True
    return int(touched.sum()) * each
