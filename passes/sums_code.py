"""The instructions of a sum of elements: tiles of the output are loaded, added up and stored.

A tile is what one load carries: up to ``dim`` rows along one loop, and the columns of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from ..dialects.gemmini import (
    LOAD_CHANNELS,
    AccOp,
    ConfigLdOp,
    ConfigStOp,
    MvinOp,
    MvoutOp,
)
from ..hw.gemmini.config import GemminiConfig
from .coalesce import Form
from .element_sums import Addend, ElementSum
from .instruction_tree import Item, Need, TreeBuilder, insert_fence
from .loop_items import Loops, plus, times
from .lower_tiles import array_type, element_bytes
from .tile_roles import tile_step

Values = Mapping[int, Form]
"""What loops of the sum are, in terms of the loops of the program."""


class SumsCode:
    """All elements of a sum; ``arrays`` are the parameters."""

    def __init__(
        self, what: ElementSum, config: GemminiConfig, arrays: Sequence[SSAValue], groups: int
    ) -> None:
        self.what = what
        self.config = config
        self.arrays = [array_type(array) for array in arrays]
        self.values = arrays
        self.loops = Loops()
        widest = max(element_bytes(self.arrays[each.array]) for each in what.addends)
        self.columns = config.dim * config.blocks_per_move(widest)
        """Columns of a tile, which takes as many rows of the accumulator."""
        self.half = config.acc_rows // 2
        self.groups = max(1, min(groups, self.half // self.columns))
        adds = len(what.addends) > 1 or bool(what.window)
        self.apart = config.loads_in_flight if adds else 1
        """Loads after which one has ended that came before them, if both go to the same rows."""
        *self.outer, self.column = what.target
        cols = what.sizes[self.column]
        has_more = self.outer and what.sizes[self.outer[-1]] > max(1, cols // self.columns)
        self.row = self.outer.pop() if has_more else None
        """The loop along the rows of a tile; None if the rows are pieces of the columns."""
        self.unit = self.columns if self.row is None and cols > self.columns else 1
        """Elements of that loop, or columns, from one row to the next."""

    def all(self) -> list[Item]:
        """Every block of tiles; two of them take turns in the accumulator."""
        return self._outer(self.outer, {})

    def _outer(self, loops: Sequence[int], values: Values) -> list[Item]:
        if not loops:
            return self._blocks(values)
        return self.loops.repeat(
            self.what.sizes[loops[0]],
            "o",
            lambda at: self._outer(loops[1:], {**values, loops[0]: at}),
        )

    def _blocks(self, values: Values) -> list[Item]:
        extent, cols = 1, self.what.sizes[self.column]
        if self.row is not None:
            extent = self.what.sizes[self.row]
        elif self.unit > 1:
            extent, cols = cols, self.columns
        rows, side = -(-extent // self.unit), min(self.groups, -(-cols // self.columns))
        height = tile_step(rows, self.config.dim)
        if -(-rows // height) * side < self.apart:
            # Lower tiles keep loads of the same rows apart.
            height = max(1, rows * side // self.apart)
        tall = max(1, self.groups // side) * height * self.unit

        def block(row: Form, extent: int) -> list[Item]:
            return self.loops.pieces(
                cols,
                side * self.columns,
                "col",
                lambda col, width: self._block(
                    _Block(values, row, col, extent, width, height * self.unit)
                ),
            )

        return self.loops.pieces(extent, tall, "row", block)

    def _block(self, block: _Block) -> list[Item]:
        tiles = -(-block.extent // block.tile) * -(-block.cols // self.columns)
        # Else loads of the same rows would be in flight together, and may end in any order.
        fence = [insert_fence] if tiles < self.apart else []
        window = self.what.window
        items: list[Item] = []
        for number, addend in enumerate(self.what.addends):

            def loads(at: Values, addend: Addend = addend, number: int = number) -> list[Item]:
                before = fence if number or window else []
                return [*before, *self._loads(block, addend, at, number)]

            items += self._points(window, {}, loads)
        return [*items, *self._stores(block)]

    def _points(
        self, window: Sequence[int], at: Values, make: Callable[[Values], list[Item]]
    ) -> list[Item]:
        """What ``make`` gives at each point of the window."""
        if not window:
            return make(at)
        return self.loops.repeat(
            self.what.sizes[window[0]],
            "w",
            lambda x: self._points(window[1:], {**at, window[0]: x}, make),
        )

    def _loads(self, block: _Block, addend: Addend, at: Values, number: int) -> list[Item]:
        array, values = self.arrays[addend.array], {**block.values, **at}
        stride = self._row_bytes(array, addend.subscripts)
        shrunk = element_bytes(array) < self.config.accumulator_bytes
        channel = number % LOAD_CHANNELS

        def load(tile: _Tile) -> Item:
            def build(tree: TreeBuilder) -> None:
                index = tree.index
                passed = tree.number(plus(*at.values())) if at else index.constant(0)
                adds = index.flag(True) if number else index.positive(passed)
                target = self._address(tree, block, tile, adds)
                where = self._element(tree, addend.subscripts, values, block, tile)
                sizes = index.constant(tile.rows), index.constant(tile.cols)
                index.insert(MvinOp(self.values[addend.array], where, target, *sizes, channel))

            return build

        def configure() -> Operation:
            return ConfigLdOp(stride, self.config.dim, channel=channel, shrunk=shrunk)

        need = Need(f"load {channel}", (stride, shrunk), configure)
        return [need, *self._tiles(block, self.columns, load)]

    def _stores(self, block: _Block) -> list[Item]:
        post, out, forms = self.what.post, self.what.out, self.what.written
        stride = self._row_bytes(self.arrays[out], forms)

        def store(tile: _Tile) -> Item:
            def build(tree: TreeBuilder) -> None:
                source = self._address(tree, block, tile, None, full=post.scale is None)
                where = self._element(tree, forms, block.values, block, tile)
                sizes = tree.index.constant(tile.rows), tree.index.constant(tile.cols)
                tree.index.insert(MvoutOp(source, *sizes, self.values[out], where))

            return build

        # The store unit takes sums as they are from one block of columns only.
        width = self.config.dim if post.scale is None else self.columns
        need = Need("store", stride, lambda: ConfigStOp(stride, post.activation, post.factor))
        return [need, *self._tiles(block, width, store)]

    def _tiles(self, block: _Block, width: int, make: Callable[[_Tile], Item]) -> list[Item]:
        """``make`` for the tiles of a block, or parts of them that have ``width`` columns."""

        def part(row: Form, rows: int, cols: int) -> list[Item]:
            return self.loops.pieces(
                cols, width, "c", lambda col, cols: [make(_Tile(row, col, rows, cols))]
            )

        def tile(row: Form, extent: int) -> list[Item]:
            rows, rest = divmod(extent, self.unit)
            items = part(row, rows, block.cols) if rows else []
            return items + (part(plus(row, rows * self.unit), 1, rest) if rest else [])

        return self.loops.pieces(block.extent, block.tile, "r", tile)

    def _address(
        self,
        tree: TreeBuilder,
        block: _Block,
        tile: _Tile,
        adds: SSAValue | None,
        *,
        full: bool = False,
    ) -> SSAValue:
        index = tree.index
        # Columns ``dim`` apart lie ``dim`` rows apart, as the store unit wants them.
        side = -(-block.cols // self.columns) * self.columns
        row = plus(tile.col)
        for loop, factor in tile.row.items():
            tiles, within = divmod(factor, block.tile)
            row = plus(row, {loop: tiles * side + within // self.unit})
        turns: list[Form] = [{x: 1 for x in form if x is not None} for form in block.places]
        half = index.mul(index.rem(tree.number(plus(*turns)), 2), self.half)
        return index.insert(AccOp(index.add(half, tree.number(row)), adds, full=full)).results[0]

    def _element(
        self,
        tree: TreeBuilder,
        subscripts: Sequence[Form],
        values: Values,
        block: _Block,
        tile: _Tile,
    ) -> list[SSAValue]:
        """The subscripts of the first element of a tile."""
        row, col = plus(block.row, tile.row), plus(block.col, tile.col)
        if self.row is None:
            col = plus(col, row)
        at = {**values, self.column: plus(values.get(self.column, {}), col)}
        if self.row is not None:
            at[self.row] = row
        return [tree.number(_inserted(form, at)) for form in subscripts]

    def _row_bytes(self, array: MemRefType, subscripts: Sequence[Form]) -> int:
        """Bytes from one row of a tile to the next."""
        if self.row is None:
            return self.columns * element_bytes(array)
        step = 0
        for extent, form in zip(array.get_shape(), subscripts, strict=True):
            step = step * extent + form.get(self.row, 0)
        return step * element_bytes(array)


@dataclass(frozen=True)
class _Block:
    """Rows and columns of the output at given values of the outer loops, to be cut into tiles."""

    values: Values
    row: Form
    col: Form
    extent: int
    """Rows, times the unit from one to the next; the last row may be a part."""
    cols: int
    tile: int
    """The extent of a tile."""

    @property
    def places(self) -> list[Form]:
        return [*self.values.values(), self.row, self.col]


@dataclass(frozen=True)
class _Tile:
    """A part of a block."""

    row: Form
    col: Form
    rows: int
    cols: int


def _inserted(form: Form, values: Values) -> Form:
    """A subscript with the loops of the program for those of the sum."""
    terms = (times(values.get(x, {}), factor) for x, factor in form.items() if x is not None)
    return plus(form.get(None, 0), *terms)
