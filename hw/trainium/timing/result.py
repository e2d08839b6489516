"""What a simulation reports: the time, and where it went on each engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .causes import CAUSE_NAMES, CAUSES
from .engine import Run
from .records import DMA_ENGINES, STREAMS, Engine, Program, Records


@dataclass(frozen=True)
class Bound:
    """A time in ns that no schedule can beat, by the resource that sets it."""

    terms: dict[str, float]
    """The work of each resource, which it does after the launch."""
    launch: float

    @property
    def limiting(self) -> str:
        return max(self.terms, key=lambda name: self.terms[name])

    @property
    def nanoseconds(self) -> float:
        return self.launch + max(self.terms.values())


@dataclass(frozen=True)
class TimingResult:
    """What a simulation measured. Times are in ns since the launch of the kernel."""

    program: Program
    times: Records
    """For each instruction of ``program``: issued, ended, visible, without the launch."""
    launch: float
    clock_ghz: float
    """Clock of the tensor engine, in which ``cycles`` counts."""
    units: dict[str, dict[str, float]]
    """For each engine, ns by cause; of the 16 DMA engines, the mean."""
    table_loads: int
    bound: Bound

    @property
    def nanoseconds(self) -> float:
        """From the launch until the last result is visible."""
        return self.launch + float(np.max(self.times["visible"], initial=0.0))

    @property
    def cycles(self) -> int:
        return round(self.nanoseconds * self.clock_ghz)

    @property
    def lower_bound_cycles(self) -> int:
        return int(self.bound.nanoseconds * self.clock_ghz)

    @property
    def utilization(self) -> float:
        """Share of the time that the products would take if the whole array worked."""
        ideal = float(self.program.instructions["ideal"].sum())
        return ideal / self.nanoseconds if ideal else 0.0

    @property
    def dma_bytes(self) -> int:
        """Bytes moved from and to HBM."""
        return int(self.program.instructions["bytes"].sum())


def result_of(
    program: Program, run: Run, *, launch: float, clock_ghz: float, hbm_bytes_per_ns: float
) -> TimingResult:
    """The report on a finished run."""
    end = float(np.max(run.times["visible"], initial=0.0))
    table = run.machine["time"].reshape(STREAMS, CAUSES)
    units = {
        engine.name.lower(): _causes(table[engine]) for engine in Engine if engine != Engine.DMA
    }
    busy = float(run.machine["dma_busy"].sum()) / DMA_ENGINES
    units["dma"] = {"busy": round(busy, 1), "idle": round(end - busy, 1)}
    return TimingResult(
        program,
        run.times,
        launch,
        clock_ghz,
        units,
        int(run.machine["table_loads"]),
        _bound(program, run, launch, hbm_bytes_per_ns),
    )


def _causes(times: Records) -> dict[str, float]:
    return {name: round(float(time), 1) for name, time in zip(CAUSE_NAMES, times, strict=True)}


def _bound(program: Program, run: Run, launch: float, hbm_bytes_per_ns: float) -> Bound:
    """Each engine's own work, the DMA engines' work spread evenly, and the bytes over HBM."""
    instructions = program.instructions
    engines = (Engine.PE, Engine.ACT, Engine.DVE, Engine.POOL)
    terms = {
        engine.name.lower(): float(
            instructions["occupancy"][instructions["stream"] == engine].sum()
        )
        for engine in engines
    }
    terms["dma"] = float(run.machine["dma_busy"].sum()) / DMA_ENGINES
    terms["hbm"] = float(instructions["bytes"].sum()) / hbm_bytes_per_ns
    return Bound(terms, launch)
