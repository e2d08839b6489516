"""Evaluate one proposal: lower a kernel with a pipeline and count its cycles.

Every function here is a pure function of text, so that any ``concurrent.futures.Executor`` can run
it in any process: same text, same result. Equal programs are lowered and timed once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypedDict

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import (
    DiagnosticException,
    ParseError,
    PassFailedException,
)

from ..diagnostics import Diagnostic
from ..dialects.context import new_context, universe
from ..hw.gemmini.config import load_config
from ..hw.gemmini.estimate import estimate_timing, is_long
from ..hw.gemmini.lower_bound import bound_program
from ..hw.gemmini.memory import place_arrays
from ..hw.gemmini.timing import Level
from ..hw.gemmini.timing.program import build_program
from ..hw.gemmini.timing.simulate import simulate_program
from ..hw.gemmini.unroll import kernel_function, stream_of_module
from ..hw.stream import StreamError
from .prefixes import (
    MAX_OPERATIONS,
    finished,
    lower,
    parse_pipeline,
    schedule_of,
    scheduled,
    shared_context,
)
from .proven_rule import ProvenRule

OUTCOMES_KEPT = 4096
TIMINGS_KEPT = 4096

Rejection = (
    Diagnostic,
    DiagnosticException,
    ParseError,
    PassFailedException,
    StreamError,
    ValueError,
)
"""Ways in which a proposal can be refused; anything else is a fault of ours and propagates."""


@dataclass(frozen=True)
class Problem:
    """What every proposal of one search starts from."""

    tensor_ir: str
    """The lifted kernel as MLIR text."""
    config: str
    """Name or path of the machine configuration."""
    level: Level = "soc"
    dram_latency: int | None = None
    memory_latency: int = 6
    warm: bool = False
    estimates: bool = False
    """Whether the cycles of long programs are estimated."""


@dataclass(frozen=True)
class Outcome:
    """What became of one proposal."""

    pipeline: str
    """The passes that lower the kernel; for a proposed program, those that lower that program."""
    cycles: int | None
    """None where the proposal was refused; ``diagnostic`` then says why."""
    lower_bound: int = 0
    digest: str = ""
    """Content hash of the lowered program: equal programs are evaluated once."""
    diagnostic: str = ""
    kind: str = "pipeline"
    """Kind of the proposal (see ``proposal``)."""
    text: str = ""
    """The proposed program, where the proposal is not just a pipeline."""
    program: str = ""
    """That program as ISA IR."""
    breakdown: str = ""
    """Where the cycles went, for whoever proposes next; only for proposals that are checked."""
    rule: ProvenRule | None = None
    """A rewrite rule that was proposed and proved, whatever came of the program."""
    is_estimate: bool = False
    """Whether ``cycles`` is an estimate."""
    is_least: bool = False
    """Whether it takes ``cycles`` or more: nobody needed to know how many more."""

    @property
    def name(self) -> str:
        """What tells this proposal from others: its pipeline, or kind and hash of its program."""
        if not self.text:
            return self.pipeline
        digest = hashlib.sha256(f"{self.text} {self.pipeline}".encode()).hexdigest()[:12]
        return f"{self.kind}:{digest}"

    @property
    def is_simulated(self) -> bool:
        """Whether it took a simulation to know the cycles, as the bound did not say enough."""
        return self.cycles is not None and not (self.is_least and self.lower_bound >= self.cycles)

    @property
    def cycles_text(self) -> str:
        """The cycles as people read them; an estimate is marked as one."""
        return f"{'≈' if self.is_estimate else ''}{self.cycles:,}"


def evaluate(problem: Problem, pipeline: str, limit: int | None = None) -> Outcome:
    """Lower with ``pipeline`` and simulate the timing; never raises for a fault of the proposal.

    Of a program that takes ``limit`` cycles or more, this is all that is found out.
    """
    try:
        passes = parse_pipeline(pipeline)
        schedule = schedule_of(passes)
        tiles = scheduled(problem.tensor_ir, schedule)
        rest = passes[len(schedule) :]
        key = f"{_digest(tiles)} {','.join(str(each.spec()) for each in rest)}"
        outcome = _outcomes.get((problem, key))
        if outcome is None or not _says_enough(outcome, limit):
            outcome = time_program(problem, finished(tiles, rest) if rest else tiles, limit)
    except Rejection as error:
        return Outcome(pipeline, None, diagnostic=str(error))
    _outcomes[problem, key] = outcome
    if len(_outcomes) > OUTCOMES_KEPT:
        _outcomes.popitem(last=False)
    return cut(replace(outcome, pipeline=pipeline), limit)


def cut(outcome: Outcome, limit: int | None) -> Outcome:
    """What ``evaluate`` says with ``limit`` of a program that was evaluated without, or with more.

    What is known besides depends on what was evaluated before; the same is said wherever it was.
    """
    if limit is None or outcome.is_estimate or (outcome.cycles or 0) < limit:
        return outcome
    return replace(outcome, cycles=limit, is_least=True)


_outcomes: OrderedDict[tuple[Problem, str], Outcome] = OrderedDict()
"""What became of tile programs and what follows; many schedules give the same one."""


def time_program(problem: Problem, module: ModuleOp, limit: int | None = None) -> Outcome:
    """Cycles and bound of a lowered program; its pipeline is for the caller to say.

    Cycles from ``limit`` on need not be counted.
    """
    module.verify()
    digest = _digest(module)
    outcome = _timing(problem, module, digest, limit)
    is_exact = not (outcome.is_estimate or outcome.is_least)
    if is_exact and (outcome.cycles or 0) < outcome.lower_bound:
        return Outcome("", None, digest=digest, diagnostic="cycles below the lower bound")
    return outcome


def _says_enough(outcome: Outcome, limit: int | None) -> bool:
    """Whether an outcome answers what a search with this limit asks."""
    known = outcome.cycles or 0
    return not outcome.is_least or (limit is not None and known >= limit)


def _digest(module: ModuleOp) -> str:
    return hashlib.sha256(str(module).encode()).hexdigest()[:16]


_timings: OrderedDict[tuple[Problem, str], Outcome] = OrderedDict()


def _timing(problem: Problem, module: ModuleOp, digest: str, limit: int | None) -> Outcome:
    """Cycles and lower bound of a lowered program; equal programs are simulated once."""
    known = _timings.get((problem, digest))
    if known is None or not _says_enough(known, limit):
        known = _timings[problem, digest] = _counted(problem, module, digest, limit)
        if len(_timings) > TIMINGS_KEPT:
            _timings.popitem(last=False)
    return known


def _counted(problem: Problem, module: ModuleOp, digest: str, limit: int | None) -> Outcome:
    config = load_config(problem.config)
    options = _Machine(
        level=problem.level, memory_latency=problem.memory_latency, warm=problem.warm
    )
    if problem.dram_latency is not None:
        config = replace(config, dram_latency=problem.dram_latency)
    if problem.estimates:
        function = kernel_function(module)
        layout = place_arrays(function)
        if is_long(function, config, layout):
            estimate = estimate_timing(function, config, layout, **options)
            return Outcome("", estimate.cycles, estimate.compute_bound, digest, is_estimate=True)
    stream, _ = stream_of_module(module, config)
    program = build_program(stream, config, problem.level, problem.warm)
    cold = problem.level == "soc" and not problem.warm
    bound = bound_program(program, config, cold=cold).cycles
    if limit is not None and bound >= limit:
        return Outcome("", limit, bound, digest, is_least=True)
    result = simulate_program(program, config, **options, limit=limit)
    if result is None:
        return Outcome("", limit, bound, digest, is_least=True)
    return Outcome("", result.cycles, bound, digest)


class _Machine(TypedDict):
    """How a simulation is set up."""

    level: Level
    memory_latency: int
    warm: bool


__all__ = [
    "MAX_OPERATIONS",
    "Outcome",
    "Problem",
    "Rejection",
    "cut",
    "evaluate",
    "lower",
    "new_context",
    "parse_pipeline",
    "shared_context",
    "time_program",
    "universe",
]
