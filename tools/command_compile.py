"""``liftproof compile``: lower a kernel with a given pipeline, for build systems."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..diagnostics import Diagnostic
from ..dialects.context import universe
from ..hw.machines import TRAINIUM
from ..passes.pipeline_text import read_pipeline
from ..passes.statements import SEPARATOR
from .command_optimize import add_common_arguments, run_one
from .executors import in_this_process
from .exit_status import ACCEPTED
from .machine_choice import choose_machine
from .optimize import OptimizeOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", help="a C file with one kernel")
    add_common_arguments(parser)
    parser.add_argument("--pipeline", required=True, help="passes, as in schedule.txt")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Lower, validate and write, as ``optimize`` does after its search."""
    folder: Path = options.out or Path("out") / Path(options.kernel).stem
    if choose_machine(options) == TRAINIUM:
        from .optimize_trainium import optimize_trainium

        return optimize_trainium(options.kernel, folder, options), ACCEPTED
    for pipeline in options.pipeline.split(SEPARATOR.strip()):
        if not read_pipeline(pipeline, universe().all_passes):
            raise Diagnostic("--pipeline names no pass", hint="`optimize` writes schedule.txt")
    choices = OptimizeOptions(
        config=options.config,
        level=options.level,
        pipeline=options.pipeline,
        dram_latency=options.dram_latency,
        warm=options.warm,
    )
    with in_this_process() as executor:
        return run_one(options.kernel, folder, options, choices, executor), ACCEPTED
