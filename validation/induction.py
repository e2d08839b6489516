"""Proofs about programs with recurrences: which steps of both are the same, and that they are.

What is proposed here is not trusted: ``recurrences.cut`` demands what makes it a proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from xdsl.dialects.builtin import ModuleOp

from ..dialects.trn import TensorTensorScanOp
from .core.certificate import FlowCertificate
from .core.checker import Violation
from .core.index import Index
from .core.polyhedral import Program, Role, Statement, Unsupported
from .engine import Analysed, Run, analyse, prove
from .extract.extraction import Level, level_of
from .extract.from_loops import extract_running
from .extract.from_trn import SCANNED
from .recurrences import Recurrence, Steps, cut, observed_sums, recurrent

_ATTEMPTS = 4
"""Ways to pair the steps of both programs that are tried."""
_VISITED = 500
"""Statements through which the inputs of a step are looked for."""


def prove_by_induction(
    module: ModuleOp, source: Analysed, target: Analysed, run: Run
) -> tuple[str, ...] | None:
    """What was assumed in a proof by induction over recurrences; ``None`` if there is none."""
    goal = _scans(target.program, recurrent(target.program, target.certificate))
    if not goal:
        return None
    source = _with_running_sums(module, source, run)
    origins = recurrent(source.program, source.certificate)
    before = run.target, run.certificate, run.proposer
    for pair in islice(_pairs(source, origins, target, goal), _ATTEMPTS):
        mine, theirs = pair
        try:
            first = analyse(cut(source.program, source.certificate, mine), run.solver)
            second = cut(target.program, target.certificate, theirs)
            return prove(replace(first, precondition=source.precondition), second, run)
        except (Violation, Unsupported):
            continue
        finally:
            # What the oracle said is about other programs than those that were asked about.
            run.target, run.certificate, run.proposer = before
    return None


def _scans(program: Program, found: Sequence[Statement]) -> list[Statement]:
    """Recurrent statements, with all scans of the machine, of which some may have few steps."""
    known = {statement.array for statement in found}
    others = [
        statement
        for statement in program.statements
        if isinstance(statement.origin, TensorTensorScanOp)
        and statement.array.name.startswith(SCANNED)
        and statement.array not in known
    ]
    return [*found, *{statement.array: statement for statement in others}.values()]


def _with_running_sums(module: ModuleOp, source: Analysed, run: Run) -> Analysed:
    """The source with sums as recurrences where their intermediate results are read."""
    stores = observed_sums(source.program)
    if not stores or level_of(module) is not Level.LOOPS:
        return source
    program = extract_running(module, stores)
    return replace(analyse(program, run.solver), precondition=source.precondition)


Pair = tuple[list[Recurrence], list[Recurrence]]


def _pairs(
    source: Analysed, origins: Sequence[Statement], target: Analysed, goal: Sequence[Statement]
) -> Iterator[Pair]:
    """Recurrences of both programs that may be the same, with the steps of the target."""
    mine = [
        Recurrence(
            number,
            origin.array.element_type,
            origin.dims,
            origin.condition,
            {origin.name: Steps(origin.dims, tuple(Index.of(dim) for dim in origin.dims))},
        )
        for number, origin in enumerate(origins)
    ]
    places = [_places(source.program, source.certificate, origin) for origin in origins]
    for with_start in (True, False):
        found: list[list[tuple[int, list[tuple[str, Steps]]]]] = []
        for statement in goal:
            group = _group(target.program, statement) if with_start else [statement]
            found.append(
                [
                    (number, steps)
                    for number, origin in enumerate(origins)
                    for steps in _steps(origin, places[number], target, group)
                ]
            )
        for choice in product(*found):
            theirs = [
                replace(
                    one, steps=dict(pair for n, steps in choice if n == number for pair in steps)
                )
                for number, one in enumerate(mine)
            ]
            if all(one.steps for one in theirs):
                yield mine, theirs


def _group(program: Program, statement: Statement) -> list[Statement]:
    """The statements of one instruction that write the same array: the first step, and others."""
    return [
        other
        for other in program.statements
        if other.array == statement.array and other.origin is statement.origin
    ]


def _steps(
    origin: Statement,
    places: dict[str, list[tuple[int, int]]],
    target: Analysed,
    group: Sequence[Statement],
) -> Iterator[list[tuple[str, Steps]]]:
    """Steps of the source for statements of the target: those that read the same inputs."""
    choices: list[list[Steps]] = []
    for statement in group:
        if statement.array.element_type != origin.array.element_type:
            return
        read = _inputs(target.program, target.certificate, statement)
        options = [
            list(dict.fromkeys(at[slot] for p, slot in places[dim.name] for at in read.get(p, [])))
            for dim in origin.dims
        ]
        choices.append([Steps(statement.dims, found) for found in product(*options)])
    for choice in product(*choices):
        yield [(one.name, steps) for one, steps in zip(group, choice, strict=True)]


def _places(
    program: Program, certificate: FlowCertificate, origin: Statement
) -> dict[str, list[tuple[int, int]]]:
    """Where each counter is a subscript of an input: the parameter, and the dimension."""
    found: dict[str, list[tuple[int, int]]] = {dim.name: [] for dim in origin.dims}
    for position, reads in _inputs(program, certificate, origin).items():
        for indices in reads:
            for slot, index in enumerate(indices):
                for dim in origin.dims:
                    if index == Index.of(dim):
                        found[dim.name].append((position, slot))
    return {name: list(dict.fromkeys(places)) for name, places in found.items()}


def _inputs(
    program: Program, certificate: FlowCertificate, root: Statement
) -> dict[int, list[tuple[Index, ...]]]:
    """The elements of inputs that a statement's value is computed from, over its dimensions."""
    statements = {statement.name: statement for statement in program.readers()}
    found: dict[int, list[tuple[Index, ...]]] = {}
    waiting = [(root, {dim.name: Index.of(dim) for dim in root.dims})]
    seen = {root.name}
    while waiting and len(seen) < _VISITED:
        statement, values = waiting.pop(0)
        for number, read in enumerate(statement.reads):
            if read.array.role is Role.INPUT and read.array.position is not None:
                indices = tuple(index.replace(values) for index in read.indices)
                found.setdefault(read.array.position, []).append(indices)
                continue
            for source in certificate.sources.get((statement.name, number), ()):
                writer = statements[source.writer]
                if writer.name not in seen:
                    seen.add(writer.name)
                    point = [index.replace(values) for index in source.point]
                    names = [dim.name for dim in writer.dims]
                    waiting.append((writer, dict(zip(names, point, strict=True))))
    return found
