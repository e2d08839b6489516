"""The operands of an instruction, and the values of the dialect that they become."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from ...diagnostics import Diagnostic, SourceLocation
from ...dialects import gemmini
from ...dialects.gemmini import LocalSpace
from . import arithmetic
from .algebra import assuming, compare, is_bit
from .dram_address import dram_address, subscripts_of
from .emitter import Emitter
from .local_address import LocalAddress, NeedsCase, UnknownFlagsError, decode
from .terms import NEVER, Choice, Condition, Sum, Truth, atom, constant
from .values import Either, Number, Real, Value, map_sums


@dataclass(frozen=True)
class Operand:
    """One argument of an instruction."""

    value: Value
    location: SourceLocation
    name: str

    def number(self) -> Sum:
        """The exact value of an integer."""
        if not isinstance(self.value, Number):
            raise Diagnostic(f"'{self.name}' must be an integer", self.location)
        return arithmetic.exact(self.value, self.location)

    def constant(self) -> int:
        """The value of a constant; a choice between constants splits the instruction."""
        value = self.number()
        if value.is_constant:
            return value.constant
        for term, _ in value.terms:
            if isinstance(term, Choice):
                raise NeedsCase(term.condition)
            if is_bit(atom(term)):
                raise NeedsCase(compare("ne", atom(term), constant(0)))
        raise Diagnostic(
            f"'{self.name}' must be constant",
            self.location,
            hint="configurations are fixed in the program; only addresses and extents may vary",
        )

    def real(self) -> float:
        """The value of a real constant (an integer one will do)."""
        match self.value:
            case Real(value=value):
                return value
            case Either(condition=condition):
                raise NeedsCase(condition)
            case _:
                return float(self.constant())

    def assuming(self, condition: Condition, holds: bool) -> Operand:
        """The operand where ``condition`` is known."""
        rewriter = assuming(condition, holds)
        value = self.value
        while isinstance(value, Either):
            decided = rewriter.condition(value.condition)
            if not isinstance(decided, Truth):
                break
            value = value.then if decided.holds else value.otherwise
        return Operand(map_sums(value, rewriter.sum), self.location, self.name)


Operands = dict[str, Operand]


class OperandEmitter:
    """Emits what the operands of instructions stand for, and collects warnings."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.warnings: dict[str, None] = {}

    def extent(self, operand: Operand) -> SSAValue:
        """A number of rows or columns as an ``index``."""
        return self.emitter.index(operand.number())

    def local(self, operand: Operand) -> LocalAddress:
        """A local address, its flags apart."""
        if isinstance(operand.value, Either):
            raise NeedsCase(operand.value.condition)
        if not isinstance(operand.value, Number):
            raise Diagnostic(
                f"'{operand.name}' must be a local address, an integer", operand.location
            )
        number = operand.value
        try:
            address = decode(operand.number() if number.type.bits < 32 else number.sum)
        except UnknownFlagsError:
            raise Diagnostic(
                f"cannot tell which memory the local address '{operand.name}' is in",
                operand.location,
                hint="add the row to constant flags: 1 << 31 for the accumulator, 1 << 30 to "
                "accumulate, 1 << 29 for full width",
            ) from None
        if number.type.signed and number.sum.interval.low < 0 and number.sum.is_constant:
            self.warn(
                "a negative local address spoils the other fields of the instruction; "
                "write it as uint32_t",
                operand.location,
            )
        return address

    def address(self, address: LocalAddress) -> SSAValue:
        """The operation that is a local address."""
        match address.space:
            case LocalSpace.NONE:
                return self.emitter.shared(address, 0, gemmini.NoneOp)
            case LocalSpace.SPAD:
                row = self.emitter.index(address.row)
                level = address.row.level
                return self.emitter.shared(address, level, lambda: gemmini.SpadOp(row))
            case LocalSpace.ACC:
                return self._accumulator(address)

    def _accumulator(self, address: LocalAddress) -> SSAValue:
        row = self.emitter.index(address.row)
        level = max(address.row.level, address.accumulate.level)
        accumulate = None
        if address.accumulate != NEVER:
            accumulate = self.emitter.condition(address.accumulate)
        return self.emitter.shared(
            address, level, lambda: gemmini.AccOp(row, accumulate, full=address.full)
        )

    def place(self, operand: Operand) -> tuple[SSAValue, list[SSAValue]] | None:
        """The array and the subscripts of a DRAM address; None for the null address."""
        pointer = dram_address(operand.value, operand.location)
        if pointer is None:
            return None
        subscripts = subscripts_of(pointer, operand.location)
        return pointer.array.memref, [self.emitter.index(s) for s in subscripts]

    def warn(self, message: str, location: SourceLocation) -> None:
        """Take note of something that is accepted but probably not meant."""
        self.warnings[f"{location}: warning: {message}"] = None

    def add(self, op: Operation, location: SourceLocation) -> None:
        """Append an instruction once its verifier accepts it."""
        try:
            op.verify()
        except VerifyException as error:
            op.drop_all_references()
            raise Diagnostic(str(error), location) from None
        self.emitter.emit(op)
