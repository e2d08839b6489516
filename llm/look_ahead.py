"""Work that is begun before it is asked for: no worker waits for the slowest of a batch.

What is begun is a guess: it changes when results come, never what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from .evaluate import Outcome, cut

Evaluate = Callable[[str, int | None], Outcome]
"""The outcome of a pipeline; its cycles count up to a limit only."""

Guess = Callable[[list[Outcome], int], Sequence[Future[Any]]]
"""Begins something that may be asked for next; none where there is nothing to begin.

It sees which outcomes of a batch are there, and how many of them are not.
"""


@dataclass(frozen=True)
class _Early:
    call: Future[Outcome]
    limit: int | None

    def answers(self, limit: int | None) -> bool:
        """Whether its outcome says what one with ``limit`` would."""
        return self.limit is None or (limit is not None and limit <= self.limit)


@dataclass
class LookAhead:
    """Evaluates pipelines on the workers of ``executor``, some before they are asked for.

    Executors that do not say how many of their workers are ``idle`` get nothing early.
    """

    executor: Executor
    evaluate: Evaluate
    _early: dict[str, _Early] = field(default_factory=dict[str, _Early])

    def submit(self, texts: Sequence[str], limit: int | None) -> list[Future[Outcome]]:
        """Start to evaluate ``texts``, as far as that has not begun; other guesses do not wait."""
        for text in self._early.keys() - set(texts):
            if self._early[text].call.cancel():
                del self._early[text]
        return [self._begun(text, limit) or self._start(text, limit) for text in texts]

    def _start(self, text: str, limit: int | None) -> Future[Outcome]:
        return self.executor.submit(self.evaluate, text, limit)

    def _begun(self, text: str, limit: int | None) -> Future[Outcome] | None:
        early = self._early.pop(text, None)
        return early.call if early is not None and early.answers(limit) else None

    def begin(self, texts: Iterable[str], limit: int | None) -> list[Future[Outcome]]:
        """Begin with the first of ``texts`` that was not begun, if there is one."""
        for text in texts:
            if text not in self._early:
                self._early[text] = early = _Early(self._start(text, limit), limit)
                return [early.call]
        return []

    def results(
        self, calls: Sequence[Future[Outcome]], limit: int | None, guess: Guess
    ) -> Iterator[Outcome]:
        """The outcomes of ``calls`` in order. Idle workers get what ``guess`` begins next."""
        begun: list[Future[Any]] = []
        for call in calls:
            while not call.done():
                known = [cut(each.result(), limit) for each in calls if each.done()]
                pending = [each for each in calls if not each.done()]
                while self._is_idle() and (more := guess(known, len(pending))):
                    begun += more
                begun = [each for each in begun if not each.done()]
                wait([*pending, *begun], return_when=FIRST_COMPLETED)
            yield cut(call.result(), limit)

    def _is_idle(self) -> bool:
        return getattr(self.executor, "idle", 0) > 0
