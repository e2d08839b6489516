"""How a kernel is taken to the machine: as lifted tensor programs, or as a chain of products.

A kernel is lifted to tensors, and each of its contractions is scheduled on tiles by itself. What is
no sequence of contractions (recurrences over time) stays as loops and is lowered as a chain of
small products, on machines that compute in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from xdsl.dialects import memref
from xdsl.dialects.builtin import DenseArrayBase, MemRefType, ModuleOp, TensorType
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import load_config
from ..lifting.loops.evaluate import location_of
from ..lifting.prove import LiftResult, lift_and_prove
from ..llm.evaluate import Outcome, Problem, evaluate, lower, parse_pipeline, time_program
from ..llm.work import multiply_accumulates
from ..passes.chains.pipelines import (
    as_product_kernel,
    product_baseline,
    product_multiplications,
    product_pipelines,
)
from ..passes.contraction import OUTPUTS
from ..passes.kernel import Refusal, kernel_of
from ..passes.lower_to_core import is_for_core
from ..passes.pipelines import core_pipeline, first_pipelines, untuned_pipeline
from ..passes.pooling.read import pooling_of
from ..passes.statements import SEPARATOR, Statement, join_programs, split_statements

NOT_LOWERED = "cannot be lowered: "


@dataclass(frozen=True)
class Part:
    """A kernel, or one statement of it: what schedules are searched for."""

    source: ModuleOp
    """What its programs are proved equal to."""
    problem: Problem
    baseline: Outcome
    first: Callable[[], Iterable[str]]
    """Makes the pipelines to begin with, each when it is asked for."""
    why_on_core: Diagnostic | None = None
    """Why the core does it, and what the accelerator could do instead."""


@dataclass(frozen=True)
class Route:
    """The kernel as passes take it, in parts that are joined in the end."""

    lifted: LiftResult
    parts: tuple[Part, ...]
    baseline: Outcome
    """The untuned program of all parts."""
    multiplications: int
    statements: tuple[Statement, ...] = ()
    """What the parts compute, if there are several."""

    def join(
        self, problem: Problem, best: Sequence[Outcome], programs: Sequence[ModuleOp]
    ) -> Joined:
        """The program of the kernel from those of its parts, and what is known about it.

        Raises ``PassFailedException`` if it cannot be timed.
        """
        if not self.statements:
            return Joined(programs[0], best[0])
        program = join_programs(self.lifted.module, self.statements, programs)
        pipeline = SEPARATOR.join(outcome.pipeline for outcome in best)
        return Joined(program, replace(time_program(problem, program), pipeline=pipeline))


@dataclass(frozen=True)
class Joined:
    """A program of a whole kernel, with its cycles."""

    program: ModuleOp
    outcome: Outcome


def find_route(path: str, loops: ModuleOp, problem: Problem) -> Route:
    """The first route that can lower the kernel; ``problem`` holds the options, not the kernel.

    Raises ``Diagnostic`` where there is none: what the first route says.
    """
    is_integer = load_config(problem.config).is_integer
    try:
        lifted = _lifted(path, loops)
        try:
            return _as_tensors(loops, problem, lifted)
        except Diagnostic:
            if not is_integer:
                raise
            return _with_core_work(loops, problem, lifted)
    except Diagnostic as error:
        if is_integer:
            raise
        try:
            return _as_products(loops, problem)
        except PassFailedException as reason:
            note = f"as a chain of small products: {reason}"
            hint = f"{error.hint}; {note}" if error.hint else note
            raise Diagnostic(error.message, error.location, hint=hint) from error


def _with_kernel(problem: Problem, module: ModuleOp) -> Problem:
    return replace(problem, tensor_ir=str(module))


def _lifted(path: str, loops: ModuleOp) -> LiftResult:
    lifted = lift_and_prove(loops)
    if lifted.verdict != "proved":
        raise Diagnostic(f"{path}: lift {lifted.verdict}: {lifted.reason}")
    return lifted


def _as_tensors(loops: ModuleOp, problem: Problem, lifted: LiftResult) -> Route:
    """The kernel as statements that the accelerator does as a whole."""
    try:
        # A convolution below a maximum over windows stays with it.
        is_pooled = pooling_of(kernel_of(lifted.module)) is not None
        statements = () if is_pooled else split_statements(lifted.module)
    except PassFailedException as error:
        raise _refused(loops, lifted.module, error) from error
    return _of_statements(loops, problem, lifted, statements)


def _with_core_work(loops: ModuleOp, problem: Problem, lifted: LiftResult) -> Route:
    """The kernel as statements, of which the core does what the accelerator cannot."""

    reasons: list[Diagnostic] = []

    def can_lower(kernel: ModuleOp) -> bool:
        try:
            _untuned(_with_kernel(problem, kernel), separate=True)
        except PassFailedException as reason:
            reasons.append(_refused(loops, kernel, reason))
            return False
        return True

    try:
        statements = split_statements(lifted.module, can_lower)
    except PassFailedException as error:
        raise _refused(loops, lifted.module, error) from error
    return _of_statements(loops, problem, lifted, statements, reasons)


def _of_statements(
    loops: ModuleOp,
    problem: Problem,
    lifted: LiftResult,
    statements: tuple[Statement, ...],
    reasons: Sequence[Diagnostic] | None = None,
) -> Route:
    """The parts of a kernel; given ``reasons`` why not all runs there, the core helps."""
    multiplications = multiply_accumulates(lifted.module)
    if len(statements) <= 1:
        part = _part(problem, loops, loops, lifted.module, reasons=reasons)
        return Route(lifted, (part,), part.baseline, multiplications)
    parts = tuple(
        _part(problem, loops, each.kernel, each.kernel, separate=True, reasons=reasons)
        for each in statements
    )
    route = Route(lifted, parts, parts[0].baseline, multiplications, statements)
    baselines = [part.baseline for part in parts]
    programs = [lower(p.problem.tensor_ir, parse_pipeline(p.baseline.pipeline)) for p in parts]
    return replace(route, baseline=route.join(problem, baselines, programs).outcome)


def _part(
    problem: Problem,
    loops: ModuleOp,
    source: ModuleOp,
    kernel: ModuleOp,
    *,
    separate: bool = False,
    reasons: Sequence[Diagnostic] | None = None,
) -> Part:
    problem = _with_kernel(problem, kernel)
    try:
        baseline = _untuned(problem, separate=separate)
    except PassFailedException as reason:
        why = _refused(loops, kernel, reason)
        if reasons is None or not is_for_core(kernel_of(kernel)):
            raise why from reason
        # The first reason for this place is that of the whole statement.
        why = next((each for each in reasons if each.location == why.location), why)
        pipeline = core_pipeline(problem.config)
        return Part(source, problem, evaluate(problem, pipeline), lambda: (pipeline,), why)
    first = partial(first_pipelines, problem.tensor_ir, problem.config, separate=separate)
    return Part(source, problem, baseline, first)


def _untuned(problem: Problem, *, separate: bool) -> Outcome:
    """The untuned program on the accelerator; ``PassFailedException`` where there is none."""
    untuned = untuned_pipeline(problem.tensor_ir, problem.config, separate=separate)
    baseline = evaluate(problem, untuned)
    if baseline.cycles is None:
        lower(problem.tensor_ir, parse_pipeline(untuned))
        raise PassFailedException(baseline.diagnostic)
    return baseline


def _refused(loops: ModuleOp, kernel: ModuleOp, reason: PassFailedException) -> Diagnostic:
    """Why a statement cannot be lowered, at the last place that writes what it computes."""
    function, statement = kernel_of(loops), kernel_of(kernel)
    outputs = statement.attributes.get(OUTPUTS)
    written = outputs.get_values() if isinstance(outputs, DenseArrayBase) else ()
    arrays = {function.args[int(place)] for place in written if place < len(function.args)}
    (*_, kind) = statement.function_type.outputs
    stores = [op for op in function.walk() if isinstance(op, memref.StoreOp)]
    places = [
        op for op in stores if op.memref in arrays or (not arrays and _holds(op.memref, kind))
    ]
    # Sums that only passes see are those of what is written last.
    location = next((location_of(op) for op in reversed(places or stores)), None)
    hint = reason.hint if isinstance(reason, Refusal) else ""
    return Diagnostic(f"{NOT_LOWERED}{reason}", location, hint)


def _holds(array: SSAValue, kind: Attribute) -> bool:
    """Whether an array of the function's own can be what is a tensor of this type."""
    if not (isinstance(array.type, MemRefType) and isinstance(kind, TensorType)):
        return False
    mine, wanted = array.type, kind
    return (mine.get_shape(), mine.element_type) == (wanted.get_shape(), wanted.element_type)


def _as_products(loops: ModuleOp, problem: Problem) -> Route:
    """The kernel as loops around small products; ``PassFailedException`` where it is not."""
    kernel = as_product_kernel(loops, problem.config)
    problem = _with_kernel(problem, kernel)
    first = partial(product_pipelines, problem.config)
    pipelines = (product_baseline(problem.config), *first())
    outcomes = [evaluate(problem, pipeline) for pipeline in pipelines[:1]]
    while outcomes[-1].cycles is None and len(outcomes) < len(pipelines):
        outcomes.append(evaluate(problem, pipelines[len(outcomes)]))
    baseline = outcomes[-1]
    if baseline.cycles is None:
        raise PassFailedException(outcomes[0].diagnostic)
    count = product_multiplications(loops)
    lifted = LiftResult(
        kernel,
        "proved",
        "kept as loops",
        (),
        0,
        0.0,
        f"products in loops, {count} factors",
    )
    return Route(lifted, (Part(loops, problem, baseline, first),), baseline, count)
