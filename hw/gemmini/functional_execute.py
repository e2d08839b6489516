"""Preload and computation, compiled."""

from __future__ import annotations

from . import semantics
from .functional_load import add_to_cell
from .functional_state import (
    Machine,
    Record,
    compiled,
    require_valid_acc,
    require_valid_spad,
)
from .isa import Activation


@compiled
def multiply(machine: Machine, product: Record) -> None:
    """A computation, with its preload if it takes the preloaded operand."""
    is_ws = product.weight_stationary == 1
    if product.preloaded == 1:
        fetch_stationary(machine, product, is_ws and product.b_transpose == 1)
    fetch_other(machine, product, not is_ws and product.b_transpose == 1)
    if product.a_is_none == 0:
        check_a(machine, product)
    if is_ws:
        multiply_weight_stationary(machine, product)
    else:
        multiply_output_stationary(machine, product)


@compiled
def fetch_stationary(machine: Machine, product: Record, transpose: bool) -> None:
    """Fill the array with B or D; zeros outside of the operand."""
    machine.array[:] = 0
    if product.stationary_is_none == 1:
        return
    base, index = product.stationary_row, product.preload_index
    rows, cols = product.stationary_rows, product.stationary_cols
    check_operand(machine, base, rows, cols, transpose, index)
    for i in range(rows):
        for j in range(cols):
            row, col = semantics.stationary_cell(i, j, transpose)
            machine.array[i, j] = machine.spad[base + row, col]


@compiled
def fetch_other(machine: Machine, product: Record, transpose: bool) -> None:
    """Read operand D (weight-stationary) or B (output-stationary); zeros outside of it."""
    machine.other[:] = 0
    if product.other_is_none == 1:
        return
    base, rows, cols = product.other_row, product.other_rows, product.other_cols
    check_operand(machine, base, rows, cols, transpose, product.index)
    for k in range(rows):
        for j in range(cols):
            row, col = semantics.b_cell(k, j, transpose)
            machine.other[k, j] = machine.spad[base + row, col]


@compiled
def check_operand(
    machine: Machine, base: int, rows: int, cols: int, transpose: bool, index: int
) -> None:
    """Require that every cell of B or D was written."""
    for row in range(cols if transpose else rows):
        require_valid_spad(machine, base + row, rows if transpose else cols, index)


@compiled
def check_a(machine: Machine, product: Record) -> None:
    """Require that every cell of A was written."""
    transpose = product.a_transpose == 1
    length = product.a_rows if transpose else product.a_cols
    for row in range(product.a_cols if transpose else product.a_rows):
        cell = product.a_row + row * product.a_stride
        require_valid_spad(machine, cell, length, product.index)


@compiled
def multiply_weight_stationary(machine: Machine, product: Record) -> None:
    """c = D + A · array, as far as C reaches."""
    c_rows = 0 if product.c_is_none == 1 else product.c_rows
    for i in range(c_rows):
        for j in range(machine.dim):
            machine.total[i, j] = machine.other[i, j]
        add_row_product(machine, product, i, machine.array)
    for i in range(c_rows):
        write_result(machine, product, i)


@compiled
def multiply_output_stationary(machine: Machine, product: Record) -> None:
    """array += A · B; what C reaches is written too."""
    for i in range(machine.dim):
        for j in range(machine.dim):
            machine.total[i, j] = machine.array[i, j]
        add_row_product(machine, product, i, machine.other)
        for j in range(machine.dim):
            machine.array[i, j] = machine.total[i, j]
    for i in range(0 if product.c_is_none == 1 else product.c_rows):
        shift_result(machine, product, i)
        write_result(machine, product, i)


@compiled
def add_row_product(machine: Machine, product: Record, i: int, right: Record) -> None:
    """Add row ``i`` of A times the matrix ``right`` to the row of totals, in order of k."""
    spad, total = machine.spad, machine.total
    rows = 0 if product.a_is_none == 1 else product.a_rows
    cols = 0 if product.a_is_none == 1 or i >= rows else product.a_cols
    transpose = product.a_transpose == 1
    for k in range(cols):
        row, col = semantics.a_cell(i, k, product.a_stride, transpose)
        left = spad[product.a_row + row, col]
        for j in range(machine.dim):
            total[i, j] += left * right[k, j]
    if not machine.is_integer:
        # Absent elements are zeros that the hardware does add: -0 becomes 0, 0 · inf becomes NaN.
        for k in range(cols, machine.dim):
            for j in range(machine.dim):
                total[i, j] += spad.dtype.type(0) * right[k, j]


@compiled
def shift_result(machine: Machine, product: Record, i: int) -> None:
    """What output-stationary sums go through on their way out of the array."""
    if machine.is_integer:
        for j in range(machine.dim):
            machine.total[i, j] = semantics.output_stationary_result(
                int(machine.total[i, j]), product.shift, machine.output_bits
            )


@compiled
def write_result(machine: Machine, product: Record, i: int) -> None:
    """Write row ``i`` of the totals as row ``i`` of C."""
    row = product.c_row + semantics.c_target(i, product.c_stride)
    if product.c_in_accumulator == 0:
        write_spad_row(machine, product, i, row)
    elif product.c_accumulate == 1:
        require_valid_acc(machine, row, product.c_cols, product.index)
        for j in range(product.c_cols):
            add_to_cell(machine, row, j, machine.total[i, j])
    else:
        for j in range(product.c_cols):
            machine.acc[row, j] = machine.total[i, j]
            machine.acc_valid[row, j] = 1


@compiled
def write_spad_row(machine: Machine, product: Record, i: int, row: int) -> None:
    """Saturate and activate row ``i`` of the totals into a scratchpad row."""
    spad, total = machine.spad, machine.total
    apply_relu = product.activation == Activation.RELU
    for j in range(product.c_cols):
        if machine.is_integer:
            spad[row, j] = semantics.spad_result(int(total[i, j]), apply_relu, machine.input_bits)
        elif apply_relu:
            spad[row, j] = max(total[i, j], total.dtype.type(0))
        else:
            spad[row, j] = total[i, j]
        machine.spad_valid[row, j] = 1
