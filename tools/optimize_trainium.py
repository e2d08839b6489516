"""``liftproof optimize`` and ``compile`` for Trainium: from a C kernel to a proven NKI kernel.

The space of schedules is small enough to be tried in order: every instance of the lowering passes
that applies is timed by the cycle model, and the fastest that is proved wins.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import AnyFloat, ModuleOp, TensorType
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException, VerifyException

from ..diagnostics import Diagnostic
from ..dialects.context import new_context
from ..hw.gemmini.unroll import kernel_function
from ..hw.machines import TRAINIUM
from ..hw.trainium.check import check
from ..hw.trainium.config import TrainiumConfig, load_config
from ..hw.trainium.kernel_bound import kernel_bound
from ..hw.trainium.timing import Bound, TimingResult, simulate_tiles
from ..lifting.c.frontend import parse_c_kernel
from ..lifting.loops.evaluate import location_of
from ..lifting.prove import LiftResult, lift_and_prove
from ..lifting.recurrences import lift_recurrence
from ..lifting.scalars import with_arrays_only
from ..passes.emission.emit_nki import emit_nki
from ..passes.pipeline_text import read_pipeline
from ..passes.registry import get_trainium_passes
from ..passes.trainium.kernel_demand import demand_of
from ..validation.validate import Validation, validate
from .arguments import require_folder
from .read import read_c
from .terminal import TerminalListener
from .trainium_streams import Streams, fastest_streams
from .write import write_files

Lowered = tuple[ModulePass, ModuleOp]
"""A lowering pass, and the program that it makes of a kernel."""


@dataclass(frozen=True)
class Candidate:
    """One schedule: what it became, and how long that takes."""

    pipeline: str
    program: ModuleOp | None = None
    timing: TimingResult | None = None
    diagnostic: str = ""

    @property
    def row(self) -> dict[str, Any]:
        cycles = None if self.timing is None else self.timing.cycles
        return {"pipeline": self.pipeline, "cycles": cycles, "diagnostic": self.diagnostic}


def optimize_trainium(kernel: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Optimize one kernel, write the files, print the result lines, and return the report.

    Raises ``Diagnostic`` where the kernel cannot be read, lifted, lowered or proved.
    """
    started = time.perf_counter()
    require_folder(folder)
    config = load_config(options.config)
    with TerminalListener(quiet=options.json) as listener:
        loops = with_arrays_only(parse_c_kernel(read_c(kernel), kernel))
        lifted = _lifted(loops)
        listener.stage("lift", f"{lifted.summary} {lifted.verdict} {lifted.method}")
        if lifted.verdict != "proved":
            raise Diagnostic(f"{kernel}: lift {lifted.verdict}: {lifted.reason}")
        candidates = _candidates(loops, lifted, config, options)
        timed = [one for one in candidates if one.timing is not None]
        listener.stage("search", f"{len(candidates)} candidates, {len(timed)} of them legal")
        best, proof = _first_proved(kernel, loops, timed)
        listener.stage("validate", f"proved ({proof.obligations} obligations)")
        bound = kernel_bound(demand_of(kernel_function(lifted.module)), config)
        report = _report(kernel, options.config, candidates, best, proof, bound)
        streams = _streams(loops, best, options)
        if streams is not None:
            report["streams"] = streams.report
            listener.stage("streams", _streams_line(streams))
        report["seconds"] = round(time.perf_counter() - started, 2)
        report = _write(report, lifted, best, candidates, folder, options, streams)
        listener.stage("result", _result_line(report))
        listener.stage("files", str(folder))
    return report


def _lifted(loops: ModuleOp) -> LiftResult:
    """The tensor program of a kernel, also of one with a recurrence."""
    try:
        return lift_and_prove(loops)
    except Diagnostic:
        with suppress(Diagnostic):
            return lift_recurrence(loops)
        raise


def _candidates(
    loops: ModuleOp, lifted: LiftResult, config: TrainiumConfig, options: argparse.Namespace
) -> list[Candidate]:
    """All schedules within the budget, or the one that was asked for; at least one is legal."""
    _require_float_arrays(loops, lifted.module)
    asked = getattr(options, "pipeline", None)
    programs = _given(asked, loops, lifted.module) if asked else _menu(loops, lifted.module)
    budget = getattr(options, "budget", None)
    found = [_evaluate(*lowered, config) for lowered in islice(programs, budget)]
    if all(candidate.timing is None for candidate in found):
        raise _refused(loops, found[0].diagnostic)
    return found


def _refused(loops: ModuleOp, reason: str, hint: str = "") -> Diagnostic:
    """What is said of a kernel that no lowering takes, at its function."""
    return Diagnostic(f"cannot be lowered: {reason}", location_of(kernel_function(loops)), hint)


def _require_float_arrays(loops: ModuleOp, module: ModuleOp) -> None:
    """Raise ``Diagnostic`` for arrays of unknown sizes or of other elements than floats."""
    for argument in kernel_function(module).args:
        name, type = argument.name_hint, argument.type
        if not isinstance(type, TensorType):
            continue
        if not type.has_static_shape():
            hint = "give sizes as numbers, as in `#define N 64`"
            raise _refused(loops, f"{name} has a size that is no number", hint)
        if not isinstance(type.element_type, AnyFloat):
            hint = "engines compute in float32: use arrays of float, __bf16 or _Float16"
            raise _refused(loops, f"{name} is an array of integers", hint)


def _menu(loops: ModuleOp, module: ModuleOp) -> Iterator[Lowered]:
    """Every program that a lowering pass makes of the tensor program; there is at least one."""
    kinds = [load() for load in get_trainium_passes().values()]
    is_empty = True
    for kind in kinds:
        for lowered in kind.programs(new_context(), module):
            is_empty = False
            yield lowered
    if is_empty:
        reasons = [f"{kind.name}: {_refusal(kind(), module)}" for kind in kinds]
        raise _refused(loops, "\n  ".join(["no pass takes it", *reasons]))


