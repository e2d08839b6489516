"""Two extracted programs that are the same but for names and unused points of time (trusted core).

A pass that only moves computations of addresses, or configurations, leaves the statements as they
are. There is nothing to prove then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from .index import Index, Variable
from .polyhedral import Array, Fence, Program, Read, Requirement, Statement
from .rewriting import replaced

Schedule = tuple[Index, ...]


def same_program(left: Program, right: Program) -> bool:
    """Whether both programs have the same statements, requirements and outputs, in this order."""
    counts = [(len(p.statements), len(p.requirements), len(p.outputs)) for p in (left, right)]
    return counts[0] == counts[1] and _renamed(left) == _renamed(right)


def _renamed(program: Program) -> tuple[object, ...]:
    """The program as a value, with names that only depend on the order of appearance."""
    names = _Names(program)
    statements = [names.statement(statement) for statement in program.readers()]
    return (
        program.symbols,
        program.context,
        tuple(program.outputs),
        tuple(statements),
        tuple(statement.name in program.moves for statement in program.statements),
        tuple(statement.array.name in program.local_memories for statement in program.statements),
        [names.fence(fence) for fence in program.fences],
        frozenset(names.requirement(requirement) for requirement in program.requirements),
    )


class _Names:
    """New names for counters, arrays and statements, and ranks for points of time."""

    def __init__(self, program: Program) -> None:
        self._arrays: dict[str, str] = {}
        self._ranks = _ranks(program)

    def statement(self, statement: Statement) -> Statement:
        values, dims = self._counters(statement.dims)
        ranked = replace(
            statement,
            schedule=self._ranked(statement.schedule),
            reads=tuple(
                Read(self._array(read.array), read.indices, self._ranked(read.schedule))
                for read in statement.reads
            ),
            array=self._array(statement.array),
        )
        return replace(replaced(ranked, values, dims), name="")

    def fence(self, fence: Fence) -> Fence:
        values, dims = self._counters(fence.dims)
        return Fence(
            dims,
            fence.condition.replace(values),
            tuple(index.replace(values) for index in self._ranked(fence.schedule)),
        )

    def requirement(self, requirement: Requirement) -> Requirement:
        values, dims = self._counters(requirement.dims)
        return replace(
            requirement,
            dims=dims,
            condition=requirement.condition.replace(values),
            holds=requirement.holds.replace(values),
            description="",
        )

    def _counters(
        self, dims: tuple[Variable, ...]
    ) -> tuple[dict[str, Index], tuple[Variable, ...]]:
        new = tuple(Variable(f"d{place}", dim.low, dim.high) for place, dim in enumerate(dims))
        return {d.name: Index.of(n) for d, n in zip(dims, new, strict=True)}, new

    def _array(self, array: Array) -> Array:
        if array.position is not None:
            return array
        name = self._arrays.setdefault(array.name, f"array{len(self._arrays)}")
        return replace(array, name=name)

    def _ranked(self, schedule: Schedule) -> Schedule:
        """Constants replaced by their rank among those with the same beginning."""
        return tuple(
            Index.of(self._ranks[schedule[:place]][index.constant]) if index.is_constant else index
            for place, index in enumerate(schedule)
        )


def _ranks(program: Program) -> dict[Schedule, dict[int, int]]:
    used: dict[Schedule, set[int]] = defaultdict(set)
    for schedule in _schedules(program):
        for place, index in enumerate(schedule):
            if index.is_constant:
                used[schedule[:place]].add(index.constant)
    return {
        start: {constant: rank for rank, constant in enumerate(sorted(constants))}
        for start, constants in used.items()
    }


def _schedules(program: Program) -> Iterator[Schedule]:
    for statement in program.readers():
        yield statement.schedule
        for read in statement.reads:
            yield read.schedule
    for fence in program.fences:
        yield fence.schedule
