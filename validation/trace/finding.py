"""Why a stream is not proved, and the names that explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...hw.gemmini.check_moves import move_element_bytes
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.resolve import Program
from .difference import Difference, Factors


@dataclass(frozen=True)
class Clue:
    """What symbolic execution says about inputs that show the difference."""

    difference: Difference | None = None
    terms: tuple[Factors, ...] = ()
    """All terms of one output element, which sum to ``witness`` on the inputs to try."""
    witness: int | None = None


@dataclass
class Finding(Exception):  # noqa: N818 - it names what was found
    """Why the stream is not proved; ``clue`` is present if running it may show the difference."""

    reason: str
    command: int = -1
    clue: Clue | None = None
    is_certain: bool = False
    """Whether the reason alone refutes the stream (an illegal command, a hazard)."""
    is_suspicion: bool = True
    """Whether the stream should differ from the source on some inputs; else it is undecided."""


def locate(layout: MemoryLayout, number: int) -> tuple[int, tuple[int, ...]] | None:
    """Position and subscripts of an element by its number over all arrays."""
    if number < 0:
        return None
    for position, array in enumerate(layout.arrays):
        count = int(np.prod(array.shape, dtype=np.int64))
        if number < count:
            return position, tuple(int(i) for i in np.unravel_index(number, array.shape))
        number -= count
    return None


def element_name(layout: MemoryLayout, number: int) -> str:
    """``A[3][5]``, or words for what is no input element."""
    located = locate(layout, number)
    if located is None:
        return "a computed value"
    return layout.arrays[located[0]].name + "".join(f"[{index}]" for index in located[1])


def term_name(layout: MemoryLayout, factors: Sequence[int]) -> str:
    return "·".join(element_name(layout, factor) for factor in factors)


def difference_text(layout: MemoryLayout, number: int, found: Difference) -> str:
    """Which terms the output element ``number`` lacks or has too much."""
    parts: list[str] = []
    for label, terms in (("lacks", found.missing), ("has too much", found.extra)):
        if terms:
            more = f" and {len(terms) - 1} more" if len(terms) > 1 else ""
            parts.append(f"{label} {term_name(layout, next(iter(terms)))}{more}")
    return f"{element_name(layout, number)} {' and '.join(parts)}"


def last_store(program: Program, layout: MemoryLayout, number: int, config: GemminiConfig) -> int:
    """Index of the last move-out that covers an element, −1 if there is none."""
    located = locate(layout, number)
    if located is None:
        return -1
    array = layout.arrays[located[0]]
    address = array.address + sum(a * b for a, b in zip(array.strides, located[1], strict=True))
    moves = program.moves_out
    width = move_element_bytes(moves, config, is_store=True)
    offset = address - moves["dram"]
    pools = moves["pool_stride"] > 0
    row = np.where(pools | (moves["rows"] > 1), offset // np.maximum(moves["stride"], 1), 0)
    inside = (offset >= 0) & (offset - row * moves["stride"] < moves["cols"] * width)
    pooled_row, pooled_col = np.divmod(row, np.maximum(moves["pool_out_dim"], 1))
    pooled = (pooled_row < moves["pool_rows"]) & (pooled_col < moves["pool_cols"])
    inside &= np.where(pools, pooled, row < moves["rows"])
    return int(moves["index"][np.flatnonzero(inside)[-1]]) if inside.any() else -1
