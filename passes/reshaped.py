"""Subscripts of arrays that a kernel sees with dimensions split, as in ``x[g * 16 + k]``."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import tensor
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, TensorType
from xdsl.ir import SSAValue

from .coalesce import Form
from .loop_items import plus, times


def whole_array(value: SSAValue, forms: Sequence[Form]) -> tuple[SSAValue, list[Form]]:
    """An array that was seen with some dimensions split, and the subscripts of the array itself."""
    found = list(forms)
    while isinstance(owner := value.owner, tensor.ExpandShapeOp):
        found = _joined(owner.reassociation, value, found)
        value = owner.src
    return value, found


def split_result(value: SSAValue) -> tuple[SSAValue, list[tensor.CollapseShapeOp]]:
    """What is computed with dimensions split, and what joins them, the innermost first."""
    joins: list[tensor.CollapseShapeOp] = []
    while isinstance(owner := value.owner, tensor.CollapseShapeOp):
        joins.insert(0, owner)
        value = owner.src
    return value, joins


def joined_subscripts(join: tensor.CollapseShapeOp, forms: Sequence[Form]) -> list[Form]:
    """The subscripts of an array whose dimensions ``join`` has joined."""
    return _joined(join.reassociation, join.src, forms)


def _joined(groups: ArrayAttr, split: SSAValue, forms: Sequence[Form]) -> list[Form]:
    assert isinstance(split.type, TensorType)
    extents = split.type.get_shape()
    found: list[Form] = []
    for group in groups:
        assert isinstance(group, ArrayAttr)
        total: Form = {}
        for number in group:
            assert isinstance(number, IntegerAttr)
            place = number.value.data
            total = plus(times(total, extents[place]), forms[place])
        found.append(total)
    return found
