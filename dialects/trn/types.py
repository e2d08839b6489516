"""Attributes and types of the Trainium dialect: memory spaces, engines, operators and views."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    BFloat16Type,
    Float8E4M3Type,
    Float8E5M2Type,
    Float16Type,
    Float32Type,
    FloatTF32Type,
    IntAttr,
    IntegerType,
    MemRefType,
    Signedness,
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


class Space(StrEnum):
    """Where an array lies. A ``memref`` without a space lies in HBM."""

    HBM = "hbm"
    SBUF = "sbuf"
    PSUM = "psum"


class Engine(StrEnum):
    """The five instruction streams: tensor, scalar, vector, GpSimd and sync engine."""

    PE = "pe"
    ACT = "act"
    DVE = "dve"
    POOL = "pool"
    SP = "sp"


class Operator(StrEnum):
    """What the arithmetic units of the vector, GpSimd and scalar engines compute of two numbers.

    Comparisons and logical operators give 1 or 0. ``rsqrt``, ``abs``, ``logical_not`` and
    ``bitwise_not`` look at their first operand only.
    """

    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    DIVIDE = "divide"
    POWER = "power"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    GREATER = "greater"
    GREATER_EQUAL = "greater_equal"
    LESS = "less"
    LESS_EQUAL = "less_equal"
    LOGICAL_AND = "logical_and"
    LOGICAL_OR = "logical_or"
    LOGICAL_XOR = "logical_xor"
    LOGICAL_NOT = "logical_not"
    RSQRT = "rsqrt"
    ABS = "abs"
    BITWISE_AND = "bitwise_and"
    BITWISE_OR = "bitwise_or"
    BITWISE_XOR = "bitwise_xor"
    BITWISE_NOT = "bitwise_not"
    LEFT_SHIFT = "left_shift"
    RIGHT_SHIFT = "right_shift"


UNARY = frozenset({Operator.LOGICAL_NOT, Operator.RSQRT, Operator.ABS, Operator.BITWISE_NOT})
BITWISE = frozenset(
    {
        Operator.BITWISE_AND,
        Operator.BITWISE_OR,
        Operator.BITWISE_XOR,
        Operator.BITWISE_NOT,
        Operator.LEFT_SHIFT,
        Operator.RIGHT_SHIFT,
    }
)
"""They work on the bits of integers, without a conversion to float32."""
COMPARISONS = frozenset(
    {
        Operator.EQUAL,
        Operator.NOT_EQUAL,
        Operator.GREATER,
        Operator.GREATER_EQUAL,
        Operator.LESS,
        Operator.LESS_EQUAL,
    }
)
REDUCTIONS = frozenset({Operator.ADD, Operator.MULTIPLY, Operator.MAXIMUM, Operator.MINIMUM})
BITWISE_REDUCTIONS = frozenset({Operator.BITWISE_AND, Operator.BITWISE_OR, Operator.BITWISE_XOR})


class Function(StrEnum):
    """What the scalar engine's activation tables hold; ``_dx`` are derivatives."""

    COPY = "copy"
    ABS = "abs"
    ARCTAN = "arctan"
    COS = "cos"
    ERF = "erf"
    ERF_DX = "erf_dx"
    EXP = "exp"
    GELU = "gelu"
    GELU_APPRX_TANH = "gelu_apprx_tanh"
    GELU_DX = "gelu_dx"
    LOG = "log"
    MISH = "mish"
    RECIPROCAL = "reciprocal"
    RELU = "relu"
    RSQRT = "rsqrt"
    SIGMOID = "sigmoid"
    SIGN = "sign"
    SILU = "silu"
    SILU_DX = "silu_dx"
    SIN = "sin"
    SOFTPLUS = "softplus"
    SQRT = "sqrt"
    SQUARE = "square"
    TANH = "tanh"


class ReduceCommand(StrEnum):
    """What an instruction does to its engine's accumulation registers, one per partition."""

    IDLE = "idle"
    RESET = "reset"
    REDUCE = "reduce"
    RESET_REDUCE = "reset_reduce"


@irdl_attr_definition
class SpaceAttr(EnumAttribute[Space], SpacedOpaqueSyntaxAttribute):
    """Memory space of a buffer: ``memref<128x512xf32, #trn<space sbuf>>``."""

    name = "trn.space"


@irdl_attr_definition
class EngineAttr(EnumAttribute[Engine], SpacedOpaqueSyntaxAttribute):
    name = "trn.engine"


