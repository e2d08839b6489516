"""How fast the cycle model is: time against the number of commands, from 64³ to 1024³.

pytest benchmarks/test_simulation_speed.py --benchmark-sort=name
"""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import product

import pytest
from liftproof.hw.gemmini.config import GemminiConfig, load_config
from liftproof.hw.gemmini.fields import CONFIG_EX, CONFIG_LD, CONFIG_ST, MOVE, PAIR, encode
from liftproof.hw.gemmini.isa import (
    ACCUMULATE_BIT,
    ACCUMULATOR_BIT,
    DRAM_BASE,
    GARBAGE_ADDRESS,
    ConfigType,
    Funct,
)
from liftproof.hw.gemmini.lower_bound import lower_bound
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.stream import FENCE, CommandStream
from pytest_benchmark.fixture import BenchmarkFixture

CONFIG = load_config()
SIZES = [64, 128, 256, 512, 1024]
BLOCK = 4
"""Tiles of C in each direction that are computed together, and tiles of K in one chunk."""
Command = tuple[int, int, int]


def gemm_stream(size: int, config: GemminiConfig) -> CommandStream:
    """C = A·B of ``size``³ in blocks of 4 × 4 tiles, double-buffered.

    The loads of the next chunk and the stores of the previous block are spread evenly between the
    computations; weights are kept down a column; the two chunks of an operand lie in two banks and
    the two blocks of C in the two accumulator banks.
    """
    tiles = range(0, size // config.dim, BLOCK)
    chunks = list(product(tiles, tiles, tiles))
    commands = [*_configs(size), *_loads(0, chunks[0], size, config)]
    stores: list[Command] = []
    for number, chunk in enumerate(chunks):
        aside = stores if chunk[2] == 0 else []
        if number + 1 < len(chunks):
            aside = aside + _loads(number + 1, chunks[number + 1], size, config)
        block = number // len(tiles)
        commands += _spread(_pairs(number % 2, block % 2, chunk[2], config), aside)
        if chunk[2] == 0:
            stores = []
        if chunk[2] == tiles[-1]:
            stores = _stores(block % 2, chunk, size, config)
    return CommandStream.of([*commands, *stores, (FENCE, 0, 0)])


def _configs(size: int) -> list[Command]:
    execute = encode(CONFIG_EX, weight_stationary=1, a_stride=1, c_stride=1)
    loads = [
        encode(CONFIG_LD, type=ConfigType.LOAD, channel=n, block_stride=16, stride=size)
        for n in range(2)
    ]
    store = encode(CONFIG_ST, type=ConfigType.STORE, stride=size)
    return [(Funct.CONFIG, *words) for words in (execute, *loads, store)]


def _move(funct: Funct, dram: int, local: int, tiles: int, dim: int) -> Command:
    return (funct, *encode(MOVE, dram=dram, local=local, cols=tiles * dim, rows=dim))


def _loads(
    number: int, chunk: tuple[int, int, int], size: int, config: GemminiConfig
) -> list[Command]:
    i, j, k = chunk
    dim, bank = config.dim, config.spad_bank_rows
    a, b = DRAM_BASE, DRAM_BASE + size * size
    half = number % 2
    of_a = [
        _move(
            Funct.MVIN,
            a + ((i + n) * size + k) * dim,
            half * bank + n * BLOCK * dim,
            BLOCK,
            dim,
        )
        for n in range(BLOCK)
    ]
    of_b = [
        _move(
            Funct.MVIN2,
            b + ((k + n) * size + j) * dim,
            (2 + half) * bank + n * BLOCK * dim,
            BLOCK,
            dim,
        )
        for n in range(BLOCK)
    ]
    return of_a + of_b


def _pairs(half: int, block: int, k: int, config: GemminiConfig) -> list[list[Command]]:
    """The 64 pairs of a chunk: operands in half ``half``, C in accumulator bank ``block``."""
    dim, bank = config.dim, config.spad_bank_rows
    c = block * config.acc_bank_rows | ACCUMULATOR_BIT
    full = {"first_cols": dim, "first_rows": dim, "second_cols": dim, "second_rows": dim}
    pairs: list[list[Command]] = []
    for kk, jj, ii in product(range(BLOCK), range(BLOCK), range(BLOCK)):
        weights = (2 + half) * bank + (kk * BLOCK + jj) * dim if ii == 0 else GARBAGE_ADDRESS
        result = c + (ii * BLOCK + jj) * dim | (ACCUMULATE_BIT if k + kk else 0)
        preload = encode(PAIR, first=weights, second=result, **full)
        a = half * bank + (ii * BLOCK + kk) * dim
        compute = encode(PAIR, first=a, second=GARBAGE_ADDRESS, **full)
        kind = Funct.COMPUTE_PRELOADED if ii == 0 else Funct.COMPUTE_ACCUMULATED
        pairs.append([(Funct.PRELOAD, *preload), (kind, *compute)])
    return pairs


def _stores(
    block: int, chunk: tuple[int, int, int], size: int, config: GemminiConfig
) -> list[Command]:
    i, j, _ = chunk
    dim = config.dim
    c = DRAM_BASE + 2 * size * size
    first = block * config.acc_bank_rows | ACCUMULATOR_BIT
    return [
        _move(Funct.MVOUT, c + ((i + n) * size + j) * dim, first + n * BLOCK * dim, BLOCK, dim)
        for n in range(BLOCK)
    ]


def _spread(pairs: list[list[Command]], aside: list[Command]) -> list[Command]:
    """The pairs in order, with ``aside`` evenly between them."""
    commands: list[Command] = []
    sent = 0
    for number, pair in enumerate(pairs, start=1):
        commands += pair
        due = number * len(aside) // len(pairs)
        commands += aside[sent:due]
        sent = due
    return commands


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size}^3")
def gemm(request: pytest.FixtureRequest) -> CommandStream:
    return gemm_stream(request.param, CONFIG)


