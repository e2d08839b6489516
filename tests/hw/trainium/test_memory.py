"""Views of buffers in the simulated memories, and the number formats that they hold."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.dialects.trn import Space
from liftproof.hw.trainium.element_types import round_to, round_to_tf32
from liftproof.hw.trainium.memory import AccessError, Buffer, new_buffer
from xdsl.dialects.builtin import (
    IntegerType,
    Signedness,
    bf16,
    f8E4M3,
    f8E5M2,
    f16,
    f32,
    i8,
    i16,
    i32,
)

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@st.composite
def views(
    draw: st.DrawFn,
) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """Sizes of a buffer; offsets, sizes, dimensions and steps of a view that may leave it."""
    shape = draw(SIZES)
    offsets = [draw(st.integers(0, size)) for size in shape]
    rank = draw(st.integers(1, 4))
    sizes = [draw(st.integers(0, 4)) for _ in range(rank)]
    along = [draw(st.integers(0, len(shape) - 1)) for _ in range(rank)]
    steps = [draw(st.integers(-2, 2)) for _ in range(rank)]
    return shape, offsets, sizes, along, steps


def filled(shape: list[int]) -> Buffer:
    """A buffer in HBM that holds 0, 1, 2, …"""
    buffer = new_buffer("%b", Space.HBM, f32, tuple(shape))
    whole = buffer.access([0] * len(shape), shape, range(len(shape)), [1] * len(shape))
    whole.write(np.arange(np.prod(shape), dtype=np.float32).reshape(shape[0], -1))
    return buffer


@given(views())
@settings(max_examples=60, deadline=None)
def test_a_view_names_what_its_formula_says(
    view: tuple[list[int], list[int], list[int], list[int], list[int]],
) -> None:
    """Element (i0, i1, …) lies at offset + Σ step · i; a view that leaves the array is refused."""
    shape, offsets, sizes, along, steps = view
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    places = {
        index: tuple(
            offset
            + sum(
                step * i for i, d, step in zip(index, along, steps, strict=True) if d == dimension
            )
            for dimension, offset in enumerate(offsets)
        )
        for index in np.ndindex(*sizes)
    }
    inside = all(
        0 <= coordinate < extent
        for place in places.values()
        for coordinate, extent in zip(place, shape, strict=True)
    )
    buffer = filled(shape)
    if not inside:
        with pytest.raises(AccessError, match="bounds"):
            buffer.access(offsets, sizes, along, steps)
        return
    found = buffer.access(offsets, sizes, along, steps).read()
    assert found.shape == tuple(sizes)
    for index, place in places.items():
        assert found[index] == array[place]


def test_what_was_not_written_cannot_be_read() -> None:
    """Flags are kept for each byte: half of a number is not a number."""
    buffer = new_buffer("%b", Space.SBUF, f32, (2, 3))
    row = buffer.access([1, 0], [1, 3], [0, 1], [1, 1])
    row.write(np.ones((1, 3), np.float32))
    row.read()
    with pytest.raises(AccessError, match=r"uninitialised memory: element \[0, 0\] .* %b"):
        buffer.access([0, 0], [2, 3], [0, 1], [1, 1]).read()


UNSIGNED = IntegerType(8, Signedness.UNSIGNED)


@pytest.mark.parametrize(
    ("element", "values", "expected"),
    [
        (bf16, [1 + 2**-8, 1 + 3 * 2**-8], [1, 1 + 2**-6]),
        (f16, [1 + 2**-11, 70000], [1, np.inf]),
        (f8E4M3, [1 + 1 / 16, 240, 1000], [1, 240, np.inf]),
        (f8E5M2, [1 + 1 / 8, 57344], [1, 57344]),
        (i8, [0.5, 1.5, -1.5, 1e9, -1e9, np.nan], [0, 2, -2, 127, -128, 0]),
        (i16, [40000.0, -np.inf], [32767, -32768]),
        (i32, [3e9, -3e9], [2147483647, -2147483648]),
        (UNSIGNED, [-1.0, 254.5, 255.5], [0, 254, 255]),
    ],
)
def test_numbers_are_rounded_half_to_even(
    element: object, values: list[float], expected: list[float]
) -> None:
    """To floats with ties to even and overflow to infinity; to integers within their range."""
    found = round_to(np.array(values, np.float32), element)  # pyright: ignore
    assert found.astype(np.float64).tolist() == [float(number) for number in expected]


@given(st.floats(width=32))
@settings(max_examples=60, deadline=None)
def test_tf32_is_the_nearest_number_of_ten_bits(number: float) -> None:
    """The rounded number has 10 bits of fraction, and none such lies nearer."""
    value = np.float32(number)
    found = round_to_tf32(np.array([value]))[0]
    if not np.isfinite(value) or not np.isfinite(found):
        assert np.isnan(value) == np.isnan(found)
        return
    bits = int(np.array(found).view(np.uint32))
    assert bits % (1 << 13) == 0
    for neighbour in (bits - (1 << 13), bits + (1 << 13)):
        other = np.array(neighbour & 0xFFFFFFFF, np.uint32).view(np.float32)
        if np.isfinite(other):
            assert abs(float(found) - number) <= abs(float(other) - number)


def test_tf32_agrees_with_bf16_where_both_are_exact() -> None:
    """Every bf16 number is a tf32 number."""
    numbers = np.arange(0, 0x7F80, 7, np.uint16).view(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(round_to_tf32(numbers), numbers)
