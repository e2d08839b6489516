"""Local addresses, and the moves between DRAM and the local memories."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IndexType, IntegerAttr, MemRefType, UnitAttr, i1, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure

from .types import (
    ACC_ADDRESS,
    I64,
    NO_ADDRESS,
    SPAD_ADDRESS,
    LocalSpace,
    LocalType,
    require_channel,
    require_indices,
    require_space,
)


@irdl_op_definition
class SpadOp(IRDLOperation):
    """The scratchpad row ``row``, counted over all banks."""

    name = "gemmini.spad"
    row = operand_def(IndexType())
    address = result_def(SPAD_ADDRESS)
    traits = traits_def(Pure())
    assembly_format = "$row attr-dict"

    def __init__(self, row: SSAValue) -> None:
        super().__init__(operands=[row], result_types=[SPAD_ADDRESS])


@irdl_op_definition
class AccOp(IRDLOperation):
    """The accumulator row ``row``, counted over all banks.

    A write through the address adds to the row where ``accumulate`` is given and true (address bit
    30) and overwrites it otherwise. With ``full`` a move-out reads unscaled accumulator elements
    (bit 29).
    """

    name = "gemmini.acc"
    row = operand_def(IndexType())
    accumulate = opt_operand_def(i1)
    full = opt_prop_def(UnitAttr)
    address = result_def(ACC_ADDRESS)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$row (`accumulate` $accumulate^)? (`full` $full^)? attr-dict"

    def __init__(
        self, row: SSAValue, accumulate: SSAValue | None = None, *, full: bool = False
    ) -> None:
        super().__init__(
            operands=[row, accumulate],
            properties={"full": UnitAttr()} if full else {},
            result_types=[ACC_ADDRESS],
        )


@irdl_op_definition
class NoneOp(IRDLOperation):
    """The address that means "none": an operand of zeros, or a result that is dropped."""

    name = "gemmini.none"
    address = result_def(NO_ADDRESS)
    traits = traits_def(Pure())
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__(result_types=[NO_ADDRESS])


@irdl_op_definition
class MvinOp(IRDLOperation):
    """Move ``rows`` × ``cols`` elements from DRAM to local rows (mvin, mvin2, mvin3)."""

    name = "gemmini.mvin"
    source = operand_def(MemRefType)
    indices = var_operand_def(IndexType())
    target = operand_def(LocalType)
    rows = operand_def(IndexType())
    cols = operand_def(IndexType())
    channel = prop_def(I64, default_value=IntegerAttr(0, i64))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$source `[` $indices `]` `to` $target `[` $rows `,` $cols `]` attr-dict"
        " `:` type($source) `,` type($target)"
    )

    def __init__(
        self,
        source: SSAValue,
        indices: Sequence[SSAValue],
        target: SSAValue,
        rows: SSAValue,
        cols: SSAValue,
        channel: int = 0,
    ) -> None:
        super().__init__(
            operands=[source, indices, target, rows, cols],
            properties={"channel": IntegerAttr(channel, i64)},
        )

    def verify_(self) -> None:
        require_channel(self.channel.value.data)
        require_indices(self.source, self.indices)
        require_space(self.target, "target of mvin", LocalSpace.SPAD, LocalSpace.ACC)


@irdl_op_definition
class MvinZerosOp(IRDLOperation):
    """Write ``rows`` × ``cols`` zeros to local rows: a move-in from DRAM address 0."""

    name = "gemmini.mvin_zeros"
    target = operand_def(LocalType)
    rows = operand_def(IndexType())
    cols = operand_def(IndexType())
    channel = prop_def(I64, default_value=IntegerAttr(0, i64))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$target `[` $rows `,` $cols `]` attr-dict `:` type($target)"

    def __init__(self, target: SSAValue, rows: SSAValue, cols: SSAValue, channel: int = 0) -> None:
        super().__init__(
            operands=[target, rows, cols],
            properties={"channel": IntegerAttr(channel, i64)},
        )

    def verify_(self) -> None:
        require_channel(self.channel.value.data)
        require_space(self.target, "target of mvin", LocalSpace.SPAD, LocalSpace.ACC)


@irdl_op_definition
class MvoutOp(IRDLOperation):
    """Move ``rows`` × ``cols`` elements from local rows to DRAM, scaled as configured."""

    name = "gemmini.mvout"
    source = operand_def(LocalType)
    rows = operand_def(IndexType())
    cols = operand_def(IndexType())
    target = operand_def(MemRefType)
    indices = var_operand_def(IndexType())
    assembly_format = (
        "$source `[` $rows `,` $cols `]` `to` $target `[` $indices `]` attr-dict"
        " `:` type($source) `,` type($target)"
    )

    def __init__(
        self,
        source: SSAValue,
        rows: SSAValue,
        cols: SSAValue,
        target: SSAValue,
        indices: Sequence[SSAValue],
    ) -> None:
        super().__init__(operands=[source, rows, cols, target, indices])

    def verify_(self) -> None:
        require_indices(self.target, self.indices)
        require_space(self.source, "source of mvout", LocalSpace.SPAD, LocalSpace.ACC)