@pytest.mark.benchmark(group="timing")
@pytest.mark.parametrize("level", ["accelerator", "soc"])
def test_timing_only(benchmark: BenchmarkFixture, gemm: CommandStream, level: str) -> None:
    """Timing of a GEMM, after the stages have been compiled."""
    result = benchmark.pedantic(
        simulate_timing, (gemm, CONFIG), {"level": level}, rounds=5, warmup_rounds=1
    )
    benchmark.extra_info["commands"] = len(gemm)
    benchmark.extra_info["cycles"] = result.cycles
    benchmark.extra_info["commands_per_second"] = round(len(gemm) / benchmark.stats["min"])
    assert lower_bound(gemm, CONFIG, level).cycles <= result.cycles


@pytest.mark.benchmark(group="bound")
def test_lower_bound(benchmark: BenchmarkFixture, gemm: CommandStream) -> None:
    """The analytic bound of the same streams."""
    benchmark.pedantic(lower_bound, (gemm, CONFIG), rounds=5, warmup_rounds=1)


def test_a_512_cube_takes_a_quarter_of_a_second() -> None:
    """After warm-up, 70 k commands are timed in 0.25 s of processor time."""
    stream = gemm_stream(512, CONFIG)
    simulate_timing(stream, CONFIG)
    seconds: list[float] = []
    for _ in range(5):
        start = time.process_time()
        simulate_timing(stream, CONFIG)
        seconds.append(time.process_time() - start)
    assert len(stream) > 65_000
    assert min(seconds) < 0.25


def test_time_grows_with_the_number_of_commands_only() -> None:
    """From 256³ to 1024³, 64 times the commands take at most 80 times as long."""
    times: list[float] = []
    for size in (256, 1024):
        stream = gemm_stream(size, CONFIG)
        simulate_timing(stream, CONFIG)
        start = time.process_time()
        simulate_timing(stream, CONFIG)
        times.append(time.process_time() - start)
    assert times[1] < 80 * times[0]


def test_a_process_has_its_first_result_in_two_seconds() -> None:
    """With the compiled stages in the cache, import and first simulation take under 2 s."""
    code = (
        "from liftproof.hw.gemmini.config import load_config\n"
        "from liftproof.hw.gemmini.rocc import read_rocc\n"
        "from liftproof.hw.gemmini.timing import simulate_timing\n"
        "import time\n"
        "config = load_config()\n"
        "stream = read_rocc('0 0x3f80000000100101 0x40\\nFENCE\\n', 'x', config)\n"
        "assert simulate_timing(stream, config).cycles == 6\n"
        "print(time.process_time())\n"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(command, check=True, capture_output=True)
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert float(run.stdout) < 2.0
