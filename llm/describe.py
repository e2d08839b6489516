"""What a proposer needs to see of a program: its text at several levels, and where cycles go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from ..hw.gemmini.config import load_config
from ..hw.gemmini.timing import explain, simulate_timing
from ..hw.gemmini.unroll import stream_of_module
from ..passes.emission.emit_c import emit_c
from ..passes.hoist_config import HoistConfigPass
from ..passes.place import PlacePass
from .evaluate import Outcome, Problem, Rejection, lower, parse_pipeline, shared_context, universe
from .moves import instances_after, is_on_menu
from .rule_placement import rule_places

PLACES = 2
"""Places of a pipeline for which instances of a pass are listed."""
LISTED = 6
"""Instances that are listed for one place."""


@dataclass(frozen=True)
class Description:
    """One program; texts are empty where it has no such form."""

    isa: str
    c: str
    tile: str
    breakdown: str


@lru_cache(maxsize=64)
def describe(problem: Problem, outcome: Outcome) -> Description:
    """The texts of an evaluated program and the breakdown of its cycles."""
    module = program_of(problem, outcome)
    tile = ""
    if outcome.kind == "pipeline":
        tile = _before(problem, parse_pipeline(outcome.pipeline), PlacePass.name)
    try:
        c = emit_c(module)
    except Rejection:
        c = ""
    breakdown = outcome.breakdown or _breakdown(problem, module)
    return Description(str(module), c, tile, breakdown)


def instructions(problem: Problem, pipeline: str) -> str:
    """The machine's instructions before they are cleaned up, where rewrite rules match best."""
    return _before(problem, parse_pipeline(pipeline), HoistConfigPass.name)


def program_of(problem: Problem, outcome: Outcome) -> ModuleOp:
    """The lowered program of an outcome; shared, so clone it before changing it."""
    if outcome.program:
        return Parser(shared_context(), outcome.program).parse_module()
    return lower(problem.tensor_ir, parse_pipeline(outcome.pipeline))


def _before(problem: Problem, passes: tuple[ModulePass, ...], name: str) -> str:
    """The program before the pass ``name``; empty where the pipeline has no such pass."""
    names = [instance.name for instance in passes]
    return str(lower(problem.tensor_ir, passes[: names.index(name)])) if name in names else ""


def _breakdown(problem: Problem, module: ModuleOp) -> str:
    config = load_config(problem.config)
    stream, layout = stream_of_module(module, config)
    timing = simulate_timing(
        stream,
        config,
        level=problem.level,
        memory_latency=problem.memory_latency,
        dram_latency=problem.dram_latency,
        warm=problem.warm,
    )
    return explain(timing, stream, config, layout)


@lru_cache(maxsize=256)
def instance_lines(problem: Problem, pipeline: str, pass_name: str) -> tuple[str, ...]:
    """Instances of a pass that apply in a pipeline, one line for each place."""
    passes = parse_pipeline(pipeline)
    pass_type = universe().all_passes[pass_name]()
    if not is_on_menu(pass_type):
        return ()
    found: list[str] = []
    for position in _places(passes, pass_type):
        try:
            listed = instances_after(problem.tensor_ir, passes[:position], pass_type)[:LISTED]
        except Rejection:
            break
        if listed:
            before = passes[position - 1].spec() if position else "the start"
            texts = "; ".join(str(instance.spec()) for instance in listed)
            found.append(f"behind {before}: {texts}")
    return tuple(found)


@lru_cache(maxsize=64)
def rule_lines(problem: Problem, pipeline: str, rule: str) -> tuple[str, ...]:
    """Places of a pipeline at which a rewrite rule matches something, one a line."""
    passes = parse_pipeline(pipeline)
    places = rule_places(problem, passes, rule)
    return tuple(f"behind {passes[place - 1].spec()}" for place in places)


def _places(passes: tuple[ModulePass, ...], pass_type: type[ModulePass]) -> Iterator[int]:
    """Where the pass stands already, then places spread over the pipeline."""
    here = [n for n, instance in enumerate(passes) if type(instance) is pass_type][:PLACES]
    step = max(1, len(passes) // PLACES)
    others = [n for n in range(1, len(passes), step) if n not in here]
    yield from sorted((here + others)[:PLACES])
