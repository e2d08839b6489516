"""Read an input that a kernel surrounds with zeros, as lifting writes padded convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, TensorType
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import SSAValue

from .coalesce import Form
from .kernel import refusal


@dataclass(frozen=True)
class Padded:
    """A tensor that may lie within a larger one of zeros."""

    inside: SSAValue
    offsets: tuple[int, ...]
    """Zeros in front of the tensor, by dimension."""
    border: frozenset[int]
    """Dimensions with zeros in front or behind."""

    def subscripts(self, outside: Sequence[Form]) -> list[Form]:
        """Subscripts of the inner tensor from those of the larger one."""
        return [
            {**form, None: form.get(None, 0) - offset} if offset else form
            for form, offset in zip(outside, self.offsets, strict=True)
        ]


def read_padded(value: SSAValue) -> Padded:
    """``value``, or what it surrounds with zeros; refuses other insertions."""
    owner = value.owner
    if not isinstance(owner, tensor.InsertSliceOp):
        assert isinstance(value.type, TensorType)
        return Padded(value, (0,) * len(value.type.get_shape()), frozenset())
    inner, outer = owner.source.type, owner.result.type
    assert isinstance(inner, TensorType)
    assert isinstance(outer, TensorType)
    sizes, offsets = owner.static_sizes.get_values(), owner.static_offsets.get_values()
    dynamic = owner.offsets or owner.sizes or owner.strides
    if dynamic or tuple(sizes) != inner.get_shape() or set(owner.static_strides.get_values()) > {1}:
        raise refusal(owner, "an array can be surrounded with zeros, but not taken in pieces")
    around = owner.dest.owner
    if not isinstance(around, FillOp) or not is_zero(around.operands[0]):
        raise refusal(owner, "an array can be surrounded with zeros only")
    shapes = zip(inner.get_shape(), outer.get_shape(), strict=True)
    border = frozenset(d for d, (inside, whole) in enumerate(shapes) if inside != whole)
    return Padded(owner.source, tuple(map(int, offsets)), border)


def is_zero(value: SSAValue) -> bool:
    """Whether ``value`` is the constant zero."""
    owner = value.owner
    if not isinstance(owner, arith.ConstantOp):
        return False
    number = owner.value
    return isinstance(number, IntegerAttr | FloatAttr) and number.value.data == 0
