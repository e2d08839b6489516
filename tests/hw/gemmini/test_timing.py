"""Properties of the cycle model that hold for every stream."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.gemmini.config import ConfigError, GemminiConfig, load_config
from liftproof.hw.gemmini.lower_bound import lower_bound
from liftproof.hw.gemmini.rocc import read_rocc
from liftproof.hw.gemmini.timing import Level, TimingResult, explain, simulate_timing, traffic
from liftproof.hw.gemmini.timing.causes import Unit
from liftproof.hw.gemmini.timing.contention import contending_stream
from liftproof.hw.gemmini.timing.program import build_program
from liftproof.hw.gemmini.timing.simulate import simulate_program
from liftproof.hw.stream import CommandStream, StreamError

CONFIG = load_config()
CONFIG_8X8 = replace(CONFIG, name="8x8", dim=8, bus_bytes=8)
CONFIGS = [CONFIG, CONFIG_8X8, load_config("gemmini-4x4-fp32")]
PAIR = "6 0x10001000001000 0x10001080000000\n4 0x10001000000000 0x100010ffffffff\n"
PRELOAD = PAIR.split("\n")[0] + "\n"
LOAD_CONFIG = "0 0x3f80000000100101 0x40\n"

seeds = st.integers(0, 2**32)
streams = st.builds(contending_stream, seeds, st.integers(5, 150), st.just(CONFIG))
latencies = st.sampled_from([1, 2, 6, 13, 20, 57])


def _read(text: str, config: GemminiConfig = CONFIG) -> CommandStream:
    return read_rocc(text, "test.rocc", config)


def _cycles(text: str, config: GemminiConfig = CONFIG, latency: int = 6) -> int:
    return simulate_timing(_read(text, config), config, memory_latency=latency).cycles


@settings(max_examples=60, deadline=None)
@given(streams, latencies)
def test_every_command_is_allocated_issued_and_done_in_this_order(
    stream: CommandStream, latency: int
) -> None:
    """Each command that a unit executes passes the three events in order, before the end."""
    result = simulate_timing(stream, CONFIG, memory_latency=latency)
    ran = result.program.commands["unit"] < len(Unit)
    assert (result.allocated[ran] >= 0).all()
    assert (result.allocated[ran] < result.issued[ran]).all()
    assert (result.issued[ran] <= result.done[ran]).all()
    assert result.done.max() <= result.cycles


@settings(max_examples=60, deadline=None)
@given(streams, latencies)
def test_units_issue_in_order_one_per_cycle(stream: CommandStream, latency: int) -> None:
    """Within a unit, commands issue in program order, at most one per cycle; so they enter too."""
    result = simulate_timing(stream, CONFIG, memory_latency=latency)
    commands = result.program.commands
    for unit in Unit:
        assert (np.diff(result.issued[commands["unit"] == unit]) > 0).all()
    assert (np.diff(result.allocated[commands["unit"] < len(Unit)]) > 0).all()


@settings(max_examples=60, deadline=None)
@given(streams, latencies)
def test_every_cycle_of_a_unit_has_one_cause(stream: CommandStream, latency: int) -> None:
    """Busy, idle and stalled cycles add up to the same total for each unit."""
    result = simulate_timing(stream, CONFIG, memory_latency=latency)
    totals = {sum(causes.values()) for causes in result.units.values()}
    assert len(totals) == 1
    assert totals.pop() >= result.cycles - 2


@settings(max_examples=60, deadline=None)
@given(streams)
def test_dependent_commands_of_different_units_do_not_overlap(stream: CommandStream) -> None:
    """A store of the rows that a preload names issues after that preload has completed."""
    result = simulate_timing(stream, CONFIG)
    commands = result.program.commands
    stores = np.flatnonzero((commands["unit"] == Unit.STORE) & (commands["range_end"] > 0))
    preloads = np.flatnonzero(commands["kind"] == 2)
    for store in stores:
        before = preloads[preloads < store]
        start, end = commands["range_start"][store], commands["range_end"][store]
        overlaps = (commands["range_start"][before] < end) & (commands["range_end"][before] > start)
        assert (result.done[before[overlaps]] < result.issued[store]).all()


@settings(max_examples=100, deadline=None)
@given(
    seeds,
    st.integers(5, 150),
    st.sampled_from(CONFIGS),
    st.sampled_from(["accelerator", "soc"]),
    latencies,
)
def test_no_simulation_is_below_the_lower_bound(
    seed: int, length: int, config: GemminiConfig, level: str, latency: int
) -> None:
    """The analytic bound holds for every configuration, level and latency."""
    stream = contending_stream(seed, length, config)
    result = simulate_timing(stream, config, level=level, memory_latency=latency)
    bound = lower_bound(stream, config, level, cold=level == "soc")
    assert bound.cycles <= result.cycles


@settings(max_examples=40, deadline=None)
@given(streams, st.sampled_from(["accelerator", "soc"]), st.floats(0.1, 1))
def test_a_limit_cuts_exactly_what_reaches_it(
    stream: CommandStream, level: Level, share: float
) -> None:
    """A simulation stops without a result where the cycles reach the limit, and only there."""
    program = build_program(stream, CONFIG, level)
    result = simulate_program(program, CONFIG, level)
    assert result is not None
    within = simulate_program(program, CONFIG, level, limit=result.cycles + 1)
    assert within is not None
    assert within.cycles == result.cycles
    assert within.units == result.units
    assert simulate_program(program, CONFIG, level, limit=int(share * result.cycles)) is None


@settings(max_examples=60, deadline=None)
@given(streams)
def test_bytes_are_conserved(stream: CommandStream) -> None:
    """The traffic per array adds up to the bytes that the moves name, counted one by one."""
    rows = traffic(simulate_timing(stream, CONFIG).program)
    bound = lower_bound(stream, CONFIG)
    assert sum(row.read_bytes for row in rows) == bound.read_bytes
    assert sum(row.written_bytes for row in rows) == bound.written_bytes


@settings(max_examples=30, deadline=None)
@given(streams, st.sampled_from(["accelerator", "soc"]))
def test_the_same_stream_takes_the_same_cycles(stream: CommandStream, level: str) -> None:
    """A simulation depends on nothing but its arguments."""
    first = simulate_timing(stream, CONFIG, level=level)
    second = simulate_timing(stream, CONFIG, level=level)
    assert first.cycles == second.cycles
    np.testing.assert_array_equal(first.done, second.done)


@settings(max_examples=30, deadline=None)
@given(streams)
def test_a_warm_run_misses_no_more_than_a_cold_one(stream: CommandStream) -> None:
    """The lines that an earlier run left are hits; these streams fit the cache."""
    cold = simulate_timing(stream, CONFIG, level="soc")
    warm = simulate_timing(stream, CONFIG, level="soc", warm=True)
    assert warm.cache["misses"] == 0
    assert warm.cache["accesses"] == cold.cache["accesses"]
    assert warm.cycles <= cold.cycles * 1.05 + 10


@pytest.mark.parametrize(("pairs", "rtl"), [(1, 78), (2, 94), (8, 190), (32, 574)])
def test_pairs_take_sixteen_cycles_each(pairs: int, rtl: int) -> None:
    """N pairs of full tiles take 62 + 16·N cycles, as measured."""
    assert abs(_cycles(PAIR * pairs + "FENCE\n") - rtl) <= 1


@pytest.mark.parametrize(("pairs", "cycles"), [(1, 46), (8, 102), (32, 294)])
def test_an_eight_by_eight_array_takes_eight_cycles_per_pair(pairs: int, cycles: int) -> None:
    """On the 8×8 configuration N pairs take 38 + 8·N cycles (results leave 16 cycles earlier)."""
    pair = "6 0x8000800001000 0x8000880000000\n4 0x8000800000000 0x80008ffffffff\n"
    assert abs(_cycles(pair * pairs + "FENCE\n", CONFIG_8X8) - cycles) <= 2


def test_operands_in_one_bank_take_twice_as_long() -> None:
    """A and B in the same scratchpad bank are read one after the other: 32 cycles per pair."""
    same_bank = PAIR.replace("0x10001000001000", "0x10001000000100")
    assert abs(_cycles(same_bank * 32) - 2 * 32 * 16) <= 60


def test_serial_stores_are_slower() -> None:
    """RTL since 2025-02, where a store waits for the one before, takes longer to store tiles."""
    stores = "".join(
        f"3 {0x80010000 + 0x400 * n:#x} {0x10001080000000 + 16 * n:#x}\n" for n in range(16)
    )
    text = "0 0x2 0x3f80000000000040\n" + stores + "FENCE\n"
    serial = replace(CONFIG, name="serial", store_waits_for_completion=True)
    assert 1.01 * _cycles(text) < _cycles(text, serial) < 1.3 * _cycles(text)


def test_a_result_in_the_array_delays_its_reader() -> None:
    """A compute that reads a scratchpad row still in the array waits until it has left."""
    first = "6 0x10001000001000 0x10001000002000\n4 0x10001000000000 0x100010ffffffff\n"
    other = "6 0x10001000001010 0x10001000002010\n4 0x10001000000010 0x100010ffffffff\n"
    reader = "6 0x10001000001020 0x10001080000020\n4 0x10001000002000 0x100010ffffffff\n"
    free = reader.replace("0x10001000002000", "0x10001000002020")
    assert _cycles(first + other + reader) > _cycles(first + other + free) + 5


def test_segments_add_up_between_fences() -> None:
    """Each fenced segment is reported by name, and none is longer than the whole."""
    text = LOAD_CONFIG + "FENCE\nMARK setup\n" + PAIR + "FENCE\nMARK work\n"
    result = simulate_timing(_read(text), CONFIG)
    assert [segment.name for segment in result.segments] == ["setup", "work"]
    assert sum(segment.cycles for segment in result.segments) <= result.cycles + 2
    assert abs(result.segment_cycles["work"] - 78) <= 1


def test_waits_delay_dispatch_at_level_soc_only() -> None:
    """The core's work between commands counts at level soc, and not with ideal dispatch."""
    slow = LOAD_CONFIG * 4 + "WAIT 500\n" + LOAD_CONFIG
    fast = LOAD_CONFIG * 5
    assert _cycles(slow) == _cycles(fast)
    soc = [simulate_timing(_read(text), CONFIG, level="soc", warm=True) for text in (slow, fast)]
    assert soc[0].cycles == soc[1].cycles + 500


