"""Exit statuses of the command lines: a contract that scripts rest on."""

from __future__ import annotations

ACCEPTED = 0
REJECTED = 1
"""Refuted, or rejected with a diagnostic."""
USAGE = 2
UNKNOWN = 3
"""Undecided, or a resource limit was met."""

EXIT_OF_VERDICT = {"proved": ACCEPTED, "refuted": REJECTED, "unknown": UNKNOWN}
