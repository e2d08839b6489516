"""Recognised reductions: cell and parts combined give the value, whatever they are."""

from __future__ import annotations

import math
import operator
from functools import reduce
from itertools import product

import numpy as np
import pytest
from liftproof.validation.core.accumulation import split_accumulation, without_offsets
from liftproof.validation.core.folds import (
    FOLDS,
    fold_assumption,
    fold_code,
    fold_of,
    fold_times,
    is_limit,
    is_within_limit,
    limits_of,
    split_fold,
)
from liftproof.validation.core.terms import Term, bit_width, constant, term, wrapped
from liftproof.validation.lemmas.normal_form import integer

NUMBERS = (-128, -100, -1, 0, 3, 127)
CELL, X, Y = (term("load", "i8", payload=name) for name in ("cell", "x", "y"))
FLOAT_CELL, FLOAT = (term("load", "f32", payload=name) for name in ("cell", "x"))


def apply(operation: str, *operands: Term, type: str = "i8", payload=None) -> Term:
    return term(operation, type, *operands, payload=payload)


def select(condition: Term, then: Term, otherwise: Term) -> Term:
    return apply("select", condition, then, otherwise, type=then.type)


def compare(predicate: str, left: Term, right: Term) -> Term:
    kind = "cmpf" if left.type == "f32" else "cmpi"
    return apply(kind, left, right, type="i1", payload=predicate)


def wide(value: Term, widen: str = "extsi") -> Term:
    return apply(widen, value, type="i32")


def narrow(value: Term) -> Term:
    return apply("trunci", value)


ORDERS = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
ARITHMETIC = {
    "addi": operator.add, "subi": operator.sub, "muli": operator.mul, "maxsi": max, "minsi": min,
    "trunci": lambda a: a, "extsi": lambda a: a,
}  # fmt: skip
COMBINED = {"add": operator.add, "mul": operator.mul, "max signed": max, "min signed": min}


def meaning(value: Term, cells: dict[str, int]) -> int:
    """The value as a signed number, by an evaluator that knows nothing of the validator."""
    if value.operation == "load":
        return cells[value.payload]
    if value.operation == "constant":
        return value.payload
    first, *rest = (meaning(operand, cells) for operand in value.operands)
    bits = bit_width(value.operands[0].type)
    if value.operation == "extui":
        return first % (1 << bits)
    if value.operation == "select":
        return rest[0] if first else rest[1]
    if value.operation == "cmpi":
        sides = (
            (first, *rest) if value.payload[0] == "s" else (n % (1 << bits) for n in (first, *rest))
        )
        return int(ORDERS[value.payload[1:]](*sides))
    if value.operation in ("maxui", "minui"):
        choose = max if value.operation == "maxui" else min
        return choose(first, *rest, key=lambda n: n % (1 << bits))
    return wrapped(ARITHMETIC[value.operation](first, *rest), bit_width(value.type))


def points():
    for numbers in product(NUMBERS, repeat=3):
        yield dict(zip(("cell", "x", "y"), numbers, strict=True))


def reads_cell(load: Term) -> bool:
    return load.payload == "cell"


SUMS = {
    "x before": apply("addi", X, CELL),
    "difference": apply("subi", apply("addi", CELL, X), Y),
    "wide": narrow(
        apply("addi", wide(CELL), apply("muli", wide(X), wide(Y), type="i32"), type="i32")
    ),
    "wide without sign": narrow(apply("addi", wide(CELL, "extui"), wide(X, "extui"), type="i32")),
    "where": select(compare("slt", X, Y), apply("addi", CELL, X), CELL),
    "where not": select(compare("slt", X, Y), CELL, apply("subi", CELL, X)),
    "either": select(compare("slt", X, Y), apply("addi", CELL, X), apply("addi", CELL, Y)),
}
NO_SUMS = {
    "without cell": apply("addi", X, Y),
    "product": apply("muli", CELL, X),
    "subtracted": apply("subi", X, CELL),
    "twice": apply("addi", CELL, CELL),
    "one branch": select(compare("slt", X, Y), apply("addi", CELL, X), X),
    "other branch": select(compare("slt", X, Y), X, apply("addi", CELL, X)),
    "under a condition on it": select(compare("slt", CELL, X), apply("addi", CELL, X), CELL),
    "sum of halves": narrow(wide(X)),
    "other bits": apply("trunci", apply("addi", wide(CELL), wide(X), type="i32"), type="i16"),
    "float subtracted": apply("subf", FLOAT, FLOAT_CELL, type="f32"),
    "float, where": select(compare("olt", FLOAT, FLOAT), FLOAT_CELL, FLOAT_CELL),
}


