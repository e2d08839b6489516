"""The semantics' formulas against exact arithmetic, and their use with symbolic indices."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st
from liftproof.hw.gemmini import semantics
from liftproof.hw.gemmini.fields import (
    CONFIG_EX,
    CONFIG_LAYOUTS,
    LOOP_CONV_WS,
    LOOP_CONV_WS_CONFIGS,
    LOOP_WS,
    LOOP_WS_BOUNDS,
    MOVE,
    PAIR,
    TWO_WORDS,
    Layout,
    decode,
    encode,
)

INT32 = st.integers(-(2**31), 2**31 - 1)


def nearest_even(number: Fraction) -> int:
    """The nearest integer, of two equally near the even one: Python's ``round``."""
    return round(number)


@given(INT32, st.integers(0, 31))
def test_the_shift_rounds_to_nearest_even(value: int, shift: int) -> None:
    """A rounding shift is the exact quotient, rounded half to even."""
    expected = nearest_even(Fraction(value, 2**shift))
    assert semantics.round_half_even_shift(value, shift) == expected


@given(st.integers(-(2**24), 2**24), st.integers(-20, 4))
def test_scaling_by_a_power_of_two_is_exact(value: int, exponent: int) -> None:
    """Values of up to 24 bits convert exactly, so the result is the exact quotient, clipped."""
    scale = Fraction(2) ** exponent
    expected = max(-128, min(127, nearest_even(value * scale)))
    assert semantics.scale_and_saturate(value, np.float32(scale), 8) == expected


def test_scaling_converts_to_single_precision_first() -> None:
    """More than 24 bits are rounded before the scaling: 72.4999… becomes 72, where 73 is exact."""
    value, scale = 19005441, 2.0**-18
    assert nearest_even(Fraction(value, 2**18)) == 73
    assert semantics.scale_and_saturate(value, np.float32(scale), 8) == 72


@given(INT32)
def test_saturation_at_full_width_changes_nothing(value: int) -> None:
    """Clipping to the width of the value itself keeps it, also through single precision."""
    assert semantics.saturate(value, 32) == value
    assert abs(semantics.scale_and_saturate(value, np.float32(1), 32)) <= 2**31


@given(st.integers(), st.integers(1, 64))
def test_wrapping_is_twos_complement(value: int, bits: int) -> None:
    """The result is in range and congruent to the value."""
    result = semantics.wrap(value, bits)
    assert -(2 ** (bits - 1)) <= result < 2 ** (bits - 1)
    assert (result - value) % 2**bits == 0


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**20))
def test_means_truncate_as_c_does(dividend: int, divisor: int) -> None:
    """The quotient is rounded towards 0."""
    assert semantics.truncated_quotient(dividend, divisor) == int(Fraction(dividend, divisor))


@pytest.mark.parametrize(("dim", "bits"), [(4, 20), (8, 20), (16, 20), (32, 21)])
def test_weight_stationary_sums_fit_the_array(dim: int, bits: int) -> None:
    """The largest sum of ``dim`` int8 products and a bias is within the array's width."""
    assert semantics.array_output_bits(dim, 8, 32) == bits
    assert semantics.saturate(dim * 128 * 128 + 127, bits) == dim * 128 * 128 + 127


