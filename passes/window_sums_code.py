"""The instructions of a sum over windows: tiles of the output are loaded, added up and stored.

A tile is what one load carries: up to ``dim`` rows along one loop, and the columns of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from ..dialects.gemmini import (
    AccOp,
    ConfigLdOp,
    ConfigStOp,
    MvinOp,
    MvoutOp,
)
from ..hw.gemmini.config import GemminiConfig
from .coalesce import Form
from .instruction_tree import Item, Need, TreeBuilder, insert_fence
from .loop_items import Loops, plus, times
from .lower_tiles import array_type, element_bytes
from .post_op import PostOp
from .tile_roles import tile_step

CHANNELS = 3
"""Load channels, each with a stride of its own."""
Values = Mapping[int, Form]
"""What loops of the sum are, in terms of the loops of the program."""


@dataclass(frozen=True)
class Addend:
    """An array, by the position of its parameter, and the subscripts of what is added."""

    array: int
    subscripts: tuple[Form, ...]


@dataclass(frozen=True)
class WindowSum:
    """``out[written] = post(Σ over window and addends of array[subscripts])``."""

    sizes: tuple[int, ...]
    """Iterations of each loop."""
    target: tuple[int, ...]
    """The loops over elements of the output; the last one runs along columns of tiles."""
    window: tuple[int, ...]
    addends: tuple[Addend, ...]
    out: int
    written: tuple[Form, ...]
    """The subscripts of the output."""
    post: PostOp


class WindowSumsCode:
    """All elements of a sum; ``arrays`` are the parameters."""

    def __init__(
        self, what: WindowSum, config: GemminiConfig, arrays: Sequence[SSAValue], groups: int
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
        pieces = what.sizes[self.column] // self.columns
        has_more = self.outer and what.sizes[self.outer[-1]] > max(1, pieces)
        self.row = self.outer.pop() if has_more else None
        """The loop along the rows of a tile; None if the rows are pieces of the columns."""

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
        rows, cols = 1, self.what.sizes[self.column]
        if self.row is not None:
            rows = self.what.sizes[self.row]
        elif cols > self.columns:
            rows, rest = divmod(cols, self.columns)
            whole = self._region(values, rows, self.columns)
            start: Values = {**values, self.column: plus(cols - rest)}
            return [*whole, *(self._region(start, 1, rest) if rest else [])]
        return self._region(values, rows, cols)

    def _region(self, values: Values, rows: int, cols: int) -> list[Item]:
        wide = min(self.groups, -(-cols // self.columns)) * self.columns
        height, side = tile_step(rows, self.config.dim), wide // self.columns
        if -(-rows // height) * side < self.apart:
            # Lower tiles keep loads of the same rows apart.
            height = max(1, rows * side // self.apart)
        tall = max(1, self.groups // side) * height

        def block(row: Form, rows: int) -> list[Item]:
            return self.loops.pieces(
                cols,
                wide,
                "col",
                lambda col, width: self._block(_Block(values, row, col, rows, width, height)),
            )

        return self.loops.pieces(rows, tall, "row", block)

    def _block(self, block: _Block) -> list[Item]:
        tiles = -(-block.rows // block.tile_rows) * -(-block.cols // self.columns)
        # Else loads of the same rows would be in flight together, and may end in any order.
        fence = [insert_fence] if tiles < self.apart else []

        def loads(addend: Addend, number: int) -> list[Item]:
            return self._points(
                self.what.window, {}, lambda at: [*self._loads(block, addend, at, number), *fence]
            )

        items = [loads(addend, number) for number, addend in enumerate(self.what.addends)]
        return [*(item for group in items for item in group), *self._stores(block)]

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
        channel = number % CHANNELS

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
        return self.loops.pieces(
            block.rows,
            block.tile_rows,
            "r",
            lambda row, rows: self.loops.pieces(
                block.cols, width, "c", lambda col, cols: [make(_Tile(row, col, rows, cols))]
            ),
        )

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
        above = {loop: factor // block.tile_rows * side for loop, factor in tile.row.items()}
        row = plus(above, tile.col)
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
            col = plus(col, times(row, self.columns))
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
    rows: int
    cols: int
    tile_rows: int

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
