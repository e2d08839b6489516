"""Move-in and move-out over symbolic cells (compiled from ``hw.gemmini.semantics``)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ...hw.gemmini import semantics
from .cells import OVERFLOWED, opaque_cell, sum_cell, transformed
from .interning import intern
from .state import EMPTY_SUM, NO_SUM, UNDEFINED, ZERO, Machine
from .status import Status, fail
from .sums import add_cells

Record = Any
Cells = Any

_DONE = int(Status.DONE)
_OUTSIDE_SPAD, _OUTSIDE_ACC = int(Status.OUTSIDE_SPAD), int(Status.OUTSIDE_ACCUMULATOR)
_OUTSIDE_ARRAYS, _CHAINS = int(Status.OUTSIDE_ARRAYS), int(Status.TOO_MANY_CHAINS)
_UNDEFINED_SPAD, _UNDEFINED_ACC = int(Status.UNDEFINED_SPAD), int(Status.UNDEFINED_ACCUMULATOR)

_dram_offset = numba.njit(semantics.dram_offset)
_mvin_target = numba.njit(semantics.mvin_target)
_repeat_target = numba.njit(semantics.repeat_target)
_mvout_source = numba.njit(semantics.mvout_source)


@numba.njit
def _find_array(arrays: Record, address: int, size: int) -> int:
    """The array that holds ``size`` bytes from ``address`` on, or −1."""
    for number in range(len(arrays)):
        offset = address - arrays[number].base
        if 0 <= offset and offset + size <= arrays[number].size:
            return number
    return -1


@numba.njit
def _read_dram(unit: Record, arrays: Record, dram: Cells, start: int, width: int, cells: Cells):
    """Fill ``cells`` with elements of ``width`` bytes from address ``start`` on."""
    number = _find_array(arrays, start, width * len(cells))
    if number < 0:
        return fail(unit, _OUTSIDE_ARRAYS, start, width * len(cells))
    array = arrays[number]
    offset = start - array.base
    if width != array.width or offset % width != 0:
        for place in range(len(cells)):
            cells[place] = opaque_cell(unit)
        return _DONE
    first = array.first + offset // width
    for place in range(len(cells)):
        cells[place] = dram[first + place]
    return _DONE


@numba.njit
def _write_dram(unit: Record, arrays: Record, dram: Cells, start: int, width: int, cells: Cells):
    number = _find_array(arrays, start, width * len(cells))
    if number < 0:
        return fail(unit, _OUTSIDE_ARRAYS, start, width * len(cells))
    array = arrays[number]
    offset = start - array.base
    first = array.first + offset // array.width
    if width == array.width and offset % width == 0:
        for place in range(len(cells)):
            dram[first + place] = cells[place]
        return _DONE
    last = array.first + (offset + width * len(cells) - 1) // array.width
    for place in range(first, last + 1):
        dram[place] = opaque_cell(unit)
    return _DONE


@numba.njit
def _write_spad(unit: Record, spad: Cells, command: Record, row: int, cells: Cells) -> int:
    """Write cells to the start of a row, and the copies that ``pixel_repeats`` asks for."""
    if row >= len(spad):
        return fail(unit, _OUTSIDE_SPAD, row, 0)
    for place in range(len(cells)):
        spad[row, place] = cells[place]
    half = len(spad) // 2
    for repeat in range(1, command.repeats):
        target, column = _repeat_target(row, 0, repeat, command.cols)
        if column + len(cells) > spad.shape[1]:
            return fail(unit, _OUTSIDE_SPAD, target, column + len(cells) - 1)
        if target // half == row // half and target >= 0:
            for place in range(len(cells)):
                spad[target, column + place] = cells[place]
    return _DONE


@numba.njit
def _write_accumulator(machine: Machine, command: Record, row: int, cells: Cells) -> int:
    unit = machine.registers[0]
    if row >= len(machine.acc):
        return fail(unit, _OUTSIDE_ACC, row, 0)
    padded = np.zeros(machine.rows.shape[1], np.int64)
    padded[: len(cells)] = cells
    number = intern(machine.rows, machine.row_slots, unit.row_count, padded)
    unit.row_count = max(unit.row_count, number + 1)
    keep = command.accumulates == 1
    column = add_cells(unit, machine.nodes, machine.acc[row], len(cells), number, keep)
    return fail(unit, _UNDEFINED_ACC, row, column) if column >= 0 else _DONE


@numba.njit
def mvin(machine: Machine, command: Record) -> int:
    """Execute a move-in; a status."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    cells = np.full(command.cols, ZERO)
    for row in range(command.rows):
        if command.dram != 0:
            start = command.dram + _dram_offset(row, 0, command.stride, command.element_bytes)
            width = command.element_bytes
            status = _read_dram(unit, machine.arrays, machine.dram, start, width, cells)
            if status != _DONE:
                return status
        if command.transform != 0:
            for place in range(len(cells)):
                cells[place] = transformed(
                    unit, machine.chains, machine.compose, cells[place], command.transform
                )
                if cells[place] == OVERFLOWED:
                    return fail(unit, _CHAINS, 0, 0)
        for start in range(0, command.cols, dim):
            step, _ = _mvin_target(row, start, dim, command.block_stride)
            block = cells[start : start + dim]
            if command.in_accumulator:
                status = _write_accumulator(machine, command, command.row + step, block)
            else:
                status = _write_spad(unit, machine.spad, command, command.row + step, block)
            if status != _DONE:
                return status
    return _DONE


@numba.njit
def _stored_cell(machine: Machine, command: Record, row: int, column: int) -> int:
    """What the move-out reads, transformed; ``UNDEFINED`` where nothing was written."""
    if not command.in_accumulator:
        return machine.spad[row, column]
    head = machine.acc[row, column]
    if head == NO_SUM:
        return UNDEFINED
    if head == EMPTY_SUM:
        return ZERO
    cell = sum_cell(column, head)
    unit = machine.registers[0]
    return transformed(unit, machine.chains, machine.compose, cell, command.transform)


@numba.njit
def mvout(machine: Machine, command: Record) -> int:
    """Execute a move-out; a status."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    from_acc = command.in_accumulator == 1
    limit = len(machine.acc) if from_acc else len(machine.spad)
    cells = np.full(command.cols, ZERO)
    for row in range(command.rows):
        for place in range(command.cols):
            step, column = _mvout_source(row, place, dim)
            local = command.row + step
            if local >= limit:
                return fail(unit, _OUTSIDE_ACC if from_acc else _OUTSIDE_SPAD, local, column)
            cells[place] = _stored_cell(machine, command, local, column)
            if cells[place] == OVERFLOWED:
                return fail(unit, _CHAINS, 0, 0)
            if cells[place] == UNDEFINED:
                return fail(unit, _UNDEFINED_ACC if from_acc else _UNDEFINED_SPAD, local, column)
        start = command.dram + _dram_offset(row, 0, command.stride, command.element_bytes)
        width = command.element_bytes
        status = _write_dram(unit, machine.arrays, machine.dram, start, width, cells)
        if status != _DONE:
            return status
    return _DONE
