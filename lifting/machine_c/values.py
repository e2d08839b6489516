"""What C expressions and variables hold: integers, constants of real type, DRAM addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from xdsl.ir import SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from ..c.types import CFloat, CInteger, CScalar
from .algebra import choice
from .terms import ZERO, Condition, Sum


@dataclass(frozen=True)
class Number:
    """An integer of type ``type``; ``sum`` equals it modulo 2**bits, and exactly where it fits."""

    type: CInteger
    sum: Sum
    is_row: bool = False
    """Whether ``sum`` is right only if the row in it lies below the flags of a local address.

    Such a value may only become a local address: no machine has a row beyond, so that a program
    which is wrong about it is refused.
    """


@dataclass(frozen=True)
class Real:
    """A constant of real type."""

    type: CFloat
    value: float


@dataclass(frozen=True)
class DramArray:
    """An array that the accelerator reads and writes: a parameter, or one of the kernel's own."""

    name: str
    element: CScalar
    extents: tuple[int, ...]
    memref: SSAValue

    @property
    def element_bytes(self) -> int:
        return self.element.bits // 8

    def bytes_of(self, extents: tuple[int, ...]) -> int:
        """Bytes of a part of the array with the given extents."""
        total = self.element_bytes
        for extent in extents:
            total *= extent
        return total


@dataclass(frozen=True)
class Pointer:
    """An address in an array: ``offset`` bytes from its start."""

    array: DramArray
    offset: Sum
    unit: int
    """Bytes that adding 1 moves the address."""
    extents: tuple[int, ...] = ()
    """Extents of what the pointer points to; () for one element."""
    subscripts: tuple[Sum, ...] | None = None
    """One per dimension where the address was written by subscripts, else None."""

    def moved(self, distance: Sum) -> Pointer:
        """The pointer ``self + distance``."""
        step = distance.scaled(self.unit)
        return replace(
            self, offset=self.offset + step, subscripts=self._moved_subscripts(distance, step)
        )

    def _moved_subscripts(self, distance: Sum, step: Sum) -> tuple[Sum, ...] | None:
        if self.subscripts is None:
            return None
        dimension = len(self.array.extents) - len(self.extents) - 1
        size = self.array.bytes_of(self.array.extents[dimension + 1 :])
        elements = distance if self.unit == size else step.divided(size)
        if dimension < 0 or elements is None:
            return None
        moved = list(self.subscripts)
        moved[dimension] += elements
        return tuple(moved)


@dataclass(frozen=True)
class Place:
    """An array, a row of one, or an element: what a pointer's ``*`` names."""

    pointer: Pointer

    @property
    def is_array(self) -> bool:
        return bool(self.pointer.extents)

    def decayed(self) -> Pointer:
        """The pointer to the first element, which an array's name stands for."""
        pointer = self.pointer
        inner = pointer.extents[1:]
        return replace(pointer, extents=inner, unit=pointer.array.bytes_of(inner))


@dataclass(frozen=True)
class Either:
    """An address that a condition decides."""

    condition: Condition
    then: Value
    otherwise: Value


@dataclass(frozen=True)
class Unknown:
    """A value that cannot be followed; reading it is an error with this ``reason``."""

    reason: str


class UnknownValueError(Diagnostic):
    """A variable was read whose value cannot be followed."""


Value = Number | Real | Pointer | Either
Held = Value | Unknown | None
"""What an element of a variable holds; None before it is given a value."""


@dataclass(eq=False)
class Variable:
    """A scalar or a small array in the core's memory; each cell holds a value or nothing yet."""

    name: str
    type: CScalar
    location: SourceLocation
    extents: tuple[int, ...] = ()
    is_pointer: bool = False
    unit: int = 1
    """Bytes that adding 1 moves a pointer."""
    pointee: tuple[int, ...] = ()
    """Extents of what a pointer points to; () for one element."""
    cells: list[Held] = field(default_factory=list["Held"])
    place: Callable[[], DramArray] | None = None
    """Puts an array where the accelerator reaches it; None where that is not possible."""


