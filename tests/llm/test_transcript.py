"""Transcripts: what is recorded replays, what is secret is not recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.llm.answers import PLAN, PROPOSAL
from liftproof.llm.asker import PATIENCE, Asker
from liftproof.llm.chat import Answer, Message, Request
from liftproof.llm.ledger import Ledger, Price
from liftproof.llm.scrub import scrub, scrub_url
from liftproof.llm.transcript import Recorder, Transcript

SECRET = "my-very-own-password"


def question(text: str, seed: int = 0, model: str = "m") -> Request:
    return Request(model, (Message("user", text),), PLAN, 50, 1.0, seed)


class Echo:
    """An endpoint that repeats the question and counts what it is asked."""

    def __init__(self, error: str = "", fatal: bool = False) -> None:
        self.asked: list[Request] = []
        self.error, self.fatal = error, fatal

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        self.asked += requests
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        if self.error:
            return Answer(error=self.error, fatal=self.fatal)
        text = request.messages[-1].content
        return Answer(f"{text} {SECRET}", len(text), 3, "stop")


def test_recording_replays_without_the_endpoint(tmp_path: Path) -> None:
    """Each request of a recorded run gets the same answer again."""
    requests = [question("a"), question("b"), question("a", seed=1)]
    recorder = Recorder(Echo(), tmp_path / "t.jsonl", "echo", [SECRET])
    answers = recorder.ask(requests)
    assert Transcript(tmp_path / "t.jsonl").ask(requests) == answers
    assert Transcript(tmp_path / "t.jsonl").models == ("m",)


def test_partial_transcript_resumes(tmp_path: Path) -> None:
    """Only what is missing is asked; half a line, as a killed run leaves it, does no harm."""
    path = tmp_path / "t.jsonl"
    Recorder(Echo(), path, "echo").ask([question("a"), question("b")])
    path.write_text(path.read_text()[:-20])
    echo = Echo()
    resumed = Recorder(echo, path, "echo").ask([question("a"), question("b"), question("c")])
    assert [request.messages[0].content for request in echo.asked] == ["b", "c"]
    assert Transcript(path).ask([question(text) for text in "abc"]) == resumed


def test_failed_request_is_asked_again_but_replays_as_failed(tmp_path: Path) -> None:
    """A replay takes the path of its run; a resumed run gets another chance."""
    path = tmp_path / "t.jsonl"
    Recorder(Echo("busy"), path, "echo").ask([question("a")])
    assert Transcript(path).ask([question("a")])[0].error == "busy"
    assert Recorder(Echo(), path, "echo").ask([question("a")])[0].error == ""
    assert Transcript(path).ask([question("a")])[0].error == ""


def test_secrets_are_not_written(tmp_path: Path) -> None:
    """Neither a key that an answer repeats, nor what looks like one, reaches the file."""
    path = tmp_path / "t.jsonl"
    likely = "sk-proj-abcdefghijklmnopqrstuvwxyz"
    answer = Recorder(Echo(), path, "echo", [SECRET]).ask([question(f"say {likely}")])[0]
    assert SECRET not in path.read_text() + answer.text
    assert likely not in path.read_text() + answer.text


def test_urls_lose_their_secrets() -> None:
    """User, password and query of an address are not written down."""
    assert scrub_url("https://me:pw@host:8/v1?key=1") == "https://host:8/v1"


@given(st.text(), st.text(min_size=4))
def test_scrubbing_leaves_no_secret(text: str, secret: str) -> None:
    """After scrubbing, the secret is gone, unless the mark itself contains it."""
    assert secret not in scrub(text + secret + text, secret) or secret in "****"


def test_answers_written_by_hand_are_given_in_order(tmp_path: Path) -> None:
    """Lines without a key answer whatever is asked, one after the other."""
    path = tmp_path / "t.jsonl"
    rows = [
        {"format": 1, "for": kind, "origin": "by hand", "answer": {"text": text}}
        for kind, text in (("plan", "x"), ("proposal", "z"), ("plan", "y"))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    transcript = Transcript(path)
    assert len(transcript) == 3
    answers = transcript.ask([question("1"), question("2"), question("3")])
    assert [answer.text for answer in answers[:2]] == ["x", "y"]
    assert answers[2].fatal
    proposal = Request("m", (Message("user", "4"),), PROPOSAL, 50)
    assert transcript.ask([proposal])[0].text == "z"


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "7",
        '{"format": 2, "answer": {}}',
        '{"format": 1}',
        '{"format": 1, "answer": {"text": "for whom?"}}',
        '{"format": 1, "answer": {"text": 7}}',
        '{"format": 1, "answer": {"code": "x"}}',
        "[" * 10_000,
    ],
)
def test_bad_line_is_named(line: str, tmp_path: Path) -> None:
    """A file that is no transcript gives a diagnostic with the line."""
    path = tmp_path / "t.jsonl"
    path.write_text(f'\n{line}\n{{"format": 1, "for": "plan", "answer": {{}}}}\n')
    with pytest.raises(Diagnostic) as caught:
        Transcript(path)
    assert caught.value.location is not None
    assert caught.value.location.line == 2


def test_missing_transcript_is_a_diagnostic(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(Diagnostic, match=r"t\.jsonl"):
        Transcript(tmp_path / "t.jsonl")


def test_keys_depend_on_all_of_the_content() -> None:
    """Another model, text, schema, seed or limit is another question."""
    base = question("a")
    others = [
        question("b"),
        question("a", 1),
        question("a", model="n"),
        Request("m", base.messages, PROPOSAL, 50, 1.0, 0),
        Request("m", base.messages, PLAN, 51, 1.0, 0),
        Request("m", base.messages, PLAN, 50, 0.5, 0),
        Request("m", (Message("system", "a"),), PLAN, 50, 1.0, 0),
    ]
    assert len({base.key, *(other.key for other in others)}) == 8
    assert question("a").key == base.key


class Honest:
    """An endpoint that uses as many tokens as a request allows at most, or fewer."""

    def __init__(self, shares: list[float]) -> None:
        self.shares = shares
        self.used = 0

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        answers: list[Answer] = []
        for request in requests:
            share = self.shares.pop() if self.shares else 1.0
            prompt = int(request.prompt_tokens_at_most * share)
            completion = int(request.max_tokens * share)
            self.used += prompt + completion
            answers.append(Answer("x", prompt, completion, "stop"))
        return answers


@given(
    st.integers(1, 2000),
    st.lists(st.integers(1, 5), max_size=8),
    st.lists(st.floats(0, 1), max_size=20),
)
def test_budget_of_tokens_is_never_exceeded(
    budget: int, batches: list[int], shares: list[float]
) -> None:
    """Whatever the answers take, the tokens used stay within the budget, to the token."""
    endpoint = Honest(shares)
    asker = Asker(endpoint, ["m"], Ledger(max_tokens=budget))
    for number, size in enumerate(batches):
        asker.ask([question(f"{number} {n}") for n in range(size)])
    assert endpoint.used == asker.ledger.tokens <= budget
    assert asker.ledger.reserved_prompt == asker.ledger.reserved_completion == 0


@given(st.floats(1e-6, 0.01), st.integers(1, 10))
def test_budget_of_money_is_never_exceeded(limit: float, size: int) -> None:
    """The cost at the user's prices stays within the limit."""
    ledger = Ledger(max_cost=limit, price=Price(3.0, 15.0))
    asker = Asker(Honest([]), ["m"], ledger)
    asker.ask([question(str(n)) for n in range(size)])
    assert ledger.cost <= limit


def test_models_that_do_not_answer_are_left_out() -> None:
    """A final refusal drops a model at once, silence after some patience; then asking ends."""
    asker = Asker(Echo("401: no", fatal=True), ["a", "b"], Ledger())
    asker.ask([question("x", model="a")])
    assert (asker.models, asker.ended) == (["b"], "")
    patient = Asker(Echo("busy"), ["a"], Ledger())
    for number in range(PATIENCE):
        assert patient.ended == ""
        patient.ask([question(str(number), model="a")])
    assert patient.ended == "a: busy"
    assert patient.ask([question("x", model="a")])[0].error
