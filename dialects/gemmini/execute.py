"""Preload, the two computations, and what orders and resets the accelerator."""

from __future__ import annotations

from xdsl.dialects.builtin import IndexType, UnitAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
)

from .types import LocalSpace, LocalType, require_space


@irdl_op_definition
class PreloadOp(IRDLOperation):
    """Announce the stationary operand and where the next computation writes C.

    ``stationary`` is B (weight-stationary) or D (output-stationary); ``gemmini.none`` keeps or
    clears it, as the following computation says.
    """

    name = "gemmini.preload"
    stationary = operand_def(LocalType)
    stationary_rows = operand_def(IndexType())
    stationary_cols = operand_def(IndexType())
    target = operand_def(LocalType)
    target_rows = operand_def(IndexType())
    target_cols = operand_def(IndexType())
    assembly_format = (
        "$stationary `[` $stationary_rows `,` $stationary_cols `]` `to`"
        " $target `[` $target_rows `,` $target_cols `]` attr-dict"
        " `:` type($stationary) `,` type($target)"
    )

    def __init__(
        self,
        stationary: SSAValue,
        stationary_rows: SSAValue,
        stationary_cols: SSAValue,
        target: SSAValue,
        target_rows: SSAValue,
        target_cols: SSAValue,
    ) -> None:
        super().__init__(
            operands=[
                stationary,
                stationary_rows,
                stationary_cols,
                target,
                target_rows,
                target_cols,
            ]
        )

    def verify_(self) -> None:
        require_space(self.stationary, "preloaded operand", LocalSpace.SPAD, LocalSpace.NONE)


class _ComputeOp(IRDLOperation):
    """What the two computations share: operand A, and B (output-) or bias D (weight-stationary)."""

    a = operand_def(LocalType)
    a_rows = operand_def(IndexType())
    a_cols = operand_def(IndexType())
    bd = operand_def(LocalType)
    bd_rows = operand_def(IndexType())
    bd_cols = operand_def(IndexType())
    assembly_format = (
        "$a `[` $a_rows `,` $a_cols `]` `,` $bd `[` $bd_rows `,` $bd_cols `]` attr-dict"
        " `:` type($a) `,` type($bd)"
    )

    def __init__(
        self,
        a: SSAValue,
        a_rows: SSAValue,
        a_cols: SSAValue,
        bd: SSAValue,
        bd_rows: SSAValue,
        bd_cols: SSAValue,
    ) -> None:
        super().__init__(operands=[a, a_rows, a_cols, bd, bd_rows, bd_cols])

    def verify_(self) -> None:
        require_space(self.a, "operand A", LocalSpace.SPAD, LocalSpace.NONE)
        require_space(self.bd, "operand B or D", LocalSpace.SPAD, LocalSpace.NONE)


@irdl_op_definition
class ComputePreloadedOp(_ComputeOp):
    """Multiply with the operand that the last preload named (it enters the array first)."""

    name = "gemmini.compute_preloaded"


@irdl_op_definition
class ComputeAccumulatedOp(_ComputeOp):
    """Multiply with the operand that is already in the array."""

    name = "gemmini.compute_accumulated"


@irdl_op_definition
class FenceOp(IRDLOperation):
    """Wait until the accelerator is idle and its stores are visible to the core."""

    name = "gemmini.fence"
    assembly_format = "attr-dict"


@irdl_op_definition
class FlushOp(IRDLOperation):
    """Flush the accelerator's TLB; ``skip`` drops the faulting request instead of retrying it."""

    name = "gemmini.flush"
    skip = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"
