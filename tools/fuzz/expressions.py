"""Random integer expressions in C."""

from __future__ import annotations

from random import Random

TYPES = ("int8_t", "int16_t", "int32_t")
LIMITS = {
    "int8_t": (-128, 127),
    "int16_t": (-32768, 32767),
    "int32_t": (-2147483647, 2147483647),
}


def expression(rng: Random, values: list[str], depth: int) -> str:
    """An expression over ``values`` and small constants, as deep as ``depth``.

    Only values are multiplied, not expressions: equality of 32-bit polynomials of higher degree
    under selections takes a solver minutes, and teaches nothing about the validator.
    """
    if depth == 0:
        if rng.random() < 0.8:
            return rng.choice(values)
        return str(rng.choice((1, 2, 3, 7, 100)))
    left, right = (expression(rng, values, depth - 1) for _ in range(2))
    match rng.randrange(12):
        case 0 | 1 | 2:
            return f"({left} + {right})"
        case 3:
            return f"({left} - {right})"
        case 4 | 5 | 6:
            return f"({rng.choice(values)} * {rng.choice([*values, '3', '7'])})"
        case 7:
            return f"MAX({left}, {right})"
        case 8:
            return f"MIN({left}, {right})"
        case 9:
            return f"({left} >> {rng.choice((1, 2, 5))})"
        case 10:
            return f"({left} {rng.choice('&|^')} {right})"
        case _:
            return f"({left} {rng.choice(('<', '>', '<=', '=='))} {right} ? {left} : {right})"


def saturated(value: str, kind: str) -> str:
    """The value, limited to the range of an element type."""
    low, high = LIMITS[kind]
    return f"MIN(MAX({value}, {low}), {high})"
