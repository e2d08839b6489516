"""The C types of the subset, and the conversions that C applies to arithmetic operands.

Sizes are those of the LP64 model, which both x86-64 and 64-bit RISC-V Linux use. Plain ``char`` is
signed, as on x86-64.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import builtin


@dataclass(frozen=True)
class CInteger:
    """An integer type of ``bits`` bits; two's complement if ``signed``."""

    bits: int
    signed: bool
    boolean: bool = False
    """``_Bool``: stored as a byte that is 0 or 1; converting to it compares with zero."""

    @property
    def lowest(self) -> int:
        """Return the smallest value of the type."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """Return the largest value of the type."""
        if self.boolean:
            return 1
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def wrap(self, value: int) -> int:
        """Return ``value`` reduced modulo 2**bits into the range of the type (C17 6.3.1.3)."""
        if self.boolean:
            return int(value != 0)
        low_bits = value & ((1 << self.bits) - 1)
        return low_bits - (1 << self.bits) if low_bits > self.highest else low_bits

    def holds(self, low: int, high: int) -> bool:
        """Tell whether every integer in [low, high] is a value of the type."""
        return self.lowest <= low and high <= self.highest

    def __str__(self) -> str:
        if self.boolean:
            return "bool"
        return f"{'' if self.signed else 'u'}int{self.bits}_t"


@dataclass(frozen=True)
class CFloat:
    """``float`` (32 bits), ``double`` (64 bits) and ``_Float16``, IEEE 754 binary formats."""

    bits: int
    brain: bool = False
    """``__bf16``: 16 bits, with the exponent of ``float``."""

    @property
    def is_storage(self) -> bool:
        """Whether it is a type for memory only: compilers differ in how they compute in it."""
        return self.bits < 32

    def __str__(self) -> str:
        if self.brain:
            return "__bf16"
        return {16: "_Float16", 32: "float"}.get(self.bits, "double")


@dataclass(frozen=True)
class CVoid:
    """``void``: the result type of a function that returns nothing."""

    def __str__(self) -> str:
        return "void"


@dataclass(frozen=True)
class CStruct(CVoid):
    """A structure: like ``void``, a type that no value of an expression has.

    Its members are listed by ``syntax.TranslationUnit``.
    """

    name: str

    def __str__(self) -> str:
        return f"struct {self.name}"


@dataclass(frozen=True)
class CAuto(CVoid):
    """``auto``: the type of the initial value."""

    def __str__(self) -> str:
        return "auto"


CScalar = CInteger | CFloat
CType = CScalar | CVoid

BOOL = CInteger(8, signed=False, boolean=True)
CHAR = CInteger(8, signed=True)
INT = CInteger(32, signed=True)
UNSIGNED_INT = CInteger(32, signed=False)
LONG = CInteger(64, signed=True)
UNSIGNED_LONG = CInteger(64, signed=False)
FLOAT16 = CFloat(16)
BFLOAT16 = CFloat(16, brain=True)
FLOAT = CFloat(32)
DOUBLE = CFloat(64)
VOID = CVoid()
AUTO = CAuto()

STANDARD_TYPE_NAMES: dict[str, CScalar] = {
    **{f"int{bits}_t": CInteger(bits, signed=True) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}_t": CInteger(bits, signed=False) for bits in (8, 16, 32, 64)},
    **{f"int_least{bits}_t": CInteger(bits, signed=True) for bits in (8, 16, 32, 64)},
    **{f"uint_least{bits}_t": CInteger(bits, signed=False) for bits in (8, 16, 32, 64)},
    **{f"int_fast{bits}_t": LONG for bits in (16, 32, 64)},
    **{f"uint_fast{bits}_t": UNSIGNED_LONG for bits in (16, 32, 64)},
    "int_fast8_t": CInteger(8, signed=True),
    "uint_fast8_t": CInteger(8, signed=False),
    "intmax_t": LONG,
    "uintmax_t": UNSIGNED_LONG,
    "size_t": UNSIGNED_LONG,
    "ssize_t": LONG,
    "ptrdiff_t": LONG,
    "intptr_t": LONG,
    "uintptr_t": UNSIGNED_LONG,
    "_Float16": FLOAT16,
    "__bf16": BFLOAT16,
}
"""Names that ``<stdint.h>`` and ``<stddef.h>`` define, as wide as glibc makes them on 64 bits, and
those of 16-bit floats, which are keywords."""


def integer_promotion(kind: CInteger) -> CInteger:
    """Return the type that an operand of type ``kind`` is promoted to (C17 6.3.1.1)."""
    return INT if kind.bits < INT.bits else kind


def usual_arithmetic_conversions(left: CScalar, right: CScalar) -> CScalar:
    """Return the common type in which C evaluates ``left op right`` (C17 6.3.1.8)."""
    if isinstance(left, CFloat) or isinstance(right, CFloat):
        kinds = [kind for kind in (left, right) if isinstance(kind, CFloat)]
        return max(kinds, key=lambda kind: kind.bits)
    left, right = integer_promotion(left), integer_promotion(right)
    if left.bits != right.bits:
        return left if left.bits > right.bits else right
    return left if not left.signed else right


def to_mlir(kind: CScalar) -> builtin.IntegerType | builtin.AnyFloat:
    """Return the MLIR type that stores ``kind``; signedness is in the operations, not the type."""
    if isinstance(kind, CInteger):
        return builtin.IntegerType(kind.bits)
    if kind.brain:
        return builtin.bf16
    return {16: builtin.f16, 32: builtin.f32}.get(kind.bits, builtin.f64)
