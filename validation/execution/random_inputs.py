"""Contents of arrays to run programs on: random numbers, extreme ones, and awkward floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .execute import random_array

Arrays = list[NDArray[Any]]
"""What all parameters hold, in order."""
LIKELY_MAGNITUDES: tuple[int | None, ...] = (1, None)
"""Ranges of random inputs: small ones keep saturation from hiding a difference."""
OTHER_MAGNITUDES: tuple[int | None, ...] = (3, 20, None)


class RandomInputs:
    """Makes arrays of given shapes and element types, the same ones for the same seed.

    ``sizes`` are the values of some scalar parameters, by position; ``outputs`` are the positions
    of the arrays that are written.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[tuple[int, ...], str]],
        outputs: Iterable[int],
        seed: int,
        sizes: Mapping[int, int] | None = None,
    ) -> None:
        self.shapes = shapes
        self.outputs = tuple(outputs)
        self.sizes = sizes or {}
        self.rng = np.random.default_rng(seed)

    @property
    def has_floats(self) -> bool:
        return any(type.startswith("f") for _, type in self.shapes)

    def random(self, magnitude: int | None) -> Arrays:
        """Numbers over the full range of their type, or up to ``magnitude``."""
        arrays = [random_array(self.rng, shape, type, magnitude) for shape, type in self.shapes]
        for position, value in self.sizes.items():
            arrays[position] = np.full_like(arrays[position], value)
        return arrays

    def blank(self) -> Arrays:
        """Zeros, and random contents of what is written."""
        arrays = [np.zeros_like(array) for array in self.random(1)]
        written = self.random(None)
        for position in (*self.outputs, *self.sizes):
            arrays[position] = written[position]
        return arrays

    def filled(self, extreme: int) -> Arrays:
        """Integers that are all ``extreme``, or nearest to it; as bits, -1 is the largest unsigned.

        Floats are 0, 1 or -1; scalars are random.
        """
        return [_filled(array, extreme) if array.ndim else array for array in self.random(None)]

    def of_sign(self, sign: int) -> Arrays:
        """Numbers that are all positive or all negative, as far as their type has such."""
        return [_of_sign(array, sign) if array.ndim else array for array in self.random(20)]

    def awkward(self) -> Arrays:
        """Floats that identities of real numbers do not hold for."""
        return [
            _awkward(self.rng, array) if array.dtype.kind == "f" else array
            for array in self.random(None)
        ]


def _filled(array: NDArray[Any], extreme: int) -> NDArray[Any]:
    if array.dtype.kind != "i":
        return np.full_like(array, np.sign(extreme))
    limits = np.iinfo(array.dtype)
    return np.full_like(array, min(max(extreme, int(limits.min)), int(limits.max)))


def _of_sign(array: NDArray[Any], sign: int) -> NDArray[Any]:
    magnitudes = np.abs(array) + np.ones_like(array)
    return magnitudes * sign if array.dtype.kind in "if" else magnitudes


def _awkward(rng: np.random.Generator, array: NDArray[Any]) -> NDArray[Any]:
    limits = np.finfo(array.dtype)
    small = (0.0, 0.0, 0.0, limits.smallest_subnormal, limits.tiny)
    special = (*small, np.inf, np.nan, limits.max, 1.0)
    values = np.array(special, array.dtype)[rng.integers(0, len(special), array.shape)]
    scales = np.exp2(rng.integers(-12, 13, array.shape)).astype(array.dtype)
    plain = rng.standard_normal(array.shape).astype(array.dtype) * scales
    chosen = np.where(rng.random(array.shape) < 0.5, values, plain)
    return np.where(rng.random(array.shape) < 0.5, chosen, -chosen)
