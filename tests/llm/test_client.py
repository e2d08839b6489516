"""The client against a real HTTP service: whatever happens becomes an ``Answer``."""

from __future__ import annotations

import json
import time

import pytest
from liftproof.llm import bounded_http
from liftproof.llm.answers import PLAN
from liftproof.llm.chat import Answer, Message, Request
from liftproof.llm.client import ClientOptions, OpenAIClient
from liftproof.llm.loopback_service import ChatService, Content, Reply

KEY = "sk-a-secret-that-nobody-may-see"
SOON = {"retry-after-ms": "1"}


def question(text: str = "why?", seed: int = 0) -> Request:
    return Request("some-model", (Message("user", text),), PLAN, 64, 0.5, seed)


def client(service: ChatService, **options: object) -> OpenAIClient:
    defaults = {"timeout": 5.0, "tries": 3}
    return OpenAIClient(ClientOptions(service.url, KEY, **{**defaults, **options}))  # pyright: ignore


def ask(service: ChatService, **options: object) -> Answer:
    return client(service, **options).ask([question()])[0]


@pytest.mark.parametrize("stream", [False, True])
def test_answer_and_usage_arrive(service: ChatService, stream: bool) -> None:
    """Text, tokens and the reason for the end are those of the service, streaming or not."""
    service.reply = lambda content: Reply("a longer answer, in pieces")
    assert ask(service, stream=stream) == Answer("a longer answer, in pieces", 100, 10, "stop")
    sent = service.requests[0]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("some-model", 64, 0.5)
    assert sent["response_format"]["json_schema"]["schema"] == PLAN.definition
    assert service.headers[0]["authorization"] == f"Bearer {KEY}"


def test_answers_come_in_the_order_of_the_requests(service: ChatService) -> None:
    """Concurrent requests do not change places, however long each takes."""

    def reply(content: Content) -> Reply:
        number = int(content["messages"][0]["content"])
        return Reply(str(number), pause=0.05 * (3 - number % 4))

    service.reply = reply
    answers = client(service, concurrency=4).ask([question(str(n)) for n in range(8)])
    assert [answer.text for answer in answers] == [str(n) for n in range(8)]


@pytest.mark.parametrize(
    ("status", "fatal"), [(401, True), (403, True), (404, True), (429, False), (500, False)]
)
def test_refusals_say_what_the_service_says(service: ChatService, status: int, fatal: bool) -> None:
    """The status and the service's words arrive without the key; some refusals are final."""
    service.reply = lambda content: Reply(f"no, not with {KEY}", status, headers=SOON)
    answer = ask(service)
    assert answer.error.startswith(f"{status}: ")
    assert KEY not in answer.error
    assert answer.fatal is fatal
    assert len(service.requests) == (1 if fatal else 3)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_recovers_is_asked_again(service: ChatService, status: int) -> None:
    """An overloaded or failing service gets another try, and its answer counts."""
    service.reply = lambda content: (
        Reply("busy", status, headers=SOON) if len(service.requests) < 3 else Reply("now")
    )
    assert ask(service).text == "now"


def test_a_dead_endpoint_is_named() -> None:
    """Nobody listens: the message names the address."""
    answer = OpenAIClient(ClientOptions("http://127.0.0.1:9/v1", "", 5.0, 1)).ask([question()])[0]
    assert "127.0.0.1:9" in answer.error
    assert answer.tokens == 0


@pytest.mark.parametrize("stream", [False, True])
def test_time_out_holds_against_silence_and_against_dripping(
    service: ChatService, stream: bool
) -> None:
    """Neither a silent service nor one that sends a byte now and then holds a request up."""
    drip = Reply(pieces=[b"data: "] + [b" "] * 200, pause=0.05)
    for reply in (Reply("late", pause=30), drip):
        service.reply = lambda content, reply=reply: reply
        started = time.monotonic()
        answer = ask(service, timeout=0.5, stream=stream)
        assert time.monotonic() - started < 2
        assert answer.error == "no answer within 0.5 s"
        assert answer.tokens == question().prompt_tokens_at_most + 64


@pytest.mark.parametrize("stream", [False, True])
def test_connection_that_breaks_off_is_an_error(service: ChatService, stream: bool) -> None:
    """Half an answer is none, even if what arrived looks like one."""
    event = {"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": None}]}
    body = f"data: {json.dumps(event)}\n\n" if stream else '{"choices": ['
    headers = {"Content-Type": "text/event-stream" if stream else "application/json"}
    service.reply = lambda content: Reply(headers=headers, pieces=[body.encode()])
    answer = ask(service, stream=stream, tries=1)
    assert answer.error
    assert not answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not JSON</html>",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": "many"}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": "much"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_nonsense_instead_of_a_completion_is_an_error(service: ChatService, body: bytes) -> None:
    """Whatever the body holds, there is an answer or an error, and never an exception."""
    service.reply = lambda content: Reply(body=body)
    answer = ask(service, tries=1)
    assert bool(answer.error) != bool(answer.text)


@pytest.mark.parametrize("stream", [False, True])
def test_gigantic_answer_is_not_read_to_its_end(
    service: ChatService, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at the limit, long before the end of what is sent."""
    monkeypatch.setattr(bounded_http, "MAX_RESPONSE_BYTES", 1 << 20)
    service.reply = lambda content: Reply(pieces=[b"data: " + b"x" * 100_000] * 500)
    started = time.monotonic()
    assert "over 1 MiB" in ask(service, stream=stream, tries=1).error
    assert time.monotonic() - started < 3


def test_packed_answer_is_refused(service: ChatService) -> None:
    """A compressed body could unfold without end; nobody asked for one."""
    service.reply = lambda content: Reply(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert "compressed" in ask(service, tries=1).error
    assert service.headers[0]["accept-encoding"] == "identity"


def test_cut_off_answer_says_so(service: ChatService) -> None:
    """The reason why the model stopped is kept."""
    service.reply = lambda content: Reply('{"item": "x', finish="length")
    assert ask(service).finish == "length"


def test_usage_that_is_not_reported_is_counted_as_the_worst_case(service: ChatService) -> None:
    """Without numbers from the service, every byte counts as a token."""
    service.reply = lambda content: Reply("four", usage=None)
    answer = ask(service)
    assert answer.prompt_tokens == question().prompt_tokens_at_most
    assert answer.completion_tokens == 4


@pytest.mark.parametrize(
    ("unknown", "field"),
    [
        ("response_format", "response_format"),
        ("temperature", "temperature"),
        ("seed", "seed"),
        ("max_tokens is not supported, use max_completion_tokens", "max_tokens"),
    ],
)
def test_parameters_that_a_service_does_not_know_are_left_out(
    service: ChatService, unknown: str, field: str
) -> None:
    """A refusal of a parameter leads to a request without it, and later ones leave it out too."""

    def reply(content: Content) -> Reply:
        return Reply(f"unknown: {unknown}", 400) if field in content else Reply("fine")

    service.reply = reply
    asking = client(service)
    assert asking.ask([question()])[0].text == "fine"
    before = len(service.requests)
    assert asking.ask([question()])[0].text == "fine"
    assert len(service.requests) == before + 1


def test_rate_limit_spreads_the_requests(service: ChatService) -> None:
    """Requests start no faster than the rate allows."""
    started = time.monotonic()
    client(service, requests_per_minute=600).ask([question(str(n)) for n in range(4)])
    assert 0.3 <= time.monotonic() - started < 2
