"""Values of the summary language: arrays as functions of their subscripts, with C's scalar types.

Operands narrower than ``int`` are widened to it and the wider type wins, as in C; a literal takes
the type of what it meets. Subscripts that are used as numbers are ``int``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    Float32Type,
    Float64Type,
    IndexType,
    IntegerType,
    f64,
    i1,
    i32,
)
from xdsl.ir import Attribute, Operation

from ...diagnostics import Diagnostic
from ..invariants.simplify import apply, compare, constant, index, is_integer, width
from ..invariants.terms import INDEX, Constant, Term

At = Callable[[tuple[Term, ...]], Term]


@dataclass(frozen=True)
class Value:
    """An array, or a scalar if ``shape`` is empty."""

    type: Attribute
    shape: tuple[Term, ...]
    at: At
    """The element at given subscripts."""
    unsigned: bool = False
    literal: int | float | None = None
    """The number, if it is written as one: its type adapts to what it meets."""

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return isinstance(self.type, Float32Type | Float64Type)

    @property
    def scalar(self) -> Term:
        """The value of a scalar."""
        return self.at(())


def scalar(term: Term, unsigned: bool = False) -> Value:
    """A term as a scalar."""
    return Value(term.type, (), lambda _: term, unsigned)


def literal(number: int | float) -> Value:
    """A number as it is written."""
    type: Attribute = i32 if isinstance(number, int) else f64
    if isinstance(number, int) and not -(1 << 63) <= number < 1 << 64:
        raise Diagnostic("the number does not fit 64 bits")
    if isinstance(number, int) and not -(1 << 31) <= number < 1 << 31:
        type = IntegerType(64)
    term = constant(number, type)
    return Value(type, (), lambda _: term, literal=number)


def converted(value: Value, type: Attribute, unsigned: bool = False) -> Value:
    """The value in another type, as a C cast does it."""
    if value.literal is not None and value.type != type and type != i1:
        number = value.literal
        if isinstance(number, int) or not is_integer(type):
            term = constant(number, type)
            return Value(type, (), lambda _: term, unsigned, number)
    if value.type == type:
        return replace(value, unsigned=unsigned)
    return Value(type, value.shape, lambda i: _cast(value, value.at(i), type, unsigned), unsigned)


def _cast(value: Value, term: Term, type: Attribute, unsigned: bool) -> Term:
    source = term.type
    if type == i1:
        return compare("ne", term, constant(0, source)) if is_integer(source) else _nonzero(term)
    if isinstance(source, IndexType) and not is_integer(type):
        return _cast(value, apply(arith.IndexCastOp, (term,), i32), type, unsigned)
    if isinstance(type, IndexType) and (value.unsigned or source == i1) and width(source) < 64:
        term = apply(arith.ExtUIOp, (term,), IntegerType(64))
        return apply(arith.IndexCastOp, (term,), type)
    return apply(_cast_operation(source, type, value.unsigned, unsigned), (term,), type)


def _nonzero(term: Term) -> Term:
    from .scalars import float_compare

    return float_compare("une", term, constant(0.0, term.type))


def _cast_operation(
    source: Attribute, target: Attribute, from_unsigned: bool, to_unsigned: bool
) -> type[Operation]:
    grows = width(target) > width(source)
    match is_integer(source), is_integer(target):
        case True, True:
            widens_unsigned = source == i1 or from_unsigned
            if isinstance(source, IndexType) or isinstance(target, IndexType):
                return arith.IndexCastOp
            if not grows:
                return arith.TruncIOp
            return arith.ExtUIOp if widens_unsigned else arith.ExtSIOp
        case True, False:
            return arith.UIToFPOp if source == i1 or from_unsigned else arith.SIToFPOp
        case False, True:
            return arith.FPToUIOp if to_unsigned else arith.FPToSIOp
        case _:
            return arith.ExtFOp if isinstance(source, Float32Type) else arith.TruncFOp


def promoted(value: Value) -> Value:
    """The value as C's integer promotion leaves it."""
    if isinstance(value.type, IndexType) or (
        isinstance(value.type, IntegerType) and width(value.type) < 32
    ):
        return converted(value, i32)
    return value


def common(left: Value, right: Value) -> tuple[Value, Value]:
    """Both values in the type in which C computes with them."""
    if isinstance(left.type, IndexType) and isinstance(right.type, IndexType):
        return left, right
    if left.literal is not None and right.literal is None:
        return _met(left, right), _kept(right, left)
    if right.literal is not None and left.literal is None:
        return _kept(left, right), _met(right, left)
    left, right = promoted(left), promoted(right)
    if left.is_float or right.is_float:
        doubles = isinstance(left.type, Float64Type) or isinstance(right.type, Float64Type)
        type: Attribute = f64 if doubles else Float32Type()
        return converted(left, type), converted(right, type)
    bits = max(width(left.type), width(right.type))
    wide = [v for v in (left, right) if width(v.type) == bits]
    unsigned = any(v.unsigned for v in wide)
    type = IntegerType(bits)
    return converted(left, type, unsigned), converted(right, type, unsigned)


def _kept(value: Value, literal: Value) -> Value:
    if isinstance(value.type, IndexType) and isinstance(literal.literal, int):
        return value
    if not value.is_float and isinstance(literal.literal, float):
        return converted(value, f64)
    value = promoted(value)
    if not value.is_float and width(literal.type) > width(value.type):
        return converted(value, literal.type, value.unsigned)
    return value


def _met(literal: Value, other: Value) -> Value:
    kept = _kept(other, literal)
    return converted(literal, kept.type, kept.unsigned)


def as_index(value: Value) -> Term:
    """A scalar as an index; raises :class:`Diagnostic` if it is no integer."""
    if value.rank or value.is_float:
        raise Diagnostic("a subscript or a size must be an integer")
    return converted(value, INDEX).scalar


def broadcast(*values: Value) -> tuple[tuple[Term, ...], list[At]]:
    """The common shape of values, and each of them as a function of its subscripts."""
    rank = max((value.rank for value in values), default=0)
    shape: list[Term] = []
    for axis in range(rank):
        extents = [v.shape[axis - rank + v.rank] for v in values if axis - rank + v.rank >= 0]
        kept = [extent for extent in extents if not _is_one(extent)]
        if any(extent is not kept[0] for extent in kept):
            raise Diagnostic("the shapes of the operands differ")
        shape.append(kept[0] if kept else extents[0])
    return tuple(shape), [_stretched(value) for value in values]


def _stretched(value: Value) -> At:
    ones = [_is_one(extent) for extent in value.shape]

    def at(places: tuple[Term, ...]) -> Term:
        own = places[len(places) - value.rank :]
        return value.at(tuple(index(0) if one else i for one, i in zip(ones, own, strict=True)))

    return at


def _is_one(extent: Term) -> bool:
    return isinstance(extent, Constant) and extent.value == 1


def mapped(function: Callable[..., Term], *values: Value, unsigned: bool = False) -> Value:
    """A function of scalars applied to values of equal or broadcast shapes."""
    shape, parts = broadcast(*values)
    probe = function(*(_example(value) for value in values))
    return Value(probe.type, shape, lambda i: function(*(part(i) for part in parts)), unsigned)


def _example(value: Value) -> Term:
    """Any element of the value, for its type."""
    return value.at(tuple(index(0) for _ in value.shape))
