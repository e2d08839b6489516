"""What is begun before it is asked for: workers do not wait, and results do not change."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from liftproof.llm.evaluate import Outcome, cut
from liftproof.llm.look_ahead import LookAhead
from liftproof.tools.workers import WorkerPool


def pool(workers: int) -> WorkerPool:
    return WorkerPool([ThreadPoolExecutor(1) for _ in range(workers)])


def outcome(text: str, limit: int | None) -> Outcome:
    return cut(Outcome(text, len(text), digest=text), limit)


def test_an_idle_worker_begins_what_comes_next() -> None:
    """While one call runs, another worker does what is guessed; it is not done again."""
    began, asked = threading.Event(), list[str]()

    def evaluate(text: str, limit: int | None) -> Outcome:
        asked.append(text)
        if text == "slow":
            assert began.wait(timeout=10)
        else:
            began.set()
        return outcome(text, limit)

    with pool(2) as executor:
        ahead = LookAhead(executor, evaluate)

        def guess(known: list[Outcome], pending: int) -> list[Future[Outcome]]:
            assert (known, pending) == ([], 1)
            return ahead.begin(["next"], 9)

        calls = ahead.submit(["slow"], 9)
        assert list(ahead.results(calls, 9, guess)) == [outcome("slow", 9)]
        calls = ahead.submit(["next"], 3)
        assert list(ahead.results(calls, 3, lambda known, pending: [])) == [outcome("next", 3)]
    assert asked == ["slow", "next"]


def test_what_was_cut_too_early_is_evaluated_again() -> None:
    """An outcome that counts up to a limit does not answer who asks for more."""
    with pool(1) as executor:
        ahead = LookAhead(executor, outcome)
        ahead.begin(["seven77"], 3)
        (call,) = ahead.submit(["seven77"], 5)
        assert call.result() == outcome("seven77", 5)
        (call,) = ahead.submit(["seven77"], None)
        assert call.result().cycles == len("seven77")


def test_guesses_that_nobody_began_are_dropped() -> None:
    """What is asked for does not wait for guesses; they may be asked for later."""
    gate, asked = threading.Event(), list[str]()

    def evaluate(text: str, limit: int | None) -> Outcome:
        assert gate.wait(timeout=10)
        asked.append(text)
        return outcome(text, limit)

    with pool(1) as executor:
        ahead = LookAhead(executor, evaluate)
        for text in ("running", "dropped", "wanted"):
            ahead.begin([text], None)
        calls = ahead.submit(["wanted"], None)
        gate.set()
        calls += ahead.submit(["dropped"], None)
        assert [call.result().pipeline for call in calls] == ["wanted", "dropped"]
    assert asked == ["running", "wanted", "dropped"]


def test_executors_that_do_not_say_who_is_idle_get_no_guesses() -> None:
    """Any executor evaluates; only the pool of workers is asked to begin more."""

    def guess(known: list[Outcome], pending: int) -> list[Future[Outcome]]:
        raise AssertionError("nobody is known to be idle")

    with ThreadPoolExecutor(2) as executor:
        ahead = LookAhead(executor, outcome)
        calls = ahead.submit(["a", "bb"], None)
        outcomes = list(ahead.results(calls, None, guess))
    assert outcomes == [outcome("a", None), outcome("bb", None)]
