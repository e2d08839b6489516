"""The main job as a library call: parse, lift, search, validate, emit.

``optimize`` is what ``liftproof optimize`` and ``liftproof compile`` run; each stage is reported to
a ``Listener`` as it ends, so that a terminal, a test or a server can follow.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict

from xdsl.dialects.builtin import ModuleOp

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import load_config
from ..hw.gemmini.estimate import is_long
from ..hw.gemmini.long_timing import can_be_long, simulate_long
from ..hw.gemmini.lower_bound import bound_program
from ..hw.gemmini.memory import place_arrays
from ..hw.gemmini.timing import Level, Totals, explain, explain_totals, simulate_timing
from ..hw.gemmini.unroll import kernel_function, unroll
from ..lifting.c.affine import check_affine
from ..lifting.c.frontend import parse_c_kernel
from ..lifting.prove import LiftResult
from ..llm.advice import ModelOptions
from ..llm.evaluate import Outcome, Problem, lower, parse_pipeline
from ..llm.library import Entry, Library
from ..llm.proposal import restore
from ..llm.rule_library import keep_rule, known_rules
from ..llm.search import Certify, NothingProvedError, Search, SearchState
from ..llm.session import Session, open_session
from ..passes.statements import SEPARATOR
from ..validation.core.checker import Violation
from ..validation.core.polyhedral import Unsupported
from ..validation.decide import decide
from ..validation.trace.api import validate_unrolled
from ..validation.validate import PreparedSource, Validation, prepare
from .read import read_c
from .routes import NOT_LOWERED, Joined, Part, Route, find_route
from .rule_report import rules_report


@dataclass(frozen=True)
class OptimizeOptions:
    """What the user may choose; the defaults are those of the command line."""

    config: str = "gemmini-16x16-int8"
    level: Level = "soc"
    budget: int = 64
    seed: int = 0
    pipeline: str | None = None
    """A fixed pipeline instead of a search."""
    dram_latency: int | None = None
    warm: bool = False
    models: ModelOptions | None = None
    """Language models that propose too; None searches without any."""
    jobs: int = 1
    """Processes that check what models propose."""
    library: Path | None = None
    """A file of schedules, from which the search starts and to which it adds its own."""


class Listener:
    """Told of each stage; the default hears nothing."""

    def stage(self, name: str, text: str) -> None:
        """Stage ``name`` has ended; ``text`` is one line for people."""

    def searching(self, state: SearchState, budget: int) -> None:
        """One more proposal was evaluated."""


@dataclass(frozen=True)
class Result:
    """An accepted program and everything that is known about it."""

    kernel: str
    source: str
    options: OptimizeOptions
    lifted: LiftResult
    program: ModuleOp
    timing: Totals
    commands: int
    """Commands that the core sends, fences among them."""
    best: Outcome
    """The whole program; where it has several parts, the pipelines of all of them."""
    proposals: tuple[Outcome, ...]
    """Programs that a model wrote and that are part of it."""
    baseline_cycles: int
    outcomes: tuple[Outcome, ...]
    """Everything that was tried, one part after the other."""
    evaluated: int
    rejected: int
    validation: Validation
    ideal_cycles: float
    """Multiply-accumulates of the kernel divided by the array's cells."""
    seconds: float
    explanation: str
    stage_seconds: dict[str, float] = field(default_factory=dict[str, float])
    proposer: dict[str, Any] = field(default_factory=lambda: {"name": "offline"})
    """Who proposed, what it used, and what became of its proposals."""
    baseline_is_estimate: bool = False
    """Whether the baseline is too long to be simulated in full."""

    @property
    def utilization(self) -> float:
        return self.ideal_cycles / self.timing.cycles

    def report(self) -> dict[str, Any]:
        """The JSON object of the command-line contract (``files`` is added by the writer)."""
        return {
            "kernel": self.kernel,
            "target": "gemmini",
            "config": self.options.config,
            "level": self.options.level,
            "verdict": self.validation.verdict,
            "assumptions": list(self.validation.assumptions),
            "obligations": self.validation.obligations,
            "baseline_cycles": self.baseline_cycles,
            "baseline_is_estimate": self.baseline_is_estimate,
            "best_cycles": self.timing.cycles,
            "lower_bound_cycles": self.best.lower_bound,
            "utilization": round(self.utilization, 4),
            "core_cycles": self.timing.core_cycles,
            "speedup": round(self.baseline_cycles / self.timing.cycles, 3),
            "commands": self.commands,
            "pipeline": self.best.pipeline,
            "patterns": rules_report(self.best.pipeline, self.options.config),
            "evaluated": self.evaluated,
            "rejected": self.rejected,
            "proposal": self.proposals[0].kind if self.proposals else self.best.kind,
            "proposer": self.proposer,
            "explanation": self.explanation,
            "seed": self.options.seed,
            "budget": self.options.budget,
            "input_sha256": hashlib.sha256(self.source.encode()).hexdigest(),
            "version": version("liftproof"),
            "seconds": round(self.seconds, 2),
            "stage_seconds": {name: round(s, 3) for name, s in self.stage_seconds.items()},
        }


