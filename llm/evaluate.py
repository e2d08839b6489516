"""Evaluate one proposal: lower a kernel with a pipeline and count its cycles.

Every function here is a pure function of text, so that any ``concurrent.futures.Executor`` can run
it in any process: same text, same result. Equal programs are lowered and timed once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import (
    DiagnosticException,
    ParseError,
    PassFailedException,
)

from ..diagnostics import Diagnostic
from ..dialects.context import new_context, universe
from ..hw.gemmini.config import load_config
from ..hw.gemmini.lower_bound import bound_program
from ..hw.gemmini.timing import Level, simulate_timing
from ..hw.gemmini.unroll import stream_of_module
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

    @property
    def name(self) -> str:
        """What tells this proposal from others: its pipeline, or kind and hash of its program."""
        if not self.text:
            return self.pipeline
        digest = hashlib.sha256(f"{self.text} {self.pipeline}".encode()).hexdigest()[:12]
        return f"{self.kind}:{digest}"


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
    cycles, bound = _timing(problem, module, digest)
    if cycles < bound:
        return Outcome("", None, digest=digest, diagnostic="cycles below the lower bound")
    return Outcome("", cycles, bound, digest)


def _digest(module: ModuleOp) -> str:
    return hashlib.sha256(str(module).encode()).hexdigest()[:16]


_timings: OrderedDict[tuple[Problem, str], tuple[int, int]] = OrderedDict()


def _timing(problem: Problem, module: ModuleOp, digest: str) -> tuple[int, int]:
    """Cycles and lower bound of a lowered program; equal programs are simulated once."""
    known = _timings.get((problem, digest))
    if known is not None:
        return known
    config = load_config(problem.config)
    stream, _ = stream_of_module(module, config)
    result = simulate_timing(
        stream,
        config,
        level=problem.level,
        memory_latency=problem.memory_latency,
        dram_latency=problem.dram_latency,
        warm=problem.warm,
    )
    cold = problem.level == "soc" and not problem.warm
    bound = bound_program(result.program, config, cold=cold)
    _timings[problem, digest] = result.cycles, bound.cycles
    if len(_timings) > TIMINGS_KEPT:
        _timings.popitem(last=False)
    return result.cycles, bound.cycles


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
