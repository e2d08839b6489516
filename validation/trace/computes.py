"""The computations over symbolic cells (compiled from ``hw.gemmini.semantics``)."""

from __future__ import annotations

from typing import Any

from ...hw.gemmini import semantics
from ..compiled import inner
from .cells import OVERFLOWED, transformed
from .interning import intern
from .state import EMPTY_SUM, SUMS_HELD, UNDEFINED, WEIGHTS_HELD, ZERO, Machine
from .status import Status, fail
from .sums import add_cells, add_summand, cell_of_sum

Record = Any
Cells = Any

_DONE, _CHAINS = int(Status.DONE), int(Status.TOO_MANY_CHAINS)
_UNDEFINED_SPAD, _UNDEFINED_ACC = int(Status.UNDEFINED_SPAD), int(Status.UNDEFINED_ACCUMULATOR)
_SUMS_AS_WEIGHTS = int(Status.SUMS_AS_WEIGHTS)

_stationary_cell = inner(semantics.stationary_cell)
_a_cell = inner(semantics.a_cell)
_b_cell = inner(semantics.b_cell)
_c_target = inner(semantics.c_target)


@inner
def _read(unit: Record, spad: Cells, index: int, row: int, column: int) -> int:
    """A scratchpad cell; the place is noted if it is undefined."""
    cell = spad[row, column]
    if cell == UNDEFINED:
        fail(unit, _UNDEFINED_SPAD, index, row, column)
    return cell


@inner
def _read_stationary(unit: Record, spad: Cells, product: Record, cells: Cells) -> bool:
    """Fill the matrix with the preloaded operand; false if a cell is undefined."""
    if product.stationary_is_none == 1:
        return True
    transpose = product.weight_stationary == 1 and product.b_transpose == 1
    for i in range(product.stationary_rows):
        for j in range(product.stationary_cols):
            row, column = _stationary_cell(i, j, transpose)
            row += product.stationary_row
            cells[i, j] = _read(unit, spad, product.preload_index, row, column)
            if cells[i, j] == UNDEFINED:
                return False
    return True


@inner
def _read_a(unit: Record, spad: Cells, product: Record, cells: Cells) -> bool:
    """Fill the matrix with operand A; false if a cell is undefined."""
    if product.a_is_none == 1:
        return True
    transpose = product.a_transpose == 1
    for i in range(product.a_rows):
        for k in range(product.a_cols):
            row, column = _a_cell(i, k, product.a_stride, transpose)
            cells[i, k] = _read(unit, spad, product.index, product.a_row + row, column)
            if cells[i, k] == UNDEFINED:
                return False
    return True


@inner
def _read_other(unit: Record, spad: Cells, product: Record, cells: Cells) -> bool:
    """Fill the matrix with D (weight-stationary) or B; false if a cell is undefined."""
    if product.other_is_none == 1:
        return True
    transpose = product.weight_stationary == 0 and product.b_transpose == 1
    for k in range(product.other_rows):
        for j in range(product.other_cols):
            row, column = _b_cell(k, j, transpose)
            cells[k, j] = _read(unit, spad, product.index, product.other_row + row, column)
            if cells[k, j] == UNDEFINED:
                return False
    return True


@inner
def _interned_row(unit: Record, rows: Cells, slots: Cells, cells: Cells) -> int:
    number = intern(rows, slots, unit.row_count, cells)
    unit.row_count = max(unit.row_count, number + 1)
    return number


@inner
def _interned_matrix(machine: Machine, cells: Cells) -> int:
    unit, numbers = machine.registers[0], machine.numbers
    for k in range(len(cells)):
        numbers[k] = _interned_row(unit, machine.rows, machine.row_slots, cells[k])
    number = intern(machine.matrices, machine.matrix_slots, unit.matrix_count, numbers)
    unit.matrix_count = max(unit.matrix_count, number + 1)
    return number


@inner
def _load_array(machine: Machine, product: Record, operand: Cells) -> None:
    """The preloaded operand enters the array: weights, or the start values of the sums."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    if product.weight_stationary == 1:
        unit.array_holds = WEIGHTS_HELD
        unit.matrix = _interned_matrix(machine, operand)
        return
    unit.array_holds = SUMS_HELD
    for i in range(dim):
        number = _interned_row(unit, machine.rows, machine.row_slots, operand[i])
        add_cells(unit, machine.nodes, machine.sums[i], dim, number, False)


@inner
def _weights_become_sums(machine: Machine) -> None:
    """The dataflow changed while the array held weights: they are now start values."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    for i in range(dim):
        number = machine.matrices[unit.matrix, i]
        add_cells(unit, machine.nodes, machine.sums[i], dim, number, False)
    unit.array_holds = SUMS_HELD


