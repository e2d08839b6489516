"""Value transforms: what moves and results do to one element, as data and as terms.

A transform is a row of ``TransformTable``; a *chain* is a sequence of them, numbered by the
executor. Chain 0 and transform 0 are the identity. The meaning of each transform is a value formula
of ``hw.gemmini.semantics``; this file only names it and says when it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...hw.gemmini import semantics
from ...hw.gemmini.config import GemminiConfig
from ..polyhedral import Unsupported

IDENTITY = 0


@dataclass(frozen=True)
class Transform:
    """One formula with its parameters; ``bits`` is the width of the result.

    ``scale``: ``scale_and_saturate`` (after ReLU if ``relu``); ``shift``:
    ``output_stationary_result``; ``saturate``: ``spad_result``.
    """

    formula: Literal["identity", "scale", "shift", "saturate"]
    bits: int = 0
    scale: float = 1.0
    relu: bool = False
    shift: int = 0

    @property
    def clips_only(self) -> bool:
        """Whether a value that fits ``bits`` stays as it is."""
        return self.formula == "shift" and self.shift == 0

    def __str__(self) -> str:
        details = {
            "identity": "",
            "scale": f"(scale {self.scale:g}, {self.bits} bits)",
            "shift": f"(right {self.shift}, {self.bits} bits)",
            "saturate": f"({self.bits} bits)",
        }
        return ("relu, " if self.relu else "") + self.formula + details[self.formula]

    def __call__(self, value: int) -> int:
        """The formula on a number (integers)."""
        match self.formula:
            case "identity":
                return value
            case "scale":
                return semantics.store_value(value, self.relu, np.float32(self.scale), self.bits)
            case "shift":
                return semantics.output_stationary_result(value, self.shift, self.bits)
            case "saturate":
                return semantics.spad_result(value, self.relu, self.bits)


class TransformTable:
    """The distinct transforms of one stream, numbered; number 0 changes nothing."""

    def __init__(self, config: GemminiConfig) -> None:
        self._config = config
        self._input_bits = 8 * config.input_bytes
        self._output_bits = semantics.array_output_bits(
            config.dim, self._input_bits, 8 * config.accumulator_bytes
        )
        self.transforms: list[Transform] = [Transform("identity")]

    def load(self, scale_bits: int, is_wide: bool) -> int:
        """A move-in; ``is_wide`` if the elements have the accumulator's type."""
        scale = self._finite(scale_bits)
        if scale == 1.0 or (is_wide and self._config.is_integer):
            return IDENTITY
        self._require_integers("a scaled load")
        return self._number(Transform("scale", self._input_bits, scale))

    def store(self, scale_bits: int, relu: bool) -> int:
        """A move-out of accumulator elements that are not stored at full width."""
        scale = self._finite(scale_bits)
        if self._config.is_integer:
            return self._number(Transform("scale", self._input_bits, scale, relu))
        if scale == 1.0 and not relu:
            return IDENTITY
        raise Unsupported("a floating-point store with scaling or activation")

    def array_output(self, shift: int) -> int:
        """An output-stationary sum that leaves the array."""
        if not self._config.is_integer:
            if shift == 0:
                return IDENTITY
            raise Unsupported("a shift of floating-point results")
        return self._number(Transform("shift", self._output_bits, shift=shift))

    def spad_result(self, relu: bool) -> int:
        """A result that a computation writes to the scratchpad."""
        if not self._config.is_integer and not relu:
            return IDENTITY
        self._require_integers("an activation of floating-point results")
        return self._number(Transform("saturate", self._input_bits, relu=relu))

    def _require_integers(self, what: str) -> None:
        if not self._config.is_integer:
            raise Unsupported(f"{what} in a floating-point configuration")

    def _finite(self, bits: int) -> float:
        scale = float(np.uint32(bits).view(np.float32))
        if not np.isfinite(scale):
            raise Unsupported(f"the scale {scale}")
        return scale

    def _number(self, transform: Transform) -> int:
        if transform in self.transforms:
            return self.transforms.index(transform)
        self.transforms.append(transform)
        return len(self.transforms) - 1
