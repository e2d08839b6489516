"""Check one proposal to the end: read, count, bound, conserve, prove.

``check`` is a pure function of text, made to run in a sandbox: it trusts nothing that it is given
but the kernel.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import load_config
from ..hw.gemmini.lower_bound import bound_program
from ..hw.gemmini.timing import explain, simulate_timing
from ..hw.gemmini.unroll import stream_of_module
from ..passes.pipelines import baseline_pipeline
from ..validation.decide import decide
from ..validation.validate import PreparedSource, Validation, prepare
from .evaluate import Outcome, Problem, Rejection, new_context
from .proposal import Program, Proposal, read_proposal
from .rule_placement import place_rule
from .untrusted_rule import prove_text
from .work import Work, necessary_work


@dataclass(frozen=True)
class Task:
    """The kernel that proposals are checked against."""

    problem: Problem
    source_ir: str
    """The user's kernel as loop IR: what ``equal`` means."""
    max_commands: int
    """Commands, or iterations at one place, that a proposal may have: each takes a cycle."""


def check(task: Task, proposal: Proposal) -> Outcome:
    """What becomes of ``proposal``; it has cycles only if it is proven equal to the kernel.

    A rewrite rule is proved by itself first, and then put where it helps most. A program that is
    too fast to be true is proven all the same: what is wrong with it says more than that its count
    cannot be right.
    """
    if proposal.kind == "pattern":
        return _check_rule(task, proposal)
    try:
        program = read_proposal(task.problem, proposal)
        outcome = _measure(task, proposal, program)
        validation = decide(_prepared(task), program.module, config=load_config(_config(task)))
    except (*Rejection, RecursionError) as error:
        return refused(proposal, _words(error))
    if validation.verdict != "proved":
        return refused(proposal, describe_failure(validation), outcome)
    return outcome


def _check_rule(task: Task, proposal: Proposal) -> Outcome:
    try:
        rule = prove_text(proposal.text, _config(task))
    except (*Rejection, RecursionError) as error:
        return refused(proposal, _words(error))
    placed = place_rule(task.problem, proposal.base, rule.text)
    if placed is None and not rule.is_closed:
        # The plain program has every kind of instruction in the usual order.
        placed = place_rule(task.problem, baseline_pipeline(_config(task)), rule.text)
    if placed is not None and placed.cycles is not None:
        return replace(check(task, Proposal("pipeline", placed.pipeline)), rule=rule)
    if rule.is_closed:
        reason = "the pattern is proved and on the menu, but changes nothing in this program"
        return replace(refused(proposal, reason), rule=rule)
    reason = placed.diagnostic if placed is not None else "the pattern matches nothing here"
    return refused(proposal, reason)


def refused(proposal: Proposal, reason: str, measured: Outcome | None = None) -> Outcome:
    """The outcome of a proposal that is not accepted."""
    pipeline = proposal.text if proposal.kind == "pipeline" else ""
    text = "" if proposal.kind == "pipeline" else proposal.text
    digest = measured.digest if measured is not None else ""
    return Outcome(pipeline, None, 0, digest, reason, proposal.kind, text)


def describe_failure(validation: Validation) -> str:
    """Why a program is not proven: the obligation in words, and inputs that show the difference."""
    words, found = f"{validation.verdict}: {validation.reason}", validation.counterexample
    if found is not None and not (found.fault and found.fault in words):
        words += f"; on a counterexample, {found.describe()}"
    return words


def _measure(task: Task, proposal: Proposal, program: Program) -> Outcome:
    """Cycles of the program, or why its count cannot be true."""
    problem, config = task.problem, load_config(_config(task))
    program.module.verify()
    text = str(program.module)
    stream, layout = stream_of_module(program.module, config, max_commands=task.max_commands)
    timing = simulate_timing(
        stream,
        config,
        level=problem.level,
        memory_latency=problem.memory_latency,
        dram_latency=problem.dram_latency,
        warm=problem.warm,
    )
    bound = bound_program(timing.program, config, cold=problem.level == "soc" and not problem.warm)
    own = "" if proposal.kind == "pipeline" else proposal.text
    outcome = Outcome(
        program.pipeline,
        timing.cycles,
        bound.cycles,
        hashlib.sha256(text.encode()).hexdigest()[:16],
        kind=proposal.kind,
        text=own,
        program=text if own else "",
        breakdown=explain(timing, stream, config, layout),
    )
    # What the core does itself is not counted as work.
    missing = "" if timing.core_cycles else _work(problem).missing(bound)
    if timing.cycles < bound.cycles:
        missing = f"{timing.cycles} cycles are below the lower bound of {bound.cycles}"
    if missing:
        return replace(outcome, cycles=None, diagnostic=f"not counted right: {missing}")
    return outcome


def _config(task: Task) -> str:
    return task.problem.config


def _words(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "the program is nested too deeply"
    return error.message if isinstance(error, Diagnostic) else str(error)


def _parse(text: str) -> ModuleOp:
    return Parser(new_context(), text).parse_module()


@lru_cache(maxsize=4)
def _prepared(task: Task) -> PreparedSource:
    return prepare(_parse(task.source_ir), load_config(_config(task)))


@lru_cache(maxsize=4)
def _work(problem: Problem) -> Work:
    return necessary_work(_parse(problem.tensor_ir))
