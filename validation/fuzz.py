"""Test the validator to destruction: random mutants of a program, judged by running them.

``python -m liftproof.validation.fuzz SOURCE TARGET --count N --seed S`` mutates the target,
validates each mutant against the source, and runs both on random inputs. A mutant that is proved
and yet differs is a soundness bug; one that is not proved and yet agrees may be an incompleteness.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from xdsl.context import Context
from xdsl.dialects import arith, builtin, func, math, memref, scf, tensor
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.linalg import Linalg
from xdsl.parser import Parser

from ..dialects.gemmini import GEMMINI
from ..dialects.tile import TILE
from ..hw.gemmini.config import GemminiConfig, load_config
from .counterexample import compare_runs, parameter_names
from .execute import execute, parameter_shapes, random_array
from .execution import ExecutionFault
from .mutate import mutate
from .polyhedral import Unsupported
from .structured import single_function
from .validate import PreparedSource, ValidationOptions, prepare, validate

MAGNITUDES: tuple[int | None, ...] = (1, None, 3, 40)
"""Ranges of the random inputs of the oracle."""


@dataclass
class FuzzReport:
    """Counts of verdicts against what running the mutants showed."""

    counts: Counter[str] = field(default_factory=Counter[str])
    unsound: list[str] = field(default_factory=list[str])
    """Mutants that were proved and differ."""
    incomplete: list[str] = field(default_factory=list[str])
    """Mutants that were not proved and agree on all tries."""
    undecided: list[str] = field(default_factory=list[str])
    """Mutants that differ, but whose refutation was not found by the validator itself."""
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        total = sum(self.counts.values())
        return (
            f"{total} mutants: {counts}; {len(self.unsound)} accepted-wrong; {self.seconds:.1f} s"
        )


def fuzz(
    source: ModuleOp,
    target: ModuleOp,
    count: int,
    seed: int = 0,
    config: GemminiConfig | None = None,
) -> FuzzReport:
    """Validate ``count`` mutants of ``target`` against ``source`` and run each of them."""
    config = config or load_config()
    rng = random.Random(seed)
    prepared = prepare(source, config)
    oracle = _Oracle(source, config, seed)
    report = FuzzReport()
    start = time.perf_counter()
    for _ in range(count):
        mutant = mutate(target, rng)
        if mutant is not None:
            _judge(prepared, mutant[0], mutant[1], oracle, report)
    report.seconds = time.perf_counter() - start
    return report


def _judge(
    prepared: PreparedSource, mutant: ModuleOp, change: str, oracle: _Oracle, report: FuzzReport
) -> None:
    options = ValidationOptions(counterexamples=True)
    result = validate(prepared, mutant, options=options)
    agrees = oracle.agrees(mutant)
    if agrees is None:
        report.counts["not executable"] += 1
        return
    report.counts[f"{result.verdict}/{'equal' if agrees else 'wrong'}"] += 1
    if result.verdict == "proved" and not agrees:
        report.unsound.append(change)
    if result.verdict != "proved" and agrees:
        report.incomplete.append(f"{change} | {result.reason}")
    if result.verdict == "unknown" and not agrees:
        report.undecided.append(f"{change} | {result.reason}")


class _Oracle:
    """Runs mutants on a few random inputs and compares with the source."""

    def __init__(self, source: ModuleOp, config: GemminiConfig, seed: int) -> None:
        function = single_function(source)
        rng = np.random.default_rng(seed)
        self._config = config
        self._names = parameter_names(function)
        self._cases = []
        for magnitude in MAGNITUDES:
            inputs = [random_array(rng, s, t, magnitude) for s, t in parameter_shapes(function)]
            self._cases.append((inputs, execute(source, inputs, config)))

    def agrees(self, mutant: ModuleOp) -> bool | None:
        """Whether all runs agree; ``None`` if the mutant cannot be executed here."""
        for inputs, expected in self._cases:
            try:
                actual = execute(mutant, inputs, self._config)
            except ExecutionFault:
                return False
            except Unsupported:
                return None
            if compare_runs(self._names, inputs, expected, actual) is not None:
                return False
        return True


def parse_module(text: str, name: str = "<text>") -> ModuleOp:
    """Parse MLIR text with all dialects that validation reads."""
    context = Context()
    for dialect in (
        *(arith.Arith, builtin.Builtin, func.Func, Linalg, math.Math, memref.MemRef),
        *(scf.Scf, tensor.Tensor, GEMMINI, TILE),
    ):
        context.load_dialect(dialect)
    module = Parser(context, text, name).parse_module()
    module.verify()
    return module


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 1 if a wrong mutant was proved."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    modules = [
        parse_module(path.read_text(), str(path)) for path in (options.source, options.target)
    ]
    report = fuzz(modules[0], modules[1], options.count, options.seed)
    print(report)
    for title, found in (
        ("accepted-wrong", report.unsound),
        ("not proved, agrees on all tries", report.incomplete),
        ("differs, undecided", report.undecided),
    ):
        for change in found:
            print(f"{title}: {change}")
    return 1 if report.unsound else 0


if __name__ == "__main__":
    sys.exit(main())
