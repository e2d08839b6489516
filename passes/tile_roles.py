"""Choose which loops of a contraction make array tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from .coalesce import Form, View


@dataclass(frozen=True)
class Roles:
    """Which loops make the array tiles, and how the tiles of both inputs lie."""

    i: int
    j: int
    k: int
    swapped: bool
    """The second input is the left factor."""
    a: tuple[bool, int, int]
    b: tuple[bool, int, int]


def find_roles(
    target: Sequence[int], sums: Sequence[int], first: Sequence[Form], second: Sequence[Form]
) -> Roles | None:
    """Choose the loops of an array tile: the columns of the output give j, its rows i.

    Of several choices the last loops are taken, so that the rows of a tile lie close together.
    """
    j = target[-1]
    for swapped, a, b in ((False, first, second), (True, second, first)):
        if uses(a, j) or not uses(b, j):
            continue
        rows = [loop for loop in reversed(target) if uses(a, loop) and not uses(b, loop)]
        for i, k in product(rows, reversed(sums)):
            of_a, of_b = _tile_of(a, i, k), _tile_of(b, k, j)
            if of_a is not None and of_b is not None:
                return Roles(i, j, k, swapped, of_a, of_b)
    return None


def with_unit_row(views: Sequence[View], column: int, row: int) -> list[View]:
    """The arrays with a loop of one iteration for rows of the output and of the left factor.

    The left factor is the one without the output's ``column``; last dimensions take the loop.
    """
    first, second, *results = views
    return [
        *(view if view.uses(column) else _with_loops(view, {row: 1}) for view in (first, second)),
        *(_with_loops(view, {row: 1}) for view in results),
    ]


def _with_loops(view: View, loops: Form) -> View:
    last = {**view.subscripts[-1], **loops}
    return replace(view, subscripts=(*view.subscripts[:-1], last))


def with_unit_loops(
    views: Sequence[View], target: Sequence[int], column: int, term: int
) -> list[View]:
    """The arrays with two loops of one iteration along their last dimensions.

    ``column`` takes the place of the tile's columns, ``term`` that of the summed dimension.
    """
    first, second, *results = views
    is_left = any(first.uses(loop) and not second.uses(loop) for loop in target)
    left, right = (_with_loops(view, {term: 1}) for view in (first, second))
    return [
        left if is_left else _with_loops(left, {column: 1}),
        _with_loops(right, {column: 1}) if is_left else right,
        *(_with_loops(view, {column: 1}) for view in results),
    ]


def uses(subscripts: Sequence[Form], loop: int) -> bool:
    return any(loop in form for form in subscripts)


def _tile_of(subscripts: Sequence[Form], row: int, col: int) -> tuple[bool, int, int] | None:
    """Transposed, row dimension and row step of the tiles over two loops, if there are such."""
    for transposed, along, across in ((False, row, col), (True, col, row)):
        rows = [d for d, form in enumerate(subscripts) if along in form]
        cols = [d for d, form in enumerate(subscripts) if across in form]
        if len(rows) != 1 or cols != [len(subscripts) - 1]:
            continue
        step = subscripts[rows[0]][along]
        if step > 0 and subscripts[-1][across] == 1:
            return transposed, rows[0], step
    return None


def diagonal_roles(
    target: Sequence[int], first: Sequence[Form], second: Sequence[Form], term: int
) -> Roles | None:
    """The loops where each column of the output meets its own column of both inputs.

    ``term`` is a loop of one iteration, in the place of the summed dimension that is not there.
    """
    j = target[-1]
    for swapped, a, b in ((False, first, second), (True, second, first)):
        rows = [loop for loop in reversed(target[:-1]) if uses(a, loop) and not uses(b, loop)]
        columns = [d for d, form in enumerate(b) if j in form]
        if columns != [len(b) - 1] or b[-1][j] != 1:
            continue
        for i in rows:
            of_a = _tile_of(a, i, j)
            if of_a is not None and not of_a[0]:
                return Roles(i, j, term, swapped, of_a, (False, max(0, len(b) - 2), 1))
    return None


MORE_TILES = 0.15
"""Share of tiles more than needed that is acceptable for tiles of equal length."""


def tile_step(size: int, dim: int) -> int:
    """Rows of a tile: so many of at most ``dim`` that all tiles are equal; ``dim`` if none are.

    A few more tiles cost the core little, and the array nothing while weights stay in it.
    """
    least = -(-size // dim)
    most = least + int(least * MORE_TILES)
    return next((size // tiles for tiles in range(least, most + 1) if size % tiles == 0), dim)
