"""A timeline as Chrome JSON, which ui.perfetto.dev opens: one track per engine and DMA queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .causes import CAUSE_NAMES
from .records import FIRST_QUEUE, Engine
from .result import TimingResult

PROCESS = 1
NS_PER_US = 1000.0


def write_trace(result: TimingResult, path: str | Path, names: Sequence[str] = ()) -> None:
    """Write the timeline of ``result`` to ``path``; times are true times.

    Each instruction is a bar from its issue to its end, with what it waited for; ``names`` are
    those of the operations by ``origin``.
    """
    events = [*_tracks(result), *_bars(result, names)]
    text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, separators=(",", ":"))
    Path(path).write_text(text + "\n", encoding="utf-8")


def _tracks(result: TimingResult) -> Iterator[dict[str, Any]]:
    yield _metadata("process_name", 0, "NeuronCore")
    for stream in sorted({int(stream) for stream in result.program.instructions["stream"]}):
        queue = stream - FIRST_QUEUE
        name = f"dma queue {queue}" if queue >= 0 else Engine(stream).name.lower()
        yield _metadata("thread_name", stream, name)


def _metadata(kind: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": PROCESS, "tid": track, "name": kind, "args": {"name": name}}


def _bars(result: TimingResult, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    instructions, times = result.program.instructions, result.times
    columns = (
        instructions["stream"],
        instructions["origin"],
        times["issued"],
        times["ended"],
        times["cause"],
    )
    for stream, origin, issued, ended, cause in zip(*(c.tolist() for c in columns), strict=True):
        yield {
            "ph": "X",
            "pid": PROCESS,
            "tid": stream,
            "name": names[origin] if 0 <= origin < len(names) else "instruction",
            "ts": (result.launch + issued) / NS_PER_US,
            "dur": max(0.0, ended - issued) / NS_PER_US,
            "args": {"origin": origin, "waited_for": CAUSE_NAMES[cause]},
        }