def test_new_code_costs_instruction_fetches_once() -> None:
    """Cold, unrolled code misses in the instruction cache; the same code in a loop does not."""
    unrolled = _read(LOAD_CONFIG * 64)
    looped = replace(unrolled, origin=np.zeros(64, np.int32))
    cold = [simulate_timing(s, CONFIG, level="soc").cycles for s in (unrolled, looped)]
    warm = [simulate_timing(s, CONFIG, level="soc", warm=True).cycles for s in (unrolled, looped)]
    assert cold[0] > cold[1] + 3 * CONFIG.dram_latency
    assert warm[0] == warm[1]


@pytest.mark.parametrize("text", [PRELOAD + "FENCE\n", PAIR + PRELOAD])
def test_a_preload_without_a_compute_is_diagnosed(text: str) -> None:
    """The hardware would wait for ever; the model names the command."""
    with pytest.raises(StreamError, match=r"command \d+: never completes"):
        simulate_timing(_read(text), CONFIG)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*range(8), *range(8, 17), 126]),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**64 - 1),
        ),
        max_size=12,
    )
)
def test_any_words_are_simulated_or_diagnosed(commands: list[tuple[int, int, int]]) -> None:
    """Whatever the operands hold, the answer is a count or a StreamError, never a crash."""
    try:
        result = simulate_timing(CommandStream.of(commands), CONFIG)
    except StreamError as error:
        assert re.match(r"command \d+: ", str(error))  # noqa: PT017
        return
    assert result.cycles >= 0


