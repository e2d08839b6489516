"""Recurrences on tensors: what ``linalg`` has no operation for."""

from __future__ import annotations

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, TensorType, i64
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException


@irdl_op_definition
class LinearOp(IRDLOperation):
    """``h[…, t, …] = factors[…, t, …] · h[…, t - 1, …] + summands[…, t, …]`` along one dimension.

    Before its first element there is the number ``start``.
    """

    name = "recurrence.linear"
    factors = operand_def(TensorType)
    summands = operand_def(TensorType)
    along = prop_def(IntegerAttr)
    start = prop_def(FloatAttr)
    result = result_def(TensorType)

    def __init__(self, factors: SSAValue, summands: SSAValue, along: int, start: float) -> None:
        assert isinstance(factors.type, TensorType)
        super().__init__(
            operands=[factors, summands],
            properties={
                "along": IntegerAttr(along, i64),
                "start": FloatAttr(start, factors.type.element_type),
            },
            result_types=[factors.type],
        )

    @property
    def dimension(self) -> int:
        return self.along.value.data

    def verify_(self) -> None:
        if not self.factors.type == self.summands.type == self.result.type:
            raise VerifyException("factors, summands and result of a recurrence are of one type")
        assert isinstance(self.result.type, TensorType)
        if not 0 <= self.dimension < self.result.type.get_num_dims():
            raise VerifyException(f"a tensor of type {self.result.type} has no such dimension")


RECURRENCE = Dialect("recurrence", [LinearOp])
