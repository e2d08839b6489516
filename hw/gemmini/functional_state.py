"""The state of the functional simulator, as its compiled loops see it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from . import semantics
from .config import GemminiConfig
from .semantics import STATISTICS, array_output_bits

compiled = register_jitable(no_cfunc_wrapper=True, error_model="numpy")
"""Marks a function that is compiled into the simulator's loop; no divisor in them is ever 0."""

for _function in (
    semantics.dram_offset,
    semantics.mvin_target,
    semantics.repeat_target,
    semantics.mvout_source,
    semantics.pool_out_index,
    semantics.pool_source,
    semantics.pool_offset,
    semantics.stationary_cell,
    semantics.a_cell,
    semantics.b_cell,
    semantics.c_target,
    semantics.wrap,
    semantics.saturate,
    semantics.round_half_even_shift,
    semantics.scale_and_saturate,
    semantics.store_value,
    semantics.store_value_float,
    semantics.output_stationary_result,
    semantics.spad_result,
    semantics.igelu,
    semantics.integer_exp,
    semantics.truncated_quotient,
    semantics.inverse_stddev,
    semantics.inverse_exp_sum,
):
    compiled(_function)

Record = Any
"""A record of one of the tables of ``resolve``, or of ``STATISTIC``."""


class Fault(IntEnum):
    """Why a run ended early: a read of a cell that nothing has written."""

    NONE = 0
    SPAD_UNINITIALISED = 1
    ACC_UNINITIALISED = 2


FAULT = np.dtype([(name, np.int64) for name in ("kind", "index", "row", "col")], align=True)

STATISTIC = np.dtype(
    [
        ("last_command", np.int64),
        ("sum", np.int64),
        ("count", np.int64),
        ("mean", np.int64),
        ("maximum", np.int64),
        ("inverse_stddev", np.float32),
        ("inverse_exp_sum", np.float32),
    ],
    align=True,
)
"""What the normalizer knows of the row with one ``stat_id``."""


class Machine(NamedTuple):
    """The configuration and the memories; numba passes it as one argument."""

    dim: int
    is_integer: bool
    input_bits: int
    accumulator_bits: int
    output_bits: int
    tracks_validity: bool
    narrow: NDArray[Any]
    """The DRAM image as scratchpad elements."""
    wide: NDArray[Any]
    """The same bytes as accumulator elements."""
    spad: NDArray[Any]
    acc: NDArray[Any]
    spad_valid: NDArray[np.uint8]
    """1 for each cell that was written."""
    acc_valid: NDArray[np.uint8]
    array: NDArray[Any]
    """The operand in the systolic array: weights, or sums if output-stationary."""
    other: NDArray[Any]
    """Scratch memory: operand D or B of the current computation."""
    total: NDArray[Any]
    """Scratch memory: the result, which is written when all operands are read."""
    statistics: Any
    """One ``STATISTIC`` for each ``stat_id``."""
    fault: Any
    """One ``FAULT``: the first of the run."""


def new_machine(
    config: GemminiConfig, image: NDArray[np.uint8], *, tracks_validity: bool = True
) -> Machine:
    """A machine after reset, with ``image`` as its DRAM (shared, not copied)."""
    narrow, wide = np.dtype(config.input_type), np.dtype(config.accumulator_type)
    input_bits, accumulator_bits = 8 * narrow.itemsize, 8 * wide.itemsize
    dim = config.dim
    return Machine(
        dim,
        config.is_integer,
        input_bits,
        accumulator_bits,
        array_output_bits(dim, input_bits, accumulator_bits),
        tracks_validity,
        _elements(image, narrow),
        _elements(image, wide),
        np.zeros((config.spad_rows, dim), narrow),
        np.zeros((config.acc_rows, dim), wide),
        np.zeros((config.spad_rows, dim), np.uint8),
        np.zeros((config.acc_rows, dim), np.uint8),
        np.zeros((dim, dim), wide),
        np.zeros((dim, dim), wide),
        np.zeros((dim, dim), wide),
        np.zeros(STATISTICS, STATISTIC),
        np.zeros(1, FAULT),
    )


@compiled
def require_valid_spad(machine: Machine, row: int, cols: int, index: int) -> None:
    """Note a fault if one of the first ``cols`` cells of a scratchpad row was never written."""
    if machine.tracks_validity:
        col = first_invalid(machine.spad_valid[row], cols)
        if col >= 0:
            note_fault(machine, Fault.SPAD_UNINITIALISED, index, row, col)


@compiled
def require_valid_acc(machine: Machine, row: int, cols: int, index: int) -> None:
    """Note a fault if one of the first ``cols`` cells of an accumulator row was never written."""
    if machine.tracks_validity:
        col = first_invalid(machine.acc_valid[row], cols)
        if col >= 0:
            note_fault(machine, Fault.ACC_UNINITIALISED, index, row, col)


@compiled
def first_invalid(valid: NDArray[np.uint8], cols: int) -> int:
    """The first of ``cols`` cells that is 0, or −1."""
    every = np.uint8(1)
    for col in range(cols):
        every &= valid[col]
    if every == 1:
        return -1
    for col in range(cols):
        if valid[col] == 0:
            return col
    return -1


@compiled
def note_fault(machine: Machine, kind: int, index: int, row: int, col: int) -> None:
    """Keep the first fault of the run."""
    fault = machine.fault[0]
    if fault.kind == 0:
        fault.kind = kind
        fault.index = index
        fault.row = row
        fault.col = col


def _elements(image: NDArray[np.uint8], element: np.dtype[Any]) -> NDArray[Any]:
    return image[: len(image) // element.itemsize * element.itemsize].view(element)
