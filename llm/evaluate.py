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
from ..hw.gemmini.timing import Level, simulate_timing
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

    @property
    def name(self) -> str:
        """What tells this proposal from others: its pipeline, or kind and hash of its program."""
        if not self.text:
            return self.pipeline
        digest = hashlib.sha256(f"{self.text} {self.pipeline}".encode()).hexdigest()[:12]
        return f"{self.kind}:{digest}"

    @property
    def cycles_text(self) -> str:
        """The cycles as people read them; an estimate is marked as one."""
        return f"{'≈' if self.is_estimate else ''}{self.cycles:,}"


def evaluate(problem: Problem, pipeline: str) -> Outcome:
    """Lower with ``pipeline`` and simulate the timing; never raises for a fault of the proposal."""
    try:
        passes = parse_pipeline(pipeline)
        schedule = schedule_of(passes)
        tiles = scheduled(problem.tensor_ir, schedule)
        rest = passes[len(schedule) :]
        key = f"{_digest(tiles)} {','.join(str(each.spec()) for each in rest)}"
        outcome = _outcomes.get((problem, key))
        if outcome is None:
            outcome = time_program(problem, finished(tiles, rest) if rest else tiles)
    except Rejection as error:
        return Outcome(pipeline, None, diagnostic=str(error))
    _outcomes[problem, key] = outcome
    if len(_outcomes) > OUTCOMES_KEPT:
        _outcomes.popitem(last=False)
    return replace(outcome, pipeline=pipeline)


_outcomes: OrderedDict[tuple[Problem, str], Outcome] = OrderedDict()
"""What became of tile programs and what follows; many schedules give the same one."""


def time_program(problem: Problem, module: ModuleOp) -> Outcome:
    """Cycles and bound of a lowered program; its pipeline is for the caller to say."""
    module.verify()
    digest = _digest(module)
    timing = _timing(problem, module, digest)
    if timing.cycles < timing.bound and not timing.is_estimate:
        return Outcome("", None, digest=digest, diagnostic="cycles below the lower bound")
    return Outcome("", timing.cycles, timing.bound, digest, is_estimate=timing.is_estimate)


@dataclass(frozen=True)
class _Timing:
    cycles: int
    bound: int
    is_estimate: bool = False


def _digest(module: ModuleOp) -> str:
    return hashlib.sha256(str(module).encode()).hexdigest()[:16]


_timings: OrderedDict[tuple[Problem, str], _Timing] = OrderedDict()


def _timing(problem: Problem, module: ModuleOp, digest: str) -> _Timing:
    """Cycles and lower bound of a lowered program; equal programs are simulated once."""
    known = _timings.get((problem, digest))
    if known is None:
        known = _timings[problem, digest] = _counted(problem, module)
        if len(_timings) > TIMINGS_KEPT:
            _timings.popitem(last=False)
    return known


def _counted(problem: Problem, module: ModuleOp) -> _Timing:
    config = load_config(problem.config)
    options = _Machine(
        level=problem.level,
        memory_latency=problem.memory_latency,
        dram_latency=problem.dram_latency,
        warm=problem.warm,
    )
    if problem.estimates:
        function = kernel_function(module)
        layout = place_arrays(function)
        if is_long(function, config, layout):
            estimate = estimate_timing(function, config, layout, **options)
            return _Timing(estimate.cycles, estimate.compute_bound, is_estimate=True)
    stream, _ = stream_of_module(module, config)
    result = simulate_timing(stream, config, **options)
    cold = problem.level == "soc" and not problem.warm
    return _Timing(result.cycles, bound_program(result.program, config, cold=cold).cycles)


class _Machine(TypedDict):
    """How a simulation is set up."""

    level: Level
    memory_latency: int
    dram_latency: int | None
    warm: bool


__all__ = [
    "MAX_OPERATIONS",
    "Outcome",
    "Problem",
    "Rejection",
    "evaluate",
    "lower",
    "new_context",
    "parse_pipeline",
    "shared_context",
    "time_program",
    "universe",
]
