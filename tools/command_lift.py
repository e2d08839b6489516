"""``liftproof lift``: C kernel to tensor IR, with a proof for all sizes."""

from __future__ import annotations

import argparse
from typing import Any

from ..lifting.prove import lift_and_prove
from ..lifting.tensors.view import describe, numpy_view
from .exit_status import EXIT_OF_VERDICT
from .read import read_module


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", help="a C file with one kernel")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Lift, print the summary or fill the report."""
    result = lift_and_prove(read_module(options.kernel))
    report = {
        "verdict": result.verdict,
        "summary": describe(result.module),
        "summary_mlir": str(result.module),
        "summary_numpy": numpy_view(result.module),
        "assumptions": list(result.assumptions),
        "obligations": result.obligations,
        "method": result.method,
        "seconds": round(result.seconds, 3),
    }
    if not options.json:
        print(f"{report['summary']}: {result.verdict} ({result.method}, {result.seconds:.2f} s)")
        print(report["summary_numpy"])
        print(report["summary_mlir"])
    return report, EXIT_OF_VERDICT[result.verdict]
