"""Move-in and move-out over symbolic cells (compiled from ``hw.gemmini.semantics``)."""

from __future__ import annotations

from typing import Any

from ...hw.gemmini import semantics
from ..compiled import inner
from .cells import OVERFLOWED, opaque_cell, transformed
from .interning import intern
from .state import NO_SUM, UNDEFINED, ZERO, Machine
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
def mvout(machine: Machine, move: Record, width: int, transform: int) -> int:
    """Execute a move-out of elements of ``width`` bytes; a status."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    from_acc = move.in_accumulator == 1
    cells = machine.line[: move.cols]
    for row in range(move.rows):
        for place in range(move.cols):
            source, column = _mvout_source(row, place, dim)
            local = move.row + source
            if from_acc:
                cells[place] = _accumulator_cell(machine, local, column, transform)
            else:
                cells[place] = machine.spad[local, column]
            if cells[place] == OVERFLOWED:
                return fail(unit, _CHAINS, move.index, 0, 0)
            if cells[place] == UNDEFINED:
                kind = _UNDEFINED_ACC if from_acc else _UNDEFINED_SPAD
                return fail(unit, kind, move.index, local, column)
        start = move.dram + _dram_offset(row, 0, move.stride, width)
        _write_dram(unit, machine.arrays, machine.dram, start, width, cells)
    return _DONE
