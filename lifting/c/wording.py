"""Small helpers for the texts of diagnostics."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return "1 argument", "2 arguments", ..."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
