"""How a kernel is taken to the machine: as a lifted tensor program, or as a chain of products.

A contraction is lifted to tensors and scheduled on tiles. What no single contraction says (products
of what other products computed, recurrences over time, several outputs) stays as loops and is
lowered as a chain of small products, on machines that compute in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import load_config
from ..lifting.prove import LiftResult, lift_and_prove
from ..llm.evaluate import Outcome, Problem, evaluate
from ..llm.work import multiply_accumulates
from ..passes.pipelines import baseline_pipeline, first_pipelines
from ..passes.product_pipelines import (
    as_product_kernel,
    product_baseline,
    product_multiplications,
    product_pipelines,
)


@dataclass(frozen=True)
class Route:
    """The kernel as passes take it, and the pipelines to begin with."""

    lifted: LiftResult
    problem: Problem
    baseline: Outcome
    first: tuple[str, ...]
    multiplications: int


def find_route(path: str, loops: ModuleOp, problem: Problem) -> Route:
    """The first route that can lower the kernel; ``problem`` holds the options, not the kernel.

    Raises ``Diagnostic`` where there is none: what the first route says.
    """
    try:
        return _as_tensors(path, loops, problem)
    except Diagnostic as error:
        if load_config(problem.config).is_integer:
            raise
        try:
            return _as_products(loops, problem)
        except PassFailedException as reason:
            note = f"as a chain of small products: {reason}"
            hint = f"{error.hint}; {note}" if error.hint else note
            raise Diagnostic(error.message, error.location, hint=hint) from error


def _with_kernel(problem: Problem, module: ModuleOp) -> Problem:
    return Problem(
        str(module), problem.config, problem.level, problem.dram_latency, warm=problem.warm
    )


def _as_tensors(path: str, loops: ModuleOp, problem: Problem) -> Route:
    lifted = lift_and_prove(loops)
    if lifted.verdict != "proved":
        raise Diagnostic(f"{path}: lift {lifted.verdict}: {lifted.reason}")
    problem = _with_kernel(problem, lifted.module)
    baseline = evaluate(problem, baseline_pipeline(problem.config))
    if baseline.cycles is None:
        raise Diagnostic(f"{path}: cannot be lowered: {baseline.diagnostic}")
    first = first_pipelines(problem.tensor_ir, problem.config)
    return Route(lifted, problem, baseline, tuple(first), multiply_accumulates(lifted.module))


def _as_products(loops: ModuleOp, problem: Problem) -> Route:
    """The kernel as loops around small products; ``PassFailedException`` where it is not."""
    kernel = as_product_kernel(loops, problem.config)
    problem = _with_kernel(problem, kernel)
    first = product_pipelines(problem.config)
    pipelines = (product_baseline(problem.config), *first)
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
    return Route(lifted, problem, baseline, tuple(first), count)
