"""How good the best program of a search is after so many evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from math import prod

from liftproof.llm.evaluate import Outcome, Problem
from liftproof.llm.search import Search


def simulated(outcomes: Sequence[Outcome]) -> Iterator[int]:
    """Cycles of each distinct program that a search simulated, in order."""
    seen: set[str] = set()
    for outcome in outcomes:
        if outcome.is_simulated and outcome.digest not in seen:
            seen.add(outcome.digest)
            assert outcome.cycles is not None
            yield outcome.cycles


def searched(
    kind: type[Search], problem: Problem, first: Sequence[str], budget: int, seed: int
) -> list[int]:
    """Cycles of the programs that a search meets, when nothing is proven."""
    with ThreadPoolExecutor(1) as executor:
        search = kind(problem, lambda pipeline: "", executor, budget, seed)
        return list(simulated(search.run(first).outcomes))


def best_after(cycles: Sequence[int], marks: Sequence[int]) -> list[int]:
    """The best of the first programs, at each mark."""
    best = list(accumulate(cycles, min))
    return [best[min(mark, len(best)) - 1] for mark in marks]


def geometric_mean(values: Sequence[float]) -> float:
    return prod(values) ** (1 / len(values))
