"""Moves in, compiled: DRAM to scratchpad and accumulator."""

from __future__ import annotations

from . import semantics
from .functional_state import Machine, Record, compiled, require_valid_acc


@compiled
def move_in(machine: Machine, move: Record) -> None:
    """Visit the move in runs of elements that are neighbours on both sides."""
    reads_wide = move.in_accumulator == 1 and move.shrunk == 0
    element_bytes = machine.wide.itemsize if reads_wide else machine.narrow.itemsize
    for row in range(move.rows):
        for block in range(0, move.cols, machine.dim):
            target, _ = semantics.mvin_target(row, block, machine.dim, move.block_stride)
            cols = min(machine.dim, move.cols - block)
            offset = semantics.dram_offset(row, block, move.stride, element_bytes)
            source = (move.dram + offset) // element_bytes
            if move.in_accumulator == 1:
                load_accumulator_row(machine, move, source, move.row + target, cols)
            else:
                load_spad_row(machine, move, source, move.row + target, cols)


@compiled
def load_spad_row(machine: Machine, move: Record, source: int, target: int, cols: int) -> None:
    """Write ``cols`` elements to the row ``target``, and its pixel repeats to those before it."""
    narrow, spad, valid = machine.narrow, machine.spad, machine.spad_valid
    if move.is_zeros == 1:
        for col in range(cols):
            spad[target, col] = 0
    elif not machine.is_integer:
        for col in range(cols):
            spad[target, col] = narrow[source + col] * move.scale
    elif move.scale == 1:
        for col in range(cols):
            spad[target, col] = narrow[source + col]
    else:
        for col in range(cols):
            spad[target, col] = semantics.scale_and_saturate(
                int(narrow[source + col]), move.scale, machine.input_bits
            )
    for col in range(cols):
        valid[target, col] = 1
    half = len(spad) // 2
    floor = half if target >= half else 0
    for repeat in range(1, move.pixel_repeats):
        copy, first = semantics.repeat_target(target, 0, repeat, cols)
        if copy >= floor:
            for col in range(cols):
                spad[copy, first + col] = spad[target, col]
                valid[copy, first + col] = 1


@compiled
def load_accumulator_row(
    machine: Machine, move: Record, source: int, target: int, cols: int
) -> None:
    """Write ``cols`` elements to the row ``target``, or add them to it."""
    narrow, wide, acc = machine.narrow, machine.wide, machine.acc
    accumulates = move.accumulate == 1
    if accumulates:
        require_valid_acc(machine, target, cols, move.index)
    for col in range(cols):
        value = acc.dtype.type(0)
        if move.is_zeros == 1:
            pass
        elif machine.is_integer and move.shrunk == 0:
            value = wide[source + col]
        elif machine.is_integer:
            value = acc.dtype.type(
                semantics.scale_and_saturate(
                    int(narrow[source + col]), move.scale, machine.input_bits
                )
            )
        elif move.shrunk == 0:
            value = acc.dtype.type(wide[source + col] * move.scale)
        else:
            value = acc.dtype.type(narrow[source + col] * move.scale)
        if accumulates:
            add_to_cell(machine, target, col, value)
        else:
            acc[target, col] = value
        machine.acc_valid[target, col] = 1


@compiled
def add_to_cell(machine: Machine, row: int, col: int, value: int | float) -> None:
    """The accumulator's adder."""
    acc = machine.acc
    if machine.is_integer:
        total = int(acc[row, col]) + int(value)
        acc[row, col] = semantics.wrap(total, machine.accumulator_bits)
    else:
        acc[row, col] += value
