"""What the reader knows of Python values while it reads a kernel: numbers, names and arrays."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from xdsl.dialects.builtin import (
    BFloat16Type,
    Float8E4M3Type,
    Float8E5M2Type,
    Float16Type,
    Float32Type,
    FloatTF32Type,
    IntegerType,
    Signedness,
)
from xdsl.ir import Attribute, SSAValue

from ...dialects.trn.types import Space
from .index import Index, Integer
from .source import NkiError


@dataclass(frozen=True)
class Dtype:
    """An element type by its NKI name."""

    name: str
    attribute: Attribute
    bytes: int

    @property
    def is_float(self) -> bool:
        return not isinstance(self.attribute, IntegerType)


def _integer(name: str, bits: int, signed: bool) -> Dtype:
    signedness = Signedness.SIGNLESS if signed else Signedness.UNSIGNED
    return Dtype(name, IntegerType(bits, signedness), bits // 8)


FLOAT32 = Dtype("float32", Float32Type(), 4)
BFLOAT16 = Dtype("bfloat16", BFloat16Type(), 2)
INT32 = _integer("int32", 32, True)
_TYPES = (
    FLOAT32,
    BFLOAT16,
    INT32,
    Dtype("float16", Float16Type(), 2),
    Dtype("tfloat32", FloatTF32Type(), 4),
    Dtype("float8_e4m3", Float8E4M3Type(), 1),
    Dtype("float8_e5m2", Float8E5M2Type(), 1),
    _integer("int8", 8, True),
    _integer("int16", 16, True),
    _integer("uint8", 8, False),
    _integer("uint16", 16, False),
    _integer("uint32", 32, False),
)
_SHORT = {
    "f32": "float32",
    "bf16": "bfloat16",
    "f16": "float16",
    "fp16": "float16",
    "fp32": "float32",
    "tf32": "tfloat32",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "float8e4": "float8_e4m3",
    "float8e5": "float8_e5m2",
    "bool_": "uint8",
}
DTYPES = {dtype.name: dtype for dtype in _TYPES}
DTYPES.update({short: DTYPES[name] for short, name in _SHORT.items()})
"""Element types by NKI's names and by short ones."""


@dataclass(frozen=True)
class Named:
    """A name of the NKI or NumPy library, such as ``nl.add`` or ``nisa.nc_matmul``."""

    library: str
    """``nl``, ``nisa``, ``nki``, ``np`` or ``math``."""
    name: str

    def __str__(self) -> str:
        return f"{self.library}.{self.name}"


@dataclass(frozen=True)
class Library:
    """An imported module of a known library."""

    library: str


@dataclass(frozen=True)
class PartitionDimension:
    """``nl.par_dim(size)`` in a shape."""

    size: int


@dataclass(frozen=True)
class Function:
    """A function or lambda of the kernel's file, with the scopes that it sees."""

    node: ast.FunctionDef | ast.Lambda
    scopes: tuple[dict[str, Any], ...]
    defaults: Mapping[str, Any]
    """The values of its parameters' defaults, ``Unreadable`` where they are not understood."""

    @property
    def name(self) -> str:
        return self.node.name if isinstance(self.node, ast.FunctionDef) else "lambda"


@dataclass(frozen=True)
class RecordClass:
    """A class of the kernel's file, such as a dataclass of tile sizes."""

    name: str
    fields: tuple[str, ...]
    defaults: dict[str, Any]
    methods: dict[str, Function]
    is_tuple: bool
    """Whether its objects are tuples of their fields too."""


@dataclass(frozen=True)
class Record:
    """An object of such a class."""

    kind: RecordClass
    values: dict[str, Any]

    @property
    def elements(self) -> tuple[Any, ...]:
        """The fields in order: what the object is as a tuple."""
        return tuple(self.values[name] for name in self.kind.fields)


@dataclass(frozen=True)
class Partial:
    """A function with its first arguments, such as a method of an object."""

    function: Any
    given: tuple[Any, ...]
    named: dict[str, Any]


@dataclass(frozen=True)
class Launch:
    """``kernel[2, 4]``: a function to be run by all programs of a grid."""

    function: Function
    grid: tuple[int, ...]


