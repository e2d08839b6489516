"""One evaluation: the same answer whatever was evaluated before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.llm import evaluate as module
from liftproof.llm.check import Task
from liftproof.llm.evaluate import Outcome, evaluate
from liftproof.passes.pipelines import baseline_pipeline


@pytest.fixture
def whole(task: Task) -> Outcome:
    """A small program with its cycles counted to the end."""
    return evaluate(task.problem, baseline_pipeline())


def _forget() -> None:
    module._outcomes.clear()
    module._timings.clear()


def test_a_limit_gives_the_lesser_of_cycles_and_limit(task: Task, whole: Outcome) -> None:
    """Below the limit all is as without one; from it on only that it is reached."""
    assert whole.cycles is not None
    limits = [None, whole.cycles + 1, whole.cycles, whole.lower_bound]
    for order in (limits, limits[::-1]):
        _forget()
        for limit in order:
            found = evaluate(task.problem, baseline_pipeline(), limit)
            cut = limit is not None and limit <= whole.cycles
            assert found == (replace(whole, cycles=limit, is_least=True) if cut else whole)


def test_the_bound_alone_rules_out_what_is_far_too_slow(
    task: Task, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is simulated where the limit is not above the lower bound."""
    _forget()
    monkeypatch.delattr(module, "simulate_program")
    found = evaluate(task.problem, baseline_pipeline(), whole.lower_bound)
    assert found.is_least
    assert not found.is_simulated
    assert found.digest == whole.digest