def _refusal(instance: ModulePass, module: ModuleOp) -> str:
    try:
        instance.apply(new_context(), module.clone())
    except PassFailedException as error:
        return str(error)
    return "no schedule"


def _given(pipeline: str, loops: ModuleOp, module: ModuleOp) -> Iterator[Lowered]:
    """What the lowering pass of a pipeline makes; raises ``Diagnostic`` for anything else."""
    passes = get_trainium_passes()
    instances = read_pipeline(pipeline, passes)
    if len(instances) != 1:
        raise Diagnostic(
            f"--pipeline {pipeline}: not a schedule for Trainium",
            hint=f"one of {', '.join(passes)}",
        )
    program = module.clone()
    try:
        instances[0].apply(new_context(), program)
    except PassFailedException as error:
        raise _refused(loops, _first_line(error)) from None
    yield instances[0], program


def _evaluate(instance: ModulePass, program: ModuleOp, config: TrainiumConfig) -> Candidate:
    pipeline = str(instance.pipeline_pass_spec())
    try:
        program.verify()
        function = kernel_function(program)
        check(function, config)
        timing, _ = simulate_tiles(function, config)
    except (PassFailedException, VerifyException, Diagnostic) as error:
        return Candidate(pipeline, diagnostic=_first_line(error))
    return Candidate(pipeline, program, timing)


def _first_line(error: Exception) -> str:
    """What went wrong; the verifier's exceptions end with the whole program."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[0]) if lines else ""


def _first_proved(
    kernel: str, loops: ModuleOp, timed: list[Candidate]
) -> tuple[Candidate, Validation]:
    """The fastest schedule that is proved equal to the C kernel."""
    reason = ""
    for candidate in sorted(timed, key=lambda one: one.timing.cycles if one.timing else 0):
        assert candidate.program is not None
        proof = validate(loops, candidate.program)
        if proof.verdict == "proved":
            return candidate, proof
        reason = reason or f"{candidate.pipeline} is {proof.verdict}: {proof.reason}"
    raise Diagnostic(f"{kernel}: no schedule is proved; {reason}")


def _report(
    kernel: str,
    config: str,
    candidates: list[Candidate],
    best: Candidate,
    proof: Validation,
    bound: Bound,
) -> dict[str, Any]:
    timed = [one.timing for one in candidates if one.timing is not None]
    assert best.timing is not None
    return {
        "kernel": Path(kernel).stem,
        "target": TRAINIUM,
        "config": config,
        "verdict": proof.verdict,
        "assumptions": list(proof.assumptions),
        "obligations": proof.obligations,
        "baseline_cycles": timed[0].cycles,
        "best_cycles": best.timing.cycles,
        "lower_bound_cycles": best.timing.lower_bound_cycles,
        "bound": best.timing.bound.limiting,
        "kernel_bound_cycles": int(bound.nanoseconds * best.timing.clock_ghz),
        "kernel_bound": bound.limiting,
        "nanoseconds": round(best.timing.nanoseconds),
        "utilization": round(bound.nanoseconds / best.timing.nanoseconds, 4),
        "pipeline": best.pipeline,
        "evaluated": len(candidates),
        "rejected": len(candidates) - len(timed),
        "input_sha256": hashlib.sha256(read_c(kernel).encode()).hexdigest(),
        "version": version("liftproof"),
    }


def _write(
    report: dict[str, Any],
    lifted: LiftResult,
    best: Candidate,
    candidates: list[Candidate],
    folder: Path,
    options: argparse.Namespace,
    streams: Streams | None,
) -> dict[str, Any]:
    assert best.program is not None
    lines = (
        f"Liftproof {report['version']}: {report['kernel']}, {report['best_cycles']} cycles",
        f"proved equal to the source, sha256 {report['input_sha256']}",
        f"pipeline: {report['pipeline']}",
    )
    texts = {"tensor.mlir": str(lifted.module), "schedule.txt": best.pipeline}
    if "mlir" in options.emit:
        texts["kernel.mlir"] = "".join(f"// {line}\n" for line in lines) + str(best.program)
    if "nki" in options.emit:
        texts["kernel.py"] = "".join(f"# {line}\n" for line in lines) + emit_nki(best.program)
    if streams is not None:
        headline = (*lines[:2], f"pipeline: {report['pipeline']},{streams.pipeline}")
        text = "".join(f"// {line}\n" for line in headline)
        texts["kernel.isa.mlir"] = text + str(streams.program)
    texts["search.jsonl"] = "\n".join(json.dumps(one.row) for one in candidates)
    report = report | {"files": [str(folder / name) for name in (*texts, "report.json")]}
    texts["report.json"] = json.dumps(report, indent=2)
    write_files(folder, texts)
    return report


def _streams(loops: ModuleOp, best: Candidate, options: argparse.Namespace) -> Streams | None:
    """The kernel at the ISA level, where it is asked for."""
    if "isa" not in options.emit:
        return None
    assert best.program is not None
    return fastest_streams(loops, best.program, options.config)


def _streams_line(streams: Streams) -> str:
    return (
        f"{streams.timing.cycles:,} cycles as streams, proved ({streams.proof.obligations}"
        f" obligations): {streams.pipeline}"
    )


def _result_line(report: dict[str, Any]) -> str:
    speedup = report["baseline_cycles"] / report["best_cycles"]
    return (
        f"{report['best_cycles']:,} cycles of the tensor engine, {report['utilization']:.1%} of the"
        f" kernel's bound ({report['kernel_bound']}), {speedup:.1f}× over the first schedule"
    )
