"""Value transforms: what moves and results do to one element, as data and as terms.

A transform is a row of ``TransformTable``; a *chain* is a sequence of them, numbered by the
executor. Chain 0 and transform 0 are the identity. The meaning of a transform is a term of
``gemmini_values``, so both engines reason about the same formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...hw.gemmini import semantics
from ...hw.gemmini.config import GemminiConfig
from ..core.terms import Term, is_float
from ..extract import gemmini_values

IDENTITY = 0


@dataclass(frozen=True)
class Transform:
    """One formula with its parameters.

    ``load``: scaled into the type of the scratchpad; ``store``: ReLU, scaled, saturated;
    ``output``: shifted right and clipped to ``bits``; ``result``: saturated, then ReLU.
    """

    formula: Literal["identity", "load", "store", "output", "result"]
    type: str
    scale: float = 1.0
    relu: bool = False
    shift: int = 0
    bits: int = 0

    def __str__(self) -> str:
        match self.formula:
            case "identity":
                return "unchanged"
            case "output":
                return f"shifted right by {self.shift} and clipped to {self.bits} bits"
            case "load" | "store" | "result":
                relu = " after ReLU" if self.relu else ""
                return f"scaled by {self.scale:g}{relu} to {self.type}"

    @property
    def clips_only(self) -> bool:
        """Whether a value that fits ``bits`` stays as it is."""
        return self.formula == "output" and self.shift == 0

    def term(self, value: Term) -> Term:
        """The formula applied to a value."""
        match self.formula:
            case "identity":
                return value
            case "load" if is_float(value.type):
                return gemmini_values.scaled_float(value, self.scale)
            case "load":
                return gemmini_values.scale_and_saturate(value, self.scale, self.type)
            case "store":
                return gemmini_values.store_value(value, self.relu, self.scale, self.type)
            case "output":
                shifted = gemmini_values.round_half_even_shift(value, self.shift)
                return gemmini_values.clipped(shifted, self.bits)
            case "result":
                return gemmini_values.spad_result(value, self.relu, self.type)


class TransformTable:
    """The distinct transforms of one stream, numbered; number 0 changes nothing."""

    def __init__(self, config: GemminiConfig) -> None:
        self._is_integer = config.is_integer
        self._type = element_type(config.input_type)
        self._output_bits = semantics.array_output_bits(
            config.dim, 8 * config.input_bytes, 8 * config.accumulator_bytes
        )
        self.transforms: list[Transform] = [Transform("identity", self._type)]

    def load(self, scale: float, is_wide: bool) -> int:
        """A move-in; ``is_wide`` if the elements have the accumulator's type."""
        if scale == 1.0 or (is_wide and self._is_integer):
            return IDENTITY
        return self._number(Transform("load", self._type, scale))

    def store(self, scale: float, relu: bool) -> int:
        """A move-out of accumulator elements that are not stored at full width."""
        if not self._is_integer and scale == 1.0 and not relu:
            return IDENTITY
        return self._number(Transform("store", self._type, scale, relu))

    def array_output(self, shift: int) -> int:
        """An output-stationary sum that leaves the array; floats are not shifted."""
        if not self._is_integer:
            return IDENTITY
        return self._number(Transform("output", self._type, shift=shift, bits=self._output_bits))

    def spad_result(self, relu: bool) -> int:
        """A result that a computation writes to the scratchpad."""
        if not self._is_integer and not relu:
            return IDENTITY
        return self._number(Transform("result", self._type, relu=relu))

    def _number(self, transform: Transform) -> int:
        if transform in self.transforms:
            return self.transforms.index(transform)
        self.transforms.append(transform)
        return len(self.transforms) - 1


def element_type(name: str) -> str:
    """The IR name of a NumPy element type: ``int8`` is ``i8``, ``float32`` is ``f32``."""
    return (
        name.replace("bfloat", "bf").replace("uint", "ui").replace("int", "i").replace("float", "f")
    )
