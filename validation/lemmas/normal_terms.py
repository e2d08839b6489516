"""Small terms in normal form, and the order of operands (trusted core)."""

from __future__ import annotations

import math

from ..core.terms import Term, constant_value, leaves, term

WHOLE_OPERATIONS = {"roundeven": "nearest", "floor": "floor_int", "ceil": "ceil_int"}
"""Float operations with a whole result, and the integer operations that give the same number."""


LIMITS = {
    **dict.fromkeys(("minf", "minimumf", "minnumf"), "min"),
    **dict.fromkeys(("maxf", "maximumf", "maxnumf"), "max"),
}
"""Limits of floats, and what they are of finite whole numbers, which have one zero only."""


def integer(value: int) -> Term:
    """A mathematical integer."""
    return term("constant", "int", payload=value)


def number(value: float, type: str) -> Term:
    return term("constant", type, payload=float(value))


def kept_bits(value: Term) -> int:
    """How many bits a ``wrap`` or ``low_bits`` keeps."""
    assert isinstance(value.payload, int)
    return value.payload


def has_conversion(value: Term) -> bool:
    """Whether a value that may not fit is converted somewhere in the term."""
    return any(leaves(value, operation) for operation in ("fptosi", "fptoui", "wrap", "low_bits"))


def is_limited(value: Term, kind: str, inner: Term, bound: float) -> bool:
    """Whether ``value`` is ``kind(inner, limit)`` with a limit on the far side of ``bound``."""
    if value.operation != kind or value.operands[0] is not inner:
        return False
    limit = constant_value(value.operands[1])
    return limit is not None and (limit <= bound if kind == "max" else limit >= bound)


def never_minus_zero(value: Term) -> bool:
    """Whether a float is known not to be -0: a converted integer, or limits of such."""
    known = constant_value(value)
    if known is not None:
        return math.copysign(1.0, known) > 0 or known != 0
    if value.operation in ("extf", "minf", "maxf"):
        return all(map(never_minus_zero, value.operands))
    return value.operation == "to_float"


_KEYS: dict[tuple[Term, bool], str] = {}


def order_key(value: Term, *, numbered: bool = False) -> str:
    """A text by which operands are sorted: constants last, slots without their number.

    Numbers of slots are names within one value. ``numbered`` is for values that share their slots.
    """
    found = _KEYS.get((value, numbered))
    if found is None:
        inner = ",".join(order_key(operand, numbered=numbered) for operand in value.operands)
        is_slot = value.operation == "slot" and not numbered
        payload = value.payload[:2] if is_slot else value.payload  # pyright: ignore
        first = "~" if value.operation == "constant" else ""
        found = f"{first}{value.operation}:{value.type}({inner}){payload}"
        _KEYS[value, numbered] = found
    return found
