"""``liftproof validate --replay``: run both programs on given arrays, without any proof."""

from __future__ import annotations

import argparse
import time
from typing import Any

from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import GemminiConfig
from ..validation.core.polyhedral import Unsupported
from ..validation.execution.counterexample import parameter_names
from ..validation.execution.counterexample import replay as replay_on
from ..validation.execution.execute import ExecutionFault, TooExpensive
from ..validation.extract.structured import single_function
from .read import read_arrays
from .validation_report import counterexample_report


def replay(
    source: ModuleOp, target: ModuleOp, config: GemminiConfig, options: argparse.Namespace
) -> dict[str, Any]:
    """The report of ``validate``: ``refuted`` if the arrays show a difference, else ``unknown``."""
    start = time.perf_counter()
    inputs = _inputs(source, options)
    try:
        found = replay_on(source, target, config, inputs)
    except ExecutionFault as fault:
        raise Diagnostic(f"the source is undefined for these arrays: {fault}") from fault
    except (Unsupported, TooExpensive) as error:
        raise Diagnostic(f"cannot run it: {error}") from error
    report: dict[str, Any] = {
        "verdict": "unknown" if found is None else "refuted",
        "reason": "no difference on these arrays" if found is None else "run on given arrays",
        "assumptions": [],
        "obligations": 0,
        "solver": "none",
        "solver_seconds": 0.0,
        "seconds": round(time.perf_counter() - start, 3),
        "counterexample": None,
    }
    if found is not None:
        report["counterexample"] = counterexample_report(found)
    return report


def _inputs(source: ModuleOp, options: argparse.Namespace) -> list[NDArray[Any]]:
    """The arrays in the order of the source's parameters."""
    given = read_arrays(options.replay)
    names = parameter_names(single_function(source))
    if sorted(given) != sorted(names):
        raise Diagnostic(
            f"{options.replay}: arrays {', '.join(sorted(given))} are not the parameters",
            hint=f"parameters: {', '.join(names)}",
        )
    return [given[name] for name in names]
