"""Tensors with zeros around them, for reads that reach over the border."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    TensorType,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import SSAValue

from ..loops.solve import Subscripts
from .slices import insert_slice

if TYPE_CHECKING:
    from .emit import TensorEmitter


def pad_with_zeros(
    emitter: TensorEmitter,
    value: SSAValue,
    sizes: Subscripts,
    before: Subscripts,
    extents: Subscripts,
) -> SSAValue:
    """Return a tensor of ``extents`` that is 0 but for ``value``.

    ``value`` has the extents ``sizes`` and begins at ``before``.
    """
    assert isinstance(value.type, TensorType)
    type = value.type.element_type
    empty = emitter.empty(type, extents)
    is_float = isinstance(type, Float32Type | Float64Type)
    number = FloatAttr(0.0, type) if is_float else IntegerAttr(0, type)
    zero = emitter.insert(arith.ConstantOp(number))
    filled = emitter.insert(linalg.FillOp((zero,), (empty,), (empty.type,)))
    return insert_slice(emitter, value, filled, before, sizes, (1,) * len(sizes))
