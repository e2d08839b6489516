"""The beam: its guarantees hold whatever the landscape of cycles looks like."""

from __future__ import annotations

import time
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.llm import search
from liftproof.llm.evaluate import Outcome, Problem, cut
from liftproof.llm.moves import PARTS
from liftproof.llm.search import NothingProvedError, Search
from liftproof.tools.workers import WorkerPool

PROBLEM = Problem("module", "config")
WIDTH = 10


def cycles_of(pipeline: str) -> int:
    """A bumpy landscape over strings of digits."""
    return 100 + sum(abs(int(digit) - 7) * (i + 3) for i, digit in enumerate(pipeline))


def evaluate(problem: Problem, pipeline: str, limit: int | None = None) -> Outcome:
    if pipeline.endswith("9"):
        return Outcome(pipeline, None, diagnostic="refused")
    return Outcome(pipeline, cycles_of(pipeline), 1, digest=pipeline)


def neighbours(problem: Problem, pipeline: str, seed: int, part: int) -> tuple[str, ...]:
    return tuple(
        pipeline[:i] + str(d) + pipeline[i + 1 :]
        for i in range(part, len(pipeline), PARTS)
        for d in range(WIDTH)
    )


@pytest.fixture(autouse=True)
def _landscape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "evaluate", evaluate)
    monkeypatch.setattr(search, "neighbours", neighbours)


def run(budget: int = 64, seed: int = 0, workers: int = 1, certify=lambda pipeline: "") -> Search:
    with ThreadPoolExecutor(workers) as executor:
        beam = Search(PROBLEM, certify, executor, budget, seed)
        beam.run(["0000"])
    return beam


def test_search_improves_on_its_first_pipeline() -> None:
    """With a budget of 96 the beam gets most of the way to the optimum of the landscape."""
    best = run(96).state.best
    assert best is not None
    assert best.cycles is not None
    assert best.cycles < (cycles_of("0000") + 100) / 2


@given(st.integers(1, 80), st.integers(0, 5))
def test_budget_is_respected_to_the_proposal(budget: int, seed: int) -> None:
    """A search never counts the cycles of more programs than its budget."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "evaluate", evaluate)
        patch.setattr(search, "neighbours", neighbours)
        state = run(budget, seed).state
        assert state.evaluated == sum(1 for o in state.outcomes if o.cycles is not None) <= budget
        assert len(state.outcomes) <= budget * (1 + search.REFUSALS)


def test_first_pipelines_are_made_as_they_are_needed() -> None:
    """None is made beyond the budget, of which those that are refused take nothing."""
    first = iter(["0009", "0000", "0001", "0000", "0002"])
    with ThreadPoolExecutor(1) as executor:
        state = Search(PROBLEM, lambda pipeline: "", executor, 2).run(first)
    assert [outcome.pipeline for outcome in state.outcomes] == ["0009", "0000", "0001"]
    assert list(first) == ["0000", "0002"]


@given(st.integers(0, 5), st.integers(1, 90), st.integers(1, 4), st.sampled_from("57x"))
@settings(max_examples=25, deadline=None)
def test_same_seed_gives_the_same_search_on_any_number_of_workers(
    seed: int, budget: int, workers: int, refuted: str
) -> None:
    """Neither workers, nor what they begin before it is asked for, change what is evaluated."""

    def slowly(problem: Problem, pipeline: str, limit: int | None = None) -> Outcome:
        time.sleep(int(pipeline[-1]) * 1e-4)
        return cut(evaluate(problem, pipeline), limit)

    def certify(pipeline: str) -> str:
        return "refuted" if refuted in pipeline else ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "evaluate", slowly)
        patch.setattr(search, "neighbours", neighbours)
        one = run(budget, seed, certify=certify).state
        pool = WorkerPool([ThreadPoolExecutor(1) for _ in range(workers)])
        other = Search(PROBLEM, certify, pool, budget, seed).run(iter(["0000"]))
        pool.shutdown()
    assert one.outcomes == other.outcomes
    assert one.best == other.best


def test_seeds_explore_differently() -> None:
    """The seed decides which neighbours drop out."""
    explored = {tuple(o.pipeline for o in run(seed=seed).state.outcomes) for seed in range(4)}
    assert len(explored) > 1


def test_no_pipeline_is_evaluated_twice() -> None:
    """Each proposal of a search is a new one."""
    pipelines = [o.pipeline for o in run(80).state.outcomes]
    assert len(pipelines) == len(set(pipelines))


def test_only_a_proven_proposal_wins() -> None:
    """A fast proposal that validation refuses is rejected, and the next best one wins."""
    state = run(certify=lambda p: "refuted" if "7" in p else "").state
    assert state.best is not None
    assert "7" not in state.best.pipeline
    assert any(o.diagnostic == "refuted" for o in state.outcomes)
    assert state.rejected == sum(1 for o in state.outcomes if o.cycles is None)


def test_nothing_proved_is_an_error_with_the_first_reason() -> None:
    """Without any accepted proposal the search fails and says why."""
    with pytest.raises(NothingProvedError, match="unknown: not affine"):
        run(certify=lambda pipeline: "unknown: not affine")


def test_equal_programs_are_certified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pipelines that lower to the same program cost one validation."""
    monkeypatch.setattr(
        search, "evaluate", lambda problem, p, limit: Outcome(p, 100, 1, digest="same")
    )
    certified: list[str] = []

    def certify(pipeline: str) -> str:
        certified.append(pipeline)
        return ""

    run(certify=certify)
    assert certified == ["0000"]


