"""A maximum over windows of pixels, of an array or of a convolution, as plain facts."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..coalesce import Form
from ..post_op import PostOp


@dataclass(frozen=True)
class Side:
    """Windows along the rows or the columns of an image."""

    pooled: int
    window: int
    step: int
    pad: int
    """Pixels in front of the image that the first window begins with."""
    extent: int
    """Pixels of the image."""

    def first(self, pooled: int) -> int:
        """The first pixel of a window; a negative one lies in front of the image."""
        return pooled * self.step - self.pad

    @property
    def beyond(self) -> int:
        """Pixels behind the image that the last window ends with."""
        return max(0, self.first(self.pooled - 1) + self.window - self.extent)

    @property
    def covered(self) -> int:
        """Pixels of the image that are in a window."""
        each = min(self.step, self.window)
        return (self.pooled - 1) * each + self.window - self.pad - self.beyond

    @property
    def has_border(self) -> bool:
        return self.pad > 0 or self.beyond > 0


@dataclass(frozen=True)
class Taps:
    """A convolution along one side: pixel y sums inputs ``step·y + dilation·t - pad``."""

    count: int
    step: int
    dilation: int
    pad: int
    extent: int
    """Pixels of the input."""
    surplus: int = 0
    """Pixels of the input that are loaded behind those that are needed."""

    def span(self, pixels: int) -> int:
        """Pixels of the input that so many pixels in a row load."""
        return (pixels - 1) * self.step + (self.count - 1) * self.dilation + 1 + self.surplus


@dataclass(frozen=True)
class Convolution:
    """What makes the pixels that are pooled; arrays are parameter positions."""

    weights: int
    weight_subscripts: tuple[Form, ...]
    """Their subscripts over row (0) and column (1) of a tap, input (2) and output channel (3)."""
    bias: int | None
    rows: Taps
    cols: Taps
    depth: int
    """Input channels."""


@dataclass(frozen=True)
class Pooling:
    """``out[…, i, j, c] = max over the window at i, j of post(pixel[…, y, x, c])``."""

    source: int
    out: int
    batch: tuple[int, ...]
    """Extents of the dimensions in front of rows, columns and channels."""
    rows: Side
    cols: Side
    channels: int
    post: PostOp
    convolution: Convolution | None
    border_counts: bool
    """Whether pixels outside of the image count as 0; else they do not count."""

    @property
    def zeros_around(self) -> bool:
        """Whether pixels outside of the image may count as 0, as the store unit has it."""
        has_border = self.rows.has_border or self.cols.has_border
        return self.border_counts or self.post.relu or not has_border

    def array_products(self, dim: int) -> int:
        """Products of array tiles that a convolution needs."""
        assert self.convolution is not None
        rows, cols = self.convolution.rows, self.convolution.cols
        tiles = [
            prod((*self.batch, self.rows.extent, self.cols.extent)),
            self.convolution.depth,
            self.channels,
        ]
        return rows.count * cols.count * prod(-(-size // dim) for size in tiles)
