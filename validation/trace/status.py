"""How the execution of a command ends, and how that reads."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from ..compiled import inner


class Status(IntEnum):
    """``DONE``, or why a command has no defined effect; ``check`` has caught all other reasons."""

    DONE = 0
    UNDEFINED_SPAD = 1
    UNDEFINED_ACCUMULATOR = 2
    NO_ROOM = 3
    TOO_MANY_CHAINS = 4
    SUMS_AS_WEIGHTS = 5


@inner
def fail(unit: Any, status: int, index: int, row: int, column: int) -> int:
    """Note the command and the cell where it went wrong."""
    unit.error_index = index
    unit.error_row = row
    unit.error_column = column
    return status


def explain(status: Status, row: int, column: int) -> str:
    """The ending as a sentence about the command."""
    match status:
        case Status.UNDEFINED_SPAD:
            return f"reads scratchpad row {row}, column {column}, which nothing has written"
        case Status.UNDEFINED_ACCUMULATOR:
            return f"reads accumulator row {row}, column {column}, which nothing has written"
        case Status.TOO_MANY_CHAINS:
            return "too many different sequences of value transforms"
        case Status.SUMS_AS_WEIGHTS:
            return "output-stationary sums used as weights"
        case Status.DONE | Status.NO_ROOM:
            return ""
