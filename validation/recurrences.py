"""Values that go on from one iteration to the next, cut into steps (trusted core).

Two programs that compute ``h[t] = f(h[t - 1], …)`` are compared by induction. A *recurrence* of a
program is what some of its statements write; it is given by a map from their iterations to the
*steps* of the source's recurrence. Cutting replaces what other statements, and later iterations,
read of these values by elements ``H[step]`` of an input that nobody knows, and makes each step's
value ``G[step]`` an output of the program.

If the cut programs have equal outputs for all inputs, ``H`` included, then so have the programs:
let ``H`` be the values of the source. Then the cut source is the source, so ``G = H`` there and, by
the proof, in the cut target. By induction over the target's executions in their order, each step
of the target computes ``H[step]``: whatever it reads of earlier steps, it finds in ``H`` what was
computed. The map has to give each execution a step of the source, and never the same one twice;
these are requirements of the cut target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from .core.certificate import FlowCertificate, Source
from .core.condition import TRUE, Condition, all_of, any_of, equal, negate, within
from .core.index import Index, Variable, constant_index
from .core.polyhedral import Array, Program, Read, Requirement, Role, Statement, Unsupported
from .core.terms import read as read_term
from .extract.extraction import Level, level_of
from .extract.from_loops import extract_running

FIRST_POSITION = 1 << 20
"""Positions of the inputs and outputs of recurrences; parameters have smaller ones."""


@dataclass(frozen=True)
class Steps:
    """The step of each execution of a statement."""

    dims: tuple[Variable, ...]
    indices: tuple[Index, ...]
    """Over the dimensions of the statement."""

    def at(self, point: Sequence[Index]) -> tuple[Index, ...]:
        values = {dim.name: index for dim, index in zip(self.dims, point, strict=True)}
        return tuple(index.replace(values) for index in self.indices)


@dataclass(frozen=True)
class Recurrence:
    """Statements of a program that write the steps of one recurrence of the source."""

    number: int
    element_type: str
    dims: tuple[Variable, ...]
    """The iterations of the source's statement: its steps."""
    condition: Condition
    """Which of them are executed."""
    steps: Mapping[str, Steps]
    """By the name of the statement that writes them."""

    @property
    def extents(self) -> tuple[Index, ...]:
        found: list[Index] = []
        for dim in self.dims:
            if dim.high is None or dim.low != 0:
                raise Unsupported("a recurrence of unknown length")
            found.append(constant_index(dim.high + 1))
        return tuple(found)

    @property
    def known(self) -> Array:
        """``H``: what is read of the steps."""
        position = FIRST_POSITION + self.number
        return Array(f"steps{self.number}", self.element_type, self.extents, Role.INPUT, position)

    @property
    def found(self) -> Array:
        """``G``: what the steps give."""
        return Array(f"results{self.number}", self.element_type, self.extents)


def recurrent(program: Program, certificate: FlowCertificate) -> list[Statement]:
    """Statements that depend on themselves, and do not accumulate: no cycle is left without them.

    Those that read what they wrote in an earlier iteration come before those that other statements
    stand between.
    """
    sources: dict[str, set[str]] = {
        statement.name: {
            source.writer
            for number in range(len(statement.reads))
            for source in certificate.sources.get((statement.name, number), ())
        }
        for statement in program.statements
    }
    able = [statement for statement in program.statements if not statement.accumulates]
    chosen = {statement.name for statement in able if statement.name in sources[statement.name]}
    for statement in able:
        if statement.name in _causes(statement.name, sources, chosen):
            chosen.add(statement.name)
    return [statement for statement in able if statement.name in chosen]


def _causes(name: str, sources: Mapping[str, set[str]], without: set[str]) -> set[str]:
    """The statements that one reads from, also through others that are not left out."""
    found: set[str] = set()
    waiting = [name] if name not in without else []
    while waiting:
        for source in sources.get(waiting.pop(), set()) - found - without:
            found.add(source)
            waiting.append(source)
    return found


def steps_of_source(program: Program, certificate: FlowCertificate) -> list[Recurrence]:
    """The recurrences of a source; each execution is the step of its own counters."""
    found: list[Recurrence] = []
    for number, origin in enumerate(recurrent(program, certificate)):
        own = Steps(origin.dims, tuple(Index.of(dim) for dim in origin.dims))
        kind = origin.array.element_type
        found.append(Recurrence(number, kind, origin.dims, origin.condition, {origin.name: own}))
    return found


def steps_of_target(
    recurrences: Sequence[Recurrence],
    program: Program,
    claimed: Mapping[str, tuple[int, tuple[Index, ...]]],
) -> list[Recurrence]:
    """The source's recurrences with the claimed steps of a target's statements.

    Raises ``KeyError`` for claims about what the programs do not have, and ``ValueError`` for steps
    that are no functions of the statement's counters.
    """
    statements = {statement.name: statement for statement in program.statements}
    steps: dict[int, dict[str, Steps]] = {one.number: {} for one in recurrences}
    known = {symbol.name for symbol in program.symbols}
    for name, (number, indices) in claimed.items():
        dims = statements[name].dims
        if not {v for index in indices for v in index.variables} <= known | {d.name for d in dims}:
            raise ValueError(f"the step of {name} depends on other counters")
        steps[number][name] = Steps(dims, indices)
    return [replace(one, steps=steps[one.number]) for one in recurrences]


def with_running_sums(module: ModuleOp, program: Program) -> Program:
    """The program with sums as recurrences where their intermediate results are read."""
    stores = observed_sums(program)
    if not stores or level_of(module) is not Level.LOOPS:
        return program
    return extract_running(module, stores)


