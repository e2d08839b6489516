"""Mutants of one target, each validated against the source and executed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

from xdsl.dialects.builtin import ModuleOp

from ...hw.gemmini.config import GemminiConfig, load_config
from ...hw.gemmini.unroll import stream_of_module
from ..mutate import apply, mutate
from ..mutate.commands import COMMAND_OPERATORS, rows_of, stream_of
from ..trace.api import validate_stream
from ..validate import PreparedSource, prepare
from .judge import Judgement, Outcome, combine, judge
from .oracle import Oracle
from .report import Report

UNCHANGED = "unchanged"
"""The name under which unmutated programs are counted."""


class Campaign:
    """Targets of one source: unchanged, and mutated by random or by named operators."""

    def __init__(
        self, source: ModuleOp, seed: int = 0, config: GemminiConfig | None = None
    ) -> None:
        """Raises ``Unsupported`` or ``Violation`` for a source that cannot be analysed."""
        config = config or load_config()
        self.source: PreparedSource = prepare(source, config)
        self.oracle = Oracle(source, config, seed)
        self.report = Report()

    def unchanged(self, target: ModuleOp, case: str) -> Judgement | None:
        """Count a target as it is; a right one must not be rejected."""
        return self._judge(target, UNCHANGED, case, at_size_only=False)

    def mutants(
        self, target: ModuleOp, count: int, rng: Random, case: str, *, at_size: float = 0.0
    ) -> None:
        """Count ``count`` random mutants; ``at_size`` of ISA IR by the second engine only."""
        for number in range(count):
            changed = mutate(target, rng)
            if changed is not None:
                self.mutant(changed, f"{case}, mutant {number}", at_size=rng.random() < at_size)

    def mutant(self, changed: tuple[ModuleOp, str, str], case: str, *, at_size: bool) -> None:
        """Count a mutant, given with its operator and its change."""
        module, operator, change = changed
        self._judge(module, operator, f"{case}, {operator}: {change}", at_size_only=at_size)

    def operator(self, name: str, target: ModuleOp, tries: int, rng: Random, case: str) -> None:
        """Count mutants by one operator, as many as it finds in ``tries``."""
        for number in range(tries):
            mutant = apply(name, target, rng)
            if mutant is not None:
                text = f"{case}, try {number}, {name}: {mutant[1]}"
                self._judge(mutant[0], name, text, at_size_only=False)

    def commands(self, target: ModuleOp, operators: Sequence[str], rng: Random, case: str) -> None:
        """Count mutants of the commands that ISA IR issues, by the second engine."""
        start = time.perf_counter()
        stream, layout = stream_of_module(target, self.source.config)
        rows = rows_of(stream)
        for number, operator in enumerate(operators):
            changed = COMMAND_OPERATORS[operator](rng, list(rows))
            if changed is None:
                continue
            mutant = stream_of(changed)
            text = f"{case}, command mutant {number}"
            try:
                result = validate_stream(self.source, mutant, layout)
                judgement = combine([result], self.oracle.stream_agrees(mutant, layout))
            except Exception as error:
                judgement = Judgement(Outcome.CRASH, repr(error))
            self.report.add(f"command: {operator}", judgement, text)
        self.report.seconds += time.perf_counter() - start

    def _judge(
        self, target: ModuleOp, operator: str, case: str, *, at_size_only: bool
    ) -> Judgement | None:
        start = time.perf_counter()
        try:
            judgement = judge(self.source, target, self.oracle, at_size_only=at_size_only)
        except Exception as error:
            judgement = Judgement(Outcome.CRASH, repr(error))
        self.report.seconds += time.perf_counter() - start
        if judgement is not None:
            self.report.add(operator, judgement, case)
        return judgement


def fuzz(
    source: ModuleOp,
    target: ModuleOp,
    count: int,
    seed: int = 0,
    config: GemminiConfig | None = None,
) -> Report:
    """Validate ``count`` mutants of ``target`` against ``source`` and run each of them."""
    campaign = Campaign(source, seed, config)
    campaign.mutants(target, count, Random(seed), f"seed {seed}")
    return campaign.report


__all__ = ["UNCHANGED", "Campaign", "Outcome", "fuzz"]