def test_a_beam_without_neighbours_gives_way_to_the_next_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Programs at a dead end do not end the search, however fast they are."""
    dead_ends = [f"dead end {number}" for number in range(search.BEAM_WIDTH)]

    def landscape(problem: Problem, pipeline: str, limit: int | None = None) -> Outcome:
        if pipeline in dead_ends:
            return Outcome(pipeline, 1 + dead_ends.index(pipeline), 1, digest=pipeline)
        return evaluate(problem, pipeline)

    def moves(problem: Problem, pipeline: str, seed: int, part: int) -> tuple[str, ...]:
        return () if pipeline in dead_ends else neighbours(problem, pipeline, seed, part)

    monkeypatch.setattr(search, "evaluate", landscape)
    monkeypatch.setattr(search, "neighbours", moves)
    with ThreadPoolExecutor(1) as executor:
        beam = Search(PROBLEM, lambda pipeline: "", executor, 40)
        state = beam.run([*dead_ends, "0000"])
    assert state.evaluated == 40


def test_programs_that_are_equally_fast_share_a_place_in_the_beam() -> None:
    """A plateau of equal counts does not crowd out other programs."""
    with ThreadPoolExecutor(1) as executor:
        beam = Search(PROBLEM, lambda pipeline: "", executor, 2)
        beam.run(["0000"])
        counts = [101, 101, 101, 102, 103, 103, 104]
        beam.known = []
        beam._extend_beam([Outcome(str(i), count) for i, count in enumerate(counts)])
    assert [outcome.pipeline for outcome in beam.beam] == ["0", "3", "4", "6"]


def test_programs_of_low_bounds_have_places_in_the_beam() -> None:
    """Half of the beam is the fastest programs, the other half those that may become so."""
    with ThreadPoolExecutor(1) as executor:
        beam = Search(PROBLEM, lambda pipeline: "", executor, 2)
        beam.run(["0000"])
        beam.known = []
        bounds = [50, 60, 70, 20, 40, 10, 30]
        beam._extend_beam([Outcome(str(i), 100 + i, bound) for i, bound in enumerate(bounds)])
    assert [outcome.pipeline for outcome in beam.beam] == ["0", "1", "5", "3"]


def test_a_search_without_neighbours_left_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one seed leaves out, another may find; where nothing is new the search ends."""

    def moves(problem: Problem, pipeline: str, seed: int, part: int) -> tuple[str, ...]:
        return tuple(f"000{digit}" for digit in range(10)[: 5 * seed])

    monkeypatch.setattr(search, "neighbours", moves)
    with ThreadPoolExecutor(1) as executor:
        beam = Search(PROBLEM, lambda pipeline: "", executor, 40)
        state = beam.run(["0000"])
    assert 1 < state.evaluated <= 10


def test_progress_reports_every_evaluation() -> None:
    """The listener hears of each proposal exactly once, in order."""
    counts: list[int] = []
    executor: Executor
    with ThreadPoolExecutor(2) as executor:
        beam = Search(
            PROBLEM, lambda p: "", executor, 20, 0, lambda s: counts.append(len(s.outcomes))
        )
        beam.run(["0000"])
    assert counts == list(range(1, len(counts) + 1))


class Limits(Search):
    """Records the limits that programs were evaluated with, beside the best known then."""

    def _limit(self) -> int | None:
        limit = super()._limit()
        best = self.state.best
        self.asked = [*getattr(self, "asked", []), (limit, best and best.cycles)]
        return limit


def test_limits_fall_and_are_never_below_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are cut where they can no longer win, and less and less is of interest."""

    def cut(problem: Problem, pipeline: str, limit: int | None = None) -> Outcome:
        outcome = evaluate(problem, pipeline)
        if limit is None or outcome.cycles is None or outcome.cycles < limit:
            return outcome
        return Outcome(pipeline, limit, 1, digest=pipeline, is_least=True)

    whole = run(64).state
    monkeypatch.setattr(search, "evaluate", cut)
    with ThreadPoolExecutor(2) as executor:
        beam = Limits(PROBLEM, lambda pipeline: "", executor, 64)
        state = beam.run(["0000"])
    limits = [(limit, best) for limit, best in beam.asked if limit is not None]
    assert limits
    assert all(best is not None and limit >= best for limit, best in limits)
    assert [limit for limit, _ in limits] == sorted((limit for limit, _ in limits), reverse=True)
    assert any(outcome.is_least for outcome in state.outcomes)
    assert state.best == whole.best


def test_what_the_bound_rules_out_is_not_counted() -> None:
    """A program is no evaluation where its lower bound alone says that it is too slow."""
    assert not Outcome("", 100, 100, is_least=True).is_simulated
    assert Outcome("", 100, 90, is_least=True).is_simulated
    assert Outcome("", 100, 100).is_simulated
