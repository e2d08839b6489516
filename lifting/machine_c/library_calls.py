"""What expanding a call of the library needs: operands by name, numbers as operands."""

from __future__ import annotations

from typing import Protocol

from ...diagnostics import Diagnostic, SourceLocation
from ...hw.gemmini.config import GemminiConfig
from ..c.types import FLOAT, INT
from .emitter import Emitter
from .operands import Operand, Operands
from .terms import constant
from .values import Number, Pointer, Real, Value, is_null

POOL = (
    "pool_stride", "pool_size", "pool_out_dim", "pool_rows", "pool_cols", "out_rows",
    "out_cols", "upper_pad", "left_pad",
)  # fmt: skip


class InstructionEmitter(Protocol):
    """Emits one instruction with named operands."""

    def emit(self, instruction: str, operands: Operands, location: SourceLocation) -> None: ...


class LibraryCall:
    """One call of the library, which is expanded into the instructions that it issues."""

    def __init__(
        self,
        instructions: InstructionEmitter,
        operands: Operands,
        emitter: Emitter,
        config: GemminiConfig,
        location: SourceLocation,
    ) -> None:
        self.instructions = instructions
        self.operands = operands
        self.emitter = emitter
        self.config = config
        self.location = location

    def constant(self, name: str) -> int:
        return self.operands[name].constant()

    def is_set(self, name: str) -> bool:
        return self.constant(name) != 0

    def is_null(self, name: str) -> bool:
        return is_null(self.operands[name].value)

    def require_weight_stationary(self, name: str) -> None:
        """Raise Diagnostic unless the call asks for the variant that runs on the accelerator."""
        if self.constant(name) != 1:
            raise Diagnostic(
                "only the weight-stationary variant of this product is supported",
                self.operands[name].location,
                hint="pass WS",
            )

    def pointer(self, name: str) -> Pointer:
        operand = self.operands[name]
        if not isinstance(operand.value, Pointer):
            raise Diagnostic(f"'{name}' must be an address in an array parameter", operand.location)
        return operand.value

    def instruction(self, name: str, **operands: Value | int | float) -> None:
        """Emit one instruction; numbers stand for constants."""
        values: Operands = {}
        for key, value in operands.items():
            if isinstance(value, float):
                value = Real(FLOAT, value)
            elif isinstance(value, int):
                value = Number(INT, constant(value))
            values[key] = Operand(value, self.location, key)
        self.instructions.emit(name, values, self.location)

    def config_st(self, stride: int, act: int, scale: float) -> None:
        self.instruction("config_st", stride=stride, act=act, scale=scale, **dict.fromkeys(POOL, 0))

    def config_ld(self, stride: int, scale: float, shrunk: int, channel: int) -> None:
        self.instruction(
            "config_ld",
            stride=stride,
            scale=scale,
            shrunk=shrunk,
            block_stride=self.config.dim,
            pixel_repeats=1,
            id=channel,
        )

    def config_ex(self, act: int = 0, **more: int) -> None:
        fields = {"dataflow": 1, "act": act, "shift": 0, "a_stride": 1, "c_stride": 1}
        fields |= {"strides_only": 0, "a_transpose": 0, "b_transpose": 0}
        self.instruction("config_ex", scale=1.0, **(fields | more))
