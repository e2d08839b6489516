"""How the library tiles a convolution (``tiled_conv_auto`` in ``gemmini.h``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...hw.gemmini.config import GemminiConfig

Fits = Callable[["ConvTile"], bool]


@dataclass(frozen=True)
class ConvShape:
    """A convolution as the library's call gives it; ``pool_size`` 1 with stride 1 is no pooling."""

    batch_size: int
    in_row_dim: int
    in_col_dim: int
    in_channels: int
    out_channels: int
    out_row_dim: int
    out_col_dim: int
    stride: int
    input_dilation: int
    kernel_dilation: int
    padding: int
    kernel_dim: int
    pool_size: int
    pool_stride: int
    pool_padding: int
    has_pool: bool
    trans_input_3120: bool = False
    trans_weight_0132: bool = False

    @property
    def pool_out_row_dim(self) -> int:
        return (self.out_row_dim + 2 * self.pool_padding - self.pool_size) // self.pool_stride + 1

    @property
    def pool_out_col_dim(self) -> int:
        return (self.out_col_dim + 2 * self.pool_padding - self.pool_size) // self.pool_stride + 1

    @property
    def downsample(self) -> bool:
        """Whether every second pixel is skipped while loading."""
        is_pointwise = self.kernel_dim == 1 and self.padding == 0 and self.stride == 2
        even = self.in_row_dim % 2 == 0 and self.in_col_dim % 2 == 0
        return is_pointwise and not self.has_pool and even


@dataclass(frozen=True)
class ConvTile:
    """What one hardware loop computes: pooled output pixels, channels, kernel positions."""

    batches: int
    porows: int
    pocols: int
    pochs: int
    krows: int
    kcols: int
    kchs: int

    FIELDS = ("batches", "porows", "pocols", "pochs", "krows", "kcols", "kchs")


def _rows(shape: ConvShape, tile: ConvTile, dim: int) -> tuple[int, int]:
    """Rows of the scratchpad and of the accumulator (``tiled_conv_total_spad_rows``)."""
    orows = tile.porows * shape.pool_stride + shape.pool_size - 1
    ocols = tile.pocols * shape.pool_stride + shape.pool_size - 1
    irows = orows * shape.stride + _dilated(shape, tile.krows) - 1
    icols = ocols * shape.stride + _dilated(shape, tile.kcols) - 1
    irows, icols = -(-irows // shape.input_dilation), -(-icols // shape.input_dilation)
    image = (irows >> shape.downsample) * (icols >> shape.downsample)
    in_blocks, out_blocks = -(-tile.kchs // dim), -(-tile.pochs // dim)
    if shape.trans_input_3120:
        a_rows = -(-tile.batches // dim) * tile.kchs * image
    else:
        a_rows = in_blocks * tile.batches * image
    kernel = tile.kcols * tile.krows
    if shape.trans_weight_0132:
        b_rows = in_blocks * kernel * tile.pochs
    else:
        b_rows = out_blocks * kernel * tile.kchs
    return a_rows + b_rows, out_blocks * tile.batches * orows * ocols


def _dilated(shape: ConvShape, kernel: int) -> int:
    return kernel + (shape.kernel_dilation - 1) * (kernel - 1)


def choose_conv_tile(shape: ConvShape, config: GemminiConfig) -> ConvTile:
    """The tile that the library chooses: everything, cut down until half of the memories hold it.

    The longest dimension is cut first, output columns last; channels are cut by whole blocks. What
    still fits is then grown again, columns first.
    """
    dim = config.dim
    largest = ConvTile(
        shape.batch_size,
        shape.pool_out_row_dim,
        shape.pool_out_col_dim,
        shape.out_channels,
        shape.kernel_dim,
        shape.kernel_dim,
        shape.in_channels,
    )

    def fits(tile: ConvTile) -> bool:
        spad, acc = _rows(shape, tile, dim)
        return spad <= config.spad_rows // 2 and acc <= config.acc_rows // 2

    tile = largest
    while not fits(tile):
        tile = _smaller(tile, dim)
    tile, grown = _grown(tile, largest, ("pocols",), fits), True
    while grown:
        larger = _grown_once(tile, largest, fits)
        grown, tile = larger != tile, larger
    return tile


def _smaller(tile: ConvTile, dim: int) -> ConvTile:
    keeps_columns = tile.pocols <= dim and tile.porows > 1
    candidates = [f for f in ConvTile.FIELDS if not (f == "pocols" and keeps_columns)]
    name = max(candidates, key=lambda f: getattr(tile, f))  # the first of the longest
    size: int = getattr(tile, name)
    if name in ("pochs", "kchs"):
        size = size // dim * dim if size % dim else size - dim
        return replace(tile, **{name: max(1, size)})
    if size == 1:
        raise ValueError("a convolution of which not one pixel fits")
    return replace(tile, **{name: size - 1})


def _grown(tile: ConvTile, largest: ConvTile, names: tuple[str, ...], fits: Fits) -> ConvTile:
    while True:
        larger = tile
        for name in names:
            larger = _one_more(larger, largest, name, fits)
        if larger == tile:
            return tile
        tile = larger


def _grown_once(tile: ConvTile, largest: ConvTile, fits: Fits) -> ConvTile:
    for name in ConvTile.FIELDS:
        tile = _one_more(tile, largest, name, fits)
    return tile


def _one_more(tile: ConvTile, largest: ConvTile, name: str, fits: Fits) -> ConvTile:
    size: int = getattr(tile, name) + 1
    candidate = replace(tile, **{name: size})
    return candidate if size <= getattr(largest, name) and fits(candidate) else tile
