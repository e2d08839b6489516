"""Limits on text from outside, checked before any parser sees it."""

from __future__ import annotations

from ..diagnostics import Diagnostic

MAX_BYTES = 256 << 10
"""Bytes of a proposed program; emitted programs for large kernels have about ten thousand."""
MAX_NESTING = 100
"""Brackets that may be open at once: parsers recurse, and so must be bounded."""
OPENING, CLOSING = "([{", ")]}"


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
