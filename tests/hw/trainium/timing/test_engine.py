"""The event-driven engine and the list scheduler on hand-made records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.trainium.timing.causes import CAUSES, PORT, TABLE
from liftproof.hw.trainium.timing.dependencies import Accesses, dependencies
from liftproof.hw.trainium.timing.engine import run_program
from liftproof.hw.trainium.timing.machine import PARAMETERS
from liftproof.hw.trainium.timing.records import (
    FIRST_QUEUE,
    PSUM_PORT,
    STREAMS,
    Engine,
    Links,
    Program,
    new_instructions,
)
from liftproof.hw.trainium.timing.schedule import schedule

SEMAPHORE, TABLE_LOAD, DMA_START, DMA_DONE, HBM = 31.0, 1300.0, 1000.0, 320.0, 410.0
PARAMETERS_HERE = np.array([(SEMAPHORE, TABLE_LOAD, DMA_START, DMA_DONE, HBM)], PARAMETERS)[0]


def program(streams, occupancy, waits=None, increments=None, **columns):
    """A program of instructions on ``streams``; waits and increments are lists of pairs."""
    instructions = new_instructions(len(streams))
    instructions["stream"] = streams
    instructions["occupancy"] = occupancy
    for name, column in columns.items():
        instructions[name] = column
    none = [[] for _ in streams]
    return Program(instructions, Links.of(waits or none), Links.of(increments or none))


def test_streams_run_in_order_and_in_parallel():
    """A stream runs one instruction after the other; different streams run at the same time."""
    run = run_program(program([0, 0, 1], [100, 50, 30]), PARAMETERS_HERE)
    assert run.times["issued"].tolist() == [0, 100, 0]
    assert run.times["ended"].tolist() == [100, 150, 30]


def test_wait_is_satisfied_when_the_result_is_visible():
    """A waiting instruction starts a semaphore's latency after the result is visible."""
    waits = [[], [(3, 1)]]
    run = run_program(
        program([0, 1], [100, 10], waits, [[(3, 1)], []], latency=[60, 0]), PARAMETERS_HERE
    )
    assert run.times["issued"][1] == 160 + SEMAPHORE
    waited = run.machine["time"].reshape(STREAMS, CAUSES)[1]
    assert waited.sum() == pytest.approx(run.times["visible"].max())


def test_wait_counts_increments_of_several_streams_in_time_order():
    """A value is reached when the increments before it in time, of all streams, add up to it."""
    increments = [[(0, 2)], [(0, 1)], []]
    run = run_program(
        program([0, 1, 2], [500, 100, 1], [[], [], [(0, 1)]], increments), PARAMETERS_HERE
    )
    assert run.times["issued"][2] == 100 + SEMAPHORE


def test_deadlock_names_the_instructions_that_wait():
    """Streams that wait for each other are reported by their first instructions that wait."""
    waits = [[], [(1, 1)], [(0, 1)]]
    increments = [[], [(0, 1)], [(1, 1)]]
    run = run_program(program([2, 0, 1], [1, 1, 1], waits, increments), PARAMETERS_HERE)
    assert run.stuck == (1, 2)


def test_shared_port_serialises_two_engines():
    """Two engines that share a port to a memory do not use it at the same time."""
    run = run_program(
        program([Engine.ACT, Engine.DVE], [100, 100], ports=PSUM_PORT), PARAMETERS_HERE
    )
    assert sorted(run.times["issued"].tolist()) == [0, 100]
    assert run.machine["time"].reshape(STREAMS, CAUSES)[:, PORT].sum() == 100


def test_activation_table_is_loaded_on_change_only():
    """Only the first of a row of activations with one table loads it."""
    run = run_program(program([1] * 4, [10] * 4, table=[0, 0, 1, 1]), PARAMETERS_HERE)
    assert run.machine["table_loads"] == 2
    assert run.machine["time"].reshape(STREAMS, CAUSES)[1, TABLE] == 2 * TABLE_LOAD


