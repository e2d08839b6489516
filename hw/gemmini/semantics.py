"""What each Gemmini instruction means, written once for every reader of the machine.

Two kinds of plain functions, with no dependency but NumPy:

* *Index maps* say which cells an instruction touches: element ``(row, col)`` of a move or of an
  operand to a local row and column, or to a byte offset in DRAM. They are arithmetic only (no
  comparison of indices), so they accept Python integers, symbolic integers and, inside a compiled
  loop, machine integers. A local row is always an offset from the instruction's base address.
* *Value formulas* say what is computed from the elements. They take numbers only.

The functional simulator compiles these functions into its loops (``numba``), the validator calls
them with symbolic indices. The instructions are put together from them as follows; extents are
those of the command, an element outside of an operand's extents or of an operand without address is
0, and E is the scratchpad's element type, T the accumulator's.

========================  =========================================================================
mvin                      for row < rows, col < cols: ``local[base + mvin_target(row, col)]`` gets
                          ``load_scaled(DRAM[dram_offset(row, col)])``, or 0 if the address is 0; in
                          the accumulator, it is added if the address has the accumulate bit.
                          ``pixel_repeats`` p > 1 writes it to ``repeat_target`` 1 … p-1 too.
mvout                     for row < rows, col < cols: ``DRAM[dram_offset(row, col)]`` gets
                          ``local[base + mvout_source(row, col)]``: a scratchpad element as it is,
                          an accumulator element as ``store_value`` says, or as it is with the
                          full-width bit.
mvout with pooling        for every pooled pixel and col < cols: ``DRAM[pool_offset(...)]`` gets the
                          largest ``store_value`` of the window ``pool_source(...)``; a window
                          element outside of the image counts as 0.
preload                   names the stationary operand (B, or D if output-stationary) and C.
compute_preloaded         for all i, j: ``array[i, j]`` gets ``spad[base + stationary_cell(i, j)]``;
                          then as compute_accumulated.
compute_accumulated, WS   ``c[i, j] = D[i, j] + Σ_k A[i, k] · array[k, j]``
compute_accumulated, OS   ``c[i, j] = array[i, j] + Σ_k A[i, k] · B[k, j]``, kept in the array too
both                      where ``A[i, k] = spad[base + a_cell(i, k)]``,
                          ``B[k, j] = spad[base + b_cell(k, j)]``, ``D[i, j] = spad[base + i, j]``.
                          c goes to ``C + c_target(i)``, column j, for i < C rows, j < C columns:
                          into the accumulator added or not as the accumulate bit says, into the
                          scratchpad as ``spad_result`` says.
========================  =========================================================================

Sources: ``F`` is libgemmini's functional model (gemmini.cc), ``H`` is gemmini.h, other names are
Chisel files of ucb-bar/gemmini. Where hardware and F differ, the hardware is followed and the
function says so. Integer sums wrap around in T. Floating-point sums are formed in order of k from 0
in T, each product and each sum rounded (F; the hardware fuses the two roundings).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol, Self, TypeVar

import numpy as np


class IndexLike(Protocol):
    """What an index map needs of an index: a Python, machine or symbolic integer."""

    def __add__(self, other: Any, /) -> Self: ...
    def __sub__(self, other: Any, /) -> Self: ...
    def __mul__(self, other: Any, /) -> Self: ...
    def __floordiv__(self, other: Any, /) -> Self: ...
    def __mod__(self, other: Any, /) -> Self: ...


Index = TypeVar("Index", bound=IndexLike)


# Index maps of the moves.


def dram_offset(row: Index, col: Index, row_stride: int, element_bytes: int) -> Index:
    """Bytes from the DRAM address of a move to its element ``(row, col)`` (F:108-282).

    A ``row_stride`` of 0 bytes repeats the first row.
    """
    return row * row_stride + col * element_bytes


def mvin_target(row: Index, col: Index, dim: int, block_stride: int) -> tuple[Index, Index]:
    """Local row and column that a move-in writes: blocks of ``dim`` columns (F:108-207).

    ``block_stride`` is the number of local rows between the first rows of two blocks.
    """
    return row + col // dim * block_stride, col % dim


def repeat_target(row: Index, col: Index, repeat: int, cols: int) -> tuple[Index, Index]:
    """Local row and column of copy ``repeat`` (1 … pixel_repeats-1) of a moved-in element.

    ``row`` and ``col`` are the element's own; ``cols`` is the column count of the move. A copy that
    would leave the half of the scratchpad in which the element lies, at its low end, is dropped
    (PixelRepeater.scala).
    """
    return row - repeat, col + cols * repeat


def mvout_source(row: Index, col: Index, dim: int) -> tuple[Index, Index]:
    """Local row and column that a move-out reads: block b begins b·``dim`` rows on (F:209-282)."""
    return row + col // dim * dim, col % dim


# Index maps of pooling stores (F:284-339). ``out`` is the unpooled, ``pooled`` the pooled image.


def pool_out_index(pooled: Index, window: Index | int, stride: int, pad: int) -> Index:
    """Row (or column) of the unpooled image for offset ``window`` in a window; < 0 is padding."""
    return pooled * stride + window - pad


def pool_source(out_row: Index, out_col: Index, out_cols: int) -> Index:
    """Local row that holds the channels of one pixel of the unpooled image."""
    return out_row * out_cols + out_col


def pool_offset(
    pooled_row: Index,
    pooled_col: Index,
    channel: int,
    pool_out_dim: int,
    pixel_stride: int,
    element_bytes: int,
) -> Index:
    """Bytes from the DRAM address of a pooling move-out to a channel of a pooled pixel.

    ``pixel_stride`` is the configured store stride in bytes.
    """
    return (pooled_row * pool_out_dim + pooled_col) * pixel_stride + channel * element_bytes


# Index maps of preload and the computations.


def stationary_cell(i: Index, j: Index, transpose: bool) -> tuple[Index, Index]:
    """Local row and column of the element that enters row ``i``, column ``j`` of the array.

    ``transpose`` is B_transpose if weight-stationary, and false if output-stationary. The extents
    of the preload bound ``i`` and ``j``, not the row and column.
    """
    return (j, i) if transpose else (i, j)


def a_cell(i: Index, k: Index, a_stride: int, transpose: bool) -> tuple[Index, Index]:
    """Local row and column of ``A[i, k]``; rows of the operand lie ``a_stride`` rows apart."""
    return (k * a_stride, i) if transpose else (i * a_stride, k)


def b_cell(k: Index, j: Index, transpose: bool) -> tuple[Index, Index]:
    """Local row and column of ``B[k, j]`` (output-stationary)."""
    return (j, k) if transpose else (k, j)


def c_target(i: Index, c_stride: int) -> Index:
    """Local row that receives row ``i`` of the result."""
    return i * c_stride


# Value formulas.


def wrap(value: int, bits: int) -> int:
    """Reduce to a signed number of ``bits`` bits, as the accumulator's adders do."""
    half = 1 << (bits - 1)
    return ((value + half) & (2 * half - 1)) - half


