"""What is known of a rewrite rule that was proved: plain text, so that it can be kept and sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProvenRule:
    """A rule that was proved for all operands."""

    name: str
    text: str
    """The rule on one line, as ``apply-proven-rule`` takes it."""
    types: tuple[str, ...] = ()
    """The choices of open types for which it is proved; empty where none is open."""
    assumptions: tuple[str, ...] = ()
    obligations: int = 0
    """Queries that Z3 answered."""
    is_closed: bool = True
    """Whether it is proved for all that it matches; else for each match, as it is applied."""
