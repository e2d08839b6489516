"""Preload and the computations over symbolic cells (compiled from ``hw.gemmini.semantics``)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ...hw.gemmini import semantics
from .cells import OVERFLOWED, sum_cell, transformed
from .interning import intern
from .state import (
    EMPTY_SUM,
    NOTHING_HELD,
    SUMS_HELD,
    UNDEFINED,
    WEIGHTS_HELD,
    ZERO,
    Machine,
)
from .status import Status, fail
from .sums import add_cells, add_summand

Record = Any
Cells = Any

_DONE, _TOO_LARGE = int(Status.DONE), int(Status.TOO_LARGE)
_OUTSIDE_SPAD, _OUTSIDE_ACC = int(Status.OUTSIDE_SPAD), int(Status.OUTSIDE_ACCUMULATOR)
_UNDEFINED_SPAD, _UNDEFINED_ACC = int(Status.UNDEFINED_SPAD), int(Status.UNDEFINED_ACCUMULATOR)
_ACCUMULATOR_OPERAND = int(Status.ACCUMULATOR_OPERAND)
_UNDEFINED_ARRAY, _NO_PRELOAD = int(Status.UNDEFINED_ARRAY), int(Status.NO_PRELOAD)
_SUMS_AS_WEIGHTS, _CHAINS = int(Status.SUMS_AS_WEIGHTS), int(Status.TOO_MANY_CHAINS)

_stationary_cell = numba.njit(semantics.stationary_cell)
_a_cell = numba.njit(semantics.a_cell)
_b_cell = numba.njit(semantics.b_cell)
_c_target = numba.njit(semantics.c_target)


@numba.njit
def preload(machine: Machine, command: Record) -> int:
    """Note the stationary operand and the target for the computation that follows."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    if max(command.rows, command.cols, command.second_rows, command.second_cols) > dim:
        return _TOO_LARGE
    if command.in_accumulator == 1 and command.is_none == 0:
        return _ACCUMULATOR_OPERAND
    unit.has_preload = 1
    unit.stationary_row = command.row
    unit.stationary_none = command.is_none
    unit.stationary_rows = command.rows
    unit.stationary_cols = command.cols
    unit.target_row = command.second_row
    unit.target_none = command.second_is_none
    unit.target_rows = command.second_rows
    unit.target_cols = command.second_cols
    unit.target_in_accumulator = command.second_in_accumulator
    unit.target_accumulates = command.second_accumulates
    return _DONE


@numba.njit
def _read(unit: Record, spad: Cells, row: int, column: int) -> int:
    """A scratchpad cell; ``UNDEFINED``, and the place noted, if it is undefined or outside."""
    cell = spad[row, column] if row < len(spad) else UNDEFINED
    if cell == UNDEFINED:
        unit.error_row = row
        unit.error_detail = column
    return cell


@numba.njit
def _bad_read(unit: Record, spad: Cells) -> int:
    """The status of the read that just failed."""
    return _UNDEFINED_SPAD if unit.error_row < len(spad) else _OUTSIDE_SPAD


@numba.njit
def _read_stationary(unit: Record, spad: Cells, transpose: bool, cells: Cells) -> bool:
    """Fill the matrix with the preloaded operand; false if a cell is undefined or outside."""
    if unit.stationary_none == 1:
        return True
    for i in range(unit.stationary_rows):
        for j in range(unit.stationary_cols):
            row, column = _stationary_cell(i, j, transpose)
            cells[i, j] = _read(unit, spad, unit.stationary_row + row, column)
            if cells[i, j] == UNDEFINED:
                return False
    return True


@numba.njit
def _read_a(unit: Record, spad: Cells, command: Record, cells: Cells) -> bool:
    """Fill the matrix with operand A."""
    if command.is_none == 1:
        return True
    transpose = command.a_transpose == 1
    for i in range(command.rows):
        for k in range(command.cols):
            row, column = _a_cell(i, k, command.a_stride, transpose)
            cells[i, k] = _read(unit, spad, command.row + row, column)
            if cells[i, k] == UNDEFINED:
                return False
    return True


@numba.njit
def _read_second(unit: Record, spad: Cells, command: Record, cells: Cells) -> bool:
    """Fill the matrix with the second operand: D if weight-stationary, B if output-stationary."""
    if command.second_is_none == 1:
        return True
    transpose = command.weight_stationary == 0 and command.b_transpose == 1
    for k in range(command.second_rows):
        for j in range(command.second_cols):
            row, column = _b_cell(k, j, transpose)
            cells[k, j] = _read(unit, spad, command.second_row + row, column)
            if cells[k, j] == UNDEFINED:
                return False
    return True


@numba.njit
def _interned_row(unit: Record, rows: Cells, slots: Cells, cells: Cells) -> int:
    number = intern(rows, slots, unit.row_count, cells)
    unit.row_count = max(unit.row_count, number + 1)
    return number


@numba.njit
def _interned_matrix(machine: Machine, cells: Cells) -> int:
    unit = machine.registers[0]
    numbers = np.zeros(len(cells), np.int32)
    for k in range(len(cells)):
        numbers[k] = _interned_row(unit, machine.rows, machine.row_slots, cells[k])
    number = intern(machine.matrices, machine.matrix_slots, unit.matrix_count, numbers)
    unit.matrix_count = max(unit.matrix_count, number + 1)
    return number


