"""What each operation of ``arith`` and ``math`` becomes in normal form (trusted core)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.terms import Term, bit_width, constant_value, term
from .normal_terms import WHOLE_OPERATIONS, integer, kept_bits, number

if TYPE_CHECKING:
    from .normal_form import NormalForm


def _bits(old: Term) -> int:
    return bit_width(old.operands[0].type)


def _integer_rule(name: str) -> Callable[..., Term]:
    return lambda form, old, *operands: form.wrap(getattr(form, name)(*operands), old.type)


def _subtract(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    return form.wrap(form.add(a, form.multiply(b, integer(-1))), old.type)


def _exclusive_or(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    if old.type == "i1" and constant_value(b) is not None:
        return form.negate(a) if constant_value(b) else a
    return term("xori", old.type, *form.in_order((a, b)))


def _and(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    if constant_value(a) is not None:
        a, b = b, a
    mask = constant_value(b)
    if old.type != "i1" and isinstance(mask, int) and mask > 0 and mask & (mask + 1) == 0:
        return form.low_bits(a, mask.bit_length())
    return term("andi", old.type, *form.in_order((a, b)))


def _or(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    return term("ori", old.type, *form.in_order((a, b)))


def _compare_integers(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    predicate = str(old.payload)
    if predicate.startswith("u"):
        a, b = form.low_bits(a, _bits(old)), form.low_bits(b, _bits(old))
    elif predicate.startswith("s"):
        a, b = _signed(form, old, a), _signed(form, old, b)
    return form.compare(predicate if len(predicate) == 2 else predicate[1:], a, b)


def _shift_left(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    amount = constant_value(b)
    if amount is None or not 0 <= amount < bit_width(old.type):
        return term("shli", old.type, a, b)
    return form.wrap(form.multiply(a, integer(1 << int(amount))), old.type)


def _shift_right(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    amount = constant_value(b)
    if amount is None or not 0 <= amount < bit_width(old.type):
        return term(old.operation, old.type, a, b)
    if old.operation == "shrui":
        a = form.low_bits(a, bit_width(old.type))
    shifted = a if amount == 0 else term("shift", "int", a, payload=int(amount))
    return form.wrap(shifted, old.type)


def _signed(form: NormalForm, old: Term, a: Term) -> Term:
    """An operand as a signed number: of one bit, the number of ``true`` is -1."""
    return form.multiply(a, integer(-1)) if old.operands[0].type == "i1" else a


def _unsigned_limit(kind: str) -> Callable[..., Term]:
    def rule(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
        bits = bit_width(old.type)
        limited = getattr(form, kind)(form.low_bits(a, bits), form.low_bits(b, bits))
        return form.wrap(limited, old.type)

    return rule


def _divide(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    divisor = constant_value(b)
    low = form.ranges.integer(a)[0]
    power = divisor is not None and divisor > 0 and int(divisor) & (int(divisor) - 1) == 0
    if low >= 0 and power and old.operation in ("divsi", "floordivsi"):
        shift = int(divisor or 1).bit_length() - 1
        return term("shift", "int", a, payload=shift) if shift else a
    return term(old.operation, old.type, a, b)


def _limit_rule(kind: str) -> Callable[..., Term]:
    return lambda form, old, a, b: form.clamp_conversion(getattr(form, kind)(a, b))


def _select(form: NormalForm, old: Term, c: Term, a: Term, b: Term) -> Term:
    return form.clamp_conversion(form.select(old.type, c, a, b))


def _float_negation(form: NormalForm, old: Term, a: Term) -> Term:
    return form.float_product(a, number(-1.0, old.type))


def _float_difference(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
    """``a - b`` is defined as ``a + (-b)``."""
    return form.ordered("addf", old.type, (a, _float_negation(form, old, b)), None)


def _float_limit(kind: str) -> Callable[..., Term]:
    def rule(form: NormalForm, old: Term, a: Term, b: Term) -> Term:
        finite = form.ranges.of(a) is not None and form.ranges.of(b) is not None
        if not finite or not form.orders_zeros(a, b):
            return term(old.operation, old.type, a, b)
        return form.float_limit(kind, a, b)

    return rule


def _narrowed_float(form: NormalForm, old: Term, a: Term) -> Term:
    """Narrowing takes back what widening did, which is exact."""
    widened = a.operation == "extf" and a.operands[0].type == old.type
    return a.operands[0] if widened else term(old.operation, old.type, a)


def _whole_float(form: NormalForm, old: Term, a: Term) -> Term:
    return (
        a
        if form.whole(a) is not None and a.operation in WHOLE_OPERATIONS
        else term(old.operation, old.type, a)
    )


RULES: dict[str, Callable[..., Term]] = {
    "addi": _integer_rule("add"),
    "muli": _integer_rule("multiply"),
    "subi": _subtract,
    "xori": _exclusive_or,
    "andi": _and,
    "ori": _or,
    "shli": _shift_left,
    "shrsi": _shift_right,
    "shrui": _shift_right,
    "divsi": _divide,
    "floordivsi": _divide,
    "minsi": _limit_rule("minimum"),
    "maxsi": _limit_rule("maximum"),
    "minui": _unsigned_limit("minimum"),
    "maxui": _unsigned_limit("maximum"),
    "cmpi": _compare_integers,
    "select": _select,
    "typed": lambda form, old, a: a,
    "extsi": lambda form, old, a: _signed(form, old, a),
    "extui": lambda form, old, a: form.low_bits(a, _bits(old)),
    "trunci": lambda form, old, a: form.wrap(a, old.type),
    "index_cast": lambda form, old, a: form.wrap(a, old.type),
    "sitofp": lambda form, old, a: form.to_float(_signed(form, old, a), old.type),
    "uitofp": lambda form, old, a: form.to_float(form.low_bits(a, _bits(old)), old.type),
    "cmpf": lambda form, old, a, b: form.compare_floats(old, a, b),
    "divf": lambda form, old, a, b: form.float_quotient(old, a, b),
    "sqrt": lambda form, old, a: form.float_root(old, a),
    "fptosi": lambda form, old, a: form.to_integer(old, a),
    "fptoui": lambda form, old, a: form.to_integer(old, a),
    "mulf": lambda form, old, a, b: form.float_product(a, b),
    "negf": _float_negation,
    "subf": _float_difference,
    "maximumf": _float_limit("maxf"),
    "minimumf": _float_limit("minf"),
    "maxnumf": _float_limit("maxf"),
    "minnumf": _float_limit("minf"),
    "roundeven": _whole_float,
    "truncf": _narrowed_float,
    # Terms that are normal already, met again when more is known of the ranges.
    "min": _limit_rule("minimum"),
    "max": _limit_rule("maximum"),
    "wrap": lambda form, old, a: form.wrap(a, f"i{kept_bits(old)}"),
    "low_bits": lambda form, old, a: form.low_bits(a, kept_bits(old)),
    "nearest": lambda form, old, a: form.nearest(a),
    "to_float": lambda form, old, a: form.to_float(a, old.type),
}
