"""Properties of the lifter's parts: arithmetic of subscripts, solving, simplification."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.lifting.loops.comparisons import PREDICATES
from liftproof.lifting.loops.constants import wrap
from liftproof.lifting.loops.index import (
    IndexExpression,
    LoopVariable,
    is_nonnegative,
)
from liftproof.lifting.loops.normalise import normalise
from liftproof.lifting.loops.rewrite import substitute
from liftproof.lifting.loops.simplify import apply
from liftproof.lifting.loops.solve import Outcome, solve
from liftproof.lifting.loops.terms import (
    Accumulator,
    Apply,
    Constant,
    Read,
    Reduction,
    Term,
    accumulator,
    constant,
    raw_apply,
    read,
    reduction,
)
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, MemRefType, i1, i8, i32, i64
from xdsl.ir import Attribute, Block

number = IndexExpression.of
EXTENTS = (3, 4, 2)
VARIABLES = tuple(
    LoopVariable(name, number(0), (number(extent),))
    for name, extent in zip("ijk", EXTENTS, strict=True)
)
POINTS = [
    dict(zip(VARIABLES, values, strict=True)) for values in product(*(range(e) for e in EXTENTS))
]


def value_at(index: IndexExpression, point: dict[LoopVariable, int]) -> int:
    """Return the value of an index expression at a point."""
    result = index.substitute({v: number(x) for v, x in point.items()}).constant
    assert result is not None
    return result


coefficients = st.integers(-9, 9)


@st.composite
def index_expressions(draw: st.DrawFn) -> IndexExpression:
    """Expressions that are affine in the three variables, sometimes with a product."""
    total = number(draw(st.integers(-20, 20)))
    for variable in VARIABLES:
        total = total + number(variable) * draw(coefficients)
    if draw(st.booleans()):
        total = total + number(VARIABLES[0]) * number(VARIABLES[1]) * draw(coefficients)
    return total


@given(index_expressions(), index_expressions())
def test_index_arithmetic_is_arithmetic(a: IndexExpression, b: IndexExpression) -> None:
    """Sum, difference and product of expressions have the values of sum, difference, product."""
    for point in POINTS[::5]:
        x, y = value_at(a, point), value_at(b, point)
        assert value_at(a + b, point) == x + y
        assert value_at(a - b, point) == x - y
        assert value_at(a * b, point) == x * y


@given(index_expressions())
def test_nonnegative_expressions_are_not_negative(expression: IndexExpression) -> None:
    """What is claimed to be at least 0 is, at every point of the ranges."""
    if is_nonnegative(expression):
        assert all(value_at(expression, point) >= 0 for point in POINTS)


@given(st.lists(index_expressions(), min_size=1, max_size=3), st.sampled_from(POINTS))
def test_solutions_are_the_iterations_that_write_a_cell(
    written: list[IndexExpression], at: dict[LoopVariable, int]
) -> None:
    """A hit is the only iteration that writes the cell, and a miss means that none does."""
    subscripts = tuple(written)
    cell = tuple(value_at(index, at) for index in subscripts)
    solution = solve(VARIABLES, subscripts, tuple(number(c) for c in cell))
    matching = [p for p in POINTS if tuple(value_at(i, p) for i in subscripts) == cell]
    assert solution.outcome is not Outcome.MISS
    if solution.outcome is Outcome.HIT:
        found = {variable: value.constant for variable, value in solution.values.items()}
        assert matching == [found]


@given(st.lists(index_expressions(), min_size=1, max_size=3), st.integers(-50, 50))
def test_a_miss_means_that_no_iteration_writes_the_cell(
    written: list[IndexExpression], place: int
) -> None:
    """No iteration within the ranges writes a cell that is reported as missed."""
    subscripts = tuple(written)
    cell = tuple(number(place) for _ in subscripts)
    if solve(VARIABLES, subscripts, cell).outcome is Outcome.MISS:
        values = [tuple(value_at(i, p) for i in subscripts) for p in POINTS]
        assert (place,) * len(subscripts) not in values


BLOCK = Block(arg_types=[MemRefType(i8, [64]), MemRefType(i32, [64])])
NARROW, WIDE = BLOCK.args


def element(array: object, type: Attribute, position: int) -> int:
    """Return some fixed content of an array."""
    mixed = (position * 2654435761 + (17 if array is WIDE else 5)) ^ (position << 13)
    return wrap(mixed, type)


def evaluate(term: Term, point: dict[LoopVariable, int], total: int = 0) -> int:
    """Return the value of an integer term by definition; ``total`` is the accumulated value."""
    match term:
        case Constant():
            return int(term.value)
        case Accumulator():
            return total
        case Read():
            return element(term.array, term.type, value_at(term.indices[0], point))
        case Reduction():
            result = evaluate(term.init, point, total)
            for values in product(*(range_of(v) for v in term.variables)):
                inner = point | dict(zip(term.variables, values, strict=True))
                result = evaluate(term.body, inner, result)
            return result
        case Apply():
            return evaluate_operation(term, [evaluate(o, point, total) for o in term.operands])
        case _:
            raise AssertionError(term)


def range_of(variable: LoopVariable) -> range:
    """Return the values of a variable with constant bounds."""
    lower, upper = variable.lower.constant, variable.uppers[0].constant
    assert lower is not None
    assert upper is not None
    return range(lower, upper)


def evaluate_operation(term: Apply, operands: list[int]) -> int:
    """Return the result of one integer operation."""
    kind = term.operation
    if kind is arith.SelectOp:
        return operands[1] if operands[0] else operands[2]
    if kind is arith.CmpiOp:
        return int(compare(term, *operands))
    if kind is arith.ExtUIOp:
        width = term.operands[0].type.width.data  # type: ignore[attr-defined]
        return wrap(operands[0] & ((1 << width) - 1), term.type)
    binary = {
        arith.AddiOp: lambda a, b: a + b,
        arith.SubiOp: lambda a, b: a - b,
        arith.MuliOp: lambda a, b: a * b,
        arith.MinSIOp: min,
        arith.MaxSIOp: max,
        arith.MinUIOp: lambda a, b: min(a, b, key=unsigned),
        arith.MaxUIOp: lambda a, b: max(a, b, key=unsigned),
    }
    if kind in binary:
        return wrap(binary[kind](*operands), term.type)
    assert kind in (arith.ExtSIOp, arith.TruncIOp)
    return wrap(operands[0], term.type)


def unsigned(value: int) -> int:
    """Return a 32-bit number without sign."""
    return value & 0xFFFFFFFF


def compare(term: Apply, a: int, b: int) -> bool:
    """Return the outcome of a comparison."""
    predicate = dict(term.properties)["predicate"]
    assert isinstance(predicate, IntegerAttr)
    name = PREDICATES[predicate.value.data]
    if name.startswith("u"):
        a, b = unsigned(a), unsigned(b)
    return {
        "eq": a == b,
        "ne": a != b,
        "lt": a < b,
        "le": a <= b,
        "gt": a > b,
        "ge": a >= b,
    }[name if name in ("eq", "ne") else name[1:]]


def comparison(name: str) -> tuple[tuple[str, Attribute], ...]:
    """Return the properties of a comparison."""
    return (("predicate", IntegerAttr(PREDICATES.index(name), i64)),)


limits = st.sampled_from([-129, -128, -127, -1, 0, 1, 126, 127, 128, 255])


@st.composite
def integer_terms(draw: st.DrawFn, depth: int = 4) -> tuple[Term, Term]:
    """The same 32-bit computation built as it is, and built with simplification."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        if draw(st.booleans()):
            leaf: Term = constant(draw(limits), i32)
            return leaf, leaf
        cell = read(NARROW, (number(draw(st.integers(0, 3))),), 0, i8)
        kind = draw(st.sampled_from([arith.ExtSIOp, arith.ExtUIOp]))
        return raw_apply(kind, (cell,), i32), apply(kind, (cell,), i32)
    a = draw(integer_terms(depth=depth - 1))
    b = draw(integer_terms(depth=depth - 1))
    shape = draw(st.sampled_from(["binary", "clamp", "select", "narrow"]))
    if shape == "binary":
        kinds = [arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.MinSIOp, arith.MaxSIOp]
        kind = draw(st.sampled_from(kinds))
        return raw_apply(kind, (a[0], b[0]), i32), apply(kind, (a[1], b[1]), i32)
    properties = comparison(draw(st.sampled_from(PREDICATES)))
    if shape == "narrow":
        pair = [
            build(arith.ExtSIOp, (build(arith.TruncIOp, (term,), i8),), i32)
            for build, term in zip((raw_apply, apply), a, strict=True)
        ]
        return pair[0], pair[1]
    limit, nearby = constant(draw(limits), i32), constant(draw(limits), i32)
    built: list[Term] = []
    for build, x, y in zip((raw_apply, apply), a, b, strict=True):
        right = limit if shape == "clamp" else y
        test = build(arith.CmpiOp, (x, right), i1, properties)
        arms = (limit, x) if shape == "clamp" else (y, nearby)
        built.append(build(arith.SelectOp, (test, *arms), i32))
    return built[0], built[1]


