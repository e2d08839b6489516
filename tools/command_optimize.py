"""``liftproof optimize``: the main job, from a C kernel to proven, fast accelerator code."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG
from .arguments import positive
from .exit_status import ACCEPTED
from .optimize import OptimizeOptions, Result, optimize
from .proposer_arguments import add_proposer_arguments, models_of
from .terminal import TerminalListener
from .workers import usable_cores, worker_pool
from .write import FORMATS, write_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    parser.add_argument("--budget", type=positive, default=64, help="proposals to evaluate")
    parser.add_argument("--seed", type=int, default=0, help="seed of the search")
    parser.add_argument(
        "--library",
        type=Path,
        metavar="FILE",
        help="schedules of earlier kernels, to start from and add to",
    )
    add_proposer_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that ``optimize`` and ``compile`` share."""
    parser.add_argument("kernel", help="a C file with one kernel")
    parser.add_argument("--target", default="gemmini", choices=["gemmini"])
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="name or TOML file of the machine")
    parser.add_argument("--level", default="soc", choices=["accelerator", "soc"])
    parser.add_argument("--dram-latency", type=positive, help="DRAM latency in cycles (soc)")
    parser.add_argument("--warm", action="store_true", help="all data in the L2 cache at the start")
    parser.add_argument("--out", type=Path, help="output folder (default: out/KERNEL)")
    parser.add_argument("--emit", default="mlir,c", type=formats, help="comma list: mlir, c, rocc")
    parser.add_argument("-j", "--jobs", type=positive, help="worker processes (default: all cores)")


def formats(text: str) -> tuple[str, ...]:
    """An argparse type: a comma list of output formats."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(FORMATS)}")
    return names


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Run the search and write the results."""
    return run_with(
        options,
        OptimizeOptions(
            config=options.config,
            level=options.level,
            budget=options.budget,
            seed=options.seed,
            dram_latency=options.dram_latency,
            warm=options.warm,
            models=models_of(options),
            library=options.library,
            jobs=options.jobs or usable_cores(),
        ),
    )


def run_with(options: argparse.Namespace, choices: OptimizeOptions) -> tuple[dict[str, Any], int]:
    """Optimize with ``choices``, write the files, and print the result lines."""
    directory: Path = options.out or Path("out") / Path(options.kernel).stem
    if directory.exists() and not directory.is_dir():
        raise Diagnostic(f"{directory}: not a folder", hint="choose another --out")
    # One given pipeline is not worth the start of a process.
    pool = worker_pool(options.jobs) if choices.pipeline is None else ThreadPoolExecutor(1)
    with TerminalListener(quiet=options.json) as listener, pool as executor:
        result = optimize(options.kernel, choices, executor, listener)
        report = write_result(result, directory, options.emit)
        listener.stage("result", _result_line(result))
        names = ",".join(Path(name).name for name in report["files"])
        listener.stage("files", f"{directory}/{{{names}}}")
        listener.paragraph(result.explanation)
    return report, ACCEPTED


def _result_line(result: Result) -> str:
    return (
        f"{result.timing.cycles:,} cycles, {result.utilization:.1%} of the array's peak,"
        f" {result.baseline_cycles / result.timing.cycles:.1f}× over the untuned lowering"
    )
