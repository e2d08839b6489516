"""Tests of what every program for a kernel must spend."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.isa import ACCUMULATOR_BIT, ConfigType, Funct
from liftproof.hw.gemmini.kernel_bound import ARRAY, LOAD, PORT, STORE, Demand, kernel_bound
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.stream import CommandStream

CONFIG = load_config()


@pytest.mark.parametrize(
    ("columns", "terms", "rows_of_array"),
    [(64, 64, 16), (24, 64, 8), (64, 24, 8), (24, 24, 3), (16, 1, 1), (1000, 16, 62.5)],
)
def test_sums_that_do_not_fill_the_array_take_as_many_rows(
    columns: int, terms: int, rows_of_array: float
) -> None:
    """Columns and terms are served 16 at a time, but beyond 256 columns they may be exchanged."""
    demand = Demand(rows=160, columns=columns, terms=terms)
    assert kernel_bound(demand, CONFIG, dram=False).terms[ARRAY] == 160 * rows_of_array


def test_a_bias_and_results_share_the_port_with_inputs() -> None:
    """64 rows of 32 sums begin with 8 rows of 64 bytes, and 32 requests store 2,048 bytes."""
    demand = Demand(64, 32, 16, starts=64, read_bytes=1600, written_bytes=2048)
    bound = kernel_bound(demand, CONFIG, dram=True)
    assert bound.terms == {ARRAY: 128, LOAD: 132, STORE: 204, PORT: 164, "dram": 456}
    assert (bound.cycles, bound.limiting) == (456 + bound.latency["dram"], "dram")


def test_maxima_are_read_along_columns_first_where_that_saves_reads() -> None:
    """3 × 3 windows 1 apart need 6 reads, 2 apart 9; 2 × 2 windows 2 apart need 4."""
    for window, step, reads in ((3, 1, 6), (3, 2, 9), (2, 2, 4), (2, 1, 4)):
        demand = Demand(10, 16, window=window, step=step)
        assert kernel_bound(demand, CONFIG, dram=False).terms[STORE] == 10 * reads


@pytest.mark.parametrize(("rows", "share"), [(1, 0.5), (16, 0.5), (1000, 0.7)])
def test_a_straight_program_for_one_tile_of_weights_stays_above_the_bound(
    rows: int, share: float
) -> None:
    """It loads, multiplies and stores 16 rows at a time, half as fast as possible or faster."""
    tiles = range(0, rows, 16)
    heights = {start: min(16, rows - start) << 48 | 16 << 32 for start in tiles}
    weights, sums, b = 16 << 48 | 16 << 32 | CONFIG.spad_bank_rows, ACCUMULATOR_BIT, 1 << 20
    commands = [
        (Funct.CONFIG, 0x3F80_0000 << 32 | 16 << 16 | ConfigType.LOAD, 16),
        (Funct.CONFIG, 1 << 16 | 1 << 2, 1 << 48),
        (Funct.CONFIG, ConfigType.STORE, 0x3F80_0000 << 32 | 16),
        (Funct.MVIN, b, weights),
    ]
    for start, size in heights.items():
        first = weights if not start else size | 0xFFFF_FFFF
        compute = Funct.COMPUTE_PRELOADED if not start else Funct.COMPUTE_ACCUMULATED
        local = start % 512
        commands += [
            (Funct.MVIN, b + 256 + 16 * start, size | local),
            (Funct.PRELOAD, first, size | sums | local),
            (compute, size | local, size | 0xFFFF_FFFF),
            (Funct.MVOUT, 2 * b + 16 * start, size | sums | local),
        ]
    cycles = simulate_timing(CommandStream.of(commands), CONFIG).cycles
    bound = kernel_bound(Demand(rows, 16, 16, read_bytes=16 * rows + 256), CONFIG, dram=False)
    assert share * cycles <= bound.cycles <= cycles
