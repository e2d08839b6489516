"""The machine's number formats in NumPy, and how numbers are rounded to them.

=========  =======================================================================================
f32        IEEE binary32
tf32       binary32 with 10 bits of fraction, in 4 bytes
bf16       7 bits of fraction; f16: IEEE binary16
f8E4M3     IEEE-like, infinities, up to 240; f8E5M2: IEEE-like, up to 57344
integers   8, 16, 32 bits; signless ones are signed
=========  =======================================================================================

Floats are rounded half to even. A float becomes an integer by rounding half to even and clipping
to the range; NaN becomes 0 (the vendor documents no more than "cast").
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float8E4M3Type,
    Float8E5M2Type,
    Float16Type,
    Float32Type,
    FloatTF32Type,
    IntegerType,
)
from xdsl.ir import Attribute

from ...diagnostics import Diagnostic
from ...dialects.trn import is_unsigned

Array = NDArray[Any]
_FLOATS: dict[type[Attribute], np.dtype[Any]] = {
    Float32Type: np.dtype(np.float32),
    FloatTF32Type: np.dtype(np.float32),
    BFloat16Type: np.dtype(ml_dtypes.bfloat16),
    Float16Type: np.dtype(np.float16),
    Float8E4M3Type: np.dtype(ml_dtypes.float8_e4m3),
    Float8E5M2Type: np.dtype(ml_dtypes.float8_e5m2),
}
_TF32_DROPPED_BITS = 13


def numpy_type(element: Attribute) -> np.dtype[Any]:
    """The NumPy type that holds an element type; raises ``Diagnostic`` for one that none holds."""
    if type(element) in _FLOATS:
        return _FLOATS[type(element)]
    if isinstance(element, IntegerType) and element.width.data in (8, 16, 32):
        return np.dtype(f"{'u' if is_unsigned(element) else ''}int{element.width.data}")
    raise Diagnostic(f"element type {element}: not a number format of Trainium")


def to_float(array: Array) -> Array:
    """Elements as the engines see them: float32."""
    return array.astype(np.float32)


def round_to(values: Array, element: Attribute) -> Array:
    """Round float32 numbers, or integers that fit, to an element type."""
    target = numpy_type(element)
    if isinstance(element, FloatTF32Type):
        return round_to_tf32(values.astype(np.float32))
    if values.dtype == target:
        return values
    if target.kind not in "iu":
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(np.float32).astype(target)
    limits = np.iinfo(target)
    if values.dtype.kind in "iu":
        return np.clip(values, limits.min, limits.max).astype(target)
    rounded = np.nan_to_num(np.rint(values.astype(np.float64)), nan=0.0)
    return np.clip(rounded, limits.min, limits.max).astype(target)


def round_to_tf32(values: Array) -> Array:
    """Round float32 numbers to 10 bits of fraction, half to even."""
    bits = values.view(np.uint32)
    half = np.uint32((1 << (_TF32_DROPPED_BITS - 1)) - 1)
    odd = (bits >> np.uint32(_TF32_DROPPED_BITS)) & np.uint32(1)
    mask = np.uint32(0xFFFFFFFF << _TF32_DROPPED_BITS & 0xFFFFFFFF)
    rounded = ((bits + half + odd) & mask).view(np.float32)
    return np.where(np.isfinite(values), rounded, values)
