"""Illegal uses of the machine: each is refused, with the command's index and the reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.gemmini import isa
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.fields import (
    CONFIG_EX,
    CONFIG_LD,
    CONFIG_NORM,
    CONFIG_ST,
    KEEP_SCALE,
    MOVE,
    PAIR,
    encode,
    float_bits,
)
from liftproof.hw.gemmini.findings import CommandError
from liftproof.hw.gemmini.functional import run
from liftproof.hw.gemmini.isa import DRAM_BASE, GARBAGE_ADDRESS, ConfigType, Funct
from liftproof.hw.gemmini.memory import MemoryLayout, PlacedArray
from liftproof.hw.gemmini.random_streams import random_stream
from liftproof.hw.stream import CommandStream, StreamError

CONFIG = load_config()
MEMORY_BYTES = 1 << 12
ACC = isa.ACCUMULATOR_BIT
Command = tuple[int, int, int]


def config_ex(**fields: int) -> Command:
    fields = {"weight_stationary": 1, "a_stride": 1, "c_stride": 1, **fields}
    return (Funct.CONFIG, *encode(CONFIG_EX, type=ConfigType.EXECUTE, **fields))


def config_ld(**fields: int) -> Command:
    fields = {"stride": 64, "block_stride": 16, "scale": float_bits(1.0), **fields}
    return (Funct.CONFIG, *encode(CONFIG_LD, type=ConfigType.LOAD, **fields))


def config_st(**fields: int) -> Command:
    fields = {"stride": 64, "scale": float_bits(1.0), **fields}
    return (Funct.CONFIG, *encode(CONFIG_ST, type=ConfigType.STORE, **fields))


def mvin(local: int, rows: int = 16, cols: int = 16, dram: int = DRAM_BASE) -> Command:
    return (Funct.MVIN, *encode(MOVE, dram=dram, local=local, rows=rows, cols=cols))


def mvout(local: int, rows: int = 16, cols: int = 16, dram: int = DRAM_BASE) -> Command:
    return (Funct.MVOUT, *encode(MOVE, dram=dram, local=local, rows=rows, cols=cols))


def pair(funct: Funct, first: int, second: int, **extents: int) -> Command:
    names = ("first_rows", "first_cols", "second_rows", "second_cols")
    numbers = {**dict.fromkeys(names, 16), **extents}
    return (funct, *encode(PAIR, first=first, second=second, **numbers))


def preload(b: int, c: int, **extents: int) -> Command:
    return pair(Funct.PRELOAD, b, c, **extents)


def compute(a: int, d: int = GARBAGE_ADDRESS, **extents: int) -> Command:
    return pair(Funct.COMPUTE_PRELOADED, a, d, **extents)


def accumulate(a: int, d: int = GARBAGE_ADDRESS) -> Command:
    return pair(Funct.COMPUTE_ACCUMULATED, a, d)


START = [config_ex(), config_ld(), config_st(), mvin(0), mvin(16), mvin(ACC)]
"""Configured; scratchpad rows 0 to 31 and accumulator rows 0 to 15 are written."""


def run_commands(commands: list[Command], config: str | None = None, **options: object) -> None:
    machine = load_config(config) if config else CONFIG
    run(CommandStream.of(commands), machine, np.zeros(MEMORY_BYTES, np.uint8), **options)


ILLEGAL: dict[str, tuple[list[Command], str]] = {
    "unknown funct": ([(99, 0, 0)], "unknown function code 99"),
    "rows beyond the array": ([mvin(0, rows=17)], "moves 17 rows, not 1 to 16"),
    "no rows": ([mvin(0, rows=0)], "moves 0 rows"),
    "too many columns": ([mvin(0, cols=65)], "moves 65 columns, not 1 to 64"),
    "too many wide columns": ([mvin(ACC, cols=17)], "moves 17 columns, not 1 to 16"),
    "no columns out": ([mvout(ACC, cols=0)], "moves 0 columns"),
    "past the scratchpad": ([mvin(16384 - 8)], "goes to scratchpad row 16391; the last one is 163"),
    "past the scratchpad by blocks": (
        [mvin(16384 - 16, cols=32)],
        "goes to scratchpad row 16399",
    ),
    "past the accumulator": ([mvin(ACC | 1020)], "goes to accumulator row 1035; the last one is"),
    "out past the accumulator": ([mvout(ACC | 1020)], "goes to accumulator row 1035"),
    "flags on a scratchpad address": ([mvin(1 << 30)], "has the flag bits 0x40000000"),
    "a normalizer command without normalizer": (
        [mvout(ACC | 2 << 26)],
        "normalizer command 2",
    ),
    "in to nowhere": ([mvin(GARBAGE_ADDRESS)], "moves in to no address"),
    "out from nowhere": ([mvout(GARBAGE_ADDRESS)], "moves out from no address"),
    "overlapping blocks": (
        [config_ld(block_stride=8), mvin(0, cols=32)],
        "the blocks of 16 columns overlap",
    ),
    "before DRAM": ([mvin(0, dram=DRAM_BASE - 64)], "outside of 0x80000000 to 0x80000fff"),
    "after DRAM": ([mvin(0, dram=DRAM_BASE + MEMORY_BYTES - 64)], "reaches the bytes"),
    "out after DRAM": ([mvout(0, dram=DRAM_BASE + MEMORY_BYTES - 64)], "reaches the bytes"),
    "an address beyond 63 bits": ([mvin(0, dram=(1 << 64) - 16)], "0xfffffffffffffff0"),
    "misaligned wide elements": ([mvin(ACC, dram=DRAM_BASE + 2)], "no multiples of the element"),
    "misaligned stride": ([config_ld(stride=6), mvin(ACC)], "no multiples of the element size 4"),
    "full width over blocks": (
        [mvout(ACC | isa.FULL_WIDTH_BIT, cols=32)],
        "a full-width move out of 32 columns",
    ),
    "repeats into the accumulator": (
        [config_ld(pixel_repeats=2), mvin(ACC, cols=4)],
        "pixel repeats into the accumulator",
    ),
    "repeats beyond a row": (
        [config_ld(pixel_repeats=3), mvin(0, cols=6)],
        "3 pixel repeats of 6 columns",
    ),
    "A and B transposed": ([config_ex(a_transpose=1, b_transpose=1)], "cannot both be transposed"),
    "B alone transposed, OS": (
        [config_ex(weight_stationary=0, b_transpose=1)],
        "B transposed needs A transposed",
    ),
    "huge shift": ([config_ex(shift=32)], "shift 32 is not below 32"),
    "unknown activation": ([config_ex(activation=3)], "computations have no activation 3"),
    "load channel 3": ([config_ld(channel=3)], "load channel 3 does not exist"),
    "wide stride": ([config_ld(stride=1 << 32)], "does not fit 32 bits"),
    "infinite scale": ([config_st(scale=float_bits(float("inf")))], "not a finite number"),
    "no normalizer": (
        [(Funct.CONFIG, *encode(CONFIG_NORM, type=ConfigType.NORM))],
        "this configuration has no normalizer",
    ),
    "layernorm without normalizer": (
        [config_st(activation=2), mvout(ACC)],
        "needs a normalizer",
    ),
    "unused bits": ([(Funct.CONFIG, 1 << 5, 0)], "rs1 of a EXECUTE configuration sets the unused"),
    "windows of size 0": (
        [config_st(pool_stride=1, pool_rows=1, pool_cols=1), mvout(ACC)],
        "pools over windows of size 0",
    ),
    "pooling full width": (
        [
            config_st(pool_stride=1, pool_size=1, pool_rows=1, pool_cols=1),
            mvout(ACC | isa.FULL_WIDTH_BIT),
        ],
        "pools full-width elements",
    ),
    "pooling past the accumulator": (
        [
            config_st(
                pool_stride=1, pool_size=1, pool_rows=1, pool_cols=1, out_rows=40, out_cols=40
            ),
            mvout(ACC),
        ],
        "goes to accumulator row 1599",
    ),
    "operand larger than the array": (
        [preload(0, ACC, first_rows=17), compute(0)],
        "the preloaded operand has 17 rows, more than 16",
    ),
    "A in the accumulator": ([preload(0, ACC), compute(ACC)], "A lies in the accumulator"),
    "B in the accumulator": ([preload(ACC, ACC), compute(0)], "operand lies in the accumulator"),
    "C past the accumulator": (
        [config_ex(c_stride=100), preload(0, ACC), compute(0)],
        "goes to accumulator row 1500",
    ),
    "C rows on top of each other": (
        [config_ex(c_stride=0), preload(0, ACC), compute(0)],
        "all rows of C go to the same local row",
    ),
    "compute without preload": ([compute(0)], "a computation needs a preload of its own"),
    "a second compute": (
        [preload(0, ACC), compute(0), compute(0)],
        "a computation needs a preload of its own",
    ),
    "a preload without compute": ([preload(0, ACC)], "no computation follows this preload"),
    "configuration in between": (
        [preload(0, ACC), config_ex(), compute(0)],
        "configures the array between a preload and its computation",
    ),
    "operand overwritten in between": (
        [preload(0, ACC), mvin(8), compute(16)],
        "overwrites the operand of the preload",
    ),
    "C moved out in between": (
        [preload(0, ACC), mvout(ACC), compute(16)],
        "touches C of the preload",
    ),
    "nothing in the array": (
        [preload(GARBAGE_ADDRESS, ACC), accumulate(0)],
        "uses the operand in the array, but none was loaded",
    ),
    "unwritten A": ([preload(0, ACC), compute(32)], "reads scratchpad row 32, column 0"),
    "unwritten B": ([preload(24, ACC), compute(0)], "reads scratchpad row 32, column 0"),
    "unwritten D": ([preload(0, ACC), compute(0, 40)], "reads scratchpad row 40, column 0"),
    "unwritten accumulator": (
        [preload(0, ACC | isa.ACCUMULATE_BIT | 8), compute(0)],
        "reads accumulator row 16, column 0",
    ),
    "unwritten mvin target": (
        [mvin(ACC | isa.ACCUMULATE_BIT | 100)],
        "reads accumulator row 100, column 0",
    ),
    "unwritten mvout": ([mvout(ACC | 16)], "reads accumulator row 16, column 0"),
    "unwritten columns": ([mvin(64, cols=3), mvout(64, cols=4)], "row 64, column 3, which nothing"),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_uses_are_refused_with_their_index(name: str) -> None:
    """The message names the command at fault and says what is wrong with it."""
    commands, reason = ILLEGAL[name]
    with pytest.raises(CommandError, match=reason) as caught:
        run_commands([*START, *commands])
    assert len(START) <= caught.value.index < len(START) + len(commands)
    assert str(caught.value).startswith(f"command {caught.value.index}: ")


def test_a_strided_operand_may_not_leave_the_scratchpad() -> None:
    """The stride of A counts for its extent."""
    config = config_ex(a_stride=1100)
    with pytest.raises(CommandError, match="goes to scratchpad row 16500"):
        run_commands([*START, config, preload(0, ACC), compute(0)])


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ([config_st(), mvin(0)], "no load configuration was set before"),
        ([config_ld(), mvin(0), mvout(0)], "no store configuration was set before"),
        (
            [config_ld(), mvin(ACC), config_st(scale=KEEP_SCALE), mvout(ACC)],
            "keeps a store scale that was never set",
        ),
        (
            [config_ld(), mvin(0), config_ex(strides_only=1), preload(0, ACC), compute(0)],
            "no execute configuration was set before",
        ),
    ],
)
def test_configuration_must_come_first(commands: list[Command], reason: str) -> None:
    """The hardware's registers have no reset value that a program could rely on."""
    with pytest.raises(CommandError, match=reason):
        run_commands(commands)


