"""``liftproof compile``: lower a kernel with a given pipeline, for build systems."""

from __future__ import annotations

import argparse
from typing import Any

from .command_optimize import add_common_arguments, run_with
from .optimize import OptimizeOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    parser.add_argument("--pipeline", required=True, help="pass pipeline, as in schedule.txt")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Lower, validate and write, as ``optimize`` does after its search."""
    return run_with(
        options,
        OptimizeOptions(
            config=options.config,
            level=options.level,
            pipeline=options.pipeline,
            dram_latency=options.dram_latency,
            warm=options.warm,
        ),
    )
