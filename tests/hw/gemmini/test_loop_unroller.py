"""Tests of the expansion of the hardware's loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.gemmini.config import GemminiConfig, load_config
from liftproof.hw.gemmini.fields import (
    CONFIG_EX,
    CONFIG_LD,
    CONFIG_ST,
    LOOP_WS,
    LOOP_WS_BOUNDS,
    MOVE,
    PAIR,
    decode,
    encode,
    float_bits,
)
from liftproof.hw.gemmini.functional import run
from liftproof.hw.gemmini.isa import (
    ACCUMULATE_BIT,
    ACCUMULATOR_BIT,
    DRAM_BASE,
    ConfigType,
    Funct,
    is_garbage,
)
from liftproof.hw.gemmini.loop_machines import (
    EMISSION_ORDER,
    EXECUTE_LOOP,
    LOAD_A,
    LOAD_B,
    LOAD_D,
    MACHINES,
    STORE_C,
)
from liftproof.hw.gemmini.loop_unroller import UnrolledLoop, expand_loops, unroll_loops
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.timing.bound import bound_program
from liftproof.hw.stream import FENCE, CommandStream, StreamError

CONFIG = load_config()
DIM = CONFIG.dim
A, B, D, C = 0x8000_0000, 0x8010_0000, 0x8020_0000, 0x8030_0000


def _loop(
    i: int = 2, j: int = 3, k: int = 5, pads: tuple[int, int, int] = (0, 0, 0), **run: int
) -> list[tuple[int, int, int]]:
    d = run.pop("d", 0)
    bounds = dict(zip(("pad_i", "pad_j", "pad_k"), pads, strict=True))
    return [
        (Funct.LOOP_WS_CONFIG_BOUNDS, *encode(LOOP_WS_BOUNDS, i=i, j=j, k=k, **bounds)),
        (Funct.LOOP_WS_CONFIG_ADDRS_AB, A, B),
        (Funct.LOOP_WS_CONFIG_ADDRS_DC, d, run.pop("c", C)),
        (Funct.LOOP_WS_CONFIG_STRIDES_AB, 256, 512),
        (Funct.LOOP_WS_CONFIG_STRIDES_DC, 64, 128),
        (Funct.LOOP_WS, *encode(LOOP_WS, **run)),
    ]


def _expand(
    commands: list[tuple[int, int, int]], config: GemminiConfig = CONFIG
) -> list[dict[str, int]]:
    stream = expand_loops(CommandStream.of(commands), config)
    rows: list[dict[str, int]] = []
    for funct, rs1, rs2 in zip(stream.funct, stream.rs1, stream.rs2, strict=True):
        is_pair = funct in (Funct.PRELOAD, Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED)
        rows.append({"funct": int(funct), **decode(PAIR if is_pair else MOVE, int(rs1), int(rs2))})
    return rows


bounds = st.integers(1, 5)
pads = st.tuples(*[st.integers(0, DIM - 1)] * 3)


@given(bounds, bounds, bounds, pads, st.booleans(), st.booleans())
def test_the_tiles_multiplied_are_those_of_three_loops(
    i: int, j: int, k: int, pad: tuple[int, int, int], a_transpose: bool, b_transpose: bool
) -> None:
    """Every (k, j, i) has one preload and one compute, with the tile rows and sizes of the loop."""
    commands = _loop(i, j, k, pad, a_transpose=int(a_transpose), b_transpose=int(b_transpose))
    rows = _expand(commands)
    preloads = [row for row in rows if row["funct"] == Funct.PRELOAD]
    computes = [
        row for row in rows if row["funct"] in (Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED)
    ]
    tiles = [(kk, jj, ii) for kk in range(k) for jj in range(j) for ii in range(i)]
    b_start = CONFIG.spad_rows // 2 - k * j * DIM
    for (kk, jj, ii), preload, compute in zip(tiles, preloads, computes, strict=True):
        rows_left = DIM - (pad[0] if ii == i - 1 else 0)
        cols_left = DIM - (pad[1] if jj == j - 1 else 0)
        depth = DIM - (pad[2] if kk == k - 1 else 0)
        assert compute["first"] == DIM * (kk * i + ii if a_transpose else ii * k + kk)
        assert (compute["first_rows"], compute["first_cols"]) == (rows_left, depth)
        assert is_garbage(compute["second"])
        assert preload["second"] & 0xFFFF == (ii * j + jj) * DIM
        assert bool(preload["second"] & ACCUMULATE_BIT) == (kk > 0)
        assert (preload["second_rows"], preload["second_cols"]) == (rows_left, cols_left)
        if ii == 0:
            tile = jj * k + kk if b_transpose else kk * j + jj
            assert preload["first"] == b_start + tile * DIM
            assert (preload["first_rows"], preload["first_cols"]) == (depth, cols_left)
            assert compute["funct"] == Funct.COMPUTE_PRELOADED
        else:
            assert is_garbage(preload["first"])
            assert compute["funct"] == Funct.COMPUTE_ACCUMULATED


@given(bounds, bounds, bounds, pads)
def test_loads_cover_each_operand_once(i: int, j: int, k: int, pad: tuple[int, int, int]) -> None:
    """Cell by cell, A and B are loaded once, from their place in DRAM to their place in rows."""
    rows = _expand(_loop(i, j, k, pad))
    b_start = CONFIG.spad_rows // 2 - k * j * DIM
    for funct, base, stride, shape, place in (
        (Funct.MVIN, A, 256, (i, k), 0),
        (Funct.MVIN2, B, 512, (k, j), b_start),
    ):
        cut = (pad[0], pad[2]) if funct == Funct.MVIN else (pad[2], pad[1])
        seen = np.zeros((shape[0] * DIM, shape[1] * DIM), int)
        for row in rows:
            if row["funct"] != funct:
                continue
            y, x = divmod(row["dram"] - base, stride)
            seen[y : y + row["rows"], x : x + row["cols"]] += 1
            assert row["local"] == place + (y // DIM * shape[1] + x // DIM) * DIM
            assert row["cols"] <= DIM * CONFIG.max_blocks
        expected = np.zeros_like(seen)
        expected[: seen.shape[0] - cut[0], : seen.shape[1] - cut[1]] = 1
        np.testing.assert_array_equal(seen, expected)


def test_a_bias_is_loaded_and_accumulated_on() -> None:
    """D goes to the accumulator, wide unless it is marked low; the first k then accumulates."""
    rows = _expand(_loop(1, 3, 1, d=D, accumulate=1))
    loads = [row for row in rows if row["funct"] == Funct.MVIN3]
    assert [row["dram"] for row in loads] == [D, D + 64, D + 128]
    assert all(row["local"] & ACCUMULATOR_BIT for row in loads)
    low = [row for row in _expand(_loop(1, 3, 1, d=D, low_d=1)) if row["funct"] == Funct.MVIN3]
    assert [(row["dram"], row["cols"]) for row in low] == [(D, 48)]
    preloads = [row for row in rows if row["funct"] == Funct.PRELOAD]
    assert all(row["second"] & ACCUMULATE_BIT for row in preloads)


def test_full_width_results_are_stored_tile_by_tile() -> None:
    """Full C leaves as accumulator elements, one tile wide."""
    rows = [row for row in _expand(_loop(1, 2, 1, full_c=1)) if row["funct"] == Funct.MVOUT]
    assert [(row["dram"], row["cols"]) for row in rows] == [(C, 16), (C + 64, 16)]
    small = _expand(_loop(1, 2, 1, full_c=1), load_config("gemmini-4x4-fp32"))
    rows = [row for row in small if row["funct"] == Funct.MVOUT]
    assert [(row["dram"], row["cols"]) for row in rows] == [(C, 4), (C + 16, 4)]
    assert not [row for row in _expand(_loop(c=0)) if row["funct"] == Funct.MVOUT]


def test_a_residual_addition_multiplies_nothing() -> None:
    """is_resadd loads A, adds B in the accumulator, and stores C."""
    rows = _expand(_loop(2, 2, 1, residual_add=1))
    assert [row["funct"] for row in rows] == [Funct.MVIN] * 2 + [Funct.MVIN2] * 2 + [
        Funct.MVOUT
    ] * 2
    assert [bool(row["local"] & ACCUMULATE_BIT) for row in rows[:4]] == [False] * 2 + [True] * 2


@settings(deadline=None)
@given(bounds, bounds, bounds, st.booleans(), st.booleans(), st.sampled_from([0, D]))
def test_every_command_is_emitted_after_the_rows_that_it_reads(
    i: int, j: int, k: int, a_transpose: bool, b_transpose: bool, d: int
) -> None:
    """What a command needs of the other machines covers the loads and computations it reads."""
    commands = _loop(i, j, k, d=d, a_transpose=int(a_transpose), b_transpose=int(b_transpose))
    (loop,) = unroll_loops(CommandStream.of(commands), CONFIG, alternate=False)
    execute = loop.machines[EXECUTE_LOOP]
    for position in range(0, len(execute), 2):
        for machine, word in ((LOAD_A, execute.rs1[position + 1]), (LOAD_B, execute.rs1[position])):
            local = int(word) & 0xFFFFFFFF
            needed = int(execute.needs[position, machine])
            assert 0 <= needed <= len(loop.machines[machine])
            if not is_garbage(local):
                assert _loaded(loop, machine, needed, local)
        assert execute.needs[position, LOAD_D] == len(loop.machines[LOAD_D])
    store = loop.machines[STORE_C]
    assert (store.needs[:, EXECUTE_LOOP] <= len(execute)).all()
    assert len(store) == 0 or store.needs[-1, EXECUTE_LOOP] == len(execute)


def _loaded(loop: UnrolledLoop, machine: int, count: int, local: int) -> bool:
    """Whether the first ``count`` loads of the machine write the tile at row ``local``."""
    emitted = loop.machines[machine]
    for rs2 in emitted.rs2[:count]:
        move = decode(MOVE, 0, int(rs2))
        blocks = -(-move["cols"] // DIM)
        if move["local"] <= local < move["local"] + blocks * DIM:
            return True
    return False


def test_marks_fences_and_other_commands_stay_in_place() -> None:
    """Only the loop commands are replaced; marks keep their places between the others."""
    plain = [(Funct.FLUSH, 1, 0)]
    commands = [*plain, *_loop(1, 1, 1), (FENCE, 0, 0), *plain]
    stream = replace(CommandStream.of(commands), marks=((1, "before"), (8, "after"), (9, "end")))
    expanded = expand_loops(stream, CONFIG)
    assert expanded.funct.tolist() == [7, 2, 1, 6, 4, 3, FENCE, 7]
    assert expanded.marks == ((1, "before"), (7, "after"), (8, "end"))
    assert expanded.origin.tolist() == [0, 6, 6, 6, 6, 6, 7, 8]


def test_a_stream_without_loops_is_returned_as_it_is() -> None:
    """Expansion costs nothing where there is nothing to expand."""
    stream = CommandStream.of([(Funct.FLUSH, 1, 0)])
    assert expand_loops(stream, CONFIG) is stream


def _cycles(stream: CommandStream) -> int:
    return simulate_timing(stream, CONFIG).cycles


def test_successive_loops_overlap() -> None:
    """The loads of the second loop run under the computations of the first."""
    loop = _loop(4, 4, 8)
    one = _cycles(CommandStream.of([*loop, (FENCE, 0, 0)]))
    two = _cycles(CommandStream.of([*loop, *loop, (FENCE, 0, 0)]))
    fenced = _cycles(CommandStream.of([*loop, (FENCE, 0, 0), *loop, (FENCE, 0, 0)]))
    assert two < 2 * one - 100
    assert fenced > two + 100


@settings(max_examples=15, deadline=None)
@given(bounds, bounds, bounds, pads)
def test_the_simulated_loop_runs_each_of_its_commands_once(
    i: int, j: int, k: int, pad: tuple[int, int, int]
) -> None:
    """Every emitted command completes, and the multiply-accumulates are those of the matrices."""
    stream = CommandStream.of([*_loop(i, j, k, pad), (FENCE, 0, 0)])
    result = simulate_timing(stream, CONFIG)
    expanded = expand_loops(stream, CONFIG)
    assert result.commands == len(expanded) - 1
    sizes = (i * DIM - pad[0], j * DIM - pad[1], k * DIM - pad[2])
    assert bound_program(result.program, CONFIG).macs == sizes[0] * sizes[1] * sizes[2]


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (_loop()[1:], "LOOP_WS without LOOP_WS_CONFIG_BOUNDS"),
        (_loop(0, 1, 1), "0×1×1 tiles"),
        (_loop(8, 9, 1), "accumulator rows"),
        (_loop(2, 2, 200), "scratchpad rows"),
        (_loop(pads=(16, 0, 0)), "pads a whole tile"),
        (_loop(activation=4), "normalization"),
    ],
    ids=["no bounds", "no tiles", "accumulator", "scratchpad", "padding", "softmax"],
)
def test_faulty_loops_are_diagnosed(commands: list[tuple[int, int, int]], message: str) -> None:
    """Each fault names the loop command's index."""
    with pytest.raises(StreamError, match=message) as caught:
        expand_loops(CommandStream.of(commands), CONFIG)
    assert str(caught.value).startswith(f"command {len(commands) - 1}:")