def test_the_first_illegal_command_is_reported() -> None:
    """With several illegal commands, the earliest is named, whatever its kind."""
    commands = [*START, mvout(ACC | 1020), mvin(16380), (99, 0, 0)]
    with pytest.raises(CommandError) as caught:
        run_commands(commands)
    assert caught.value.index == len(START)


def test_a_move_may_not_cross_from_one_array_into_the_next() -> None:
    """With a layout, the space between arrays and the neighbour array are out of bounds."""
    byte = np.dtype(np.int8)
    arrays = (
        PlacedArray("A", DRAM_BASE, (16, 60), byte),
        PlacedArray("B", DRAM_BASE + 960, (16, 64), byte),
    )
    layout = MemoryLayout(arrays)
    run_commands([config_ld(stride=60), mvin(0)], layout=layout)
    with pytest.raises(CommandError, match="reaches the byte 0x800003cf of DRAM, past the end"):
        run_commands([config_ld(stride=64), mvin(0)], layout=layout)


def test_uninitialised_reads_can_be_allowed() -> None:
    """With the detection off, cells that were never written read 0."""
    memory = np.full(MEMORY_BYTES, 7, np.uint8)
    commands = CommandStream.of([config_st(), mvout(0)])
    run(commands, CONFIG, memory, detect_uninitialised=False)
    assert not memory[:16].any()


