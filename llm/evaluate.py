"""Evaluate one proposal: lower a kernel with a pipeline and count its cycles.

Every function here is a pure function of text, so that any ``concurrent.futures.Executor`` can run
it in any process: same text, same result. A worker remembers the programs after the prefixes of the
last pipelines, because proposals of one beam share most of their passes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache, lru_cache

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import (
    ArgSpecParseError,
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

MAX_OPERATIONS = 20_000
"""Operations that a proposal may grow a program to; more is a resource bomb, not a schedule."""

PREFIXES_KEPT = 64
TIMINGS_KEPT = 1024

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

    @property
    def name(self) -> str:
        """What tells this proposal from others: its pipeline, or kind and hash of its program."""
        if not self.text:
            return self.pipeline
        digest = hashlib.sha256(f"{self.text} {self.pipeline}".encode()).hexdigest()[:12]
        return f"{self.kind}:{digest}"


@cache
def shared_context() -> Context:
    return new_context()


@lru_cache(maxsize=8)
def _parse(text: str) -> ModuleOp:
    return Parser(shared_context(), text).parse_module()


_prefixes: OrderedDict[tuple[str, tuple[str, ...]], ModuleOp] = OrderedDict()


def parse_pipeline(pipeline: str) -> tuple[ModulePass, ...]:
    """The passes that a pipeline string names; raises ``ValueError`` where it names none."""
    try:
        return PassPipeline.parse_spec(universe().all_passes, pipeline).passes
    except ArgSpecParseError as error:  # not an Exception, so nobody would catch it
        raise ValueError(str(error)) from error


def lower(tensor_ir: str, passes: tuple[ModulePass, ...]) -> ModuleOp:
    """The program after ``passes``; the result is shared, so clone it before changing it."""
    specs = tuple(str(instance.spec()) for instance in passes)
    for length in range(len(passes), 0, -1):
        module = _prefixes.get((tensor_ir, specs[:length]))
        if module is not None:
            _prefixes.move_to_end((tensor_ir, specs[:length]))
            break
    else:
        length, module = 0, _parse(tensor_ir)
    for position in range(length, len(passes)):
        module = module.clone()
        passes[position].apply(shared_context(), module)
        if sum(1 for _ in module.walk()) > MAX_OPERATIONS:
            raise PassFailedException(f"{specs[position]}: over {MAX_OPERATIONS} operations")
        _prefixes[tensor_ir, specs[: position + 1]] = module
        if len(_prefixes) > PREFIXES_KEPT:
            _prefixes.popitem(last=False)
    return module


def evaluate(problem: Problem, pipeline: str) -> Outcome:
    """Lower with ``pipeline`` and simulate the timing; never raises for a fault of the proposal."""
    try:
        module = lower(problem.tensor_ir, parse_pipeline(pipeline))
        module.verify()
        digest = hashlib.sha256(str(module).encode()).hexdigest()[:16]
        cycles, bound = _timing(problem, module, digest)
    except Rejection as error:
        return Outcome(pipeline, None, diagnostic=str(error))
    if cycles < bound:
        return Outcome(pipeline, None, digest=digest, diagnostic="cycles below the lower bound")
    return Outcome(pipeline, cycles, bound, digest)


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
