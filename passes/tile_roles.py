"""Choose which loops of a contraction make array tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from .coalesce import Form, View, coalesce


@dataclass(frozen=True)
class Nest:
    """The loops of a contraction, and how they walk through its arrays."""

    sizes: tuple[int, ...]
    """Iterations of each loop."""
    target: tuple[int, ...]
    """The loops over elements of the output, which the last one takes side by side."""
    sums: tuple[int, ...]
    views: tuple[View, ...]
    """Both inputs, the output, and what sums start from if that is an array."""

    def joined(self, dim: int) -> Nest:
        """The same with fewer loops (see ``coalesce``)."""
        sizes, views = coalesce(self.sizes, self.target[:-1], self.views, dim, always=True)
        sizes, views = coalesce(sizes, self.sums, views, dim, always=False)
        pairs = enumerate(zip(self.sizes, sizes, strict=True))
        gone = {loop for loop, (before, now) in pairs if before != now == 1}
        target, sums = (
            tuple(loop for loop in loops if loop not in gone) for loops in (self.target, self.sums)
        )
        return Nest(tuple(sizes), target, sums, tuple(views))

    def of_one_term(self) -> Nest:
        """The same with a summed loop of one iteration, along no array."""
        return replace(self, sizes=(*self.sizes, 1), sums=(*self.sums, len(self.sizes)))

    def of_one_row(self) -> Nest:
        """The same with a loop of one iteration for rows of the output and of the left factor.

        The left factor is the one without the output's columns; last dimensions take the loop.
        """
        row, column = len(self.sizes), self.target[-1]
        first, second, *results = self.views
        views = (
            *(x if x.uses(column) else _with_loop(x, row) for x in (first, second)),
            *(_with_loop(view, row) for view in results),
        )
        return Nest((*self.sizes, 1), (row, *self.target), self.sums, views)

    def of_one_column(self) -> Nest:
        """The same with two loops of one iteration along last dimensions: a column and a term."""
        column, term = len(self.sizes), len(self.sizes) + 1
        first, second, *results = self.views
        is_left = any(first.uses(loop) and not second.uses(loop) for loop in self.target)
        left, right = (_with_loop(view, term) for view in (first, second))
        views = (
            left if is_left else _with_loop(left, column),
            _with_loop(right, column) if is_left else right,
            *(_with_loop(view, column) for view in results),
        )
        return Nest((*self.sizes, 1, 1), (*self.target, column), (*self.sums, term), views)


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
    diagonal: bool = False
    """Each column of the output meets its own column of both inputs; ``k`` has one iteration."""


def assign_roles(nest: Nest) -> tuple[Nest, Roles] | None:
    """The roles of loops, and the nest with loops of one iteration for roles that none has."""
    if roles := _matrix_roles(nest):
        return nest, roles
    # A sum over no channel, as in a depthwise convolution: a diagonal for each tile of weights.
    tried = nest.of_one_term()
    if roles := _diagonal_roles(tried):
        return tried, roles
    # A product with a vector, whose results lie side by side: a matrix of one row. Else, without
    # columns side by side: tiles of one column each.
    for tried in (nest.of_one_row(), nest.of_one_column()):
        if roles := _matrix_roles(tried):
            return tried, roles
    return None


def _matrix_roles(nest: Nest) -> Roles | None:
    """The roles in a product of matrices: the columns of the output give j, its rows i.

    Of several choices the last loops are taken, so that the rows of a tile lie close together.
    """
    j = nest.target[-1]
    for swapped, a, b in _orders(nest):
        if a.uses(j) or not b.uses(j):
            continue
        rows = [loop for loop in reversed(nest.target) if a.uses(loop) and not b.uses(loop)]
        for i, k in product(rows, reversed(nest.sums)):
            of_a, of_b = _tile_of(a.subscripts, i, k), _tile_of(b.subscripts, k, j)
            if of_a is not None and of_b is not None:
                return Roles(i, j, k, swapped, of_a, of_b)
    return None


def _diagonal_roles(nest: Nest) -> Roles | None:
    """The roles where each column of the output meets its own column of both inputs."""
    *others, j = nest.target
    for swapped, a, b in _orders(nest):
        rows = [loop for loop in reversed(others) if a.uses(loop) and not b.uses(loop)]
        *dimensions, last = b.subscripts
        if last.get(j) != 1 or any(j in form for form in dimensions):
            continue
        for i in rows:
            of_a = _tile_of(a.subscripts, i, j)
            if of_a is not None and not of_a[0]:
                of_b = (False, max(0, len(dimensions) - 1), 1)
                return Roles(i, j, nest.sums[-1], swapped, of_a, of_b, diagonal=True)
    return None


def _orders(nest: Nest) -> tuple[tuple[bool, View, View], ...]:
    """Both inputs as left and right factor, behind whether they are swapped."""
    first, second, *_ = nest.views
    return (False, first, second), (True, second, first)


def _with_loop(view: View, loop: int) -> View:
    """The array with a loop along its last dimension."""
    *others, last = view.subscripts
    return replace(view, subscripts=(*others, {**last, loop: 1}))


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


MORE_TILES = 0.15
"""Share of tiles more than needed that is acceptable for tiles of equal length."""


def tile_step(size: int, dim: int) -> int:
    """Rows of a tile: so many of at most ``dim`` that all tiles are equal; ``dim`` if none are.

    A few more tiles cost the core little, and the array nothing while weights stay in it.
    """
    least = -(-size // dim)
    most = least + int(least * MORE_TILES)
    return next((size // tiles for tiles in range(least, most + 1) if size % tiles == 0), dim)
