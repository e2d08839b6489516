"""Values that a loop carries from iteration to iteration because no formula fits them.

A plain integer is carried as one ``index``. A local address is carried as its row and, for each
flag that changes, one more ``index`` that is 0 or 1; flags that stay are added back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ..c.polynomial import Interval
from ..c.types import CInteger
from .algebra import FLAG_BITS, Rewriter, flag_part, is_bit, wrapped
from .bits import disjoint_parts
from .terms import ZERO, Atom, Sum, atom, constant

_SMALL = Interval(0, FLAG_BITS[-1] - 1)
_BIT = Interval(0, 1)


@dataclass(frozen=True)
class Carried:
    """How one value is carried: ``base`` plus its pieces, each times its weight."""

    name: str
    kind: CInteger | None
    """The type of an integer; None for an address."""
    base: int
    weights: tuple[int, ...]
    intervals: tuple[Interval, ...]
    starts: tuple[Sum, ...]

    def enter(self, arguments: Iterator[SSAValue], level: int) -> Sum:
        """The value at the beginning of an iteration, from the next arguments of the loop."""
        total = constant(self.base)
        for weight, interval in zip(self.weights, self.intervals, strict=True):
            piece = Atom(self.name, interval, level, next(arguments))
            if piece.value is not None:
                piece.value.name_hint = self.name
            total += Sum(((piece, weight),))
        return total

    def split(self, value: Sum) -> tuple[Sum, ...] | None:
        """The pieces of ``value``, None if it has no such pieces."""
        if len(self.weights) > 1:
            return _flag_pieces(value)
        value -= self.base
        interval = self.intervals[0]
        if self.kind is not None and not value.within(interval.low, interval.high):
            # Bounds found for the whole loop are not always seen on one update.
            value = wrapped(value, self.kind)
        return (value,)


def carry(unknown: Atom, kind: CInteger | None, initial: Sum, update: Sum) -> Carried:
    """Find how to carry a value that starts as ``initial`` and becomes ``update``.

    ``update`` is in terms of ``unknown``, the value before the iteration, whose interval holds at
    every iteration. Flags that cannot be told apart from the row stay hidden in the value.
    """
    name, bounds = unknown.name, unknown.interval
    base = flag_part(initial.constant)
    if _SMALL.low <= bounds.low - base and bounds.high - base <= _SMALL.high:
        shifted = Interval(bounds.low - base, bounds.high - base)
        return Carried(name, kind, base, (1,), (shifted,), (initial - base,))
    if abs(bounds.low) <= _SMALL.high and abs(bounds.high) <= _SMALL.high:
        return Carried(name, kind, 0, (1,), (bounds,), (initial,))
    if (flagged := _carry_flags(unknown, kind, initial, update)) is not None:
        return flagged
    start = initial if kind is None else wrapped(initial, kind)
    return Carried(name, kind, 0, (1,), (bounds,), (start,))


def _carry_flags(unknown: Atom, kind: CInteger | None, initial: Sum, update: Sum) -> Carried | None:
    """Carry the flags apart from the row; the row must stay where it is or be computed anew."""
    starts = _flag_pieces(initial)
    name = unknown.name
    row = Atom(name, _SMALL, unknown.level)
    flags = [Atom(name, _BIT, unknown.level) for _ in FLAG_BITS]
    template = atom(row)
    for flag, bit in zip(flags, FLAG_BITS, strict=True):
        template += Sum(((flag, bit),))
    pieces = _flag_pieces(Rewriter({unknown: template}).sum(update))
    if starts is None or pieces is None or not pieces[0].within(_SMALL.low, _SMALL.high):
        return None
    rows = _hull(starts[0].interval, pieces[0].interval)
    return Carried(name, kind, 0, (1, *FLAG_BITS), (rows, _BIT, _BIT, _BIT), starts)


def _flag_pieces(value: Sum) -> tuple[Sum, ...] | None:
    """The row of a local address and its flags, each 0 or 1, from bit 31 down."""
    parts = disjoint_parts(value)
    if parts is None:
        return None
    row, flags = ZERO, dict.fromkeys(FLAG_BITS, ZERO)
    for part in parts:
        if part.mask <= _SMALL.high:
            row += part.value
        elif part.value.is_constant:
            for bit in FLAG_BITS:
                flags[bit] += int(bool(part.value.constant & bit))
        elif part.mask in flags:
            divided = part.value.divided(part.mask)
            if divided is None or not is_bit(divided):
                return None
            flags[part.mask] += divided
        else:
            return None
    return row, *flags.values()


def _hull(left: Interval, right: Interval) -> Interval:
    return Interval(min(left.low, right.low), max(left.high, right.high))
