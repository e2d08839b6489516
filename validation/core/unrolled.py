"""Statements of an unrolled loop as one statement, with the loop's counter again (trusted core).

Statements that differ in numbers only, which grow by the same steps from one to the next, are the
executions of one statement whose numbers are ``first + step * counter``. Its points of time are
theirs too, so nothing changes its place, whatever lies in between. Which statements belong together
is a guess; that each is given back by values of the counters is checked.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from .index import Index, Variable
from .initialised import UNREAD
from .polyhedral import Array, Read, Rolled, Statement
from .rewriting import replaced

Box = tuple[tuple[tuple[int, ...], int], ...]
"""For each counter, outer ones first: how the numbers grow with it, and its number of values."""
LONGEST_PERIOD = 16
"""How many statements may take turns."""


@dataclass(frozen=True)
class _Run:
    """Statements whose numbers fill a box."""

    first: tuple[int, ...]
    box: Box
    members: tuple[Statement, ...]


def roll_up(
    statements: Sequence[Statement], moves: set[str]
) -> tuple[list[Statement], dict[str, Rolled]]:
    """The statements with those of unrolled loops as one each, and what became of these.

    ``moves`` are names of statements that are kept apart from others.
    """
    groups: dict[tuple[Statement, bool], list[Statement]] = {}
    for statement in statements:
        plain = _with_plain_counters(statement)
        groups.setdefault((_skeleton(plain), plain.name in moves), []).append(statement)
    result: dict[str, Statement] = {statement.name: statement for statement in statements}
    rolled: dict[str, Rolled] = {}
    starts = {(s.array.name, s.dims) for s in statements if not _is_in_place(s)}
    for group in groups.values():
        if _changes_once(group[0], starts):
            continue
        for run in _runs(group):
            merged, counters = _merged(run)
            points = list(product(*(range(count) for _, count in run.box)))
            if not _is_each(merged, counters, points, run.members):
                continue
            for member in run.members[1:]:
                del result[member.name]
            result[merged.name] = merged
            names = tuple(counter.name for counter in counters)
            origins = (member.origin for member in run.members)
            rolled[merged.name] = Rolled(names, dict(zip(points, origins, strict=True)))
    return list(result.values()), rolled


def _is_in_place(statement: Statement) -> bool:
    return any(read.array == statement.array for read in statement.reads)


def _changes_once(
    statement: Statement, starts: Container[tuple[str, tuple[Variable, ...]]]
) -> bool:
    """Whether no loop carries on a cell that the statement changes in place.

    Several of them are a chain of known length, which one statement would make a recurrence of.
    ``starts`` are the arrays that are set, and the loops in which: what is set in each iteration
    is not carried to the next one.
    """
    if statement.accumulates or not _is_in_place(statement):
        return False
    used = {name for index in statement.indices for name in index.variables}
    is_set = (statement.array.name, statement.dims) in starts
    return is_set or used >= {dim.name for dim in statement.dims}


# What statements have in common.


def _with_plain_counters(statement: Statement) -> Statement:
    """The statement with its element counters numbered, so that names tell nothing apart."""
    start = len(statement.dims) - statement.unordered
    own = tuple(
        Variable(f"element{place}", dim.low, dim.high)
        for place, dim in enumerate(statement.dims[start:])
    )
    values = {old.name: Index.of(new) for old, new in zip(statement.dims[start:], own, strict=True)}
    return replaced(statement, values, (*statement.dims[:start], *own))


def _skeleton(statement: Statement) -> Statement:
    """The statement without names and without the numbers that may grow."""
    return replace(
        statement,
        name="",
        array=_array(statement.array),
        schedule=_without_numbers(statement.schedule),
        indices=_without_numbers(statement.indices),
        reads=tuple(
            Read(r.array, _without_numbers(r.indices), _without_numbers(r.schedule))
            for r in statement.reads
        ),
    )


def _array(array: Array) -> Array:
    """The array; all that nobody reads are the same."""
    return replace(array, name=UNREAD) if array.name.startswith(UNREAD) else array


def _without_numbers(indices: tuple[Index, ...]) -> tuple[Index, ...]:
    return tuple(Index(index.terms, 0) for index in indices)


def _expressions(statement: Statement) -> Iterator[Index]:
    """The expressions whose numbers may grow, in one order."""
    yield from statement.schedule
    yield from statement.indices
    for read in statement.reads:
        yield from read.indices
        yield from read.schedule


# Which statements follow each other in equal steps.


def _runs(group: Sequence[Statement]) -> Iterator[_Run]:
    """Runs of at least two statements, each as long and in as many directions as possible."""
    runs = [_Run(tuple(e.constant for e in _expressions(s)), (), (s,)) for s in group]
    count = 0
    while len(runs) != count:
        count = len(runs)
        by_box: dict[Box, list[_Run]] = {}
        for run in runs:
            by_box.setdefault(run.box, []).append(run)
        runs = [longer for similar in by_box.values() for longer in _joined(similar)]
    return (run for run in runs if run.box)


def _joined(runs: Sequence[_Run]) -> list[_Run]:
    """Runs of the same box, those that follow each other in equal steps as one.

    Statements may take turns; the number of turns that leaves the fewest runs is taken.
    """
    periods = range(1, max(1, min(len(runs) // 2, LONGEST_PERIOD)) + 1)
    ways = (
        [run for turn in range(period) for run in _in_equal_steps(runs[turn::period])]
        for period in periods
    )
    return min(ways, key=len)


def _in_equal_steps(runs: Sequence[_Run]) -> Iterator[_Run]:
    start = 0
    while start < len(runs):
        end = start + 1
        step: tuple[int, ...] = ()
        while end < len(runs):
            grown = zip(runs[end].first, runs[end - 1].first, strict=True)
            difference = tuple(b - a for b, a in grown)
            step = step or difference
            if difference != step:
                break
            end += 1
        found = runs[start:end]
        if len(found) == 1:
            yield found[0]
        else:
            members = tuple(member for run in found for member in run.members)
            yield _Run(found[0].first, ((step, len(found)), *found[0].box), members)
        start = end


# One statement for a run.


def _merged(run: _Run) -> tuple[Statement, tuple[Variable, ...]]:
    first = run.members[0]
    counters = tuple(
        Variable(f"{first.name}_u{place}", 0, count - 1) for place, (_, count) in enumerate(run.box)
    )
    start = len(first.dims) - first.unordered
    grown = (
        sum((Index.of(c) * step[place] for c, (step, _) in zip(counters, run.box, strict=True)), e)
        for place, e in enumerate(_expressions(first))
    )
    merged = replace(
        first,
        dims=(*first.dims[:start], *counters, *first.dims[start:]),
        schedule=tuple(next(grown) for _ in first.schedule),
        indices=tuple(next(grown) for _ in first.indices),
        reads=tuple(
            Read(
                read.array,
                tuple(next(grown) for _ in read.indices),
                tuple(next(grown) for _ in read.schedule),
            )
            for read in first.reads
        ),
    )
    return merged, counters


def _is_each(
    merged: Statement,
    counters: Sequence[Variable],
    points: Sequence[tuple[int, ...]],
    members: Sequence[Statement],
) -> bool:
    """Whether each member is the merged statement at one point of the counters."""
    dims = tuple(dim for dim in merged.dims if dim not in counters)
    for point, member in zip(points, members, strict=True):
        values = {c.name: Index((), number) for c, number in zip(counters, point, strict=True)}
        given = _with_plain_counters(replaced(merged, values, dims))
        same = replace(given, name=member.name, array=_array(given.array))
        plain = _with_plain_counters(member)
        if same != replace(plain, array=_array(plain.array)):
            return False
    return True
