"""``liftproof-opt --validate-each``: every pass application proven, and a summary of them all."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ..hw.gemmini.config import GemminiConfig
from ..hw.trainium.config import TrainiumConfig

if TYPE_CHECKING:
    from ..validation.validate import PreparedSource

UNCHANGED = "unchanged"


class NotProvedError(Exception):
    """A pass application that validation did not accept."""

    def __init__(self, verdict: str, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict


@dataclass(frozen=True)
class Step:
    """One pass application, and what validation says of it."""

    application: str
    """The pass with its options, as in the pipeline."""
    verdict: str
    """``proved``, ``refuted``, ``unknown``, or ``unchanged`` where there is nothing to prove."""
    obligations: int = 0
    pass_seconds: float = 0.0
    seconds: float = 0.0
    """Of the validation."""
    reason: str = ""
    instruction: str = ""
    counterexample: str = ""
    cached: bool = False
    """Whether the proof was made before (see ``validation.proof_cache``)."""


class EachPass:
    """Keeps the program before each pass and has the one after it validated against it."""

    def __init__(
        self,
        config: GemminiConfig,
        report: Path | None,
        *,
        use_cache: bool = True,
        neuron: TrainiumConfig | None = None,
    ) -> None:
        self.config = config
        self.neuron = neuron
        self.report = report
        self.use_cache = use_cache
        self.steps: list[Step] = []
        self._before: ModuleOp | None = None
        self._prepared: PreparedSource | None = None
        """The same program, analysed when it was the target of the last proof."""
        self._started = time.perf_counter()

    def step(self, previous: ModulePass | None, module: ModuleOp) -> None:
        """Validate what ``previous`` made; raises ``NotProvedError`` if that is not proved."""
        pass_seconds = time.perf_counter() - self._started
        before, self._before = self._before, module.clone()
        if previous is not None and before is not None:
            step = self._validated(previous, before, self._before, pass_seconds)
            self.steps.append(step)
            name = previous.name
            how = ", proved before" if step.cached else ""
            details = f"{step.obligations} obligations, {step.seconds:.2f} s{how}"
            print(f"{name}: {step.verdict} ({details})", file=sys.stderr)
            self._check(step)
        self._started = time.perf_counter()

    def _validated(
        self, application: ModulePass, before: ModuleOp, after: ModuleOp, pass_seconds: float
    ) -> Step:
        text = str(application.spec())
        if before.is_structurally_equivalent(after):
            return Step(text, UNCHANGED, pass_seconds=pass_seconds)
        from ..validation.decide import decide
        from ..validation.limits import ValidationOptions
        from ..validation.proof_cache import ProofCache, proof_key

        started = time.perf_counter()
        cache = ProofCache() if self.use_cache else None
        key = proof_key(before, after, self.config, ValidationOptions(), self.neuron)
        kept = cache.find(key) if cache is not None else None
        if kept is not None:
            # The next pass is proved against a program that nobody has analysed in this run.
            self._prepared = None
            seconds = time.perf_counter() - started
            obligations = kept.obligations
            return Step(text, "proved", obligations, pass_seconds, seconds, cached=True)
        result = decide(self._prepared or before, after, config=self.config, neuron=self.neuron)
        self._prepared = result.target
        if cache is not None:
            cache.keep(key, result, {"pass": text})
        found = result.counterexample
        return Step(
            text,
            result.verdict,
            result.obligations,
            pass_seconds,
            result.seconds,
            result.reason,
            result.explanation.instruction or result.instruction,
            "" if found is None else found.describe(),
        )

    def _check(self, step: Step) -> None:
        if step.verdict in ("proved", UNCHANGED):
            return
        self.finish()
        found = "broke the program" if step.verdict == "refuted" else "could not be proven"
        lines = [f"`{step.application}` {found}: {step.reason}"]
        lines += [f"instruction: {step.instruction}"] if step.instruction else []
        lines += [f"counterexample: {step.counterexample}"] if step.counterexample else []
        raise NotProvedError(step.verdict, "\n".join(lines))

    def finish(self) -> None:
        """Print the summary, and write the report where one is asked for."""
        if self.report is not None:
            steps = [asdict(step) for step in self.steps]
            broken = [s.application for s in self.steps if s.verdict not in ("proved", UNCHANGED)]
            content = {"steps": steps, "broken_by": broken[0] if broken else None}
            self.report.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        if len(self.steps) > 1:
            print(summary(self.steps), file=sys.stderr)


def summary(steps: list[Step]) -> str:
    """A table of all pass applications, with a line of totals."""
    width = max(len("pass"), *(len(step.application) for step in steps))
    lines = [f"{'pass':{width}}  {'verdict':9}  {'obligations':>11}  {'pass':>7}  {'proof':>7}"]
    lines += [
        f"{step.application:{width}}  {step.verdict:9}  {step.obligations:11}"
        f"  {step.pass_seconds:5.2f} s  {step.seconds:5.2f} s"
        for step in steps
    ]
    proved = sum(step.verdict == "proved" for step in steps)
    unchanged = sum(step.verdict == UNCHANGED for step in steps)
    total = sum(step.seconds for step in steps)
    lines.append(
        f"{len(steps)} pass applications: {proved} proved, {unchanged} unchanged,"
        f" {len(steps) - proved - unchanged} not proved; {total:.2f} s of validation"
    )
    return "\n".join(lines)
