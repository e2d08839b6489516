"""``liftproof validate``: is the second program a refinement of the first?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..hw.gemmini.config import DEFAULT_CONFIG, load_config
from ..validation.decide import decide
from ..validation.validate import Validation
from .exit_status import EXIT_OF_VERDICT
from .read import read_module


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="the program that says what is right (.c or .mlir)")
    parser.add_argument("target", help="the program to be validated (.c or .mlir)")
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="name or TOML file of the machine")
    parser.add_argument(
        "--counterexample",
        type=Path,
        metavar="FILE.npz",
        help="where to write the arrays that refute the target",
    )


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Validate, print the verdict and what it rests on."""
    config = load_config(options.config)
    source = read_module(options.source, config)
    result = decide(source, read_module(options.target, config), config=config)
    report = {
        "verdict": result.verdict,
        "reason": result.reason,
        "assumptions": list(result.assumptions),
        "obligations": result.obligations,
        "solver": result.solver,
        "solver_seconds": round(result.solver_seconds, 3),
        "seconds": round(result.seconds, 3),
        "counterexample": None,
    }
    if result.counterexample is not None:
        report["counterexample"] = result.counterexample.describe()
        if options.counterexample is not None:
            result.counterexample.save(options.counterexample)
    if not options.json:
        _print(result)
    return report, EXIT_OF_VERDICT[result.verdict]


def _print(result: Validation) -> None:
    print(
        f"{result.verdict} ({result.obligations} obligations, {result.solver}"
        f" {result.solver_seconds:.2f} s, {result.seconds:.2f} s in all)"
    )
    if result.reason:
        print(f"reason: {result.reason}")
    if result.counterexample is not None:
        print(f"counterexample: {result.counterexample.describe()}")
    for assumption in result.assumptions:
        print(f"assuming: {assumption}")
