"""The cells of memory that an access pattern names, and which patterns share cells.

A memory is bytes one after the other; on chip, one partition follows the other. A *region* is the
set of bytes of one access pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...dialects.trn import Space
from ...dialects.trn.limits import PARTITIONS
from ...hw.trainium.element_types import numpy_type
from ...hw.trainium.memory import Access


@dataclass(frozen=True)
class Cells:
    """The smallest rectangle around some cells; all bounds are inclusive.

    On chip, rows are partitions and bytes count from the start of each; in HBM, rows are those of
    the array's last dimension.
    """

    space: Space
    array: str
    rows: tuple[int, int]
    row_bytes: tuple[int, int]

    def __str__(self) -> str:
        rows = "-".join(map(str, dict.fromkeys(self.rows)))
        row_bytes = f"{self.row_bytes[0]}-{self.row_bytes[1]}"
        if self.space == Space.HBM:
            return f"{self.array}, rows {rows}, bytes {row_bytes} of each"
        return f"{self.space.upper()} partitions {rows}, bytes {row_bytes} of each"


class Region:
    """The bytes of an access pattern that is not empty."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.memory = id(access.buffer.memory)
        self.itemsize = numpy_type(access.element_type).itemsize
        steps = zip(access.shape, access.strides, strict=True)
        self.steps = [(size, stride) for size, stride in steps if size > 1 and stride != 0]
        """Sizes and strides in bytes of the dimensions that name more than one byte."""
        self.first = access.start + sum((size - 1) * min(s, 0) for size, s in self.steps)
        self.end = self.first + sum((size - 1) * abs(s) for size, s in self.steps) + self.itemsize

    @cached_property
    def pitch(self) -> int:
        """Bytes from one row of the memory to the next."""
        buffer = self.access.buffer
        if buffer.space != Space.HBM:
            return len(buffer.memory.data) // PARTITIONS
        return max(buffer.shape[-1] if buffer.shape else 1, 1) * self.itemsize

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """A rectangle that holds the region: rows, then bytes in a row, ends exclusive."""
        rows = (self.first // self.pitch, (self.end - 1) // self.pitch + 1)
        inner = [(size, abs(stride)) for size, stride in self.steps if stride % self.pitch]
        left = self.first % self.pitch
        right = left + sum((size - 1) * stride for size, stride in inner) + self.itemsize
        return (*rows, left, right) if right <= self.pitch else (*rows, 0, self.pitch)

    @cached_property
    def runs(self) -> tuple[NDArray[np.int64], int]:
        """The region as runs of consecutive bytes: their starts, ascending, and their length."""
        length = self.itemsize
        starts = np.array([self.first], np.int64)
        for stride, size in sorted((abs(stride), size) for size, stride in self.steps):
            if stride <= length and len(starts) == 1:
                length += (size - 1) * stride
            else:
                starts = (starts[:, None] + np.arange(size) * stride).reshape(-1)
        return np.unique(starts), length


def shared_cells(left: Region, right: Region) -> Cells | None:
    """The cells that are in both regions, None if there are none."""
    if left.memory != right.memory or left.end <= right.first or right.end <= left.first:
        return None
    (starts, length), (others, other_length) = left.runs, right.runs
    low = np.searchsorted(others, starts - other_length, side="right")
    high = np.searchsorted(others, starts + length, side="left")
    meets = high > low
    if not meets.any():
        return None
    first = np.maximum(starts[meets], others[low[meets]])
    last = np.minimum(starts[meets] + length, others[high[meets] - 1] + other_length) - 1
    rows = (int(first[0] // left.pitch), int(last.max() // left.pitch))
    within_rows = bool((first // left.pitch == last // left.pitch).all())
    row_bytes = (int((first % left.pitch).min()), int((last % left.pitch).max()))
    buffer = left.access.buffer
    whole = (0, left.pitch - 1)
    return Cells(buffer.space, buffer.name, rows, row_bytes if within_rows else whole)


def overlaps(regions: Sequence[Region], is_written: Sequence[bool]) -> list[list[int]]:
    """For each region those that share cells with it, where one of the two is written."""
    found: list[set[int]] = [set() for _ in regions]
    memories: dict[int, list[int]] = {}
    for number, region in enumerate(regions):
        memories.setdefault(region.memory, []).append(number)
    for members in memories.values():
        numbers = np.array(members)
        pitch = regions[members[0]].pitch
        same_rows = all(regions[number].pitch == pitch for number in members)
        boxes = np.array([_bounds(regions[number], same_rows) for number in members])
        for number in (member for member in members if is_written[member]):
            for other in numbers[_meets(_bounds(regions[number], same_rows), boxes)].tolist():
                if other in found[number]:
                    continue
                if other == number or shared_cells(regions[number], regions[other]) is not None:
                    found[number].add(other)
                    found[other].add(number)
    return [sorted(others) for others in found]


def _bounds(region: Region, same_rows: bool) -> tuple[int, int, int, int]:
    """The region's box, or its bytes as one row where the rows of regions differ."""
    return region.box if same_rows else (0, 1, region.first, region.end)


def _meets(box: tuple[int, int, int, int], boxes: NDArray[np.int64]) -> NDArray[np.bool_]:
    top, bottom, left, right = box
    return (
        (boxes[:, 0] < bottom) & (top < boxes[:, 1]) & (boxes[:, 2] < right) & (left < boxes[:, 3])
    )
