"""Tile programs on the cycle model: costs, cells, hoisting, memory, and the timeline."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.timing import explain, simulate_tiles, write_trace
from liftproof.hw.trainium.timing.allocation import allocate
from liftproof.hw.trainium.timing.cells import Buffer, BufferAccess, accesses_of
from liftproof.hw.trainium.timing.dma import contiguous_run, dma_cost
from liftproof.hw.trainium.timing.hoist import hoist_invariants
from liftproof.hw.trainium.timing.records import Engine
from liftproof.lifting.nki import parse_shapes, read_nki

CONFIG = load_config("trainium1")
EXACT = replace(CONFIG, dve_overhead_cycles=0, act_overhead_cycles=0, launch_ns=0.0)
HEAD = """
import nki
import nki.isa as nisa
import nki.language as nl
@nki.jit
def kernel(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    column = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=column, value=1.0)
    psum = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.memset(dst=psum, value=0.0)
"""
TAIL = """
    nisa.dma_copy(dst=out, src=tile)
    return out
"""


def function_of(body: str, shape: str = "128x256:f32"):
    """A kernel that works on ``tile``, a PSUM tile and a column."""
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines()) + TAIL
    return kernel_function(read_nki(text, "kernel.py", parse_shapes([f"x={shape}"])))


def occupancy(body: str, shape: str = "128x256:f32") -> tuple[Engine, float]:
    """The engine and the cycles of the instruction that ``body`` is."""
    result, program = simulate_tiles(function_of(body, shape), EXACT)
    moved = {"dma_copy", "memset"}
    index = next(
        place
        for place, origin in enumerate(result.program.instructions["origin"])
        if program.names[origin] not in moved
    )
    row = result.program.instructions[index]
    engine = Engine(row["engine"])
    clocks = {Engine.PE: 2.42, Engine.DVE: 1.12, Engine.ACT: 1.4, Engine.POOL: 1.4}
    return engine, float(row["occupancy"]) * clocks[engine]


DOCUMENTED = {
    "nisa.tensor_tensor(dst=tile, data1=tile, data2=tile, op=nl.add)": (Engine.DVE, 512),
    "nisa.tensor_tensor(dst=tile, data1=tile, data2=psum, op=nl.add)": (Engine.DVE, 256),
    "nisa.tensor_scalar(dst=tile, data=tile, op0=nl.maximum, operand0=2.0)": (Engine.DVE, 256),
    "nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)": (Engine.ACT, 256),
    "nisa.tensor_reduce(dst=column, op=nl.add, data=tile, axis=[1])": (Engine.DVE, 256),
    "nisa.activation(dst=tile, op=nl.exp, data=tile)": (Engine.ACT, 256),
    "nisa.activation(dst=tile, op=nl.exp, data=tile, reduce_op=nl.add, reduce_res=column)": (
        Engine.ACT,
        320,
    ),
    "nisa.activation(dst=column, op=nl.copy, data=column)": (Engine.ACT, 64),
    "nisa.tensor_copy(dst=tile, src=psum)": (Engine.ACT, 256),
    "nisa.tensor_copy(dst=tile, src=tile)": (Engine.DVE, 256),
    "nisa.reciprocal(dst=tile, data=tile)": (Engine.DVE, 512),
    "nisa.nc_matmul(dst=psum, stationary=tile[:, 0:128], moving=tile)": (Engine.PE, 1024),
    "nisa.nc_transpose(dst=psum[:, 0:128], data=tile[:, 0:128])": (Engine.PE, 512),
    "nisa.tensor_tensor_scan(dst=tile, data0=tile, data1=tile, initial=0.0,"
    " op0=nl.multiply, op1=nl.add)": (Engine.DVE, 512),
    "nisa.iota(dst=tile, pattern=[[1, 256]], channel_multiplier=0)": (Engine.POOL, 406),
}


@pytest.mark.parametrize("call", DOCUMENTED)
def test_costs_are_the_documented_ones(call):
    """N = 256 in float32: the engine, and the cycles of the documentation's formulas."""
    engine, cycles = occupancy(call)
    assert engine == DOCUMENTED[call][0]
    assert cycles == pytest.approx(DOCUMENTED[call][1])


def test_bf16_products_take_a_quarter_of_the_passes():
    """float32 takes four passes of the tensor engine, 16-bit types one."""
    call = "nisa.nc_matmul(dst=psum, stationary=tile[:, 0:128], moving=tile)"
    assert occupancy(call, "128x256:bf16")[1] == pytest.approx(256)


def test_wide_strides_halve_the_bandwidth():
    """An innermost stride of over 16 bytes costs the vector engine twice the cycles."""
    call = (
        "nisa.tensor_scalar(dst=tile[:, 0:240:8], data=tile[:, 0:30], op0=nl.maximum, operand0=0.0)"
    )
    assert occupancy(call)[1] == pytest.approx(2 * 64)


def test_dma_is_cut_into_descriptors():
    """Rows of 8 partitions per engine, runs that are contiguous, at most 4 KiB at a time."""
    arguments = {"descriptor_ns": 100.0, "bytes_per_ns": 10.0, "descriptor_bytes": 4096}
    assert dma_cost(128, 8192, 8192, **arguments).time == 8 * (2 * 100 + 819.2)
    assert dma_cost(128, 1024, 256, **arguments).time == 8 * (4 * 100 + 102.4)
    few = dma_cost(4, 4096, 4096, **arguments)
    assert (few.engines, few.time) == (1, 4 * (100 + 409.6))


