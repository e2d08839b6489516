"""The functions of ``<math.h>`` and ``<stdlib.h>`` that kernels may call.

Each has a double version and, with the suffix ``f``, a float version; the integer ones are listed
by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, math
from xdsl.ir import Operation, SSAValue

from .types import DOUBLE, FLOAT, INT, LONG, CFloat, CScalar


@dataclass(frozen=True)
class LibraryFunction:
    """A function of the C library: its parameter and result types, and the operation it is."""

    parameters: tuple[CScalar, ...]
    operation: Callable[..., Operation]
    computed: CScalar
    """The type in which ``operation`` computes."""
    result: CScalar
    """The type that the function returns; a conversion follows if it differs."""


def _round_half_away(operand: SSAValue) -> Operation:
    return math.RoundOp(operand)


_REAL_UNARY: dict[str, Callable[[SSAValue], Operation]] = {
    # rint and nearbyint round as the current mode says; kernels run in the default one, to even.
    "rint": math.RoundEvenOp,
    "nearbyint": math.RoundEvenOp,
    "roundeven": math.RoundEvenOp,
    "round": _round_half_away,
    "floor": math.FloorOp,
    "ceil": math.CeilOp,
    "trunc": math.TruncOp,
    "fabs": math.AbsFOp,
    "sqrt": math.SqrtOp,
    "cbrt": math.CbrtOp,
    "exp": math.ExpOp,
    "exp2": math.Exp2Op,
    "expm1": math.ExpM1Op,
    "log": math.LogOp,
    "log2": math.Log2Op,
    "log10": math.Log10Op,
    "log1p": math.Log1pOp,
    "sin": math.SinOp,
    "cos": math.CosOp,
    "tan": math.TanOp,
    "asin": math.AsinOp,
    "acos": math.AcosOp,
    "atan": math.AtanOp,
    "sinh": math.SinhOp,
    "cosh": math.CoshOp,
    "tanh": math.TanhOp,
    "erf": math.ErfOp,
}
_REAL_BINARY: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "fmin": arith.MinnumfOp,
    "fmax": arith.MaxnumfOp,
    "pow": math.PowFOp,
    "atan2": math.Atan2Op,
    "copysign": math.CopySignOp,
}
_TO_LONG: dict[str, Callable[[SSAValue], Operation]] = {
    "lrint": math.RoundEvenOp,
    "llrint": math.RoundEvenOp,
    "lround": _round_half_away,
    "llround": _round_half_away,
}


def _library() -> dict[str, LibraryFunction]:
    functions: dict[str, LibraryFunction] = {
        "abs": LibraryFunction((INT,), math.AbsIOp, INT, INT),
        "labs": LibraryFunction((LONG,), math.AbsIOp, LONG, LONG),
        "llabs": LibraryFunction((LONG,), math.AbsIOp, LONG, LONG),
    }
    for suffix, kind in (("", DOUBLE), ("f", FLOAT)):
        for name, operation in _REAL_UNARY.items():
            functions[name + suffix] = LibraryFunction((kind,), operation, kind, kind)
        for name, operation in _REAL_BINARY.items():
            functions[name + suffix] = LibraryFunction((kind, kind), operation, kind, kind)
        for name, operation in _TO_LONG.items():
            functions[name + suffix] = LibraryFunction((kind,), operation, kind, LONG)
        functions["fma" + suffix] = LibraryFunction((kind, kind, kind), math.FmaOp, kind, kind)
    return functions


LIBRARY = _library()
"""The library functions by name."""

EXTREMA = ("max", "min")
"""Functions of ``<algorithm>``, for operands of any arithmetic type."""


def overloaded(name: str, arguments: Sequence[CScalar]) -> str:
    """Return the C function that a call of ``name`` means in C++, where ``<cmath>`` overloads it.

    Functions of ``float`` are computed in ``float``, and ``abs`` is defined for them, too.
    """
    are_real = [isinstance(kind, CFloat) for kind in arguments]
    if name == "abs" and all(are_real) and arguments:
        name = "fabs"
    all_single = all(kind == FLOAT for kind in arguments) and bool(arguments)
    return f"{name}f" if all_single and f"{name}f" in LIBRARY else name
