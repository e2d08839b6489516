"""Streams that are right in order, but need an ordering that the machine does not give."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini import isa
from liftproof.hw.gemmini.resolve import resolve
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.hazards.check import Rule, find_hazard
from liftproof.validation.trace.api import validate_stream

ACC, ADD, FULL, NONE = (
    isa.ACCUMULATOR_BIT,
    isa.ACCUMULATE_BIT,
    isa.FULL_WIDTH_BIT,
    isa.GARBAGE_ADDRESS,
)


@pytest.fixture
def layout(place):
    """Two int8 matrices, and one of int32."""
    return place(A=((16, 16), "int8"), B=((16, 16), "int8"), C=((16, 16), "int32"))


@pytest.fixture
def start(builder):
    """A stream that has set all configurations: int8 rows of 16, int32 rows of 16 on channel 2."""

    def begin(**execute):
        build = builder()
        build.config_ex(**execute)
        build.config_ld(16, 0)
        build.config_ld(64, 2)
        build.config_st(16)
        return build

    return begin


def rule_of(build, layout, config) -> Rule | None:
    stream = build.stream()
    hazard = find_hazard(stream, resolve(stream), layout, config)
    return hazard.rule if hazard else None


def test_a_store_needs_a_fence_before_the_host_reads(start, layout, config):
    """Without a fence behind the last store the host may read too early."""
    a, b, _ = (array.address for array in layout.arrays)
    build = start()
    build.mvin(a, 0, 16, 16)
    build.mvout(b, 0, 16, 16)
    assert rule_of(build, layout, config) is Rule.FINAL_FENCE
    build.fence()
    assert rule_of(build, layout, config) is None


def test_a_load_of_what_was_stored_needs_a_fence(start, layout, config):
    """DRAM is not tracked: a load may overtake the store whose data it wants."""
    a, b, _ = (array.address for array in layout.arrays)
    for fenced in (False, True):
        build = start()
        build.mvin(a, 0, 16, 16)
        build.mvout(b, 0, 16, 16)
        if fenced:
            build.fence()
        build.mvin(b, 32, 16, 16)
        build.mvout(a, 32, 16, 16)
        build.fence()
        assert rule_of(build, layout, config) is (None if fenced else Rule.READ_AFTER_STORE)


def test_a_store_must_wait_for_older_reads(start, layout, config):
    """A store over an array that an older, unrelated load reads may come too early."""
    a, b, _ = (array.address for array in layout.arrays)
    for fenced in (False, True):
        build = start()
        build.mvin(b, 0, 16, 16)
        build.fence()
        build.mvin(a, 32, 16, 16)
        if fenced:
            build.fence()
        build.mvout(a, 0, 16, 16)
        build.fence()
        assert rule_of(build, layout, config) is (None if fenced else Rule.STORE_AFTER_READ)


def test_an_update_in_place_is_ordered_by_its_data(start, layout, config):
    """A store of what was computed from a load waits for that load through the local rows."""
    a, b, c = (array.address for array in layout.arrays)
    build = start()
    build.mvin(c, ACC, 16, 16, 2)
    build.mvin(a, 0, 16, 16)
    build.mvin(b, 4096, 16, 16)
    build.preload((4096, 16, 16), (ACC | ADD, 16, 16))
    build.compute((0, 16, 16))
    build.config_st(64)
    build.mvout(c, ACC | FULL, 16, 16)
    build.fence()
    assert rule_of(build, layout, config) is None


def test_loads_in_flight_must_not_write_the_same_rows(start, layout, config):
    """Two loads in a row may complete in either order; with one in between they may not."""
    a, b, _ = (array.address for array in layout.arrays)
    for others in (0, 1):
        build = start()
        build.mvin(a, 0, 16, 16)
        for place in range(others):
            build.mvin(b, 64 + 16 * place, 16, 16)
        build.mvin(b, 8, 16, 16)
        assert rule_of(build, layout, config) is (None if others else Rule.LOADS_IN_FLIGHT)


def test_blocks_of_loads_in_flight_may_lie_between_each_other(start, layout, config):
    """Wide loads whose column blocks leave gaps only conflict where both write."""
    a, b, _ = (array.address for array in layout.arrays)
    for first in (8, 7):
        build = start()
        build.config_ld(64, block_stride=32)
        build.mvin(a, 0, 8, 32)
        build.mvin(b, first, 8, 32)
        assert rule_of(build, layout, config) is (None if first == 8 else Rule.LOADS_IN_FLIGHT)


def test_loads_that_only_add_commute(start, layout, config):
    """Two accumulating loads may complete in either order."""
    c = layout.arrays[2].address
    build = start()
    build.mvin(0, ACC, 16, 16, 2)
    build.mvin(c, ACC | ADD, 16, 16, 2)
    build.mvin(c, ACC | ADD, 16, 16, 2)
    assert rule_of(build, layout, config) is None


def test_a_result_in_flight_is_seen_by_its_first_row_only(start, layout, config):
    """A computation that reads a result from its second row on is not held back."""
    a, b, _ = (array.address for array in layout.arrays)
    for first in (0, 1):
        for drained in (False, True):
            build = start()
            build.mvin(a, 0, 16, 16)
            build.mvin(b, 4096, 16, 16)
            build.preload((4096, 16, 16), (8192, 16, 16))
            build.compute((0, 16, 16))
            if drained:
                build.config_ex()
            build.preload((4096, 16, 16), (ACC, 8, 16))
            build.compute((8192 + first, 8, 16))
            safe = first == 0 or drained
            assert rule_of(build, layout, config) is (None if safe else Rule.RESULT_IN_FLIGHT)


def test_transposed_weights_are_tracked_by_rows(start, layout, config):
    """Columns of a transposed B beyond its rows are not interlocked with their load."""
    a, b, _ = (array.address for array in layout.arrays)
    for split in (False, True):
        build = start(b_transpose=1)
        build.mvin(a, 0, 16, 4)
        if split:
            build.mvin(b, 4096, 4, 4)
            build.mvin(b + 64, 4100, 12, 4)
        else:
            build.mvin(b, 4096, 16, 4)
        build.preload((4096, 4, 16), (ACC, 16, 16))
        build.compute((0, 16, 4))
        assert rule_of(build, layout, config) is (Rule.UNTRACKED_ROWS if split else None)


def test_a_hazard_refutes_a_stream_that_is_right_in_order(gemm, streams, config):
    """The verdict names the hazard; without the check the same stream is proved."""
    product = gemm(fences=False)
    kernel, stream, layout = product.kernel(), product.stream(), product.layout()
    result = validate_stream(kernel, stream, layout, config)
    assert result.verdict == "refuted"
    assert "hazard: stores to C without a fence" in result.reason
    assert result.instruction.startswith("MVOUT")
    assert validate_stream(kernel, stream, layout, config, hazards=False).verdict == "proved"


def test_spilled_partial_sums_need_a_fence(builder, place, config):
    """Partial sums that go through DRAM are followed exactly, and need a fence in between."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void product(const int8_t A[16][32], const int8_t B[32][16], int32_t C[16][16]) {
          for (int i = 0; i < 16; i++) for (int j = 0; j < 16; j++) {
            int32_t sum = 0;
            for (int k = 0; k < 32; k++) sum += A[i][k] * B[k][j];
            C[i][j] = sum;
          }
        }""",
        "product.c",
    )
    arrays = place(A=((16, 32), "int8"), B=((32, 16), "int8"), C=((16, 16), "int32"))
    a, b, c = (array.address for array in arrays.arrays)
    verdicts: list[str] = []
    for fenced in (False, True):
        build = builder()
        build.config_ex()
        build.config_ld(32, 0)
        build.config_ld(16, 1)
        build.config_ld(64, 2)
        build.config_st(64)
        for half in range(2):
            build.mvin(a + 16 * half, 0, 16, 16)
            build.mvin(b + 256 * half, 4096, 16, 16, 1)
            if half:
                if fenced:
                    build.fence()
                build.mvin(c, ACC | 32, 16, 16, 2)
            build.preload((4096, 16, 16), (ACC | (32 | ADD if half else 0), 16, 16))
            build.compute((0, 16, 16))
            build.mvout(c, ACC | FULL | (32 if half else 0), 16, 16)
        build.fence()
        verdicts.append(validate_stream(kernel, build.stream(), arrays, config).verdict)
    assert verdicts == ["refuted", "proved"]


def in_order(build, layout, config):
    """The verdict on a stream that is right in order, for C = saturated A·B."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void product(const int8_t A[16][16], const int8_t B[16][16], int8_t C[16][16]) {
          for (int i = 0; i < 16; i++) for (int j = 0; j < 16; j++) {
            int32_t sum = 0;
            for (int k = 0; k < 16; k++) sum += A[i][k] * B[k][j];
            C[i][j] = sum > 127 ? 127 : sum < -128 ? -128 : sum;
          }
        }""",
        "product.c",
    )
    result = validate_stream(kernel, build.stream(), layout, config)
    unchecked = validate_stream(kernel, build.stream(), layout, config, hazards=False)
    assert (unchecked.verdict, unchecked.reason) == ("proved", "")
    return result


@pytest.fixture
def bytes_only(place):
    """A, B and C as int8."""
    return place(A=((16, 16), "int8"), B=((16, 16), "int8"), C=((16, 16), "int8"))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("drained", [False, True])
def test_a_result_in_flight_makes_the_difference(first, drained, start, bytes_only, config):
    """A product that starts to read a result at its second row must wait for it explicitly."""
    a, b, c = (array.address for array in bytes_only.arrays)
    build = start()
    build.mvin(a, 0, 16, 16)
    build.mvin(b, 4096, 16, 16)
    build.preload((4096, 16, 16), (8192, 16, 16))
    build.compute((0, 16, 16))
    if drained:
        build.fence()
    build.preload((4096, 16, 16), (ACC, 8, 16))
    build.compute((8192 + first, 8, 16))
    build.mvout(c, 8192, 16, 16)
    build.fence()
    result = in_order(build, bytes_only, config)
    safe = drained or first == 0
    assert result.verdict == ("proved" if safe else "refuted"), result.reason
    assert ("may not have written yet" in result.reason) == (not safe)


@pytest.mark.parametrize("fenced", [False, True])
def test_what_was_stored_is_loaded_behind_a_fence_only(fenced, start, bytes_only, config):
    """C is stored, loaded again, and stored once more: the load needs a fence before it."""
    a, b, c = (array.address for array in bytes_only.arrays)
    build = start()
    build.mvin(a, 0, 16, 16)
    build.mvin(b, 4096, 16, 16)
    build.preload((4096, 16, 16), (ACC, 16, 16))
    build.compute((0, 16, 16))
    build.mvout(c, ACC, 16, 16)
    if fenced:
        build.fence()
    build.mvin(c, 8192, 16, 16)
    build.mvout(c, 8192, 16, 16)
    build.fence()
    result = in_order(build, bytes_only, config)
    assert result.verdict == ("proved" if fenced else "refuted"), result.reason
    assert ("without a fence" in result.reason) == (not fenced)


@pytest.mark.parametrize("fenced", [False, True])
def test_the_host_reads_behind_a_fence_only(fenced, start, bytes_only, config):
    """The last store needs a fence before the kernel returns to the host."""
    a, b, c = (array.address for array in bytes_only.arrays)
    build = start()
    build.mvin(a, 0, 16, 16)
    build.mvin(b, 4096, 16, 16)
    build.preload((4096, 16, 16), (ACC, 16, 16))
    build.compute((0, 16, 16))
    build.mvout(c, ACC, 16, 16)
    if fenced:
        build.fence()
    result = in_order(build, bytes_only, config)
    assert result.verdict == ("proved" if fenced else "refuted"), result.reason
    assert ("before the host reads" in result.reason) == (not fenced)
