"""Move-in and move-out over symbolic cells (compiled from ``hw.gemmini.semantics``)."""

from __future__ import annotations

from typing import Any

from ...hw.gemmini import semantics
from ..compiled import inner
from .cells import OVERFLOWED, opaque_cell, pool_cell, transformed
from .interning import intern
from .state import NO_SUM, UNDEFINED, ZERO, ZERO_ROW, Machine
from .status import Status, fail
from .sums import add_cells, cell_of_sum

Record = Any
Cells = Any

_DONE, _CHAINS = int(Status.DONE), int(Status.TOO_MANY_CHAINS)
_UNDEFINED_SPAD, _UNDEFINED_ACC = int(Status.UNDEFINED_SPAD), int(Status.UNDEFINED_ACCUMULATOR)

_dram_offset = inner(semantics.dram_offset)
_mvin_target = inner(semantics.mvin_target)
_repeat_target = inner(semantics.repeat_target)
_mvout_source = inner(semantics.mvout_source)
_pool_out_index = inner(semantics.pool_out_index)
_pool_source = inner(semantics.pool_source)
_pool_offset = inner(semantics.pool_offset)


@inner
def _array_at(arrays: Record, address: int) -> Record:
    """The array that holds an address; ``check`` made sure that there is one."""
    number = 0
    while not 0 <= address - arrays[number].base < arrays[number].size:
        number += 1
    return arrays[number]


@inner
def _read_dram(unit: Record, arrays: Record, dram: Cells, start: int, width: int, cells: Cells):
    """Fill ``cells`` with elements of ``width`` bytes from address ``start`` on."""
    array = _array_at(arrays, start)
    offset = start - array.base
    if width != array.width or offset % width != 0:
        for place in range(len(cells)):
            cells[place] = opaque_cell(unit)
        return
    first = array.first + offset // width
    for place in range(len(cells)):
        cells[place] = dram[first + place]


@inner
def _write_dram(unit: Record, arrays: Record, dram: Cells, start: int, width: int, cells: Cells):
    """Write elements of ``width`` bytes; elements of another width become opaque."""
    array = _array_at(arrays, start)
    offset = start - array.base
    first = array.first + offset // array.width
    if width == array.width and offset % width == 0:
        for place in range(len(cells)):
            dram[first + place] = cells[place]
        return
    last = array.first + (offset + width * len(cells) - 1) // array.width
    for place in range(first, last + 1):
        dram[place] = opaque_cell(unit)


@inner
def _write_spad(spad: Cells, move: Record, row: int, cells: Cells) -> None:
    """Write cells to the start of a row, and the copies that ``pixel_repeats`` asks for."""
    for place in range(len(cells)):
        spad[row, place] = cells[place]
    half = len(spad) // 2
    floor = half if row >= half else 0
    for repeat in range(1, move.pixel_repeats):
        target, first = _repeat_target(row, 0, repeat, len(cells))
        if target >= floor:
            for place in range(len(cells)):
                spad[target, first + place] = cells[place]


@inner
def _write_accumulator(machine: Machine, move: Record, row: int, cells: Cells) -> int:
    unit, padded = machine.registers[0], machine.local_line
    for place in range(len(padded)):
        padded[place] = cells[place] if place < len(cells) else ZERO
    number = intern(machine.rows, machine.row_slots, unit.row_count, padded)
    unit.row_count = max(unit.row_count, number + 1)
    keep = move.accumulate == 1
    column = add_cells(unit, machine.nodes, machine.acc[row], len(cells), number, keep)
    return fail(unit, _UNDEFINED_ACC, move.index, row, column) if column >= 0 else _DONE