@numba.njit
def _load_array(machine: Machine, command: Record) -> int:
    """The preloaded operand enters the array: weights, or the start values of the sums."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    operand = np.full((dim, dim), ZERO)
    weights = command.weight_stationary == 1
    transpose = weights and command.b_transpose == 1
    if not _read_stationary(unit, machine.spad, transpose, operand):
        return _bad_read(unit, machine.spad)
    if weights:
        unit.array_holds = WEIGHTS_HELD
        unit.matrix = _interned_matrix(machine, operand)
        return _DONE
    unit.array_holds = SUMS_HELD
    for i in range(dim):
        number = _interned_row(unit, machine.rows, machine.row_slots, operand[i])
        add_cells(unit, machine.nodes, machine.sums[i], dim, number, False)
    return _DONE


@numba.njit
def _weights_become_sums(machine: Machine) -> None:
    """The dataflow changed while the array held weights: they are now start values."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    for i in range(dim):
        number = machine.matrices[unit.matrix, i]
        add_cells(unit, machine.nodes, machine.sums[i], dim, number, False)
    unit.array_holds = SUMS_HELD


@numba.njit
def _add_products(
    machine: Machine, sums: Cells, columns: int, row: Cells, matrix: int, keep: bool
) -> int:
    """Add ``row · matrix`` to the first sums; the column of one never written, −1 if none."""
    unit = machine.registers[0]
    number = _interned_row(unit, machine.rows, machine.row_slots, row)
    return add_summand(unit, machine.nodes, sums, columns, number, matrix, keep)


@numba.njit
def _write_result(machine: Machine, command: Record, i: int, sums: Cells) -> int:
    """Send row ``i`` of the result to the target of the preload."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    to_acc = unit.target_in_accumulator == 1
    row = unit.target_row + _c_target(i, command.c_stride)
    if row >= (len(machine.acc) if to_acc else len(machine.spad)):
        return fail(unit, _OUTSIDE_ACC if to_acc else _OUTSIDE_SPAD, row, 0)
    count, keep = unit.target_cols, unit.target_accumulates == 1
    if to_acc and not keep and command.array_transform == 0:
        machine.acc[row, :count] = sums[:count]
        return _DONE
    cells = np.full(dim, ZERO)
    for j in range(count):
        if sums[j] == EMPTY_SUM:
            continue
        cell = sum_cell(j, sums[j])
        cell = transformed(unit, machine.chains, machine.compose, cell, command.array_transform)
        if cell != OVERFLOWED and not to_acc:
            cell = transformed(unit, machine.chains, machine.compose, cell, command.spad_transform)
        if cell == OVERFLOWED:
            return fail(unit, _CHAINS, 0, 0)
        cells[j] = cell
    if not to_acc:
        machine.spad[row, :count] = cells[:count]
        return _DONE
    number = _interned_row(unit, machine.rows, machine.row_slots, cells)
    column = add_cells(unit, machine.nodes, machine.acc[row], count, number, keep)
    return fail(unit, _UNDEFINED_ACC, row, column) if column >= 0 else _DONE


@numba.njit
def _weight_stationary_row(machine: Machine, command: Record, i: int, a: Cells, d: Cells) -> int:
    """Row ``i`` of the result: D + A · weights.

    Sums that the accumulator keeps grow in place, so that the columns of a row share them.
    """
    unit, dim = machine.registers[0], machine.spad.shape[1]
    grows = unit.target_in_accumulator == 1 and unit.target_accumulates == 1
    row = unit.target_row + _c_target(i, command.c_stride)
    if grows and row >= len(machine.acc):
        return fail(unit, _OUTSIDE_ACC, row, 0)
    bias = _interned_row(unit, machine.rows, machine.row_slots, d)
    if grows:
        sums, columns = machine.acc[row], unit.target_cols
        column = add_cells(unit, machine.nodes, sums, columns, bias, True)
        if column >= 0:
            return fail(unit, _UNDEFINED_ACC, row, column)
        _add_products(machine, sums, columns, a, unit.matrix, True)
        return _DONE
    sums = np.full(dim, np.int32(EMPTY_SUM))
    add_cells(unit, machine.nodes, sums, dim, bias, True)
    _add_products(machine, sums, dim, a, unit.matrix, True)
    return _write_result(machine, command, i, sums)


@numba.njit
def compute(machine: Machine, command: Record, loads_array: bool) -> int:
    """Execute a computation; a status."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    if max(command.rows, command.cols, command.second_rows, command.second_cols) > dim:
        return _TOO_LARGE
    if unit.has_preload == 0:
        return _NO_PRELOAD
    first = command.in_accumulator == 1 and command.is_none == 0
    if first or (command.second_in_accumulator == 1 and command.second_is_none == 0):
        return _ACCUMULATOR_OPERAND
    if loads_array:
        status = _load_array(machine, command)
        if status != _DONE:
            return status
    if unit.array_holds == NOTHING_HELD:
        return _UNDEFINED_ARRAY
    weights = command.weight_stationary == 1
    if weights and unit.array_holds == SUMS_HELD:
        return _SUMS_AS_WEIGHTS
    if not weights and unit.array_holds == WEIGHTS_HELD:
        _weights_become_sums(machine)
    a, second = np.full((dim, dim), ZERO), np.full((dim, dim), ZERO)
    if not _read_second(unit, machine.spad, command, second):
        return _bad_read(unit, machine.spad)
    if not _read_a(unit, machine.spad, command, a):
        return _bad_read(unit, machine.spad)
    matrix = 0 if weights else _interned_matrix(machine, second)
    rows = 0 if unit.target_none == 1 else unit.target_rows
    for i in range(rows if weights else dim):
        if weights:
            status = _weight_stationary_row(machine, command, i, a[i], second[i])
        else:
            _add_products(machine, machine.sums[i], dim, a[i], matrix, True)
            status = _DONE
            if i < rows:
                status = _write_result(machine, command, i, machine.sums[i])
        if status != _DONE:
            return status
    return _DONE