@pytest.mark.parametrize(
    ("extents", "strides", "run"),
    [((4, 8), (8, 1), 32), ((4, 8), (16, 1), 8), ((4, 8), (1, 4), 1), ((3, 1, 8), (8, 99, 1), 24)],
)
def test_contiguous_runs(extents, strides, run):
    """Trailing dimensions whose elements follow each other in memory make one run."""
    assert contiguous_run(extents, strides) == run


@st.composite
def accesses(draw):
    """Boxes of a two-dimensional buffer, one per instruction."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 12))
    random = np.random.default_rng(seed)
    low = random.integers(0, 10, (2, count))
    return low, low + random.integers(1, 6, (2, count))


@settings(max_examples=80, deadline=None)
@given(accesses())
def test_accesses_share_a_cell_exactly_if_they_overlap(boxes):
    """Two boxes have a cell in common if, and only if, they have an element in common."""
    low, high = boxes
    count = low.shape[1]
    places, copies = np.arange(count), np.zeros(count, np.int64)
    access = BufferAccess(places, copies, tuple(low), tuple(high), True)
    found = accesses_of([Buffer(1, [access])], count)
    cells = [set(found.cell[found.begin[i] : found.begin[i + 1]].tolist()) for i in range(count)]
    for one in range(count):
        for two in range(count):
            overlap = all(
                low[axis, one] < high[axis, two] and low[axis, two] < high[axis, one]
                for axis in range(2)
            )
            assert bool(cells[one] & cells[two]) == overlap


def test_what_is_the_same_in_all_iterations_leaves_the_loop():
    """An invariant instruction runs once; one that uses the loop's variable or result does not."""
    body = """for i in nl.affine_range(4):
    same = nl.ndarray((128, 64), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=same, data=tile[:, 0:64], op0=nl.maximum, operand0=0.0)
    other = nl.ndarray((128, 64), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=other, data=psum[:, nl.ds(i * 64, 64)], op0=nl.maximum, operand0=0.0)
    nisa.tensor_tensor(dst=other, data1=other, data2=same, op=nl.add)
    nisa.dma_copy(dst=out[:, nl.ds(i * 64, 64)], src=other)"""
    function = function_of(body)
    hoist_invariants(function)
    depth = {}
    for op in function.walk():
        if op.name == "trn.tensor_scalar":
            depth[str(op.data.owner.source.type)] = op.parent_op().name
    assert depth == {
        "memref<128x256xf32, #trn<space sbuf>>": "func.func",
        "memref<128x256xf32, #trn<space psum>>": "scf.for",
    }


def loop_of(columns: int) -> str:
    return f"""for i in nl.affine_range(4):
    one = nl.ndarray((128, {columns}), dtype=nl.float32, buffer=nl.sbuf)
    two = nl.ndarray((128, {columns}), dtype=nl.float32, buffer=nl.sbuf)
    three = nl.ndarray((128, {columns}), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=one, value=1.0)
    nisa.activation(dst=two, op=nl.copy, data=one)
    nisa.activation(dst=three, op=nl.copy, data=two)
    nisa.dma_copy(dst=out, src=three[:, 0:256])"""


def test_buffers_in_loops_are_doubled_while_they_fit():
    """Two copies in loops, one outside of them; what does not fit shares memory."""
    copies = allocate(function_of(loop_of(512)), CONFIG).copies
    assert sorted(copies.values()) == [1, 1, 1, 2, 2, 2]
    tight = allocate(function_of(loop_of(12000)), CONFIG)
    names = {buffer.name_hint: place for buffer, place in tight.place.items()}
    assert names["one"] == names["three"] != names["two"]


def test_iterations_overlap_with_two_copies_of_their_buffers():
    """A loop of loads, arithmetic and stores takes the time of its slowest part, not of the sum."""
    body = """for i in nl.affine_range(32):
    part = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=part, src=x)
    for j in nl.sequential_range(4):
        nisa.activation(dst=part, op=nl.exp, data=part)
    nisa.dma_copy(dst=out, src=part)"""
    result, _ = simulate_tiles(function_of(body), CONFIG)
    parts = [result.bound.terms[name] for name in ("dma", "act")]
    assert max(parts) < result.nanoseconds - result.launch < 1.3 * sum(parts) + 5000


def test_timeline_and_summary(tmp_path):
    """Every instruction is a bar on its stream's track; the summary names the bounding unit."""
    result, program = simulate_tiles(function_of(loop_of(512)), CONFIG)
    write_trace(result, tmp_path / "trace.json", program.names)
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    bars = [event for event in events if event["ph"] == "X"]
    assert len(bars) == len(result.program)
    assert {"activation", "dma_copy", "memset"} == {bar["name"] for bar in bars}
    assert "bound" in explain(result)


def test_busy_and_waiting_times_add_up():
    """On each engine, busy time, waits by cause and idle time fill the whole run."""
    result, _ = simulate_tiles(function_of(loop_of(2048)), CONFIG)
    end = result.nanoseconds - result.launch
    for name, unit in result.units.items():
        assert sum(unit.values()) == pytest.approx(end, abs=1.0), name
