"""Measure every layer of ResNet-50 and MobileNet-v2, and compare with the stored table.

``python benchmarks/networks.py`` replays the schedules in ``networks.golden.json`` and fails where
a count of cycles has changed. ``--update`` looks for schedules anew, proves the best one, and
writes the table: ``--schedules`` of those made for the kernel, then ``--budget`` proposals of the
search, at level ``soc`` for one image. What is found there is tried at the other level and for more
images. ``--only TEXT`` takes the layers whose name contains the text. Bounds are those of the
kernel, not of a schedule. The first is its multiplications on a full array, and its arrays once
over the memory port, or over the memory bus at level ``soc``. The second is that of the machine: no
program for the kernel can keep all units below it (``hw/gemmini/kernel_bound.py``).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from liftproof.hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig, load_config
from liftproof.hw.gemmini.kernel_bound import kernel_bound
from liftproof.hw.gemmini.timing import Level
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import Outcome, Problem, evaluate, lower, parse_pipeline
from liftproof.llm.prefixes import parse
from liftproof.llm.search import NothingProvedError, Search
from liftproof.llm.work import demand_of, necessary_work
from liftproof.passes.pipelines import baseline_pipeline, first_pipelines
from liftproof.tools.read import read_module
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import PreparedSource, prepare, validate
from network_layers import network_layers
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

GOLDEN = Path(__file__).with_suffix(".golden.json")
BATCHES = (1, 4)
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class Row:
    """One layer at one level."""

    cycles: int | None
    bound: int
    verdict: str
    """``proved``, or why there is no program."""
    pipeline: str = ""
    machine_bound: int = 0

    @property
    def shares(self) -> tuple[float, ...]:
        """The bounds as shares of the cycles."""
        bounds = (self.bound, self.machine_bound)
        return tuple(bound / self.cycles if self.cycles else 0.0 for bound in bounds)


@dataclass(frozen=True)
class Kernel:
    """A layer for a batch, read and lifted."""

    name: str
    source: ModuleOp
    tensor_ir: str
    prepared: PreparedSource
    config: GemminiConfig

    def certify(self, pipeline: str) -> str:
        """ "" if the program that ``pipeline`` gives is proven, else the reason."""
        module = lower(self.tensor_ir, parse_pipeline(pipeline))
        validation = validate_unrolled(self.prepared, module, self.config)
        if validation.verdict == "unknown":
            validation = validate(self.prepared, module)
        return (
            "" if validation.verdict == "proved" else f"{validation.verdict}: {validation.reason}"
        )

    def bound(self, level: Level) -> int:
        """Cycles that no schedule can beat."""
        config, work = self.config, necessary_work(parse(self.tensor_ir))
        terms = [work.macs // config.dim**2]
        terms += [amount // config.bus_bytes for amount in (work.read_bytes, work.written_bytes)]
        if level == "soc":
            lines = (work.read_bytes + work.written_bytes) // config.l2_line_bytes
            terms.append(lines * config.dram_fill_cycles)
        return max(terms)

    def machine_bound(self, level: Level) -> int:
        """Cycles that the busiest unit spends in any program for the kernel."""
        demand = demand_of(parse(self.tensor_ir), self.config)
        return kernel_bound(demand, self.config, dram=level == "soc").cycles


def read_kernel(name: str, text: str, folder: Path) -> Kernel:
    """Write a C kernel into ``folder``, read it and lift it."""
    path = folder / f"{name}.c"
    path.write_text(text)
    source = read_module(str(path))
    config = load_config(DEFAULT_CONFIG)
    lifted = lift_and_prove(source)
    return Kernel(name, source, str(lifted.module), prepare(source, config), config)


def search_layer(kernel: Kernel, level: Level, budget: int, first: list[str]) -> Row:
    """The best proven schedule among ``first`` and those that the search finds."""
    problem = Problem(kernel.tensor_ir, DEFAULT_CONFIG, level)
    bound, machine_bound = kernel.bound(level), kernel.machine_bound(level)
    with ThreadPoolExecutor(1) as executor:
        search = Search(problem, kernel.certify, executor, max(budget, len(first)))
        try:
            best = search.run(first).best
        except NothingProvedError as error:
            reason = f"refused: {str(error).splitlines()[0]}"
            return Row(None, bound, reason, machine_bound=machine_bound)
    assert best is not None
    return Row(best.cycles, bound, "proved", best.pipeline, machine_bound)


def first_of(kernel: Kernel, known: list[str], schedules: int) -> list[str]:
    """Schedules to start from: known ones, and some of those made for the kernel."""
    try:
        made = list(islice(first_pipelines(kernel.tensor_ir), schedules))
    except PassFailedException:
        made = [baseline_pipeline()]
    return list(dict.fromkeys([*known, *made]))


def update(
    kernel: Kernel, known: list[str], before: dict[Level, Row], budget: int, schedules: int
) -> dict[Level, Row]:
    """Rows of both levels, from ``known`` schedules for fewer images and those ``before``."""
    first = first_of(kernel, known, schedules)
    stored = {level: [row.pipeline] if row.pipeline else [] for level, row in before.items()}
    first = list(dict.fromkeys([*first, *stored.get("soc", [])]))
    soc = search_layer(kernel, "soc", 0 if known else budget, first)
    start = [soc.pipeline or baseline_pipeline(), *stored.get("accelerator", []), *first]
    start = list(dict.fromkeys(start))
    return {"accelerator": search_layer(kernel, "accelerator", 0, start), "soc": soc}


def replay(kernel: Kernel, level: Level, golden: Row) -> Row:
    """The stored schedule, timed again."""
    bounds = {"bound": kernel.bound(level), "machine_bound": kernel.machine_bound(level)}
    if golden.cycles is None:
        return replace(golden, **bounds)
    outcome: Outcome = evaluate(Problem(kernel.tensor_ir, DEFAULT_CONFIG, level), golden.pipeline)
    return replace(golden, cycles=outcome.cycles, **bounds)


def read_table() -> dict[str, Any]:
    """The rows stored so far, by layer and level."""
    return json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}


def store(name: str, rows: dict[Level, Row]) -> dict[str, Any]:
    """Write the rows of a layer into the table, which may have got others meanwhile."""
    stored = read_table() | {f"{name} {level}": asdict(row) for level, row in rows.items()}
    GOLDEN.write_text(json.dumps(stored, indent=1) + "\n")
    return stored


def markdown() -> str:
    """The stored table, in the order of the networks."""
    lines = [
        "| layer | accelerator | of bound | of 2nd | soc | of bound | of 2nd | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    stored = read_table()
    for batch in BATCHES:
        for layer in network_layers():
            name = layer.name(batch)
            rows = [Row(**stored[key]) for x in LEVELS if (key := f"{name} {x}") in stored]
            cells = [f"{row.cycles:,} | {_percent(row, ' | ')}" for row in rows if row.cycles]
            cells = cells or ["– | – | –"] * len(rows)
            if rows:
                verdict = rows[0].verdict.split(":")[0]
                lines.append(f"| `{name}` | {' | '.join(cells)} | {verdict} |")
    return "\n".join(lines)


def _percent(row: Row, separator: str) -> str:
    return separator.join(f"{share:.1%}" for share in row.shares)


def line(name: str, rows: dict[Level, Row]) -> str:
    """One line of the table."""
    cells = [
        f"{row.cycles:>10,} {_percent(row, ' '):>13}" if row.cycles else f"{'–':>10} {'–':>13}"
        for row in rows.values()
    ]
    return f"{name:<62} {' '.join(cells)}  {next(iter(rows.values())).verdict[:60]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="look for schedules, write the table")
    parser.add_argument("--budget", type=int, default=0, help="proposals per layer and level")
    parser.add_argument("--schedules", type=int, default=7, help="schedules made for each layer")
    parser.add_argument("--missing", action="store_true", help="only layers the table lacks")
    parser.add_argument("--only", default="", help="part of the names of the layers to measure")
    parser.add_argument("--markdown", action="store_true", help="print the stored table and stop")
    options = parser.parse_args()
    if options.markdown:
        print(markdown())
        return 0
    stored = read_table()
    changed = 0
    print(f"{'layer':<62} {'accelerator':>24} {'soc':>24}")
    with tempfile.TemporaryDirectory() as folder:
        for batch in BATCHES:
            for layer in network_layers():
                name = layer.name(batch)
                is_stored = all(f"{name} {level}" in stored for level in LEVELS)
                if options.only not in name or (options.missing and is_stored):
                    continue
                fewer = stored.get(f"{layer.name(BATCHES[0])} soc", {}).get("pipeline")
                found = [fewer] if fewer and batch != BATCHES[0] else []
                kernel = read_kernel(layer.name(batch), layer.source(batch), Path(folder))
                known = {
                    level: Row(**stored[key])
                    for level in LEVELS
                    if (key := f"{kernel.name} {level}") in stored
                }
                if options.update:
                    rows = update(kernel, found, known, options.budget, options.schedules)
                    stored = store(kernel.name, rows)
                else:
                    rows = {level: replay(kernel, level, row) for level, row in known.items()}
                    changed += sum(rows[x].cycles != known[x].cycles for x in known)
                if rows:
                    print(line(kernel.name, rows), flush=True)
    if changed:
        print(f"{changed} counts have changed", file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
