"""Recurrences on tensors: what ``linalg`` has no operation for."""

from __future__ import annotations

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, TensorType, i64
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException


@irdl_op_definition
class LinearOp(IRDLOperation):
    """``h[…, t, …] = factors[…, t, …] · h[…, t - 1, …] + summands[…, t, …]`` along one dimension.

    Before its first element there is the number ``start``, or an element of ``initial``, which
    lacks that dimension.
    """

    name = "recurrence.linear"
    factors = operand_def(TensorType)
    summands = operand_def(TensorType)
    initial = opt_operand_def(TensorType)
    along = prop_def(IntegerAttr)
    start = opt_prop_def(FloatAttr)
    result = result_def(TensorType)

    def __init__(
        self, factors: SSAValue, summands: SSAValue, along: int, start: float | SSAValue
    ) -> None:
        assert isinstance(factors.type, TensorType)
        initial = number = None
        if isinstance(start, SSAValue):
            initial = start
        else:
            number = FloatAttr(start, factors.type.element_type)
        super().__init__(
            operands=[factors, summands, initial],
            properties={"along": IntegerAttr(along, i64), "start": number},
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
        if (self.initial is None) == (self.start is None):
            raise VerifyException("a recurrence starts from a number or from a tensor")
        if self.initial is None:
            return
        assert isinstance(self.initial.type, TensorType)
        shape = list(self.result.type.get_shape())
        del shape[self.dimension]
        expected = TensorType(self.result.type.element_type, shape)
        if self.initial.type != expected:
            raise VerifyException(f"the recurrence starts from a tensor of type {expected}")


RECURRENCE = Dialect("recurrence", [LinearOp])
