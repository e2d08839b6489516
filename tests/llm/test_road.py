"""The whole road with a model: a real HTTP service, a budget, transcripts, and what goes wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from liftproof.llm.advice import ModelOptions
from liftproof.llm.advised import Advice
from liftproof.llm.check import Task, check
from liftproof.llm.ledger import Price
from liftproof.llm.loopback_service import ChatService, Content, Reply
from liftproof.llm.search import Search, SearchState
from liftproof.llm.session import open_session
from liftproof.passes.pipelines import baseline_pipeline
from liftproof.tools.cli import main

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
KERNEL = ROOT / "examples" / "matmul_17x16x16.c"
BETTER_C = (FOLDER / "attacks" / "base.c").read_text()
WRONG_C = BETTER_C.replace("i < 2", "i < 1")
COMPARED = ("kernel.mlir", "kernel.c", "schedule.txt", "search.jsonl")


def policy(program: str) -> Callable[[Content], Reply]:
    """Plan to write C where the menu has it, and then answer with ``program``."""

    def reply(content: Content) -> Reply:
        words = content["messages"][-1]["content"]
        if "# Menu" in words:
            items = re.findall(r"^- ([a-z-]+)[:{]", words.partition("# Menu")[2], re.MULTILINE)
            item = "rewrite-c" if "rewrite-c" in items else items[0]
            return Reply(json.dumps({"item": item, "why": "load B once"}))
        kind = "c" if '"kind": "c"' in words else "pipeline"
        text = program if kind == "c" else "cse"
        return Reply(f"Here it is: {json.dumps({'kind': kind, 'text': text})}")

    return reply


def run(
    service: ChatService,
    task: Task,
    budget: int = 3,
    jobs: int = 1,
    **options: object,
) -> tuple[SearchState, dict[str, Any]]:
    """Search from the untuned lowering with a model, in this process; the state and the report."""
    defaults: dict[str, object] = {
        "base_url": service.url,
        "timeout": 5.0,
        "tries": 1,
        "models": ("m",),
    }
    models = ModelOptions(**{**defaults, **options})  # pyright: ignore
    advice = Advice(open_session(models), task.problem, task.source_ir, 721, 0)
    with ThreadPoolExecutor(jobs) as executor, advice.opened(executor, jobs) as (guide, _):
        search = Search(
            advice.problem,
            lambda pipeline: "",
            executor,
            budget,
            advisor=guide,
            examine=lambda proposals: [check(advice.task, proposal) for proposal in proposals],
        )
        return search.run([baseline_pipeline(task.problem.config)]), advice.report()


@pytest.mark.parametrize("jobs", [1, 2])
def test_recording_replays_without_the_service(
    service: ChatService, task: Task, tmp_path: Path, jobs: int
) -> None:
    """With one worker and with two, a transcript gives the same outcomes, and the same transcript.

    Half of it resumes: only the other half is asked for.
    """
    service.reply = policy(BETTER_C)
    first, again, half = (tmp_path / name for name in ("first", "again", "half"))
    state, report = run(service, task, 6, transcript=first, max_tokens=100_000)
    asked = len(service.requests)
    lines = first.read_text().splitlines(keepends=True)
    half.write_text("".join(lines[: asked // 2]))
    resumed, _ = run(service, task, 6, jobs, transcript=half, max_tokens=100_000)
    assert len(service.requests) - asked == asked - asked // 2
    service.close()
    options: dict[str, Any] = {"replay": first, "transcript": again, "max_tokens": 100_000}
    replayed, told = run(service, task, 6, jobs, **options)
    assert state.outcomes == replayed.outcomes == resumed.outcomes
    assert told == {**report, "name": "replay"}
    assert _answers(first) == _answers(again) == _answers(half)


def test_command_line_asks_and_replays(
    service: ChatService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``optimize`` with a service, and again with its transcript, writes the same files."""
    monkeypatch.setenv("MY_KEY", "sk-this-is-the-secret-key")
    service.reply = policy(BETTER_C)
    transcript = tmp_path / "t.jsonl"
    common = [str(KERNEL), "--budget", "14", "--max-tokens", "100000", "--out"]
    asking = ["--proposer", "openai", "--base-url", service.url, "--model", "m", "-j", "1"]
    asking += ["--transcript", str(transcript), "--api-key-env", "MY_KEY"]
    assert main(["optimize", *common, str(tmp_path / "1"), *asking]) == 0
    assert service.headers[0]["authorization"] == "Bearer sk-this-is-the-secret-key"
    assert "sk-this-is-the-secret-key" not in transcript.read_text()
    service.close()
    replaying = ["--proposer", f"replay:{transcript}", "-j", "2"]
    assert main(["optimize", *common, str(tmp_path / "2"), *replaying]) == 0
    for name in COMPARED:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    report = json.loads((tmp_path / "1" / "report.json").read_text())
    assert report["verdict"] == "proved"
    assert report["proposer"]["proved"] >= 1
    rows = [json.loads(line) for line in (tmp_path / "1" / "search.jsonl").open()]
    assert any(row.get("kind") == "c" and row["cycles"] for row in rows)
    assert "int8_t a[17][16]" in (tmp_path / "1" / "kernel.c").read_text()


