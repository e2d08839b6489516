"""Correct programs of every kind are accepted, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from liftproof.lifting.c.frontend import read_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.anonymize import anonymize
from liftproof.llm.check import Task, check
from liftproof.llm.describe import describe
from liftproof.llm.evaluate import Problem, evaluate, new_context
from liftproof.llm.proposal import Kind, Proposal, restore
from liftproof.llm.work import necessary_work
from liftproof.passes.pipelines import baseline_pipeline, best_guess
from xdsl.parser import Parser

ROOT = Path(__file__).parents[2]
CONFIG = "gemmini-16x16-int8"
KERNELS = (
    "matmul_1x1x1",
    "matmul_17x16x16",
    "matmul_int32_48x80x64",
)


@pytest.fixture(scope="module", params=KERNELS)
def anonymous(request: pytest.FixtureRequest) -> Task:
    """A kernel as a model sees it."""
    loops = read_c_kernel(str(ROOT / "examples" / f"{request.param}.c"))
    problem = Problem(anonymize(str(lift_and_prove(loops).module)), CONFIG)
    return Task(problem, anonymize(str(loops)), 1 << 20)


def proposals(task: Task) -> Iterator[Proposal]:
    """The best first schedule and the untuned lowering, in every form in which they can be said."""
    problem = task.problem
    for pipeline in (best_guess(problem.tensor_ir, CONFIG), baseline_pipeline(CONFIG)):
        found = describe(problem, evaluate(problem, pipeline))
        yield Proposal("pipeline", pipeline)
        forms: list[tuple[Kind, str]] = [("ir", found.isa), ("c", found.c), ("ir", found.tile)]
        for kind, text in forms:
            assert text
            yield Proposal(kind, text)


def test_correct_proposals_of_every_kind_are_accepted(anonymous: Task) -> None:
    """Pipelines, ISA IR, tile IR and C of a correct program: all are proven."""
    outcomes = [check(anonymous, proposal) for proposal in proposals(anonymous)]
    assert [outcome.diagnostic for outcome in outcomes] == [""] * len(outcomes)
    assert all(o.cycles is not None and o.cycles >= o.lower_bound > 0 for o in outcomes)
    assert all("cycles for" in outcome.breakdown for outcome in outcomes)


def test_accepted_program_gets_the_user_s_names_back(task: Task) -> None:
    """The names that were hidden from the proposer return in the program that is written."""
    hidden = Task(
        Problem(anonymize(task.problem.tensor_ir), CONFIG), anonymize(task.source_ir), 1 << 16
    )
    outcome = check(hidden, Proposal("c", (ROOT / "tests/llm/attacks/base.c").read_text()))
    text = str(restore(task.problem, outcome.program))
    assert 'liftproof.parameters = ["a", "b", "c"]' in text
    assert "func.func @matmul(%a: memref" in text


def test_rounding_that_cannot_be_seen_is_proven(task: Task) -> None:
    """A scale of 1.001 changes no saturated byte: the proof finds that, where a rule could not."""
    text = (ROOT / "tests/llm/attacks/base.c").read_text()
    text = text.replace("NO_ACTIVATION, 1.0f", "NO_ACTIVATION, 1.001f")
    assert check(task, Proposal("c", text)).cycles is not None


def test_necessary_work_counts_products_and_arrays(task: Task) -> None:
    """17 × 16 × 16 products; A and B are read, C is written, once at least."""
    work = necessary_work(Parser(new_context(), task.problem.tensor_ir).parse_module())
    assert (work.macs, work.read_bytes, work.written_bytes) == (4352, 272 + 256, 272)
