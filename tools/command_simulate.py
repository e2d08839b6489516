"""``liftproof simulate``: run a program on the machine model and count its cycles."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig, load_config
from ..hw.gemmini.functional import run as run_functional
from ..hw.gemmini.lower_bound import bound_program
from ..hw.gemmini.memory import MemoryLayout
from ..hw.gemmini.timing import TimingResult, explain, simulate_timing, traffic
from ..hw.gemmini.trace import write_trace
from ..hw.gemmini.unroll import stream_of_module
from ..hw.machines import TRAINIUM, machine_of
from ..hw.stream import CommandStream
from ..lifting.machine_c import is_machine_c
from .arguments import add_timing_arguments, positive
from .array_files import ArrayParameter, digest, initial_arrays, write_arrays
from .exit_status import ACCEPTED
from .read import C_SUFFIXES, SHAPES_OF_NKI, read_module, read_stream, read_text


@dataclass(frozen=True)
class Program:
    """A command stream and, unless it came from a ``.rocc`` file, the arrays it works on."""

    stream: CommandStream
    layout: MemoryLayout | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "program", help="ISA IR (.mlir), machine C (.c), commands (.rocc) or NKI (.py)"
    )
    parser.add_argument(
        "--config",
        default=DEFAULT_CONFIG,
        help="name or TOML file of the machine (default: %(default)s)",
    )
    add_timing_arguments(parser)
    parser.add_argument(
        "--memory-latency",
        type=positive,
        default=6,
        metavar="CYCLES",
        help="of the level accelerator (default: %(default)s)",
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE.json", help="write a timeline, for ui.perfetto.dev"
    )
    parser.add_argument(
        "--inputs",
        type=Path,
        metavar="FILE.npz",
        help="arrays by parameter name; others are random",
    )
    parser.add_argument(
        "--outputs", type=Path, metavar="FILE.npz", help="where to write the arrays afterwards"
    )
    parser.add_argument("--timing-only", action="store_true", help="do not compute any data")
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=128x512:bf16",
        help="shape and type of an NKI kernel's parameter",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of random inputs (default: 0)")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Time the program and, unless told otherwise, run it on data."""
    if machine_of(options.config) == TRAINIUM:
        from .simulate_trainium import simulate

        return simulate(options)
    if options.shape:
        raise Diagnostic(SHAPES_OF_NKI)
    started = time.perf_counter()
    config = load_config(options.config)
    program = _load(options.program, config)
    timing = simulate_timing(
        program.stream,
        config,
        level=options.level,
        memory_latency=options.memory_latency,
        dram_latency=options.dram_latency,
        warm=options.warm,
    )
    outputs = {} if options.timing_only else _run_on_data(program, config, options)
    if options.trace is not None:
        write_trace(timing, program.stream, options.trace)
    report = {
        **_report(program, timing, config, options),
        "outputs": {name: digest(array) for name, array in outputs.items()},
        "seconds": round(time.perf_counter() - started, 3),
    }
    if not options.json:
        _print(report)
    return report, ACCEPTED


def _load(path: str, config: GemminiConfig) -> Program:
    if Path(path).suffix == ".rocc":
        return Program(read_stream(path, config), None)
    module = read_module(path, config)
    if Path(path).suffix in C_SUFFIXES and not is_machine_c(read_text(path)):
        raise Diagnostic(
            f"{path}: a plain C kernel, which calls none of the macros of gemmini.h",
            hint="`liftproof optimize` makes a program of it",
        )
    return Program(*stream_of_module(module, config))


def _report(
    program: Program, timing: TimingResult, config: GemminiConfig, options: argparse.Namespace
) -> dict[str, Any]:
    cold = options.level == "soc" and not options.warm
    bound = bound_program(timing.program, config, cold=cold)
    ideal = bound.macs / config.dim**2
    return {
        "cycles": timing.cycles,
        "lower_bound_cycles": bound.cycles,
        "bound": bound.limiting,
        "utilization": round(ideal / timing.cycles, 4) if timing.cycles else 0.0,
        "instructions": len(program.stream),
        "units": timing.units,
        "segments": timing.segment_cycles,
        "conflicts": timing.conflicts,
        "dram_bytes": {
            row.name: {"read": row.read_bytes, "written": row.written_bytes, "passes": row.passes}
            for row in traffic(timing.program, program.layout)
        },
        "summary": explain(timing, program.stream, config, program.layout),
    }


def _run_on_data(
    program: Program, config: GemminiConfig, options: argparse.Namespace
) -> dict[str, NDArray[Any]]:
    """All arrays after the program; those that are not given start at random, full range."""
    if program.layout is None:
        if options.inputs or options.outputs:
            raise Diagnostic(
                f"{options.program}: a command stream has no named arrays",
                hint="--inputs and --outputs need ISA IR or machine C",
            )
        return {}
    parameters = [
        ArrayParameter(array.name, array.shape, array.dtype) for array in program.layout.arrays
    ]
    contents = initial_arrays(parameters, options)
    image = program.layout.image(contents)
    run_functional(program.stream, config, image, layout=program.layout)
    names = [array.name for array in program.layout.arrays]
    arrays = dict(zip(names, program.layout.read(image), strict=True))
    write_arrays(arrays, options)
    return arrays


def _print(report: dict[str, Any]) -> None:
    print(
        f"{report['cycles']:,} cycles, {report['instructions']:,} commands,"
        f" {report['utilization']:.1%} of the array's peak"
    )
    print(f"lower bound {report['lower_bound_cycles']:,} cycles ({report['bound']})")
    for name, cycles in report["segments"].items():
        print(f"  segment {name}: {cycles:,} cycles")
    print(report["summary"])