@pytest.mark.parametrize("name", SUMS)
def test_what_is_added_to_a_cell(name: str) -> None:
    """The cell plus the summands is the value, modulo 2^8, and no summand reads the cell."""
    summands = split_accumulation(SUMS[name], [CELL], reads_cell)
    assert summands
    for cells in points():
        total = cells["cell"] + sum(meaning(summand, cells) for summand in summands)
        assert wrapped(total, 8) == meaning(SUMS[name], cells)


def test_a_difference_of_floats_adds_the_negated_operand() -> None:
    """``cell - x`` adds ``x · -1``, and nothing else."""
    value = apply("subf", FLOAT_CELL, FLOAT, type="f32")
    (summand,) = split_accumulation(value, [FLOAT_CELL], reads_cell) or ()
    assert summand is term("mulf", "f32", FLOAT, constant(-1.0, "f32"))


@pytest.mark.parametrize("name", NO_SUMS)
def test_what_is_no_sum(name: str) -> None:
    """Nothing else is taken for an addition to the cell."""
    cell = FLOAT_CELL if "float" in name else CELL
    assert split_accumulation(NO_SUMS[name], [cell], reads_cell) is None


def limit(predicate: str, left: Term, right: Term, *, swapped: bool = False) -> Term:
    then, otherwise = (right, left) if swapped else (left, right)
    return select(compare(predicate, left, right), then, otherwise)


def wide_limit(predicate: str, widen: str, then: Term, otherwise: Term) -> Term:
    """Compared in a wider type, as C does."""
    return select(compare(predicate, wide(X, widen), wide(CELL, widen)), then, otherwise)


