"""Reductions other than sums: products, minima and maxima (trusted core).

``cell = max(cell, x)`` combines ``x`` with what is in the cell. Integer products (modulo 2^w) and
integer minima and maxima may be combined in any order and grouping, exactly; in floating point that
is an assumption, which the proof lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite

from ..lemmas.ranges import Ranges
from .terms import Term, bit_width, constant_value, is_float, leaves, term

ADDITION = "add"
_OPERATIONS = {
    "muli": "mul",
    "mulf": "mulf",
    "maxsi": "max signed",
    "minsi": "min signed",
    "maxui": "max unsigned",
    "minui": "min unsigned",
    "maximumf": "maxf",
    "maxnumf": "maxf",
    "minimumf": "minf",
    "minnumf": "minf",
}
"""Operations on terms, and how they combine; floats are taken to be no NaN."""
FOLDS = tuple(dict.fromkeys(_OPERATIONS.values()))
_REASSOCIATED = "floating-point products may be reassociated"
_NO_NAN = (
    "floating-point minima and maxima meet no NaN, and zeros of either sign count as equal there"
)
_LIMITS = frozenset(fold for fold in FOLDS if fold.startswith(("max", "min")))
_SIGNED_LIMITS = {"max signed": "max", "min signed": "min"}
"""Folds of integers, and the operations that they are in normal forms."""
_SWAPPED = {"max signed": "min signed", "max unsigned": "min unsigned", "maxf": "minf"}


def fold_code(fold: str, type: str) -> int:
    """A negative number for each fold in each type, where totals have their number of bits.

    Signed limits have one for all types: the greatest of some integers is the same in each of them.
    """
    width = 0 if fold in _SIGNED_LIMITS else bit_width(type)
    return -1 - FOLDS.index(fold) - len(FOLDS) * width


def fold_of(code: int) -> str:
    """The fold with this code."""
    return FOLDS[(-1 - code) % len(FOLDS)]


def is_limit(code: int) -> bool:
    """Whether the total with this code is a minimum or maximum.

    There it does not matter how often a value occurs, nor whether values short of it do.
    """
    return code < 0 and fold_of(code) in _LIMITS


def fold_times(fold: str, factor: float) -> str | None:
    """The fold of some floats multiplied by a number, where their fold was multiplied.

    Rounding keeps the order of products with one number, so it does not matter which comes first.
    """
    if fold not in ("maxf", "minf") or not isfinite(factor) or factor == 0:
        return None
    return fold if factor > 0 else "maxf" if fold == "minf" else "minf"


def is_neutral(value: Term, code: int) -> bool:
    """Whether no number is beyond ``value``, an infinity, on the far side of this limit."""
    extreme = {"maxf": -inf, "minf": inf}.get(fold_of(code))
    return extreme is not None and constant_value(value) == extreme


def limits_of(value: Term, code: int) -> list[Term]:
    """The values of which ``value``, in normal form, is the limit with this code."""
    if code < 0 and value.operation == _SIGNED_LIMITS.get(fold_of(code)):
        return [part for operand in value.operands for part in limits_of(operand, code)]
    return [value]


def is_within_limit(value: Term, other: Term, code: int) -> bool:
    """Whether ``value`` never decides the limit with this code if ``other`` is there: by ranges."""
    fold = fold_of(code)
    if value is other and not value.operands and value.operation == "constant":
        return True
    if fold not in _SIGNED_LIMITS:
        return False
    low, high = Ranges({}).integer(value)
    least, greatest = Ranges({}).integer(other)
    return high <= least if fold == "max signed" else low >= greatest


def fold_assumption(code: int) -> str | None:
    """What a proof takes for granted that combines values by the fold with this code."""
    fold = fold_of(code)
    if fold == "mulf":
        return _REASSOCIATED
    return _NO_NAN if fold in ("maxf", "minf") else None


def split_fold(
    value: Term, old: Sequence[Term], reads_cell: Callable[[Term], bool]
) -> tuple[str, list[Term]] | None:
    """The fold and the values that it combines with a cell, if ``value`` is of this form.

    ``old`` are the loads of the cell's value from just before the write; ``reads_cell`` tells
    whether a load reads the same array, which no combined value may.
    """
    for fold in FOLDS:
        for cell in old:
            parts = _without(value, cell, fold)
            if parts and not any(
                reads_cell(leaf) for part in parts for leaf in leaves(part, "load")
            ):
                return fold, parts
    return None


def _without(value: Term, cell: Term, fold: str) -> list[Term] | None:
    """What is combined with ``cell``, if ``cell`` occurs exactly once in the fold ``value``."""
    if value is cell:
        return []
    operands = value.operands
    if value.operation == "trunci":
        return _without_widened(value, cell, fold)
    if _OPERATIONS.get(value.operation) != fold:
        if value.operation != "select" or _selected(value) != fold:
            return None
        operands = value.operands[1:]
    if value.type != cell.type or len(operands) != 2:
        return None
    left, right = operands
    for inner, other in ((left, right), (right, left)):
        rest = _without(inner, cell, fold)
        if rest is not None:
            return [*rest, other]
    return None


def _without_widened(value: Term, cell: Term, fold: str) -> list[Term] | None:
    """What is combined in a wider type, as C does with narrow ones: the low bits are the same."""
    wide = value.operands[0]
    for widen, is_signed in (("extsi", True), ("extui", False)):
        widened = term(widen, wide.type, cell)
        if fold == "mul":
            rest = _without(wide, widened, fold)
            if rest is not None:
                return [term("trunci", cell.type, part) for part in rest]
            continue
        if fold.endswith("unsigned") == is_signed:
            continue
        # Zero-extended values are in the same order as signed numbers.
        for wider in (fold, fold.replace("unsigned", "signed")):
            rest = _without(wide, widened, wider)
            if rest and all(p.operation == widen and p.operands[0].type == cell.type for p in rest):
                return [part.operands[0] for part in rest]
    return None


def _selected(value: Term) -> str | None:
    """Which of two values ``a < b ? a : b`` and the like select."""
    condition, then, otherwise = value.operands
    if condition.operation not in ("cmpi", "cmpf"):
        return None
    predicate = condition.payload
    assert isinstance(predicate, str)
    left, right = condition.operands
    kind = _kind(predicate, left, right)
    left, right = _narrow(left, then.type), _narrow(right, then.type)
    if kind is None or {left, right} != {then, otherwise}:
        return None
    greater = predicate.endswith(("gt", "ge"))
    return kind if greater == (left is then) else _SWAPPED[kind]


def _kind(predicate: str, left: Term, right: Term) -> str | None:
    """The maximum that belongs to the order of a comparison."""
    if not predicate.endswith(("gt", "ge", "lt", "le")):
        return None
    if is_float(left.type):
        return "maxf"
    widened = {left.operation, right.operation} & {"extsi", "extui"}
    if len(widened) == 2:
        return None  # a number without a sign against one with a sign: no order of narrow ones
    zero_extended = left.operation == right.operation == "extui"
    is_signed = predicate.startswith("s") and not zero_extended
    if not is_signed and "extsi" in widened:
        return None
    return "max signed" if is_signed else "max unsigned"


def _narrow(value: Term, type: str) -> Term:
    """The value before it was widened for a comparison."""
    if value.operation in ("extsi", "extui", "extf") and value.operands[0].type == type:
        return value.operands[0]
    return value