def saturate(value: int, bits: int) -> int:
    """Clip to the range of a signed number of ``bits`` bits."""
    high = (1 << (bits - 1)) - 1
    return min(max(value, -high - 1), high)


def round_half_even_shift(value: int, shift: int) -> int:
    """``value / 2**shift``, rounded to nearest, ties to even (ROUNDING_RIGHT_SHIFT, H)."""
    if shift == 0:
        return value
    return (value + (1 << (shift - 1)) - 1 + ((value >> shift) & 1)) >> shift


def scale_and_saturate(value: int, scale: np.float32, bits: int) -> int:
    """``value · scale`` in float32, rounded half to even, clipped to ``bits`` signed bits.

    ``value`` is converted to float32 first, which rounds if it has more than 24 bits (ACC_SCALE and
    MVIN_SCALE, gemmini_params.h:50-74). ``scale`` is finite.
    """
    scaled = np.rint(np.float64(np.float32(value) * scale))
    high = (1 << (bits - 1)) - 1
    return int(min(max(scaled, -high - 1.0), high + 0.0))


def store_value(value: int, apply_relu: bool, scale: np.float32, bits: int) -> int:
    """What a move-out makes of an accumulator element (integers, activation none or ReLU).

    ReLU comes before the scaling (AccumulatorScale.scala:118-138); F does it after, which is the
    same for every scale that is not negative.
    """
    if apply_relu:
        value = max(value, 0)
    return scale_and_saturate(value, scale, bits)


