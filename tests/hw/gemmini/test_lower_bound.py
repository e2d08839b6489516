"""Tests of the analytic bound; that it holds is tested with the cycle model."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.lower_bound import lower_bound
from liftproof.hw.gemmini.rocc import read_rocc
from liftproof.hw.gemmini.timing import simulate_timing

CONFIG = load_config()
PAIR = "6 0x10001000001000 0x10001080000000\n4 0x10001000000000 0x100010ffffffff\n"


def _pairs(count: int) -> str:
    return PAIR * count + "FENCE\n"


def _loads(count: int) -> str:
    rows = "".join(
        f"2 {0x80000000 + 0x400 * n:#x} {0x10004000000000 + 0x40 * n:#x}\n" for n in range(count)
    )
    return "0 0x3f80000000100101 0x40\n" + rows + "FENCE\n"


def _stores(count: int) -> str:
    rows = "".join(
        f"3 {0x80010000 + 0x400 * n:#x} {0x10001080000000 + 16 * n:#x}\n" for n in range(count)
    )
    return "0 0x2 0x3f80000000000040\n" + rows + "FENCE\n"


@pytest.mark.parametrize(
    ("text", "limiting"),
    [
        (_pairs(64), "compute"),
        (_loads(32), "port"),
        (_stores(32), "store"),
        ("0 0x3f80000000100101 0x40\n" * 100, "dispatch"),
    ],
    ids=["pairs", "loads", "stores", "configs"],
)
def test_the_bound_is_tight_where_one_resource_binds(text: str, limiting: str) -> None:
    """With one resource in use the simulation is within 6 % of the bound, which names it."""
    stream = read_rocc(text, "x", CONFIG)
    bound = lower_bound(stream, CONFIG)
    assert bound.limiting in (limiting, "load")
    assert bound.cycles <= simulate_timing(stream, CONFIG).cycles <= 1.06 * bound.cycles


def test_multiply_accumulates_are_those_of_the_program() -> None:
    """Rows of A times its columns times the columns of C, for every pair with a result."""
    without_result = PAIR.replace("0x10001080000000", "0x100010ffffffff")
    short = "6 0x10001000001000 0x4000880000000\n4 0x4001000000000 0x100010ffffffff\n"
    stream = read_rocc(PAIR * 3 + without_result + short, "x", CONFIG)
    assert lower_bound(stream, CONFIG).macs == 3 * 16**3 + 4 * 16 * 8


def test_a_cold_bound_counts_each_line_once() -> None:
    """Loading the same 16 lines again does not cross the memory bus again."""
    once = read_rocc(_loads(1), "x", CONFIG)
    twice = read_rocc(_loads(1) + _loads(1), "x", CONFIG)
    bounds = [lower_bound(stream, CONFIG, "soc", cold=True).dram for stream in (once, twice)]
    assert bounds == [16 * CONFIG.dram_fill_cycles] * 2
    assert lower_bound(once, CONFIG, "soc").dram == 0


def test_loops_of_the_hardware_are_bounded_by_what_they_emit() -> None:
    """A 4×4×4-tile loop is 64 pairs: 64·16 rows of the array at least."""
    text = (
        "0 0x3f80000000010004 0x1000000000000\n"
        "9 0x0 0x400040004\n10 0x80000000 0x80001000\n11 0x0 0x80002000\n"
        "12 0x40 0x40\n13 0x0 0x40\n8 0x50000 0x0\nFENCE\n"
    )
    bound = lower_bound(read_rocc(text, "x", CONFIG), CONFIG)
    assert bound.macs == 64**3
    assert bound.compute >= 1024
