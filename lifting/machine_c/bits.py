"""Bitwise operators on symbolic integers, by knowing which bits each part of a sum may set.

``base | 1 << 31 | (k > 0) << 30`` has parts with no bit in common, so ``|`` is ``+`` and each flag
of a local address stays a part of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from .algebra import FLAG_BITS, bitwise, is_bit, quotient, remainder
from .terms import ZERO, Sum, Term, atom, constant

_FLAGS = sum(FLAG_BITS)


@dataclass(frozen=True)
class Part:
    """A summand that is not negative and sets no bit outside of ``mask``."""

    value: Sum
    mask: int


def disjoint_parts(value: Sum) -> list[Part] | None:
    """Split a sum into parts that share no bits; None if it may be negative or they may overlap.

    The low bits of the sum come last.
    """
    if value.constant >= 1 << 32:
        return _whole(value)
    parts: list[Part] = []
    low, flags = ZERO, 0
    for term, factor in _split_terms(value):
        summand = Sum(((term, factor),))
        if factor % FLAG_BITS[-1] == 0 and factor < 0 and is_bit(atom(term)):
            # A flag that is set where the term is 0: its bit is in the constant.
            summand, flags = summand - factor, flags + factor
        mask = _mask(summand)
        if mask and mask & -mask >= FLAG_BITS[-1]:
            parts.append(Part(summand, mask))
        else:
            low += summand
    number = value.constant + flags
    high_bits = number & _FLAGS if number >= 0 else 0
    if high_bits:
        parts.append(Part(constant(high_bits), high_bits))
    low += number - high_bits
    mask = _mask(low)
    if mask is None:
        return _whole(value)
    if low != ZERO:
        parts.append(Part(low, mask))
    seen = 0
    for part in parts:
        if seen & part.mask:
            return _whole(value)
        seen |= part.mask
    return parts


def _split_terms(value: Sum) -> list[tuple[Term, int]]:
    """The terms, one that is 0 or 1 twice where it decides about flags and about the row."""
    found: list[tuple[Term, int]] = []
    for term, factor in value.terms:
        high = (factor + FLAG_BITS[-1] // 2) // FLAG_BITS[-1] * FLAG_BITS[-1]
        if is_bit(atom(term)) and high not in (0, factor):
            found.extend(((term, high), (term, factor - high)))
        else:
            found.append((term, factor))
    return found


def _whole(value: Sum) -> list[Part] | None:
    mask = _mask(value)
    return None if mask is None else [Part(value, mask)]


def _mask(value: Sum) -> int | None:
    """The bits that a value may set; None if it may be negative."""
    if value.interval.low < 0:
        return None
    if value.is_constant:
        return value.constant
    numbers = [value.constant, *(factor for _, factor in value.terms)]
    aligned = min(number & -number for number in numbers if number)
    return ((1 << value.interval.high.bit_length()) - 1) & -aligned


def bit_or(left: Sum, right: Sum) -> Sum:
    """``left | right``."""
    return _combine("|", left, right)


def bit_xor(left: Sum, right: Sum) -> Sum:
    """``left ^ right``."""
    return _combine("^", left, right)


def _combine(operator: str, left: Sum, right: Sum) -> Sum:
    if left.is_constant:
        left, right = right, left
    left_parts, right_parts = disjoint_parts(left), disjoint_parts(right)
    if left_parts is None or right_parts is None:
        return bitwise(operator, left, right)
    left_mask = sum(part.mask for part in left_parts)
    if not left_mask & sum(part.mask for part in right_parts):
        return left + right
    if not right.is_constant:
        return bitwise(operator, left, right)
    total = constant(right.constant & ~left_mask)
    for part in left_parts:
        total += _combine_part(operator, part, right.constant & part.mask)
    return total


def _combine_part(operator: str, part: Part, bits: int) -> Sum:
    """A part with some of the bits in its mask set, or toggled."""
    if bits == 0:
        return part.value
    single = part.mask & (part.mask - 1) == 0
    if part.value.is_constant or not single:
        if operator == "^" and part.mask == (1 << part.mask.bit_length()) - 1 == bits:
            return constant(bits) - part.value
        return bitwise(operator, part.value, constant(bits))
    return constant(bits) if operator == "|" else constant(bits) - part.value


def or_flags(left: Sum, right: Sum) -> Sum | None:
    """``left | right`` if only one of them has bits below the flags, or None.

    The low bits are taken not to reach the flags.
    """
    (left_constant, left_flags, left_low), (right_constant, right_flags, right_low) = (
        _apart(left),
        _apart(right),
    )
    if left_low != ZERO and right_low != ZERO:
        return None
    flags = Sum((*left_flags.terms, *right_flags.terms))
    if _overlap(flags, left_constant | right_constant):
        return None
    return flags + (left_constant | right_constant) + left_low + right_low


def _apart(value: Sum) -> tuple[int, Sum, Sum]:
    """Constant flags, the terms that are flags, and all the rest."""
    constant_flags, number = split_constant(value)
    terms = _split_terms(value)
    flags = tuple(t for t in terms if t[1] % FLAG_BITS[-1] == 0)
    rest = tuple(t for t in terms if t[1] % FLAG_BITS[-1] != 0)
    return constant_flags, Sum(flags), Sum(rest, number)


def split_constant(value: Sum) -> tuple[int, int]:
    """The flags in the constant of a local address, and the rest of it.

    Beside terms, the rest may be a small negative number, as in ``row - 16 + (1 << 31)``.
    """
    number = value.constant % (1 << 32)
    flags = number & _FLAGS
    if value.terms:
        flags = number + FLAG_BITS[-1] // 2 & _FLAGS
    rest = number - flags
    return flags, rest - (1 << 32) if rest >= 1 << 31 else rest


def _overlap(flags: Sum, bits: int) -> bool:
    """Whether terms that are flags may overlap with other bits, or with each other."""
    for term, factor in flags.terms:
        mask = _mask(Sum(((term, factor),)))
        if mask is None or mask & bits:
            return True
        bits |= mask
    return False


def bit_and(left: Sum, right: Sum) -> Sum:
    """``left & right``."""
    if left.is_constant:
        left, right = right, left
    parts = disjoint_parts(left)
    if not right.is_constant or parts is None:
        return bitwise("&", left, right)
    total = ZERO
    for part in parts:
        total += _masked(part, right.constant)
    return total


def _masked(part: Part, mask: int) -> Sum:
    kept = part.mask & mask
    if kept == part.mask:
        return part.value
    if kept == 0:
        return ZERO
    below = (1 << kept.bit_length()) - 1
    if kept == part.mask & below:
        return remainder(part.value, below + 1)
    if kept == part.mask & ~((kept & -kept) - 1):
        return part.value - remainder(part.value, kept & -kept)
    return bitwise("&", part.value, constant(mask & part.mask))


def shift_right(value: Sum, amount: int) -> Sum | None:
    """``value >> amount`` of a value that is not negative; None if it may be."""
    parts = disjoint_parts(value)
    if parts is None:
        return None
    total = ZERO
    for part in parts:
        total += quotient(part.value, 1 << amount)
    return total
