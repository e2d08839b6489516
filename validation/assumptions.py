"""What every proof assumes of the programs' surroundings."""

from __future__ import annotations

ASSUMPTIONS = (
    "array parameters do not overlap",
    "loop counters and subscripts do not exceed the machine's index type",
)
