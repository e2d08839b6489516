"""The values and types of C's numbers and character constants (C17 6.4.4)."""

from __future__ import annotations

import re

import numpy as np

from ...diagnostics import Diagnostic, SourceLocation
from .syntax import Literal
from .types import DOUBLE, FLOAT, INT, LONG, UNSIGNED_INT, UNSIGNED_LONG, CInteger

_INTEGER = re.compile(r"(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)([uU]?[lL]{0,2}[uU]?)")
_FLOATING = re.compile(r"([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?([fFlL]?)")
_HEX_FLOATING = re.compile(
    r"(0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)([fF]?)"
)
_DIGITS_LIMIT = 400
"""Characters of a number; longer ones have no value in any C type."""
_ESCAPES = {
    "n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11, "\\": 92, "'": 39, '"': 34,
}  # fmt: skip


def number_literal(spelling: str, location: SourceLocation) -> Literal:
    """Return the value and the type of a number. Raises Diagnostic if it is not one of C's."""
    if len(spelling) > _DIGITS_LIMIT:
        raise Diagnostic("this number is too long", location)
    if match := _INTEGER.fullmatch(spelling):
        return _integer(match[1], match[2].lower(), spelling, location)
    if match := _FLOATING.fullmatch(spelling):
        value = float(match[1] + (match[2] or ""))
        return _floating(value, match[3].lower(), spelling, location)
    if match := _HEX_FLOATING.fullmatch(spelling):
        return _floating(float.fromhex(match[1]), match[2].lower(), spelling, location)
    raise Diagnostic(
        f"'{spelling}' is not a valid number", location, hint="examples: 12, 0x1fu, 1.5f, 2e-3"
    )


def character_literal(spelling: str, location: SourceLocation) -> Literal:
    """Return the value of a character constant such as ``'a'``, of type int."""
    body = spelling[1:-1]
    if len(body) == 1 and body.isascii():
        return Literal(location, ord(body), INT)
    if len(body) == 2 and body[0] == "\\" and body[1] in _ESCAPES:
        return Literal(location, _ESCAPES[body[1]], INT)
    if match := re.fullmatch(r"\\x([0-9a-fA-F]{1,2})", body):
        return Literal(location, CInteger(8, signed=True).wrap(int(match[1], 16)), INT)
    raise Diagnostic(f"character constant {spelling} is not supported", location)


def round_to_float(value: float) -> float:
    """Return ``value`` rounded to the nearest ``float``, ties to even; infinite if too large."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _integer(digits: str, suffix: str, spelling: str, location: SourceLocation) -> Literal:
    """Choose the first type of C17 6.4.4.1 table 5 that holds the value."""
    if digits[:2].lower() in ("0x", "0b"):
        base, decimal = (16 if digits[1] in "xX" else 2), False
    else:
        base, decimal = (8 if digits[0] == "0" and len(digits) > 1 else 10), digits[0] != "0"
    value = int(digits, base)
    kinds = [INT, UNSIGNED_INT, LONG, UNSIGNED_LONG]
    if "u" in suffix:
        kinds = [kind for kind in kinds if not kind.signed]
    elif decimal:
        kinds = [kind for kind in kinds if kind.signed]
    if "l" in suffix:
        kinds = [kind for kind in kinds if kind.bits == LONG.bits]
    for kind in kinds:
        if kind.holds(value, value):
            return Literal(location, value, kind)
    raise Diagnostic(f"'{spelling}' does not fit any integer type", location)


def _floating(value: float, suffix: str, spelling: str, location: SourceLocation) -> Literal:
    if suffix == "l":
        raise Diagnostic(
            f"'{spelling}' is a long double, which is not supported",
            location,
            hint="use float (suffix f) or double (no suffix)",
        )
    if suffix == "f":
        return Literal(location, round_to_float(value), FLOAT)
    return Literal(location, value, DOUBLE)
