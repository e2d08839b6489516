"""The state of the simulated core, and what one instruction does to it: shared by both kernels.

Everything is in float nanoseconds since the first instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

from .causes import BUSY, CAUSES, DEPENDENCE, IDLE, PORT, TABLE
from .records import DMA_ENGINES, NO_TABLE, PORTS, STREAMS, Engine

Record = Any
"""A NumPy record of one of the types below."""
Function = TypeVar("Function", bound=Callable[..., Any])

PARAMETERS = np.dtype(
    [
        ("semaphore", np.float64),
        ("table_load", np.float64),
        ("dma_start", np.float64),
        ("dma_done", np.float64),
        ("hbm_bytes_per_ns", np.float64),
    ],
    align=True,
)
"""Times of the machine in ns: semaphore to waiting engine, load of an activation table, DMA trigger
to first byte, last byte to semaphore; and the bandwidth of HBM."""

MACHINE = np.dtype(
    [
        ("parameters", PARAMETERS),
        ("free", np.float64, (STREAMS,)),
        ("visible", np.float64, (STREAMS,)),
        ("port_free", np.float64, (PORTS,)),
        ("port_user", np.int64, (PORTS,)),
        ("dma_free", np.float64, (DMA_ENGINES,)),
        ("dma_busy", np.float64, (DMA_ENGINES,)),
        ("hbm_free", np.float64),
        ("table", np.int64),
        ("table_loads", np.int64),
        ("time", np.float64, (STREAMS * CAUSES,)),
        ("source", np.int64),
    ],
    align=True,
)
"""``free``: when each stream can issue; ``visible``: when its last result was visible (results
become visible in order); ``time``: ns of each stream by cause."""

TIMES = np.dtype(
    [(name, np.float64) for name in ("issued", "ended", "visible")] + [("cause", np.int64)],
    align=True,
)
"""When an instruction began, left its engine, and had its result visible; what it waited for."""

ACT = int(Engine.ACT)


OPTIONS: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
    "error_model": "numpy",
}


def stage(function: Function) -> Function:
    """Compile a function that only compiled code calls."""
    compiled: Any = numba.njit(**OPTIONS)(function)
    return compiled


def source_digest() -> int:
    """A number that changes with the source of the model: part of what numba caches by."""
    folder = Path(__file__).parent
    text = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return int.from_bytes(sha256(text).digest()[:7], "big")


def new_machine(parameters: Any) -> Any:
    """A core on which nothing runs, as an array of one record."""
    machine = np.zeros(1, MACHINE)
    machine["parameters"] = parameters
    machine["table"] = NO_TABLE
    machine["port_user"] = -1
    return machine


@stage
def earliest(machine: Record, instruction: Record, ready: float) -> float:
    """When the instruction can issue if its operands are ready at ``ready``."""
    start = max(ready, machine.free[instruction.stream])
    for port in range(PORTS):
        if instruction.ports >> port & 1 and machine.port_user[port] != instruction.stream:
            start = max(start, machine.port_free[port])
    return start


@stage
def execute(machine: Record, instruction: Record, times: Record, ready: float, cause: int) -> None:
    """Run one instruction as early as it can; ``cause`` is what ``ready`` waited for."""
    parameters = machine.parameters
    stream = instruction.stream
    start = earliest(machine, instruction, ready)
    free = machine.free[stream]
    base = stream * CAUSES
    if start > free:
        waited = max(free, min(ready, start))
        machine.time[base + cause] += waited - free
        machine.time[base + PORT] += start - waited
    times.issued = start
    times.cause = cause if ready > free else (PORT if start > free else BUSY)
    if instruction.table != NO_TABLE and instruction.table != machine.table:
        machine.table = instruction.table
        machine.table_loads += 1
        machine.time[base + TABLE] += parameters.table_load
        start += parameters.table_load
    end = start + instruction.occupancy
    machine.time[base + BUSY] += instruction.occupancy
    machine.free[stream] = end
    for port in range(PORTS):
        if instruction.ports >> port & 1:
            machine.port_free[port] = end
            machine.port_user[port] = stream
    times.ended = end
    times.visible = end + instruction.latency
    if instruction.dmas > 0:
        times.ended = transfer(machine, instruction, start + parameters.dma_start)
        times.visible = times.ended + parameters.dma_done
    times.visible = max(times.visible, machine.visible[stream])
    machine.visible[stream] = times.visible


@stage
def transfer(machine: Record, instruction: Record, arrival: float) -> float:
    """Move the data of a DMA that reaches the engines at ``arrival``; returns its last byte."""
    last = arrival
    for engine in range(instruction.first_dma, instruction.first_dma + instruction.dmas):
        slot = engine % DMA_ENGINES
        end = max(machine.dma_free[slot], arrival) + instruction.dma_time
        machine.dma_free[slot] = end
        machine.dma_busy[slot] += instruction.dma_time
        last = max(last, end)
    if instruction.bytes > 0:
        rate = machine.parameters.hbm_bytes_per_ns
        machine.hbm_free = max(machine.hbm_free, arrival) + instruction.bytes / rate
        last = max(last, machine.hbm_free)
    return last


@stage
def finish(machine: Record, end: float) -> None:
    """Count what is left of each stream's time, up to ``end``, as idle."""
    for stream in range(STREAMS):
        if end > machine.free[stream]:
            machine.time[stream * CAUSES + IDLE] += end - machine.free[stream]


@stage
def dependence(stream: int) -> int:
    """The cause that names the producer that was waited for."""
    return DEPENDENCE + min(stream, 5)