def test_softmax_peaks_at_its_maximum() -> None:
    """The integer exponential is largest at 0 and falls with its argument (I-BERT constants)."""
    step = 0.01
    qln2, qb, qc = int(0.693147 / step), int(1.353 / step), int(0.344 / (0.3585 * step * step))
    numbers = [
        semantics.integer_exp(-distance, qln2, 65536 // qln2, qb, qc, 32)
        for distance in range(0, 500, 7)
    ]
    assert numbers == sorted(numbers, reverse=True)
    ratio = numbers[0] / semantics.integer_exp(-100, qln2, 65536 // qln2, qb, qc, 32)
    assert ratio == pytest.approx(np.e, rel=0.03)


@given(st.integers(-1000, 1000))
def test_igelu_approximates_gelu(value: int) -> None:
    """With the constants of I-BERT, the polynomial follows GELU."""
    step = 0.01
    root = math.sqrt(2.0)
    qb = int(-1.769 / (step / root))
    qc = int(1.0 / (-0.2888 * step * step / 2))
    # The output's scale is that of value · erf, halved: GELU(x) = x · (1 + erf(x / √2)) / 2.
    scale = step * (-0.2888 * step * step / 2) / 2
    exact = value * step * 0.5 * (1 + math.erf(value * step / root))
    assert semantics.igelu(value, qb, qc, 64) * scale == pytest.approx(exact, abs=0.06)


class Symbol:
    """An integer that is only a term: it can be computed with, but neither compared nor tested."""

    def __init__(self, term: z3.ArithRef) -> None:
        self.term = term

    def __add__(self, other: Symbol | int) -> Symbol:
        return Symbol(self.term + term_of(other))

    def __sub__(self, other: Symbol | int) -> Symbol:
        return Symbol(self.term - term_of(other))

    def __mul__(self, other: Symbol | int) -> Symbol:
        return Symbol(self.term * term_of(other))

    def __floordiv__(self, other: int) -> Symbol:
        return Symbol(self.term / other)  # Z3's division of integers; floors for other > 0

    def __mod__(self, other: int) -> Symbol:
        return Symbol(self.term % other)

    def __bool__(self) -> bool:
        raise AssertionError("an index map depends on the truth of an index")

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = None  # pyright: ignore
    __hash__ = None  # pyright: ignore


def term_of(value: Symbol | int) -> z3.ArithRef | int:
    return value.term if isinstance(value, Symbol) else value


def test_index_maps_take_symbolic_integers() -> None:
    """A solver can reason about every index map: none compares or branches on its indices."""
    row, col = Symbol(z3.Int("row")), Symbol(z3.Int("col"))
    local_row, local_col = semantics.mvin_target(row, col, 16, 16)
    out_row, out_col = semantics.mvout_source(row, col, 16)
    solver = z3.Solver()
    solver.add(z3.Or(local_row.term != out_row.term, local_col.term != out_col.term))
    assert solver.check() == z3.unsat
    for symbol in (
        semantics.dram_offset(row, col, 64, 4),
        semantics.pool_out_index(row, col, 2, 1),
        semantics.pool_source(row, col, 7),
        semantics.pool_offset(row, col, 3, 5, 64, 1),
        semantics.c_target(row, 3),
        *semantics.repeat_target(row, col, 2, 4),
        *semantics.stationary_cell(row, col, True),
        *semantics.a_cell(row, col, 2, True),
        *semantics.b_cell(row, col, False),
    ):
        assert isinstance(symbol, Symbol)


LAYOUTS: list[Layout] = [
    MOVE,
    PAIR,
    TWO_WORDS,
    LOOP_WS,
    LOOP_WS_BOUNDS,
    LOOP_CONV_WS,
    *CONFIG_LAYOUTS.values(),
    *LOOP_CONV_WS_CONFIGS.values(),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fields_do_not_overlap(layout: Layout) -> None:
    """Setting every field to all ones uses as many bits as the fields have."""
    ones = {name: (1 << field.bits) - 1 for name, field in layout.items()}
    words = encode(layout, **ones)
    assert sum(word.bit_count() for word in words) == sum(f.bits for f in layout.values())
    assert decode(layout, *words) == ones


@given(st.data(), st.sampled_from(LAYOUTS))
def test_encoding_reads_back(data: st.DataObject, layout: Layout) -> None:
    """Decoding gives back what was encoded, one command or a whole column."""
    numbers = {
        name: data.draw(st.integers(0, (1 << min(field.bits, 62)) - 1))
        for name, field in layout.items()
    }
    words = encode(layout, **numbers)
    assert decode(layout, *words) == numbers
    columns = encode(layout, **{name: np.array([value]) for name, value in numbers.items()})
    assert [int(column[0]) for column in columns] == list(words)


@pytest.mark.parametrize("value", [-1, 1 << 16, np.array([3, -1]), np.array([1 << 16, 3])])
def test_numbers_that_do_not_fit_are_refused(value: object) -> None:
    """A number out of its field's range never spills into the next field."""
    with pytest.raises(ValueError, match="a_stride must fit 16 unsigned bits, got"):
        encode(CONFIG_EX, a_stride=value)
