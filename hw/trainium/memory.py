"""Memories of the functional simulator: bytes, and flags that tell what was written.

Reading a byte that nothing wrote is an error, as is adding to PSUM what no matrix product wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Attribute

from ...dialects.trn import Space
from ...dialects.trn.limits import PSUM_BANK_BYTES
from .element_types import numpy_type, round_to


class AccessError(Exception):
    """An access that the machine does not allow, or whose result is not defined."""


@dataclass(frozen=True)
class Memory:
    """Bytes and their flags, one after the other."""

    data: NDArray[np.uint8]
    written: NDArray[np.bool_]
    by_product: NDArray[np.bool_] | None
    """Written last by a matrix product; in PSUM only."""

    @staticmethod
    def of_size(size: int, space: Space) -> Memory:
        by_product = np.zeros(size, np.bool_) if space == Space.PSUM else None
        return Memory(np.zeros(size, np.uint8), np.zeros(size, np.bool_), by_product)


@dataclass(frozen=True)
class Buffer:
    """An array in a memory."""

    name: str
    memory: Memory
    space: Space
    element_type: Attribute
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Bytes between neighbours in each dimension; partitions may be further apart."""
    start: int
    """Byte of the first element."""
    first_partition: int = 0
    partition_offset: int = 0
    """Bytes from the start of the partition to the first element."""

    def reshaped(self, shape: tuple[int, ...]) -> Buffer:
        """The same elements in other sizes, the partitions kept on chip."""
        itemsize = numpy_type(self.element_type).itemsize
        strides = contiguous_strides(shape, itemsize)
        if self.space != Space.HBM:
            strides = (self.strides[0], *strides[1:])
        return Buffer(
            self.name,
            self.memory,
            self.space,
            self.element_type,
            shape,
            strides,
            self.start,
            self.first_partition,
            self.partition_offset,
        )

    def access(
        self,
        offsets: Sequence[int],
        shape: Sequence[int],
        along: Sequence[int],
        steps: Sequence[int],
    ) -> Access:
        """The elements that a view of this buffer names; raises ``AccessError`` out of bounds."""
        self._check_bounds(offsets, shape, along, steps)
        start = self.start + sum(
            offset * stride for offset, stride in zip(offsets, self.strides, strict=True)
        )
        strides = tuple(
            self.strides[dimension] * step for dimension, step in zip(along, steps, strict=True)
        )
        return Access(self, start, tuple(shape), strides, offsets[0] if offsets else 0)

    def _check_bounds(
        self,
        offsets: Sequence[int],
        shape: Sequence[int],
        along: Sequence[int],
        steps: Sequence[int],
    ) -> None:
        if any(size < 0 for size in shape):
            raise AccessError(f"a view of {self.name} has the negative size {min(shape)}")
        if 0 in shape:
            return
        low, high = list(offsets), list(offsets)
        for size, dimension, step in zip(shape, along, steps, strict=True):
            reach = (size - 1) * step
            low[dimension] += min(reach, 0)
            high[dimension] += max(reach, 0)
        for dimension, extent in enumerate(self.shape):
            if low[dimension] < 0 or high[dimension] >= extent:
                raise AccessError(
                    f"bounds: reaches from {low[dimension]} to {high[dimension]} in dimension"
                    f" {dimension} of {self.name}, which has {extent}"
                )


@dataclass(frozen=True)
class Access:
    """The elements that one operand of an instruction names."""

    buffer: Buffer
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    partition: int
    """The first partition, counted from the buffer's first."""

    @property
    def is_empty(self) -> bool:
        return 0 in self.shape

    @property
    def partitions(self) -> int:
        return self.shape[0]

    @property
    def first_partition(self) -> int:
        """In the memory."""
        return self.buffer.first_partition + self.partition

    @property
    def element_type(self) -> Attribute:
        return self.buffer.element_type

    @property
    def elements(self) -> NDArray[Any]:
        """The elements, in the view's sizes; writing to it writes to the memory."""
        dtype = numpy_type(self.element_type)
        return _array(self.buffer.memory.data, dtype, self.start, self.shape, self.strides)

    def read(self) -> NDArray[Any]:
        """The elements; raises ``AccessError`` where one was never written."""
        self._require(self.buffer.memory.written, "reads uninitialised memory:")
        return self.elements

    def require_product(self) -> None:
        """Raise ``AccessError`` unless a matrix product wrote all elements last."""
        reason = "the first matrix product into PSUM must overwrite, it adds to"
        by_product = self.buffer.memory.by_product
        assert by_product is not None, "the verifier lets matrix products write to PSUM only"
        self._require(by_product, reason)

    def write(
        self, values: NDArray[Any], *, where: NDArray[np.bool_] | None = None, product: bool = False
    ) -> None:
        """Round values to the element type and store them; with ``where``, only some."""
        rounded = round_to(values, self.element_type)
        target, memory = self.elements, self.buffer.memory
        rounded = np.broadcast_to(rounded, (self.partitions, prod(self.shape[1:])))
        if where is None:
            target[...] = rounded.reshape(self.shape)
            self._flags(memory.written)[...] = True
            if memory.by_product is not None:
                self._flags(memory.by_product)[...] = product
            return
        mask = where.reshape(self.shape)
        target[mask] = rounded.reshape(self.shape)[mask]
        self._flags(memory.written)[mask] = True
        if memory.by_product is not None:
            self._flags(memory.by_product)[mask] = product

    def banks(self) -> tuple[int, int]:
        """First and last PSUM bank that the elements of a partition lie in."""
        offset = self.start - self.buffer.start - self.partition * self.buffer.strides[0]
        reach = sum(
            (size - 1) * stride
            for size, stride in zip(self.shape[1:], self.strides[1:], strict=True)
        )
        first = self.buffer.partition_offset + offset
        last = first + reach + numpy_type(self.element_type).itemsize - 1
        return first // PSUM_BANK_BYTES, last // PSUM_BANK_BYTES

    def _flags(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        itemsize = numpy_type(self.element_type).itemsize
        shape, strides = (*self.shape, itemsize), (*self.strides, 1)
        return _array(flags, np.dtype(np.bool_), self.start, shape, strides)

    def _require(self, flags: NDArray[np.bool_], reason: str) -> None:
        found = self._flags(flags)
        if found.all():
            return
        index = [int(place) for place in np.argwhere(~found.all(axis=-1))[0]]
        raise AccessError(f"{reason} element {index} of the view of {self.buffer.name}")


def contiguous_strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Bytes between neighbours of a row-major array."""
    return tuple(prod(shape[dimension + 1 :]) * itemsize for dimension in range(len(shape)))


def new_buffer(name: str, space: Space, element_type: Attribute, shape: tuple[int, ...]) -> Buffer:
    """A buffer in a memory of its own, without contents."""
    itemsize = numpy_type(element_type).itemsize
    memory = Memory.of_size(prod(shape) * itemsize, space)
    strides = contiguous_strides(shape, itemsize)
    return Buffer(name, memory, space, element_type, shape, strides, 0)


def _array(
    memory: NDArray[Any],
    dtype: np.dtype[Any],
    start: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> NDArray[Any]:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, memory.data, start, strides)
