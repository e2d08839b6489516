"""Tokens and money: what was spent, and whether one more request fits into the budget."""

from __future__ import annotations

from dataclasses import dataclass

from .chat import Answer, Request

PER_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Cost per million tokens, in the user's currency."""

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        total = prompt_tokens * self.prompt + completion_tokens * self.completion
        return total / PER_MILLION


FREE = Price()


@dataclass
class Ledger:
    """A hard budget: a request is sent only if its worst case still fits.

    The worst case of a request is one token per byte of the prompt, and the longest answer. Once
    answered, it counts as what the endpoint reports.
    """

    max_tokens: int | None = None
    max_cost: float | None = None
    price: Price = FREE
    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    reserved_prompt: int = 0
    reserved_completion: int = 0

    @property
    def tokens(self) -> int:
        """Tokens spent so far."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float:
        """Money spent so far."""
        return self.price.cost(self.prompt_tokens, self.completion_tokens)

    def reserve(self, request: Request) -> bool:
        """Set the worst case of ``request`` aside; False, and no change, if it does not fit."""
        prompt = self.reserved_prompt + request.prompt_tokens_at_most
        completion = self.reserved_completion + request.max_tokens
        if self.max_tokens is not None and self.tokens + prompt + completion > self.max_tokens:
            return False
        cost = self.price.cost(self.prompt_tokens + prompt, self.completion_tokens + completion)
        if self.max_cost is not None and cost > self.max_cost:
            return False
        self.reserved_prompt, self.reserved_completion = prompt, completion
        return True

    def settle(self, request: Request, answer: Answer) -> None:
        """Replace what was set aside for ``request`` by what its answer took."""
        self.reserved_prompt -= request.prompt_tokens_at_most
        self.reserved_completion -= request.max_tokens
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens
        self.requests += 1
