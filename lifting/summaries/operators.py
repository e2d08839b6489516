"""The functions of the summary language, with the lines that documentation and prompts show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects import math
from xdsl.dialects.builtin import Float32Type, IntegerType, f64, i1
from xdsl.ir import Attribute

from ...diagnostics import Diagnostic
from ..invariants.simplify import add as add_index
from ..invariants.simplify import compare, select, subtract
from ..invariants.terms import INDEX, Term
from . import reductions, scalars
from .values import Value, as_index, broadcast, common, converted, literal, scalar


@dataclass(frozen=True)
class Operator:
    """One function of the language."""

    about: str
    """How it is called, and what it gives."""
    apply: Callable[..., Value]
    least: int = 1
    most: int = 1
    """How many arguments it takes."""
    keywords: tuple[str, ...] = ()


Axis = int | None
Prepare = Callable[[Value], tuple[Value, reductions.Reduction]]


def _reduction(about: str, prepare: Prepare) -> Operator:
    def apply(value: Value, axis: Value | None = None) -> Value:
        return reductions.reduced(*_split(prepare(value), axis))

    return Operator(about, apply, 1, 2, ("axis",))


def _cumulative(about: str, prepare: Prepare) -> Operator:
    def apply(value: Value, axis: Value | None = None) -> Value:
        return reductions.accumulated(*_split(prepare(value), axis))

    return Operator(about, apply, 1, 2, ("axis",))


def _split(
    prepared: tuple[Value, reductions.Reduction], axis: Value | None
) -> tuple[Value, Axis, reductions.Reduction]:
    return prepared[0], number(axis), prepared[1]


def number(value: Value | None) -> int | None:
    """A literal integer; ``None`` for an argument that is left out."""
    if value is None:
        return None
    if not isinstance(value.literal, int):
        raise Diagnostic("an axis is written as a number")
    return value.literal


def _cast(type: Attribute, unsigned: bool = False) -> Callable[[Value], Value]:
    return lambda value: converted(value, type, unsigned)


def _filled(shape: Value | list[Value], value: Value) -> Value:
    extents = tuple(as_index(part) for part in _list(shape))
    return Value(value.type, extents, lambda _: value.scalar, value.unsigned)


def _list(value: Value | list[Value]) -> Sequence[Value]:
    return value if isinstance(value, list) else [value]


def _arange(value: Value) -> Value:
    return Value(INDEX, (as_index(value),), lambda i: i[0])


def transposed(value: Value) -> Value:
    """The array with its dimensions in the opposite order."""
    return Value(value.type, value.shape[::-1], lambda i: value.at(i[::-1]), value.unsigned)


def _concatenated(parts: list[Value]) -> Value:
    if len(parts) != 2 or any(part.rank != 1 for part in parts):
        raise Diagnostic("concatenate takes two vectors: concatenate((a, b))")
    left, right = common(*parts)
    first = left.shape[0]

    def at(places: tuple[Term, ...]) -> Term:
        behind = right.at((subtract(places[0], first),))
        return select(compare("slt", places[0], first), left.at(places), behind)

    return Value(left.type, (add_index(first, right.shape[0]),), at, left.unsigned)


def _length(value: Value) -> Value:
    if not value.rank:
        raise Diagnostic("len needs an array")
    return scalar(value.shape[0])


def _clipped(value: Value, low: Value, high: Value) -> Value:
    return scalars.extreme(False, scalars.extreme(True, value, low), high)


def _where(condition: Value, then: Value, otherwise: Value) -> Value:
    broadcast(condition, then, otherwise)
    return scalars.chosen(condition, then, otherwise)


f32 = Float32Type()
OPERATORS: Mapping[str, Operator] = {
    "sum": _reduction("sum(x, axis=k): in order, from 0; all of x without axis", reductions.summed),
    "prod": _reduction("prod(x, axis=k): product, from 1", reductions.multiplied),
    "max": _reduction(
        "max(x, axis=k): s = x[0]; then s = x[k] if x[k] > s else s",
        lambda v: reductions.extremes(v, larger=True),
    ),
    "min": _reduction(
        "min(x, axis=k): likewise with <", lambda v: reductions.extremes(v, larger=False)
    ),
    "any": _reduction(
        "any(c, axis=k): whether one is not 0", lambda v: reductions.any_or_all(v, is_any=True)
    ),
    "all": _reduction(
        "all(c, axis=k): whether none is 0", lambda v: reductions.any_or_all(v, is_any=False)
    ),
    "count_nonzero": _reduction("count_nonzero(c, axis=k): how many are not 0", reductions.counted),
    "cumsum": _cumulative("cumsum(x, axis=k): sums of x[0..i]", reductions.summed),
    "cumprod": _cumulative("cumprod(x, axis=k): products of x[0..i]", reductions.multiplied),
    "cummax": _cumulative(
        "cummax(x, axis=k): max of x[0..i]", lambda v: reductions.extremes(v, larger=True)
    ),
    "cummin": _cumulative(
        "cummin(x, axis=k): min of x[0..i]", lambda v: reductions.extremes(v, larger=False)
    ),
    "argmax": Operator(
        "argmax(x, axis=k): subscript of the first largest element (compared with >)",
        lambda v, axis=None: reductions.first_extreme(v, number(axis), True),
        1,
        2,
        ("axis",),
    ),
    "argmin": Operator(
        "argmin(x, axis=k): subscript of the first smallest element",
        lambda v, axis=None: reductions.first_extreme(v, number(axis), False),
        1,
        2,
        ("axis",),
    ),
    "first": Operator(
        "first(c, default): the first k with c[k], else default", reductions.first_place, 2, 2
    ),
    "where": Operator("where(c, x, y): x where c holds, else y", _where, 3, 3),
    "minimum": Operator(
        "minimum(x, y): element by element; keeps NaN",
        lambda a, b: scalars.extreme(False, a, b),
        2,
        2,
    ),
    "maximum": Operator(
        "maximum(x, y): element by element; keeps NaN",
        lambda a, b: scalars.extreme(True, a, b),
        2,
        2,
    ),
    "fmin": Operator(
        "fmin(x, y): a number wins over NaN", lambda a, b: scalars.float_extreme(False, a, b), 2, 2
    ),
    "fmax": Operator(
        "fmax(x, y): a number wins over NaN", lambda a, b: scalars.float_extreme(True, a, b), 2, 2
    ),
    "clip": Operator("clip(x, low, high): minimum(maximum(x, low), high)", _clipped, 3, 3),
    "abs": Operator("abs(x)", scalars.absolute),
    "trunc_div": Operator(
        "trunc_div(a, b): C's a / b of integers, rounded toward zero",
        lambda a, b: scalars.integer_binary(scalars.quotient, a, b),
        2,
        2,
    ),
    "fmod": Operator(
        "fmod(a, b): C's a % b of integers, with the sign of a",
        lambda a, b: scalars.integer_binary(scalars.remainder, a, b),
        2,
        2,
    ),
    **{
        name: Operator(f"{name}(x): of a float", scalars.elementary(operation))
        for name, operation in {
            "sqrt": math.SqrtOp,
            "exp": math.ExpOp,
            "log": math.LogOp,
            "tanh": math.TanhOp,
            "floor": math.FloorOp,
            "ceil": math.CeilOp,
            "trunc": math.TruncOp,
            "rint": math.RoundEvenOp,
        }.items()
    },
    "transpose": Operator("transpose(x), x.T: dimensions in the opposite order", transposed),
    "arange": Operator("arange(n): 0, 1, …, n - 1", _arange),
    "zeros": Operator("zeros(shape): int32", lambda shape: _filled(shape, literal(0))),
    "full": Operator("full(shape, value)", _filled, 2, 2),
    "concatenate": Operator("concatenate((x, y)): of two vectors", _concatenated),
    "len": Operator("len(x), x.shape[k]: extents", _length),
    "bool": Operator("bool(x): whether it is not 0", _cast(i1)),
    **{
        f"{sign}int{bits}": Operator(
            f"{sign}int{bits}(x): C cast; integers wrap", _cast(IntegerType(bits), bool(sign))
        )
        for bits in (8, 16, 32, 64)
        for sign in ("", "u")
    },
    "float32": Operator("float32(x): C cast", _cast(f32)),
    "float64": Operator("float64(x): C cast", _cast(f64)),
}
BINDING = {
    "fold": "fold(lambda k, s: next, range(lo, hi), start): s after all k in order; several states:"
    " fold(lambda k, s, t: (next_s, next_t), range(lo, hi), (start_s, start_t))[0]",
    "scan": "scan(…): as fold, but the states after each k, as a vector",
    "array": "array(lambda i, j: value, (m, n)): the array with these elements",
}
"""The functions that bind names."""


def reference_lines() -> str:
    """One line for each function."""
    return "\n".join([*(op.about for op in OPERATORS.values()), *BINDING.values()])
