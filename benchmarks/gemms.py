"""The six matrix products that schedulers for Gemmini are compared on.

``python benchmarks/gemms.py`` replays the schedules in ``gemms.golden.json`` and fails where a
count of cycles has changed. ``--update`` searches for schedules anew, proves them and writes the
table; ``--library`` searches each product again with a library of what was found for the other
five, and ``--ablations`` with parts of the search left out (see ``ablations.py``); both print what
was best after so many programs. All operands are int8, sums are int32, results are
clamped to int8.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

from ablations import WAYS, cycles_of_each_way
from curves import best_after, geometric_mean, searched, simulated
from liftproof.hw.gemmini.config import DEFAULT_CONFIG
from liftproof.hw.gemmini.timing import Level
from liftproof.llm.evaluate import Problem, evaluate
from liftproof.llm.library import Library
from liftproof.llm.search import Search
from liftproof.passes.pipelines import first_pipelines
from networks import Kernel, read_kernel

GOLDEN = Path(__file__).with_suffix(".golden.json")
LEVELS: tuple[Level, ...] = get_args(Level)
MARKS = (1, 10, 50)
SHAPES = (
    (512, 512, 512),
    (12544, 256, 64),
    (12544, 64, 256),
    (3136, 512, 128),
    (3136, 128, 512),
    (784, 1024, 256),
)
"""Rows and columns of C, and the terms of a sum."""
SOURCE = """#include <stdint.h>
void matmul(const int8_t A[{m}][{k}], const int8_t B[{k}][{n}], int8_t C[{m}][{n}]) {{
  for (int i = 0; i < {m}; i++)
    for (int j = 0; j < {n}; j++) {{
      int32_t sum = 0;
      for (int k = 0; k < {k}; k++)
        sum += A[i][k] * B[k][j];
      C[i][j] = sum > 127 ? 127 : (sum < -128 ? -128 : sum);
    }}
}}
"""


def read_gemms(only: str) -> list[Kernel]:
    """The products whose names contain ``only``, read and lifted."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            read_kernel(name, SOURCE.format(m=m, n=n, k=k), Path(folder))
            for m, n, k in SHAPES
            if only in (name := f"{m}x{n}x{k}")
        ]


def problem_of(kernel: Kernel, level: Level) -> Problem:
    return Problem(kernel.tensor_ir, DEFAULT_CONFIG, level)


def search(kernel: Kernel, level: Level, first: Iterable[str], budget: int) -> dict[str, Any]:
    """A row of the table: the best proven schedule, and how the search came there."""
    problem = problem_of(kernel, level)
    started = time.process_time()
    with ThreadPoolExecutor(1) as executor:
        run = Search(problem, kernel.certify, executor, budget)
        state = run.run([*first, *first_pipelines(kernel.tensor_ir)])
    assert state.best is not None
    marks = [*(mark for mark in MARKS if mark < budget), budget]
    return {
        "cycles": state.best.cycles,
        "bound": kernel.machine_bound(level),
        "pipeline": state.best.pipeline,
        "best_after": dict(
            zip(map(str, marks), best_after([*simulated(state.outcomes)], marks), strict=True)
        ),
        "programs": state.evaluated,
        "proposals": len(state.outcomes),
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def update(
    kernels: Sequence[Kernel], table: dict[str, Any], budget: int, golden: Path = GOLDEN
) -> None:
    """Search each product at level soc, and at the other one from the schedules known so far."""
    for kernel in kernels:
        for level, tries in (("soc", budget), ("accelerator", budget // 2)):
            known = [f"{kernel.name} {x}" for x in LEVELS] if level != "soc" else []
            first = [table[name]["pipeline"] for name in known if name in table]
            table[f"{kernel.name} {level}"] = search(kernel, level, first, tries)
            golden.write_text(json.dumps(table, indent=1) + "\n")
            print(line(kernel.name, level, table), flush=True)


def line(name: str, level: Level, table: Mapping[str, Any]) -> str:
    row = table[f"{name} {level}"]
    share = row["bound"] / row["cycles"]
    return f"{name:<14} {level:<12} {row['cycles']:>10,} {share:>7.1%} of {row['bound']:,}"


def changed(kernels: Sequence[Kernel], table: Mapping[str, Any]) -> int:
    """Replay the stored schedules; how many counts of cycles are others."""
    count = 0
    for kernel in kernels:
        for level in LEVELS:
            row = table[f"{kernel.name} {level}"]
            cycles = evaluate(problem_of(kernel, level), row["pipeline"]).cycles
            now = "" if cycles == row["cycles"] else f"  now {cycles:,}"
            count += bool(now)
            print(line(kernel.name, level, table) + now, flush=True)
    return count


def with_library(kernels: Sequence[Kernel], table: Mapping[str, Any], budget: int) -> None:
    """Search each product from the schedules of those of the others that are nearest to it."""
    marks = (1, 10, budget)
    shares: list[list[float]] = []
    for kernel in kernels:
        problem, goal = problem_of(kernel, "soc"), table[f"{kernel.name} soc"]["cycles"]
        with tempfile.TemporaryDirectory() as folder:
            library = Library(Path(folder) / "others.sqlite")
            for other in kernels:
                row = table[f"{other.name} soc"]
                if other is not kernel:
                    arguments = row["pipeline"], row["cycles"], row["bound"], "benchmark"
                    library.add(problem_of(other, "soc"), *arguments)
            first = [entry.pipeline for entry in library.nearest(problem)]
        first = list(dict.fromkeys([*first, *first_pipelines(kernel.tensor_ir)]))
        best = best_after(searched(Search, problem, first, budget, 0), marks)
        shares.append([goal / cycles for cycles in best])
        print(f"{kernel.name:<14}" + "".join(f"{cycles:>12,}" for cycles in best), flush=True)
    print_means("of the final result", shares)


def ablated(kernels: Sequence[Kernel], table: Mapping[str, Any], budget: int) -> None:
    """Search each product with parts of the search left out."""
    marks = [*(mark for mark in MARKS if mark < budget), budget]
    shares: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for kernel in kernels:
        goal = table[f"{kernel.name} soc"]["cycles"]
        for way, cycles in cycles_of_each_way(problem_of(kernel, "soc"), budget, 0):
            best = best_after(cycles, marks)
            shares[way].append([goal / count for count in best])
            counts = "".join(f"{count:>12,}" for count in best)
            print(f"{kernel.name:<14} {way:<34}{counts}", flush=True)
    for way in WAYS:
        print_means(way, shares[way])


def print_means(what: str, shares: Sequence[Sequence[float]]) -> None:
    means = [geometric_mean(column) for column in zip(*shares, strict=True)]
    print(f"geometric mean {what:<34}" + "".join(f"{mean:>10.1%}" for mean in means), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="search anew, write the table")
    parser.add_argument("--library", action="store_true", help="search with the others' schedules")
    parser.add_argument("--ablations", action="store_true", help="leave out parts of the search")
    parser.add_argument("--budget", type=int, default=64, help="programs per product")
    parser.add_argument("--only", default="", help="part of their names, such as 512x512")
    options = parser.parse_args()
    kernels = read_gemms(options.only)
    table: dict[str, Any] = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    if options.update:
        update(kernels, table, options.budget)
    elif options.library:
        with_library(kernels, table, options.budget)
    elif options.ablations:
        ablated(kernels, table, options.budget)
    elif count := changed(kernels, table):
        print(f"{count} counts have changed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
