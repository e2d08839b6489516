"""``liftproof lift``: C kernel to tensor IR or recurrences, with a proof for all sizes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..lifting.invariants import describe as recurrences
from ..lifting.invariants.fallback import lift_or_summarise
from ..lifting.invariants.prove import Proof
from ..lifting.prove import LiftResult
from ..lifting.summaries.prove import lift_to_summary
from ..lifting.tensors.view import describe, numpy_view
from .exit_status import EXIT_OF_VERDICT
from .read import read_module, read_text
from .validation_report import counterexample_report

INVARIANTS_NOT_NEEDED = "none: the dataflow of loops and tensor program is compared as a whole"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", help="a C file with one kernel")
    parser.add_argument(
        "--explain", action="store_true", help="show invariants, obligations and preconditions"
    )
    parser.add_argument(
        "--summary", type=Path, metavar="FILE", help="prove this summary (see docs/summaries.md)"
    )
    parser.add_argument(
        "--invariants", type=Path, metavar="FILE", help="conditions that hold in its loops"
    )


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Lift, print the summary or fill the report."""
    module = read_module(options.kernel)
    if options.summary is not None:
        invariants = read_text(options.invariants) if options.invariants is not None else ""
        result = lift_to_summary(
            module, read_text(options.summary), invariants, str(options.summary)
        )
    else:
        result = lift_or_summarise(module)
    report = lift_report(result)
    if not options.json:
        _show(report, explain=options.explain)
    return report, EXIT_OF_VERDICT[result.verdict]


def lift_report(result: LiftResult | Proof) -> dict[str, Any]:
    """What is known of a lift, for ``--json``."""
    if isinstance(result, Proof):
        about = {
            "verdict": result.verdict,
            "summary": recurrences.describe(result.summary),
            "summary_mlir": recurrences.program_text(result.summary),
            "summary_numpy": recurrences.numpy_text(result.summary),
            "obligations": len(result.obligations),
            "invariants": recurrences.invariant_lines(result),
            "proved": [str(obligation) for obligation in result.obligations],
        }
    else:
        about = {
            "verdict": result.verdict,
            "summary": describe(result.module),
            "summary_mlir": str(result.module),
            "summary_numpy": numpy_view(result.module),
            "obligations": result.obligations,
            "invariants": [],
            "proved": [],
        }
    found = result.counterexample
    return {
        **about,
        "assumptions": list(result.assumptions),
        "method": result.method,
        "seconds": round(result.seconds, 3),
        "reason": result.reason,
        "counterexample": counterexample_report(found) if found is not None else None,
    }


def _show(report: dict[str, Any], *, explain: bool) -> None:
    print(
        f"{report['summary']}: {report['verdict']} ({report['method']}, {report['seconds']:.2f} s)"
    )
    if report["verdict"] != "proved" and report["reason"]:
        print(f"reason: {report['reason']}")
    if report["counterexample"] is not None:
        found = report["counterexample"]
        print(f"counterexample: {found['summary']}")
    print(report["summary_numpy"])
    if not explain:
        print(report["summary_mlir"])
        return
    print("\ninvariants:")
    for line in report["invariants"] or [INVARIANTS_NOT_NEEDED]:
        print(f"  {line}")
    print(f"obligations: {report['obligations']}")
    for line in report["proved"]:
        print(f"  {line}")
    print("preconditions:")
    for line in report["assumptions"]:
        print(f"  {line}")
