"""The DRAM image of a kernel: its parameters and its own arrays, placed one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    MemRefType,
    NoneAttr,
    Signedness,
)
from xdsl.ir import Attribute, SSAValue

from ...diagnostics import Diagnostic
from .isa import DRAM_ALIGNMENT, DRAM_BASE

NO_CONTENTS = 0xA5
"""Bytes of arrays without contents: a kernel that reads them shows it."""


@dataclass(frozen=True)
class PlacedArray:
    """One array, row-major, at a byte address in DRAM."""

    name: str
    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes between neighbours in each dimension."""
        inner = np.cumprod((self.dtype.itemsize, *reversed(self.shape[1:])))
        return tuple(int(stride) for stride in reversed(inner))[: len(self.shape)]


@dataclass(frozen=True)
class MemoryLayout:
    """Where the arrays of one kernel lie: from ``DRAM_BASE`` on, in order of the parameters."""

    arrays: tuple[PlacedArray, ...]
    """The parameters."""
    own_arrays: tuple[PlacedArray, ...] = ()
    """Arrays that the kernel needs for itself, without contents at its start."""

    @property
    def all_arrays(self) -> tuple[PlacedArray, ...]:
        """Every array, by address."""
        return self.arrays + self.own_arrays

    @property
    def size(self) -> int:
        """Bytes of the image: up to the end of the last array, rounded up to the alignment."""
        if not self.all_arrays:
            return 0
        last = self.all_arrays[-1]
        return _aligned(last.address + last.size) - DRAM_BASE

    def image(
        self, contents: Mapping[str, NDArray[Any]] | Sequence[NDArray[Any] | None] = ()
    ) -> NDArray[np.uint8]:
        """A DRAM image that holds ``contents``, by name or in order; what is not given is 0.

        Raises ``Diagnostic`` for an unknown name, a wrong count, or a wrong shape or type.
        """
        image = np.zeros(self.size, np.uint8)
        for array in self.own_arrays:
            self.view(image, array).view(np.uint8)[...] = NO_CONTENTS
        for array, content in zip(self.arrays, self._in_order(contents), strict=True):
            if content is not None:
                self.view(image, array)[...] = _checked(array, content)
        return image

    def read(self, image: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """Copies of the parameters as they are in ``image``."""
        return [self.view(image, array).copy() for array in self.arrays]

    def view(self, image: NDArray[np.uint8], array: PlacedArray) -> NDArray[Any]:
        """The elements of ``array`` in ``image``, not copied."""
        start = array.address - DRAM_BASE
        return image[start : start + array.size].view(array.dtype).reshape(array.shape)

    def _in_order(
        self, contents: Mapping[str, NDArray[Any]] | Sequence[NDArray[Any] | None]
    ) -> Sequence[NDArray[Any] | None]:
        if isinstance(contents, Mapping):
            names = [array.name for array in self.arrays]
            if unknown := [name for name in contents if name not in names]:
                raise Diagnostic(f"no array {unknown[0]!r}; there are {', '.join(names)}")
            return [contents.get(name) for name in names]
        if len(contents) == 0:
            return [None] * len(self.arrays)
        if len(contents) != len(self.arrays):
            raise Diagnostic(f"expected {len(self.arrays)} arrays, got {len(contents)}")
        return contents


def place_arrays(function: func.FuncOp) -> MemoryLayout:
    """Place the parameters of ``function``, and behind them its own arrays.

    A number, which only the core reads, is an array of rank 0. Raises ``Diagnostic`` for an array
    of unknown size or without numbers.
    """
    address = DRAM_BASE

    def place(value: SSAValue, name: str) -> PlacedArray:
        nonlocal address
        shape, dtype = _shape_and_type(value.name_hint or name, value)
        array = PlacedArray(value.name_hint or name, address, shape, dtype)
        address = _aligned(address + array.size)
        return array

    parameters = [place(value, f"arg{number}") for number, value in enumerate(function.args)]
    own = [place(value, f"own{number}") for number, value in enumerate(own_arrays(function))]
    return MemoryLayout(tuple(parameters), tuple(own))


def own_arrays(function: func.FuncOp) -> list[SSAValue]:
    """The DRAM arrays that ``function`` allocates, outside of all loops."""
    if function.is_declaration:
        return []
    allocs = [op.memref for op in function.body.block.ops if isinstance(op, memref.AllocOp)]
    return [value for value in allocs if isinstance(value.type.memory_space, NoneAttr)]


def dtype_of(element: Attribute) -> np.dtype[Any] | None:
    """The NumPy type of an element type, None if there is none."""
    if isinstance(element, IntegerType) and element.width.data in (8, 16, 32, 64):
        unsigned = element.signedness.data == Signedness.UNSIGNED
        return np.dtype(f"{'u' if unsigned else ''}int{element.width.data}")
    for kind, numpy_type in _FLOAT_TYPES:
        if isinstance(element, kind):
            return np.dtype(numpy_type)
    return None


_FLOAT_TYPES = ((Float16Type, np.float16), (Float32Type, np.float32), (Float64Type, np.float64))


def _shape_and_type(name: str, argument: SSAValue) -> tuple[tuple[int, ...], np.dtype[Any]]:
    array = argument.type
    if not isinstance(array, MemRefType):
        dtype = dtype_of(array)
        if dtype is None:
            raise Diagnostic(f"parameter {name}: {array} is no array and no number")
        return (), dtype
    dtype = dtype_of(array.element_type)
    shape = array.get_shape()
    if dtype is None or DYNAMIC_INDEX in shape or not isinstance(array.layout, NoneAttr):
        raise Diagnostic(
            f"parameter {name}: {array} cannot be placed in memory",
            hint="it needs known sizes, row-major order and 8- to 64-bit numbers",
        )
    return shape, dtype


def _checked(array: PlacedArray, content: NDArray[Any]) -> NDArray[Any]:
    if content.shape != array.shape or content.dtype != array.dtype:
        raise Diagnostic(
            f"array {array.name}: expected {array.dtype}{list(array.shape)},"
            f" got {content.dtype}{list(content.shape)}"
        )
    return content


def _aligned(address: int) -> int:
    return -(-address // DRAM_ALIGNMENT) * DRAM_ALIGNMENT
