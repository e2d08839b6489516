"""The last stage of ``optimize --target trainium --emit isa``: the kernel as proven streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from ..diagnostics import Diagnostic
from ..dialects.context import new_context
from ..hw.gemmini.unroll import kernel_function
from ..hw.trainium.config import load_config
from ..hw.trainium.timing import TimingResult
from ..hw.trainium.timing.stream_program import simulate_streams
from ..passes.trainium.lower_streams import LowerStreamsPass
from ..validation.decide import decide
from ..validation.validate import Validation

COPIES = (2, 3, 4)
"""Of buffers in loops, that are tried."""


@dataclass(frozen=True)
class Streams:
    """A program at the ISA level, how long it takes, and its proof."""

    pipeline: str
    program: ModuleOp
    timing: TimingResult
    proof: Validation

    @property
    def report(self) -> dict[str, Any]:
        """What the report of ``optimize`` says of it."""
        return {
            "pipeline": self.pipeline,
            "cycles": self.timing.cycles,
            "nanoseconds": round(self.timing.nanoseconds),
            "instructions": len(self.timing.program),
            "obligations": self.proof.obligations,
        }


def fastest_streams(source: ModuleOp, tiles: ModuleOp, config: str) -> Streams:
    """The fastest streams for a tile program that are proved equal to ``source``.

    Raises ``Diagnostic`` if there are none, with the first reason.
    """
    machine = load_config(config)
    timed: list[tuple[TimingResult, LowerStreamsPass, ModuleOp]] = []
    reason = ""
    for instance in (LowerStreamsPass(copies, config) for copies in COPIES):
        program = tiles.clone()
        try:
            instance.apply(new_context(), program)
            timing, _ = simulate_streams(kernel_function(program), machine)
        except (PassFailedException, Diagnostic) as error:
            reason = reason or str(error)
            continue
        timed.append((timing, instance, program))
    for timing, instance, program in sorted(timed, key=lambda one: one[0].nanoseconds):
        proof = decide(source, program, neuron=machine)
        if proof.verdict == "proved":
            return Streams(str(instance.pipeline_pass_spec()), program, timing, proof)
        reason = reason or f"{proof.verdict}: {proof.reason}"
    raise Diagnostic(f"--emit isa: no proven streams: {reason}")
