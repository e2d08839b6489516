"""Transcripts: every question and its answer, one JSON object a line, so that a run replays.

A line with a ``key`` answers the request that has this key. A line with ``for`` (the name of a
schema: plan or proposal) instead answers the next request of that kind which no key answers, in the
order of the file: such lines can be written by hand, and they keep working when prompts change.
``origin`` says where an answer comes from.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ..diagnostics import Diagnostic, SourceLocation
from .chat import Answer, Endpoint, Request
from .scrub import scrub

FORMAT = 1
MAX_BYTES = 256 << 20
NO_ANSWER = "the transcript has no answer to this request"
_KINDS = {"str": str, "int": int, "bool": bool}


class Transcript:
    """The answers of a file, by key; those without a key, in order."""

    def __init__(self, path: Path | str) -> None:
        """Read a transcript; raises ``Diagnostic`` with the line that is not one."""
        self.path = Path(path)
        self._keyed: dict[str, Answer] = {}
        self._in_order: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._models: dict[str, None] = {}
        for number, line in enumerate(_lines(self.path), start=1):
            if line.strip():
                self._read(line, SourceLocation(str(self.path), number, 1))

    def __len__(self) -> int:
        return len(self._keyed) + sum(map(len, self._in_order.values()))

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were asked, in the order of their first turns."""
        return tuple(self._models)

    def _read(self, line: str, place: SourceLocation) -> None:
        try:
            row = json.loads(line)
            if row["format"] != FORMAT:
                raise Diagnostic(f"transcript format {row['format']!r} is not {FORMAT}", place)
            answer = _answer(row["answer"])
            key = row.get("key")
            kind = "" if key is not None else str(row["for"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Diagnostic(
                f"not a line of a transcript: {type(error).__name__}: {error}",
                place,
                hint='each line is {"format": 1, "key": …, "answer": {…}}, or has "for": "plan"',
            ) from error
        if isinstance(request := row.get("request"), dict):
            self._models[str(request.get("model"))] = None
        if key is None:
            self._in_order[kind].append(answer)
        else:
            self._keyed[str(key)] = answer

    def find(self, request: Request) -> Answer | None:
        """The recorded answer to this very request."""
        return self._keyed.get(request.key)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer from the file alone, without any network."""
        return [self._replay(request) for request in requests]

    def _replay(self, request: Request) -> Answer:
        found = self.find(request)
        if found is not None:
            return found
        if self._in_order[request.schema.name]:
            return self._in_order[request.schema.name].popleft()
        return Answer(error=f"{self.path}: {NO_ANSWER}", fatal=True)


def _lines(path: Path) -> list[str]:
    """The complete lines: a run that was killed may have left half of the last one."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Diagnostic(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8").split("\n")[:-1]
    except OSError as error:
        raise Diagnostic(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Diagnostic(f"{path}: not a text file") from error


def _answer(row: dict[str, Any]) -> Answer:
    kinds = {field.name: _KINDS[str(field.type)] for field in fields(Answer)}
    for name, value in row.items():
        if name not in kinds or type(value) is not kinds[name]:
            raise ValueError(f"answer.{name} is {value!r:.60}")
    return Answer(**row)


class Recorder:
    """Passes requests on and writes what comes back; answers that are on file are not asked again.

    Lines are written in the order of the requests. An answer that is an error is asked again by
    the next run, which so resumes where this one broke off.
    """

    def __init__(
        self, endpoint: Endpoint, path: Path, origin: str, secrets: Sequence[str] = ()
    ) -> None:
        """Append to ``path``, which may hold an earlier transcript."""
        self.endpoint = endpoint
        self.path = path
        self.origin = origin
        self.secrets = tuple(secrets)
        self._known: Transcript | None = None
        if path.exists():
            self._known = Transcript(path)
            self._drop_half_line()

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers, from the file where it has them."""
        answers = [self._recorded(request) for request in requests]
        missing = [r for r, answer in zip(requests, answers, strict=True) if answer is None]
        fresh = iter(self.endpoint.ask(missing) if missing else [])
        found: list[Answer] = []
        for request, answer in zip(requests, answers, strict=True):
            if answer is None:
                answer = self._clean(next(fresh))
                self._write(request, answer)
            found.append(answer)
        return found

    def _recorded(self, request: Request) -> Answer | None:
        answer = self._known.find(request) if self._known is not None else None
        return None if answer is None or answer.error else answer

    def _clean(self, answer: Answer) -> Answer:
        """What is used is what is written: a secret that an answer repeats reaches neither."""
        return replace(
            answer,
            text=scrub(answer.text, *self.secrets),
            error=scrub(answer.error, *self.secrets),
        )

    def _drop_half_line(self) -> None:
        text = self.path.read_bytes()
        if not text.endswith(b"\n"):
            os.truncate(self.path, text.rfind(b"\n") + 1)

    def _write(self, request: Request, answer: Answer) -> None:
        row = {
            "format": FORMAT,
            "origin": self.origin,
            "key": request.key,
            "request": request.content(),
            "answer": asdict(answer),
        }
        line = scrub(json.dumps(row, ensure_ascii=False), *self.secrets)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise Diagnostic(f"{self.path}: cannot write: {error.strerror}") from error
