"""``liftproof optimize``: the main job, from a C kernel to proven, fast accelerator code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from ..diagnostics import Diagnostic
from ..hw.machines import GEMMINI, TRAINIUM
from ..llm.session import Session, open_session
from .arguments import add_timing_arguments, positive, require_folder
from .executors import PROCESSES, executor_name, open_executor
from .exit_status import ACCEPTED
from .machine_choice import FORMATS, choose_machine
from .optimize import OptimizeOptions, Result, optimize
from .proposer_arguments import add_proposer_arguments, models_of
from .terminal import TerminalListener
from .workers import usable_cores
from .write import write_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernels", nargs="+", metavar="kernel", help="C files with one kernel each")
    add_common_arguments(parser)
    parser.add_argument(
        "--budget",
        type=positive,
        default=64,
        metavar="N",
        help="programs to evaluate (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the search (default: 0)")
    parser.add_argument(
        "-j", "--jobs", type=positive, metavar="N", help="worker processes (default: all cores)"
    )
    parser.add_argument(
        "--library",
        type=Path,
        metavar="FILE",
        help="schedules of earlier kernels, to start from and add to",
    )
    parser.add_argument(
        "--executor",
        default=PROCESSES,
        type=executor_name,
        metavar="processes|dask:ADDRESS",
        help="where proposals are evaluated (default: processes of this machine)",
    )
    add_proposer_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that ``optimize`` and ``compile`` share."""
    parser.add_argument(
        "--target",
        choices=[GEMMINI, TRAINIUM],
        help="the accelerator; the configuration says it too (default: gemmini)",
    )
    parser.add_argument(
        "--config", help="name or TOML file of the machine (default: the target's usual one)"
    )
    add_timing_arguments(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where results go (default: out/KERNEL)"
    )
    parser.add_argument(
        "--emit",
        type=formats,
        metavar="LIST",
        help="mlir, c, rocc (default: mlir,c); for Trainium mlir, nki, isa (default: mlir,nki)",
    )


def formats(text: str) -> tuple[str, ...]:
    """An argparse type: a comma list of output formats."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(FORMATS)}")
    return names


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Run the searches, one kernel after the other, and write their results."""
    if choose_machine(options) == TRAINIUM:
        from .optimize_trainium import optimize_trainium

        found = [
            optimize_trainium(kernel, folder, options)
            for kernel, folder in _folders(options.kernels, options.out).items()
        ]
        return found[0] if len(found) == 1 else {"results": found}, ACCEPTED
    choices = OptimizeOptions(
        config=options.config,
        level=options.level,
        budget=options.budget,
        seed=options.seed,
        dram_latency=options.dram_latency,
        warm=options.warm,
        models=models_of(options),
        library=options.library,
        jobs=options.jobs or usable_cores(),
    )
    folders = _folders(options.kernels, options.out)
    session = open_session(choices.models) if choices.models is not None else None
    with open_executor(options.executor, options.jobs) as executor:
        reports = [
            run_one(kernel, folder, options, choices, executor, session)
            for kernel, folder in folders.items()
        ]
    return reports[0] if len(reports) == 1 else {"results": reports}, ACCEPTED


def _folders(kernels: Sequence[str], out: Path | None) -> dict[str, Path]:
    """Where the results of each kernel go; raises ``Diagnostic`` if two would share a folder."""
    base = Path("out") if out is None else out
    if len(kernels) == 1 and out is not None:
        return {kernels[0]: out}
    folders = {kernel: base / Path(kernel).stem for kernel in kernels}
    if len(set(folders.values())) < len(kernels):
        raise Diagnostic("two kernels have the same file name", hint="optimize them one by one")
    return folders


def run_one(
    kernel: str,
    folder: Path,
    options: argparse.Namespace,
    choices: OptimizeOptions,
    executor: Executor,
    session: Session | None = None,
) -> dict[str, Any]:
    """Optimize one kernel, write the files, print the result lines, and return the report."""
    require_folder(folder)
    with TerminalListener(quiet=options.json) as listener:
        result = optimize(kernel, choices, executor, listener, session)
        report = write_result(result, folder, options.emit)
        listener.stage("result", _result_line(result))
        names = ",".join(Path(name).name for name in report["files"])
        listener.stage("files", f"{folder}/{{{names}}}")
        listener.paragraph(result.explanation)
    return report


def _result_line(result: Result) -> str:
    return (
        f"{result.timing.cycles:,} cycles, {result.utilization:.1%} of the array's peak,"
        f" {'≈' if result.baseline_is_estimate else ''}"
        f"{result.baseline_cycles / result.timing.cycles:.1f}× over the untuned lowering"
    )