def whole_array(array: DramArray) -> Place:
    """The array itself."""
    unit = array.bytes_of(array.extents)
    zeros = tuple(ZERO for _ in array.extents)
    return Place(Pointer(array, ZERO, unit, array.extents, zeros))


def is_null(value: Value) -> bool:
    """Whether the value is the constant 0, the null pointer."""
    return isinstance(value, Number) and value.sum == ZERO


def join(condition: Condition, then: Value, otherwise: Value) -> Value | None:
    """The value that is ``then`` where ``condition`` holds; None if the types do not agree."""
    if then == otherwise:
        return then
    match then, otherwise:
        case Number(), Number() if then.type == otherwise.type:
            is_row = then.is_row or otherwise.is_row
            return Number(then.type, choice(condition, then.sum, otherwise.sum), is_row)
        case Pointer(), Pointer() if _alike(then, otherwise):
            return _join_pointers(condition, then, otherwise)
        case (Pointer() | Either(), _) | (_, Pointer() | Either()):
            if isinstance(then, Real) or isinstance(otherwise, Real):
                return None
            return Either(condition, then, otherwise)
        case _:
            return None


def _alike(left: Pointer, right: Pointer) -> bool:
    return left.array is right.array and (left.unit, left.extents) == (right.unit, right.extents)


def _join_pointers(condition: Condition, then: Pointer, otherwise: Pointer) -> Pointer:
    subscripts = None
    if then.subscripts is not None and otherwise.subscripts is not None:
        pairs = zip(then.subscripts, otherwise.subscripts, strict=True)
        subscripts = tuple(choice(condition, a, b) for a, b in pairs)
    offset = choice(condition, then.offset, otherwise.offset)
    return replace(then, offset=offset, subscripts=subscripts)


def map_held(value: Held, function: Callable[[Sum], Sum]) -> Held:
    """What a variable holds with ``function`` applied to every symbolic integer in it."""
    return value if value is None or isinstance(value, Unknown) else map_sums(value, function)


def map_sums(value: Value, function: Callable[[Sum], Sum]) -> Value:
    """The value with ``function`` applied to every symbolic integer in it, but to no condition."""
    match value:
        case Number():
            return replace(value, sum=function(value.sum))
        case Pointer(subscripts=subscripts):
            if subscripts is not None:
                subscripts = tuple(function(subscript) for subscript in subscripts)
            return replace(value, offset=function(value.offset), subscripts=subscripts)
        case Either():
            then, otherwise = map_sums(value.then, function), map_sums(value.otherwise, function)
            return replace(value, then=then, otherwise=otherwise)
        case Real():
            return value


def depth_of(value: Value) -> int:
    """How deep the symbolic integers of a value are nested."""
    match value:
        case Number():
            return value.sum.depth
        case Pointer():
            return value.offset.depth
        case Either():
            parts = value.condition.depth, depth_of(value.then), depth_of(value.otherwise)
            return 1 + max(parts)
        case Real():
            return 0


def element_at(pointer: Pointer, index: Sum) -> Place:
    """What ``pointer[index]`` names."""
    return Place(pointer.moved(index))


def address_of(place: Place) -> Pointer:
    """The pointer ``&place``: adding 1 skips the whole place."""
    pointer = place.pointer
    return replace(pointer, unit=pointer.array.bytes_of(pointer.extents))


def level_of(value: Held) -> int:
    """Depth of the innermost region whose atoms a value depends on."""
    match value:
        case Number():
            return value.sum.level
        case Pointer(subscripts=subscripts):
            return max(total.level for total in (value.offset, *(subscripts or ())))
        case Either():
            parts = value.condition.level, level_of(value.then), level_of(value.otherwise)
            return max(parts)
        case _:
            return 0


def sum_of(value: Held) -> Sum | None:
    """The one integer that changes in a number or in an address of a known array."""
    match value:
        case Number():
            return value.sum
        case Pointer():
            return value.offset
        case _:
            return None


def with_sum(value: Value, total: Sum) -> Value:
    """The number or address with another integer in it."""
    match value:
        case Number():
            return replace(value, sum=total)
        case Pointer():
            return replace(value, offset=total, subscripts=None)
        case _:
            return value
