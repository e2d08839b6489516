"""Small products as products of array tiles, and where the tiles of an array lie.

A *layout* says how an array becomes tiles: rows along one dimension, columns along the last one, or
a single column (a vector: then every element is a row of its own). Vectors stay columns from one
product to the next: ``y = A·x`` takes A as the left operand, as it is stored, and x as the right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ..kernel import refusal
from .products import Access, Affine, Assign, Counter, Term

ALL: Mapping[int, int] = {}
"""All of each dimension is kept."""


@dataclass(frozen=True)
class Layout:
    """How tiles are taken from an array."""

    array: SSAValue
    rows: int
    """The dimension along which the rows of a tile run."""
    cols: int | None
    """The last dimension, along which columns run; None for tiles of one column."""
    sign: int = 1
    """−1 where the local copy holds the negated array."""

    @property
    def shape(self) -> tuple[int, ...]:
        assert isinstance(self.array.type, MemRefType)
        return tuple(self.array.type.get_shape())

    def grid(self, dim: int) -> list[int]:
        """Tiles, or elements, along each dimension."""
        return [
            -(-extent // dim) if number in (self.rows, self.cols) else extent
            for number, extent in enumerate(self.shape)
        ]

    def strides(self, dim: int, kept: Mapping[int, int] = ALL) -> list[int]:
        """Local rows from one tile, or element, to the next along each dimension.

        Tiles side by side are adjacent. Strides are powers of two where that costs little, so that
        the core shifts instead of multiplying. Of some dimensions, fewer elements are ``kept``.
        """
        grid = [kept.get(number, count) for number, count in enumerate(self.grid(dim))]
        order = [n for n in range(len(grid)) if n not in (self.rows, self.cols)]
        order += [self.rows] if self.cols is None else [self.rows, self.cols]
        strides = [0] * len(grid)
        size = dim
        for number in reversed(order):
            strides[number] = size
            size *= grid[number]
            if number not in (self.rows, self.cols) or number == self.rows:
                size = 1 << (size - 1).bit_length()
        return strides

    def local_rows(self, dim: int, kept: Mapping[int, int] = ALL) -> int:
        """Rows that the tiles of the array take of which so many are ``kept``."""
        counts = (kept.get(number, count) for number, count in enumerate(self.grid(dim)))
        return max(s * n for s, n in zip(self.strides(dim, kept), counts, strict=True))


@dataclass(frozen=True)
class Tile:
    """One tile: its first element, and how much of it is used."""

    layout: Layout
    first: tuple[Affine, ...]
    rows: int
    cols: int

    def row(self, dim: int, kept: Mapping[int, int] = ALL) -> Affine:
        """The local row of the tile, from the first row of its array.

        Where less of a dimension is ``kept``, that of its first element.
        """
        total: dict[int | None, int] = {}
        for number, stride in enumerate(self.layout.strides(dim, kept)):
            if number in kept:
                continue
            tiled = number in (self.layout.rows, self.layout.cols)
            for key, factor in self.first[number].items():
                total[key] = total.get(key, 0) + factor * stride // (dim if tiled else 1)
        return {key: n for key, n in total.items() if n}


@dataclass(frozen=True)
class Product:
    """One product of tiles, ``a · b``, of ``rows`` × ``depth`` × ``cols`` elements."""

    a: Tile
    b: Tile
    depth: int
    a_transpose: bool
    b_transpose: bool

    @property
    def transposes(self) -> tuple[bool, bool]:
        return self.a_transpose, self.b_transpose


@dataclass(frozen=True)
class TileSum:
    """One tile of an assignment: ``target = Σ biases + Σ products``."""

    target: Tile
    biases: tuple[Tile, ...]
    products: tuple[Product, ...]

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """What is read."""
        return (*self.biases, *(tile for p in self.products for tile in (p.b, p.a)))


ROLLED = 1 << 20
"""Loops over tiles get the number of the loop over elements and this."""


@dataclass(frozen=True)
class Tiler:
    """Takes assignments apart, for arrays of ``dim`` × ``dim``."""

    function: func.FuncOp
    dim: int
    read_only: frozenset[SSAValue]
    """Arrays whose negated copies may be loaded."""

    def sums(self, assign: Assign) -> list[TileSum]:
        """All tiles of an assignment; refuses what is no product of tiles."""
        target, i, j = self._target(assign)
        return [
            self._sum(
                assign,
                target,
                _Place(i, j, {None: row}, {None: col}, *self._extents(i, j, row, col)),
            )
            for row in range(0, i.extent, self.dim)
            for col in range(0, j.extent if j is not None else 1, self.dim)
        ]

    def rolled(self, assign: Assign) -> tuple[Counter, TileSum] | None:
        """The tiles of an assignment as one that a loop repeats; None where they differ."""
        target, i, j = self._target(assign)
        count = i.extent // self.dim
        if i.extent % self.dim or count < 2 or (j is not None and j.extent > self.dim):
            return None
        counter = Counter(ROLLED + i.number, count, i.name)
        place = _Place(i, j, {counter.number: self.dim}, {}, *self._extents(i, j, 0, 0))
        return counter, self._sum(assign, target, place)

    def _target(self, assign: Assign) -> tuple[Layout, Counter, Counter | None]:
        """The layout of the result, and its loops over rows and columns."""
        i, j = (*assign.loops, None)[:2]
        assert i is not None
        target = self._layout(assign.target, i, j)
        if target is None and j is not None and (other := self._layout(assign.target, j, i)):
            (i, j), target = (j, i), other
        if target is None:
            raise self._refused(assign.target, "is no vector or matrix that is written by rows")
        return target, i, j

    def _extents(self, i: Counter, j: Counter | None, row: int, col: int) -> tuple[int, int]:
        cols = 1 if j is None else min(self.dim, j.extent - col)
        return min(self.dim, i.extent - row), cols

    def _sum(self, assign: Assign, target: Layout, place: _Place) -> TileSum:
        biases: list[Tile] = []
        products: list[Product] = []
        for term in assign.terms:
            if term.k is None and len(term.factors) == 1:
                biases.append(self._bias(term, place))
            elif term.k is not None and len(term.factors) == 2:
                products += self._products(term, term.k, place)
            else:
                raise self._refused(term.factors[0], "is multiplied without a sum over products")
        first = self._first(assign.target, target, place.firsts)
        result = Tile(target, first, place.rows, place.cols)
        return TileSum(result, tuple(biases), tuple(products))

    def _bias(self, term: Term, place: _Place) -> Tile:
        access = term.factors[0]
        layout = self._layout(access, place.i, place.j)
        if layout is None:
            raise self._refused(access, "is added, but is no vector or matrix like the result")
        layout = self._signed(layout, term.sign)
        if layout is None:
            raise self._refused(access, "is subtracted, and computed by the program itself")
        return Tile(layout, self._first(access, layout, place.firsts), place.rows, place.cols)

    def _products(self, term: Term, k: Counter, place: _Place) -> list[Product]:
        left, right = term.factors
        if not left.depends_on(place.i):
            left, right = right, left
        if right.depends_on(place.i) or (place.j is not None and left.depends_on(place.j)):
            raise self._refused(left, "is no factor of a product of matrices or vectors")
        a, a_transpose = self._either(left, place.i, k)
        b, b_transpose = self._either(right, k, place.j)
        if term.sign < 0:
            negative_a, negative_b = self._signed(a, -1), self._signed(b, -1)
            if negative_a is not None:
                a = negative_a
            elif negative_b is not None:
                b = negative_b
            else:
                raise self._refused(left, "is subtracted, and both factors are computed")
        rows, cols = place.rows, place.cols
        found: list[Product] = []
        for at in range(0, k.extent, self.dim):
            depth = min(self.dim, k.extent - at)
            firsts: dict[int, Affine] = {**place.firsts, k.number: {None: at}}
            a_sizes = (depth, rows) if a_transpose else (rows, depth)
            b_sizes = (cols, depth) if b_transpose else (depth, cols)
            a_tile = Tile(a, self._first(left, a, firsts), *a_sizes)
            b_tile = Tile(b, self._first(right, b, firsts), *b_sizes)
            found.append(Product(a_tile, b_tile, depth, a_transpose, b_transpose))
        return found

    def _either(self, access: Access, row: Counter, col: Counter | None) -> tuple[Layout, bool]:
        """The layout of a factor, and whether it holds the transpose of what is multiplied."""
        layout = self._layout(access, row, col)
        if layout is not None:
            return layout, False
        transposed = None if col is None else self._layout(access, col, row)
        if transposed is None:
            raise self._refused(access, "is no matrix with a contiguous dimension, and no vector")
        return transposed, True

    def _layout(self, access: Access, row: Counter, col: Counter | None) -> Layout | None:
        rows, cols = access.dimension_of(row), access.dimension_of(col)
        if rows is None or (col is not None and cols != len(access.subscripts) - 1):
            return None
        tiled = {rows: row, **({cols: col} if cols is not None else {})}
        for dimension, counter in tiled.items():
            form = access.subscripts[dimension]
            assert counter is not None
            if form.get(counter.number) != 1 or set(form) - {counter.number, None}:
                return None
            if form.get(None, 0) % self.dim:
                raise self._refused(access, f"does not begin at a multiple of {self.dim}")
        return Layout(access.array, rows, cols)

    def _signed(self, layout: Layout, sign: int) -> Layout | None:
        if sign > 0:
            return layout
        return replace(layout, sign=-1) if layout.array in self.read_only else None

    def _first(
        self, access: Access, layout: Layout, firsts: dict[int, Affine]
    ) -> tuple[Affine, ...]:
        found: list[Affine] = []
        for number, form in enumerate(access.subscripts):
            total: dict[int | None, int] = {}
            for key, factor in form.items():
                is_element = isinstance(key, int) and key in firsts
                if is_element and number not in (layout.rows, layout.cols):
                    raise self._refused(access, "has a loop over elements in other dimensions")
                parts: Affine = firsts[key] if is_element else {key: 1}  # pyright: ignore
                for part, amount in parts.items():
                    total[part] = total.get(part, 0) + factor * amount
            found.append({key: n for key, n in total.items() if n})
        return tuple(found)

    def _refused(self, access: Access, reason: str) -> Exception:
        name = access.array.name_hint or "an array"
        return refusal(self.function, f"{name} {reason}")


@dataclass(frozen=True)
class _Place:
    """One tile of a result: its loops, its first element in each, and its extents."""

    i: Counter
    j: Counter | None
    row: Affine
    col: Affine
    rows: int
    cols: int

    @cached_property
    def firsts(self) -> dict[int, Affine]:
        return {self.i.number: self.row, **({} if self.j is None else {self.j.number: self.col})}
