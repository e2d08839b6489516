"""Reductions, scans and searches as recurrences, in the order in which a loop goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import i1, i32
from xdsl.ir import Attribute

from ...diagnostics import Diagnostic
from ..invariants.simplify import (
    FALSE,
    add,
    apply,
    both,
    compare,
    constant,
    index,
    make_fold,
    negate,
    offset,
    select,
    subtract,
)
from ..invariants.terms import INDEX, Symbol, Term
from .scalars import float_compare, truth
from .values import At, Value, converted, promoted

Combine = Callable[[Term, Term], Term]
"""The next state, from the state and an element."""


@dataclass(frozen=True)
class Reduction:
    """How elements are combined; without ``start`` the first element is the first state."""

    combine: Combine
    start: int | None = None


def folded(
    value: At, lower: Term, upper: Term, type: Attribute, init: Term, combine: Combine, name: str
) -> Term:
    """``init`` combined with the elements of a vector from ``lower`` to ``upper - 1``."""
    counter, state = Symbol(INDEX, "k"), Symbol(type, name)
    step = combine(state, value((counter,)))
    return make_fold(counter, lower, (state,), (init,), (step,), 0, upper)


def reduced(value: Value, axis: int | None, how: Reduction) -> Value:
    """The elements along ``axis`` (all of them for ``None``, row by row) combined."""
    if value.rank == 0:
        raise Diagnostic("a reduction needs an array")
    if axis is None:
        return Value(value.type, (), lambda _: _all(value, how), value.unsigned)
    axis = normal_axis(axis, value.rank)
    shape = value.shape[:axis] + value.shape[axis + 1 :]

    def at(places: tuple[Term, ...]) -> Term:
        line: At = lambda k: value.at((*places[:axis], *k, *places[axis:]))  # noqa: E731
        return _line(line, value.shape[axis], value.type, how)

    return Value(value.type, shape, at, value.unsigned)


def _line(line: At, extent: Term, type: Attribute, how: Reduction) -> Term:
    if how.start is None:
        return folded(line, index(1), extent, type, line((index(0),)), how.combine, "s")
    start = constant(how.start, type)
    return folded(line, index(0), extent, type, start, how.combine, "s")


def _all(value: Value, how: Reduction) -> Term:
    """Row by row; a reduction without a start meets the first element twice, which is harmless."""
    first = tuple(index(0) for _ in value.shape)
    if value.rank == 1:
        return _line(value.at, value.shape[0], value.type, how)
    start = value.at(first) if how.start is None else constant(how.start, value.type)

    def nest(done: tuple[Term, ...], state: Term) -> Term:
        if len(done) == value.rank:
            return how.combine(state, value.at(done))
        counter, inner = Symbol(INDEX, "k"), Symbol(value.type, "s")
        step = nest((*done, counter), inner)
        upper = value.shape[len(done)]
        return make_fold(counter, index(0), (inner,), (state,), (step,), 0, upper)

    return nest((), start)


def accumulated(value: Value, axis: int | None, how: Reduction) -> Value:
    """The states of a reduction along an axis after each element."""
    if axis is None and value.rank != 1:
        raise Diagnostic("a cumulative operation on more than one dimension needs axis=…")
    axis = normal_axis(axis or 0, value.rank)

    def at(places: tuple[Term, ...]) -> Term:
        line: At = lambda k: value.at((*places[:axis], *k, *places[axis + 1 :]))  # noqa: E731
        return _line(line, add(places[axis], 1), value.type, how)

    return Value(value.type, value.shape, at, value.unsigned)


def normal_axis(axis: int, rank: int) -> int:
    """The axis counted from the front."""
    if not -rank <= axis < rank:
        raise Diagnostic(f"there is no axis {axis}: the array has {rank} dimensions")
    return axis % rank


def summed(value: Value) -> tuple[Value, Reduction]:
    """What ``sum`` combines: addition, from 0."""
    value = promoted(value)
    operation = arith.AddfOp if value.is_float else arith.AddiOp
    return value, Reduction(lambda s, x: apply(operation, (s, x), s.type), 0)


def multiplied(value: Value) -> tuple[Value, Reduction]:
    """What ``prod`` combines: multiplication, from 1."""
    value = promoted(value)
    operation = arith.MulfOp if value.is_float else arith.MuliOp
    return value, Reduction(lambda s, x: apply(operation, (s, x), s.type), 1)


def extremes(value: Value, larger: bool) -> tuple[Value, Reduction]:
    """What ``max`` combines: ``x > s ? x : s``, from the first element on."""
    value = promoted(value)
    return value, Reduction(lambda s, x: select(is_beyond(value, x, s, larger), x, s))


def is_beyond(value: Value, left: Term, right: Term, larger: bool) -> Term:
    """Whether an element is larger (or smaller) than another one."""
    if value.is_float:
        return float_compare("ogt" if larger else "olt", left, right)
    sign = "u" if value.unsigned else "s"
    return compare(sign + ("gt" if larger else "lt"), left, right)


def any_or_all(value: Value, is_any: bool) -> tuple[Value, Reduction]:
    value = truth(value)
    if is_any:
        return value, Reduction(lambda s, x: apply(arith.OrIOp, (s, x), i1), 0)
    return value, Reduction(both, 1)


def counted(value: Value) -> tuple[Value, Reduction]:
    """What ``count_nonzero`` combines."""
    return summed(converted(truth(value), i32))


def first_extreme(value: Value, axis: int | None, larger: bool) -> Value:
    """The subscript of the first largest (or smallest) element along an axis."""
    if value.rank == 0 or (axis is None and value.rank != 1):
        raise Diagnostic("argmax and argmin of more than one dimension need axis=…")
    axis = normal_axis(axis or 0, value.rank)
    shape = value.shape[:axis] + value.shape[axis + 1 :]

    def at(places: tuple[Term, ...]) -> Term:
        def line(k: Term) -> Term:
            return value.at((*places[:axis], k, *places[axis:]))

        counter, best = Symbol(INDEX, "k"), Symbol(i32, "best")
        place = apply(arith.IndexCastOp, (best,), INDEX)
        better = is_beyond(value, line(counter), line(place), larger)
        step = select(better, apply(arith.IndexCastOp, (counter,), i32), best)
        extent = value.shape[axis]
        return make_fold(counter, index(1), (best,), (constant(0, i32),), (step,), 0, extent)

    return Value(i32, shape, at)


def first_place(condition: Value, default: Value) -> Value:
    """The first subscript where a vector of conditions holds, else ``default``."""
    condition = truth(condition)
    if condition.rank != 1 or default.rank:
        raise Diagnostic("first(conditions, default) needs a vector and a number")
    start = converted(default, i32).scalar
    counter, found, place = Symbol(INDEX, "k"), Symbol(i1, "found"), Symbol(i32, "place")
    holds = condition.at((counter,))
    number = apply(arith.IndexCastOp, (counter,), i32)
    here = both(negate(found), holds)
    steps = (apply(arith.OrIOp, (found, holds), i1), select(here, number, place))
    term = make_fold(
        counter, index(0), (found, place), (FALSE, start), steps, 1, condition.shape[0]
    )
    return Value(i32, (), lambda _: term)


def product_of_matrices(left: Value, right: Value) -> Value:
    """NumPy's ``@``: sums of products, in order, for vectors and matrices."""
    if not (1 <= left.rank <= 2 and 1 <= right.rank <= 2):
        raise Diagnostic("'@' needs vectors and matrices")
    from .scalars import binary

    inner = left.shape[-1]
    if offset(inner, right.shape[0]) != 0:
        raise Diagnostic("'@': the inner extents differ")
    shape = (*left.shape[:-1], *right.shape[1:])
    kind, how = summed(binary("*", _first(left), _first(right)))

    def at(places: tuple[Term, ...]) -> Term:
        row, column = places[: left.rank - 1], places[left.rank - 1 :]

        def line(k: tuple[Term, ...]) -> Term:
            a = Value(left.type, (), lambda _: left.at((*row, *k)), left.unsigned)
            b = Value(right.type, (), lambda _: right.at((*k, *column)), right.unsigned)
            return summed(binary("*", a, b))[0].scalar

        return _line(line, inner, kind.type, how)

    return Value(kind.type, shape, at, kind.unsigned)


def _first(value: Value) -> Value:
    """Any element, for its type."""
    return Value(value.type, (), lambda _: value.at(tuple(index(0) for _ in value.shape)))


def scanned(
    counter: Symbol,
    lower: Term,
    upper: Term,
    states: Sequence[Symbol],
    inits: Sequence[Term],
    steps: Sequence[Term],
    *,
    every: bool,
    unsigned: Sequence[bool],
) -> list[Value]:
    """The states after the last iteration, or (``every``) after each one as vectors."""
    parts = (counter, lower, tuple(states), tuple(inits), tuple(steps))
    found: list[Value] = []
    for which, state in enumerate(states):
        if not every:
            term = make_fold(*parts, which, upper)
            found.append(Value(state.type, (), lambda _, term=term: term, unsigned[which]))
            continue
        found.append(
            Value(
                state.type,
                (subtract(upper, lower),),
                lambda i, which=which: make_fold(*parts, which, add(add(lower, i[0]), 1)),
                unsigned[which],
            )
        )
    return found
