"""Minima and maxima of IEEE floats in Z3 (trusted core)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import z3


def _extreme(larger: bool, keeps_nan: bool) -> Callable[[Any, Any], Any]:
    """Minimum or maximum, -0 below +0; of a number and a NaN either the NaN or the number."""

    def rule(a: Any, b: Any) -> Any:
        first, second = (b, a) if larger else (a, b)
        zero = z3.If(z3.fpIsNegative(a) if larger else z3.fpIsPositive(a), b, a)
        ordered = z3.If(z3.fpLT(a, b), first, z3.If(z3.fpLT(b, a), second, zero))
        if keeps_nan:
            nan = z3.fpNaN(a.sort())
            return z3.If(z3.Or(z3.fpIsNaN(a), z3.fpIsNaN(b)), nan, ordered)
        return z3.If(z3.fpIsNaN(a), b, z3.If(z3.fpIsNaN(b), a, ordered))

    return rule


FLOAT_EXTREMES = {
    "maximumf": _extreme(larger=True, keeps_nan=True),
    "minimumf": _extreme(larger=False, keeps_nan=True),
    "maxnumf": _extreme(larger=True, keeps_nan=False),
    "minnumf": _extreme(larger=False, keeps_nan=False),
}
"""By the name of the operation in ``arith``: IEEE 754-2019 maximum and maximumNumber, and so on."""
