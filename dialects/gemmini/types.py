"""Attributes and types of the Gemmini dialect, and the checks that its verifiers share."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    DenseArrayBase,
    Float32Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    MemRefType,
    UnitAttr,
    i64,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import (
    Attribute,
    ParametrizedAttribute,
    SpacedOpaqueSyntaxAttribute,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

I64 = IntegerAttr.constr(i64)
F32 = FloatAttr.constr(Float32Type())
LOAD_CHANNELS = 3
"""Load channels (mvin, mvin2, mvin3), each with a configuration of its own."""


def flags(**flags: bool) -> dict[str, Attribute]:
    return {name: UnitAttr() for name, value in flags.items() if value}


def require_field(name: str, value: Attribute | None, bits: int) -> None:
    """Reject a number that does not fit the field of the command that carries it."""
    if isinstance(value, IntegerAttr) and not 0 <= value.value.data < 1 << bits:
        raise VerifyException(f"{name} must fit {bits} unsigned bits, got {value.value.data}")


class LocalSpace(StrEnum):
    """Where a local address points: scratchpad, accumulator, or nowhere ("garbage")."""

    SPAD = "spad"
    ACC = "acc"
    NONE = "none"


class Dataflow(StrEnum):
    OUTPUT_STATIONARY = "os"
    WEIGHT_STATIONARY = "ws"


class ActivationKind(StrEnum):
    NONE = "none"
    RELU = "relu"
    LAYERNORM = "layernorm"
    IGELU = "igelu"
    SOFTMAX = "softmax"


@irdl_attr_definition
class LocalSpaceAttr(EnumAttribute[LocalSpace], SpacedOpaqueSyntaxAttribute):
    """Memory space of a buffer (``memref<…, #gemmini<space spad>>``) or of a local address."""

    name = "gemmini.space"


@irdl_attr_definition
class DataflowAttr(EnumAttribute[Dataflow], SpacedOpaqueSyntaxAttribute):
    name = "gemmini.dataflow"


@irdl_attr_definition
class ActivationAttr(EnumAttribute[ActivationKind], SpacedOpaqueSyntaxAttribute):
    name = "gemmini.activation"


@irdl_attr_definition
class LocalType(ParametrizedAttribute, TypeAttribute):
    """A 32-bit local address in the given space."""

    name = "gemmini.local"
    space: LocalSpaceAttr

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return (LocalSpaceAttr(parser.parse_str_enum(LocalSpace)),)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(self.space.data)


SPAD_ADDRESS = LocalType(LocalSpaceAttr(LocalSpace.SPAD))
ACC_ADDRESS = LocalType(LocalSpaceAttr(LocalSpace.ACC))
NO_ADDRESS = LocalType(LocalSpaceAttr(LocalSpace.NONE))


def space_of(value: SSAValue) -> LocalSpace:
    """The space that a local address value points to."""
    assert isinstance(value.type, LocalType)
    return value.type.space.data


def require_space(operand: SSAValue, role: str, *allowed: LocalSpace) -> None:
    if space_of(operand) not in allowed:
        expected = " or ".join(allowed)
        raise VerifyException(f"{role} must be a local address in {expected}, got {operand.type}")


def require_values(name: str, values: DenseArrayBase[IntegerType], count: int, bits: int) -> None:
    numbers = values.get_values()
    if len(numbers) != count:
        raise VerifyException(f"{name} must hold {count} numbers, got {len(numbers)}")
    if any(not 0 <= number < 1 << bits for number in numbers):
        raise VerifyException(f"{name} must fit {bits} unsigned bits, got {list(numbers)}")


def require_indices(array: SSAValue, indices: Sequence[SSAValue]) -> None:
    assert isinstance(array.type, MemRefType)
    if array.type.get_num_dims() != len(indices):
        raise VerifyException(
            f"expected {array.type.get_num_dims()} indices into {array.type}, got {len(indices)}"
        )


def require_channel(channel: int) -> None:
    if not 0 <= channel < LOAD_CHANNELS:
        raise VerifyException(f"load channel must be 0, 1 or 2, got {channel}")
