"""The shapes and values of a kernel's parameters, which its text alone does not give.

Each array parameter needs one text such as ``128x512:bf16`` (without a type: float32), from
``--shape name=128x512:bf16`` or as the parameter's annotation, ``def kernel(a: "128x512:bf16")``.
Others take their default, or a number, text or tuple given in the same way: ``--shape eps=1e-5``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from ...diagnostics import Diagnostic
from .values import DTYPES, Dtype

SHAPE = re.compile(r"([0-9]+(?:x[0-9]+)*)(?::([A-Za-z0-9_]+))?")
MAX_ELEMENTS = 1 << 40
SCALARS = frozenset(("bool", "float", "int", "str"))
"""Annotations of parameters that are no arrays."""
HINT = 'give shapes such as --shape a=128x512:bf16, or def kernel(a: "128x512:bf16")'


LONGEST_LITERAL = 1000


@dataclass(frozen=True)
class ArrayShape:
    """Sizes and element type of an array parameter."""

    shape: tuple[int, ...]
    dtype: Dtype


Argument = ArrayShape | int | float | bool | str | tuple[Any, ...] | None


def parse_argument(text: str, where: str) -> Argument:
    """Read ``128x512:bf16`` as a shape; ``7``, ``True``, ``'relu'`` or ``(3, 4)`` as a value."""
    text = text.strip()
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    if text[:1] in ("'", '"', "("):
        return _literal(text, where)
    match = SHAPE.fullmatch(text)
    if match is not None and ("x" in text or ":" in text):
        shape = tuple(int(size) for size in match[1].split("x"))
        dtype = DTYPES.get(match[2] or "float32")
        if dtype is None:
            raise Diagnostic(f"{where}: unknown element type {match[2]!r}", hint=_known_types())
        elements = 1
        for size in shape:
            elements *= size
        if not 0 < elements <= MAX_ELEMENTS:
            raise Diagnostic(f"{where}: {text!r} has {elements} elements")
        return ArrayShape(shape, dtype)
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise Diagnostic(f"{where}: {text!r} is no shape and no number", hint=HINT) from None


def _literal(text: str, where: str) -> str | tuple[Any, ...]:
    """A text, or a tuple of literals; parsed, never executed."""
    try:
        value = ast.literal_eval(text) if len(text) <= LONGEST_LITERAL else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        value = None
    if not isinstance(value, str | tuple):
        raise Diagnostic(f"{where}: {text[:40]!r} is no text and no tuple", hint=HINT)
    return value


def array_shape(shape: tuple[int, ...], element: str) -> ArrayShape | None:
    """The shape for sizes and an element type of MLIR; None for one that the machine lacks."""
    dtype = DTYPES.get(element)
    return None if dtype is None else ArrayShape(shape, dtype)


def parse_shapes(options: list[str]) -> dict[str, Argument]:
    """Read ``name=shape`` options."""
    arguments: dict[str, Argument] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals or not name.isidentifier():
            raise Diagnostic(f"--shape {option}: expected name=shape", hint=HINT)
        if name in arguments:
            raise Diagnostic(f"--shape {option}: {name} is given twice")
        arguments[name] = parse_argument(text, f"--shape {option}")
    return arguments


def _known_types() -> str:
    return "known: " + ", ".join(sorted(DTYPES))
