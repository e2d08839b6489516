"""Language models in a search: an anonymous kernel, a guide, and a sandbox for what it proposes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from .anonymize import anonymize
from .check import Task, check, refused
from .evaluate import Outcome, Problem, new_context
from .guide import Guide, GuideOptions
from .library import Entry
from .proposal import Proposal
from .sandbox import Killed, Sandbox
from .search import Examine
from .session import Session

COMMANDS_OVER_BASELINE = 4
SPARE_COMMANDS = 1 << 16
"""A proposal may issue this many commands more than so often the untuned lowering's cycles."""


class Advice:
    """What one search needs to let models propose."""

    def __init__(
        self,
        session: Session,
        problem: Problem,
        source_ir: str,
        baseline_cycles: int,
        seed: int,
        similar: Sequence[Entry] = (),
    ) -> None:
        self.session = session
        self.options = session.options
        self.seed = seed
        self.similar = "\n".join(entry.describe() for entry in similar)
        self.asker = session.asker
        self.before = replace(session.asker.ledger)
        """What earlier searches of the session spent."""
        self.problem = replace(problem, tensor_ir=anonymize(problem.tensor_ir))
        """The kernel without the user's names: all that a model may learn of it."""
        limit = COMMANDS_OVER_BASELINE * baseline_cycles + SPARE_COMMANDS
        self.task = Task(self.problem, anonymize(source_ir), limit)
        self.guide: Guide | None = None

    def source(self) -> ModuleOp:
        """The anonymous kernel as loop IR."""
        return Parser(new_context(), self.task.source_ir).parse_module()

    @contextmanager
    def opened(self, executor: Executor, jobs: int) -> Generator[tuple[Guide, Examine]]:
        """A guide, and a function that checks what it proposes in ``jobs`` processes."""
        options = GuideOptions(self.seed, self.options.temperature, self.options.answer_tokens)
        shelf = self.session.shelf
        self.guide = Guide(self.problem, self.asker, executor, options, self.similar, shelf)
        with Sandbox(jobs) as sandbox:

            def examine(proposals: Sequence[Proposal]) -> list[Outcome]:
                calls = [(self.task, proposal) for proposal in proposals]
                results = sandbox.map(check, calls)
                return [
                    refused(proposal, result.reason) if isinstance(result, Killed) else result
                    for proposal, result in zip(proposals, results, strict=True)
                ]

            yield self.guide, examine

    def report(self) -> dict[str, Any]:
        """What was asked, what it took and what it gave, for the JSON report."""
        assert self.guide is not None
        ledger, before = self.asker.ledger, self.before
        return {
            "name": "replay" if self.options.replay is not None else "openai",
            "models": sorted(self.asker.failures),
            "requests": ledger.requests - before.requests,
            "prompt_tokens": ledger.prompt_tokens - before.prompt_tokens,
            "completion_tokens": ledger.completion_tokens - before.completion_tokens,
            "cost": round(ledger.cost - before.cost, 6),
            **asdict(self.guide.statistics),
            "ended": self.guide.ended,
        }

    def summary(self) -> str:
        """The report as one line for people."""
        found = self.report()
        tokens = found["prompt_tokens"] + found["completion_tokens"]
        words = (
            f"{found['proposed']} proposals, {found['proved']} proved, {found['refused']} refused;"
            f" {found['requests']} requests, {tokens:,} tokens"
        )
        if found["cost"]:
            words += f", cost {found['cost']:.4f}"
        return f"{words}; ended: {found['ended']}" if found["ended"] else words