@settings(max_examples=300)
@given(integer_terms())
def test_simplified_terms_have_the_same_value(pair: tuple[Term, Term]) -> None:
    """Simplification does not change what a term computes."""
    plain, simplified = pair
    assert evaluate(simplified, {}) == evaluate(plain, {})


@settings(max_examples=200)
@given(integer_terms(depth=3))
def test_truncation_of_simplified_terms_has_the_same_value(pair: tuple[Term, Term]) -> None:
    """A truncated term may be simplified differently, but keeps its value."""
    plain, simplified = pair
    expected = wrap(evaluate(plain, {}), i8)
    assert evaluate(apply(arith.TruncIOp, (simplified,), i8), {}) == expected


@st.composite
def sums(draw: st.DrawFn) -> Term:
    """Integer sums with contractions, constants, and parts that other loops handle apart."""
    i, _, _ = VARIABLES
    bounds = sorted(draw(st.lists(st.integers(0, 6), min_size=2, max_size=3)))
    total: Term = constant(draw(limits), i32)

    def addend(index: IndexExpression) -> Term:
        wide = read(WIDE, (index + number(i),), 0, i32)
        return apply(arith.MuliOp, (wide, constant(3, i32)), i32)

    for lower, upper in pairwise(bounds):
        k = LoopVariable("k", number(lower), (number(upper),))
        step = draw(st.sampled_from([1, 2]))
        term = addend(number(k) * step)
        if step == 2 and draw(st.booleans()):
            term = apply(arith.AddiOp, (term, addend(number(k) * 2 + 1)), i32)
        start = draw(st.sampled_from([constant(0, i32), read(WIDE, (number(40),), 0, i32)]))
        body = apply(arith.AddiOp, (accumulator(i32), term), i32)
        part = reduction((k,), body, start)
        kind = draw(st.sampled_from([arith.AddiOp, arith.SubiOp]))
        total = apply(kind, (total, part), i32)
    if draw(st.booleans()):
        total = apply(arith.AddiOp, (total, addend(number(bounds[-1]))), i32)
    if draw(st.booleans()):
        total = apply(arith.MaxSIOp, (total, constant(0, i32)), i32)
    return total


@settings(max_examples=200)
@given(sums(), st.integers(0, 2))
def test_normalised_sums_have_the_same_value(term: Term, i: int) -> None:
    """Moving biases, joining ranges and rolling loops up does not change a sum."""
    point = {VARIABLES[0]: i}
    assert evaluate(normalise(term), point) == evaluate(term, point)


def test_substitution_does_not_capture() -> None:
    """A variable that is put into a reduction is not bound by it."""
    i, j, k = VARIABLES
    del j
    cell = read(WIDE, (number(i) * 8 + number(k),), 0, i32)
    body = apply(arith.AddiOp, (accumulator(i32), cell), i32)
    total = reduction((k,), body, constant(0, i32))
    moved = substitute(total, {i: number(k)})
    for value in range(2):
        assert evaluate(moved, {k: value}) == evaluate(total, {i: value})


def test_equal_terms_are_one_object() -> None:
    """Terms with the same structure are interned, and zeros of both signs are kept apart."""
    assert constant(0, i32) is constant(0, i32)
    assert constant(0.0, i32) is not constant(-0.0, i32)
    assert constant(0, i32) is not constant(0, i8)