def observed_sums(program: Program) -> frozenset[Operation]:
    """Stores that add to cells which are read before all is added up, by their operations."""
    found: set[Operation] = set()
    for statement in program.statements:
        if not statement.accumulates or statement.origin is None:
            continue
        used = {name for index in statement.indices for name in index.variables}
        added = [dim for dim in statement.dims if dim.name not in used]
        if added and any(
            added[-1] in reader.dims
            for reader in program.statements
            if any(read.array == statement.array for read in reader.reads)
        ):
            found.add(statement.origin)
    return frozenset(found)


def cut(
    program: Program, certificate: FlowCertificate, recurrences: Sequence[Recurrence]
) -> Program:
    """The program in which recurrences are inputs, and their steps are outputs."""
    writers = {name: one for one in recurrences for name in one.steps}
    statements: list[Statement] = []
    outputs: dict[int, Statement] = {}
    requirements = list(program.requirements)
    last = max(final.schedule[0].constant for final in program.outputs.values())
    end = (constant_index(last + 1),)
    for statement in program.statements:
        for part in _redirected(statement, certificate, writers):
            statements.append(part)
            if statement.name in writers:
                one = writers[statement.name]
                place = one.steps[statement.name].indices
                name = f"{part.name}_step"
                step = replace(part, name=name, array=one.found, indices=place)
                statements.append(step)
    for position, final in program.outputs.items():
        staged = Array(f"staged{position}", final.array.element_type, final.array.extents)
        early = replace(final, name=f"{final.name}_staged", array=staged)
        sources = {
            (early.name, number): certificate.sources.get((final.name, number), ())
            for number in range(len(final.reads))
        }
        statements += _redirected(early, FlowCertificate(sources), writers)
        outputs[position] = _final(
            final.name, staged, final.dims, final.condition, final.array, end
        )
    for one in recurrences:
        array = replace(one.found, name=f"out_{one.found.name}", position=one.known.position)
        name = f"final_{one.found.name}"
        final = _final(name, one.found, one.dims, one.condition, array, end)
        outputs[FIRST_POSITION + one.number] = final
        requirements += _requirements(program, one)
    return replace(
        program,
        statements=statements,
        outputs=outputs,
        requirements=requirements,
        moves=set(),
        fences=[],
    )


def _final(
    name: str,
    source: Array,
    dims: tuple[Variable, ...],
    condition: Condition,
    target: Array,
    end: tuple[Index, ...],
) -> Statement:
    """The last read of an array, after everything else."""
    indices = tuple(Index.of(dim) for dim in dims)
    value = read_term(0, source.element_type)
    reads = (Read(source, indices, end),)
    return Statement(name, dims, condition, end, target, indices, value, reads, unordered=len(dims))


def _redirected(
    statement: Statement, certificate: FlowCertificate, writers: Mapping[str, Recurrence]
) -> list[Statement]:
    """A statement that reads steps of recurrences from their inputs, in cases by what it reads."""
    parts = [statement]
    for number in range(len(statement.reads)):
        sources = certificate.sources.get((statement.name, number), ())
        if not any(source.writer in writers for source in sources):
            continue
        parts = [case for part in parts for case in _cases(part, number, sources, writers)]
    if len(parts) == 1:
        return [replace(parts[0], name=statement.name)]
    return [replace(part, name=f"{statement.name}_{place}") for place, part in enumerate(parts)]


def _cases(
    statement: Statement,
    number: int,
    sources: Sequence[Source],
    writers: Mapping[str, Recurrence],
) -> Iterator[Statement]:
    """The statement for each source of a read; no execution is in two cases."""
    others: Condition = TRUE
    for source in sources:
        here = all_of([others, source.condition])
        others = all_of([others, negate(source.condition)])
        part = replace(statement, condition=all_of([statement.condition, here]))
        if source.writer in writers:
            if source.accumulated:
                raise Unsupported("a recurrence to which is added")
            one = writers[source.writer]
            reads = list(part.reads)
            reads[number] = Read(
                one.known, one.steps[source.writer].at(source.point), part.reads[number].schedule
            )
            part = replace(part, reads=tuple(reads))
        yield part


def _requirements(program: Program, recurrence: Recurrence) -> Iterator[Requirement]:
    """Each execution is a step of the source, and no two are the same one."""
    own = [one for one in program.statements if one.name in recurrence.steps]
    for statement in own:
        step = recurrence.steps[statement.name].indices
        values = {dim.name: index for dim, index in zip(recurrence.dims, step, strict=True)}
        inside = [
            within(index, 0, extent) for index, extent in zip(step, recurrence.extents, strict=True)
        ]
        yield Requirement(
            statement.dims,
            statement.condition,
            all_of([*inside, recurrence.condition.replace(values)]),
            "each execution is a step of the source's recurrence",
            statement.origin,
        )
    for place, first in enumerate(own):
        for second in own[place:]:
            yield _distinct(recurrence, first, second)


def _distinct(recurrence: Recurrence, first: Statement, second: Statement) -> Requirement:
    renamed = {dim.name: replace(dim, name=f"{dim.name}_again") for dim in second.dims}
    values = {name: Index.of(dim) for name, dim in renamed.items()}
    domain = [first.condition, second.condition.replace(values)]
    if first is second:
        pairs = [negate(equal(Index.of(dim), values[dim.name])) for dim in first.dims]
        domain.append(any_of(pairs))
    mine = recurrence.steps[first.name].indices
    theirs = recurrence.steps[second.name].at([values[dim.name] for dim in second.dims])
    apart = [negate(equal(one, other)) for one, other in zip(mine, theirs, strict=True)]
    return Requirement(
        (*first.dims, *renamed.values()),
        all_of(domain),
        any_of(apart),
        "no two executions are the same step of the source's recurrence",
        first.origin,
    )
