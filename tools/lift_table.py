"""``python -m liftproof.tools.lift_table FOLDER…``: lift every kernel below folders, as a table.

One row for each kernel: the verdict, for which sizes it holds, CPU seconds of lift and proof, and
what the tensor program is. The last line counts; ``--output`` writes the table to a file.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from ..diagnostics import Diagnostic
from ..lifting.c.frontend import read_c_kernel
from ..lifting.invariants import describe as recurrences
from ..lifting.invariants.fallback import lift_or_summarise
from ..lifting.prove import LiftResult

SUFFIXES = (".c", ".cc")


@dataclass(frozen=True)
class Row:
    """What became of one kernel."""

    name: str
    verdict: str
    """``proved``, ``refuted``, ``unknown``, or ``refused`` if it could not be lifted."""
    sizes: str
    seconds: float
    detail: str
    """The summary of a proved lift, else the reason."""


def measure(path: Path) -> Row:
    """Lift and prove one kernel; a refusal is a row, too."""
    name = f"{path.parent.name}/{path.stem}"
    start = time.process_time()
    try:
        result = lift_or_summarise(read_c_kernel(path))
    except Diagnostic as problem:
        return Row(name, "refused", "", time.process_time() - start, problem.message)
    seconds = time.process_time() - start
    is_proved = result.verdict == "proved"
    sizes = result.method.removeprefix("for ") if is_proved else ""
    is_tensor = isinstance(result, LiftResult)
    summary = result.summary if is_tensor else recurrences.describe(result.summary)
    return Row(name, result.verdict, sizes, seconds, summary if is_proved else result.reason)


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, with the totals below it."""
    lines = [
        "| kernel | verdict | sizes | CPU s | what it is, or why not |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        detail = row.detail.partition(";")[0] if row.verdict != "proved" else row.detail
        text = detail.replace("|", "\\|").replace("\n", " ")[:120]
        seconds = f"{row.seconds:.2f}"
        lines.append(f"| {row.name} | {row.verdict} | {row.sizes} | {seconds} | {text} |")
    return "\n".join([*lines, "", totals(rows)]) + "\n"


def totals(rows: Sequence[Row]) -> str:
    """Return in one sentence how many kernels were proved, and how long that took."""
    proved = [row for row in rows if row.verdict == "proved"]
    everywhere = sum(row.sizes.startswith("all sizes") for row in proved)
    lifted = sum(row.verdict != "refused" for row in rows)
    text = (
        f"{len(rows)} kernels: {lifted} lifted, {len(proved)} proved, {everywhere} of them for all"
        f" sizes, {sum(row.verdict == 'refuted' for row in rows)} refuted."
    )
    if not proved:
        return text
    seconds = [row.seconds for row in proved]
    return (
        f"{text} CPU seconds of a proved one: mean {mean(seconds):.2f}, median"
        f" {median(seconds):.2f}, most {max(seconds):.2f}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it; return 1 if a lift was refuted, which must never be."""
    parser = argparse.ArgumentParser(prog="python -m liftproof.tools.lift_table")
    parser.add_argument("paths", nargs="+", type=Path, help="C and C++ files, or folders of them")
    parser.add_argument("--output", type=Path, help="write the table to this file")
    options = parser.parse_args(arguments)
    found: set[Path] = set()
    for path in options.paths:
        files = path.rglob("*") if path.is_dir() else [path]
        found.update(file for file in files if file.suffix in SUFFIXES)
    rows = [measure(file) for file in sorted(found)]
    if options.output is None:
        print(as_markdown(rows), end="")
    else:
        options.output.write_text(as_markdown(rows), encoding="utf-8")
        print(totals(rows))
    return int(any(row.verdict == "refuted" for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