@inner
def _add_products(machine: Machine, sums: Cells, columns: int, row: Cells, matrix: int) -> int:
    """Add ``row · matrix`` to the first sums; the column of one never written, −1 if none."""
    unit = machine.registers[0]
    number = _interned_row(unit, machine.rows, machine.row_slots, row)
    return add_summand(unit, machine.nodes, sums, columns, number, matrix, True)


@inner
def _result_cell(machine: Machine, column: int, head: int, first: int, second: int) -> int:
    """The sum ``head`` after two transforms."""
    unit = machine.registers[0]
    cell = cell_of_sum(machine.nodes, machine.rows, column, head)
    cell = transformed(unit, machine.chains, machine.compose, cell, first)
    if cell != OVERFLOWED and second != 0:
        cell = transformed(unit, machine.chains, machine.compose, cell, second)
    return cell


@inner
def _write_result(
    machine: Machine, product: Record, i: int, sums: Cells, output: int, result: int
) -> int:
    """Send row ``i`` of the result to its target, through the array's transform ``output``.

    ``result`` is the transform of what goes to the scratchpad.
    """
    unit, dim = machine.registers[0], machine.spad.shape[1]
    to_acc, keep = product.c_in_accumulator == 1, product.c_accumulate == 1
    row, count = product.c_row + _c_target(i, product.c_stride), product.c_cols
    if to_acc and not keep and output == 0:
        for j in range(count):
            machine.acc[row, j] = sums[j]
        return _DONE
    cells = machine.local_line
    for j in range(dim):
        cells[j] = ZERO
    for j in range(count):
        cells[j] = _result_cell(machine, j, sums[j], output, 0 if to_acc else result)
        if cells[j] == OVERFLOWED:
            return fail(unit, _CHAINS, product.index, 0, 0)
    if not to_acc:
        for j in range(count):
            machine.spad[row, j] = cells[j]
        return _DONE
    number = _interned_row(unit, machine.rows, machine.row_slots, cells)
    column = add_cells(unit, machine.nodes, machine.acc[row], count, number, keep)
    return fail(unit, _UNDEFINED_ACC, product.index, row, column) if column >= 0 else _DONE


@inner
def _weight_stationary_row(
    machine: Machine, product: Record, i: int, a: Cells, bias: Cells, result: int
) -> int:
    """Row ``i`` of D + A · weights.

    Sums that the accumulator keeps grow in place, so that the columns of a row share them.
    """
    unit, dim = machine.registers[0], machine.spad.shape[1]
    number = _interned_row(unit, machine.rows, machine.row_slots, bias)
    if product.c_in_accumulator == 1 and product.c_accumulate == 1:
        row = product.c_row + _c_target(i, product.c_stride)
        sums, columns = machine.acc[row], product.c_cols
        column = add_cells(unit, machine.nodes, sums, columns, number, True)
        if column >= 0:
            return fail(unit, _UNDEFINED_ACC, product.index, row, column)
        _add_products(machine, sums, columns, a, unit.matrix)
        return _DONE
    sums = machine.local_sums
    for j in range(dim):
        sums[j] = EMPTY_SUM
    add_cells(unit, machine.nodes, sums, dim, number, True)
    _add_products(machine, sums, dim, a, unit.matrix)
    return _write_result(machine, product, i, sums, 0, result)


@inner
def compute(machine: Machine, product: Record, output: int, result: int) -> int:
    """Execute a computation and, if it takes the preloaded operand, its preload; a status."""
    unit, dim = machine.registers[0], machine.spad.shape[1]
    unit.command = product.index
    weights = product.weight_stationary == 1
    stationary, a, other = machine.operands[0], machine.operands[1], machine.operands[2]
    for i in range(dim):
        for j in range(dim):
            stationary[i, j], a[i, j], other[i, j] = ZERO, ZERO, ZERO
    if product.preloaded == 1:
        if not _read_stationary(unit, machine.spad, product, stationary):
            return _UNDEFINED_SPAD
        _load_array(machine, product, stationary)
    if weights and unit.array_holds == SUMS_HELD:
        return fail(unit, _SUMS_AS_WEIGHTS, product.index, 0, 0)
    if not weights and unit.array_holds == WEIGHTS_HELD:
        _weights_become_sums(machine)
    if not _read_other(unit, machine.spad, product, other):
        return _UNDEFINED_SPAD
    if not _read_a(unit, machine.spad, product, a):
        return _UNDEFINED_SPAD
    matrix = 0 if weights else _interned_matrix(machine, other)
    rows = 0 if product.c_is_none == 1 else product.c_rows
    for i in range(rows if weights else dim):
        status = _DONE
        if weights:
            status = _weight_stationary_row(machine, product, i, a[i], other[i], result)
        else:
            _add_products(machine, machine.sums[i], dim, a[i], matrix)
            if i < rows:
                status = _write_result(machine, product, i, machine.sums[i], output, result)
        if status != _DONE:
            return status
    return _DONE
