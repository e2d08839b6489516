"""Texts of values: those that a kernel makes, as names and keys, and those of diagnostics."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from .index import Index
from .values import (
    Array,
    Dtype,
    Function,
    Grid,
    Library,
    LoopRange,
    Mask,
    Method,
    Named,
    View,
)

MAX_TEXT = 1 << 12
"""Characters of a text that is put together, and the widest column of a format."""
_CONVERSIONS = {ord("s"): str, ord("r"): repr, ord("a"): ascii}


@dataclass(frozen=True)
class Label:
    """A text that can name or report something, but not be compared: it is not known in full."""

    loop: ast.AST | None = None
    """The loop whose variable the text holds, if that is all that is not known."""


def formatted(value: Any, conversion: int = -1, specification: str = "") -> str | Label:
    """``{value!r:>8}`` of an f-string; raises ``ValueError`` for a format that Python refuses."""
    if isinstance(value, Label):
        return value
    if isinstance(value, Index):
        return Label(value.innermost.loop)
    if isinstance(value, Dtype):
        value = value.name
    widths = re.findall(r"[0-9]+", specification)
    if not _is_plain(value) or any(len(one) > 4 or int(one) > MAX_TEXT for one in widths):
        return Label()
    text = format(_CONVERSIONS.get(conversion, lambda one: one)(value), specification)
    return text if len(text) <= MAX_TEXT else Label()


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(one) for one in value)
    return value is None or isinstance(value, str | int | float)


def joined(parts: list[str | Label]) -> str | Label:
    """The parts as one text, which is known if all are."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return formatted("".join(texts))
    return next(part for part in parts if isinstance(part, Label))


def describe(value: Any) -> str:
    """A value in the words of a diagnostic."""
    if isinstance(value, View):
        sizes = "×".join(map(str, value.shape))
        return f"a tile of {sizes} {value.dtype.name} in {value.space.value.upper()}"
    names: dict[type[Any], str] = {
        Grid: "an index tile",
        Mask: "a mask",
        Index: "a loop index",
        Function: "a function",
        Array: "an array",
        LoopRange: "a range",
        type(None): "None",
        Method: "a method",
    }
    if isinstance(value, Named | Library):
        return str(value)
    if isinstance(value, Dtype):
        return value.name
    return names.get(type(value)) or f"{type(value).__name__} {str(value)[:40]!r}"
