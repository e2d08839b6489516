"""Proofs about programs with recurrences: which steps of both are the same, and that they are.

What is proposed here is not trusted: ``recurrences.cut`` demands what makes it a proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from xdsl.dialects.builtin import ModuleOp

from ..dialects.trn import TensorTensorScanOp
from .core.certificate import (
    Certificate,
    FlowCertificate,
    InductionCertificate,
    ProofCertificate,
)
from .core.checker import Violation
from .core.index import Index, Variable
from .core.polyhedral import Program, Read, Role, Statement, Unsupported
from .engine import Analysed, Run, analyse, prove
from .extract.from_trn import SCANNED
from .recurrences import cut, recurrent, steps_of_source, steps_of_target, with_running_sums

_ATTEMPTS = 4
"""Ways to pair the steps of both programs that are tried …"""
_CLAIMS = 256
"""… of so many, those first in which most steps are the same operation."""
_VISITED = 500
"""Statements through which the inputs of a step are looked for."""
_POINTS = 2
"""At how many of its points each: a first step may read one for its start and its summand."""


def prove_by_induction(
    module: ModuleOp, source: Analysed, target: Analysed, run: Run
) -> tuple[str, ...] | None:
    """What was assumed in a proof by induction over recurrences; ``None`` if there is none."""
    goal = _scans(target.program, recurrent(target.program, target.certificate))
    if not goal:
        return None
    source = _with_running_sums(module, source, run)
    origins = recurrent(source.program, source.certificate)
    mine = steps_of_source(source.program, source.certificate)
    before = run.target, run.certificate, run.proposer
    claims = list(islice(_claims(source, origins, target, goal), _CLAIMS))
    claims.sort(key=lambda steps: _differences(steps, origins, goal))
    for steps in claims[:_ATTEMPTS]:
        proof: Certificate | None = None
        try:
            theirs = steps_of_target(mine, target.program, steps)
            first = analyse(cut(source.program, source.certificate, mine), run.solver)
            second = cut(target.program, target.certificate, theirs)
            assumed = prove(replace(first, precondition=source.precondition), second, run)
            proof = run.certificate
        except (Violation, Unsupported):
            continue
        finally:
            # What the oracle said is about other programs than those that were asked about.
            run.target, run.certificate, run.proposer = before
        assert isinstance(proof, ProofCertificate)
        flows = source.certificate, target.certificate
        run.certificate = InductionCertificate(*flows, steps, proof)
        return assumed
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
    program = with_running_sums(module, source.program)
    if program is source.program:
        return source
    return replace(analyse(program, run.solver), precondition=source.precondition)


Claimed = dict[str, tuple[int, tuple[Index, ...]]]
"""Recurrence and step of statements, as ``InductionCertificate`` has them."""


def _claims(
    source: Analysed, origins: Sequence[Statement], target: Analysed, goal: Sequence[Statement]
) -> Iterator[Claimed]:
    """Which recurrence of the source each one of the target may be, and its steps."""
    places = [_places(source.program, source.certificate, origin) for origin in origins]
    for with_start in (True, False):
        found: list[list[Claimed]] = []
        for statement in goal:
            group = _group(target.program, statement) if with_start else [statement]
            found.append(
                [
                    {name: (number, step) for name, step in steps}
                    for number, origin in enumerate(origins)
                    for steps in _steps(origin, places[number], target, group)
                ]
            )
        for choice in product(*found):
            claimed = {name: step for part in choice for name, step in part.items()}
            if {number for number, _ in claimed.values()} == set(range(len(origins))):
                yield claimed


def _differences(steps: Claimed, origins: Sequence[Statement], goal: Sequence[Statement]) -> int:
    """How many steps of the target are other operations than those of the source."""
    return sum(
        statement.value.operation != origins[steps[statement.name][0]].value.operation
        for statement in goal
        if statement.name in steps
    )


def _group(program: Program, statement: Statement) -> list[Statement]:
    """The statements of one instruction that write the same array: the first step, and others."""
    return [
        other
        for other in program.statements
        if other.array == statement.array and other.origin is statement.origin
    ]


def _steps(
    origin: Statement,
    places: dict[str, list[_Place]],
    target: Analysed,
    group: Sequence[Statement],
) -> Iterator[list[tuple[str, tuple[Index, ...]]]]:
    """Steps of the source for statements of the target: those that read the same inputs."""
    choices: list[list[tuple[Index, ...]]] = []
    for statement in group:
        if statement.array.element_type != origin.array.element_type:
            return
        read = _inputs(target.program, target.certificate, statement)
        options = [
            [step for step in dict.fromkeys(_counted(places[dim.name], read)) if _may_be(step, dim)]
            for dim in origin.dims
        ]
        choices.append(list(product(*options)))
    for choice in product(*choices):
        yield [(one.name, step) for one, step in zip(group, choice, strict=True)]


_Place = tuple[int, int, int, int]
"""Where a counter plus a constant is a subscript, or the number of a block that has it: the
parameter, the dimension, the size of blocks, the constant."""


def _counted(places: Sequence[_Place], read: dict[int, list[tuple[Index, ...]]]) -> Iterator[Index]:
    """What a counter may be where these elements of inputs are read."""
    for position, slot, size, constant in places:
        yield from (indices[slot] // size - constant for indices in read.get(position, []))


def _may_be(step: Index, counter: Variable) -> bool:
    """Whether a number is within the limits of a counter; other steps always may be."""
    under = counter.low is not None and step.constant < counter.low
    beyond = counter.high is not None and step.constant > counter.high
    return bool(step.variables) or not (under or beyond)


def _places(
    program: Program, certificate: FlowCertificate, origin: Statement
) -> dict[str, list[_Place]]:
    """Where each counter is a subscript of an input, perhaps with a constant added."""
    found: dict[str, list[_Place]] = {dim.name: [] for dim in origin.dims}
    for position, reads in _inputs(program, certificate, origin).items():
        for indices in reads:
            for (slot, index), dim in product(enumerate(indices), origin.dims):
                size = next((size for atom, size in index.terms if atom == dim), 0)
                if size > 0 and not (rest := index // size - Index.of(dim)).variables:
                    found[dim.name].append((position, slot, size, rest.constant))
    return {name: list(dict.fromkeys(places)) for name, places in found.items()}


def _inputs(
    program: Program, certificate: FlowCertificate, root: Statement
) -> dict[int, list[tuple[Index, ...]]]:
    """The elements of inputs that a statement's value is computed from, over its dimensions."""
    statements = {statement.name: statement for statement in program.readers()}
    found: dict[int, list[tuple[Index, ...]]] = {}
    waiting = [(root, {dim.name: Index.of(dim) for dim in root.dims})]
    seen = Counter([root.name] * _POINTS)
    while waiting and len(seen) < _VISITED:
        statement, values = waiting.pop(0)
        for number, read in enumerate(statement.reads):
            if read.array.role is Role.INPUT and read.array.position is not None:
                indices = tuple(index.replace(values) for index in read.indices)
                found.setdefault(read.array.position, []).append(indices)
                continue
            known = certificate.sources.get((statement.name, number), ())
            points = [(statements[source.writer], source.point) for source in known]
            for writer, point in (*points, *_summands(program, read)):
                if seen[writer.name] < _POINTS:
                    seen[writer.name] += 1
                    names = [dim.name for dim in writer.dims]
                    at = [index.replace(values) for index in point]
                    waiting.append((writer, dict(zip(names, at, strict=True))))
    return found


def _summands(program: Program, read: Read) -> Iterator[tuple[Statement, tuple[Index, ...]]]:
    """What may add to the sum that is read, where counters of the same name are the same."""
    for statement in program.statements:
        if statement.accumulates and statement.array == read.array:
            places = zip(statement.indices, read.indices, strict=True)
            at = {index: place for index, place in places if len(index.terms) == 1}
            yield statement, tuple(at.get(Index.of(dim), Index.of(dim)) for dim in statement.dims)
