"""``trn-lower-rows``: tensor programs whose rows are computed alone, rows in partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, TypeVar

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from .leading_dimensions import common_dimensions, leading_size, with_leading_sizes
from .rows.emission import RowPlan, emit_rows
from .rows.read import read_rows
from .rows.schedule import group_steps
from .rows.selection import select_steps
from .tensor_functions import (
    parameters_in_memory,
    refusing_illegal_operations,
    replace_function,
    reshaped,
    tensor_sizes,
)

Pass = TypeVar("Pass", bound=ModulePass)


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
        return schedules_of_columns(cls, ctx, module_op)


def schedules_of_columns(
    kind: Callable[[int], Pass], ctx: Context, module: ModuleOp
) -> tuple[Pass, ...]:
    """Instances of a pass that give different programs."""
    programs: dict[str, Pass] = {}
    for columns in (0, 4096, 2048, 1024, 512):
        lowered, instance = module.clone(), kind(columns)
        with suppress(PassFailedException):
            instance.apply(ctx, lowered)
            programs.setdefault(str(lowered), instance)
    return tuple(programs.values())


def plan_rows(
    function: func.FuncOp, builder: Builder, arrays: Mapping[int, SSAValue], columns: int
) -> RowPlan:
    """What the blocks of a function's rows share; ``arrays`` are its parameters in memory."""
    program = read_rows(function)
    accesses = [access for access, _ in program.outputs]
    groups = group_steps(select_steps(program.graph, accesses), accesses)
    return RowPlan(builder, arrays, groups, program.outputs, columns)


def _lower(function: func.FuncOp, columns: int) -> None:
    merged = _merged(function)
    block = parameters_in_memory(function)
    builder = Builder(InsertPoint.at_end(block))
    arrays = {
        index: reshaped(builder, array, tensor_sizes(argument))
        for index, (array, argument) in enumerate(zip(block.args, merged.args, strict=True))
    }
    emit_rows(plan_rows(merged, builder, arrays, columns), leading_size(merged, 1))
    builder.insert(func.ReturnOp())
    replace_function(function, block)


def _merged(function: func.FuncOp) -> func.FuncOp:
    """The function with one dimension of rows in place of all that rows can have."""
    count = common_dimensions(function)
    if all(len(tensor_sizes(argument)) == count for argument in function.args):
        count = max(1, count - 1)
    if count == 1:
        return function
    return with_leading_sizes(function, count, (leading_size(function, count),))
