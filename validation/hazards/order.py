"""What is known to be complete when a command issues: the order that interlocks give (compiled).

Loads are numbered in order of issue. What a command knows of them is ``(bound, mask)``: all loads
up to ``bound`` are complete, and load ``bound + 1 + i`` where bit i of ``mask`` is set.
Computations complete in order, so one number says which of them are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...hw.gemmini import semantics
from ...hw.gemmini.resolve import MOVES_IN, MOVES_OUT
from ..compiled import entry, inner, source_digest

Record: TypeAlias = Any
Numbers: TypeAlias = Any
"""Arrays and their records, as compiled code sees them."""

NO_RULE = 0
READ_AFTER_STORE, STORE_AFTER_READ, LOADS_IN_FLIGHT = 2, 3, 4
UNTRACKED_ROWS, RESULT_IN_FLIGHT = 5, 6
"""Rules that a stream may break; see ``check``."""
_MASK_BITS = 62

_dram_offset = inner(semantics.dram_offset)
_c_target = inner(semantics.c_target)
_pool_offset = inner(semantics.pool_offset)


def _record(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, np.int64) for name in names], align=True)


ROW = _record(
    "load_bound",  # what is known of loads when all loads that wrote the row are complete
    "load_mask",
    "last_load",
    "touched_by",  # the last computation whose tracked range has the row
    "stored_after",  # the last computation that is complete when a store of the row is
    "store_bound",  # what is known of loads when the last store of the row is complete
    "store_mask",
    "untracked_by",  # the last computation that read the row without tracking it
    "result_of",  # the last computation that wrote the row
)
"""State of a local row; numbers of loads and computations, −1 for none."""
BYTE = np.dtype([("stored_by", np.int32), ("loaded_by", np.int32), ("loaded_before", np.int32)])
"""State of a DRAM byte: the last store, the last load and the last other load, −1 for none."""
UNIT = _record(
    "execute_known_to_load",  # the last computation that is complete when the next load issues
    "execute_known_to_store",
    "drained",  # the last computation whose result has surely been written
    "rule",  # the broken rule, the two commands and the array
    "command",
    "other",
    "array",
)
ARRAY = _record("base", "size", "first", "is_shared")
"""A DRAM array; ``first`` is its first ``BYTE``, if it is both loaded and stored."""
SIZES = _record("spad_rows", "dim", "loads_in_flight", "results_in_flight")


class Order(NamedTuple):
    """The stream and the state of the analysis."""

    order: Numbers
    moves_in: Numbers
    in_bytes: Numbers
    in_epoch: Numbers  # fences before each
    moves_out: Numbers
    out_bytes: Numbers
    out_epoch: Numbers
    products: Numbers
    product_epoch: Numbers
    drain_epoch: Numbers  # times that the array was drained before each computation
    arrays: Numbers
    sizes: Numbers
    rows: Numbers  # the accumulator's follow the scratchpad's
    bytes: Numbers
    unit: Numbers
    known: Numbers  # what loads, computations and stores know of loads
    known_at: Numbers  # what each computation knew
    completed: Numbers  # scratch


_LOAD, _EXECUTE, _STORE = 0, 1, 2


@inner
def _shifted(mask: int, places: int) -> int:
    return mask >> places if places < _MASK_BITS else 0


@inner
def _learn(known: Numbers, bound: int, mask: int) -> None:
    """Add what another command knows."""
    if bound > known[0]:
        mask |= _shifted(known[1], bound - known[0])
        known[0] = bound
    else:
        mask = known[1] | _shifted(mask, known[0] - bound)
    while mask & 1:
        mask >>= 1
        known[0] += 1
    known[1] = mask


@inner
def _knows(known: Numbers, load: int) -> bool:
    place = load - known[0] - 1
    return place < 0 or (place < _MASK_BITS and (known[1] >> place) & 1 == 1)


@inner
def _break_rule(state: Order, rule: int, command: int, other: int, array: int) -> None:
    unit = state.unit[0]
    unit.rule, unit.command, unit.other, unit.array = rule, command, other, array


@inner
def _shared_array(arrays: Numbers, address: int) -> int:
    """The array at an address if it is both loaded and stored, else −1."""
    for number in range(len(arrays)):
        if 0 <= address - arrays[number].base < arrays[number].size:
            return number if arrays[number].is_shared == 1 else -1
    return -1


@inner
def _same_values(left: Record, right: Record) -> bool:
    """Whether two loads write the same values to the same rows."""
    return (
        left.dram == right.dram
        and left.row == right.row
        and left.rows == right.rows
        and left.cols == right.cols
        and left.stride == right.stride
        and left.block_stride == right.block_stride
        and left.in_accumulator == right.in_accumulator
        and left.shrunk == right.shrunk
        and left.scale == right.scale
        and left.pixel_repeats == right.pixel_repeats
        and left.accumulate == 0
        and right.accumulate == 0
    )


@inner
def _check_loaded_row(state: Order, number: int, row: int) -> bool:
    """Whether load ``number`` may write a row: nothing unordered reads or writes it."""
    move, unit, epoch = state.moves_in[number], state.unit[0], state.in_epoch[number]
    reader, older = state.rows[row].untracked_by, state.rows[row].last_load
    if reader > unit.execute_known_to_load and state.product_epoch[reader] == epoch:
        _break_rule(state, UNTRACKED_ROWS, move.index, state.products[reader].index, -1)
        return False
    if older < 0 or number - older >= state.sizes[0].loads_in_flight:
        return True
    other = state.moves_in[older]
    ordered = state.in_epoch[older] != epoch or _knows(state.known[_LOAD], older)
    # Zeros do not come from memory: they are written before data that is asked for after them.
    harmless = other.is_zeros == 1 or (move.accumulate == 1 and other.accumulate == 1)
    if ordered or harmless or _same_values(move, other):
        return True
    _break_rule(state, LOADS_IN_FLIGHT, move.index, other.index, -1)
    return False


@inner
def _check_loaded_bytes(state: Order, number: int) -> bool:
    """Whether what a load reads from DRAM is there already; notes the reads."""
    move, width = state.moves_in[number], state.in_bytes[number]
    array = _shared_array(state.arrays, move.dram)
    if move.is_zeros == 1 or array < 0:
        return True
    place = state.arrays[array].first + move.dram - state.arrays[array].base
    for line in range(move.rows):
        start = place + _dram_offset(line, 0, move.stride, width)
        for at in range(start, start + move.cols * width):
            by = state.bytes[at].stored_by
            if by >= 0 and state.out_epoch[by] == state.in_epoch[number]:
                other = state.moves_out[by].index
                _break_rule(state, READ_AFTER_STORE, move.index, other, array)
                return False
            if state.bytes[at].loaded_by != number:
                state.bytes[at].loaded_before = state.bytes[at].loaded_by
            state.bytes[at].loaded_by = number
    return True


@inner
def _writes_row(move: Record, offset: int) -> bool:
    """Whether a load writes the row ``offset`` rows behind its first: blocks may leave gaps."""
    if move.block_stride == 0 or move.pixel_repeats > 1:
        return True
    return offset % move.block_stride < move.rows


@inner
def _load(state: Order, number: int) -> bool:
    move, unit, sizes = state.moves_in[number], state.unit[0], state.sizes[0]
    place = move.row + (sizes.spad_rows if move.in_accumulator == 1 else 0)
    first = place
    last = first + (move.cols - 1) // sizes.dim * move.block_stride + move.rows
    first = max(first - (move.pixel_repeats - 1), 0)
    for row in range(first, last):
        done = max(state.rows[row].touched_by, state.rows[row].stored_after)
        unit.execute_known_to_load = max(unit.execute_known_to_load, done)
        _learn(state.known[_LOAD], state.rows[row].store_bound, state.rows[row].store_mask)
    if unit.execute_known_to_load >= 0:
        known = state.known_at[unit.execute_known_to_load]
        _learn(state.known[_LOAD], known[0], known[1])
    for row in range(first, last):
        if _writes_row(move, row - place) and not _check_loaded_row(state, number, row):
            return False
    if not _check_loaded_bytes(state, number):
        return False
    # When this load is complete, all that cannot be in flight beside it are too.
    state.completed[0], state.completed[1] = state.known[_LOAD, 0], state.known[_LOAD, 1]
    ended = number - sizes.loads_in_flight
    if sizes.loads_in_flight > _MASK_BITS:
        ended = state.known[_LOAD, 0]
    itself = number - ended - 1
    _learn(state.completed, ended, 1 << itself if itself < _MASK_BITS else 0)
    bound, mask = state.completed[0], state.completed[1]
    for row in range(first, last):
        if not _writes_row(move, row - place):
            continue
        state.completed[0], state.completed[1] = (
            state.rows[row].load_bound,
            state.rows[row].load_mask,
        )
        _learn(state.completed, bound, mask)
        state.rows[row].load_bound = state.completed[0]
        state.rows[row].load_mask = state.completed[1]
        state.rows[row].last_load = number
    return True


@inner
def _store(state: Order, number: int) -> bool:
    move, unit, sizes = state.moves_out[number], state.unit[0], state.sizes[0]
    first = move.row + (sizes.spad_rows if move.in_accumulator == 1 else 0)
    last = first + (move.cols - 1) // sizes.dim * sizes.dim + move.rows
    if move.pool_stride > 0:
        last = first + move.out_rows * move.out_cols
    for row in range(first, last):
        _learn(state.known[_STORE], state.rows[row].load_bound, state.rows[row].load_mask)
        done = state.rows[row].result_of
        unit.execute_known_to_store = max(unit.execute_known_to_store, done)
    if unit.execute_known_to_store >= 0:
        known = state.known_at[unit.execute_known_to_store]
        _learn(state.known[_STORE], known[0], known[1])
    for row in range(first, last):
        state.rows[row].stored_after = max(
            state.rows[row].stored_after, unit.execute_known_to_store
        )
        state.rows[row].store_bound = state.known[_STORE, 0]
        state.rows[row].store_mask = state.known[_STORE, 1]
    return _check_stored_bytes(state, number)


@inner
def _check_stored_bytes(state: Order, number: int) -> bool:
    """Whether older loads have read what a store overwrites; notes the store."""
    move, width = state.moves_out[number], state.out_bytes[number]
    array = _shared_array(state.arrays, move.dram)
    if array < 0:
        return True
    place = state.arrays[array].first + move.dram - state.arrays[array].base
    lines = move.pool_rows * move.pool_cols if move.pool_stride > 0 else move.rows
    for line in range(lines):
        start = place + _dram_offset(line, 0, move.stride, width)
        if move.pool_stride > 0:
            row, col = line // move.pool_cols, line % move.pool_cols
            start = place + _pool_offset(row, col, 0, move.pool_out_dim, move.stride, width)
        for at in range(start, start + move.cols * width):
            for which in range(2):
                by = state.bytes[at].loaded_by if which == 0 else state.bytes[at].loaded_before
                pending = by >= 0 and state.in_epoch[by] == state.out_epoch[number]
                if pending and not _knows(state.known[_STORE], by):
                    other = state.moves_in[by].index
                    _break_rule(state, STORE_AFTER_READ, move.index, other, array)
                    return False
            state.bytes[at].stored_by = number
    return True


@inner
def _drain(state: Order, number: int) -> None:
    """Find out which results have surely been written when a computation reads its operands."""
    unit, this = state.unit[0], state.products[number]
    unit.drained = max(unit.drained, number - state.sizes[0].results_in_flight)
    if number > 0 and state.drain_epoch[number] != state.drain_epoch[number - 1]:
        unit.drained = number - 1
    for older in range(max(unit.drained + 1, 0), number):
        target = state.products[older]
        if target.c_is_none == 1 or target.c_in_accumulator == 1:
            continue
        waits = this.a_is_none == 0 and this.a_row == target.c_row
        waits |= this.other_is_none == 0 and this.other_row == target.c_row
        waits |= this.stationary_is_none == 0 and this.stationary_row == target.c_row
        if waits:
            unit.drained = older


@inner
def _operand(state: Order, number: int, first: int, tracked: int, read: int) -> bool:
    """Note an operand of ``read`` rows, ``tracked`` of which are tracked; false if it is unsafe."""
    this, unit = state.products[number], state.unit[0]
    for row in range(first, min(first + tracked, len(state.rows))):
        _learn(state.known[_EXECUTE], state.rows[row].load_bound, state.rows[row].load_mask)
        state.rows[row].touched_by = number
    for row in range(first, first + read):
        writer = state.rows[row].result_of
        if writer > unit.drained:
            _break_rule(state, RESULT_IN_FLIGHT, this.index, state.products[writer].index, -1)
            return False
    for row in range(first + tracked, first + read):
        state.rows[row].untracked_by = number
        by = state.rows[row].last_load
        pending = by >= 0 and state.in_epoch[by] == state.product_epoch[number]
        if pending and not _knows(state.known[_EXECUTE], by):
            _break_rule(state, UNTRACKED_ROWS, this.index, state.moves_in[by].index, -1)
            return False
    return True


@inner
def _target(state: Order, number: int) -> None:
    """Note the rows of the result."""
    this = state.products[number]
    if this.c_is_none == 1:
        return
    first = this.c_row + (state.sizes[0].spad_rows if this.c_in_accumulator == 1 else 0)
    _operand(state, number, first, _c_target(this.c_rows, this.c_stride), 0)
    for i in range(this.c_rows):
        state.rows[first + _c_target(i, this.c_stride)].result_of = number


@inner
def _compute(state: Order, number: int) -> bool:
    """The ranges that the station tracks are rows of the operand, columns if A is transposed."""
    this = state.products[number]
    _drain(state, number)
    is_ws, b_transposed = this.weight_stationary == 1, this.b_transpose == 1
    if this.stationary_is_none == 0:
        read = this.stationary_cols if is_ws and b_transposed else this.stationary_rows
        read = read if this.preloaded == 1 else 0
        if not _operand(state, number, this.stationary_row, this.stationary_rows, read):
            return False
    if this.other_is_none == 0:
        read = this.other_cols if not is_ws and b_transposed else this.other_rows
        if not _operand(state, number, this.other_row, this.other_rows, read):
            return False
    if this.a_is_none == 0:
        length = this.a_cols if this.a_transpose == 1 else this.a_rows
        tracked = length * this.a_stride
        read = min(tracked, (length - 1) * this.a_stride + 1) if length > 0 else 0
        if not _operand(state, number, this.a_row, tracked, read):
            return False
    _target(state, number)
    state.known_at[number, 0] = state.known[_EXECUTE, 0]
    state.known_at[number, 1] = state.known[_EXECUTE, 1]
    return True


def _build_check(digest: int) -> Callable[[Order], int]:
    """The compiled check; ``digest`` is that of its sources."""

    @entry
    def check_order(state: Order) -> int:
        """Walk the stream up to the first broken rule, which is left in ``state.unit``."""
        load, store, product = 0, 0, 0
        for kind in state.order:
            if kind == MOVES_IN:
                fine = _load(state, load)
                load += 1
            elif kind == MOVES_OUT:
                fine = _store(state, store)
                store += 1
            else:
                fine = _compute(state, product)
                product += 1
            if not fine:
                break
        return digest

    return check_order


check_order = _build_check(source_digest([__file__, semantics.__file__]))