def store_value_float(value: np.float32, apply_relu: bool, scale: np.float32) -> np.float32:
    """``store_value`` of a floating-point configuration: no rounding to integers, no clipping."""
    if apply_relu:
        value = max(value, np.float32(0))
    return value * scale


def output_stationary_result(value: int, shift: int, output_bits: int) -> int:
    """What leaves the array, output-stationary: shifted, rounded half to even, and clipped.

    ``output_bits`` is the width of the array's outputs, ``array_output_bits``. The clipping applies
    to accumulator targets too (PE.scala:104,111); F writes the unshifted sum there.
    """
    return saturate(round_half_even_shift(value, shift), output_bits)


def spad_result(value: int, apply_relu: bool, bits: int) -> int:
    """What a computation writes to a scratchpad target; output-stationary sums come shifted."""
    value = saturate(value, bits)
    return max(value, 0) if apply_relu else value


def array_output_bits(dim: int, input_bits: int, accumulator_bits: int) -> int:
    """Width of the array's integer outputs: 20 for the default (spatialArrayOutputType).

    Wider arrays and inputs get what ``dim`` products and a bias need, so that weight-stationary
    partial sums never overflow, up to the accumulator's width.
    """
    needed = 2 * input_bits + (dim - 1).bit_length()
    return min(max(20, needed), accumulator_bits)


# The normalizer (only where the configuration has it; integers). The integer approximations are
# those of I-BERT, as the CPU versions of gemmini.h compute them (F:1708-1806).


class NormCommand(IntEnum):
    """Bits 28:26 of a move-out's local address: a statistic to update, or RESET to write data."""

    RESET = 0
    SUM = 1
    MEAN = 2
    VARIANCE = 3
    INV_STDDEV = 4
    MAX = 5
    SUM_EXP = 6
    INV_SUM_EXP = 7


STATISTICS = 4
"""Rows that the normalizer follows at a time, each under a ``stat_id`` (NORM_STAT_IDS)."""
NON_FINAL_COMMAND = (0, 1, 1, 3, 3, 5, 6, 6)
"""What a command becomes for the blocks of a row before the last: a sum without its conclusion."""


def igelu(value: int, qb: int, qc: int, bits: int) -> int:
    """Integer approximation of GELU; every step wraps around at ``bits`` bits."""
    sign = (value > 0) - (value < 0)
    rest = wrap(min(abs(value), -qb) + qb, bits)
    error_function = wrap(sign * wrap(rest * rest + qc, bits) + qc, bits)
    return wrap(value * error_function, bits)


def integer_exp(value: int, qln2: int, qln2_inverse: int, qb: int, qc: int, bits: int) -> int:
    """Integer approximation of the exponential of ``value <= 0`` (iexp).

    Every step wraps around at ``bits`` bits; a shift is by 0 to 31.
    """
    value = wrap(value, bits)
    halvings = wrap((-value * qln2_inverse) >> 16, bits)
    rest = wrap(wrap(value + halvings * qln2, bits) + qb, bits)
    return wrap(rest * rest + qc, bits) >> min(max(halvings, 0), 31)


def truncated_quotient(dividend: int, divisor: int) -> int:
    """C's integer division by a positive ``divisor``: the mean and the variance of a row."""
    quotient = abs(dividend) // divisor
    return -quotient if dividend < 0 else quotient


def inverse_stddev(variance: int) -> np.float32:
    """``1 / sqrt(variance)`` in float32; 1 for a variance of 0, as gemmini.h has it."""
    if variance <= 0:
        return np.float32(1)
    return np.float32(1) / np.sqrt(np.float32(variance))


def inverse_exp_sum(exp_sum: int) -> np.float32:
    """``127 / exp_sum`` in float32: the largest output of softmax is 127."""
    if exp_sum <= 0:
        return np.float32(127)
    return np.float32(127) / np.float32(exp_sum)
