"""A timeline of a simulation as Chrome JSON, which ui.perfetto.dev opens: one track per unit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..stream import CommandStream
from .isa import ConfigType, Funct
from .timing.causes import Unit
from .timing.simulate import TimingResult

PROCESS = 1
"""The one process of the trace; its threads are the units."""
WAITING_TRACKS = 10
"""Added to a unit's track: its commands waiting in the reservation station."""


def write_trace(result: TimingResult, stream: CommandStream, path: str | Path) -> None:
    """Write the timeline of ``result`` to ``path``; one cycle is shown as one microsecond.

    Each command is a bar from its issue to its completion on its unit's track, and one from its
    allocation to its issue on the unit's waiting track, with its operands and its origin.
    """
    events = [*_names(), *_events(result, stream)]
    text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, separators=(",", ":"))
    Path(path).write_text(text + "\n", encoding="utf-8")


def _names() -> Iterator[dict[str, Any]]:
    yield _metadata("process_name", 0, "Gemmini (1 µs is 1 cycle)")
    for unit in Unit:
        yield _metadata("thread_name", unit, unit.name.lower())
        yield _metadata("thread_name", unit + WAITING_TRACKS, f"{unit.name.lower()}: waiting")


def _metadata(kind: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": PROCESS, "tid": int(track), "name": kind, "args": {"name": name}}


def _events(result: TimingResult, stream: CommandStream) -> Iterator[dict[str, Any]]:
    program = result.program
    columns = (
        program.commands["unit"],
        program.stream.funct,
        program.stream.rs1,
        program.stream.rs2,
        stream.origin[program.origin],
        result.allocated,
        result.issued,
        result.done,
    )
    finished = np.flatnonzero((result.allocated >= 0) & (result.done >= 0))
    rows = zip(*(column[finished].tolist() for column in columns), strict=True)
    for index, (unit, funct, rs1, rs2, origin, allocated, issued, done) in zip(
        finished.tolist(), rows, strict=True
    ):
        name = _name(funct, rs1)
        words = {"command": index, "rs1": hex(rs1), "rs2": hex(rs2), "origin": origin}
        yield _bar(name, unit, issued, done, words)
        yield _bar(name, unit + WAITING_TRACKS, allocated, issued, words)


def _bar(name: str, track: int, begin: int, end: int, words: dict[str, Any]) -> dict[str, Any]:
    return {
        "ph": "X",
        "pid": PROCESS,
        "tid": track,
        "name": name,
        "ts": begin,
        "dur": max(0, end - begin),
        "args": words,
    }


def _name(funct: int, rs1: int) -> str:
    if funct == Funct.CONFIG:
        return f"config {ConfigType(rs1 & 3).name.lower()}"
    return Funct(funct).name.lower()
