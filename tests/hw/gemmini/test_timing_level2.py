"""Tests of the level-2 cache and its memory bus, seen through single loads and stores."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.hw.gemmini.config import GemminiConfig, load_config
from liftproof.hw.gemmini.rocc import read_rocc
from liftproof.hw.gemmini.timing import TimingResult, simulate_timing

CONFIG = load_config()
SMALL = replace(CONFIG, name="small L2", l2_sets=4, l2_ways=2)
LINE = CONFIG.l2_line_bytes
HEADER = "0 0x3f80000000100101 0x40\n0 0x2 0x3f80000000000040\n"


def _run(text: str, config: GemminiConfig = CONFIG, **options: int) -> TimingResult:
    return simulate_timing(read_rocc(HEADER + text, "x", config), config, level="soc", **options)


def _load(address: int, local: int = 0) -> str:
    """One row of 16 bytes: a single request."""
    return f"2 {address:#x} {local | 16 << 32 | 1 << 48:#x}\nFENCE\n"


def _store(address: int) -> str:
    return f"3 {address:#x} {1 << 31 | 16 << 32 | 1 << 48:#x}\nFENCE\n"


def test_a_line_misses_once_and_then_hits() -> None:
    """Four requests to one line are one miss; a request to the next line is another."""
    base = 0x8000_0000
    result = _run("".join(_load(base + 16 * n, n) for n in range(4)))
    assert result.cache == {"accesses": 4, "misses": 1, "write_backs": 0}
    assert _run(_load(base) + _load(base + LINE)).cache["misses"] == 2


def test_a_miss_costs_what_was_measured() -> None:
    """A miss answers 22 cycles, the DRAM's latency and the line's transfer after the request."""
    miss = _run(_load(0x8000_0000), dram_latency=20).cycles
    hit = _run(_load(0x8000_0000), dram_latency=20, warm=True).cycles
    assert miss - hit == 8 + 20 + CONFIG.dram_fill_cycles + 14 - CONFIG.l2_hit_latency


@pytest.mark.parametrize("latency", [0, 20, 60, 200])
def test_dram_latency_is_paid_once_per_dependent_miss(latency: int) -> None:
    """Fenced misses each wait for the DRAM."""
    text = "".join(_load(0x8000_0000 + LINE * n) for n in range(5))
    base = _run(text, dram_latency=0).cycles
    assert _run(text, dram_latency=latency).cycles == base + 5 * latency


def test_the_least_recently_used_line_is_replaced() -> None:
    """In a set of two ways, A B A C evicts B: then A hits and B misses."""
    a, b, c = (0x8000_0000 + n * SMALL.l2_sets * LINE for n in range(3))
    text = "".join(_load(address) for address in (a, b, a, c))
    assert _run(text + _load(a), SMALL).cache["misses"] == 3
    assert _run(text + _load(b), SMALL).cache["misses"] == 4


def test_stores_allocate_and_dirty_lines_are_written_back() -> None:
    """A store that misses fetches its line; evicting it writes it back."""
    lines = [0x8000_0000 + n * SMALL.l2_sets * LINE for n in range(3)]
    text = _store(lines[0]) + "".join(_load(address) for address in lines[1:])
    assert _run(text, SMALL).cache == {"accesses": 3, "misses": 3, "write_backs": 1}
    assert _run(_store(lines[0]) + _load(lines[0]), SMALL).cache["misses"] == 1


def test_streaming_misses_are_bound_by_the_memory_bus() -> None:
    """Many independent lines arrive at 8 B/cycle, whatever the latency of the DRAM."""
    text = "".join(
        f"2 {0x80000000 + 0x400 * n:#x} {0x10004000000000 + 0x40 * n:#x}\n" for n in range(32)
    )
    cycles = [_run(text + "FENCE\n", dram_latency=latency).cycles for latency in (0, 40)]
    lines = 32 * 16
    assert lines * CONFIG.dram_fill_cycles < cycles[0] < 1.05 * lines * CONFIG.dram_fill_cycles
    assert cycles[1] < cycles[0] + 60
