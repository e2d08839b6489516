"""Lifting through invariants: a summary of a kernel, proved by induction over its loops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import FuncOp

from ...validation.assumptions import ASSUMPTIONS, assumptions_of
from ...validation.core.smt import RESOURCE_LIMIT
from ...validation.execution.counterexample import Counterexample
from ...validation.extract.structured import single_function
from ...validation.validate import Verdict
from ..lift import output_positions
from ..results import with_result_as_output
from .check import Checker, LoopInvariant, Obligation, Proposer, Prover, derived
from .counterexample import find_difference
from .execution import Contents, Execution, Memory, OutOfReach
from .lemmas import inductive_lemmas
from .simplify import substitute
from .summary import (
    Output,
    Summary,
    extents_of,
    precondition_texts,
    preconditions_of,
    simplified,
    within,
)
from .terms import Term, same

FIRST_SIZES = 4
"""Combinations of sizes at which a stated summary is tried before it is proved."""
SIMPLE_LIMIT = 200_000
"""Resource units for a question that only makes a summary shorter."""


@dataclass(frozen=True)
class Proof:
    """A summary and what is known about its being what the kernel computes."""

    summary: Summary
    verdict: Verdict
    obligations: tuple[Obligation, ...]
    invariants: tuple[LoopInvariant, ...]
    assumptions: tuple[str, ...]
    seconds: float
    reason: str = ""
    """Why the verdict is not ``proved``."""
    counterexample: Counterexample | None = None

    @property
    def method(self) -> str:
        """For which sizes the verdict holds, and how it was found."""
        return "for all sizes, through invariants" if self.verdict == "proved" else "by invariants"


def summarise(module: ModuleOp, resource_limit: int = RESOURCE_LIMIT) -> Proof:
    """Find what a kernel computes from the recurrences of its loops, and prove it.

    Raises :class:`Diagnostic` for a kernel with something that has no closed form.
    """
    start = time.perf_counter()
    source = with_result_as_output(module)
    function = single_function(source)
    prover = Prover(resource_limit=resource_limit)
    checker = Checker(prover, derived)
    memory = Execution(checker.on_loop).run_function(function)
    summary = _simple(function, memory)
    return _conclude(source, summary, memory, checker, start)


def prove_summary(
    module: ModuleOp,
    summary: Summary,
    propose: Proposer = derived,
    resource_limit: int = RESOURCE_LIMIT,
) -> Proof:
    """Prove that ``summary`` is what the kernel computes, through invariants of its loops.

    ``module`` holds loops; its result must be an output (:func:`with_result_as_output`). Raises
    :class:`Diagnostic` where invariants are stated that cannot be read.
    """
    start = time.perf_counter()
    function = single_function(module)
    if (found := find_difference(module, summary, most_sizes=FIRST_SIZES)) is not None:
        reason = "kernel and summary were run, and differ"
        seconds = time.perf_counter() - start
        return Proof(summary, "refuted", (), (), assumptions(module), seconds, reason, found)
    prover = Prover(preconditions_of(function), resource_limit)
    checker = Checker(prover, propose)
    execution = Execution(checker.on_loop)
    try:
        memory = execution.run_function(function)
    except OutOfReach as problem:
        seconds, made = time.perf_counter() - start, tuple(prover.obligations)
        taken = assumptions(module)
        return Proof(summary, "unknown", made, (), taken, seconds, problem.message)
    return _conclude(module, summary, memory, checker, start, execution.path)


def _conclude(
    source: ModuleOp,
    summary: Summary,
    memory: Memory,
    checker: Checker,
    start: float,
    known: Sequence[Term] = (),
) -> Proof:
    """Compare the summary with the memory at the end, and sum up."""
    function, prover = single_function(source), checker.prover
    prover.preconditions = preconditions_of(function)
    for output in summary.outputs:
        final = memory[function.args[output.position]]
        names = dict(zip(final.formals, output.contents.formals, strict=True))
        inside = within(output.contents, extents_of(function, output.position))
        states = f"postcondition: '{summary.names[output.position]}' at the end"
        sides = substitute(final.body, names), output.contents.body
        _postcondition(prover, *sides, [*inside, *known], states)
    failed = [obligation for obligation in prover.obligations if not obligation.proved]
    found = find_difference(source, summary) if failed else None
    return Proof(
        summary,
        "proved" if not failed else "refuted" if found is not None else "unknown",
        tuple(prover.obligations),
        tuple(checker.invariants.values()),
        assumptions(source),
        time.perf_counter() - start,
        "; ".join(map(str, failed)),
        found,
    )


def _postcondition(
    prover: Prover, left: Term, right: Term, assumptions: Sequence[Term], states: str
) -> None:
    """Record whether both sides are the same, if need be by lemmas about their recurrences."""
    found = prover.attempt(same(left, right), assumptions, states)
    if not found.proved:
        premises = [*prover.preconditions, *assumptions]
        lemmas = inductive_lemmas(left, right, premises)
        if lemmas:
            conditions = [condition for condition, _ in lemmas]
            found = prover.attempt(same(left, right), [*assumptions, *conditions], states)
            prover.obligations += [made for _, made in lemmas] if found.proved else []
    prover.obligations.append(found)


def assumptions(source: ModuleOp) -> tuple[str, ...]:
    """What a proof about the kernel takes for granted, in words."""
    function = single_function(source)
    stated = (*ASSUMPTIONS, *assumptions_of(source), *precondition_texts(function))
    return tuple(dict.fromkeys(stated))


def _simple(function: FuncOp, memory: Memory) -> Summary:
    """The contents at the end as a summary, without what the extents decide."""
    outputs: list[Output] = []
    for position in output_positions(function):
        argument = function.args[position]
        assert isinstance(argument.type, MemRefType)
        final = memory[argument]
        inside = within(final, extents_of(function, position))
        premises = [*preconditions_of(function), *inside]
        body = simplified(final.body, premises, _implies)
        outputs.append(Output(position, Contents(final.formals, body)))
    return Summary(function, tuple(outputs))


def _implies(assumptions: Sequence[Term], condition: Term) -> bool:
    prover = Prover(resource_limit=SIMPLE_LIMIT)
    prover.require(condition, assumptions, "a choice that makes the summary shorter?")
    return prover.obligations[0].proved
