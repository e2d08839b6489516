"""The search: a deterministic beam over the neighbours of schedules, scored by cycles.

A proposal wins only if it is proven equal to the source kernel: each new best is validated before
it counts, and ``unknown`` counts as refused. The result depends on the problem, the first
pipelines, the budget and the seed, and on nothing else: not on the number of workers or the clock.

An advisor, such as a language model, may add proposals of its own to each round. The search needs
none: where the advisor ends, it goes on with the neighbours alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, zip_longest
from typing import Any, Protocol

from .evaluate import Outcome, Problem, evaluate
from .look_ahead import LookAhead
from .moves import PARTS, neighbours
from .proposal import Proposal

BEAM_WIDTH = 4
FASTEST = BEAM_WIDTH // 2
"""Programs of the beam that are there for their cycles, the others for their lower bounds."""
RANKED = 2 * BEAM_WIDTH
"""Programs that are told apart by their cycles: the beam, and what would replace it."""
BATCH = 8
"""Proposals evaluated before the beam is formed anew; fixed, so that workers do not matter."""
REFUSALS = 8
"""Proposals that may be refused by a pass, or repeat a program, for each one of the budget: they
cost milliseconds, so they are not counted against it."""
ADVISED = 4
"""Proposals that an advisor may add to a batch."""
DURING_PROOF = 3 * BATCH
"""Pipelines that workers may begin with during a proof; most are refused in milliseconds."""
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
    """Distinct programs that were simulated: what the budget limits."""
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

    def run(self, first: Iterable[str]) -> SearchState:
        """Search from the pipelines ``first``; raises ``NothingProvedError`` if none holds.

        No more of them are made than are evaluated, and evaluation begins with the first one.
        """
        self.state = SearchState()
        self.random = random.Random(self.seed)
        self.seen: set[str] = set()
        self.digests: set[str] = set()
        self.beam: list[Outcome] = []
        self.known: list[Outcome] = []
        self.restarts = 0
        self.known_at_restart = -1
        self.queues: dict[str, list[str]] = {}
        self.expansions: dict[str, list[Future[tuple[str, ...]]]] = {}
        self.ahead = LookAhead(self.executor, partial(evaluate, self.problem))
        self.advised = 0
        self.first = iter(first)
        self.next_first: list[str] = []
        for text in self._first_pipelines(self._room()):
            self.next_first.append(text)
            self.ahead.begin([text], None)
        while self._room() > 0:
            batch = self.next_first or self._next_batch()
            if not batch and not self._advised_room():
                break
            self._evaluate(batch)
        if self.state.best is None:
            raise NothingProvedError(self.state.outcomes)
        return self.state

    def _first_pipelines(self, room: int) -> Iterator[str]:
        """The first pipelines that have not had their turn, as many as there is room for."""
        unseen = (text for text in self.first if text not in self.seen)
        for text in islice(unseen, max(0, min(BATCH, room))):
            self.seen.add(text)
            yield text

    def _next_batch(self) -> list[str]:
        """Unseen neighbours of the beam; of the next best programs, where it has none left."""
        room = min(BATCH, self._room() - self._advised_room())
        batch = self._neighbours(room)
        while room > 0 and not batch and self._go_on():
            batch = self._neighbours(room)
        return batch

    def _go_on(self) -> bool:
        """Form a beam of programs that have neighbours left; whether there are any.

        Where there are none, an expansion with another seed may find what this one left out.
        """
        if not any(map(self._has_neighbours, self.known)):
            if self.known_at_restart == len(self.known):
                return False
            self.known_at_restart = len(self.known)
            self.restarts += 1
            self.queues.clear()
            self.expansions.clear()
        self.beam = self._beam_of([each for each in self.known if self._has_neighbours(each)])
        self._expand()
        return bool(self.beam)

    def _has_neighbours(self, outcome: Outcome) -> bool:
        """Whether neighbours of a program may be left to look at."""
        return not outcome.text and bool(self.queues.get(outcome.pipeline, True))

    def _neighbours(self, room: int) -> list[str]:
        """Up to ``room`` unseen neighbours, one parent of the beam after the other."""
        if room < 1:
            return []
        parents = [o for o in self.beam if not o.text]
        for parent in parents:
            if parent.pipeline not in self.queues:
                self.queues[parent.pipeline] = self._queue(parent.pipeline, self.random)
        batch: list[str] = []
        while len(batch) < room and any(self.queues[o.pipeline] for o in parents):
            for parent in parents:
                queue = self.queues[parent.pipeline]
                if queue and len(batch) < room and (text := queue.pop()) not in self.seen:
                    self.seen.add(text)
                    batch.append(text)
        return batch

    def _expand(self) -> None:
        """Let the workers list the neighbours of the beam while this process does other work."""
        for parent in self.beam:
            self._list(parent)

    def _list(self, parent: Outcome) -> list[Future[tuple[str, ...]]]:
        """Let the workers list the neighbours of ``parent``; the calls, if they are new."""
        if parent.text or parent.pipeline in self.expansions:
            return []
        seed = self.seed + self.restarts
        calls = [
            self.executor.submit(neighbours, self.problem, parent.pipeline, seed, part)
            for part in range(PARTS)
        ]
        self.expansions[parent.pipeline] = calls
        return calls

    def _queue(self, pipeline: str, chance: random.Random) -> list[str]:
        """Neighbours of ``pipeline`` that do not drop out, the last one first in line."""
        parts = [part.result() for part in self.expansions[pipeline]]
        found = [text for turn in zip_longest(*parts) for text in turn if text is not None]
        return [text for text in dict.fromkeys(found) if chance.random() >= DROPOUT][::-1]

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
        limit = self._limit()
        calls = self.ahead.submit(batch, limit)
        # Made while workers evaluate.
        self.next_first = [*self._first_pipelines(self._room() - len(batch))]
        advised = self._advised()
        outcomes = self.ahead.results(calls, limit, partial(self._begin_next, self._room()))
        fresh = [outcome for outcome in outcomes if self._is_new(outcome)]
        proven = [outcome for outcome in advised if self._is_new(outcome)]
        self.seen.update(outcome.pipeline for outcome in advised)
        self._extend_beam([*fresh, *proven])
        if self._room() > 0:
            self.next_first = self.next_first or [*self._first_pipelines(self._room())]
            if not self.next_first:
                self._expand()
        self._certify(fresh, proven)

    def _begin_next(
        self, room: int, known: Sequence[Outcome], pending: int
    ) -> Sequence[Future[Any]]:
        """Begin what follows if the next beam is that of the outcomes that are known.

        ``room`` is that of these and of as many as are ``pending``.
        """
        if room - sum(each.is_simulated for each in known) <= pending:
            return []
        if self.next_first:
            return self.ahead.begin(self.next_first, self._limit())
        beam = self._beam_of([*self.known, *(each for each in known if each.cycles is not None)])
        listing = next(filter(None, map(self._list, beam)), None)
        return listing or self.ahead.begin(self._next_in_line(beam), self._limit())

    def _next_in_line(self, beam: Sequence[Outcome]) -> Iterator[str]:
        """Unseen neighbours of a beam, in the order of their turns, as far as they are listed."""
        chance = copy(self.random)
        queues: list[list[str]] = []
        for pipeline in (parent.pipeline for parent in beam if not parent.text):
            listing = self.expansions.get(pipeline, ())
            if pipeline in self.queues:
                queues.append(self.queues[pipeline])
            elif listing and all(part.done() for part in listing):
                queues.append(self._queue(pipeline, chance))
        for turn in zip_longest(*map(reversed, queues)):
            yield from (text for text in turn if text is not None and text not in self.seen)

    def _limit(self) -> int | None:
        """Cycles from which on a program is of no use: it would not be one of the next beam.

        None before anything is proven, as what is refused leaves its place to any other.
        """
        known = sorted({_cycles(each) for each in self.known})
        if self.state.best is None or len(known) < RANKED:
            return None
        return max(known[RANKED - 1], _cycles(self.state.best))

    def _extend_beam(self, outcomes: Sequence[Outcome]) -> None:
        self.known = sorted([*self.known, *outcomes], key=_cycles)
        self.beam = self._beam_of(self.known)

    def _beam_of(self, programs: Sequence[Outcome]) -> list[Outcome]:
        """The fastest of some programs, and those of which the lower bound promises most.

        A move often costs cycles until another one pays: larger pieces of operands are worth
        little before they are loaded ahead of time. The bound tells at once. Of programs with the
        same cycles and bound one is taken: they mostly differ in what does not matter.
        """
        first_of = {(_cycles(each), each.lower_bound): each for each in reversed(programs)}
        distinct = [first_of[key] for key in sorted(first_of)]
        fastest, slower = distinct[:FASTEST], distinct[FASTEST:]
        promising = sorted(filter(self._has_neighbours, slower), key=lambda each: each.lower_bound)
        return [*fastest, *promising[: BEAM_WIDTH - FASTEST]]

    def _is_new(self, outcome: Outcome) -> bool:
        """Record an outcome; whether it is a program that was not met before."""
        state = self.state
        state.outcomes.append(outcome)
        is_new = outcome.cycles is not None and outcome.digest not in self.digests
        state.rejected += outcome.cycles is None
        if is_new:
            self.digests.add(outcome.digest)
            state.evaluated += outcome.is_simulated
        self.progress(state)
        return is_new

    def _certify(self, fresh: Sequence[Outcome], proven: Sequence[Outcome]) -> None:
        """Find the new best: the fastest that holds. What is slower is not worth a proof."""
        for outcome in sorted([*fresh, *proven], key=_cycles):
            best = self.state.best
            if best is not None and _cycles(outcome) >= _cycles(best):
                return
            reason = "" if outcome in proven else self._refusal(outcome)
            if not reason:
                self.state.best = outcome
                return
            self._refuse(outcome, reason)

    def _refusal(self, outcome: Outcome) -> str:
        """Certify an outcome while workers go on with what follows if it holds."""
        for parent in self.beam:
            for part in self.expansions.get(parent.pipeline, ()):
                part.result()
        texts = self.next_first or self._next_in_line(self.beam)
        for text in islice(texts, max(0, min(DURING_PROOF, self._room()))):
            self.ahead.begin([text], self._limit())
        return self.certify(outcome.pipeline)

    def _refuse(self, outcome: Outcome, reason: str) -> None:
        """Take back what was recorded of a program that is not proven."""
        self.state.rejected += 1
        self.beam = [other for other in self.beam if other is not outcome]
        self.known = [other for other in self.known if other is not outcome]
        place = self.state.outcomes.index(outcome)
        self.state.outcomes[place] = replace(outcome, cycles=None, diagnostic=reason)

    def _advised(self) -> Sequence[Outcome]:
        room = self._advised_room()
        if self.advisor is None or not room:
            return ()
        proposals = self.advisor.propose(self.beam, room)
        outcomes = self.examine(proposals)
        self.advised += len(outcomes)
        self.advisor.learn(list(zip(proposals, outcomes, strict=True)))
        return outcomes


def _cycles(outcome: Outcome) -> int:
    assert outcome.cycles is not None
    return outcome.cycles