def optimize(
    path: str,
    options: OptimizeOptions,
    executor: Executor,
    listener: Listener | None = None,
    session: Session | None = None,
) -> Result:
    """Turn the C kernel at ``path`` into a proven program.

    ``executor`` evaluates proposals: any ``concurrent.futures.Executor`` does, and the result is
    the same for all. Kernels that share a ``session`` share the models' budget, and the rules that
    were proved.

    Raises ``Diagnostic`` where the kernel is not accepted, cannot be lifted or lowered, or where no
    program could be proven.
    """
    if session is None and options.models is not None:
        session = open_session(options.models)
    return _Job(path, options, executor, listener or Listener(), session).run()


class _Machine(TypedDict):
    """How a simulation is set up."""

    level: Level
    dram_latency: int | None
    warm: bool


@dataclass(frozen=True)
class _Measured:
    timing: Totals
    commands: int
    lower_bound: int
    explanation: str

    def replacing_estimate(self, outcome: Outcome) -> Outcome:
        """The outcome with what was measured, if its cycles were only an estimate."""
        if not outcome.is_estimate:
            return outcome
        cycles, bound = self.timing.cycles, self.lower_bound
        return replace(outcome, cycles=cycles, lower_bound=bound, is_estimate=False)


class _Job:
    def __init__(
        self,
        path: str,
        options: OptimizeOptions,
        executor: Executor,
        listener: Listener,
        session: Session | None,
    ) -> None:
        self.path = path
        self.options = options
        self.executor = executor
        self.listener = listener
        self.session = session
        self.config = load_config(options.config)
        self.started = self.last = time.perf_counter()
        self.stage_seconds: dict[str, float] = {}
        self.proposer: dict[str, Any] = {"name": "offline"}

    def run(self) -> Result:
        source = read_c(self.path)
        loops = parse_c_kernel(source, self.path)
        check_affine(loops)
        self._ended("parse", signature(loops))
        problem = self._problem()
        route = self._route(loops, problem)
        prepared = self._prepare(loops)
        proofs: dict[str, Validation] = {}
        """What the search proved of this kernel, by pipeline."""
        searches = self._searches(route, prepared, proofs)
        found = [_best(search) for search in searches]
        joined = self._join(route, problem, found)
        validation = proofs.get(joined.outcome.pipeline)
        if validation is None:
            validation = decide(prepared, joined.program, config=self.config)
        if validation.verdict == "unknown" and route.statements:
            found, joined, validation = self._proved_together(route, problem, prepared, found)
        self._ended("validate", describe_validation(validation))
        if validation.verdict != "proved":
            raise Diagnostic(f"{self.path}: {validation.verdict}: {validation.reason}")
        measured = self._measured(joined.program)
        best = measured.replacing_estimate(joined.outcome)
        for part, outcome in zip(route.parts, found, strict=True):
            self._keep(part.problem, outcome if route.statements else best)
        return Result(
            kernel=Path(self.path).stem,
            source=source,
            options=self.options,
            lifted=route.lifted,
            program=joined.program,
            timing=measured.timing,
            commands=measured.commands,
            best=best,
            proposals=tuple(best for best in found if best.text),
            baseline_cycles=route.baseline.cycles or 0,
            baseline_is_estimate=route.baseline.is_estimate,
            outcomes=tuple(outcome for search in searches for outcome in search.outcomes),
            evaluated=sum(search.evaluated for search in searches),
            rejected=sum(search.rejected for search in searches),
            validation=validation,
            ideal_cycles=route.multiplications / self.config.dim**2,
            seconds=time.perf_counter() - self.started,
            explanation=measured.explanation,
            stage_seconds=self.stage_seconds,
            proposer=self.proposer,
        )

    def _problem(self) -> Problem:
        """What all searches have in common; each fills in its tensor program."""
        return Problem(
            "",
            self.options.config,
            self.options.level,
            self.options.dram_latency,
            warm=self.options.warm,
            estimates=True,
        )

    def _searches(
        self, route: Route, prepared: PreparedSource, proofs: dict[str, Validation]
    ) -> list[SearchState]:
        """One search for each part; those of statements prove against their own source."""
        count = len(route.parts)
        return [
            self._search(part, self._prepare(part.source), {}, number, count)
            if route.statements
            else self._search(part, prepared, proofs, number, count)
            for number, part in enumerate(route.parts)
        ]

    def _is_long(self, program: ModuleOp) -> bool:
        function = kernel_function(program)
        return is_long(function, self.config, place_arrays(function))

    def _measured(self, program: ModuleOp) -> _Measured:
        """The program's cycles, simulated in full."""
        function, config, options = kernel_function(program), self.config, self.options
        layout = place_arrays(function)
        machine = _Machine(
            level=options.level, dram_latency=options.dram_latency, warm=options.warm
        )
        if can_be_long(function) and is_long(function, config, layout):
            long = simulate_long(function, config, layout, **machine)
            # The traffic over the memory bus is explained by the cache's misses.
            bound = replace(long.bound, dram=0)
            text = explain_totals(long, bound, long.traffic, config)
            return _Measured(long, long.sent, long.bound.cycles, text)
        stream = unroll(function, config, layout)
        timing = simulate_timing(stream, config, **machine)
        cold = options.level == "soc" and not options.warm
        bound = bound_program(timing.program, config, cold=cold)
        text = explain(timing, stream, config, layout)
        return _Measured(timing, len(stream), bound.cycles, text)

    def _join(self, route: Route, problem: Problem, found: Sequence[Outcome]) -> Joined:
        """The program of the kernel from what was found for its parts."""
        parts = zip(route.parts, found, strict=True)
        programs = [self._program(part.problem, best) for part, best in parts]
        return route.join(problem, found, programs)

    def _proved_together(
        self, route: Route, problem: Problem, prepared: PreparedSource, best: Sequence[Outcome]
    ) -> tuple[list[Outcome], Joined, Validation]:
        """The untuned parts, with as many of the best ones as are proved together, in turn.

        Each part is proved by itself, but what connects them may be too much for the proof.
        """
        found = [part.baseline for part in route.parts]
        joined = self._join(route, problem, found)
        validation = decide(prepared, joined.program, config=self.config)
        for number, outcome in enumerate(best):
            if validation.verdict != "proved":
                break
            mixed = [*found[:number], outcome, *found[number + 1 :]]
            tuned = self._join(route, problem, mixed)
            verdict = decide(prepared, tuned.program, config=self.config)
            if verdict.verdict == "proved":
                found, joined, validation = mixed, tuned, verdict
        return found, joined, validation

    def _program(self, problem: Problem, best: Outcome) -> ModuleOp:
        if best.text:
            return restore(problem, best.program)
        return lower(problem.tensor_ir, parse_pipeline(best.pipeline))

    def _route(self, loops: ModuleOp, problem: Problem) -> Route:
        route = find_route(self.path, loops, problem)
        lifted = route.lifted
        self._ended("lift", f"{lifted.summary:<28} {lifted.verdict} {lifted.method}")
        for part in route.parts:
            if (why := part.why_on_core) is not None:
                self._ended("core", f"does a part itself: {_place_and_reason(why)}")
        return route

    def _prepare(self, loops: ModuleOp) -> PreparedSource:
        try:
            return prepare(loops, self.config)
        except (Unsupported, Violation) as error:
            raise Diagnostic(f"{self.path}: cannot be validated: {error}") from error

    def _search(
        self,
        part: Part,
        prepared: PreparedSource,
        proofs: dict[str, Validation],
        number: int,
        count: int,
    ) -> SearchState:
        """Search for the best program of part ``number``; each has an equal share of the budget."""
        problem = part.problem
        budget = max(1, self.options.budget // count)
        similar = self._similar(problem)
        if self.options.pipeline is not None:
            budget, first = 1, [self._given_pipeline(self.options.pipeline, number, count)]
        else:
            first = self._first(part, similar)

        def progress(state: SearchState) -> None:
            self.listener.searching(state, budget)

        try:
            if self.session is None:
                certify = self._certify(problem, prepared, proofs)
                search = Search(
                    problem, certify, self.executor, budget, self.options.seed, progress
                )
                state = search.run(first)
            else:
                state = self._advised_search(part, budget, first, similar, progress)
        except NothingProvedError as error:
            reason = str(error).removeprefix("error: ")
            raise Diagnostic(f"{self.path}: no program could be accepted: {reason}") from error
        candidates = f"{state.evaluated}/{budget} candidates"
        which = f"   product {number + 1} of {count}" if count > 1 else ""
        self._ended("search", f"{candidates}   best {_best(state).cycles_text} cycles{which}")
        return state

    def _given_pipeline(self, text: str, number: int, count: int) -> str:
        """The pipeline for one part: one for all of them, or its own."""
        pipelines = [pipeline.strip() for pipeline in text.split(SEPARATOR.strip())]
        if len(pipelines) not in (1, count):
            raise Diagnostic(
                f"{self.path}: {len(pipelines)} pipelines for {count} products",
                hint=f"give one for all, or one for each with '{SEPARATOR.strip()}' in between",
            )
        return pipelines[number if len(pipelines) > 1 else 0]

    def _similar(self, problem: Problem) -> list[Entry]:
        """Schedules of similar kernels, if there is a library."""
        if self.options.library is None:
            return []
        return Library(self.options.library).nearest(problem)

    def _first(self, part: Part, similar: Sequence[Entry]) -> Iterable[str]:
        """The schedules that the search starts from: known ones, then those made for the kernel."""
        return chain((entry.pipeline for entry in similar), part.first())

    def _keep(self, problem: Problem, best: Outcome) -> None:
        """Add a proven schedule to the library."""
        if self.options.library is not None and not best.text and best.cycles is not None:
            Library(self.options.library).add(
                problem, best.pipeline, best.cycles, best.lower_bound, version("liftproof")
            )

    def _certify(
        self, problem: Problem, prepared: PreparedSource, proofs: dict[str, Validation]
    ) -> Certify:
        def certify(pipeline: str) -> str:
            program = lower(problem.tensor_ir, parse_pipeline(pipeline))
            validation = None
            if not self._is_long(program):
                # The sizes of a search are numbers, and the symbolic run is the faster engine.
                validation = validate_unrolled(prepared, program, self.config)
            if validation is None or validation.verdict == "unknown":
                validation = decide(prepared, program, config=self.config)
                proofs[pipeline] = validation
            if validation.verdict == "proved":
                return ""
            return f"{validation.verdict}: {validation.reason}"

        return certify

    def _advised_search(
        self,
        part: Part,
        budget: int,
        first: Iterable[str],
        similar: Sequence[Entry],
        progress: Callable[[SearchState], None],
    ) -> SearchState:
        """Search with language models, on a copy of the kernel without the user's names."""
        from ..llm.advised import Advice

        session, problem = self.session, part.problem
        assert session is not None
        assert part.baseline.cycles is not None
        self._offer_rules(session, problem)
        cycles, seed = part.baseline.cycles, self.options.seed
        advice = Advice(session, problem, str(part.source), cycles, seed, similar)
        prepared = self._prepare(advice.source())
        with advice.opened(self.executor, self.options.jobs) as (guide, examine):
            search = Search(
                advice.problem,
                self._certify(advice.problem, prepared, {}),
                self.executor,
                budget,
                self.options.seed,
                progress,
                guide,
                examine,
            )
            try:
                state = search.run(first)
            finally:
                self.proposer = advice.report()
                self._keep_rules(session, problem)
        self.listener.stage("proposer", advice.summary())
        return state

    def _offer_rules(self, session: Session, problem: Problem) -> None:
        """Put the rules of the library on the shelf."""
        if self.options.library is not None:
            for rule in known_rules(Library(self.options.library), problem.config):
                session.shelf.add(rule)

    def _keep_rules(self, session: Session, problem: Problem) -> None:
        """Add the rules that were proved to the library."""
        if self.options.library is not None:
            for rule in session.shelf.rules.values():
                keep_rule(Library(self.options.library), rule, problem.config, version("liftproof"))

    def _ended(self, name: str, text: str) -> None:
        now = time.perf_counter()
        self.stage_seconds[name] = now - self.last
        self.last = now
        self.listener.stage(name, f"{text}   {self.stage_seconds[name]:.1f} s")


def _best(search: SearchState) -> Outcome:
    assert search.best is not None
    return search.best


def _place_and_reason(why: Diagnostic) -> str:
    """Where a kernel asks for what the accelerator cannot do, why, and what it could do."""
    place = f"{why.location.file}:{why.location.line}: " if why.location is not None else ""
    return f"{place}{why.message.removeprefix(NOT_LOWERED)}" + (f"; {why.hint}" if why.hint else "")


def signature(loops: ModuleOp) -> str:
    """One line that names the kernel and its parameters as the C source declares them."""
    for operation in loops.body.ops:
        names = operation.attributes.get("liftproof.parameters")
        types = operation.attributes.get("liftproof.c_types")
        name = operation.get_attr_or_prop("sym_name")
        if names is not None and types is not None and name is not None:
            pairs = zip(names, types, strict=True)  # pyright: ignore[reportArgumentType]
            return f"{name.data}: " + ", ".join(f"{n.data}: {t.data}" for n, t in pairs)  # pyright: ignore
    return "kernel"


def describe_validation(validation: Validation) -> str:
    return (
        f"{validation.verdict} ({validation.obligations} obligations,"
        f" Z3 {validation.solver_seconds:.1f} s of {validation.seconds:.1f} s)"
    )
