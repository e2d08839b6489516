"""How a number of an instruction is written: infinities and NaN by their bits, as MLIR does."""

from __future__ import annotations

import struct

from xdsl.dialects.builtin import FloatAttr, f32
from xdsl.irdl import IRDLOperation
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    irdl_custom_directive,
)
from xdsl.parser import Parser
from xdsl.printer import Printer

_NOT_FINITE = 0x7F800000
"""The exponent of a float32 that is no finite number."""


@irdl_custom_directive
class Number(CustomDirective):
    """A float32: ``1.5`` or, where no literal says it, ``0xff800000``."""

    number: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        bits = parser.parse_optional_integer(allow_boolean=False, allow_negative=False)
        if bits is None:
            value = parser.parse_float()
        elif bits < 1 << 32 and bits & _NOT_FINITE == _NOT_FINITE:
            value = struct.unpack("<f", struct.pack("<I", bits))[0]
        else:
            parser.raise_error("Expected float literal, or the bits of an infinity or NaN")
        self.number.set(state, FloatAttr(value, f32))

    def set_empty(self, state: ParsingState) -> None:
        self.number.set_empty(state)

    def is_present(self, op: IRDLOperation) -> bool:
        return self.number.is_present(op)

    def is_anchorable(self) -> bool:
        return self.number.is_anchorable()

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        number = self.number.get(op)
        assert isinstance(number, FloatAttr)
        number.print_without_type(printer)