@pytest.mark.parametrize(
    ("rs2", "message"),
    [
        (0x0011_0010_0000_0000, "17 rows"),
        (0x0000_0010_0000_0000, "no rows"),
        (0x0010_0000_0000_0000, "0 columns"),
        (0x0010_0041_0000_0000, "65 columns"),
    ],
)
def test_moves_that_cannot_finish_are_diagnosed(rs2: int, message: str) -> None:
    """Extents that the hardware does not have name the command's index."""
    stream = CommandStream.of([(7, 0, 0), (2, 0x8000_0000, rs2)])
    with pytest.raises(StreamError, match=rf"command 1: .*{message}"):
        simulate_timing(stream, CONFIG)


def test_an_empty_stream_takes_no_time() -> None:
    """Nothing to do is not an error."""
    result = simulate_timing(CommandStream.of([]), CONFIG)
    assert result.commands == 0
    assert result.cycles <= 2


@pytest.mark.parametrize("latency", [0, -1])
def test_impossible_latencies_are_rejected(latency: int) -> None:
    """A memory cannot answer before it is asked."""
    with pytest.raises(ValueError, match="latencies"):
        simulate_timing(_read(PAIR), CONFIG, memory_latency=latency)


@pytest.mark.parametrize(
    "change", [{"dim": 2048}, {"spad_banks": 64}, {"reservation_execute": 128}]
)
def test_configurations_beyond_the_models_reach_are_diagnosed(change: dict[str, int]) -> None:
    """A configuration whose queues or latencies do not fit the state is an error, not a crash."""
    with pytest.raises(ConfigError):
        simulate_timing(_read(PAIR), replace(CONFIG, **change))


def _explained(text: str) -> tuple[TimingResult, str]:
    stream = _read(text)
    result = simulate_timing(stream, CONFIG)
    return result, explain(result, stream, CONFIG)


def test_the_explanation_names_the_cause_and_what_to_try() -> None:
    """Operands in one bank are reported as such, with the way out."""
    same_bank = PAIR.replace("0x10001000001000", "0x10001000000100")
    _, text = _explained(same_bank * 64 + "FENCE\n")
    assert "same scratchpad bank" in text
    assert "different scratchpad banks" in text


def test_the_explanation_counts_bytes() -> None:
    """A load of one tile is 256 bytes."""
    _, text = _explained(LOAD_CONFIG + "2 0x80000000 0x10001000000000\nFENCE\n")
    assert "256 bytes were loaded" in text


def test_a_well_fed_array_is_said_to_be_at_its_bound() -> None:
    """128 pairs with resident operands use the array almost fully, and the text says so."""
    result, text = _explained(PAIR * 128 + "FENCE\n")
    assert result.units["execute"]["busy"] > 0.95 * result.cycles
    assert "(compute)" in text
