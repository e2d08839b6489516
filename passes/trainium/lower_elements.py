"""``trn-lower-elements``: programs that compute each element alone, spread over all partitions."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.builder import Builder
from xdsl.dialects import func
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn.limits import PARTITIONS
from .leading_dimensions import common_dimensions, leading_size, with_leading_sizes
from .lower_rows import LowerToRows
from .rows.buffers import InMemory, shape_of
from .rows.emission import BlockEmission, Columns, RowPlan
from .rows.parts import Place, plus
from .rows.read import read_rows
from .tensor_functions import (
    parameters_in_memory,
    replace_function,
    reshaped,
    tensor_sizes,
)


@dataclass(frozen=True)
class LowerElementsPass(LowerToRows):
    """Lower an element-wise function on tensors of any sizes to instructions on 128 partitions.

    Needs results of equal sizes, with every element computed from those at its own place. Each
    partition gets as many neighbouring elements; what is left, fewer than 128, follows in one of
    them.
    """

    name = "trn-lower-elements"

    def lower(self, function: func.FuncOp) -> None:
        count = _dimensions(function)
        total = leading_size(function, count)
        block = parameters_in_memory(function)
        builder = Builder(InsertPoint.at_end(block))
        flat = {
            index: InMemory(reshaped(builder, array, (total if prod(shape_of(array)) > 1 else 1,)))
            for index, array in enumerate(block.args)
        }
        width, rest = divmod(total, PARTITIONS)
        parts = ((PARTITIONS, width, 0), (1, rest, total - rest))
        for rows, size, first in parts:
            if size:
                share = with_leading_sizes(function, count, (rows, size))
                plan = self.plan(read_rows(share), builder, flat)
                Shares(plan, rows, size, first).run()
        builder.insert(func.ReturnOp())
        replace_function(function, block)


class Shares(BlockEmission):
    """Instructions on ``rows`` times ``width`` neighbouring elements of flat arrays."""

    def __init__(self, plan: RowPlan, rows: int, width: int, first: int) -> None:
        super().__init__(plan, plan.builder, rows, 0)
        self.width = width
        self.first = first

    def memory(self, builder: Builder, position: int, columns: Columns | None) -> SSAValue:
        """A share of each partition, or some columns of it."""
        start: Place = self.first
        size: Place = self.width
        if columns is not None and not columns.is_all:
            start, size = plus(builder, columns.start, self.first), columns.count
        shape, steps = (self.rows, size), (self.width, 1)
        return self.plan.arrays[position].view(builder, [start], shape, (0, 0), steps)


def _dimensions(function: func.FuncOp) -> int:
    """The dimensions of all tensors; raises ``PassFailedException`` if elements are not alone.

    What has one element is there for all.
    """
    count = common_dimensions(function)
    shapes = map(tensor_sizes, function.args)
    if any(len(shape) != count and prod(shape) > 1 for shape in shapes):
        raise PassFailedException(f"{LowerElementsPass.name} needs elements that are alone")
    return count
