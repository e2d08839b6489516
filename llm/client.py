"""A client for any endpoint that speaks OpenAI's chat completions, over the official SDK.

Hosted services, vLLM, llama.cpp and Ollama all do. Whatever goes wrong becomes an ``Answer`` with
an ``error``; a request never takes longer than its time-out, tries and all.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion

from .bounded_http import ResponseTooLargeError, bound_response
from .chat import Answer, Request
from .scrub import scrub

NO_KEY = "no-key"
"""What is sent where the user has no key: servers on one's own machine do not ask for one."""
FATAL = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
NEGOTIATIONS = 6
"""Times that a request is put differently because the endpoint does not know a parameter."""


@dataclass(frozen=True)
class ClientOptions:
    """Where and how to ask."""

    base_url: str | None = None
    """None: what the SDK's environment variable says, else OpenAI's own service."""
    api_key: str = field(default="", repr=False)
    timeout: float = 120.0
    """Seconds for one request with all its tries."""
    tries: int = 4
    """Times that a request is sent before it fails: after 408, 409, 429, 5xx, lost connections."""
    concurrency: int = 4
    requests_per_minute: int | None = None
    stream: bool = False


@dataclass
class Capabilities:
    """Parameters that an endpoint understands; learnt from its refusals."""

    formats: list[str] = field(default_factory=lambda: ["json_schema", "json_object", ""])
    token_limit: str = "max_tokens"
    optional: set[str] = field(default_factory=lambda: {"temperature", "seed", "stream_options"})

    def parameters(self, request: Request, stream: bool) -> dict[str, Any]:
        """The keyword arguments of the request for this endpoint."""
        found: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            self.token_limit: request.max_tokens,
        }
        wanted: dict[str, Any] = {"temperature": request.temperature, "seed": request.seed}
        if stream:
            found["stream"] = True
            wanted["stream_options"] = {"include_usage": True}
        found |= {name: value for name, value in wanted.items() if name in self.optional}
        if self.formats[0] == "json_schema":
            schema = {
                "name": request.schema.name,
                "schema": request.schema.definition,
                "strict": True,
            }
            found["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.formats[0]:
            found["response_format"] = {"type": self.formats[0]}
        return found

    def learn(self, message: str) -> bool:
        """Give up what a refusal is about; False if there is nothing left to give up."""
        if "max_completion_tokens" in message and self.token_limit == "max_tokens":
            self.token_limit = "max_completion_tokens"
            return True
        for name in sorted(self.optional):
            if name in message:
                self.optional.remove(name)
                return True
        if len(self.formats) > 1:
            del self.formats[0]
            return True
        return False


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities that are trusted, read from disk once: it takes longer than a request."""
    return httpx2.create_ssl_context()


class OpenAIClient:
    """Asks one endpoint; requests of one call run concurrently."""

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self.capabilities: dict[str, Capabilities] = {}
        self._next_start = 0.0

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers in the order of the requests."""
        return asyncio.run(self._ask_all(requests))

    async def _ask_all(self, requests: Sequence[Request]) -> list[Answer]:
        options = self.options
        places = asyncio.Semaphore(options.concurrency)
        http = openai.DefaultAsyncHttpxClient(
            event_hooks={"response": [bound_response]},
            timeout=options.timeout,
            verify=_certificates(),
        )
        async with openai.AsyncOpenAI(
            api_key=options.api_key or NO_KEY,
            base_url=options.base_url,
            timeout=options.timeout,
            max_retries=options.tries - 1,
            default_headers={"Accept-Encoding": "identity"},
            http_client=http,
        ) as service:

            async def one(request: Request) -> Answer:
                async with places:
                    await self._pace()
                    return await self._answer(service, request)

            return await asyncio.gather(*map(one, requests))

    async def _pace(self) -> None:
        """Wait until the rate limit allows one more request."""
        if self.options.requests_per_minute is None:
            return
        start = max(time.monotonic(), self._next_start)
        self._next_start = start + 60 / self.options.requests_per_minute
        await asyncio.sleep(start - time.monotonic())

    async def _answer(self, service: openai.AsyncOpenAI, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self.options.timeout):
                return await self._negotiate(service, request)
        except (TimeoutError, openai.APITimeoutError):
            # The service may bill for what it did not deliver in time.
            return Answer(
                prompt_tokens=request.prompt_tokens_at_most,
                completion_tokens=request.max_tokens,
                error=f"no answer within {self.options.timeout:g} s",
            )
        except ResponseTooLargeError as error:
            return Answer(error=str(error))
        except openai.APIStatusError as error:
            words = scrub(error.message, self.options.api_key)[:300]
            return Answer(error=f"{error.status_code}: {words}", fatal=isinstance(error, FATAL))
        except openai.APIConnectionError as error:
            too_large = _cause(error, ResponseTooLargeError)
            cause = too_large or error.__cause__ or error
            return Answer(error=f"cannot talk to {service.base_url}: {cause}")
        except (openai.APIError, ValueError, TypeError, AttributeError, RecursionError) as error:
            # The SDK builds its objects from whatever JSON arrives: wrong types surface here.
            words = scrub(str(error), self.options.api_key)[:300]
            return Answer(error=f"not an answer of a chat endpoint: {words}")

    async def _negotiate(self, service: openai.AsyncOpenAI, request: Request) -> Answer:
        """Ask, and ask again without the parameters that the endpoint does not know."""
        known = self.capabilities.setdefault(request.model, Capabilities())
        for _ in range(NEGOTIATIONS):
            parameters = known.parameters(request, self.options.stream)
            try:
                if self.options.stream:
                    return await _read_stream(service, request, parameters)
                return _read(await service.chat.completions.create(**parameters), request)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not known.learn(error.message):
                    raise
        return Answer(error="the endpoint refuses every form of the request", fatal=True)


def _cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    current: BaseException | None = error
    while current is not None and not isinstance(current, kind):
        current = current.__cause__ or current.__context__
    return current


def _read(completion: Any, request: Request) -> Answer:
    """The answer in a completion; raises ``ValueError`` where there is none."""
    if not isinstance(completion, ChatCompletion) or not completion.choices:
        raise ValueError(f"no choices in {str(completion)[:100]!r}")
    choice = completion.choices[0]
    text, usage = choice.message.content, completion.usage
    if text is not None and not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError("the content is not text")
    return _answer(request, text or "", choice.finish_reason, usage)


async def _read_stream(
    service: openai.AsyncOpenAI, request: Request, parameters: dict[str, Any]
) -> Answer:
    pieces: list[str] = []
    finish, usage = "", None
    async with await service.chat.completions.create(**parameters) as events:
        async for event in events:
            usage = event.usage or usage
            for choice in event.choices[:1]:
                pieces.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
    if not finish:
        return _answer(request, "", "", usage, "the answer broke off")
    return _answer(request, "".join(pieces), finish, usage)


def _answer(request: Request, text: str, finish: str, usage: Any, error: str = "") -> Answer:
    """Count the tokens; where the endpoint does not, as the budget's worst case does."""
    prompt = getattr(usage, "prompt_tokens", None)
    completion = getattr(usage, "completion_tokens", None)
    if not isinstance(prompt, int) or not isinstance(completion, int):
        prompt, completion = request.prompt_tokens_at_most, len(text.encode())
    if not text.strip() and not error:
        error = "the answer is empty"
    return Answer(text, max(0, prompt), max(0, completion), str(finish), error)
