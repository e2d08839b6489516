"""Sums of sums as one multiset of summands (trusted core).

A *total* is a value that is linear in sums: ``bias + Σ a·b``, ``-Σ x``, ``β·Σ x``, or a sum alone.
Integers wrap around, so modulo 2^w it is the sum of its *parts*: each is a factor times a sum, or
a single summand. In floating point, parts are added and negated only; that they may be added in
any order is an assumption which the proof lists. A minimum or maximum of floats times a number is
one of their products with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..lemmas.normal_form import NormalForm, integer, number
from ..lemmas.ranges import Ranges, type_range
from .folds import FOLDS, fold_code, fold_times, is_limit, is_neutral, limits_of
from .terms import Term, bit_width, constant_value, is_float, substitute, subterms, term
from .values import numbered, slot_kind, slots_of

FLOAT_TOTAL = 0
"""Stands for the number of bits of a total in floating point."""
_COMMUTATIVE = frozenset(("add", "mul", "min", "max", "minf", "maxf", "addf", "mulf", "eq"))


@dataclass(frozen=True)
class Part:
    """``factor · total`` for a sum ``total``, or the summand ``factor`` alone."""

    factor: Term
    total: Term | None
    text: str
    """What tells the part from others of its total."""


def is_sum(value: Term) -> bool:
    return value.operation == "slot" and slot_kind(value)[0] == "sum"


def is_fold(value: Term) -> bool:
    """Whether a value is a product, minimum or maximum: a total that has no other parts."""
    return value.operation == "slot" and slot_kind(value)[0] in FOLDS


def total_bits(value: Term) -> int | None:
    """Modulo which power of two a value is a total; ``None`` if it is none.

    Totals of other folds than addition have negative codes instead.
    """
    if is_fold(value):
        return fold_code(slot_kind(value)[0], value.type)
    if (scaled := _scaled_limit(value)) is not None:
        return fold_code(scaled[0], value.type)
    if is_sum(value):
        return FLOAT_TOTAL if is_float(value.type) else bit_width(value.type)
    if value.operation == "wrap" and value.operands[0].operation in ("add", "mul"):
        assert isinstance(value.payload, int)
        return value.payload if _has_sum(value.operands[0], value.payload) else None
    if value.operation == "addf" and _has_float_sum(value):
        return FLOAT_TOTAL
    return None


def _scaled_limit(value: Term) -> tuple[str, Term, Term] | None:
    """The fold, the factor and the limit of a product that is a limit of products."""
    if value.operation != "mulf" or not is_fold(value.operands[0]):
        return None
    limit, factor = value.operands
    known = constant_value(factor)
    fold = None if known is None else fold_times(slot_kind(limit)[0], known)
    return None if fold is None else (fold, factor, limit)


def _has_sum(value: Term, bits: int) -> bool:
    """Whether an integer is linear in a sum that counts modulo 2^bits."""
    if is_sum(value):
        return not is_float(value.type) and bit_width(value.type) >= bits
    if value.operation == "wrap":
        assert isinstance(value.payload, int)
        return value.payload >= bits and _has_sum(value.operands[0], bits)
    return value.operation in ("add", "mul") and any(_has_sum(o, bits) for o in value.operands)


def _has_float_sum(value: Term) -> bool:
    if is_sum(value):
        return is_float(value.type)
    if _is_negation(value):
        return _has_float_sum(value.operands[0])
    return value.operation in ("addf", "subf") and any(map(_has_float_sum, value.operands))


def _is_negation(value: Term) -> bool:
    return value.operation == "mulf" and constant_value(value.operands[1]) == -1


def parts_of(value: Term, bits: int) -> list[Part]:
    """The parts of a value as a total modulo 2^bits; parts that change nothing are left out."""
    if bits < 0:
        limits = dict.fromkeys(limits_of(value, bits))
        return [_fold_part(value, part, bits) for part in limits if not is_neutral(part, bits)]
    if bits == FLOAT_TOTAL:
        parts = list(_float_parts(value, number(1.0, value.type)))
        kept = [part for part in parts if part[1] is not None or not _is_zero(part[0])]
        copies = [kept[:place].count(part) for place, part in enumerate(kept)]
        return [_part(value, *part, "'" * copy) for part, copy in zip(kept, copies, strict=True)]
    amounts: dict[tuple[Term | None, Term], int] = {}
    for factor, base, total in _integer_parts(value, 1, (), bits):
        amounts[total, base] = amounts.get((total, base), 0) + factor
    form = NormalForm()
    found: list[Part] = []
    for (total, base), amount in amounts.items():
        factor = integer(_signed(amount, bits))
        if not _is_zero(factor):
            found.append(_part(value, form.multiply(base, factor), total))
    return found


def _fold_part(value: Term, part: Term, bits: int) -> Part:
    """A value that a fold combines, or a total of the same fold."""
    if total_bits(part) != bits:
        return _part(value, part, None)
    if (scaled := _scaled_limit(part)) is not None:
        return _part(value, *scaled[1:])
    return _part(value, number(1.0, part.type) if is_float(part.type) else integer(1), part)


def _part(value: Term, factor: Term, total: Term | None, mark: str = "") -> Part:
    """A part of ``value``; slots are numbered as they appear there, whatever else is around."""
    own = _own_numbers(value)
    text = structure(substitute(factor, own)) + mark
    if total is not None:
        text = f"{text}*{structure(own[total])}"
    return Part(factor, total, text)


def _own_numbers(value: Term) -> dict[Term, Term]:
    return {slot: numbered(slot, place) for place, slot in enumerate(slots_of(value))}


def _integer_parts(
    value: Term, amount: int, factors: tuple[Term, ...], bits: int
) -> Iterator[tuple[int, Term, Term | None]]:
    """Number, other factors and sum of each part of ``amount · Π factors · value``."""
    value = _without_wrap(value, bits)
    form = NormalForm()
    if value.operation == "add":
        for operand in value.operands:
            yield from _integer_parts(operand, amount, factors, bits)
        return
    if value.operation == "mul":
        known = constant_value(value.operands[-1])
        if known is not None:
            rest = form.multiply(*value.operands[:-1])
            yield from _integer_parts(rest, amount * int(known), factors, bits)
            return
        for place, operand in enumerate(value.operands):
            if _has_sum(operand, bits):
                others = value.operands[:place] + value.operands[place + 1 :]
                yield from _integer_parts(operand, amount, (*factors, *others), bits)
                return
    known = constant_value(value)
    if known is not None:
        amount, value = amount * int(known), integer(1)
    if _has_sum(value, bits):
        yield from _product_parts(amount, factors, value, bits)
        return
    yield amount, form.multiply(*(_without_wrap(f, bits) for f in factors), value), None


def _product_parts(
    amount: int, factors: tuple[Term, ...], total: Term, bits: int
) -> Iterator[tuple[int, Term, Term | None]]:
    form = NormalForm()
    others = form.multiply(*(_without_wrap(factor, bits) for factor in factors), integer(1))
    yield amount, others, total


def _without_wrap(value: Term, bits: int) -> Term:
    """A number that is the same modulo 2^bits."""
    while value.operation == "wrap" and isinstance(value.payload, int) and value.payload >= bits:
        value = value.operands[0]
    return value


def _signed(amount: int, bits: int) -> int:
    half = 1 << (bits - 1)
    return (amount + half) % (2 * half) - half


def _is_zero(value: Term) -> bool:
    return constant_value(value) == 0


def _float_parts(value: Term, sign: Term) -> Iterator[tuple[Term, Term | None]]:
    form = NormalForm()
    minus = number(-1.0, value.type)
    if value.operation in ("addf", "subf"):
        left, right = value.operands
        yield from _float_parts(left, sign)
        yield from _float_parts(
            right, sign if value.operation == "addf" else form.float_product(sign, minus)
        )
    elif _is_negation(value):
        yield from _float_parts(value.operands[0], form.float_product(sign, minus))
    elif is_sum(value):
        yield sign, value
    else:
        yield form.float_product(value, sign), None


def scaled(factor: Term, value: Term) -> Term:
    """``factor · value``: what a part with this factor makes of a summand of its sum."""
    form = NormalForm()
    if is_float(factor.type):
        return form.float_product(value, factor)
    return form.multiply(factor, value)


def align(left: Term, right: Term) -> list[tuple[Term, Term]] | None:
    """Pairs of totals and slots whose equality makes two shapes equal, if their forms agree."""
    if left is right and not left.operands and left.operation != "slot":
        return []
    left, right = _as_wide(left, right), _as_wide(right, left)
    scaled = _scaled_limit(left), _scaled_limit(right)
    if scaled[0] is not None and scaled[1] is not None and scaled[0][1] is scaled[1][1]:
        left, right = scaled[0][2], scaled[1][2]
    bits = [total_bits(left), total_bits(right)]
    if any(width is not None and width < 0 for width in bits):
        return [(left, right)] if _same_fold(left, right) else None
    if bits != [None, None]:
        fits = all(_fits(v, next(b for b in bits if b is not None)) for v in (left, right))
        return [(left, right)] if fits else None
    if left.operation == right.operation == "slot":
        same = slot_kind(left) == slot_kind(right) and left.type == right.type
        return [(left, right)] if same else None
    return _align_operands(left, right)


def _as_wide(value: Term, other: Term) -> Term:
    """``value`` without a wrap that changes nothing if it equals the integer limit ``other``."""
    if value.operation != "wrap" or is_float(other.type) or not is_limit(total_bits(other) or 0):
        return value
    fits = isinstance(value.payload, int) and bit_width(other.type) <= value.payload
    return value.operands[0] if fits else value


def _same_fold(left: Term, right: Term) -> bool:
    """Whether both are totals of one fold; a limit of several values may be written out."""
    codes = [total_bits(value) for value in (left, right)]
    if codes[0] is not None and codes[1] is not None:
        any_type = is_limit(codes[0]) and not is_float(left.type)
        return codes[0] == codes[1] and (any_type or left.type == right.type)
    code = next(code for code in codes if code is not None)
    written_out = left if codes[0] is None else right
    return len(limits_of(written_out, code)) > 1


def _align_operands(left: Term, right: Term) -> list[tuple[Term, Term]] | None:
    same = left.operation == right.operation and left.payload == right.payload
    if not same or left.type != right.type or len(left.operands) != len(right.operands):
        return None
    found = _align_all(left.operands, right.operands)
    if found is None and left.operation in _COMMUTATIVE and len(left.operands) == 2:
        return _align_all(left.operands, right.operands[::-1])
    return found


def _align_all(left: tuple[Term, ...], right: tuple[Term, ...]) -> list[tuple[Term, Term]] | None:
    if not left:
        return None
    found: list[tuple[Term, Term]] = []
    for a, b in zip(left, right, strict=True):
        pairs = align(a, b)
        if pairs is None:
            return None
        found += pairs
    return found


def _fits(value: Term, bits: int) -> bool:
    """Whether a value may be compared with a total modulo 2^bits."""
    if total_bits(value) is not None:
        return (total_bits(value) == FLOAT_TOTAL) == (bits == FLOAT_TOTAL)
    if bits == FLOAT_TOTAL or is_float(value.type):
        return bits == FLOAT_TOTAL and is_float(value.type)
    low, high = Ranges({}).integer(value)
    least, greatest = type_range(f"i{bits}")
    return least <= low and high <= greatest


def outermost(shape: Term) -> list[Term]:
    """The totals, and the slots outside of them, in order of appearance."""
    found: dict[Term, None] = {}
    stack = [shape]
    while stack:
        value = stack.pop()
        if total_bits(value) is not None or value.operation == "slot":
            found[value] = None
        else:
            stack.extend(reversed(value.operands))
    return list(found)


def with_widest_totals(shape: Term) -> Term:
    """The shape with each total that occurs in several widths as the widest one, wrapped."""
    widest: dict[Term, Term] = {}
    totals = [value for value in subterms(shape) if value.operation == "wrap" and total_bits(value)]
    for value in sorted(totals, key=lambda value: total_bits(value) or 0):
        widest[value.operands[0]] = value
    narrow = {
        value: term("wrap", "int", widest[value.operands[0]], payload=value.payload)
        for value in totals
        if widest[value.operands[0]] is not value
    }
    return substitute(shape, narrow) if narrow else shape


@lru_cache(maxsize=65536)
def structure(value: Term) -> str:
    """The text of a term, with the numbers of its slots: equal texts are equal terms."""
    if value.operation == "slot":
        kind, key = slot_kind(value)
        name = f"{key[0]}.{key[1]}" if isinstance(key, tuple) else key
        if kind == "index":
            # Counters have any type; what else a slot stands for has one type only.
            name = value.type
        assert isinstance(value.payload, tuple)
        return f"{kind} {name} #{value.payload[2]}"
    if value.operation == "constant":
        return f"{value!r}:{value.type}" if is_float(value.type) else f"{value!r}"
    parts = [structure(operand) for operand in value.operands]
    if value.payload is not None:
        parts.append(str(value.payload))
    kind = "" if value.type == "int" else f":{value.type}"
    return f"{value.operation}{kind}({', '.join(parts)})"


TotalName = tuple[str, int]
"""What a certificate calls a total: a read of a sum, or the text of the total and 0."""


def total_name(value: Term) -> TotalName:
    if is_sum(value) or is_fold(value):
        key = slot_kind(value)[1]
        assert isinstance(key, tuple)
        return key[0], key[1]
    return structure(substitute(value, _own_numbers(value))), 0
