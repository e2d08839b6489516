"""Moves out, compiled: plain, activated, pooled, and through the normalizer."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from . import semantics
from .functional_state import (
    Machine,
    Record,
    compiled,
    require_valid_acc,
    require_valid_spad,
)
from .isa import Activation
from .semantics import NON_FINAL_COMMAND, NormCommand


@compiled
def move_out(machine: Machine, move: Record) -> None:
    """Visit the move in runs of elements that are neighbours on both sides."""
    if move.pool_stride > 0:
        move_out_pooled(machine, move)
        return
    is_full = move.in_accumulator == 1 and move.full_width == 1
    element_bytes = machine.wide.itemsize if is_full else machine.narrow.itemsize
    for row in range(move.rows):
        for block in range(0, move.cols, machine.dim):
            local, _ = semantics.mvout_source(row, block, machine.dim)
            cols = min(machine.dim, move.cols - block)
            offset = semantics.dram_offset(row, block, move.stride, element_bytes)
            target = (move.dram + offset) // element_bytes
            if move.in_accumulator == 0:
                store_spad_row(machine, move, move.row + local, target, cols)
            else:
                is_last = block + machine.dim >= move.cols
                store_accumulator_row(machine, move, move.row + local, target, cols, is_last)


@compiled
def store_spad_row(machine: Machine, move: Record, source: int, target: int, cols: int) -> None:
    """Copy a run of scratchpad elements."""
    require_valid_spad(machine, source, cols, move.index)
    for col in range(cols):
        machine.narrow[target + col] = machine.spad[source, col]


@compiled
def store_accumulator_row(
    machine: Machine, move: Record, source: int, target: int, cols: int, is_last: bool
) -> None:
    """Store a run of accumulator elements, or only update a statistic with it."""
    require_valid_acc(machine, source, cols, move.index)
    values = machine.acc[source, :cols]
    if move.norm_command != NormCommand.RESET:
        update_statistic(machine, move, values, is_last)
    elif move.full_width == 1:
        for col in range(cols):
            machine.wide[target + col] = values[col]
    else:
        machine.statistics[move.stat_id].last_command = NormCommand.RESET
        scale = normalizer_scale(machine, move)
        for col in range(cols):
            machine.narrow[target + col] = stored_value(machine, move, values[col], scale)


@compiled
def stored_value(machine: Machine, move: Record, value: Any, scale: Any) -> Any:
    """An accumulator element as a narrow move-out stores it."""
    apply_relu = move.activation == Activation.RELU
    element = machine.narrow.dtype.type
    if not machine.is_integer:
        return element(semantics.store_value_float(value, apply_relu, scale))
    number = int(value)
    if move.activation > Activation.RELU:
        number = normalized(machine, move, number)
    return element(semantics.store_value(number, apply_relu, scale, machine.input_bits))


@compiled
def normalizer_scale(machine: Machine, move: Record) -> Any:
    """The configured scale times what the row's statistic contributes (Normalizer.scala)."""
    statistic = machine.statistics[move.stat_id]
    if move.activation == Activation.LAYERNORM:
        return move.scale * statistic.inverse_stddev
    if move.activation == Activation.SOFTMAX:
        return move.scale * statistic.inverse_exp_sum
    return move.scale


@compiled
def normalized(machine: Machine, move: Record, value: int) -> int:
    """An accumulator element after layernorm, i-GELU or softmax, before scaling."""
    bits = machine.accumulator_bits
    if move.activation == Activation.LAYERNORM:
        return semantics.wrap(value - machine.statistics[move.stat_id].mean, bits)
    if move.activation == Activation.IGELU:
        return semantics.igelu(value, move.igelu_qb, move.igelu_qc, bits)
    return exponential(machine, move, value)


@compiled
def exponential(machine: Machine, move: Record, value: int) -> int:
    """The integer exponential of an element relative to the maximum of its row."""
    return semantics.integer_exp(
        value - machine.statistics[move.stat_id].maximum,
        move.qln2,
        move.qln2_inverse,
        move.igelu_qb,
        move.igelu_qc,
        machine.accumulator_bits,
    )


@compiled
def update_statistic(
    machine: Machine, move: Record, values: NDArray[Any], is_last_block: bool
) -> None:
    """Run a normalizer command over one block of a row.

    A sum or maximum starts anew unless the last command for the same ``stat_id`` was the same one.
    """
    statistic = machine.statistics[move.stat_id]
    running = NON_FINAL_COMMAND[move.norm_command]
    command = move.norm_command if is_last_block else running
    if statistic.last_command != running:
        statistic.sum = 0
        statistic.count = 0
        if running == NormCommand.MAX:
            statistic.maximum = -(1 << (machine.accumulator_bits - 1))
    for number in values:
        value = int(number)
        if running == NormCommand.MAX:
            statistic.maximum = max(statistic.maximum, value)
        elif running == NormCommand.VARIANCE:
            value = (value - statistic.mean) * (value - statistic.mean)
        elif running == NormCommand.SUM_EXP:
            value = exponential(machine, move, value)
        statistic.sum = semantics.wrap(statistic.sum + value, machine.accumulator_bits)
    statistic.count += len(values)
    statistic.last_command = command
    if command == NormCommand.MEAN:
        statistic.mean = semantics.truncated_quotient(statistic.sum, statistic.count)
    elif command == NormCommand.INV_STDDEV:
        variance = semantics.truncated_quotient(statistic.sum, statistic.count)
        statistic.inverse_stddev = semantics.inverse_stddev(variance)
    elif command == NormCommand.INV_SUM_EXP:
        statistic.inverse_exp_sum = semantics.inverse_exp_sum(statistic.sum)


@compiled
def move_out_pooled(machine: Machine, move: Record) -> None:
    """mvout with max-pooling."""
    element_bytes = machine.narrow.itemsize
    for row in range(move.pool_rows):
        for col in range(move.pool_cols):
            for channel in range(move.cols):
                offset = semantics.pool_offset(
                    row, col, channel, move.pool_out_dim, move.stride, element_bytes
                )
                machine.narrow[(move.dram + offset) // element_bytes] = pooled_element(
                    machine, move, row, col, channel
                )


@compiled
def pooled_element(
    machine: Machine, move: Record, pooled_row: int, pooled_col: int, channel: int
) -> Any:
    """The largest element of one window; elements outside of the image count as 0."""
    best = machine.narrow.dtype.type(0)
    for window_row in range(move.pool_size):
        for window_col in range(move.pool_size):
            row = semantics.pool_out_index(pooled_row, window_row, move.pool_stride, move.upper_pad)
            col = semantics.pool_out_index(pooled_col, window_col, move.pool_stride, move.left_pad)
            value = machine.narrow.dtype.type(0)
            if 0 <= row < move.out_rows and 0 <= col < move.out_cols:
                source = move.row + semantics.pool_source(row, col, move.out_cols)
                value = pool_value(machine, move, source, channel)
            if (window_row == 0 and window_col == 0) or value > best:
                best = value
    return best


@compiled
def pool_value(machine: Machine, move: Record, row: int, channel: int) -> Any:
    """One element of a pooling window, as it would be stored."""
    if move.in_accumulator == 0:
        require_valid_spad(machine, row, channel + 1, move.index)
        return machine.spad[row, channel]
    require_valid_acc(machine, row, channel + 1, move.index)
    return stored_value(machine, move, machine.acc[row, channel], move.scale)
