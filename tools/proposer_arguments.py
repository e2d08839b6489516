"""Options of ``liftproof optimize`` that say who proposes, and with which means."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..diagnostics import Diagnostic
from ..llm.advice import DEFAULT_KEY_VARIABLE, ModelOptions
from ..llm.ledger import FREE, Price
from .arguments import positive

REPLAY = "replay:"


def add_proposer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--proposer`` and what goes with it."""
    parser.add_argument(
        "--proposer",
        default="offline",
        type=proposer,
        metavar="offline|openai|replay:FILE",
        help="who proposes besides the search itself (default: nobody, offline)",
    )
    group = parser.add_argument_group("language models (--proposer openai)")
    group.add_argument(
        "--base-url", metavar="URL", help="address of a service that speaks chat completions"
    )
    group.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="name of a model; repeat for an ensemble",
    )
    group.add_argument(
        "--api-key-env",
        default=DEFAULT_KEY_VARIABLE,
        metavar="NAME",
        help="environment variable that holds the key (default: %(default)s)",
    )
    group.add_argument(
        "--transcript", type=Path, metavar="FILE", help="record all answers; resume from them"
    )
    group.add_argument(
        "--max-tokens", type=positive, metavar="N", help="tokens that may be used in all"
    )
    group.add_argument(
        "--max-cost", type=amount, metavar="MONEY", help="money that may be spent (see --price)"
    )
    group.add_argument(
        "--price", type=price, default=FREE, metavar="IN,OUT", help="cost of a million tokens"
    )
    group.add_argument(
        "--answer-tokens",
        type=positive,
        default=8192,
        metavar="N",
        help="tokens of the longest answer (default: %(default)s)",
    )
    group.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="how far answers stray (default: %(default)s)",
    )
    group.add_argument(
        "--request-timeout",
        type=amount,
        default=120.0,
        metavar="SECONDS",
        help="after which a request is given up (default: %(default)s)",
    )
    group.add_argument(
        "--request-tries",
        type=positive,
        default=4,
        metavar="N",
        help="of each request, if the service fails (default: %(default)s)",
    )
    group.add_argument(
        "--concurrency",
        type=positive,
        default=4,
        metavar="N",
        help="requests at a time (default: %(default)s)",
    )
    group.add_argument(
        "--requests-per-minute", type=positive, metavar="N", help="at most (default: no limit)"
    )
    group.add_argument("--stream", action="store_true", help="let answers come in pieces")


def proposer(text: str) -> str:
    """An argparse type: who proposes."""
    if text in ("offline", "openai") or (text.startswith(REPLAY) and len(text) > len(REPLAY)):
        return text
    raise argparse.ArgumentTypeError(f"{text!r}: choose offline, openai or replay:FILE")


def amount(text: str) -> float:
    """An argparse type: a number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def price(text: str) -> Price:
    """An argparse type: the costs of a million prompt and completion tokens."""
    values = [float(part) for part in text.split(",")]
    if len(values) != 2 or not all(0 <= value < float("inf") for value in values):
        raise argparse.ArgumentTypeError(f"{text!r}: give two numbers, as in 2.5,10")
    return Price(*values)


def models_of(options: argparse.Namespace) -> ModelOptions | None:
    """The models that the options ask for; None for the offline search."""
    who: str = options.proposer
    if who == "offline":
        if options.model or options.base_url or options.transcript:
            raise Diagnostic("models are named, but nobody asks them", hint="--proposer openai")
        return None
    return ModelOptions(
        replay=Path(who.removeprefix(REPLAY)) if who.startswith(REPLAY) else None,
        base_url=options.base_url,
        models=tuple(options.model),
        key_variable=options.api_key_env,
        transcript=options.transcript,
        max_tokens=options.max_tokens,
        max_cost=options.max_cost,
        price=options.price,
        timeout=options.request_timeout,
        tries=options.request_tries,
        concurrency=options.concurrency,
        requests_per_minute=options.requests_per_minute,
        stream=options.stream,
        temperature=options.temperature,
        answer_tokens=options.answer_tokens,
    )
