"""Totals over partitions that share a row: sums and transposes on the tensor engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Operator, Space
from ....dialects.trn.limits import PARTITIONS
from .buffers import access_view, allocate, view
from .graph import Access
from .steps import Gather

if TYPE_CHECKING:
    from .emission import BlockEmission


def ones(builder: Builder) -> SSAValue:
    """A square of ones: a product with it repeats sums over partitions in all of them."""
    buffer = allocate(builder, (PARTITIONS, PARTITIONS), f32)
    builder.insert(trn.MemsetOp(view(builder, buffer), 1.0))
    return buffer


def gather(block: BlockEmission, builder: Builder, step: Gather, ones: SSAValue) -> None:
    """Combine one element of each partition, and repeat the result in all of them."""
    rows, insert = block.rows, builder.insert
    block.allocate(builder, step.node)
    source = access_view(builder, block.stored[step.data.node], step.data, rows)
    target = access_view(builder, block.stored[step.node], Access.whole(step.node), rows)
    repeated = view(builder, allocate(builder, (rows, 1), f32, Space.PSUM))
    if step.operator == Operator.ADD:
        overwrite = insert(arith.ConstantOp.from_int_and_width(0, 1)).result
        all_ones = view(builder, ones, (0, 0), (rows, rows))
        insert(trn.NcMatmulOp(all_ones, source, repeated, overwrite))
    else:
        turned = view(builder, allocate(builder, (1, rows), f32, Space.PSUM))
        insert(trn.NcTransposeOp(source, turned))
        best = allocate(builder, (1, 1), f32)
        insert(trn.TensorReduceOp(step.operator, turned, view(builder, best), 1))
        spread = view(builder, best, sizes=(1, rows), along=(0, 1), steps=(1, 0))
        insert(trn.NcTransposeOp(spread, repeated))
    insert(trn.TensorCopyOp(repeated, target))