def test_uninitialised_reads_leave_no_trace_of_later_commands() -> None:
    """The run ends at the read: commands after it have not run."""
    memory = np.full(MEMORY_BYTES, 7, np.uint8)
    stream = CommandStream.of([*START, mvout(ACC | 100), mvout(0, dram=DRAM_BASE + 2048)])
    with pytest.raises(CommandError, match="command 6: reads accumulator row 100"):
        run(stream, CONFIG, memory)
    assert (memory[2048:] == 7).all()


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 50),
    position=st.floats(0, 1, exclude_max=True),
    word=st.sampled_from(("funct", "rs1", "rs2")),
    bit=st.integers(0, 63),
)
def test_a_flipped_bit_never_crashes(seed: int, position: float, word: str, bit: int) -> None:
    """A corrupted stream either runs or is refused with a command's index, and nothing else."""
    config = replace(CONFIG, dim=4, spad_bank_rows=16, acc_bank_rows=16, max_request_bytes=16)
    program = random_stream(np.random.default_rng(seed), config, 25)
    stream = program.stream
    column = getattr(stream, word).copy()
    index = int(position * len(stream))
    column[index] ^= column.dtype.type(1 << bit % (8 * column.itemsize))
    try:
        run(replace(stream, **{word: column}), config, program.memory)
    except StreamError as error:
        if not str(error).startswith("command "):
            raise
