"""Index arithmetic: folding keeps values, ranges contain them, comparisons never lie."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.passes.index_math import (
    IndexBuilder,
    constant_difference,
    constant_value,
    linear_form,
    never_equal,
    range_of,
    slope,
)
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.test_value import create_ssa_value

COUNTS = (5, 8)


def evaluate(value: SSAValue, variables: dict[SSAValue, int]) -> int:
    """Plain evaluation of index arithmetic, apart from the code under test."""
    if value in variables:
        return variables[value]
    op = value.owner
    if isinstance(op, arith.ConstantOp):
        return op.value.value.data  # pyright: ignore
    a, b = (evaluate(operand, variables) for operand in op.operands)  # pyright: ignore
    return {
        "arith.addi": lambda: a + b,
        "arith.subi": lambda: a - b,
        "arith.muli": lambda: a * b,
        "arith.floordivsi": lambda: a // b,
        "arith.remsi": lambda: a % b if a >= 0 else -(-a % b),
        "arith.minsi": lambda: min(a, b),
        "arith.maxsi": lambda: max(a, b),
        "arith.cmpi": lambda: int(a < b) if op.predicate.value.data == 2 else int(a == b),  # pyright: ignore
        "arith.andi": lambda: a & b,
    }[op.name]()  # pyright: ignore


class Nest:
    """Two loops, and random expressions of their variables."""

    def __init__(self) -> None:
        self.entry = Block()
        self.module = ModuleOp(Region(self.entry))
        self.index = IndexBuilder(self.entry, InsertPoint.at_end(self.entry))
        self.variables: list[SSAValue] = []
        for count in COUNTS:
            body = Block(arg_types=[IndexType()])
            zero, one = self.index.constant(0), self.index.constant(1)
            self.index.insert(scf.ForOp(zero, self.index.constant(count), one, [], body))
            self.index.at(InsertPoint.at_end(body))
            self.variables.append(body.args[0])

    def expression(self, choice: random.Random, depth: int) -> tuple[SSAValue, object]:
        """A built value, and a function that computes it from the variables."""
        if depth == 0:
            position = choice.randrange(len(COUNTS))
            return self.variables[position], lambda v: v[position]
        a, f = self.expression(choice, depth - 1)
        b, g = self.expression(choice, depth - 1)
        number = choice.randrange(1, 9)
        low = range_of(a).low
        kinds = ["add", "sub", "mul", "min", "max", "shift"]
        kinds += ["div", "rem"] if low is not None and low >= 0 else []
        kind = choice.choice(kinds)
        index = self.index
        return {
            "add": lambda: (index.add(a, b), lambda v: f(v) + g(v)),
            "shift": lambda: (index.add(a, -number), lambda v: f(v) - number),
            "sub": lambda: (index.sub(a, b), lambda v: f(v) - g(v)),
            "mul": lambda: (index.mul(a, number - 4), lambda v: f(v) * (number - 4)),
            "min": lambda: (index.minimum(a, b), lambda v: min(f(v), g(v))),
            "max": lambda: (index.maximum(a, b), lambda v: max(f(v), g(v))),
            "div": lambda: (index.floordiv(a, number), lambda v: f(v) // number),
            "rem": lambda: (index.rem(a, number), lambda v: f(v) % number),
        }[kind]()

    def points(self) -> list[dict[SSAValue, int]]:
        return [
            dict(zip(self.variables, (x, y), strict=True))
            for x in range(COUNTS[0])
            for y in range(COUNTS[1])
        ]


@given(seed=st.integers(0, 10**9), depth=st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_folding_keeps_the_value(seed: int, depth: int) -> None:
    """What the builder returns has the value of the expression, in every iteration."""
    nest = Nest()
    value, function = nest.expression(random.Random(seed), depth)
    for point in nest.points():
        assert evaluate(value, point) == function(tuple(point.values()))  # pyright: ignore


@given(seed=st.integers(0, 10**9), depth=st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_ranges_contain_every_value(seed: int, depth: int) -> None:
    """``range_of`` bounds the value in every iteration, and a slope is its growth."""
    nest = Nest()
    value, _ = nest.expression(random.Random(seed), depth)
    bounds = range_of(value)
    growth = slope(value, nest.variables[1])
    for point in nest.points():
        found = evaluate(value, point)
        assert bounds.low is None or bounds.low <= found
        assert bounds.high is None or found <= bounds.high
        if growth is not None and point[nest.variables[1]] + 1 < COUNTS[1]:
            following = {**point, nest.variables[1]: point[nest.variables[1]] + 1}
            assert evaluate(value, following) - found == growth


@given(seed=st.integers(0, 10**9), depth=st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_comparisons_hold_in_every_iteration(seed: int, depth: int) -> None:
    """Values called equal, apart by a constant, or never equal are so in every iteration."""
    nest, choice = Nest(), random.Random(seed)
    value, _ = nest.expression(choice, depth)
    other = nest.index.rem(nest.index.add(value, choice.randrange(3)), 2)
    value = nest.index.rem(value, 2) if choice.random() < 0.7 else value
    difference = constant_difference(value, other)
    apart = never_equal(value, other)
    equal = linear_form(value) == linear_form(other)
    for point in nest.points():
        if range_of(value).low is None or (range_of(value).low or 0) < 0:
            return
        a, b = evaluate(value, point), evaluate(other, point)
        assert difference is None or a - b == difference
        assert not (apart and a == b)
        assert not (equal and a != b)


def test_phases_are_told_apart() -> None:
    """The phase of this iteration and that of the next one are never equal, folded or not."""
    nest = Nest()
    index, variable = nest.index, nest.variables[0]
    assert never_equal(index.rem(variable, 2), index.rem(index.add(variable, 1), 2))
    assert not never_equal(index.rem(variable, 2), index.rem(index.add(variable, 2), 2))
    body = Block(arg_types=[IndexType()])
    two = index.constant(2)
    index.insert(scf.ForOp(index.constant(0), two, index.constant(1), [], body))
    index.at(InsertPoint.at_end(body))
    short = body.args[0]
    assert index.rem(short, 2) is short
    assert never_equal(short, index.rem(index.add(short, 1), 2))


def test_unknown_values_have_no_range() -> None:
    """A value from outside is neither bounded nor compared."""
    unknown = create_ssa_value(IndexType())
    assert range_of(unknown).low is None
    assert range_of(unknown).high is None
    assert constant_value(unknown) is None
    assert not never_equal(unknown, create_ssa_value(IndexType()))
