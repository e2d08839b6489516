"""Recognise ``cell = cell + …``: addition is the one recurrence that is resolved in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .terms import Term, constant, is_float, leaves, term


def split_accumulation(
    value: Term, old: Sequence[Term], reads_cell: Callable[[Term], bool]
) -> list[Term] | None:
    """The summands that ``value`` adds to a cell, or ``None`` if it is not such a sum.

    ``old`` are the loads of the cell's value from just before the write; ``reads_cell`` tells
    whether a load reads the same array, which no summand may. An integer sum wraps around, so its
    summands may be added in any order; for floating point that is an assumption which the program
    lists.
    """
    for cell in old:
        summands = _without(value, cell)
        if summands is None:
            continue
        if not any(reads_cell(leaf) for part in summands for leaf in leaves(part, "load")):
            return summands
    return None


def _without(value: Term, cell: Term) -> list[Term] | None:
    """The summands other than ``cell``, if ``cell`` occurs exactly once in the sum ``value``."""
    if value is cell:
        return []
    if value.operation == "trunci" and value.type == cell.type:
        return _without_widened(value.operands[0], cell)
    if value.operation == "select":
        return _guarded(value, cell)
    if value.operation in ("subi", "subf"):
        rest = _without(value.operands[0], cell)
        if rest is None:
            return None
        # A difference of floats is exactly the sum with the negated operand.
        times, one = ("mulf", 1.0) if value.operation == "subf" else ("muli", 1)
        return [*rest, term(times, value.type, value.operands[1], constant(-one, value.type))]
    if value.operation not in ("addi", "addf"):
        return None
    left, right = value.operands
    for inner, other in ((left, right), (right, left)):
        rest = _without(inner, cell)
        if rest is not None:
            return [*rest, other]
    return None


def _without_widened(value: Term, cell: Term) -> list[Term] | None:
    """The summands of a sum formed in a wider type: its low bits are the sum of low bits."""
    widened = term("extsi", value.type, cell)
    rest = _without(value, widened)
    if rest is None:
        rest = _without(value, term("extui", value.type, cell))
    if rest is None:
        return None
    return [term("trunci", cell.type, summand) for summand in rest]


def _guarded(value: Term, cell: Term) -> list[Term] | None:
    """``c ? cell + x : cell`` adds ``c ? x : 0`` (integers; in floating point +0 can matter)."""
    condition, then, otherwise = value.operands
    if is_float(value.type) or set(leaves(cell, "load")) & set(leaves(condition, "load")):
        return None
    summands: list[Term] = []
    zero = constant(0, value.type)
    for branch, is_then in ((then, True), (otherwise, False)):
        rest = _without(branch, cell)
        if rest is None:
            return None
        for part in rest:
            operands = (condition, part, zero) if is_then else (condition, zero, part)
            summands.append(term("select", value.type, *operands))
    return summands


def without_offsets(summand: Term) -> list[Term]:
    """Summands with the same sum, in which no factor of a product is itself plus a constant.

    ``(x + c) · (y + d)`` is ``x · y + d · x + c · (y + d)`` for integers that wrap around, also
    under a condition that else adds 0. A byte without a sign is one with a sign, plus 128.
    """
    if summand.operation == "select" and _is_zero(summand.operands[2]):
        condition, chosen, zero = summand.operands
        parts = without_offsets(chosen)
        return [term("select", summand.type, condition, part, zero) for part in parts]
    if summand.operation != "muli":
        return [summand]
    factors = summand.operands
    (x, c), (y, d) = (_offset(factor) for factor in factors)
    offsets = [(x, y, 1), (x, constant(d, y.type), d), (constant(c, x.type), factors[1], c)]
    return [term("muli", summand.type, a, b) for a, b, number in offsets if number]


def _offset(value: Term) -> tuple[Term, int]:
    """A value as another one plus a number, modulo 2 to the number of bits."""
    if value.operation in ("addi", "subi"):
        left, right = value.operands
        sign = 1 if value.operation == "addi" else -1
        if (number := _number(right)) is not None:
            inner, offset = _offset(left)
            return inner, offset + sign * number
        if (number := _number(left)) is not None and sign > 0:
            inner, offset = _offset(right)
            return inner, offset + number
    if value.operation == "extui" and value.operands[0].type == "i8":
        less = term("addi", value.type, value, constant(-128, value.type))
        return term("extsi", value.type, term("trunci", "i8", less)), 128
    return value, 0


def _number(value: Term) -> int | None:
    """The number that an integer constant stands for."""
    is_integer = value.operation == "constant" and isinstance(value.payload, int)
    return value.payload if is_integer and isinstance(value.payload, int) else None


def _is_zero(value: Term) -> bool:
    return _number(value) == 0
