"""Lifting with a model: a summary first, then loop invariants where the proof needs them.

A refused summary goes back with the arrays on which it is wrong, or with the place and the reason
why it cannot be read; a summary that is neither proved nor refuted is followed by questions for
invariants. Everything that comes back is text that is parsed and proved, in a sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from ..lifting.invariants.prove import Proof, assumptions
from ..lifting.results import with_result_as_output
from ..lifting.summaries.operators import reference_lines
from ..lifting.summaries.prove import lift_to_summary
from ..validation.extract.structured import single_function
from .advice import ModelOptions, open_asker
from .answers import AnswerError, read_fields
from .asker import Asker
from .chat import Message, Request, Schema
from .lift_check import Checked, check_summary
from .lift_kernel import anonymous, loop_names, output_names, restore_names
from .render import render
from .sandbox import Killed, Sandbox

SUMMARIES = 8
"""Summaries that are asked for, at most."""
INVARIANTS = 4
"""Sets of invariants for one summary, at most."""
REPEATS = 2
"""Answers that were refused before, after which a model has nothing more to say."""
_QUOTED = re.compile(r"'([^']*)'")
Check = Callable[[str, str, str], Checked]


def text_schema(name: str) -> Schema:
    """The schema of an answer with one text."""
    definition = {
        "type": "object",
        "properties": {name: {"type": "string"}},
        "required": [name],
        "additionalProperties": False,
    }
    return Schema(name, definition)


SUMMARY, INVARIANT = text_schema("summary"), text_schema("invariants")


@dataclass
class LiftStatistics:
    """What was asked for, and what came of it."""

    summaries: int = 0
    invariants: int = 0
    refuted: int = 0
    unreadable: int = 0
    unknown: int = 0
    repeated: int = 0


@dataclass
class LiftGuide:
    """One conversation about one kernel; ``kernel`` is anonymous."""

    kernel: ModuleOp
    asker: Asker
    check: Check
    answer_tokens: int = 8192
    temperature: float = 1.0
    seed: int = 0
    statistics: LiftStatistics = field(default_factory=LiftStatistics)
    ended: str = ""
    """Why no more is asked; empty after a proof."""

    def __post_init__(self) -> None:
        self._text = str(self.kernel)
        self._turn = 0
        self._refused: set[tuple[str, str]] = set()
        self._messages = [
            Message("system", render("lift_system", functions=reference_lines())),
            Message(
                "user",
                render(
                    "lift_summary", outputs=", ".join(output_names(self.kernel)), kernel=self._text
                ),
            ),
        ]

    def run(self) -> tuple[str, str] | None:
        """A summary with invariants that is proved; ``None`` if the model finds none."""
        for _ in range(SUMMARIES):
            summary = self._ask(SUMMARY)
            if summary is None:
                return None
            self.statistics.summaries += 1
            checked = self._checked(summary, "")
            if checked.status == "proved":
                return summary, ""
            if checked.status == "unknown":
                found = self._with_invariants(summary, checked)
                if found is not None:
                    return found
                if self.ended:
                    return None
                continue
            self._say(render("lift_repair", reason=checked.reason, field="summary"))
        self.ended = f"{SUMMARIES} summaries were refused"
        return None

    def _with_invariants(self, summary: str, checked: Checked) -> tuple[str, str] | None:
        """Ask for invariants that prove ``summary``."""
        names = ", ".join(loop_names(self.kernel))
        self._say(render("lift_invariants", reason=checked.reason, loops=names))
        for _ in range(INVARIANTS):
            invariants = self._ask(INVARIANT)
            if invariants is None:
                return None
            self.statistics.invariants += 1
            checked = self._checked(summary, invariants)
            if checked.status == "proved":
                return summary, invariants
            if checked.status == "refuted":
                break
            self._say(render("lift_repair", reason=checked.reason, field="invariants"))
        self._say(render("lift_repair", reason=checked.reason, field="summary"))
        return None

    def _ask(self, schema: Schema) -> str | None:
        """The next text; what cannot be read is said and asked again."""
        for _ in range(REPEATS + 1):
            if self.ended or self.asker.ended:
                self.ended = self.ended or self.asker.ended
                return None
            request = self._request(schema)
            (answer,) = self.asker.ask([request])
            if answer.error:
                self.ended = self.asker.ended or self._after_error(answer.error)
                continue
            self._messages.append(Message("assistant", answer.text))
            try:
                return read_fields(answer.text, schema)[schema.name].strip()
            except AnswerError as error:
                self.statistics.unreadable += 1
                self._say(render("lift_repair", reason=str(error), field=schema.name))
        self.ended = self.ended or "the answers cannot be read"
        return None

    def _after_error(self, error: str) -> str:
        """Why to stop after a failed request; empty to ask again."""
        return "" if self._turn < REPEATS + 1 else error

    def _request(self, schema: Schema) -> Request:
        model = self.asker.model(self._turn)
        self._turn += 1
        return Request(
            model,
            tuple(self._messages),
            schema,
            self.answer_tokens,
            self.temperature,
            self.seed * 1_000_003 + self._turn,
        )

    def _say(self, text: str) -> None:
        self._messages.append(Message("user", text))

    def _checked(self, summary: str, invariants: str) -> Checked:
        if (summary, invariants) in self._refused:
            self.statistics.repeated += 1
            if self.statistics.repeated >= REPEATS:
                self.ended = "the model repeats what was refused"
            return Checked("unreadable", "This was refused before.")
        checked = self.check(self._text, summary, invariants)
        if checked.status != "proved":
            self._refused.add((summary, invariants))
            name = checked.status
            setattr(self.statistics, name, getattr(self.statistics, name) + 1)
        return checked


@dataclass(frozen=True)
class GuidedLift:
    """What a model's help came to."""

    proof: Proof | None
    report: dict[str, Any]
    """What was asked and what it took, for the JSON report."""


