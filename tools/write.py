"""Write the results of a run: every file is complete or absent."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import load_config
from ..hw.gemmini.rocc import write_rocc
from ..hw.gemmini.unroll import stream_of_module
from ..llm.evaluate import Outcome
from ..passes.emission.emit_c import emit_c
from .optimize import Result
from .rule_report import rules_file


def write_result(result: Result, directory: Path, formats: tuple[str, ...]) -> dict[str, Any]:
    """Write all files of ``result``; returns its report with the ``files`` it names."""
    provenance = [
        f"Liftproof {result.report()['version']}: {result.kernel}, {result.timing.cycles} cycles",
        f"proved equal to the source, sha256 {result.report()['input_sha256']}",
        f"pipeline: {result.best.pipeline}",
    ]
    texts = {"tensor.mlir": str(result.lifted.module), "schedule.txt": result.best.pipeline}
    if rules := rules_file(result.best.pipeline):
        texts["patterns.mlir"] = rules
    if "mlir" in formats:
        comment = "".join(f"// {line}\n" for line in provenance)
        texts["kernel.mlir"] = comment + str(result.program)
    if "c" in formats:
        texts["kernel.c"] = emit_c(result.program, "\n".join(provenance))
    if "rocc" in formats:
        stream, _ = stream_of_module(result.program, load_config(result.options.config))
        texts["kernel.rocc"] = write_rocc(stream)
    for number, best in enumerate(result.proposals):
        name = f"proposal_{number + 1}" if len(result.proposals) > 1 else "proposal"
        texts[f"{name}.{'c' if best.kind == 'c' else 'mlir'}"] = best.text
    texts["search.jsonl"] = "\n".join(json.dumps(_row(o)) for o in result.outcomes)
    files = [str(directory / name) for name in (*texts, "report.json")]
    report = {**result.report(), "files": files}
    texts["report.json"] = json.dumps(report, indent=2)
    write_files(directory, texts)
    return report


def write_files(directory: Path, texts: Mapping[str, str]) -> None:
    """Write texts by file name; raises ``Diagnostic`` where that is not possible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(directory / name, text.rstrip("\n") + "\n")
    except OSError as error:
        raise Diagnostic(f"{directory}: cannot write: {error.strerror}") from error


def _row(outcome: Outcome) -> dict[str, Any]:
    """What the search's log says of one proposal."""
    row = {
        "pipeline": outcome.pipeline,
        "cycles": outcome.cycles,
        "diagnostic": outcome.diagnostic,
    }
    row |= {name: True for name in ("is_estimate", "is_least") if getattr(outcome, name)}
    return row | {"kind": outcome.kind, "text": outcome.text} if outcome.text else row


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is never seen half-written."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
