"""Totals: their parts add up to the value, and only values of one kind are compared."""

from __future__ import annotations

from random import Random

import pytest
from liftproof.validation.core.certificate import FlowCertificate
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.condition import TRUE
from liftproof.validation.core.index import Index, Variable, constant_index
from liftproof.validation.core.polyhedral import Array, Program, Read, Statement
from liftproof.validation.core.terms import (
    Term,
    brief,
    constant,
    constant_value,
    leaves,
    read,
    rewrite,
    term,
    wrapped,
)
from liftproof.validation.core.totals import FLOAT_TOTAL, align, parts_of, structure, total_bits
from liftproof.validation.core.values import Side
from liftproof.validation.lemmas.normal_form import NormalForm


def slot(kind: str, type: str, number: int) -> Term:
    key = ("reader", number) if kind == "sum" else number
    return term("slot", type, payload=(kind, key, number))


SUMS = [slot("sum", "i32", number) for number in range(2)]
INPUTS = [slot("input", "i32", number) for number in range(2, 4)]
FLOAT_SUMS = [slot("sum", "f32", number) for number in range(2)]
FLOAT_INPUTS = [slot("input", "f32", number) for number in range(2, 4)]


def number_of(value: Term, slots: dict[Term, int]) -> float:
    """The exact value of a normal form of sums, products and wraps."""
    if value.operation == "slot":
        return slots[value]
    known = constant_value(value)
    if known is not None:
        return known
    operands = [number_of(operand, slots) for operand in value.operands]
    if value.operation == "wrap":
        return wrapped(int(operands[0]), value.payload)
    if value.operation in ("add", "addf"):
        return sum(operands)
    if value.operation == "subf":
        return operands[0] - operands[1]
    assert value.operation in ("mul", "mulf"), value.operation
    product = 1.0 if value.operation == "mulf" else 1
    for operand in operands:
        product *= operand
    return product


def linear(rng: Random, depth: int) -> Term:
    """A random integer that is linear in sums."""
    if depth == 0:
        return rng.choice((*SUMS, *INPUTS, constant(rng.randrange(-4, 5), "i32")))
    left, right = linear(rng, depth - 1), linear(rng, depth - 1)
    if rng.random() < 0.6:
        return term(rng.choice(("addi", "subi")), "i32", left, right)
    factor = rng.choice((*INPUTS, constant(rng.randrange(-4, 5), "i32")))
    return term("muli", "i32", factor, left)


def test_parts_of_integers_add_up() -> None:
    """The parts, each a factor times a sum, are the value modulo 2^32; none is zero or twice."""
    totals = 0
    for seed in range(150):
        rng = Random(seed)
        value = NormalForm().of(linear(rng, 3))
        bits = total_bits(value)
        if bits is None:
            continue
        totals += 1
        assert bits == 32
        parts = parts_of(value, bits)
        assert len({part.text for part in parts}) == len(parts)
        assert not any(constant_value(part.factor) == 0 for part in parts)
        slots = {each: rng.randrange(-(2**31), 2**31) for each in (*SUMS, *INPUTS)}
        added = 0
        for part in parts:
            factor = number_of(part.factor, slots)
            added += factor * (1 if part.total is None else slots[part.total])
        assert wrapped(int(added - number_of(value, slots)), 32) == 0, seed
    assert totals > 60


def float_linear(rng: Random, depth: int) -> Term:
    if depth == 0:
        return rng.choice((*FLOAT_SUMS, *FLOAT_INPUTS))
    left, right = float_linear(rng, depth - 1), float_linear(rng, depth - 1)
    if rng.random() < 0.25:
        return term("mulf", "f32", left, constant(-1.0, "f32"))
    return term(rng.choice(("addf", "subf")), "f32", left, right)


def test_parts_of_floats_add_up() -> None:
    """Added in some order, the parts are the value; equal ones are told apart."""
    totals = 0
    for seed in range(100):
        rng = Random(seed)
        value = NormalForm().of(float_linear(rng, 3))
        if total_bits(value) is None:
            continue
        totals += 1
        assert total_bits(value) == FLOAT_TOTAL
        parts = parts_of(value, FLOAT_TOTAL)
        assert len({part.text for part in parts}) == len(parts)
        slots = {each: rng.randrange(-99, 99) for each in (*FLOAT_SUMS, *FLOAT_INPUTS)}
        added = sum(
            number_of(part.factor, slots) * (1 if part.total is None else slots[part.total])
            for part in parts
        )
        assert added == number_of(value, slots), seed
    assert totals > 50


