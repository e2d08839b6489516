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

from ...hw.gemmini.config import GemminiConfig
from ..kernel import refusal
from .products import Affine, Assign, Node, assignments, value_at
from .tiles import Layout, Tile, Tiler, TileSum

KEEP = ("nothing", "inputs", "all")
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


@dataclass
class Residency:
    """Where tiles lie."""

    function: func.FuncOp
    dim: int
    first_row: dict[Layout, int] = field(default_factory=dict["Layout", int])
    """Of the layouts that stay in the scratchpad."""
    initial: list[LocalTile] = field(default_factory=list["LocalTile"])
    """What is loaded before the program, in order of use; tiles side by side in one move."""
    temporary: dict[Layout, int] = field(default_factory=dict["Layout", int])
    """Rows of the last tile that was loaded of an array that does not stay; a result follows."""
    accumulator: dict[object, int] = field(default_factory=dict["object", int])

    def is_resident(self, layout: Layout) -> bool:
        return layout in self.first_row

    def row_of(self, tile: Tile, *, is_result: bool) -> tuple[int, Affine]:
        """The first local row of a tile: a number and what depends on loops."""
        if tile.layout in self.first_row:
            return self.first_row[tile.layout], tile.row(self.dim)
        return self.temporary[tile.layout] + (self.dim if is_result else 0), {}

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
        or keep == "all"
        or (keep == "inputs" and layout.array in tiler.read_only)
    }
    _require_one_layout(function, sums, kept)
    found = Residency(function, tiler.dim)
    _place(found, roles, kept, config)
    found.initial = _side_by_side(_initial(found, nodes, tiler, parameters), config)
    if len(found.initial) > MAX_STATIC_SUMS:
        raise refusal(function, f"keeps {len(found.initial)} tiles; too many to load one by one")
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
        layout: layout.local_rows(config.dim) if layout in kept else 2 * config.dim
        for layout in roles
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
