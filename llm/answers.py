"""From an answer's text to a plan or a proposal, whatever the model wrapped it into.

Endpoints that take a JSON Schema answer with JSON; others fence it, explain it, or cut it off. The
first JSON object that has the wanted fields counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .chat import Schema
from .proposal import KINDS, Kind, Proposal

MAX_ANSWER = 1 << 20
MAX_STARTS = 64
"""Braces of an answer at which a JSON object is looked for."""
MAX_WORDS = 2000
"""Characters of a plan that are kept: it goes into the next prompt."""


class AnswerError(Exception):
    """An answer that holds no plan or no proposal; the message says what is missing."""


@dataclass(frozen=True)
class Plan:
    """What to do next, and why."""

    item: str
    """Name of the menu item."""
    why: str


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


PLAN = Schema("plan", _object(item={"type": "string"}, why={"type": "string"}))
PROPOSAL = Schema(
    "proposal",
    _object(kind={"type": "string", "enum": list(KINDS)}, text={"type": "string"}),
)


def read_plan(text: str) -> Plan:
    """The plan in an answer; raises ``AnswerError`` where there is none."""
    found = _fields(text, PLAN)
    return Plan(_plain(found["item"])[:80], _plain(found["why"])[:MAX_WORDS])


def read_answer(text: str, expected: Kind) -> Proposal:
    """The proposal in an answer; raises ``AnswerError`` where there is none.

    A model that forgets the JSON and answers with one fenced block means a proposal of the
    ``expected`` kind.
    """
    try:
        found = _fields(text, PROPOSAL)
    except AnswerError:
        blocks = _FENCE.findall(text[:MAX_ANSWER])
        if len(blocks) != 1:
            raise
        return Proposal(expected, blocks[0].strip())
    kind = found["kind"]
    if kind not in KINDS:
        raise AnswerError(f"kind must be one of {', '.join(KINDS)}, not {found['kind']!r:.40}")
    return Proposal(kind, _unfenced(found["text"]))


_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)


def _unfenced(text: str) -> str:
    match = _FENCE.fullmatch(text.strip())
    return (match.group(1) if match else text).strip()


def _plain(text: str) -> str:
    """One line of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def read_fields(text: str, schema: Schema) -> dict[str, str]:
    """The strings that the schema requires; raises ``AnswerError`` where one is missing."""
    return _fields(text, schema)


def _fields(text: str, schema: Schema) -> dict[str, str]:
    if len(text) > MAX_ANSWER:
        raise AnswerError(f"the answer is over {MAX_ANSWER >> 20} Mi characters")
    wanted = schema.definition["required"]
    nearest = "no JSON object"
    for candidate in _objects(text):
        missing = [name for name in wanted if not isinstance(candidate.get(name), str)]
        if not missing:
            return {name: candidate[name] for name in wanted}
        nearest = f"no string {' and no string '.join(map(repr, missing))}"
    raise AnswerError(f"{nearest} in the answer; wanted {{{', '.join(wanted)}}}")


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in ``text``, from the left; those inside of others are passed over."""
    decoder = json.JSONDecoder(strict=False)  # models put line breaks into strings
    place = 0
    for _ in range(MAX_STARTS):
        place = text.find("{", place)
        if place < 0:
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        if isinstance(value, dict):
            yield value
