"""How the execution of a command ends, and how that reads."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numba


class Status(IntEnum):
    """``DONE``, or why a command has no defined effect."""

    DONE = 0
    OUTSIDE_SPAD = 1
    OUTSIDE_ACCUMULATOR = 2
    OUTSIDE_ARRAYS = 3
    UNDEFINED_SPAD = 4
    UNDEFINED_ACCUMULATOR = 5
    UNDEFINED_ARRAY = 6
    NO_PRELOAD = 7
    TOO_LARGE = 8
    ACCUMULATOR_OPERAND = 9
    NO_ROOM = 10
    TOO_MANY_CHAINS = 11
    SUMS_AS_WEIGHTS = 12


LIMITS = (Status.TOO_MANY_CHAINS, Status.SUMS_AS_WEIGHTS)
"""Endings that say nothing about the stream: the verdict is ``unknown``."""


@numba.njit
def fail(unit: Any, status: int, row: int, detail: int) -> int:
    """Note the row or address where it went wrong, and a column or size."""
    unit.error_row = row
    unit.error_detail = detail
    return status


def explain(status: Status, row: int, detail: int) -> str:
    """The ending as a sentence fragment about the command."""
    match status:
        case Status.OUTSIDE_SPAD:
            return f"scratchpad row {row} or column {detail} does not exist"
        case Status.OUTSIDE_ACCUMULATOR:
            return f"accumulator row {row} does not exist"
        case Status.OUTSIDE_ARRAYS:
            return f"the {detail} bytes from {row:#x} on are not all inside one array"
        case Status.UNDEFINED_SPAD:
            return f"reads scratchpad row {row}, column {detail}, which was never written"
        case Status.UNDEFINED_ACCUMULATOR:
            return f"reads accumulator row {row}, column {detail}, which was never written"
        case Status.UNDEFINED_ARRAY:
            return "computes with an array that holds nothing yet"
        case Status.NO_PRELOAD:
            return "computes without a preload"
        case Status.TOO_LARGE:
            return "moves or computes more rows or columns than the machine can"
        case Status.ACCUMULATOR_OPERAND:
            return "takes an operand from the accumulator"
        case Status.TOO_MANY_CHAINS:
            return "too many different sequences of value transforms"
        case Status.SUMS_AS_WEIGHTS:
            return "uses output-stationary sums as weights"
        case Status.DONE | Status.NO_ROOM:
            return ""
