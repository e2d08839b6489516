"""How ``liftproof validate`` tells its verdict: one report, as JSON and as text."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..diagnostics import Diagnostic
from ..validation.explain import Explanation

if TYPE_CHECKING:
    from ..validation.execution.counterexample import Counterexample
    from ..validation.validate import Validation


def report_of(result: Validation, options: argparse.Namespace) -> dict[str, Any]:
    """The verdict and what it rests on; writes the counterexample's arrays where asked to."""
    report: dict[str, Any] = {
        "verdict": result.verdict,
        "reason": result.reason,
        "assumptions": list(result.assumptions),
        "obligations": result.obligations,
        "solver": result.solver,
        "solver_seconds": round(result.solver_seconds, 3),
        "seconds": round(result.seconds, 3),
        "counterexample": None,
    }
    found = result.counterexample
    if found is None:
        return report
    explanation = result.explanation
    if not explanation.instruction:
        explanation = Explanation(result.instruction)
    report["counterexample"] = counterexample_report(found, explanation)
    if options.counterexample is not None:
        path = _save(found, options.counterexample)
        command = ["liftproof", "validate", options.source, options.target]
        command += ["--config", options.config, "--replay", path]
        command += [word for shape in options.shape for word in ("--shape", shape)]
        report["counterexample"] |= {"arrays": path, "replay": shlex.join(command)}
    return report


def counterexample_report(
    found: Counterexample, explanation: Explanation | None = None
) -> dict[str, Any]:
    """What ``--json`` says of a counterexample."""
    explanation = explanation or Explanation()
    arrays = dict(zip(found.names, found.inputs, strict=True))
    return {
        "summary": found.describe(),
        "parameter": found.parameter or None,
        "element": list(found.element),
        "expected": found.expected or None,
        "actual": found.actual or None,
        "fault": found.fault or None,
        "shapes": {name: list(array.shape) for name, array in arrays.items() if array.ndim},
        "scalars": {name: array.item() for name, array in arrays.items() if not array.ndim},
        "instruction": explanation.instruction or None,
        "instruction_place": explanation.instruction_place or None,
        "source_operation": explanation.source_operation or None,
        "source_place": explanation.source_place or None,
        "arrays": None,
        "replay": None,
    }


def _save(found: Counterexample, path: Path) -> str:
    # NumPy adds the suffix where it is missing; the report must name the file that is there.
    path = path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz")
    try:
        found.save(path)
    except OSError as error:
        raise Diagnostic(f"{path}: {error.strerror}") from error
    return str(path)


def print_report(report: dict[str, Any]) -> None:
    """The report for people."""
    print(
        f"{report['verdict']} ({report['obligations']} obligations, {report['solver']}"
        f" {report['solver_seconds']:.2f} s, {report['seconds']:.2f} s in all)"
    )
    if report.get("cached"):
        print("proved before; --no-cache proves it again")
    if report["reason"]:
        print(f"reason: {report['reason']}")
    if report["counterexample"] is not None:
        _print_counterexample(report["counterexample"])
    for assumption in report["assumptions"]:
        print(f"assuming: {assumption}")
    print_extras(report)


def print_extras(report: dict[str, Any]) -> None:
    """What other solvers say, and which files were written."""
    for name, tally in report.get("cross_check", {}).items():
        print(
            f"cross-check: {name} agreed on {tally['agreed']}, left {tally['unknown']} open,"
            f" disagreed on {tally['disagreed']} ({tally['seconds']:.2f} s)"
        )
    if "smt_files" in report:
        print(f"queries: {report['smt_files']} SMT-LIB files")
    if "certificate" in report:
        print(f"certificate: {report['certificate'] or 'none was made'}")


def _print_counterexample(found: dict[str, Any]) -> None:
    print(f"counterexample: {found['summary']}")
    scalars = [f"{name} = {value}" for name, value in found["scalars"].items()]
    if scalars:
        print(f"  where {', '.join(scalars)}")
    for label, kind in (("instruction", "instruction"), ("computed by", "source")):
        text = found[kind if kind == "instruction" else "source_operation"]
        if text:
            place = found[f"{kind}_place"]
            print(f"  {label}: {f'{place}: ' if place else ''}{text}")
    if found["replay"]:
        print(f"  replay: {found['replay']}")
