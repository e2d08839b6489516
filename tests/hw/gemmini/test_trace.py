"""Tests of the timeline for ui.perfetto.dev."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.rocc import read_rocc
from liftproof.hw.gemmini.timing import TimingResult, simulate_timing
from liftproof.hw.gemmini.trace import write_trace
from liftproof.hw.stream import CommandStream

CONFIG = load_config()
TEXT = (
    "0 0x3f80000000100101 0x40\n"
    "2 0x80000000 0x10001000000000\n"
    "6 0x10001000001000 0x10001080000000\n"
    "4 0x10001000000000 0x100010ffffffff\n"
    "3 0x80010000 0x10001080000000\n"
    "FENCE\n"
)
Traced = tuple[TimingResult, CommandStream, list[dict[str, Any]]]


@pytest.fixture
def traced(tmp_path: Path) -> Traced:
    stream = read_rocc(TEXT, "x.rocc", CONFIG)
    result = simulate_timing(stream, CONFIG)
    write_trace(result, stream, tmp_path / "trace.json")
    text = (tmp_path / "trace.json").read_text(encoding="utf-8")
    return result, stream, json.loads(text)["traceEvents"]


def _bars(events: list[dict[str, Any]], track: str) -> list[dict[str, Any]]:
    names = {e["args"]["name"]: e["tid"] for e in events if e["name"] == "thread_name"}
    return [event for event in events if event["ph"] == "X" and event["tid"] == names[track]]


def test_each_unit_has_a_track_with_its_commands(traced: Traced) -> None:
    """The bars on a unit's track are its commands, named, in order."""
    _, _, events = traced
    assert [bar["name"] for bar in _bars(events, "load")] == ["config load", "mvin"]
    names = [bar["name"] for bar in _bars(events, "execute")]
    assert names == ["preload", "compute_preloaded"]
    assert [bar["name"] for bar in _bars(events, "store")] == ["mvout"]


def test_bars_lie_where_the_simulation_has_them(traced: Traced) -> None:
    """A bar begins at the command's issue and ends with its completion; waiting comes before."""
    result, _, events = traced
    (store,) = _bars(events, "store")
    (waiting,) = _bars(events, "store: waiting")
    index = store["args"]["command"]
    assert store["ts"] == result.issued[index]
    assert store["ts"] + store["dur"] == result.done[index]
    assert waiting["ts"] + waiting["dur"] == store["ts"]
    assert store["args"]["origin"] == 5


def test_the_commands_of_loops_are_traced(tmp_path: Path) -> None:
    """What a hardware loop emits appears, with the line of the loop as origin."""
    text = (
        "9 0x0 0x100010001\n10 0x80000000 0x80001000\n11 0x0 0x80002000\n"
        "12 0x40 0x40\n13 0x0 0x40\n8 0x0 0x0\nFENCE\n"
    )
    stream = read_rocc(text, "x.rocc", CONFIG)
    write_trace(simulate_timing(stream, CONFIG), stream, tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    assert [bar["name"] for bar in _bars(events, "load")] == ["mvin", "mvin2"]
    assert {bar["args"]["origin"] for bar in _bars(events, "execute")} == {6}
