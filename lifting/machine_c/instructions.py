"""Turns calls of ``gemmini.h`` macros into operations of the Gemmini dialect.

An operand that an operation fixes (a configuration, the memory of a local address, the array of a
DRAM address) may depend on conditions in C; the instruction is then split by an ``if``.
"""

from __future__ import annotations

from xdsl.dialects import scf
from xdsl.ir import Block, Region

from ...diagnostics import Diagnostic, SourceLocation
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.isa import GARBAGE_ADDRESS
from ..c import syntax
from ..c.types import FLOAT, UNSIGNED_INT
from . import arithmetic
from .algebra import invert
from .emitter import Emitter
from .expressions import Expressions
from .instruction_builders import BUILDERS, Builder
from .local_address import NeedsCase
from .operands import Operand, OperandEmitter, Operands
from .signatures import NOT_OF_THE_PROGRAM, SIGNATURES, Default, Signature
from .terms import Condition
from .tiled_conv import TiledConv
from .tiled_matmul import TiledMatmul
from .tiled_resadd import TiledResadd
from .values import Real, Value

LIBRARY = {
    "tiled_matmul_auto": TiledMatmul,
    "tiled_conv_auto": TiledConv,
    "tiled_resadd_auto": TiledResadd,
}
"""Calls of the library, which are expanded into the instructions that it issues."""
CASE_LIMIT = 6
"""Conditions that one instruction may be split by."""


class Instructions:
    """Emits instructions, and collects what deserves a warning."""

    def __init__(self, emitter: Emitter, expressions: Expressions, config: GemminiConfig) -> None:
        self.emitter = emitter
        self._expressions = expressions
        self._config = config
        self._operand_emitter = OperandEmitter(emitter)

    def call(self, call: syntax.Call) -> None:
        """Emit the instruction that a call of a macro stands for."""
        if call.function not in SIGNATURES:
            raise _unknown(call)
        signature = _signature(call)
        operands = self._operands(call, signature)
        self.emitter.location = call.location
        library = LIBRARY.get(signature.instruction)
        if library is not None:
            library(self, operands, self.emitter, self._config, call.location).emit()
            return
        self.emit(signature.instruction, operands, call.location)

    def emit(self, instruction: str, operands: Operands, location: SourceLocation) -> None:
        """Emit one instruction, split by conditions where an operand cannot vary."""
        self._emit_cases(BUILDERS[instruction], operands, location, CASE_LIMIT)

    def _emit_cases(
        self,
        build: Builder,
        operands: Operands,
        location: SourceLocation,
        budget: int,
    ) -> None:
        try:
            build(self._operand_emitter, operands, location)
        except NeedsCase as case:
            if budget == 0:
                raise Diagnostic(
                    "too many conditions decide about this instruction", location
                ) from None
            self._split(build, operands, location, case.condition, budget - 1)

    def _split(
        self,
        build: Builder,
        operands: Operands,
        location: SourceLocation,
        condition: Condition,
        budget: int,
    ) -> None:
        sides = [c for c in (condition, invert(condition)) if self.emitter.is_reachable(c)]
        regions: list[Region] = []
        for side in sides:
            known = {name: o.assuming(condition, side == condition) for name, o in operands.items()}
            if len(sides) == 1:
                self._emit_cases(build, known, location, budget)
                return
            block = Block()
            with self.emitter.region(block, is_loop=False, condition=side):
                self._emit_cases(build, known, location, budget)
                self.emitter.emit(scf.YieldOp())
            regions.append(Region(block))
        if regions:
            decides = self.emitter.condition(condition)
            self.emitter.emit(scf.IfOp(decides, [], regions[0], regions[1]))

    # ---- operands -------------------------------------------------------------------------------
    def _operands(self, call: syntax.Call, signature: Signature) -> Operands:
        operands: Operands = {}
        for name, argument in zip(signature.parameters, call.arguments, strict=True):
            if name in NOT_OF_THE_PROGRAM:
                continue
            value = self._expressions.value(argument)
            operands[name] = Operand(value, argument.location, name)
        for name, default in signature.defaults.items():
            if name not in operands:
                given = operands[default] if isinstance(default, str) else None
                value = self._default(default) if given is None else given.value
                operands[name] = Operand(value, call.location, name)
        return operands

    def _default(self, default: float | Default | str) -> Value:
        match default:
            case Default.DIM:
                return arithmetic.integer(self._config.dim)
            case Default.GARBAGE:
                return arithmetic.integer(GARBAGE_ADDRESS, UNSIGNED_INT)
            case float():
                return Real(FLOAT, default)
            case _:
                return arithmetic.integer(int(default))

    @property
    def warnings(self) -> list[str]:
        """What was accepted but probably not meant, each once."""
        return list(self._operand_emitter.warnings)


def _signature(call: syntax.Call) -> Signature:
    choices = SIGNATURES[call.function]
    for signature in choices:
        if len(signature.parameters) == len(call.arguments):
            return signature
    forms = " or ".join(f"{call.function}({', '.join(s.parameters)})" for s in choices)
    counts = " or ".join(str(len(s.parameters)) for s in choices)
    raise Diagnostic(
        f"'{call.function}' takes {counts} arguments, {len(call.arguments)} given",
        call.location,
        hint=f"write {forms}",
    )


def _unknown(call: syntax.Call) -> Diagnostic:
    return Diagnostic(
        f"'{call.function}' is neither an instruction of the accelerator nor a helper of this file",
        call.location,
        hint="supported: the macros of gemmini.h, their short names, and tiled_matmul_auto, "
        "tiled_conv_auto and tiled_resadd_auto with their variants",
    )
