"""What always lies between two executions of commands, found by example (trusted core).

Z3 names two executions that conflict. Something that lies between these two and keeps them apart is
looked for, and excuses all pairs that have it at the same distance; until Z3 finds none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..core.at_point import is_true, value_at
from ..core.condition import TRUE, Condition
from ..core.index import smt_integer
from ..core.polyhedral import Fence, Program, RowAccess, Unsupported
from ..core.smt import (
    Answer,
    Names,
    Query,
    Solver,
    conjunction,
    earlier,
    holds,
    in_domain,
    negation,
    with_symbols,
)

Point: TypeAlias = RowAccess | Fence
Fits: TypeAlias = Callable[[Point], Condition]
"""Whether a point in between keeps two executions apart; by its counters, and variables that both
sides of the pair name alike."""
_Numbers: TypeAlias = dict[str, int]
_ROUNDS = 40
"""Examples for one pair of commands that are tried."""
_STEPS = 4
"""Next iterations of a loop in which something is looked for before Z3 does."""


def always(_point: Point) -> Condition:
    """Fits wherever it lies in between."""
    return TRUE


@dataclass
class Pair:
    """Two executions in this order, the values of their counters, and a query about them."""

    older: RowAccess
    newer: RowAccess
    query: Query
    here: dict[str, str]
    there: dict[str, str]

    @staticmethod
    def of(program: Program, older: RowAccess, newer: RowAccess) -> Pair | None:
        """The pair, unless its points of time show that there is none."""
        query, symbols = with_symbols(program)
        here, there = (symbols | query.constants(access.dims) for access in (older, newer))
        order = earlier(older.schedule, here, newer.schedule, there)
        for part in (in_domain(older, here), in_domain(newer, there), order):
            query.add(part)
        return None if order == "false" else Pair(older, newer, query, here, there)

    def keep_apart(
        self, solver: Solver, points: Sequence[Point], fits: Fits, hazard: str, loads: int = 0
    ) -> bool:
        """Prove that a point in between always fits, or that so many loads are there.

        Whether loads had to be counted; raises ``Unsupported`` where there are too few, with the
        hazard.
        """
        ways = [(points, fits, 1)]
        if loads:
            every = [p for p in points if isinstance(p, RowAccess) and p.kind == "load"]
            ways.insert(0, (every, always, loads))
        by_loads = False
        origin = self.newer.origin
        for _ in range(_ROUNDS):
            states = f"something keeps these apart: {hazard}"
            answer, model = solver.check(self.query, states, origin)
            if answer is Answer.UNSAT:
                return by_loads
            if answer is Answer.UNKNOWN:
                break
            excuses = ((self._excuse(solver, *way, model), way) for way in ways)
            excuse, way = next((found for found in excuses if found[0] is not None), (None, None))
            if excuse is None:
                break
            by_loads |= way is not ways[-1]
            self.query.add(negation(excuse))
        raise Unsupported(hazard, origin)

    def _excuse(
        self, solver: Solver, points: Sequence[Point], fits: Fits, count: int, model: _Numbers
    ) -> str | None:
        """That points lie in between as the next ones that fit do in the model."""
        here, there = (
            {name: model.get(text, 0) for name, text in names.items()}
            for names in (self.here, self.there)
        )
        last: tuple[Point, _Numbers] = self.older, here
        placed: tuple[Point, Names] = self.older, self.here
        parts: list[str] = []
        for _ in range(count):
            ends = last, (self.newer, there)
            following = _near(points, fits, *ends) or _next(solver, points, fits, *ends)
            if following is None:
                return None
            last, point = following, following[0]
            names = self.here | self._relative(point, following[1], here)
            parts.append(_between(point, names, placed, (self.newer, self.there)))
            parts.append(holds(fits(point), names))
            placed = point, names
        return conjunction(parts)

    def _relative(self, point: Point, found: _Numbers, here: _Numbers) -> dict[str, str]:
        """Counters of a point by their distance to those of the older execution.

        Where an outer loop has gone on, inner ones have begun anew: then their values count.
        """
        placed: dict[str, str] = {}
        shared = True
        for dim in point.dims:
            value, name = found[dim.name], dim.name
            shared = shared and name in self.here and dim in self.older.dims
            placed[name] = smt_integer(value)
            if shared:
                distance = value - here[name]
                placed[name] = f"(+ {self.here[name]} {smt_integer(distance)})"
                shared = distance == 0
        return placed


def _near(
    points: Sequence[Point],
    fits: Fits,
    after: tuple[Point, _Numbers],
    until: tuple[Point, _Numbers],
) -> tuple[Point, _Numbers] | None:
    """An execution in between that fits: in the same iterations of the loops or the next ones."""
    start, end = _time(*after), _time(*until)
    loops = [dim.name for dim in after[0].dims]
    for kept in reversed(range(len(loops) + 1)):
        for step in range(1, _STEPS) if kept < len(loops) else (0,):
            around = {name: after[1][name] for name in loops[: kept + 1]}
            if step:
                around[loops[kept]] += step
            for point in points:
                counters = {dim.name: around.get(dim.name, 0) for dim in point.dims}
                numbers = after[1] | counters
                if start < _time(point, numbers) < end and _holds(point, fits(point), numbers):
                    return point, numbers
    return None


def _holds(point: Point, fits: Condition, numbers: _Numbers) -> bool:
    inside = all(dim.high is None or numbers[dim.name] <= dim.high for dim in point.dims)
    return inside and is_true(point.condition, numbers) and is_true(fits, numbers)


def _time(point: Point, numbers: _Numbers) -> tuple[int, ...]:
    return tuple(value_at(index, numbers) for index in point.schedule)


def _next(
    solver: Solver,
    points: Sequence[Point],
    fits: Fits,
    after: tuple[Point, _Numbers],
    until: tuple[Point, _Numbers],
) -> tuple[Point, _Numbers] | None:
    """The first execution in between that fits, where all counters are numbers."""
    found: tuple[Point, _Numbers] | None = None
    while True:
        query = Query()
        own = [query.constants(point.dims) for point in points]
        known = _texts(until[1] | after[1])
        ends = [(point, _texts(numbers)) for point, numbers in (after, found or until)]
        cases = [
            conjunction([_between(point, known | names, *ends), holds(fits(point), known | names)])
            for point, names in zip(points, own, strict=True)
        ]
        answers = solver.check_each(query, cases, "nothing lies in between?")
        for point, names, (answer, model) in zip(points, own, answers, strict=True):
            if answer is Answer.SAT:
                counters = {name: model.get(text, 0) for name, text in names.items()}
                found = point, after[1] | counters
                break
        else:
            return found


def _between(
    point: Point, names: Names, after: tuple[Point, Names], until: tuple[Point, Names]
) -> str:
    return conjunction(
        [
            earlier(after[0].schedule, after[1], point.schedule, names),
            earlier(point.schedule, names, until[0].schedule, until[1]),
            in_domain(point, names),
        ]
    )


def _texts(numbers: Mapping[str, int]) -> dict[str, str]:
    return {name: smt_integer(value) for name, value in numbers.items()}
