"""Is a target program a refinement of a source program? The public entry of validation.

``proved``: for every content of the arrays, if the source has no undefined behaviour, neither has
the target, and every element of every output ends with the same value. Any of the two may be loop,
tensor, tile or ISA IR.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from xdsl.dialects.builtin import ModuleOp

from ..hw.gemmini.config import GemminiConfig, load_config
from .certificate import FlowCertificate, SumCertificate
from .checker import Checker, Violation
from .counterexample import Counterexample, find_counterexample
from .dataflow import Dataflow
from .extraction import extract
from .lemmas import equal_for_all
from .matching import Matcher
from .pairing import Difference, SummandMaps, differences, pair_summands
from .polyhedral import Program, Unsupported, describe
from .smt import RESOURCE_LIMIT, Solver
from .suspect_inputs import Summand, Suspicion
from .values import Side, slot_kind

Verdict = Literal["proved", "refuted", "unknown"]

ASSUMPTIONS = (
    "array parameters do not overlap",
    "loop counters and subscripts do not exceed the machine's index type",
)


@dataclass(frozen=True)
class ValidationOptions:
    """Limits and extras of one validation."""

    resource_limit: int = RESOURCE_LIMIT
    """Z3 resource units per query; deterministic, unlike a time limit."""
    counterexamples: bool = True
    """Search inputs on which the programs differ when the proof fails."""
    seed: int = 0
    """Seed of the inputs that the search for a counterexample tries."""


@dataclass(frozen=True)
class Validation:
    """The verdict on one pair of programs, and what it rests on."""

    verdict: Verdict
    assumptions: tuple[str, ...]
    obligations: int
    """Proof obligations that Z3 was asked."""
    solver: str
    seconds: float
    solver_seconds: float
    counterexample: Counterexample | None = None
    reason: str = ""
    """Why the verdict is not ``proved``: the obligation or the construct."""
    instruction: str = ""
    """The operation to which the failed obligation belongs."""


@dataclass
class _Analysed:
    """A program with its checked certificate."""

    program: Program
    flow: Dataflow
    certificate: FlowCertificate
    summands: SummandMaps


@dataclass
class PreparedSource:
    """A source program, analysed and checked once for many targets."""

    module: ModuleOp
    config: GemminiConfig
    analysed: _Analysed
    obligations: int
    solver_seconds: float


@dataclass
class _Run:
    """One validation in progress."""

    solver: Solver
    start: float = field(default_factory=time.perf_counter)
    differences: list[Difference] = field(default_factory=list[Difference])


def prepare(
    source: ModuleOp,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
) -> PreparedSource:
    """Analyse a source program, so that many targets can be validated against it.

    Raises ``Unsupported`` for constructs outside the quasi-affine class, and ``Violation`` if the
    source itself reads or writes out of bounds or reads what was never written.
    """
    config = config or load_config()
    solver = Solver(resource_limit=(options or ValidationOptions()).resource_limit)
    analysed = _analyse(extract(source, config), solver)
    return PreparedSource(source, config, analysed, solver.queries, solver.seconds)


def validate(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    *,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
) -> Validation:
    """Prove that ``target`` computes what ``source`` computes, or find inputs where it does not.

    Never raises for a program that cannot be validated: the verdict is then ``unknown`` and
    ``reason`` names the construct or the obligation that was not decided.
    """
    options = options or ValidationOptions()
    run = _Run(Solver(resource_limit=options.resource_limit))
    prepared: PreparedSource | None = None
    try:
        if isinstance(source, PreparedSource):
            prepared = source
        else:
            prepared = prepare(source, config, options)
        run.solver.queries += prepared.obligations
        run.solver.seconds += prepared.solver_seconds
    except (Unsupported, Violation) as error:
        return _verdict(run, "unknown", reason=f"source: {error}")
    try:
        assumptions = _prove(prepared.analysed, extract(target, prepared.config), run)
    except Unsupported as error:
        return _verdict(run, "unknown", reason=f"target: {error}")
    except Violation as violation:
        return _refute(prepared, target, violation, run, options)
    return _verdict(run, "proved", assumptions=assumptions)


def _analyse(program: Program, solver: Solver) -> _Analysed:
    """Ask the oracle for a certificate and check it."""
    flow = Dataflow(program)
    certificate = flow.certificate()
    Checker(program, certificate, solver).run()
    return _Analysed(program, flow, certificate, SummandMaps(flow))


def _prove(source: _Analysed, target: Program, run: _Run) -> tuple[str, ...]:
    """Discharge all obligations; returns the assumptions or raises."""
    if target.outputs.keys() != source.program.outputs.keys():
        raise Unsupported("the programs do not write the same parameters")
    analysed = _analyse(target, run.solver)

    def propose(position: int, left: tuple[str, int], right: tuple[str, int]) -> SumCertificate:
        outputs = source.program.outputs[position]
        mine = source.summands.summands(outputs, *left)
        theirs = analysed.summands.summands(target.outputs[position], *right)
        run.differences.extend(differences(mine, theirs, len(outputs.dims)))
        return pair_summands(mine, theirs, outputs.dims, analysed.flow.symbols)

    matcher = Matcher(
        Side(source.program, source.certificate),
        Side(target, analysed.certificate),
        run.solver,
        propose,
        equal_for_all,
    )
    for position in source.program.outputs:
        matcher.output(position)
    return (*ASSUMPTIONS, *matcher.assumptions)


def prove_programs(source: Program, target: Program, options: ValidationOptions) -> Validation:
    """Prove two extracted programs equal; raises ``Violation`` or ``Unsupported`` if it fails."""
    run = _Run(Solver(resource_limit=options.resource_limit))
    assumptions = _prove(_analyse(source, run.solver), target, run)
    return _verdict(run, "proved", assumptions=assumptions)


def _refute(
    prepared: PreparedSource,
    target: ModuleOp,
    violation: Violation,
    run: _Run,
    options: ValidationOptions,
) -> Validation:
    """A failed obligation becomes a refutation only with inputs on which the programs differ."""
    found = None
    reason = str(violation)
    if options.counterexamples:
        suspicion = _suspicion(prepared, violation, run)
        try:
            found = find_counterexample(
                prepared.module, target, prepared.config, suspicion, options.seed
            )
        except Unsupported as error:
            reason += f"; no replay: {error}"
    verdict: Verdict = "refuted" if found is not None else "unknown"
    if found is None and violation.model is not None and options.counterexamples:
        reason = f"internal: refutation did not replay: {reason}"
    return _verdict(
        run,
        verdict,
        reason=reason,
        counterexample=found,
        instruction=describe(violation.origin),
    )


def _suspicion(prepared: PreparedSource, violation: Violation, run: _Run) -> Suspicion:
    """What the failed proof says about inputs that would show the difference."""
    for slot, value in violation.witness:
        kind, key = slot_kind(slot)
        if kind == "sum" and isinstance(key, tuple):
            source = prepared.analysed
            final = next(iter(source.program.outputs.values()))
            points = source.summands.of_first_element(final, *key)
            summands = tuple(Summand(shape, subscripts) for shape, subscripts in points)
            return Suspicion(tuple(run.differences), summands, value)
    return Suspicion(tuple(run.differences))


def _verdict(
    run: _Run,
    verdict: Verdict,
    *,
    assumptions: tuple[str, ...] = ASSUMPTIONS,
    reason: str = "",
    counterexample: Counterexample | None = None,
    instruction: str = "",
) -> Validation:
    return Validation(
        verdict,
        assumptions,
        run.solver.queries,
        "z3",
        time.perf_counter() - run.start,
        run.solver.seconds,
        counterexample,
        reason,
        instruction,
    )
