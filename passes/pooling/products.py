"""The instructions of one block of a pooled convolution: load, multiply, store pooled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ...dialects.gemmini import ComputePreloadedOp, ConfigExOp, MvinOp, NoneOp, PreloadOp
from ..coalesce import Form, view_of
from ..instruction_tree import Item, Need, TreeBuilder
from ..loop_items import plus, times
from .facts import Convolution
from .forms import composed
from .instructions import (
    SUMS,
    WEIGHTS,
    LocalRows,
    Place,
    PoolingCode,
    Sides,
    rows_of,
)

Taps = Callable[[Form, Form], list[Item]]


class ProductCode(PoolingCode):
    """Blocks of a pooling of sums of products.

    The pixels of a block lie side by side in the accumulator, as the pooling store walks them.
    """

    @property
    def convolution(self) -> Convolution:
        assert self.pooling.convolution is not None
        return self.pooling.convolution

    @property
    def weights(self) -> LocalRows:
        return LocalRows("spad", self.plan.weight_base)

    def before(self) -> list[Item]:
        """The weights, if they stay."""
        step = self.convolution.cols.step
        execute = Need("execute", step, lambda: ConfigExOp(a_stride=step))
        if not self.plan.resident:
            return [execute]
        size = self.config.max_blocks * self.dim
        load = self.loops.pieces(self.pooling.channels, size, "c", self._load_weights)
        return [execute, *load]

    def block(self, at: Sequence[Form], sides: Sides, place: Place) -> list[Item]:
        """Load the inputs of a block; then compute and store it, some output channels at a time."""
        plan, depth = self.plan, self.convolution.depth
        inputs = LocalRows("spad", 0)
        regions = [side.inputs for side in sides]
        starts: list[Form] = []
        taps = (self.convolution.rows, self.convolution.cols)
        images = (self.pooling.rows, self.pooling.cols)
        for side, inner, image, tap in zip(sides, place, images, taps, strict=True):
            pixel = side.first * image.step - image.pad + side.pixels.before
            first = pixel * tap.step - tap.pad + side.inputs.before
            starts.append(plus(times(inner, side.pooled * image.step * tap.step), first))

        def load(channel: Form, channels: int) -> list[Item]:
            local = rows_of(channel, plan.input_rows, self.dim)
            return self.load_region(
                at, regions, starts, inputs, channel, channels, plan.input_rows,
                zeros=True, first=local,
            )  # fmt: skip

        def some(channel: Form, channels: int) -> list[Item]:
            turn = {k: v // self.dim for k, v in channel.items()}
            sums = LocalRows("acc", 0, self.half_of_image(), turn)
            load_weights = [] if plan.resident else self._load_weights(channel, channels)
            return [
                *load_weights,
                *self._sums(sides, inputs, sums, channel, channels),
                *self.store_all(at, sides, place, sums, channel, channels),
            ]

        size = self.dim * self.config.max_blocks
        return [
            *self.loops.pieces(depth, size, "k", load),
            *self.loops.pieces(self.pooling.channels, self.dim, "o", some),
        ]

    def _load_weights(self, channel: Form, channels: int) -> list[Item]:
        """The weights of some output channels, for all taps."""
        convolution, plan = self.convolution, self.plan
        array = self.arrays[convolution.weights]
        assert isinstance(array.type, MemRefType)
        shape = array.type.get_shape()
        stride = view_of(shape, convolution.weight_subscripts).steps(2)
        local = {} if not plan.resident else rows_of(channel, plan.weight_rows, self.dim)

        def load(row: Form, col: Form, depth: Form, size: int) -> Item:
            def build(tree: TreeBuilder) -> None:
                target = self.weights.address(tree, plus(local, self._tile(row, col, depth)))
                known = dict(enumerate((row, col, depth, channel)))
                subscripts = convolution.weight_subscripts
                indices = [tree.number(composed(form, known)) for form in subscripts]
                rows, cols = tree.index.constant(size), tree.index.constant(channels)
                tree.index.insert(MvinOp(array, indices, target, rows, cols, WEIGHTS))

            return build

        return [
            self.load_need(WEIGHTS, stride, plan.weight_rows),
            *self._taps(
                lambda row, col: self.loops.pieces(
                    convolution.depth, self.dim, "k", lambda k, size: [load(row, col, k, size)]
                )
            ),
        ]

    def _tile(self, row: Form, col: Form, depth: Form) -> Form:
        """Local rows in front of the weights of a tap and some input channels."""
        convolution = self.convolution
        blocks = -(-convolution.depth // self.dim)
        tap = plus(times(row, convolution.cols.count), col)
        return plus(times(tap, blocks * self.dim), depth)

    def _taps(self, make: Taps) -> list[Item]:
        taps = self.convolution.rows.count, self.convolution.cols.count
        return self.loops.repeat(
            taps[0], "s", lambda row: self.loops.repeat(taps[1], "t", lambda col: make(row, col))
        )

    # Sums.

    def _sums(
        self, sides: Sides, inputs: LocalRows, sums: LocalRows, channel: Form, channels: int
    ) -> list[Item]:
        """The sums of all pixels of a block, row by row."""
        rows, cols = (side.pixels.inside for side in sides)
        width = sides[1].inputs.size
        pieces = -(-cols // self.dim)

        def some(y: Form, x: Form, pixels: int) -> list[Item]:
            target = plus(times(y, cols), x)
            first = plus(
                times(y, self.convolution.rows.step * width), times(x, self.convolution.cols.step)
            )
            sizes = pixels, channels
            begin = self._bias(sums, target, channel, sizes)
            return [*begin, *self._products(inputs, first, width, sums, target, channel, sizes)]

        # Pieces of equal length: short products cost the array as much as long ones.
        size = -(-cols // pieces)
        return self.loops.repeat(
            rows, "y", lambda y: self.loops.pieces(cols, size, "x", lambda x, n: some(y, x, n))
        )

    def _bias(
        self, sums: LocalRows, target: Form, channel: Form, sizes: tuple[int, int]
    ) -> list[Item]:
        if self.convolution.bias is None:
            return []
        array = self.arrays[self.convolution.bias]

        def build(tree: TreeBuilder) -> None:
            rows, cols = (tree.index.constant(size) for size in sizes)
            address = sums.address(tree, target)
            tree.index.insert(MvinOp(array, [tree.number(channel)], address, rows, cols, SUMS))

        return [self.load_need(SUMS, 0, self.dim), build]

    def _products(
        self,
        inputs: LocalRows,
        first: Form,
        width: int,
        sums: LocalRows,
        target: Form,
        channel: Form,
        sizes: tuple[int, int],
    ) -> list[Item]:
        """All products that some pixels add up; without a bias the first one overwrites."""
        convolution, plan = self.convolution, self.plan
        local = {} if not plan.resident else rows_of(channel, plan.weight_rows, self.dim)

        def product(row: Form, col: Form, depth: Form, size: int) -> Item:
            def build(tree: TreeBuilder) -> None:
                index = tree.index
                taps = plus(
                    times(row, convolution.rows.dilation * width),
                    times(col, convolution.cols.dilation),
                )
                pixels = plus(first, taps, rows_of(depth, plan.input_rows, self.dim))
                a = inputs.address(tree, pixels)
                b = self.weights.address(tree, plus(local, self._tile(row, col, depth)))
                adds = index.flag(True)
                if convolution.bias is None:
                    adds = index.positive(tree.number(plus(row, col, depth)))
                c = sums.address(tree, target, adds)
                m, n, k = (index.constant(number) for number in (*sizes, size))
                none: SSAValue = index.insert(NoneOp()).results[0]
                index.insert(PreloadOp(b, k, n, c, m, n))
                index.insert(ComputePreloadedOp(a, m, k, none, m, n))

            return build

        return self._taps(
            lambda row, col: self.loops.pieces(
                convolution.depth, self.dim, "k", lambda k, size: [product(row, col, k, size)]
            )
        )
