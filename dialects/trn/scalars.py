"""The scalar operand of element-wise instructions: a number, or one number per partition."""

from __future__ import annotations

from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import VerifyException

from .rules import (
    require,
    require_free_size,
    require_integer,
    require_same_partitions,
    require_vector,
)
from .types import BITWISE, UNARY, Operator

Scalar = SSAValue | float | Attribute | None


def require_scalar(
    role: str,
    operator: Operator,
    vector: SSAValue | None,
    immediate: Attribute | None,
    data: SSAValue,
) -> None:
    """An operator's second operand: f32 vector or f32 number; an integer for bitwise operators."""
    given = (vector is not None) + (immediate is not None)
    if operator in UNARY:
        require(given == 0, f"{role}: {operator} takes no second operand")
        return None
    require(given == 1, f"{role} must be a number or a vector, and not both")
    if vector is not None:
        if operator not in BITWISE:
            return require_vector(role, vector, data)
        require_same_partitions(role, vector, data)
        require_free_size(role, vector, 1)
        return require_integer(role, vector, 8, 16, 32)
    kind = IntegerAttr if operator in BITWISE else FloatAttr
    if not isinstance(immediate, kind):
        raise VerifyException(
            f"{role} of {operator} must be {'an integer' if kind is IntegerAttr else 'a float'}"
        )
    return None


def split_scalar(value: Scalar) -> tuple[SSAValue | None, Attribute | float | None]:
    """The vector operand and the immediate that a scalar stands for."""
    return (value, None) if isinstance(value, SSAValue) else (None, value)
