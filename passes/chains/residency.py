"""What stays in the scratchpad: rows for arrays that do, and what must be loaded before all else.

An array that stays has a place for each of its tiles, so that results of one time step are found
where the next one looks for them. Which tiles must be loaded first is found by walking through the
program with its loops: those that are read before they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from xdsl.dialects import func
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...hw.gemmini.config import GemminiConfig
from ..kernel import refusal
from .products import Affine, Assign, Node, assignments, value_at
from .tiles import ALL, Layout, Tile, Tiler, TileSum
from .windows import Window, find_windows

KEEP = ("nothing", "inputs", "most", "all")
MAX_TILES = 1 << 16
"""Tiles that are looked at to find what must be loaded."""
MAX_STATIC_SUMS = 256
"""Tiles of all assignments: each is spelled out in the program."""

Place = tuple[Layout, tuple[int, ...]]


@dataclass(frozen=True)
class LocalTile:
    """A tile and where it goes: its place in the scratchpad, or a row of the accumulator."""

    tile: Tile
    accumulator_row: int | None = None


@dataclass(frozen=True)
class LocalRow:
    """The first local row of a tile: a number, what depends on loops, and which step it is of."""

    base: int
    form: Affine
    step: Affine
    steps: int = 1
    """Steps that are kept; they take turns."""
    stride: int = 0
    """Rows from one step to the next."""


@dataclass
class Residency:
    """Where tiles lie."""

    function: func.FuncOp
    dim: int
    windows: dict[Layout, Window] = field(default_factory=dict["Layout", Window])
    """The layouts that stay of which only some steps are kept."""
    first_row: dict[Layout, int] = field(default_factory=dict["Layout", int])
    """Of the layouts that stay in the scratchpad."""
    initial: list[LocalTile] = field(default_factory=list["LocalTile"])
    """What is loaded before the program, in order of use; tiles side by side in one move."""
    temporary: dict[Layout, int] = field(default_factory=dict["Layout", int])
    """Rows of the last tile that was loaded of an array that does not stay; a result follows."""
    accumulator: dict[object, int] = field(default_factory=dict["object", int])

    def is_resident(self, layout: Layout) -> bool:
        return layout in self.first_row

    def row_of(self, tile: Tile, *, is_result: bool) -> LocalRow:
        """The first local row of a tile."""
        layout, dim = tile.layout, self.dim
        if layout not in self.first_row:
            return LocalRow(self.temporary[layout] + (dim if is_result else 0), {}, {})
        base, window = self.first_row[layout], self.windows.get(layout)
        if window is None:
            return LocalRow(base, tile.row(dim), {})
        stride = layout.strides(dim, window.extents)[window.dimension]
        step = tile.first[window.dimension]
        return LocalRow(base, tile.row(dim, window.extents), step, window.steps, stride)

    def rows_for(self, layout: Layout) -> int:
        """Rows that an array which stays takes."""
        window = self.windows.get(layout)
        return layout.local_rows(self.dim, ALL if window is None else window.extents)

    def accumulator_row(self, tile: Tile) -> int:
        """A row for a result that does not stay: the same for all steps of time."""
        place = tile.layout, tuple(tuple(sorted(f.items(), key=str)) for f in tile.first)
        return self.accumulator.setdefault(place, len(self.accumulator) * self.dim)


def plan_residency(
    function: func.FuncOp,
    nodes: Sequence[Node],
    tiler: Tiler,
    config: GemminiConfig,
    keep: str,
) -> Residency:
    """Places for what ``keep`` says; refuses what the scratchpad cannot hold."""
    sums = [s for assign in assignments(nodes) for s in tiler.sums(assign)]
    if len(sums) > MAX_STATIC_SUMS:
        raise refusal(function, f"computes {len(sums)} tiles; this lowering is for small products")
    roles = _roles(sums)
    parameters: set[SSAValue] = set(function.args)
    kept = {
        layout
        for layout in roles
        if layout.array not in parameters
        or keep in ("most", "all")
        or (keep == "inputs" and layout.array in tiler.read_only)
    }
    _require_one_layout(function, sums, kept)
    if keep != "most":
        return _planned(Residency(function, tiler.dim), nodes, tiler, roles, kept, config)
    windows = {x: window for x, window in find_windows(nodes, tiler).items() if x in kept}
    while True:
        found = Residency(function, tiler.dim, windows)
        try:
            return _planned(found, nodes, tiler, roles, kept, config)
        except PassFailedException:
            inputs = [layout for layout in kept if layout.array in tiler.read_only]
            if not inputs:
                raise
            # The largest one is loaded where it is used, which needs no fence.
            kept.remove(max(inputs, key=lambda layout: layout.local_rows(tiler.dim)))


def _planned(
    found: Residency,
    nodes: Sequence[Node],
    tiler: Tiler,
    roles: dict[Layout, int],
    kept: set[Layout],
    config: GemminiConfig,
) -> Residency:
    """Places for the arrays that are ``kept``, and what is loaded first; refuses too many."""
    _place(found, roles, kept, config)
    initial = _initial(found, nodes, tiler, set(found.function.args))
    for tile in initial:
        window = found.windows.get(tile.layout)
        if window is not None and not window.holds_at_first(tile):
            name = tile.layout.array.name_hint
            raise refusal(found.function, f"{name} is read from far ahead of what is computed")
    found.initial = _side_by_side(initial, config)
    if len(found.initial) > MAX_STATIC_SUMS:
        count = len(found.initial)
        raise refusal(found.function, f"keeps {count} tiles; too many to load one by one")
    return found


def _roles(sums: Sequence[TileSum]) -> dict[Layout, int]:
    """All layouts, and the memory bank in which each is best.

    Operands that are read at the same time lie in different banks: left operands in bank 0, right
    ones in bank 1, all that is only added or written in bank 2.
    """
    found: dict[Layout, int] = {}
    for tile_sum in sums:
        for tile in (tile_sum.target, *tile_sum.biases):
            found.setdefault(tile.layout, 2)
        for product in tile_sum.products:
            found[product.b.layout] = 1
            if found.get(product.a.layout) != 1:
                found[product.a.layout] = 0
    return found


def _require_one_layout(function: func.FuncOp, sums: Sequence[TileSum], kept: set[Layout]) -> None:
    """A result that stays has one place only, which all its readers share."""
    for array in {tile_sum.target.layout.array for tile_sum in sums}:
        layouts = {layout for layout in kept if layout.array is array}
        if len(layouts) > 1:
            raise refusal(
                function,
                f"{array.name_hint} is computed and used as rows and as columns; it cannot stay",
            )


def _place(
    found: Residency, roles: dict[Layout, int], kept: set[Layout], config: GemminiConfig
) -> None:
    sizes = {
        layout: found.rows_for(layout) if layout in kept else 2 * config.dim for layout in roles
    }
    for rows_of_bank in (config.spad_bank_rows, 0):
        # Banks of their own where all fits so, else one behind the other.
        next_row = {bank: bank * rows_of_bank for bank in (0, 1, 2)}
        ends = {0: rows_of_bank, 1: 2 * rows_of_bank, 2: config.spad_rows}
        places: dict[Layout, int] = {}
        row = 0
        for layout, bank in roles.items():
            at = next_row[bank] if rows_of_bank else row
            places[layout] = at
            next_row[bank] = row = at + sizes[layout]
        fits = all(next_row[bank] <= ends[bank] for bank in ends) if rows_of_bank else True
        if fits and row <= config.spad_rows and config.spad_banks >= 4:
            break
        if not rows_of_bank and row > config.spad_rows:
            raise refusal(
                found.function,
                f"the arrays need {row} rows of the scratchpad; it has {config.spad_rows}",
            )
    for layout, row in places.items():
        (found.first_row if layout in kept else found.temporary)[layout] = row


def _initial(
    found: Residency, nodes: Sequence[Node], tiler: Tiler, parameters: set[SSAValue]
) -> list[Tile]:
    """Tiles of kept arrays that are read before they are written, in order."""
    seen: dict[Place, Tile] = {}
    written: set[Place] = set()
    for number, (tile_sum, values) in enumerate(_steps(nodes, tiler, {})):
        if number * len(tile_sum.tiles) > MAX_TILES:
            raise refusal(found.function, "is too long to find what it reads first")
        for tile in tile_sum.tiles:
            place = _place_of(tile, values)
            if not found.is_resident(tile.layout) or place in written:
                continue
            if tile.layout.array not in parameters:
                raise refusal(found.function, "reads a local array before it is written")
            known = seen.get(place)
            rows, cols = tile.rows, tile.cols
            if known is not None:
                rows, cols = max(rows, known.rows), max(cols, known.cols)
            fixed: tuple[Affine, ...] = tuple({None: n} if n else {} for n in place[1])
            seen[place] = Tile(tile.layout, fixed, rows, cols)
        written.add(_place_of(tile_sum.target, values))
    return list(seen.values())


def _place_of(tile: Tile, values: dict[int, int]) -> Place:
    return tile.layout, tuple(value_at(form, values) for form in tile.first)


def _steps(
    nodes: Sequence[Node], tiler: Tiler, values: dict[int, int]
) -> Iterator[tuple[TileSum, dict[int, int]]]:
    """All tiles in the order in which the program computes them."""
    for node in nodes:
        if isinstance(node, Assign):
            for tile_sum in tiler.sums(node):
                yield tile_sum, values
        else:
            for number in range(node.counter.extent):
                yield from _steps(node.body, tiler, {**values, node.counter.number: number})


def _side_by_side(tiles: Sequence[Tile], config: GemminiConfig) -> list[LocalTile]:
    """Moves that load several tiles of the same rows at once."""
    dim, places = config.dim, {(t.layout, _numbers(t)): t for t in tiles}
    found: list[LocalTile] = []
    used: set[Place] = set()
    for tile in tiles:
        place = tile.layout, _numbers(tile)
        if place in used:
            continue
        whole = tile
        last = tile.layout.cols
        while last is not None and whole.cols % dim == 0 and whole.cols < config.max_blocks * dim:
            numbers = list(_numbers(tile))
            numbers[last] += whole.cols
            beside = places.get((tile.layout, tuple(numbers)))
            if beside is None or beside.rows != tile.rows or (tile.layout, tuple(numbers)) in used:
                break
            used.add((tile.layout, tuple(numbers)))
            whole = replace(whole, cols=whole.cols + beside.cols)
        used.add(place)
        found.append(LocalTile(whole))
    return found


def _numbers(tile: Tile) -> tuple[int, ...]:
    return tuple(form.get(None, 0) for form in tile.first)
