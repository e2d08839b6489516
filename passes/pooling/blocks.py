"""Blocks of pooled pixels along one side of an image, and which pixels of it they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .facts import Side, Taps


@dataclass(frozen=True)
class Region:
    """Pixels in a row: some in front of the image, some of the image, some behind it."""

    before: int
    inside: int
    after: int

    @property
    def size(self) -> int:
        return self.before + self.inside + self.after


def region(first: int, size: int, extent: int) -> Region:
    """The pixels from ``first`` on of an image of ``extent`` pixels."""
    before = min(size, max(0, -first))
    after = min(size - before, max(0, first + size - extent))
    return Region(before, size - before - after, after)


@dataclass(frozen=True)
class Blocks:
    """Equal blocks one after the other."""

    number: int
    """How many blocks lie in front of them."""
    first: int
    """The first pooled pixel of the first one."""
    count: int
    pooled: int
    """Pooled pixels of each."""
    pixels: Region
    inputs: Region
    """What a convolution needs for the pixels inside; without one, the same pixels."""

    def counted(self, scale: int, offset: int) -> tuple[int, int]:
        """``scale·p + offset`` of the first pooled pixel p, and its step from block to block."""
        return scale * self.first + offset, scale * self.pooled


def blocks(side: Side, taps: Taps | None, size: int) -> list[Blocks]:
    """Blocks of ``size`` pooled pixels, the last one maybe shorter; equal ones together."""
    found: list[Blocks] = []
    for block in _each(side, taps, size):
        last = found[-1] if found else None
        if last is not None and _shape(last) == _shape(block):
            found[-1] = Blocks(
                last.number, last.first, last.count + 1, last.pooled, last.pixels, last.inputs
            )
        else:
            found.append(block)
    return found


def _shape(block: Blocks) -> tuple[int, Region, Region]:
    return block.pooled, block.pixels, block.inputs


def _each(side: Side, taps: Taps | None, size: int) -> Iterator[Blocks]:
    for number, first in enumerate(range(0, side.pooled, size)):
        pooled = min(size, side.pooled - first)
        start = side.first(first)
        pixels = region(start, (pooled - 1) * side.step + side.window, side.extent)
        inputs = pixels
        if taps is not None:
            inner = (start + pixels.before) * taps.step - taps.pad
            inputs = region(inner, taps.span(pixels.inside), taps.extent)
        yield Blocks(number, first, 1, pooled, pixels, inputs)