def lift_with_models(module: ModuleOp, options: ModelOptions, seed: int = 0) -> GuidedLift:
    """Ask the models of ``options`` for a summary of the kernel until one is proved.

    Raises ``Diagnostic`` where the options do not say enough to ask anybody.
    """
    asker = open_asker(options)
    source = with_result_as_output(module)
    kernel = anonymous(source)
    with Sandbox() as sandbox:

        def check(*proposal: str) -> Checked:
            (result,) = sandbox.map(check_summary, [proposal])
            return Checked("unreadable", result.reason) if isinstance(result, Killed) else result

        guide = LiftGuide(kernel, asker, check, options.answer_tokens, options.temperature, seed)
        found = guide.run()
    proof = _proof(kernel, source, *found) if found is not None else None
    return GuidedLift(proof, _report(guide, options))


def _proof(kernel: ModuleOp, source: ModuleOp, summary: str, invariants: str) -> Proof:
    """The proof once more, in this process, in the names of the user."""
    proof = lift_to_summary(kernel, summary, invariants)
    names = restore_names(kernel, source)
    return replace(
        proof,
        summary=replace(proof.summary, function=single_function(source)),
        obligations=tuple(
            replace(made, states=_QUOTED.sub(lambda name: _restored(name, names), made.states))
            for made in proof.obligations
        ),
        assumptions=assumptions(source),
    )


def _restored(name: re.Match[str], names: Mapping[str, str]) -> str:
    return f"'{names.get(name[1], name[1])}'"


def _report(guide: LiftGuide, options: ModelOptions) -> dict[str, Any]:
    ledger = guide.asker.ledger
    return {
        "name": "replay" if options.replay is not None else "openai",
        "models": sorted(guide.asker.failures),
        "requests": ledger.requests,
        "prompt_tokens": ledger.prompt_tokens,
        "completion_tokens": ledger.completion_tokens,
        "cost": round(ledger.cost, 6),
        **asdict(guide.statistics),
        "ended": guide.ended,
    }
