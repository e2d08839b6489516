"""``trn-lower-rows``: tensor programs whose rows are computed alone, rows in partitions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn.limits import PARTITIONS
from .rows.buffers import Place, over_parts
from .rows.emission import BlockEmission, RowPlan
from .rows.read import read_rows
from .rows.schedule import group_steps
from .rows.selection import select_steps
from .tensor_functions import (
    parameters_in_memory,
    refusing_illegal_operations,
    replace_function,
)


@dataclass(frozen=True)
class LowerRowsPass(ModulePass):
    """Lower a function on tensors to instructions on blocks of 128 rows.

    Needs a first dimension that is the same rows in all results, with every element computed from
    its own row and from arrays that have no rows (weights, the matrices of products). Guarantees
    one load of each array per block, and keeps everything between in SBUF. With ``columns``, what
    needs no whole rows is computed on so many columns at a time.
    """

    name = "trn-lower-rows"

    columns: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.columns < 0:
            raise PassFailedException(f"{self.name}: columns must not be negative")
        for function in list(op.ops):
            if isinstance(function, func.FuncOp):
                with refusing_illegal_operations():
                    _lower(function, self.columns)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """Whole rows, or some widths of parts."""
        programs: dict[str, Self] = {}
        for columns in (0, 4096, 2048, 1024, 512):
            lowered = module_op.clone()
            with suppress(PassFailedException):
                cls(columns).apply(ctx, lowered)
                programs.setdefault(str(lowered), cls(columns))
        return tuple(programs.values())


def _lower(function: func.FuncOp, columns: int) -> None:
    program = read_rows(function)
    accesses = [access for access, _ in program.outputs]
    groups = group_steps(select_steps(program.graph, accesses), accesses)
    block = parameters_in_memory(function)
    builder = Builder(InsertPoint.at_end(block))
    arrays = dict(enumerate(block.args))
    plan = RowPlan(builder, arrays, groups, program.outputs, columns)

    def rows(inner: Builder, start: Place, count: int, _: Place) -> None:
        BlockEmission(plan, inner, count, start).run()

    over_parts(builder, program.rows, PARTITIONS, rows)
    builder.insert(func.ReturnOp())
    replace_function(function, block)
