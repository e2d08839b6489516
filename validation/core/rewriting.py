"""Rebuild statements with other index expressions (trusted core)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from .condition import Comparison, Condition
from .index import FloorDivision, Index, Variable
from .polyhedral import Read, Statement
from .terms import Term, leaves, substitute, term


def divisions_of(statement: Statement) -> Iterator[tuple[Variable, FloorDivision]]:
    """Each division of a counter, plus a number, by a number."""
    counters = {((dim, 1),): dim for dim in statement.dims}
    for index in expressions_of(statement):
        for division in index.divisions:
            counter = counters.get(division.dividend.terms)  # pyright: ignore[reportArgumentType]
            if counter is not None:
                yield counter, division


def subscripts_of(statement: Statement) -> Iterator[Index]:
    yield from statement.indices
    for read in statement.reads:
        yield from read.indices


def expressions_of(statement: Statement) -> Iterator[Index]:
    """All index expressions but the schedules, which never divide."""
    yield from subscripts_of(statement)
    for leaf in leaves(statement.value, "index"):
        assert isinstance(leaf.payload, Index)
        yield leaf.payload
    yield from _of_condition(statement.condition)


def _of_condition(condition: Condition) -> Iterator[Index]:
    if isinstance(condition, Comparison):
        yield condition.expression
        return
    for part in condition.parts:
        yield from _of_condition(part)


def with_subscripts(statement: Statement, change: Callable[[Index], Index]) -> Statement:
    """The statement with its subscripts changed."""
    reads = tuple(
        Read(read.array, tuple(map(change, read.indices)), read.schedule)
        for read in statement.reads
    )
    return replace(statement, indices=tuple(map(change, statement.indices)), reads=reads)


def replaced(
    statement: Statement, values: Mapping[str, Index], dims: tuple[Variable, ...]
) -> Statement:
    """The statement with counters replaced everywhere."""

    def change(indices: tuple[Index, ...]) -> tuple[Index, ...]:
        return tuple(index.replace(values) for index in indices)

    reads = tuple(
        Read(read.array, change(read.indices), change(read.schedule)) for read in statement.reads
    )
    return replace(
        statement,
        dims=dims,
        condition=statement.condition.replace(values),
        schedule=change(statement.schedule),
        indices=change(statement.indices),
        value=_replaced_value(statement.value, values),
        reads=reads,
    )


def _replaced_value(value: Term, values: Mapping[str, Index]) -> Term:
    changed: dict[Term, Term] = {}
    for leaf in leaves(value, "index"):
        assert isinstance(leaf.payload, Index)
        changed[leaf] = term("index", leaf.type, payload=leaf.payload.replace(values))
    return substitute(value, changed) if changed else value