@irdl_attr_definition
class OperatorAttr(EnumAttribute[Operator], SpacedOpaqueSyntaxAttribute):
    name = "trn.op"


@irdl_attr_definition
class FunctionAttr(EnumAttribute[Function], SpacedOpaqueSyntaxAttribute):
    name = "trn.function"


@irdl_attr_definition
class ReduceCommandAttr(EnumAttribute[ReduceCommand], SpacedOpaqueSyntaxAttribute):
    name = "trn.reduce_command"


_FLOATS = (
    Float32Type,
    BFloat16Type,
    Float16Type,
    FloatTF32Type,
    Float8E4M3Type,
    Float8E5M2Type,
)


def is_float(element: Attribute) -> bool:
    """Whether the machine knows the element type, and it is a floating-point type."""
    return isinstance(element, _FLOATS)


def is_fp8(element: Attribute) -> bool:
    return isinstance(element, Float8E4M3Type | Float8E5M2Type)


def is_integer(element: Attribute) -> bool:
    """Whether the machine knows the element type, and it is an integer type of 8, 16, 32 bits."""
    return isinstance(element, IntegerType) and element.width.data in (8, 16, 32)


def is_unsigned(element: Attribute) -> bool:
    return isinstance(element, IntegerType) and element.signedness.data == Signedness.UNSIGNED


def element_bytes(element: Attribute) -> int:
    """Bytes of one element in memory; a tf32 number takes the place of a float32."""
    if isinstance(element, IntegerType):
        return element.width.data // 8
    if is_fp8(element):
        return 1
    return 2 if isinstance(element, BFloat16Type | Float16Type) else 4


def require_element_type(element: Attribute) -> None:
    if not is_float(element) and not is_integer(element):
        raise VerifyException(
            f"element type {element}: the engines know f32, tf32, bf16, f16, f8E4M3, f8E5M2 and"
            " integers of 8, 16 and 32 bits"
        )


def space_of(array: MemRefType[Attribute]) -> Space:
    """The memory space of an array; without one it lies in HBM."""
    if isinstance(array.memory_space, SpaceAttr):
        return array.memory_space.data
    if array.memory_space.name != "none":
        raise VerifyException(f"{array} is in no memory of Trainium")
    return Space.HBM


@irdl_attr_definition
class ViewType(ParametrizedAttribute, TypeAttribute):
    """What an instruction sees of an array: ``!trn.view<sbuf, 128x512xf32>``.

    On chip the first dimension counts partitions, the others are the free dimensions. ``?`` is a
    size that is known when the program runs.
    """

    name = "trn.view"
    space: SpaceAttr
    sizes: ArrayAttr[IntAttr]
    element_type: Attribute

    @staticmethod
    def of(space: Space, shape: Sequence[int], element_type: Attribute) -> ViewType:
        """The type from plain numbers; ``DYNAMIC_INDEX`` is an unknown size."""
        sizes = ArrayAttr([IntAttr(size) for size in shape])
        return ViewType(SpaceAttr(space), sizes, element_type)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(size.data for size in self.sizes)

    @property
    def on_chip(self) -> bool:
        return self.space.data != Space.HBM

    @property
    def in_psum(self) -> bool:
        return self.space.data == Space.PSUM

    @property
    def partitions(self) -> int | None:
        """The first size, None if it is not known."""
        return known(self.shape[:1])

    @property
    def free_size(self) -> int | None:
        """Elements per partition, None if not known."""
        return known(self.shape[1:])

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            space = SpaceAttr(parser.parse_str_enum(Space))
            parser.parse_punctuation(",")
            shape, element_type = parser.parse_ranked_shape()
            return space, ArrayAttr([IntAttr(size) for size in shape]), element_type

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.space.data}, ")
            for size in self.shape:
                printer.print_string("?x" if size == DYNAMIC_INDEX else f"{size}x")
            printer.print_attribute(self.element_type)

    def verify(self) -> None:
        require_element_type(self.element_type)
        if not self.shape:
            raise VerifyException("a view has at least one dimension")


@irdl_attr_definition
class SemaphoreType(ParametrizedAttribute, TypeAttribute):
    """A counter in hardware by which the engines and the DMA queues wait for each other."""

    name = "trn.semaphore"


def known(sizes: Sequence[int]) -> int | None:
    """The product of sizes, None if one of them is not known."""
    product = 1
    for size in sizes:
        if size == DYNAMIC_INDEX:
            return None
        product *= size
    return product


def view_of(value: SSAValue) -> ViewType:
    """The type of a view operand."""
    assert isinstance(value.type, ViewType)
    return value.type
