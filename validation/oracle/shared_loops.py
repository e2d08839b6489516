"""Guess what a read sees from the loops that it shares with writers, where isl would search.

Mostly a read sees what was written in the same iterations of the loops around both: the subscripts
give some of the writer's counters, and those that they leave open have the reader's values.
Untrusted: a guess is proved, or isl is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..core.certificate import Source
from ..core.condition import FALSE, Condition, all_of, compare, negate
from ..core.index import Index, Variable
from ..core.polyhedral import Statement
from .inverse import unique_values


def guess_sources(
    reader: Statement, number: int, writers: Iterable[Statement], *, accumulated: bool
) -> list[Source]:
    """The sources of a read, later writers first; none if no writer fits."""
    found: list[Source] = []
    rest: list[Condition] = []
    ordered = sorted(writers, key=_part, reverse=True)
    for _, together in groupby(ordered, key=_part):
        places = [(writer, _place(writer, reader, number)) for writer in together]
        if any(place is not None and place.is_involved for _, place in places):
            return []
        for writer, place in places:
            if place is not None and place.inside != FALSE:
                condition = all_of([*rest, place.inside])
                found.append(Source(writer.name, condition, place.point, accumulated))
        rest += [negate(place.inside) for _, place in places if place is not None]
    return found


def _part(writer: Statement) -> int:
    """The part of the program that a writer is in; later parts have greater numbers."""
    return writer.schedule[0].constant if writer.schedule else 0


@dataclass(frozen=True)
class _Place:
    """An execution of a writer, over the counters of the reader."""

    inside: Condition
    """Whether it exists, and writes what is read."""
    point: tuple[Index, ...]

    @property
    def is_involved(self) -> bool:
        """Whether it divides quotients: isl finds simpler forms, which Z3 proves sooner."""
        divisions = (division for index in self.point for division in index.divisions)
        return any(division.dividend.divisions for division in divisions)


def _place(writer: Statement, reader: Statement, number: int) -> _Place | None:
    """Where the writer may have written the element; ``None`` if that leaves a counter open."""
    read = reader.reads[number]
    mine = {dim.name: Index.of(dim) for dim in reader.dims}
    # Both statements may count the same loops, by the same names.
    own = [Variable(f"{dim.name} there", dim.low, dim.high) for dim in writer.dims]
    renamed = {dim.name: Index.of(name) for dim, name in zip(writer.dims, own, strict=True)}
    condition = writer.condition.replace(renamed)
    indices, schedule = ([i.replace(renamed) for i in w] for w in (writer.indices, writer.schedule))
    equations = list(zip(indices, (i.replace(mine) for i in read.indices), strict=True))
    times = list(zip(schedule, (i.replace(mine) for i in read.schedule), strict=False))
    values: dict[str, Index] = {}
    while True:
        names = frozenset(variable.name for variable in own if variable.name not in values)
        sides = [_sides(left.replace(values), right, names) for left, right in equations]
        found = unique_values(condition.replace(values), sides)
        values |= {name: value for name, value in found.items() if name in names}
        if all(variable.name in values for variable in own):
            break
        same_turn = next(_same_turn(times, values), None)
        if same_turn is None:
            return None
        values |= [same_turn]
    inside = [condition.replace(values)]
    for variable in own:
        value = values[variable.name]
        inside += [compare(value - variable.low)] if variable.low is not None else []
        inside += [compare(-value + variable.high)] if variable.high is not None else []
    inside += [compare(left.replace(values) - right, is_equality=True) for left, right in equations]
    return _Place(all_of(inside), tuple(values[variable.name] for variable in own))


def _same_turn(
    times: Sequence[tuple[Index, Index]], known: Mapping[str, Index]
) -> Iterator[tuple[str, Index]]:
    """Counters of the writer that have the digits of the reader's time; outer ones first.

    A time is a sum of digits, and what is fetched ahead for a turn has that turn's digits.
    """
    for left, right in times:
        for atom, weight in sorted(left.terms, key=lambda term: -term[1]):
            if isinstance(atom, Variable) and atom.name not in known and weight > 0:
                turn = right - right.constant
                digit = turn // weight
                if atom.high is not None:
                    size = atom.high + 1
                    digit -= turn // (weight * size) * size
                yield atom.name, digit


def _sides(left: Index, right: Index, names: frozenset[str]) -> tuple[Index, Index]:
    """An equation with all that is known of its left side moved to the right."""
    terms = tuple(term for term in left.terms if not names.isdisjoint(Index.of(term[0]).variables))
    unknown = Index(terms, 0)
    return unknown, right - (left - unknown)
