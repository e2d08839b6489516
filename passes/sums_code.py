"""The instructions of an element-wise sum: blocks of elements are loaded, added up and stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

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
from .loop_items import Loops, plus
from .lower_tiles import array_type, element_bytes
from .post_op import PostOp


@dataclass(frozen=True)
class ElementSum:
    """``out = post(Σ arrays)`` for each element; parameters are named by their positions."""

    arrays: tuple[int, ...]
    out: int
    post: PostOp


class SumsCode:
    """All elements of a sum; ``arrays`` are the parameters, each as one row of elements."""

    def __init__(
        self, what: ElementSum, config: GemminiConfig, arrays: Sequence[SSAValue], groups: int
    ) -> None:
        self.what = what
        self.config = config
        self.arrays = arrays
        self.loops = Loops()
        widest = max(_bytes(arrays[position]) for position in what.arrays)
        self.columns = config.dim * config.blocks_per_move(widest)
        """Elements side by side in one row of a move."""
        self.move = self.columns * config.dim
        self.half = config.acc_rows // 2
        self.groups = max(1, min(groups, self.half // self.columns))

    def all(self) -> list[Item]:
        """Every block; two of them take turns in the accumulator."""
        size = self.groups * self.move
        return self.loops.pieces(_elements(self.arrays[self.what.out]), size, "block", self._block)

    def _block(self, first: Form, count: int) -> list[Item]:
        turn = {loop: factor // (self.groups * self.move) for loop, factor in first.items()}
        items: list[Item] = []
        for place, position in enumerate(self.what.arrays):
            if place and count <= self.move * (self.config.loads_in_flight - 1):
                # Loads of the same rows would be in flight together, and may end in any order.
                items.append(insert_fence)
            items += self._loads(position, first, count, turn, adds=place > 0)
        return [*items, *self._stores(first, count, turn)]

    def _loads(
        self, position: int, first: Form, count: int, turn: Form, *, adds: bool
    ) -> list[Item]:
        array = self.arrays[position]
        stride, shrunk = self.columns * _bytes(array), _bytes(array) < self.config.accumulator_bytes
        channel = int(shrunk)

        def load(place: Form, row: Form, rows: int, cols: int) -> list[Item]:
            def build(tree: TreeBuilder) -> None:
                index = tree.index
                target = self._address(tree, turn, row, adds=adds)
                sizes = index.constant(rows), index.constant(cols)
                at = tree.number(plus(first, place))
                index.insert(MvinOp(array, [at], target, *sizes, channel))

            return [build]

        need = Need(
            f"load {channel}",
            stride,
            lambda: ConfigLdOp(stride, self.config.dim, channel=channel, shrunk=shrunk),
        )
        return [need, *self._moves(count, load)]

    def _stores(self, first: Form, count: int, turn: Form) -> list[Item]:
        out, post, dim = self.arrays[self.what.out], self.what.post, self.config.dim

        def store(place: Form, row: Form, rows: int, cols: int) -> list[Item]:
            def some(column: Form, size: int) -> list[Item]:
                def build(tree: TreeBuilder) -> None:
                    index = tree.index
                    # Tiles side by side lie ``dim`` rows apart, which is their number of columns.
                    source = self._address(tree, turn, plus(row, column), full=post.scale is None)
                    sizes = index.constant(rows), index.constant(size)
                    at = tree.number(plus(first, place, column))
                    index.insert(MvoutOp(source, *sizes, out, [at]))

                return [build]

            return self.loops.pieces(cols, dim, "column", some)

        stride = self.columns * _bytes(out)
        need = Need("store", stride, lambda: ConfigStOp(stride, post.activation, post.factor))
        return [need, *self._moves(count, store)]

    def _moves(self, count: int, make: Callable[[Form, Form, int, int], list[Item]]) -> list[Item]:
        """``make(place, local row, rows, columns)`` for ``count`` elements of a block."""

        def some(place: Form, size: int) -> list[Item]:
            row = {loop: factor // self.config.dim for loop, factor in place.items()}
            rows, rest = divmod(size, self.columns)
            items = make(place, row, rows, self.columns) if rows else []
            if rest:
                items += make(plus(place, rows * self.columns), plus(row, rows), 1, rest)
            return items

        return self.loops.pieces(count, self.move, "group", some)

    def _address(
        self, tree: TreeBuilder, turn: Form, row: Form, *, adds: bool = False, full: bool = False
    ) -> SSAValue:
        index = tree.index
        half = index.mul(index.rem(tree.number(turn), 2), self.half)
        accumulate = index.flag(True) if adds else None
        address = AccOp(index.add(half, tree.number(row)), accumulate, full=full)
        return index.insert(address).results[0]


def _elements(array: SSAValue) -> int:
    return array_type(array).get_shape()[0]


def _bytes(array: SSAValue) -> int:
    return element_bytes(array_type(array))