REDUCTIONS = {
    "product": apply("muli", CELL, apply("muli", X, Y)),
    "wide product": narrow(apply("muli", wide(CELL), wide(X), type="i32")),
    "wide maximum": narrow(apply("maxsi", wide(CELL), wide(X), type="i32")),
    "wide unsigned minimum": narrow(
        apply("minsi", wide(CELL, "extui"), wide(X, "extui"), type="i32")
    ),
    "two at once": apply("maxsi", apply("maxsi", X, CELL), Y),
    "unsigned": apply("maxui", X, CELL),
    **{
        f"{predicate}{' swapped' * swapped}": limit(predicate, X, CELL, swapped=swapped)
        for predicate in ("slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
        for swapped in (False, True)
    },
    "compared wide": wide_limit("sgt", "extsi", X, CELL),
    "compared wide, least": wide_limit("slt", "extsi", X, CELL),
    "compared wide, other way": wide_limit("slt", "extsi", CELL, X),
    "compared wide without sign": wide_limit("sgt", "extui", X, CELL),
}
NO_REDUCTIONS = {
    "without cell": apply("maxsi", X, Y),
    "the cell alone": CELL,
    "mixed": apply("maxsi", apply("minsi", CELL, X), Y),
    "twice": apply("muli", CELL, CELL),
    "another value": select(compare("sgt", X, CELL), Y, CELL),
    "equal": select(compare("eq", X, CELL), X, CELL),
    "one with a sign": select(compare("sgt", wide(X, "extui"), wide(CELL)), X, CELL),
    "condition of a load": select(term("load", "i1", payload="x"), X, CELL),
    "wide with other bits": narrow(apply("maxsi", wide(CELL), wide(X, "extui"), type="i32")),
    "wide with a number": narrow(apply("maxsi", wide(CELL), constant(300, "i32"), type="i32")),
    "other width": apply("maxsi", wide(CELL), wide(X), type="i32"),
    "signed of unsigned": narrow(apply("minui", wide(CELL), wide(X), type="i32")),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_is_combined_with_a_cell(name: str) -> None:
    """The cell combined with the parts by the fold is the value."""
    found = split_fold(REDUCTIONS[name], [CELL], reads_cell)
    assert found is not None
    fold, parts = found
    for cells in points():
        numbers = [cells["cell"], *(meaning(part, cells) for part in parts)]
        unsigned = "unsigned" in fold
        numbers = [n % 256 for n in numbers] if unsigned else numbers
        combined = reduce(COMBINED[fold.replace("unsigned", "signed")], numbers)
        assert wrapped(combined, 8) == meaning(REDUCTIONS[name], cells)


@pytest.mark.parametrize("name", NO_REDUCTIONS)
def test_what_is_no_reduction(name: str) -> None:
    """Nothing else is taken for a product, minimum or maximum with the cell."""
    assert split_fold(NO_REDUCTIONS[name], [CELL], reads_cell) is None


def test_codes_of_folds() -> None:
    """Each fold has codes below 0, one per width if the width matters, and is found by them."""
    codes: dict[int, tuple[str, str]] = {}
    for fold, type in product(FOLDS, ("i8", "i32", "f32")):
        code = fold_code(fold, type)
        assert code < 0
        assert fold_of(code) == fold
        same = codes.setdefault(code, (fold, type))
        assert same[0] == fold
        if fold in ("max signed", "min signed"):
            assert code == fold_code(fold, "i8")
        else:
            assert bit_width(same[1]) == bit_width(type)
        assert is_limit(code) == fold.startswith(("max", "min"))
        kind = {"mulf": "reassociated", "maxf": "NaN", "minf": "NaN"}.get(fold)
        text = fold_assumption(code)
        assert (text is None) if kind is None else kind in (text or "")
    assert not is_limit(0)
    assert not is_limit(32)


def test_values_beyond_a_limit() -> None:
    """A value is left out only where another one of the limit is as far by all their ranges."""
    most, least = fold_code("max signed", "i8"), fold_code("min signed", "i8")
    low, high = integer(-128), integer(127)
    element = term("slot", "i8", payload=("input", 0, 0))
    assert is_within_limit(low, element, most)
    assert not is_within_limit(high, element, most)
    assert is_within_limit(high, element, least)
    assert not is_within_limit(low, element, least)
    assert not is_within_limit(integer(-127), element, most)
    assert not is_within_limit(element, element, most)
    assert not is_within_limit(low, element, fold_code("max unsigned", "i8"))
    assert is_within_limit(low, low, fold_code("max unsigned", "i8"))
    both = term("max", "int", low, element)
    assert limits_of(both, most) == [low, element]
    assert limits_of(both, least) == [both]
    assert limits_of(both, 32) == [both]


def test_which_numbers_go_through_which_folds() -> None:
    """Positive ones keep a limit of floats, negative ones swap it; 0, inf and NaN do neither."""
    assert (fold_times("maxf", 0.5), fold_times("minf", 3.0)) == ("maxf", "minf")
    assert (fold_times("maxf", -1.0), fold_times("minf", -2.0)) == ("minf", "maxf")
    for factor in (0.0, -0.0, math.inf, -math.inf, math.nan):
        assert fold_times("maxf", factor) is None
    for fold in set(FOLDS) - {"maxf", "minf"}:
        assert fold_times(fold, 2.0) is None


def test_rounding_keeps_the_order_of_products() -> None:
    """The largest of some rounded products is the product of the largest, with overflows too."""
    numbers = np.random.default_rng(3)
    values = np.array([np.inf, -np.inf, 0, 1e-45, 3e38, -3e38], np.float32)
    values = np.append(values, numbers.standard_normal(200).astype(np.float32))
    with np.errstate(over="ignore", under="ignore"):
        for factor in numbers.standard_normal(20).astype(np.float32) * np.float32(1e5) ** 3:
            for fold, limit in (("maxf", np.max), ("minf", np.min)):
                kind = fold_times(fold, float(factor))
                other = {"maxf": np.max, "minf": np.min}[kind or ""]
                assert other(factor * values) == factor * limit(values)


FIVE, ZERO = constant(5, "i8"), constant(0, "i8")
OFFSETS = {
    "one offset": apply("muli", apply("addi", X, FIVE), Y),
    "both": apply("muli", apply("subi", X, FIVE), apply("addi", FIVE, Y)),
    "nested": apply("muli", Y, apply("subi", apply("addi", X, FIVE), FIVE)),
    "subtracted from a number": apply("muli", apply("subi", FIVE, X), Y),
    "where": select(compare("slt", X, Y), apply("muli", apply("addi", X, FIVE), Y), ZERO),
    "else": select(compare("slt", X, Y), ZERO, apply("muli", apply("addi", X, FIVE), Y)),
    "no product": apply("addi", X, FIVE),
    "bytes without a sign": apply(
        "muli", apply("extui", X, type="i32"), apply("extsi", Y, type="i32"), type="i32"
    ),
}


@pytest.mark.parametrize("name", OFFSETS)
def test_summands_without_offsets_have_the_same_sum(name: str) -> None:
    """The parts of a product add up to it, modulo 2 to the number of bits, at every point."""
    value = OFFSETS[name]
    parts = without_offsets(value)
    bits = 32 if value.type == "i32" else 8
    for cells in points():
        total = sum(meaning(part, cells) for part in parts)
        assert wrapped(total, bits) == meaning(value, cells)
    counts = {"both": 3, "one offset": 2, "where": 2, "bytes without a sign": 2}
    assert len(parts) == counts.get(name, 1)
