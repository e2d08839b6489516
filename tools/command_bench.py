"""``liftproof bench``: the regression suite of cycle counts.

A suite is a TOML file of rows (kernel, pipeline, config, level); its golden counts lie in a JSON
file beside it. Counts are deterministic, so any change of a row must be acknowledged: ``--update``
writes the new counts, to be committed with their cause.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG, load_config
from ..hw.gemmini.kernel_bound import kernel_bound
from ..hw.gemmini.timing import Level
from ..llm.evaluate import Outcome, Problem, evaluate, lower, parse_pipeline
from ..llm.work import demand_of
from ..passes.statements import SEPARATOR
from .exit_status import ACCEPTED, REJECTED
from .read import read_module, read_text
from .routes import Route, find_route
from .write import write_atomically

DEFAULT_SUITE = Path("benchmarks/suite.toml")


@dataclass(frozen=True)
class Row:
    """One entry of a suite; without a pipeline, the default schedule of the kernel is measured."""

    kernel: str
    pipeline: str = ""
    config: str = DEFAULT_CONFIG
    level: Level = "soc"

    @property
    def key(self) -> str:
        """What the golden file calls the row."""
        pipeline = f" {self.pipeline}" if self.pipeline else ""
        return f"{Path(self.kernel).stem} {self.config} {self.level}{pipeline}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", type=Path, default=DEFAULT_SUITE, help="TOML file of rows")
    parser.add_argument("--golden", type=Path, help="golden counts (default: SUITE.golden.json)")
    parser.add_argument("--update", action="store_true", help="accept the counts as golden")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Measure every row and compare it with its golden count."""
    golden_file: Path = options.golden or options.suite.with_suffix(".golden.json")
    golden: dict[str, int] = _golden(golden_file) if golden_file.is_file() else {}
    rows = [measure(row, options.suite.parent, golden) for row in read_suite(options.suite)]
    if options.update:
        counts = {row["row"]: row["cycles"] for row in rows}
        write_atomically(golden_file, json.dumps(counts, indent=2) + "\n")
    changed = [row for row in rows if row["golden"] != row["cycles"]]
    if not options.json:
        print_rows(rows)
    return {"rows": rows}, ACCEPTED if options.update or not changed else REJECTED


def _golden(path: Path) -> dict[str, int]:
    try:
        return json.loads(read_text(str(path)))
    except ValueError as error:
        raise Diagnostic(f"{path}: no golden counts: {error}") from error


def read_suite(path: Path) -> list[Row]:
    """The rows of a suite; raises ``Diagnostic`` for a file that is not one."""
    try:
        return [Row(**row) for row in tomllib.loads(read_text(str(path))).get("row", ())]
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise Diagnostic(
            f"{path}: not a suite: {error}", hint='a suite holds [[row]] tables with kernel = "…"'
        ) from error


def measure(row: Row, folder: Path, golden: dict[str, int]) -> dict[str, Any]:
    """Lower and time one row, on the route that ``liftproof optimize`` takes."""
    started = time.perf_counter()
    path = str(folder / row.kernel)
    problem = Problem("", row.config, row.level)
    route = find_route(path, read_module(path), problem)
    outcome = route.baseline if row.pipeline == "baseline" else _scheduled(row, route, problem)
    assert outcome.cycles is not None
    return {
        "row": row.key,
        "pipeline": outcome.pipeline,
        "cycles": outcome.cycles,
        "golden": golden.get(row.key),
        "lower_bound_cycles": outcome.lower_bound,
        "of_bound": round(outcome.lower_bound / outcome.cycles, 4),
        "kernel_bound_cycles": _kernel_bound(route.lifted.module, row),
        "seconds": round(time.perf_counter() - started, 3),
    }


def _kernel_bound(tensors: ModuleOp, row: Row) -> int | None:
    """Cycles that every program for the kernel takes; None where that is not known."""
    config = load_config(row.config)
    try:
        demand = demand_of(tensors, config)
    except PassFailedException:
        return None
    return kernel_bound(demand, config, dram=row.level == "soc").cycles


def _scheduled(row: Row, route: Route, problem: Problem) -> Outcome:
    """The kernel with the row's pipelines, one for each part, or with the default ones."""
    default = (next(iter(part.first())) for part in route.parts)
    pipelines = row.pipeline.split(SEPARATOR) if row.pipeline else list(default)
    if len(pipelines) != len(route.parts):
        raise Diagnostic(f"{row.kernel}: has {len(route.parts)} parts, not {len(pipelines)}")
    outcomes: list[Outcome] = []
    programs: list[ModuleOp] = []
    for part, pipeline in zip(route.parts, pipelines, strict=True):
        outcome = evaluate(part.problem, pipeline)
        if outcome.cycles is None:
            raise Diagnostic(f"{row.kernel}: {outcome.diagnostic}")
        outcomes.append(outcome)
        programs.append(lower(part.problem.tensor_ir, parse_pipeline(pipeline)))
    return route.join(problem, outcomes, programs).outcome


def print_rows(rows: list[dict[str, Any]]) -> None:
    width = max((len(row["row"]) for row in rows), default=0)
    print(f"{'row':<{width}} {'cycles':>12} {'golden':>12} {'change':>8} {'of bound':>9} {'s':>6}")
    for row in rows:
        golden = row["golden"]
        change = "new" if golden is None else f"{row['cycles'] - golden:+,}"
        print(
            f"{row['row']:<{width}} {row['cycles']:>12,}"
            f" {'' if golden is None else format(golden, ','):>12}"
            f" {'' if change == '+0' else change:>8} {row['of_bound']:>9.1%} {row['seconds']:>6.2f}"
        )