NARROW = slot("input", "i8", 5)
MAXIMUM, FLOAT_MAXIMUM = (
    term("slot", type, payload=(kind, ("reader", 0), 0))
    for kind, type in (("max signed", "i32"), ("maxf", "f32"))
)


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        (SUMS[0], SUMS[1], 1),
        (SUMS[0], INPUTS[0], 1),
        (NARROW, SUMS[0], 1),
        (SUMS[0], slot("input", "i64", 5), None),
        (SUMS[0], FLOAT_SUMS[0], None),
        (SUMS[0], FLOAT_INPUTS[0], None),
        (FLOAT_SUMS[0], INPUTS[0], None),
        (FLOAT_SUMS[0], FLOAT_INPUTS[0], 1),
        (MAXIMUM, SUMS[0], None),
        (MAXIMUM, FLOAT_MAXIMUM, None),
        (MAXIMUM, INPUTS[0], None),
        (INPUTS[0], INPUTS[1], None),
        (INPUTS[0], INPUTS[0], 1),
        (term("min", "int", SUMS[0], INPUTS[0]), term("min", "int", SUMS[1], INPUTS[0]), 2),
        (term("min", "int", SUMS[0], INPUTS[0]), term("min", "int", INPUTS[0], SUMS[1]), 2),
        (term("min", "int", SUMS[0], INPUTS[0]), term("max", "int", SUMS[1], INPUTS[0]), None),
        (term("lt", "i1", *INPUTS), term("lt", "i1", *INPUTS[::-1]), None),
        (term("min", "int", *INPUTS), term("min", "int", *INPUTS[::-1]), 2),
        (constant(1, "i32"), constant(1, "i32"), 0),
        (constant(1, "i32"), constant(2, "i32"), None),
    ],
)
def test_forms_that_are_compared(left: Term, right: Term, pairs: int | None) -> None:
    """Totals of one kind, and equal forms of them; nothing else has pairs to compare."""
    for first, second in ((left, right), (right, left)):
        found = align(first, second)
        assert (None if found is None else len(found)) == pairs


def test_terms_by_hand() -> None:
    """Numbers wrap around in their width, and each distinct subterm is visited once."""
    assert [wrapped(n, 1) for n in (-1, 0, 1, 2)] == [1, 0, 1, 0]
    assert [wrapped(n, 8) for n in (127, 128, 255, -129)] == [127, -128, -1, 127]
    deep = SUMS[0]
    for _ in range(60):
        deep = term("addi", "i32", deep, deep)
    assert leaves(deep, "slot") == [SUMS[0]]
    assert rewrite(deep, lambda old, operands: SUMS[1]) is SUMS[1]
    counters = [term("slot", type, payload=("index", 0, 0)) for type in ("i32", "i64")]
    assert structure(counters[0]) != structure(counters[1])


ROW = Variable("i", 0, 3)
MEMORY = Array("M", "i32", (constant_index(4),))


def test_an_array_is_combined_in_one_way() -> None:
    """What is added up and also limited has no total."""
    time = (constant_index(0), Index.of(ROW))
    add = Statement(
        "A", (ROW,), TRUE, time, MEMORY, (Index.of(ROW),), constant(1, "i32"), (), accumulates=True
    )
    limit = Statement(
        "L", (ROW,), TRUE, time, MEMORY, (Index.of(ROW),), constant(1, "i32"), (),
        accumulates=True, fold="max signed",
    )  # fmt: skip
    reads = (Read(MEMORY, (Index.of(ROW),), (constant_index(9),)),)
    user = Statement("U", (ROW,), TRUE, time, MEMORY, (Index.of(ROW),), read(0, "i32"), reads)
    for statements, kind in (([add], "sum"), ([limit], "max signed"), ([add, limit], None)):
        side = Side(Program(statements=[*statements, user]), FlowCertificate())
        if kind is None:
            with pytest.raises(Violation, match="combined otherwise"):
                side.total_kind(user, 0)
        else:
            assert side.total_kind(user, 0) == kind


def test_long_values_are_shown_without_their_middle() -> None:
    """What a person reads names both ends of a value, whatever its length."""
    value = term("slot", "i32", payload=("input", 0, 0))
    assert brief(value) == repr(value)
    for _ in range(40):
        value = term("add", "int", value, constant(1, "i32"))
    assert len(brief(value)) < 310 < len(repr(value))
    assert brief(value)[:9] == repr(value)[:9]
