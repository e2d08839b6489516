"""Who is asked for proposals, and with which means: from options to an ``Asker``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..diagnostics import Diagnostic
from .asker import Asker
from .chat import Endpoint
from .ledger import FREE, Ledger, Price
from .scrub import scrub_url
from .transcript import Recorder, Transcript

BY_HAND = "by-hand"
"""The model that answers where a transcript names none."""
DEFAULT_KEY_VARIABLE = "OPENAI_API_KEY"
DEFAULT_URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class ModelOptions:
    """A service, or a recording of one, and how much of it may be used."""

    replay: Path | None = None
    """A transcript to answer from, without any network."""
    base_url: str | None = None
    models: tuple[str, ...] = ()
    """More than one model take turns."""
    key_variable: str = DEFAULT_KEY_VARIABLE
    """Environment variable that holds the key."""
    transcript: Path | None = None
    """Where to record; answers that the file already has are not asked for again."""
    max_tokens: int | None = None
    max_cost: float | None = None
    price: Price = FREE
    timeout: float = 120.0
    tries: int = 4
    concurrency: int = 4
    requests_per_minute: int | None = None
    stream: bool = False
    temperature: float = 1.0
    answer_tokens: int = 8192


def open_asker(options: ModelOptions) -> Asker:
    """Whom to ask; raises ``Diagnostic`` for a service that is not fully named, or a bad file."""
    if options.max_cost is not None and options.price == FREE:
        raise Diagnostic("a limit on the cost needs prices", hint="give --price PROMPT,COMPLETION")
    endpoint: Endpoint
    if options.replay is not None:
        endpoint = transcript = Transcript(options.replay)
        models = options.models or transcript.models or (BY_HAND,)
        origin, secrets = f"replay of {options.replay.name}", ()
    else:
        endpoint, origin, secrets = _service(options)
        models = options.models
    if options.transcript is not None:
        endpoint = Recorder(endpoint, options.transcript, origin, secrets)
    ledger = Ledger(options.max_tokens, options.max_cost, options.price)
    return Asker(endpoint, models, ledger)


def _service(options: ModelOptions) -> tuple[Endpoint, str, tuple[str, ...]]:
    """The client of a service, where its answers come from, and what must not be written down."""
    if not options.models:
        raise Diagnostic("no model is named", hint="give --model NAME, as the service calls it")
    url = options.base_url or os.environ.get(DEFAULT_URL_VARIABLE) or DEFAULT_URL
    if not url.startswith(("http://", "https://")):
        raise Diagnostic(f"{url!r} is no address of a service", hint="--base-url http://HOST/v1")
    key = os.environ.get(options.key_variable, "")
    if not key and url == DEFAULT_URL:
        raise Diagnostic(
            f"no key: the environment variable {options.key_variable} is empty",
            hint="set it, or name another service with --base-url",
        )
    from .client import ClientOptions, OpenAIClient

    client = OpenAIClient(
        ClientOptions(
            url,
            key,
            options.timeout,
            options.tries,
            options.concurrency,
            options.requests_per_minute,
            options.stream,
        )
    )
    return client, scrub_url(url), (key,) if key else ()
