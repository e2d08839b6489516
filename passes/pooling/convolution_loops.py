"""How much of a convolution one hardware loop computes, and what the loop is told.

The loop loads all of its inputs and weights, multiplies, and stores; the next one loads meanwhile
into the other half of the local memories (``hw/gemmini/conv_unroller.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod

from xdsl.dialects import func

from ...dialects.gemmini.loops import CONV_SIZES
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.conv_unroller import LoopConv
from ...hw.gemmini.fields import LOOP_CONV_WS_CONFIGS, encode
from ..coalesce import view_of
from ..kernel import refusal
from .blocks import Blocks, blocks
from .facts import Convolution, Pooling, Side, Taps
from .plan import FIELD, SMALL

Shape = tuple[int, ...]
STAYS = ("", "input", "weights")
"""The operand that several hardware loops share, or none."""
MOST_PARTS = 4
"""Pieces into which rows of pixels are cut at most."""
MOST_CHUNKS = 8
"""Pieces into which sums are cut at most."""
LOOP = 60
"""Cycles that another hardware loop costs, as for products of matrices."""
SHORTEST_RUN = 4
"""Cycles of a product however few rows it has: two commands go through the queues."""
CHANGE = 5
"""Cycles that other weights cost, measured on 7 × 7 pixels of 512 channels."""
STORE_CYCLES_PER_ROW = 1.6
"""Cycles in which the store unit reads and scales a row (``gemmini`` RTL: 8 / 5)."""


@dataclass(frozen=True)
class Tile:
    """What one hardware loop computes; rows and columns are those of the output."""

    images: int
    rows: int
    cols: int
    outputs: int
    inputs: int


@dataclass(frozen=True)
class Corner:
    """The blocks that one hardware loop computes: equal ones need the same loop."""

    images: Blocks
    rows: Blocks
    cols: Blocks
    outputs: Blocks


@dataclass(frozen=True)
class ConvolutionLoops:
    """A convolution as hardware loops of at most the size of ``tile``."""

    pooling: Pooling
    weights: Shape
    """Extents of the array of weights."""
    image: Shape
    """Extents of the input array."""
    tile: Tile
    config: GemminiConfig

    @property
    def convolution(self) -> Convolution:
        assert self.pooling.convolution is not None
        return self.pooling.convolution

    @property
    def pools(self) -> bool:
        rows = self.pooling.rows
        return rows.window > 1 or rows.step > 1 or rows.pad > 0

    @property
    def stride(self) -> int:
        """Inputs between pixels; a side of one pixel has none."""
        convolution, pooling = self.convolution, self.pooling
        sides = ((convolution.rows, pooling.rows), (convolution.cols, pooling.cols))
        return next((taps.step for taps, side in sides if side.extent > 1), 1)

    @property
    def dilation(self) -> int:
        convolution = self.convolution
        sides = (convolution.rows, convolution.cols)
        return next((taps.dilation for taps in sides if taps.count > 1), 1)

    @property
    def downsample(self) -> bool:
        """Whether pixels that no window needs are not loaded: every second one."""
        convolution = self.convolution
        sides = (convolution.rows, convolution.cols)
        one = all(taps.count == 1 and taps.pad <= 0 for taps in sides)
        return one and self.stride == 2 and not self.pools

    @property
    def has_whole_sums(self) -> bool:
        """Whether one hardware loop adds up all terms of a sum."""
        return self.tile.inputs >= self.convolution.depth

    def can_stay(self, stay: str) -> bool:
        """Whether several hardware loops in a row can share an operand."""
        images, rows, cols, outputs = (sum(x.count for x in axis) for axis in self.axes)
        pixels = prod(self.pooling.batch[:-1]) * images * rows * cols
        return not stay or (self.has_whole_sums and (outputs if stay == "input" else pixels) > 1)

    def require_fields(self, function: func.FuncOp) -> None:
        """Refuse convolutions that the commands cannot describe."""
        convolution, pooling = self.convolution, self.pooling
        for taps, side in ((convolution.rows, pooling.rows), (convolution.cols, pooling.cols)):
            if side.extent > 1 and taps.step != self.stride:
                raise refusal(function, "a hardware loop has one stride for rows and columns")
            if taps.count > 1 and taps.dilation != self.dilation:
                raise refusal(function, "a hardware loop has one dilation for rows and columns")
        if self.weight_sizes is None:
            raise refusal(
                function, "the weights of hardware loops lie by row, column, input and output"
            )

    @cached_property
    def weight_sizes(self) -> tuple[int, int, int] | None:
        """The weights' ``kernel_dim``, ``in_channels`` and ``weight_stride``, if they have such.

        A weight lies at ((row · kernel_dim + column) · in_channels + input) · weight_stride.
        """
        convolution = self.convolution
        view = view_of(self.weights, convolution.weight_subscripts)
        row, col, depth, channel = (view.steps(place) for place in range(4))
        if convolution.cols.count == 1:
            col = row if convolution.rows.count > 1 else depth
        if convolution.rows.count == 1:
            row = col
        if channel != 1 or min(row, col, depth) < 1 or col % depth or row % col:
            return None
        return row // col, col // depth, depth

    @cached_property
    def axes(self) -> tuple[tuple[Blocks, ...], ...]:
        """Blocks of images, rows, columns and output channels."""
        pooling, convolution, tile = self.pooling, self.convolution, self.tile
        images = pooling.batch[-1] if pooling.batch else 1
        return (
            tuple(pieces(images, tile.images)),
            tuple(blocks(pooling.rows, self._loaded(convolution.rows), tile.rows)),
            tuple(blocks(pooling.cols, self._loaded(convolution.cols), tile.cols)),
            tuple(pieces(pooling.channels, tile.outputs)),
        )

    def _loaded(self, taps: Taps) -> Taps:
        """A hardware loop loads ``stride`` inputs for each pixel, or with downsampling one."""
        surplus = self.stride - 1
        beyond = surplus if self.downsample else 0
        return replace(taps, step=self.stride, surplus=surplus, extent=taps.extent + beyond)

    def corners(self) -> Iterator[Corner]:
        """The different blocks."""
        return (Corner(*chosen) for chosen in product(*self.axes))

    def sizes(self, corner: Corner, inputs: int) -> dict[str, int]:
        """What a hardware loop is told, for some input channels of a block, by ``CONV_SIZES``."""
        pooling, convolution = self.pooling, self.convolution
        rows, cols = corner.rows, corner.cols
        assert self.weight_sizes is not None
        kernel_dim, in_channels, weight_stride = self.weight_sizes
        has_pool = self.pools
        sizes = {
            "batch_size": prod(pooling.batch),
            "in_row_dim": self.image[-3],
            "in_col_dim": self.image[-2],
            "in_channels": in_channels,
            "out_channels": pooling.channels,
            "in_stride": self.image[-1],
            "weight_stride": weight_stride,
            "out_stride": pooling.channels,
            "out_row_dim": pooling.rows.extent,
            "out_col_dim": pooling.cols.extent,
            "pool_out_row_dim": pooling.rows.pooled,
            "pool_out_col_dim": pooling.cols.pooled,
            "stride": self.stride,
            "padding": max(0, convolution.rows.pad),
            "kernel_dim": kernel_dim,
            "kernel_dilation": self.dilation,
            "pool_size": pooling.rows.window,
            "pool_stride": pooling.rows.step,
            "pool_padding": pooling.rows.pad,
            "batches": corner.images.pooled,
            "porows": rows.pooled,
            "pocols": cols.pooled,
            "pochs": corner.outputs.pooled,
            "krows": convolution.rows.count,
            "kcols": convolution.cols.count,
            "kchs": inputs,
            "lpad": cols.inputs.before,
            "rpad": cols.inputs.after,
            "upad": rows.inputs.before,
            "dpad": rows.inputs.after,
            "plpad": cols.pixels.before if has_pool else 0,
            "prpad": cols.pixels.after if has_pool else 0,
            "pupad": rows.pixels.before if has_pool else 0,
            "pdpad": rows.pixels.after if has_pool else 0,
            "orows": rows.pixels.inside,
            "ocols": cols.pixels.inside,
        }
        return {name: sizes[name] for name in CONV_SIZES}

    def loop(self, corner: Corner, inputs: int) -> LoopConv:
        """The hardware loop of a block, in the first half of the local memories."""
        config = self.config
        flags = {
            "downsample": int(self.downsample),
            "max_pixels_per_row": 1,
            "trans_input_3120": 0,
            "trans_weight_0132": 0,
            "input_dilated": 0,
        }
        return LoopConv(
            self.sizes(corner, inputs) | flags,
            a_start=0,
            b_end=config.spad_rows // 2,
            c_start=0,
            dim=config.dim,
            blocks=config.max_blocks,
            accumulator_blocks=config.blocks_per_move(config.accumulator_bytes),
            input_bytes=config.input_bytes,
            accumulator_bytes=config.accumulator_bytes,
        )

    @cached_property
    def _largest(self) -> LoopConv:
        corner = Corner(*(axis[0] for axis in self.axes))
        return self.loop(corner, min(self.tile.inputs, self.convolution.depth))

    @cached_property
    def fits(self) -> bool:
        """Whether each hardware loop takes half of the local memories at most."""
        return all(self._fits(corner) for corner in self.corners())

    def _fits(self, corner: Corner) -> bool:
        inputs = min(self.tile.inputs, self.convolution.depth)
        loop, config, pooling = self.loop(corner, inputs), self.config, self.pooling
        numbers = self.sizes(corner, inputs)
        images = (loop.orows, loop.ocols, loop.porows, loop.pocols, pooling.cols.pooled)
        pads = (loop.plpad, loop.pupad, pooling.rows.window, pooling.rows.step)
        if min(images) < 1 or min(loop.unpadded) < 1:
            return False
        if self.pools and (max(images) > FIELD or max(pads) > SMALL):
            return False
        try:
            for layout in LOOP_CONV_WS_CONFIGS.values():
                encode(layout, **{name: numbers[name] for name in layout if name in numbers})
        except ValueError:
            return False
        operands = loop.input_rows + loop.weight_rows
        return operands <= config.spad_rows // 2 and loop.output_rows <= config.acc_rows // 2

    def cost(self, stay: str) -> float:
        """About how many cycles it takes at level ``soc``: a ranking, no prediction.

        Hardware loops load while the one before them multiplies; the first loads and the last
        stores overlap with nothing. Weights that the L2 does not keep come in whole lines.
        """
        convolution, config = self.convolution, self.config
        loop, dim, inputs = self._largest, config.dim, self._largest.kchs
        counts = [sum(block.count for block in axis) for axis in self.axes]
        count = prod((*self.pooling.batch[:-1], *counts, -(-convolution.depth // inputs)))
        run = min(loop.ocols, dim)
        weights = -(-loop.pochs // dim) * loop.krows * loop.kcols * -(-inputs // dim)
        products = weights * (loop.outputs * max(1, SHORTEST_RUN / run) + dim - run + CHANGE)
        a_bytes = loop.batches * prod(loop.unpadded) * inputs
        l2 = config.l2_sets * config.l2_ways * config.l2_line_bytes
        line = config.l2_line_bytes if prod(self.weights) > l2 // 2 else 1
        b_bytes = loop.krows * loop.kcols * inputs * -(-loop.pochs // line) * line
        a_loads = count // counts[-1] if stay == "input" else count
        b_loads = counts[-1] if stay == "weights" else count
        from_dram = prod(self.image) + max(prod(self.weights), b_bytes * counts[-1])
        again = max(0, a_bytes * a_loads + b_bytes * b_loads - from_dram)
        dram = config.dram_fill_cycles / config.l2_line_bytes
        rows = a_loads * loop.input_rows + b_loads * loop.weight_rows
        loads = max(rows, from_dram * dram + again / config.bus_bytes) / count
        stores = loop.output_rows * STORE_CYCLES_PER_ROW
        alone = (a_bytes + b_bytes) * dram + products + stores
        return alone + (count - 1) * (max(products, loads) + LOOP)


def pieces(count: int, size: int) -> list[Blocks]:
    """Blocks of ``size`` images or channels, the last one maybe shorter."""
    return blocks(Side(count, window=1, step=1, pad=0, extent=count), None, size)


def tiles(pooling: Pooling, config: GemminiConfig) -> Iterator[Tile]:
    """Sizes worth trying: equal parts of images and sums, any number of array tiles of outputs."""
    convolution = pooling.convolution
    assert convolution is not None
    dim, depth = config.dim, convolution.depth
    images = pooling.batch[-1] if pooling.batch else 1
    taps = convolution.rows.count * convolution.cols.count
    for image, row, col, part in product(
        _parts(images, images, 1),
        _parts(pooling.rows.pooled, pooling.rows.pooled, 1),
        _parts(pooling.cols.pooled, MOST_PARTS, 1),
        _parts(depth, MOST_CHUNKS, dim),
    ):
        if image > 1 and (row, col) != (pooling.rows.pooled, pooling.cols.pooled):
            continue  # several images only where each is whole
        room = config.acc_rows // 2 // (image * row * col)
        most = min(room, config.spad_rows // 2 // (taps * part)) * dim
        for output in _parts(pooling.channels, pooling.channels // dim + 1, dim):
            if output <= most or output <= dim <= most:
                yield Tile(image, row, col, output, part)


def _parts(count: int, most: int, unit: int) -> list[int]:
    """Sizes of up to ``most`` equal parts, in whole units where there are several."""
    found = (-(-count // parts) for parts in range(1, most + 1))
    return list(dict.fromkeys(min(count, -(-size // unit) * unit) for size in found))
