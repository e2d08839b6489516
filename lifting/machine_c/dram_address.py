"""Reads DRAM addresses: which element of which array."""

from __future__ import annotations

from math import prod

from ...diagnostics import Diagnostic, SourceLocation
from .algebra import quotient, remainder
from .local_address import NeedsCase
from .terms import ZERO, Sum
from .values import Either, Number, Pointer, Unknown, Value, is_null


def dram_address(value: Value, location: SourceLocation) -> Pointer | None:
    """The array element that an instruction moves; None for the null address.

    Raises ``NeedsCase`` where a condition decides about the array, and Diagnostic for what is no
    address in an array parameter.
    """
    if isinstance(value, Either):
        raise NeedsCase(value.condition)
    if is_null(value):
        return None
    if isinstance(value, Pointer):
        return value
    if isinstance(value, Unknown):
        raise Diagnostic(value.reason, location)
    what = "a number" if isinstance(value, Number) else "a real number"
    raise Diagnostic(
        f"{what} is no address in an array parameter",
        location,
        hint="pass &A[i][j], A + offset, or 0 to load zeros",
    )


def subscripts_of(pointer: Pointer, location: SourceLocation) -> tuple[Sum, ...]:
    """One subscript per dimension of the array.

    Addresses that were computed flat are split by the array's extents.
    """
    array = pointer.array
    offset = pointer.offset.divided(array.element_bytes)
    if offset is None:
        raise Diagnostic(
            f"cannot tell that this address is one of a whole element of '{array.name}'",
            location,
            hint=f"its elements have {array.element_bytes} bytes; a pointer of type uint8_t * or "
            "uint64_t counts bytes",
        )
    split = _split(offset, array.extents)
    if _inside(split, array.extents):
        return split
    if pointer.subscripts is not None:
        return pointer.subscripts
    return _divided(offset, array.extents)


def _split(offset: Sum, extents: tuple[int, ...]) -> tuple[Sum, ...]:
    """Give each dimension the terms whose factors are multiples of its stride."""
    subscripts: list[Sum] = []
    for dimension in range(len(extents)):
        stride = prod(extents[dimension + 1 :])
        taken = Sum(
            tuple((term, factor) for term, factor in offset.terms if factor % stride == 0),
            offset.constant // stride * stride,
        )
        subscripts.append(taken.divided(stride) or ZERO)
        offset -= taken
    return tuple(subscripts)


def _inside(subscripts: tuple[Sum, ...], extents: tuple[int, ...]) -> bool:
    return all(
        subscript.within(0, extent - 1)
        for subscript, extent in zip(subscripts, extents, strict=True)
    )


def _divided(offset: Sum, extents: tuple[int, ...]) -> tuple[Sum, ...]:
    subscripts: list[Sum] = []
    for dimension in range(len(extents)):
        stride = prod(extents[dimension + 1 :])
        subscripts.append(quotient(offset, stride))
        offset = remainder(offset, stride)
    return tuple(subscripts)
