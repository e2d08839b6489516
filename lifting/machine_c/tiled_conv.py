"""``tiled_conv_auto``: the library's convolution, expanded into the hardware loops that it issues.

Order and parameters of the loops are those of the public ``gemmini.h`` (``tiled_conv``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from ...diagnostics import Diagnostic
from .conv_tiles import ConvShape, ConvTile, choose_conv_tile
from .library_calls import LibraryCall
from .terms import constant
from .values import Pointer

_NUMBERS = (
    "batch_size", "in_row_dim", "in_col_dim", "in_channels", "out_channels", "out_row_dim",
    "out_col_dim", "stride", "input_dilation", "kernel_dilation", "padding", "kernel_dim",
)  # fmt: skip
MAX_LOOPS = 4096
"""Hardware loops of one call; each is an instruction of the program."""


@dataclass(frozen=True)
class _Span:
    """Where a window of outputs lies along rows or columns, and its share of the padding."""

    count: int
    """Unpooled outputs, with those that only exist as padding of the pooling."""
    first: int
    """First input element of the window; negative in the padding."""
    low: int
    high: int
    pool_low: int
    pool_high: int


class TiledConv(LibraryCall):
    """One call of ``tiled_conv_auto``."""

    def emit(self) -> None:
        """Emit the instructions; raises Diagnostic for variants that are not expanded."""
        self.require_weight_stationary("tiled_conv_type")
        self.shape = self._shape()
        if any(self.is_set(f) for f in ("trans_output_1203", "trans_weight_1203", "wrot180")):
            raise Diagnostic(
                "a convolution with transposed or rotated operands is not expanded",
                self.location,
                hint="give the kernel as plain C, or write out the instructions",
            )
        try:
            tile = choose_conv_tile(self.shape, self.config)
        except ValueError as error:
            raise Diagnostic(str(error), self.location) from error
        act, scale = self.constant("act"), self.operands["scale"].real()
        shape = self.shape
        self.config_st(shape.out_channels * self.config.input_bytes, act, scale)
        self.config_ex(
            0,
            c_stride=shape.input_dilation,
            a_stride=shape.stride >> shape.downsample,
            a_transpose=shape.trans_input_3120,
            b_transpose=shape.trans_weight_0132,
        )
        self._loops(tile)
        self.instruction("fence")

    def _shape(self) -> ConvShape:
        numbers = {name: self.constant(name) for name in _NUMBERS}
        pool_stride = self.constant("pool_stride")
        pool = {"pool_size": 1, "pool_stride": 1, "pool_padding": 0}
        if pool_stride:
            pool = {name: self.constant(name) for name in pool}
        if min(n for name, n in numbers.items() if name != "padding") < 1:
            raise Diagnostic("a dimension of this convolution is not positive", self.location)
        return ConvShape(
            **numbers,
            **pool,
            has_pool=pool_stride != 0,
            trans_input_3120=self.is_set("trans_input_3120"),
            trans_weight_0132=self.is_set("trans_weight_0132"),
        )

    def _loops(self, tile: ConvTile) -> None:
        shape = self.shape
        ends = (
            (shape.batch_size, tile.batches),
            (shape.pool_out_row_dim, tile.porows),
            (shape.pool_out_col_dim, tile.pocols),
            (shape.out_channels, tile.pochs),
            (shape.kernel_dim, tile.krows),
            (shape.kernel_dim, tile.kcols),
            (shape.in_channels, tile.kchs),
        )
        count = 1
        for end, step in ends:
            count *= -(-end // step)
        if count > MAX_LOOPS:
            raise Diagnostic(f"this convolution issues {count} hardware loops", self.location)
        for place in product(*(range(0, end, step) for end, step in ends)):
            sizes = [min(step, end - at) for at, (end, step) in zip(place, ends, strict=True)]
            self._loop(ConvTile(*place), ConvTile(*sizes))

    def _loop(self, at: ConvTile, size: ConvTile) -> None:
        """One hardware loop over the tile of ``size`` that begins at ``at``."""
        shape = self.shape
        rows = self._span(at.porows, size.porows, at.krows, size.krows, rows=True)
        cols = self._span(at.pocols, size.pocols, at.kcols, size.kcols, rows=False)
        kernel = shape.kernel_dim
        is_last = (
            at.krows + size.krows >= kernel
            and at.kcols + size.kcols >= kernel
            and at.kchs + size.kchs >= shape.in_channels
        )
        is_first = at.krows == at.kcols == at.kchs == 0
        dilated = shape.input_dilation > 1
        row = (rows.first + rows.low) >> dilated
        col = (cols.first + cols.low) >> dilated
        pixel = (at.batches * shape.in_row_dim + row) * shape.in_col_dim + col
        out_pixel = (
            at.batches * shape.pool_out_row_dim + at.porows
        ) * shape.pool_out_col_dim + at.pocols
        weight = (at.krows * kernel + at.kcols) * shape.in_channels + at.kchs
        no_bias = self.is_null("bias")
        # Rows that hardware loops read are counted in whole pixels of one image.
        self.instruction(
            "loop_conv_ws",
            batch_size=shape.batch_size,
            in_row_dim=shape.in_row_dim,
            in_col_dim=shape.in_col_dim,
            in_channels=shape.in_channels,
            out_channels=shape.out_channels,
            out_row_dim=shape.out_row_dim,
            out_col_dim=shape.out_col_dim,
            pool_out_row_dim=shape.pool_out_row_dim,
            pool_out_col_dim=shape.pool_out_col_dim,
            stride=shape.stride,
            padding=shape.padding,
            kernel_dim=kernel,
            kernel_dilation=shape.kernel_dilation,
            pool_size=shape.pool_size,
            pool_stride=shape.pool_stride,
            pool_padding=shape.pool_padding,
            **{name: getattr(size, name) for name in ConvTile.FIELDS},
            lpad=cols.low,
            rpad=cols.high,
            upad=rows.low,
            dpad=rows.high,
            plpad=cols.pool_low,
            prpad=cols.pool_high,
            pupad=rows.pool_low,
            pdpad=rows.pool_high,
            orows=rows.count - rows.pool_low - rows.pool_high,
            ocols=cols.count - cols.pool_low - cols.pool_high,
            weights=self._at("weights", weight * shape.out_channels + at.pochs),
            output=self._at("output", out_pixel * shape.out_channels + at.pochs) if is_last else 0,
            bias=self._at("bias", at.pochs) if is_first and not no_bias else 0,
            input=self._at("input", pixel * shape.in_channels + at.kchs),
            no_bias=int(no_bias),
            no_pool=int(not shape.has_pool),
            downsample=int(shape.downsample),
            wrot180=0,
            input_dilated=int(dilated),
            activation=self.constant("act"),
            trans_output_1203=0,
            trans_weight_1203=0,
            trans_weight_0132=int(shape.trans_weight_0132),
            trans_input_3120=int(shape.trans_input_3120),
            max_pixels_per_row=1,
            in_stride=shape.in_channels,
            weight_stride=shape.out_channels,
            out_stride=shape.out_channels,
            depthwise=0,
            a_spad_id=0,
            b_spad_id=0,
        )

    def _span(self, pooled: int, size: int, kernel_at: int, kernel: int, *, rows: bool) -> _Span:
        shape = self.shape
        out_dim = shape.out_row_dim if rows else shape.out_col_dim
        in_dim = shape.in_row_dim if rows else shape.in_col_dim
        first_out = pooled * shape.pool_stride - shape.pool_padding
        count = size * shape.pool_stride + shape.pool_size - 1
        if not shape.has_pool:
            count = size
        pool_low = max(0, -first_out)
        pool_high = max(0, first_out + count - out_dim)
        first = max(0, first_out) * shape.stride + kernel_at * shape.kernel_dilation - shape.padding
        dilated_kernel = kernel + (shape.kernel_dilation - 1) * (kernel - 1)
        inputs = (count - pool_low - pool_high) * shape.stride + dilated_kernel - 1
        dilated_in = in_dim + (shape.input_dilation - 1) * (in_dim - 1)
        low, high = max(0, -first), max(0, first + inputs - dilated_in)
        if shape.input_dilation > 1:
            low, high = low + (low == 0 and first % 2 != 0), high
        return _Span(count, first, low, high, pool_low, pool_high)

    def _at(self, array: str, element: int) -> Pointer:
        pointer = self.pointer(array)
        pointer = replace(pointer, unit=pointer.array.element_bytes, extents=(), subscripts=None)
        return pointer.moved(constant(element))
