"""Ask models within a budget, and stop asking those that do not answer."""

from __future__ import annotations

from collections.abc import Sequence

from .chat import Answer, Endpoint, Request
from .ledger import Ledger

PATIENCE = 4
"""Answers in a row that a model may fail to give."""


class Asker:
    """An ensemble of models behind one endpoint, with one budget."""

    def __init__(self, endpoint: Endpoint, models: Sequence[str], ledger: Ledger) -> None:
        self.endpoint = endpoint
        self.ledger = ledger
        self.models = list(models)
        self.ended = ""
        """Why nothing can be asked any more; empty while something can."""
        self.last_error = ""
        """Why the last request that failed did; empty after an answer."""
        self.failures: dict[str, int] = dict.fromkeys(models, 0)

    def model(self, turn: int) -> str:
        """The model whose turn it is."""
        return self.models[turn % len(self.models)]

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers in order; an unanswered request has an ``error``."""
        fits = [not self.ended and self.ledger.reserve(request) for request in requests]
        sent = [request for request, fit in zip(requests, fits, strict=True) if fit]
        found = iter(self.endpoint.ask(sent) if sent else [])
        answers = [next(found) if fit else Answer(error="over the budget") for fit in fits]
        for request, answer, fit in zip(requests, answers, fits, strict=True):
            if fit:
                self.ledger.settle(request, answer)
                self._note(request.model, answer)
        if not all(fits) and not self.ended:
            self.ended = f"the budget is spent ({self.ledger.tokens:,} tokens used)"
        return answers

    def _note(self, model: str, answer: Answer) -> None:
        """Drop a model that cannot or does not answer."""
        self.last_error = answer.error
        self.failures[model] = self.failures[model] + 1 if answer.error else 0
        if model not in self.models:
            return
        if answer.fatal or self.failures[model] >= PATIENCE:
            self.models.remove(model)
            if not self.models:
                self.ended = f"{model}: {answer.error}"