def test_the_emission_order_names_each_machine_once() -> None:
    """The sequential order is a permutation of the machines."""
    assert sorted(EMISSION_ORDER) == list(range(MACHINES))


@settings(max_examples=20, deadline=None)
@given(
    bounds, bounds, bounds, pads, st.sampled_from([(False, False), (True, False), (False, True)])
)
def test_the_loop_computes_the_product(
    i: int, j: int, k: int, pad: tuple[int, int, int], transposes: tuple[bool, bool]
) -> None:
    """The functional simulator runs the expansion to A·B, with one operand stored transposed."""
    a_transpose, b_transpose = transposes
    rng = np.random.default_rng(i + 10 * j + 100 * k)
    rows, cols, depth = (n * DIM - p for n, p in zip((i, j, k), pad, strict=True))
    a, b = rng.integers(-3, 4, (rows, depth)), rng.integers(-3, 4, (depth, cols))
    memory = np.zeros(0x400000, np.uint8)
    for address, stride, array in (
        (A, 256, a.T if a_transpose else a),
        (B, 512, b.T if b_transpose else b),
    ):
        for row, values in enumerate(array.astype(np.int8)):
            start = address - DRAM_BASE + row * stride
            memory[start : start + len(values)] = values.view(np.uint8)
    run(_product(i, j, k, pad, a_transpose, b_transpose), CONFIG, memory)
    for row in range(rows):
        start = C - DRAM_BASE + row * 128
        stored = memory[start : start + cols].view(np.int8)
        np.testing.assert_array_equal(stored, np.clip(a[row] @ b, -128, 127))


def _product(
    i: int, j: int, k: int, pad: tuple[int, int, int], a_transpose: bool, b_transpose: bool
) -> CommandStream:
    one = float_bits(1.0)
    transposes = {"a_transpose": int(a_transpose), "b_transpose": int(b_transpose)}
    execute = encode(
        CONFIG_EX,
        type=ConfigType.EXECUTE,
        weight_stationary=1,
        a_stride=1,
        c_stride=1,
        scale=one,
        **transposes,
    )
    loads = [
        encode(
            CONFIG_LD,
            type=ConfigType.LOAD,
            channel=channel,
            pixel_repeats=1,
            block_stride=DIM,
            scale=one,
            stride=stride,
        )
        for channel, stride in ((0, 256), (1, 512))
    ]
    store = encode(CONFIG_ST, type=ConfigType.STORE, stride=128, scale=one)
    configs = [(int(Funct.CONFIG), *words) for words in (execute, *loads, store)]
    return CommandStream.of([*configs, *_loop(i, j, k, pad, **transposes), (FENCE, 0, 0)])
