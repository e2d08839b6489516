"""What the parts of the search are worth: the same budget with and without them.

``python benchmarks/ablations.py KERNEL.c [--budget N] [--seed S]`` prints the best cycles after
1, 10, 50 and N evaluations of: the search as it is; the search from the untuned lowering alone,
without the schedules made for the kernel; the same without a look at cycles (its beam holds random
schedules); and random walks through the menu. The last three begin with the untuned lowering.
Nothing is proven here, as only counts are compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from random import Random

from curves import best_after, searched
from liftproof.hw.gemmini.config import DEFAULT_CONFIG
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import Outcome, Problem, evaluate
from liftproof.llm.moves import PARTS, neighbours
from liftproof.llm.search import BEAM_WIDTH, Search
from liftproof.passes.pipelines import baseline_pipeline, first_pipelines
from liftproof.tools.read import read_module

CHECKPOINTS = (1, 10, 50)
WALK = 12
"""Moves of a random walk before it starts again."""


class CostBlindSearch(Search):
    """The same search, with a beam that does not know cycles."""

    def _form_beam(self, programs: Sequence[Outcome]) -> None:
        self.beam = self.random.sample(programs, min(BEAM_WIDTH, len(programs)))


def walked(problem: Problem, budget: int, seed: int) -> Iterator[int]:
    """Cycles of the programs that random walks from the untuned lowering meet."""
    random = Random(seed)
    seen: set[str] = set()
    current, steps = baseline_pipeline(problem.config), 0
    while len(seen) < budget:
        outcome = evaluate(problem, current)
        if outcome.cycles is not None and outcome.digest not in seen:
            seen.add(outcome.digest)
            yield outcome.cycles
        found = neighbours(problem, current, random.randrange(1 << 30), random.randrange(PARTS))
        lowered = random.sample(found, min(8, len(found)))
        valid = (text for text in lowered if evaluate(problem, text).cycles is not None)
        following, steps = next(valid, None), steps + 1
        if following is None or steps % WALK == 0:
            following = baseline_pipeline(problem.config)
        current = following


WAYS: dict[str, Callable[[Problem, int, int], Sequence[int]]] = {
    "search": lambda problem, *limits: searched(
        Search, problem, first_pipelines(problem.tensor_ir), *limits
    ),
    "search from the untuned lowering": lambda problem, *limits: searched(
        Search, problem, [baseline_pipeline()], *limits
    ),
    "cost-blind search": lambda problem, *limits: searched(
        CostBlindSearch, problem, [baseline_pipeline()], *limits
    ),
    "random schedules": lambda problem, *limits: list(walked(problem, *limits)),
}
"""Cycles of the programs that each way of searching meets, within a budget and with a seed."""


def cycles_of_each_way(
    problem: Problem, budget: int, seed: int
) -> Iterator[tuple[str, Sequence[int]]]:
    """Search in each way, one after the other."""
    for name, way in WAYS.items():
        yield name, way(problem, budget, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernel")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lifted = lift_and_prove(read_module(options.kernel))
    problem = Problem(str(lifted.module), DEFAULT_CONFIG)
    budget, seed = options.budget, options.seed
    marks = sorted({*(mark for mark in CHECKPOINTS if mark < budget), budget})
    print(f"{'best cycles after':<34}" + "".join(f"{mark:>12}" for mark in marks))
    for name, cycles in cycles_of_each_way(problem, budget, seed):
        best = best_after(cycles, marks)
        print(f"{name:<34}" + "".join(f"{count:>12,}" for count in best), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
