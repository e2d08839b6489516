"""Limits on text from outside, checked before any parser sees it."""

from __future__ import annotations

import re

from ..diagnostics import Diagnostic

MAX_BYTES = 256 << 10
"""Bytes of a proposed program; emitted programs for large kernels have about ten thousand."""
MAX_NESTING = 100
"""Brackets that may be open at once: parsers recurse, and so must be bounded."""
OPENING, CLOSING = "([{", ")]}"
_ALIAS = re.compile(r"[#!][A-Za-z0-9_$.-]+\s*=")
_BULKY = re.compile(r"\b(dense|dense_resource|sparse|opaque|tensor|vector|tuple)\s*<|\{-#")


def check_text(text: str, what: str) -> None:
    """Raise ``Diagnostic`` for text that is too large, nested too deeply, or no text."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise Diagnostic(f"the {what} is over {MAX_BYTES >> 10} KiB")
    if not text.strip():
        raise Diagnostic(f"the {what} is empty")
    odd = next((c for c in text if not c.isprintable() and c not in "\n\r\t"), None)
    if odd is not None:
        raise Diagnostic(f"the {what} holds the character U+{ord(odd):04X}")
    depth = 0
    for character in text:
        if character in OPENING:
            depth += 1
            if depth > MAX_NESTING:
                raise Diagnostic(f"the {what} has over {MAX_NESTING} open brackets")
        elif character in CLOSING:
            depth -= 1


def check_mlir(text: str, what: str) -> None:
    """Raise ``Diagnostic`` for MLIR text that is small but may stand for something enormous.

    Aliases of aliases double what they stand for with each line, and one element can fill any
    tensor. Programs for the machine need neither.
    """
    check_text(text, what)
    if found := _ALIAS.search(text):
        raise Diagnostic(f"the {what} defines an alias: {found.group()!r:.60}")
    if found := _BULKY.search(text):
        raise Diagnostic(f"the {what} has {found.group()!r}, which is not admitted")
