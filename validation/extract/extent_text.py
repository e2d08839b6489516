"""Reads array extents such as ``n``, ``h + 2`` or ``m * n - 1``, as the C front end writes them."""

from __future__ import annotations

import re

_TERM = re.compile(r"\s*([+-])?\s*([^+-]+)")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")

Terms = tuple[tuple[tuple[str, ...], int], ...]
"""Products of parameters, by name, with their coefficients; ``()`` is the constant 1."""


def parse_extent(text: str) -> Terms | None:
    """Return the terms of the sum of products ``text``; ``None`` if it is none."""
    terms: list[tuple[tuple[str, ...], int]] = []
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or (position > 0 and match[1] is None):
            return None
        coefficient = -1 if match[1] == "-" else 1
        names: list[str] = []
        for factor in (part.strip() for part in match[2].split("*")):
            if factor.isdecimal():
                coefficient *= int(factor)
            elif _NAME.fullmatch(factor):
                names.append(factor)
            else:
                return None
        terms.append((tuple(names), coefficient))
        position = match.end()
    return tuple(terms) if terms else None