@inner
def mvin(machine: Machine, move: Record, width: int, transform: int) -> int:
    """Execute a move-in of elements of ``width`` bytes; a status."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    unit.command = move.index
    cells = machine.line[: move.cols]
    for place in range(len(cells)):
        cells[place] = ZERO
    for row in range(move.rows):
        if move.is_zeros == 0:
            start = move.dram + _dram_offset(row, 0, move.stride, width)
            _read_dram(unit, machine.arrays, machine.dram, start, width, cells)
        if transform != 0:
            for place in range(len(cells)):
                cell = transformed(unit, machine.chains, machine.compose, cells[place], transform)
                if cell == OVERFLOWED:
                    return fail(unit, _CHAINS, move.index, 0, 0)
                cells[place] = cell
        for first in range(0, move.cols, dim):
            target, _ = _mvin_target(row, first, dim, move.block_stride)
            block = cells[first : first + dim]
            if move.in_accumulator == 0:
                _write_spad(machine.spad, move, move.row + target, block)
            else:
                status = _write_accumulator(machine, move, move.row + target, block)
                if status != _DONE:
                    return status
    return _DONE


@inner
def _accumulator_cell(machine: Machine, row: int, column: int, transform: int) -> int:
    """What a move-out reads, transformed; ``UNDEFINED`` where nothing was written."""
    head = machine.acc[row, column]
    if head == NO_SUM:
        return UNDEFINED
    unit = machine.registers[0]
    cell = cell_of_sum(machine.nodes, machine.rows, column, head)
    return transformed(unit, machine.chains, machine.compose, cell, transform)


@inner
def _stored_cell(machine: Machine, move: Record, row: int, column: int, transform: int) -> int:
    """What a move-out makes of a local cell; the place is noted if it has no value."""
    unit = machine.registers[0]
    if move.in_accumulator == 1:
        cell = _accumulator_cell(machine, row, column, transform)
    else:
        cell = machine.spad[row, column] + 0
    if cell == OVERFLOWED:
        fail(unit, _CHAINS, move.index, 0, 0)
    elif cell == UNDEFINED:
        kind = _UNDEFINED_ACC if move.in_accumulator == 1 else _UNDEFINED_SPAD
        fail(unit, kind, move.index, row, column)
    return cell


@inner
def _failure(move: Record, cell: int) -> int:
    """The status that belongs to a cell without a value."""
    if cell == OVERFLOWED:
        return _CHAINS
    return _UNDEFINED_ACC if move.in_accumulator == 1 else _UNDEFINED_SPAD


@inner
def _pixel_row(machine: Machine, move: Record, pixel: int, transform: int) -> int:
    """The row of a pixel's channels as they would be stored; −2 − status if there is none."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    if machine.pixels[pixel] >= 0:
        return machine.pixels[pixel] + 0
    cells = machine.local_line
    for column in range(dim):
        cells[column] = ZERO
    for column in range(move.cols):
        cells[column] = _stored_cell(machine, move, move.row + pixel, column, transform)
        if cells[column] in (OVERFLOWED, UNDEFINED):
            return -2 - _failure(move, cells[column])
    number = intern(machine.rows, machine.row_slots, unit.row_count, cells)
    unit.row_count = max(unit.row_count, number + 1)
    machine.pixels[pixel] = number
    return number


@inner
def _window(machine: Machine, move: Record, row: int, col: int, transform: int) -> int:
    """Note the rows of a window as a new pool; a status. Pixels outside of the image are 0."""
    unit, size = machine.registers[0], move.pool_size
    for place in range(size * size):
        at_row = _pool_out_index(row, place // size, move.pool_stride, move.upper_pad)
        at_col = _pool_out_index(col, place % size, move.pool_stride, move.left_pad)
        number = ZERO_ROW
        if 0 <= at_row < move.out_rows and 0 <= at_col < move.out_cols:
            pixel = _pool_source(at_row, at_col, move.out_cols)
            number = _pixel_row(machine, move, pixel, transform)
            if number < 0:
                return -2 - number
        machine.windows[unit.window_count + place] = number
    unit.window_count += size * size
    unit.pool_count += 1
    machine.pools[unit.pool_count] = unit.window_count
    return _DONE


@inner
def _mvout_pooled(machine: Machine, move: Record, width: int, transform: int) -> int:
    """Execute a pooling move-out; a status."""
    unit, cells = machine.registers[0], machine.line[: move.cols]
    machine.pixels[: move.out_rows * move.out_cols] = -1
    for row in range(move.pool_rows):
        for col in range(move.pool_cols):
            number = unit.pool_count + 0
            status = _window(machine, move, row, col, transform)
            if status != _DONE:
                return status
            for column in range(move.cols):
                cells[column] = pool_cell(column, number)
            offset = _pool_offset(row, col, 0, move.pool_out_dim, move.stride, width)
            start = move.dram + offset
            _write_dram(unit, machine.arrays, machine.dram, start, width, cells)
    return _DONE


@inner
def mvout(machine: Machine, move: Record, width: int, transform: int) -> int:
    """Execute a move-out of elements of ``width`` bytes; a status."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    if move.pool_stride > 0:
        return _mvout_pooled(machine, move, width, transform)
    cells = machine.line[: move.cols]
    for row in range(move.rows):
        for place in range(move.cols):
            source, column = _mvout_source(row, place, dim)
            cells[place] = _stored_cell(machine, move, move.row + source, column, transform)
            if cells[place] in (OVERFLOWED, UNDEFINED):
                return _failure(move, cells[place])
        start = move.dram + _dram_offset(row, 0, move.stride, width)
        _write_dram(unit, machine.arrays, machine.dram, start, width, cells)
    return _DONE
