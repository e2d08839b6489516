"""``liftproof simulate`` for a NeuronCore: IR of the dialect ``trn``, or an NKI kernel."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from ..hw.gemmini.unroll import kernel_function
from ..hw.trainium.check import check
from ..hw.trainium.config import TrainiumConfig, load_config
from ..hw.trainium.functional import parameters_of
from ..hw.trainium.functional import run as run_functional
from ..hw.trainium.timing import TimingResult, explain, simulate_tiles, write_trace
from ..hw.trainium.timing.stream_program import has_streams, simulate_streams
from ..lifting.nki import parse_shapes, read_nki
from .array_files import ArrayParameter, digest, initial_arrays, write_arrays
from .exit_status import ACCEPTED
from .read import read_module, read_text


def simulate(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Time the program and, unless told otherwise, run it on data."""
    started = time.perf_counter()
    config = load_config(options.config)
    function = kernel_function(_load(options))
    check(function, config)
    report = _timing(function, config, options)
    outputs = {} if options.timing_only else _run_on_data(function, config, options)
    report |= {
        "outputs": {name: digest(array) for name, array in outputs.items()},
        "seconds": round(time.perf_counter() - started, 3),
    }
    if not options.json:
        _print(report)
    return report, ACCEPTED


def _load(options: argparse.Namespace) -> ModuleOp:
    if Path(options.program).suffix == ".py":
        shapes = parse_shapes(options.shape)
        return read_nki(read_text(options.program), options.program, shapes)
    return read_module(options.program)


def _run_on_data(
    function: func.FuncOp, config: TrainiumConfig, options: argparse.Namespace
) -> dict[str, NDArray[Any]]:
    parameters = [
        ArrayParameter(parameter.name, parameter.shape, np.dtype(parameter.dtype))
        for parameter in parameters_of(function)
    ]
    arrays = run_functional(function, config, initial_arrays(parameters, options))
    write_arrays(arrays, options)
    return arrays


def _timing(
    function: func.FuncOp, config: TrainiumConfig, options: argparse.Namespace
) -> dict[str, Any]:
    """The part of the report that the cycle model gives."""
    if has_streams(function):
        timing, names = simulate_streams(function, config)
    else:
        timing, tiles = simulate_tiles(function, config)
        names = tiles.names
    if options.trace is not None:
        write_trace(timing, options.trace, names)
    return _report(timing)


def _report(timing: TimingResult) -> dict[str, Any]:
    return {
        "cycles": timing.cycles,
        "nanoseconds": round(timing.nanoseconds),
        "lower_bound_cycles": timing.lower_bound_cycles,
        "bound": timing.bound.limiting,
        "utilization": round(timing.utilization, 4),
        "instructions": len(timing.program),
        "units": timing.units,
        "segments": {},
        "table_loads": timing.table_loads,
        "dram_bytes": timing.dma_bytes,
        "summary": explain(timing),
    }


def _print(report: dict[str, Any]) -> None:
    print(
        f"{report['cycles']:,} cycles of the tensor engine, {report['nanoseconds'] / 1000:,.1f} µs,"
        f" {report['instructions']:,} instructions, {report['utilization']:.1%} of its peak"
    )
    print(f"lower bound {report['lower_bound_cycles']:,} cycles ({report['bound']})")
    for unit, times in report["units"].items():
        causes = ", ".join(f"{name} {ns / 1000:,.1f} µs" for name, ns in times.items() if ns)
        print(f"  {unit}: {causes}")
    print(report["summary"])
