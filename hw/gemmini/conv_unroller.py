"""Expansion of ``LOOP_CONV_WS``: one convolution on tiles that fit the local memories.

The order and the addresses are those of the library's software version of the loop (``gemmini.h``,
``sp_tiled_conv``), which the hardware's state machines follow (LoopConv.scala): bias, input and
weights are loaded whole, then all products are computed, then the outputs are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .fields import CONFIG_EX, CONFIG_LD, CONFIG_ST, KEEP_SCALE, MOVE, PAIR, encode, float_bits
from .isa import ACCUMULATE_BIT, ACCUMULATOR_BIT, MVIN_OF_CHANNEL, ConfigType, Funct
from .loop_machines import (
    EXECUTE_LOOP,
    HARDWARE_GARBAGE,
    LOAD_A,
    LOAD_B,
    LOAD_D,
    Emitted,
    emitted_commands,
)

Command = tuple[int, int, int]
INPUT_CHANNEL, WEIGHT_CHANNEL, BIAS_CHANNEL = 0, 1, 2
"""The load states that the state machines configure and use."""


@dataclass(frozen=True)
class LoopConv:
    """The parameters of one ``LOOP_CONV_WS``, as its commands give them, and its placement.

    Names are those of ``gemmini.h``: ``o`` output, ``i`` input, ``k`` kernel, ``po`` pooled output.
    """

    parameters: dict[str, int]
    a_start: int
    """First scratchpad row of the input."""
    b_end: int
    """Scratchpad row behind the weights."""
    c_start: int
    """First accumulator row of bias and output."""
    dim: int
    blocks: int
    """Tiles that one scratchpad move may carry."""
    accumulator_blocks: int
    input_bytes: int
    accumulator_bytes: int

    def __getattr__(self, name: str) -> int:
        parameters: dict[str, int] = object.__getattribute__(self, "parameters")
        if name not in parameters:
            raise AttributeError(name)
        return parameters[name]

    def undilated(self, count: int) -> int:
        """Positions that remain of ``count`` when every second one is a zero of the dilation."""
        return (count + 1) // 2 if self.input_dilated else count

    @property
    def unpadded(self) -> tuple[int, int]:
        """Rows and columns of the input that come from DRAM."""
        rows = self.orows * self.stride + self._dilated(self.krows) - 1 - self.upad - self.dpad
        cols = self.ocols * self.stride + self._dilated(self.kcols) - 1 - self.lpad - self.rpad
        return self.undilated(rows), self.undilated(cols)

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the input with its padding."""
        rows, cols = self.unpadded
        rows += self.undilated(self.upad) + self.undilated(self.dpad)
        return rows, cols + self.undilated(self.lpad) + self.undilated(self.rpad)

    @property
    def image(self) -> int:
        """Scratchpad rows of one channel block of one input image."""
        rows, cols = self.padded
        return (rows >> self.downsample) * (cols >> self.downsample)

    @property
    def outputs(self) -> int:
        """Accumulator rows of one channel block: all output pixels of all images."""
        return self.batches * self.orows * self.ocols

    @property
    def input_rows(self) -> int:
        if self.trans_input_3120:
            return -(-self.batches // self.dim) * self.kchs * self.image
        return -(-self.kchs // self.dim) * self.batches * self.image

    @property
    def weight_rows(self) -> int:
        if self.trans_weight_0132:
            return -(-self.kchs // self.dim) * self.krows * self.kcols * self.pochs
        return -(-self.pochs // self.dim) * self.krows * self.kcols * self.kchs

    @property
    def output_rows(self) -> int:
        return -(-self.pochs // self.dim) * self.outputs

    def _dilated(self, kernel: int) -> int:
        return kernel + (self.kernel_dilation - 1) * (kernel - 1)

    def weight_place(self, krow: int, kcol: int, kch: int, och: int) -> int:
        """Scratchpad row of the weights of a kernel position and its channels."""
        start = self.b_end - self.weight_rows
        position = krow * self.kcols + kcol
        kernel = self.krows * self.kcols
        if self.trans_weight_0132:
            return start + (kch // self.dim * kernel + position) * self.pochs + och
        return start + (och // self.dim * kernel + position) * self.kchs + kch

    def input_place(self, image: int, row: int, col: int, channel: int) -> int:
        """Scratchpad row of an input pixel (coordinates with padding) and its channels."""
        cols = self.padded[1] >> self.downsample
        pixel = (row >> self.downsample) * cols + (col >> self.downsample)
        if self.trans_input_3120:
            block = image // self.dim * self.kchs + channel
        else:
            block = channel // self.dim * self.batches + image
        return self.a_start + block * self.image + pixel

    def output_place(self, image: int, row: int, col: int, channel: int) -> int:
        """Accumulator row of an output pixel and its channels."""
        pixel = (image * self.orows + row) * self.ocols + col
        return self.c_start + channel // self.dim * self.outputs + pixel


def emit_conv(conv: LoopConv) -> tuple[Emitted, ...]:
    """The commands of the five state machines of one ``LOOP_CONV_WS``.

    Products begin when all loads have been emitted, and stores when all products have.
    """
    loads = [emitted_commands(emit(conv)) for emit in (emit_bias, emit_input, emit_weights)]
    products = emitted_commands(emit_products(conv))
    for machine, load in zip((LOAD_D, LOAD_A, LOAD_B), loads, strict=True):
        products.needs[:, machine] = len(load)
    output = emitted_commands(emit_output(conv))
    output.needs[:, EXECUTE_LOOP] = len(products)
    return output, products, *loads


def _pieces(count: int, step: int) -> Iterator[tuple[int, int]]:
    """``(start, length)`` of ``range(count)`` cut into pieces of at most ``step``."""
    for start in range(0, count, step):
        yield start, min(step, count - start)


def _move(funct: Funct, dram: int, local: int, cols: int, rows: int) -> Command:
    return (funct, *encode(MOVE, dram=dram, local=local, cols=cols, rows=rows))


def _config_load(channel: int, stride: int, block_stride: int, repeats: int = 1) -> Command:
    words = encode(
        CONFIG_LD,
        type=ConfigType.LOAD,
        channel=channel,
        pixel_repeats=repeats,
        block_stride=block_stride,
        scale=float_bits(1.0),
        stride=stride,
    )
    return (Funct.CONFIG, *words)


def emit_bias(conv: LoopConv) -> list[Command]:
    """Set every output row to the bias, or to zeros; without a bias address nothing is set.

    The bias is one row, so its stride in DRAM is 0.
    """
    if conv.bias == 0 and not conv.no_bias:
        return []
    commands = [_config_load(BIAS_CHANNEL, 0, conv.outputs)]
    for image in range(conv.batches):
        for row in range(conv.orows):
            for col, rows in _pieces(conv.ocols, conv.dim):
                for och, cols in _pieces(conv.pochs, conv.accumulator_blocks * conv.dim):
                    dram = 0 if conv.no_bias else conv.bias + och * conv.accumulator_bytes
                    local = conv.output_place(image, row, col, och) | ACCUMULATOR_BIT
                    commands.append(_move(MVIN_OF_CHANNEL[BIAS_CHANNEL], dram, local, cols, rows))
    return commands


def _column_pieces(conv: LoopConv) -> Iterator[tuple[int, int]]:
    """Runs of input columns, each in the left padding, in the image, or in the right padding."""
    _, cols = conv.unpadded
    left, right = conv.undilated(conv.lpad), conv.undilated(conv.rpad)
    wide = conv.dim << conv.downsample
    for start, length in _pieces(left, conv.dim):
        yield start - left, length
    yield from _pieces(cols, wide)
    for start, length in _pieces(right, conv.dim):
        yield cols + start, length


def emit_input(conv: LoopConv) -> list[Command]:
    """Load the input, pixel rows along a line of the image; padding becomes zeros."""
    if conv.input == 0:
        return []
    transposed = bool(conv.trans_input_3120)
    across = conv.batches if transposed else conv.kchs
    wide = min(across, conv.blocks * conv.dim)
    stride = conv.batch_size if transposed else conv.in_stride
    block_stride = (conv.kchs if transposed else conv.batches) * conv.image
    bytes_each = conv.input_bytes
    commands = [
        _config_load(
            INPUT_CHANNEL,
            (stride * bytes_each) << conv.downsample,
            block_stride,
            max(1, conv.max_pixels_per_row),
        )
    ]
    rows, cols = conv.unpadded
    top, bottom = conv.undilated(conv.upad), conv.undilated(conv.dpad)
    left = conv.undilated(conv.lpad)
    outer = conv.kchs if transposed else conv.batches
    for first in range(outer):
        for row in range(-top, rows + bottom, 1 + conv.downsample):
            for col, length in _column_pieces(conv):
                for second, count in _pieces(across, wide):
                    image, channel = (second, first) if transposed else (first, second)
                    local = conv.input_place(image, row + top, col + left, channel)
                    inside = 0 <= row < rows and 0 <= col < cols
                    dram = _input_address(conv, image, row, col, channel) if inside else 0
                    pixels = length >> conv.downsample
                    if pixels == 0:
                        continue
                    commands.append(
                        _move(MVIN_OF_CHANNEL[INPUT_CHANNEL], dram, local, count, pixels)
                    )
    return commands


def _input_address(conv: LoopConv, image: int, row: int, col: int, channel: int) -> int:
    if conv.trans_input_3120:
        pixel = (channel * conv.in_row_dim + row) * conv.in_col_dim + col
        return conv.input + (pixel * conv.batch_size + image) * conv.input_bytes
    pixel = (image * conv.in_row_dim + row) * conv.in_col_dim + col
    return conv.input + (pixel * conv.in_stride + channel) * conv.input_bytes


def emit_weights(conv: LoopConv) -> list[Command]:
    """Load the weights, up to ``dim`` input channels by a few blocks of output channels."""
    if conv.weights == 0:
        return []
    swapped = bool(conv.trans_weight_0132)
    kernel = conv.krows * conv.kcols
    block_stride = kernel * (conv.pochs if swapped else conv.kchs)
    stride = _weight_stride(conv) * conv.input_bytes
    commands = [_config_load(WEIGHT_CHANNEL, stride, block_stride)]
    outer, inner = (conv.kchs, conv.pochs) if swapped else (conv.pochs, conv.kchs)
    wide = min(outer, conv.blocks * conv.dim)
    for first, cols in _pieces(outer, wide):
        for krow in range(conv.krows):
            for kcol in range(conv.kcols):
                for second, rows in _pieces(inner, conv.dim):
                    kch, och = (first, second) if swapped else (second, first)
                    local = conv.weight_place(krow, kcol, kch, och)
                    dram = conv.weights
                    dram += _weight_offset(conv, krow, kcol, kch, och) * conv.input_bytes
                    commands.append(_move(MVIN_OF_CHANNEL[WEIGHT_CHANNEL], dram, local, cols, rows))
    return commands


def _weight_stride(conv: LoopConv) -> int:
    """Elements between successive input channels of the weights in DRAM."""
    if conv.depthwise:
        return 1
    if conv.trans_weight_1203:
        return conv.kernel_dim * conv.kernel_dim * conv.out_channels
    return conv.in_channels if conv.trans_weight_0132 else conv.weight_stride


def _weight_offset(conv: LoopConv, krow: int, kcol: int, kch: int, och: int) -> int:
    position = krow * conv.kernel_dim + kcol
    if conv.depthwise:
        return position
    if conv.trans_weight_1203:
        kernel = conv.kernel_dim * conv.kernel_dim
        return (kch * kernel + position) * conv.out_channels + och
    if conv.trans_weight_0132:
        return (position * conv.out_channels + och) * conv.in_channels + kch
    return (position * conv.in_channels + kch) * conv.weight_stride + och


def emit_products(conv: LoopConv) -> list[Command]:
    """A preload and a compute for each kernel position and run of output pixels."""
    commands: list[Command] = []
    if conv.trans_input_3120:
        rows, cols = conv.padded
        words = encode(
            CONFIG_EX,
            type=ConfigType.EXECUTE,
            strides_only=1,
            a_stride=rows * cols,
            c_stride=conv.orows * conv.ocols,
        )
        commands.append((Funct.CONFIG, *words))
    per_row = max(1, conv.max_pixels_per_row)
    for och, out_channels in _pieces(conv.pochs, conv.dim):
        for krow in range(conv.krows):
            for kcol, pixels in _pieces(conv.kcols, per_row):
                for kch, channels in _pieces(conv.kchs, conv.dim):
                    weights = conv.weight_place(
                        conv.krows - krow - 1 if conv.wrot180 else krow,
                        conv.kcols - kcol - 1 if conv.wrot180 else kcol,
                        kch,
                        och,
                    )
                    depth = pixels * channels
                    for a, c, rows in _output_runs(conv, krow, kcol, kch, och):
                        commands += _pair(weights, a, c, rows, depth, out_channels)
                        weights = HARDWARE_GARBAGE
    return commands


def _output_runs(
    conv: LoopConv, krow: int, kcol: int, kch: int, och: int
) -> Iterator[tuple[int, int, int]]:
    """Input row, output row and length of each run of output pixels that a kernel position feeds.

    With a dilated input, every second input row and column is zero and is skipped.
    """
    transposed = bool(conv.trans_input_3120)
    images = _pieces(conv.batches, conv.dim if transposed else 1)
    for image, image_count in images:
        for orow in range(conv.orows):
            irow = orow * conv.stride + krow * conv.kernel_dilation
            if conv.input_dilated and (irow - conv.upad) % 2:
                continue
            ocol = 0
            while ocol < conv.ocols:
                icol = ocol * conv.stride + kcol * conv.kernel_dilation
                if conv.input_dilated and (icol - conv.lpad) % 2:
                    ocol += 1
                    continue
                step = 1 if transposed else conv.dim << conv.input_dilated
                left = min(step, conv.ocols - ocol)
                rows = image_count if transposed else conv.undilated(left)
                a = conv.input_place(image, conv.undilated(irow), conv.undilated(icol), kch)
                yield a, conv.output_place(image, orow, ocol, och), rows
                ocol += step


def _pair(weights: int, a: int, c: int, rows: int, depth: int, cols: int) -> list[Command]:
    keeps = weights == HARDWARE_GARBAGE
    preload = encode(
        PAIR,
        first=weights,
        first_cols=cols,
        first_rows=depth,
        second=c | ACCUMULATOR_BIT | ACCUMULATE_BIT,
        second_cols=cols,
        second_rows=rows,
    )
    compute = encode(
        PAIR,
        first=a,
        first_cols=depth,
        first_rows=rows,
        second=HARDWARE_GARBAGE,
        second_cols=cols,
        second_rows=rows,
    )
    funct = Funct.COMPUTE_ACCUMULATED if keeps else Funct.COMPUTE_PRELOADED
    return [(Funct.PRELOAD, *preload), (funct, *compute)]


def emit_output(conv: LoopConv) -> list[Command]:
    """Store the outputs, pooled or not; without an output address nothing is stored."""
    if conv.output == 0:
        return []
    return _emit_plain_output(conv) if conv.no_pool else _emit_pooled_output(conv)


def _emit_plain_output(conv: LoopConv) -> list[Command]:
    commands: list[Command] = []
    for image in range(conv.batches):
        for row in range(conv.orows):
            for col, rows in _pieces(conv.ocols, conv.dim):
                for och, cols in _pieces(conv.pochs, conv.dim):
                    if conv.trans_output_1203:
                        pixel = (row * conv.out_col_dim + col) * conv.batch_size + image
                        element = pixel * conv.out_channels + och
                    else:
                        pixel = (image * conv.out_row_dim + row) * conv.out_col_dim + col
                        element = pixel * conv.out_stride + och
                    dram = conv.output + element * conv.input_bytes
                    local = conv.output_place(image, row, col, och) | ACCUMULATOR_BIT
                    commands.append(_move(Funct.MVOUT, dram, local, cols, rows))
    return commands


def _emit_pooled_output(conv: LoopConv) -> list[Command]:
    """One store per image and channel block, between two configurations of the store unit."""
    stride = conv.out_stride * conv.input_bytes
    common: dict[str, Any] = {
        "type": ConfigType.STORE,
        "activation": conv.activation & 3,
        "stride": stride,
        "scale": KEEP_SCALE,
    }
    pool = encode(
        CONFIG_ST,
        **common,
        pool_stride=conv.pool_stride,
        pool_size=conv.pool_size,
        upper_pad=conv.pupad,
        left_pad=conv.plpad,
        pool_out_dim=conv.pool_out_col_dim,
        pool_rows=conv.porows,
        pool_cols=conv.pocols,
        out_rows=conv.orows,
        out_cols=conv.ocols,
    )
    commands: list[Command] = [(Funct.CONFIG, *pool)]
    for image in range(conv.batches):
        for och, cols in _pieces(conv.pochs, conv.dim):
            pixel = image * conv.pool_out_row_dim * conv.pool_out_col_dim
            dram = conv.output + (pixel * conv.out_stride + och) * conv.input_bytes
            local = conv.output_place(image, 0, 0, och) | ACCUMULATOR_BIT
            commands.append(_move(Funct.MVOUT, dram, local, cols, 1))
    commands.append((Funct.CONFIG, *encode(CONFIG_ST, **common)))
    return commands
