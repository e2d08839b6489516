"""Element by element: which terms does an output cell lack, and which has it too many?

This is the slow and complete comparison. It decides where ``compare`` did not verify a group, and
it explains what is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cell_form import chain_of, column_of, element_of, head_of, sum_bound, tag_of, without_chain
from .specification import Value
from .state import COPY, ELEMENT_TAG, OPAQUE_TAG, SUM_TAG, ZERO, Machine
from .term_table import expected_terms

Factors = tuple[int, ...]
"""Element numbers of a term, sorted; a factor that is no input element is a negative number."""


@dataclass(frozen=True)
class Found:
    """The terms of one cell: how often each occurs, and the command that added it."""

    chain: int
    terms: Counter[Factors]
    commands: dict[Factors, int]
    is_opaque: bool
    """Whether some factor is a value that is not tracked as input elements."""


@dataclass(frozen=True)
class Difference:
    """What the terms of a cell are that are not those of the source."""

    missing: tuple[Factors, ...]
    extra: tuple[Factors, ...]
    extra_command: int
    """Index of the command that added the first extra term, −1 if none."""
    is_opaque: bool


def terms_of(machine: Machine, cell: int, clip_limit: NDArray[np.float64]) -> Found:
    """The terms of a cell; sums inside of sums are opened where no transform changes them."""
    terms: Counter[Factors] = Counter()
    commands: dict[Factors, int] = {}
    opaque = False
    if cell == ZERO:
        return Found(-1, terms, commands, False)
    if tag_of(cell) != SUM_TAG:
        factor = _factor(without_chain(cell) if tag_of(cell) == ELEMENT_TAG else cell)
        terms[(factor,)] += 1
        chain = chain_of(cell) if tag_of(cell) != OPAQUE_TAG else 0
        return Found(chain, terms, commands, factor < 0)
    stack = [(head_of(cell), column_of(cell))]
    while stack:
        head, column = stack.pop()
        while head:
            previous, row_number, matrix, command = (int(v) for v in machine.nodes[head])
            row = machine.rows[row_number]
            if matrix == COPY:
                summand = int(row[column])
                if _opens(machine, summand, clip_limit):
                    stack.append((head_of(summand), column_of(summand)))
                elif summand != ZERO:
                    opaque |= _add(terms, commands, command, (summand,))
            else:
                for k in np.flatnonzero(row):
                    other = int(machine.rows[machine.matrices[matrix, k], column])
                    if other != ZERO:
                        opaque |= _add(terms, commands, command, (int(row[k]), other))
            head = previous
    return Found(chain_of(cell), terms, commands, opaque)


def find_difference(
    machine: Machine,
    value: Value,
    point: tuple[int, ...],
    cell: int,
    first: Sequence[int],
    clip_limit: NDArray[np.float64],
) -> tuple[Difference | None, int]:
    """How a cell differs from a value at a point, ``None`` if not, and the chain of the cell."""
    found = terms_of(machine, cell, clip_limit)
    wanted = Counter(expected_terms(value, point, first))
    if found.terms == wanted:
        return None, found.chain
    missing = tuple((wanted - found.terms).keys())
    extra = tuple((found.terms - wanted).keys())
    command = found.commands.get(extra[0], -1) if extra else -1
    return Difference(missing, extra, command, found.is_opaque), found.chain


def _opens(machine: Machine, cell: int, clip_limit: NDArray[np.float64]) -> bool:
    if tag_of(cell) != SUM_TAG:
        return False
    chain = chain_of(cell)
    return chain == 0 or sum_bound(machine.nodes, machine.rows, head_of(cell)) <= clip_limit[chain]


def _add(
    terms: Counter[Factors], commands: dict[Factors, int], command: int, cells: Factors
) -> bool:
    """Count a term; true if a factor is not an input element."""
    factors = tuple(sorted(_factor(cell) for cell in cells))
    terms[factors] += 1
    commands[factors] = command
    return factors[0] < 0


def _factor(cell: int) -> int:
    """The element number, or a negative number that names any other value."""
    if tag_of(cell) == ELEMENT_TAG and chain_of(cell) == 0:
        return element_of(cell)
    return -cell