def test_dma_engines_share_the_load():
    """Transfers on different DMA engines overlap, those on the same one follow each other."""
    arguments = {"first_dma": [0, 8, 0], "dmas": 8, "dma_time": 400.0}
    run = run_program(program([5, 6, 7], [50] * 3, **arguments), PARAMETERS_HERE)
    assert run.times["ended"].tolist() == [1400, 1400, 1800]
    assert (run.times["visible"] - run.times["ended"]).tolist() == [DMA_DONE] * 3


def test_hbm_bandwidth_bounds_transfers():
    """No transfer ends before its bytes have passed HBM at its bandwidth."""
    arguments = {"dmas": 16, "dma_time": 1.0, "bytes": 410_000.0}
    run = run_program(program([5], [0], **arguments), PARAMETERS_HERE)
    assert run.times["ended"][0] == pytest.approx(DMA_START + 1000)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (((0, True), (0, False), (0, True)), [(1, 0), (2, 0), (2, 1)]),
        (((0, False), (0, False)), []),
        (((0, True), (1, True)), []),
        (((0, True), (0, True)), [(1, 0)]),
    ],
)
def test_dependences_are_the_three_classic_ones(pattern, expected):
    """Read after write, write after read and write after write, per cell."""
    cells = np.array([cell for cell, _ in pattern])
    writes = np.array([write for _, write in pattern])
    edges = dependencies(Accesses(np.arange(len(pattern) + 1), cells, writes, 2))
    owner = np.repeat(np.arange(len(pattern)), np.diff(edges.begin))
    assert sorted(zip(owner.tolist(), edges.producer.tolist(), strict=True)) == expected


@st.composite
def tile_programs(draw):
    """Random records on engines and DMA queues, and random cells that they touch."""
    seed = draw(st.integers(0, 2**32 - 1))
    count = draw(st.integers(1, 60))
    random = np.random.default_rng(seed)
    instructions = new_instructions(count)
    instructions["stream"] = random.integers(0, FIRST_QUEUE + 4, count)
    instructions["occupancy"] = random.integers(1, 500, count)
    engines = instructions["stream"] < FIRST_QUEUE
    instructions["latency"][engines] = random.integers(0, 200, engines.sum())
    instructions["ports"][engines] = random.integers(0, 4, engines.sum())
    instructions["dmas"][~engines] = random.integers(1, 17, (~engines).sum())
    instructions["dma_time"][~engines] = random.integers(1, 2000, (~engines).sum())
    cells = random.integers(0, 6, 3 * count)
    writes = random.random(3 * count) < 0.4
    return instructions, Accesses(np.arange(count + 1) * 3, cells, writes, 6)


@settings(max_examples=60, deadline=None)
@given(tile_programs())
def test_scheduled_program_keeps_every_dependence(case):
    """No instruction starts before its producers are done, whatever the order of the streams."""
    instructions, accesses = case
    instructions["origin"] = np.arange(len(instructions))
    edges = dependencies(accesses)
    program_, run = schedule(instructions, edges, PARAMETERS_HERE)
    assert sorted(program_.instructions["origin"]) == list(range(len(instructions)))
    times = np.empty_like(run.times)
    times[program_.instructions["origin"]] = run.times
    owner = np.repeat(np.arange(len(instructions)), np.diff(edges.begin))
    for later, earlier, only_read in zip(owner, edges.producer, edges.only_read, strict=True):
        same = instructions["stream"][later] == instructions["stream"][earlier] < FIRST_QUEUE
        is_read = only_read and instructions["stream"][earlier] == Engine.PE
        done = times[earlier]["ended" if same or is_read else "visible"]
        done += 0 if same else SEMAPHORE
        assert times[later]["issued"] >= done - 1e-6


@settings(max_examples=60, deadline=None)
@given(tile_programs())
def test_engine_agrees_with_the_scheduler(case):
    """Run by its semaphores alone, a scheduled program takes the times that the scheduler saw."""
    instructions, accesses = case
    scheduled, run = schedule(instructions, dependencies(accesses), PARAMETERS_HERE)
    again = run_program(scheduled, PARAMETERS_HERE)
    assert not again.stuck
    np.testing.assert_allclose(again.times["issued"], run.times["issued"])
    np.testing.assert_allclose(again.times["visible"], run.times["visible"])
