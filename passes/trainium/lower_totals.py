"""``trn-lower-totals``: vectors and what is combined of all of their elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Self

from xdsl.builder import Builder
from xdsl.dialects import func
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint

from ...dialects import trn
from .leading_dimensions import with_leading_sizes
from .lower_elements import Shares
from .lower_rows import LowerToRows
from .rows.buffers import Columns, InMemory, Stored, access_view, shape_of
from .rows.graph import Access
from .rows.read import read_rows
from .rows.sharing import in_shares
from .tensor_functions import parameters_in_memory, replace_function, reshaped


@dataclass(frozen=True)
class LowerTotalsPass(LowerToRows):
    """Lower a function on arrays and totals of all their elements to many partitions.

    Needs reductions over whole arrays (dot products, norms, losses, a softmax of one vector), and
    elements that are computed from those at their own place and from such totals. Each partition
    gets as many neighbouring elements; the tensor engine adds up what the partitions have.
    """

    name = "trn-lower-totals"

    @classmethod
    def settings(cls, longest: int) -> Iterator[Self]:
        for stream, sizes in ((False, (0, 2048)), (True, (4096, 2048))):
            for columns, at_once in product(sizes, (False, True)):
                yield cls(columns, at_once, stream)

    def lower(self, function: func.FuncOp) -> None:
        program = read_rows(with_leading_sizes(function, 0, (1,)))
        shares, accesses = in_shares([access for access, _ in program.outputs], self.stream)
        block = parameters_in_memory(function)
        builder = Builder(InsertPoint.at_end(block))
        flat = {
            index: InMemory(reshaped(builder, array, (prod(shape_of(array)),)))
            for index, array in enumerate(block.args)
        }
        width = max(prod(array.shape) for array in flat.values()) // shares
        plan = self.plan(program.of(accesses), builder, flat)
        _SharesOfTotals(plan, shares, width, 0).run()
        builder.insert(func.ReturnOp())
        replace_function(function, block)


class _SharesOfTotals(Shares):
    """Shares of arrays; what has one element is there for all, and stored by the first of them."""

    def memory(self, builder: Builder, position: int, columns: Columns | None) -> SSAValue:
        array = self.plan.arrays[position]
        if array.shape == (1,):
            return array.view(builder, [0], (self.rows, 1), (0, 0), (0, 1))
        return super().memory(builder, position, columns)

    def save(
        self, builder: Builder, stored: Stored, access: Access, to: int, columns: Columns | None
    ) -> None:
        if not access.is_row:
            super().save(builder, stored, access, to, columns)
            return
        source = access_view(builder, stored, access, 1)
        target = self.plan.arrays[to].view(builder, [0], (1, 1), (0, 0), (0, 1))
        builder.insert(trn.DmaCopyOp(source, target))
