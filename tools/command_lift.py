"""``liftproof lift``: C kernel to tensor IR or recurrences, with a proof for all sizes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from ..diagnostics import Diagnostic
from ..lifting.invariants import describe as recurrences
from ..lifting.invariants.fallback import lift_or_summarise
from ..lifting.invariants.prove import Proof
from ..lifting.prove import LiftResult
from ..lifting.summaries.prove import lift_to_summary
from ..lifting.tensors.named_operations import with_named_operations
from ..lifting.tensors.view import describe, numpy_view
from ..llm.advice import ModelOptions
from .exit_status import EXIT_OF_VERDICT
from .proposer_arguments import add_proposer_arguments, models_of
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
        "--invariants",
        type=Path,
        metavar="FILE",
        help="conditions that hold in its loops (with --summary)",
    )
    add_proposer_arguments(parser)
    parser.set_defaults(usage_error=parser.error)


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Lift, print the summary or fill the report."""
    if options.invariants is not None and options.summary is None:
        options.usage_error("--invariants goes with --summary")
    module = read_module(options.kernel)
    models = models_of(options)
    asked: dict[str, Any] | None = None
    if options.summary is not None:
        invariants = read_text(options.invariants) if options.invariants is not None else ""
        result = lift_to_summary(
            module, read_text(options.summary), invariants, str(options.summary)
        )
    else:
        result, asked = _lift(module, models)
    report = lift_report(result) | ({"proposer": asked} if asked is not None else {})
    if not options.json:
        _show(report, explain=options.explain)
    return report, EXIT_OF_VERDICT[result.verdict]


def _lift(
    module: ModuleOp, models: ModelOptions | None
) -> tuple[LiftResult | Proof, dict[str, Any] | None]:
    """Lift by reasoning; where that gives no proved tensor program, ask the models as well."""
    own: LiftResult | Proof | None = None
    problem: Diagnostic | None = None
    try:
        own = lift_or_summarise(module)
    except Diagnostic as refusal:
        problem = refusal
    asked: dict[str, Any] | None = None
    if models is not None and not (isinstance(own, LiftResult) and own.verdict == "proved"):
        # It brings the simulator and all passes, which take longer to import than most lifts.
        from ..llm.lift_guide import lift_with_models

        guided = lift_with_models(module, models)
        asked = guided.report
        if guided.proof is not None and guided.proof.verdict == "proved":
            return guided.proof, asked
    if own is not None:
        return own, asked
    assert problem is not None
    if asked is not None:
        raise Diagnostic(f"{problem.message}; asked: {asked['ended']}", problem.location)
    raise problem


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
            "summary_mlir": str(with_named_operations(result.module)),
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
    if (asked := report.get("proposer")) is not None:
        print(
            f"proposer: {asked['summaries']} summaries, {asked['invariants']} sets of invariants,"
            f" {asked['refuted']} refuted" + (f"; {asked['ended']}" if asked["ended"] else "")
        )
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
