"""The search: a deterministic beam over the neighbours of schedules, scored by cycles.

A proposal wins only if it is proven equal to the source kernel: each new best is validated before
it counts, and ``unknown`` counts as refused. The result depends on the problem, the first
pipelines, the budget and the seed, and on nothing else: not on the number of workers or the clock.

An advisor, such as a language model, may add proposals of its own to each round. The search needs
none: where the advisor ends, it goes on with the neighbours alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from .evaluate import Outcome, Problem, evaluate
from .moves import neighbours
from .proposal import Proposal

BEAM_WIDTH = 4
BATCH = 8
"""Proposals evaluated before the beam is formed anew; fixed, so that workers do not matter."""
REFUSALS = 8
"""Proposals that may be refused by a pass, or repeat a program, for each one of the budget: they
cost milliseconds, so they are not counted against it."""
ADVISED = 4
"""Proposals that an advisor may add to a batch."""
DROPOUT = 0.5
"""Share of neighbours left out at random on each expansion: it keeps the beam diverse."""


class NothingProvedError(Exception):
    """No proposal could be accepted; ``outcomes`` says why each was refused."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        reasons = [outcome.diagnostic for outcome in outcomes if outcome.diagnostic]
        super().__init__(reasons[0] if reasons else "no proposal to evaluate")
        self.outcomes = tuple(outcomes)


@dataclass
class SearchState:
    """What a search knows; ``best`` is always proven."""

    best: Outcome | None = None
    evaluated: int = 0
    """Distinct programs whose cycles were counted: what the budget limits."""
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    rejected: int = 0
    """Proposals refused by a pass, the simulator or the validator."""


class Advisor(Protocol):
    """Proposes programs from what is known, and hears what became of them."""

    @property
    def ended(self) -> str:
        """Why there will be no more proposals; empty while there may be."""
        ...

    def propose(self, beam: Sequence[Outcome], room: int) -> list[Proposal]: ...

    def learn(self, results: Sequence[tuple[Proposal, Outcome]]) -> None: ...


Examine = Callable[[Sequence[Proposal]], Sequence[Outcome]]
"""Checks proposals to the end, in their order; only what is proven has cycles."""

Certify = Callable[[str], str]
"""Validates the program that a pipeline gives; returns "" when proved, else the reason."""


@dataclass
class Search:
    """One search; ``run`` returns its final state."""

    problem: Problem
    certify: Certify
    executor: Executor
    budget: int = 64
    seed: int = 0
    progress: Callable[[SearchState], None] = lambda state: None
    advisor: Advisor | None = None
    examine: Examine = lambda proposals: ()

    def run(self, first: Sequence[str]) -> SearchState:
        """Search from the pipelines ``first``; raises ``NothingProvedError`` if none holds."""
        self.state = SearchState()
        self.random = random.Random(self.seed)
        self.seen: set[str] = set()
        self.digests: set[str] = set()
        self.beam: list[Outcome] = []
        self.queues: dict[str, list[str]] = {}
        self.advised = 0
        self._evaluate(list(first))
        while self._room() > 0:
            batch = self._next_batch()
            if not batch and not self._advised_room():
                break
            self._evaluate(batch)
        if self.state.best is None:
            raise NothingProvedError(self.state.outcomes)
        return self.state

    def _next_batch(self) -> list[str]:
        """Unseen neighbours, one parent of the beam after the other."""
        room = min(BATCH, self._room() - self._advised_room())
        if room < 1:
            return []
        parents = [o for o in self.beam if not o.text]
        unexpanded = [o.pipeline for o in parents if o.pipeline not in self.queues]
        count = len(unexpanded)
        expansions = self.executor.map(
            neighbours, [self.problem] * count, unexpanded, [self.seed] * count
        )
        for pipeline, found in zip(unexpanded, expansions, strict=True):
            kept = [text for text in found if self.random.random() >= DROPOUT]
            self.queues[pipeline] = kept[::-1]
        batch: list[str] = []
        while len(batch) < room and any(self.queues[o.pipeline] for o in parents):
            for parent in parents:
                queue = self.queues[parent.pipeline]
                if queue and len(batch) < room and (text := queue.pop()) not in self.seen:
                    self.seen.add(text)
                    batch.append(text)
        return batch

    def _room(self) -> int:
        """Proposals that may still be evaluated; an advisor's refusals are counted apart."""
        state = self.state
        left = self.budget * (1 + REFUSALS) - (len(state.outcomes) - self.advised)
        return min(self.budget - state.evaluated, left)

    def _advised_room(self) -> int:
        """Proposals of this round that are the advisor's to make; none before the first beam."""
        if self.advisor is None or self.advisor.ended or not self.beam:
            return 0
        left = self.budget * (1 + REFUSALS) - self.advised
        return min(ADVISED, (self._room() + 1) // 2, left)

    def _evaluate(self, batch: list[str]) -> None:
        """Evaluate pipelines, and meanwhile ask the advisor."""
        batch = batch[: self._room()]
        self.seen.update(batch)
        pending = self.executor.map(evaluate, [self.problem] * len(batch), batch)
        advised = self._advised()
        self._take(map(self._judge, pending))
        self._take(map(self._judge_advised, advised))
        self.beam = sorted(self.beam, key=lambda o: o.cycles or 0)[:BEAM_WIDTH]

    def _take(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.state.outcomes.append(outcome)
            self.progress(self.state)

    def _advised(self) -> Sequence[Outcome]:
        room = self._advised_room()
        if self.advisor is None or not room:
            return ()
        proposals = self.advisor.propose(self.beam, room)
        outcomes = self.examine(proposals)
        self.advised += len(outcomes)
        self.advisor.learn(list(zip(proposals, outcomes, strict=True)))
        return outcomes

    def _judge_advised(self, outcome: Outcome) -> Outcome:
        self.seen.add(outcome.pipeline)
        return self._judge(outcome, proven=True)

    def _judge(self, outcome: Outcome, proven: bool = False) -> Outcome:
        """Put an outcome into the beam and, if it is the fastest so far and proven, on top."""
        if outcome.cycles is None:
            self.state.rejected += 1
            return outcome
        if outcome.digest in self.digests:
            return outcome
        self.digests.add(outcome.digest)
        self.state.evaluated += 1
        best = self.state.best
        if best is None or best.cycles is None or outcome.cycles < best.cycles:
            reason = "" if proven else self.certify(outcome.pipeline)
            if reason:
                self.state.rejected += 1
                return Outcome(outcome.pipeline, None, digest=outcome.digest, diagnostic=reason)
            self.state.best = outcome
        self.beam.append(outcome)
        return outcome
