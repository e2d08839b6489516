"""Questions to a language model and its answers, as plain values.

A ``Request`` is content alone: its key depends on what is asked, never on when, where or by whom.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]

BYTES_PER_MESSAGE = 16
"""Tokens by which a chat template may frame a message: roles and separators."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Schema:
    """The JSON Schema that an answer should follow; ``name`` is what endpoints call it."""

    name: str
    definition: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Request:
    """One question: a model, the conversation so far, and how to sample the answer."""

    model: str
    messages: tuple[Message, ...]
    schema: Schema
    max_tokens: int
    """Tokens that the answer may have."""
    temperature: float = 1.0
    seed: int = 0

    def content(self) -> dict[str, Any]:
        """The request as JSON values."""
        return asdict(self)

    @property
    def key(self) -> str:
        """SHA-256 of the content: equal questions have equal keys."""
        text = json.dumps(self.content(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def prompt_tokens_at_most(self) -> int:
        """A bound on the tokens of the conversation: no token is shorter than a byte."""
        return sum(len(m.content.encode()) + BYTES_PER_MESSAGE for m in self.messages)


@dataclass(frozen=True)
class Answer:
    """What came back. Without an answer, ``text`` is empty and ``error`` says why."""

    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish: str = ""
    """Why the model stopped, in the endpoint's words; ``length`` means that it was cut off."""
    error: str = ""
    fatal: bool = False
    """Whether asking this model again is of no use: a refused key, an unknown model."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Endpoint(Protocol):
    """Whatever answers requests: a service, a recording, a test."""

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers in the order of the requests; never raises for a fault of the service."""
        ...