def _answers(path: Path) -> list[tuple[str, object]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["key"], row["answer"]) for row in rows]


@pytest.mark.parametrize(
    ("reply", "ended"),
    [
        (Reply("invalid key", 401), "401: "),
        (Reply("slow down", 429), "429: "),
        (Reply("out of order", 500), "500: "),
        (Reply("late", pause=30), "no answer within 0.3 s"),
        (Reply(pieces=[b'{"choices": [']), "not an answer"),
        (Reply(body=b"<html>"), "not an answer"),
        (Reply("", finish="length"), "the answer is empty"),
        (Reply('{"wrong": "schema"}'), "nothing new"),
        (Reply(json.dumps({"item": "format-the-disk", "why": "x"})), "nothing new"),
    ],
    ids=["401", "429", "500", "slow", "cut-off", "no-json", "empty", "schema", "menu"],
)
def test_search_goes_on_without_a_model_that_fails(
    service: ChatService, task: Task, reply: Reply, ended: str
) -> None:
    """Whatever the service does, the search uses its budget, and the report says what happened."""
    service.reply = lambda content: reply
    started = time.monotonic()
    state, report = run(service, task, timeout=0.3)
    assert time.monotonic() - started < 30
    assert state.best is not None
    assert state.evaluated == 3
    assert ended in report["ended"]
    assert report["proved"] == 0


def test_dead_endpoint_ends_in_the_offline_search(service: ChatService, task: Task) -> None:
    """Nobody listens: the message names the address, and the search goes on."""
    state, report = run(service, task, base_url="http://127.0.0.1:9/v1")
    assert "127.0.0.1:9" in report["ended"]
    assert state.evaluated == 3


def test_proven_program_in_c_wins(service: ChatService, task: Task) -> None:
    """Against the untuned lowering, the program that the model writes is the best."""
    service.reply = policy(BETTER_C)
    state, report = run(service, task)
    assert state.best is not None
    assert (state.best.kind, state.best.text) == ("c", BETTER_C.strip())
    assert report["proved"] == 1


def test_budget_of_tokens_holds_to_the_token(service: ChatService, task: Task) -> None:
    """Requests stop before the worst case of the next one would exceed the budget."""
    service.reply = policy(WRONG_C)
    limit = 40_000
    options = {"max_tokens": limit, "answer_tokens": 1000, "concurrency": 2}
    _, report = run(service, task, 12, **options)
    used = report["prompt_tokens"] + report["completion_tokens"]
    assert 0 < used <= limit
    assert used == 110 * len(service.requests)
    assert report["ended"]


def test_refusal_goes_back_to_the_model_with_a_counterexample(
    service: ChatService, task: Task
) -> None:
    """A program that skips the last row is refused, and the model is told the wrong element."""
    service.reply = policy(WRONG_C)
    state, report = run(service, task, 6, max_cost=1.0, price=Price(1.0, 1.0))
    assert report["refused"] > 0
    assert report["cost"] > 0
    assert state.best is not None
    assert state.best.kind == "pipeline"
    told = [c["messages"][-1]["content"] for c in service.requests]
    assert any("was refused" in words and "refuted" in words for words in told)
    assert any(re.search(r"C\[16\]\[\d+\] is", words) for words in told)


def test_transcript_written_by_hand_drives_a_search(service: ChatService, task: Task) -> None:
    """Answers without keys are given in order: right ones, wrong ones, and prose."""
    path = ROOT / "examples" / "transcripts" / "matmul_17x16x16.by_hand.jsonl"
    assert all("by hand" in json.loads(line)["origin"] for line in path.read_text().splitlines())
    state, report = run(service, task, 12, replay=path)
    assert min(report["proved"], report["refused"], report["unreadable"]) >= 1
    assert {"c", "ir"} <= {outcome.kind for outcome in state.outcomes if outcome.cycles}
    assert service.requests == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--proposer", "openai"], "--model"),
        (["--proposer", "openai", "--model", "m"], "NO_SUCH_KEY"),
        (["--proposer", "openai", "--model", "m", "--base-url", "host:1"], "address"),
        (["--proposer", "openai", "--model", "m", "--max-cost", "1"], "--price"),
        (["--proposer", "replay:/no/such/file"], "/no/such/file"),
        (["--model", "m"], "--proposer openai"),
    ],
)
def test_unusable_options_are_explained(
    arguments: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What is missing to ask anybody is said before anything is written."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    arguments = [*arguments, "--api-key-env", "NO_SUCH_KEY", "--out", str(tmp_path / "out")]
    assert main(["optimize", str(KERNEL), *arguments, "-j", "1"]) == 1
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--proposer", "oracle"],
        ["--proposer", "replay:"],
        ["--max-cost", "-1"],
        ["--price", "1"],
        ["--price", "a,b"],
        ["--max-tokens", "0"],
    ],
)
def test_wrong_usage_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Values that cannot be meant are a fault of usage."""
    with pytest.raises(SystemExit) as stop:
        main(["optimize", str(KERNEL), *arguments])
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err