@dataclass(frozen=True)
class Unreadable:
    """What a name means whose definition is not understood; using it raises ``error``."""

    error: NkiError


@dataclass(frozen=True)
class Method:
    """A method of a value, not called yet."""

    value: Any
    name: str


@dataclass(frozen=True)
class LoopRange:
    """``affine_range(...)`` and its like, or Python's ``range``."""

    lower: Integer
    upper: Integer
    step: int
    is_static: bool = False
    """``static_range``, which NKI always unrolls."""


@dataclass(frozen=True)
class LoopLocal:
    """What a name means behind the loop that gave it a value: its last value."""

    loop: ast.AST


@dataclass(eq=False)
class Array:
    """An array in HBM, SBUF or PSUM, with its logical shape."""

    name: str
    shape: tuple[int, ...]
    dtype: Dtype
    space: Space
    buffer: SSAValue
    axes: tuple[int, ...]
    """The dimension of ``buffer`` for each logical one: on chip the partitions come first."""
    loops: int = 0
    """Number of loops around its allocation."""
    branches: int = 0
    """Number of branches around its allocation."""
    zero_pending: bool = False
    """A PSUM tile that begins at zero: its first matrix product overwrites instead."""
    valid: int | None = None
    """Partitions that are filled, where a mask has left others without contents."""
    is_masked: bool = False
    """Whether the instruction itself was masked, not one that computed its operands."""
    loaded_from: View | None = None
    """The part of HBM that this whole tile was loaded from, as long as it is unchanged."""
    products: list[View] = field(default_factory=list["View"])
    """Parts of a PSUM tile that products were written to since it began at zero."""
    others: list[View] = field(default_factory=list["View"])
    """Parts of it that other instructions have written since."""
    group_loops: int = 0
    """Number of loops around the place where it began."""

    @property
    def on_chip(self) -> bool:
        return self.space != Space.HBM


@dataclass(frozen=True)
class Dimension:
    """One dimension of a view: it runs along dimension ``along`` of the buffer by ``step``."""

    extent: Integer
    along: int
    step: int = 1

    @property
    def size(self) -> int:
        """The extent as a number; asks to unroll the loop on whose variable it depends."""
        return Index.of(self.extent).require_constant()


@dataclass(frozen=True)
class View:
    """Part of an array: per dimension of the buffer an offset, and the dimensions of the part."""

    array: Array
    offsets: tuple[Index, ...]
    dimensions: tuple[Dimension, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(dimension.size for dimension in self.dimensions)

    @property
    def extents(self) -> tuple[Integer, ...]:
        """The shape, of which loop variables may be part."""
        return tuple(dimension.extent for dimension in self.dimensions)

    @property
    def dtype(self) -> Dtype:
        return self.array.dtype

    @property
    def space(self) -> Space:
        return self.array.space

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the array, in its own order."""
        return (
            all(offset == Index(0) for offset in self.offsets)
            and self.extents == self.array.shape
            and all(
                dimension.along == axis and dimension.step == 1
                for dimension, axis in zip(self.dimensions, self.array.axes, strict=True)
            )
        )

    def with_dimensions(self, dimensions: tuple[Dimension, ...]) -> View:
        return replace(self, dimensions=dimensions)


def whole(array: Array) -> View:
    """The view of all of an array."""
    dimensions = tuple(
        Dimension(size, axis) for size, axis in zip(array.shape, array.axes, strict=True)
    )
    return View(array, (Index(0),) * len(array.axes), dimensions)


@dataclass(frozen=True)
class Grid:
    """``nl.arange`` and ``nl.mgrid`` indices: ``base + Σ factors[d] · i_d`` over ``shape``."""

    base: Index
    shape: tuple[int, ...]
    factors: tuple[int, ...]


@dataclass(frozen=True)
class Bound:
    """``grid >= 0``: one condition of a mask."""

    grid: Grid


@dataclass(frozen=True)
class Mask:
    """All conditions hold."""

    bounds: tuple[Bound, ...]


Call = Callable[..., Any]
