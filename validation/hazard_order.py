"""What is known to be complete when a command issues: the order that interlocks give (compiled).

Loads are numbered in order of issue. What a command knows of them is ``(bound, mask)``: all loads
up to ``bound`` are complete, and load ``bound + 1 + i`` where bit i of ``mask`` is set.
Computations complete in order, so one number says which of them are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ..hw.gemmini import semantics
from ..hw.gemmini.resolve import MOVES_IN, MOVES_OUT
from .source_digest import source_digest

Record = Any
Numbers = Any

_READ_AFTER_STORE, _STORE_AFTER_READ, _LOADS_IN_FLIGHT = 2, 3, 4
_UNTRACKED_ROWS, _RESULT_IN_FLIGHT = 5, 6
"""Values of ``hazards.Rule``."""
_MASK_BITS = 62

_dram_offset = numba.njit(semantics.dram_offset)
_c_target = numba.njit(semantics.c_target)


@numba.njit
def _shifted(mask: int, places: int) -> int:
    return mask >> places if places < _MASK_BITS else 0


@numba.njit
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


@numba.njit
def _learn_load(known: Numbers, load: int, in_flight: int) -> None:
    """Add that a load is complete, and with it all that cannot be in flight beside it."""
    _learn(known, load - in_flight, 1 << (in_flight - 1))


@numba.njit
def _is_known(known: Numbers, load: int) -> bool:
    if load <= known[0]:
        return True
    place = load - known[0] - 1
    return place < _MASK_BITS and (known[1] >> place) & 1 == 1


@numba.njit
def _same_move(left: Record, right: Record) -> bool:
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


@numba.njit
def _rows_of_move(move: Record, dim: int, step: int) -> int:
    """Local rows from the first to the last that a move touches."""
    return (move.cols - 1) // dim * step + move.rows


@numba.njit
def _array_of(arrays: Numbers, address: int) -> int:
    for number in range(len(arrays)):
        if 0 <= address - arrays[number, 0] < arrays[number, 1]:
            return number
    return -1


@numba.njit
def _mark(touched: Numbers, arrays: Numbers, moves: Record, widths: Numbers, bit: int) -> None:
    """Note which arrays the moves touch."""
    for at in range(len(moves)):
        number = _array_of(arrays, moves[at].dram)
        if number >= 0:
            touched[number] |= bit


def _build_check(digest: int) -> Callable[..., tuple[int, int, int, int]]:
    """The compiled check; ``digest`` is that of its sources."""

    @numba.njit(cache=True)
    def check_order(
        order: Numbers,
        moves_in: Record,
        in_bytes: Numbers,
        moves_out: Record,
        out_bytes: Numbers,
        products: Record,
        epochs: Any,
        arrays: Numbers,
        sizes: Numbers,
    ) -> tuple[int, int, int, int]:
        """The first broken rule: its number, the command, the other command and the array; or zeros.

        ``epochs`` are the columns of ``hazards._Ends``; ``sizes`` are rows of the memories, ``dim``, and
        how many loads and results may be in flight.
        """
        in_epoch, out_epoch, product_epoch, drain_epoch = epochs
        spad_rows, acc_rows, dim, in_flight, results = sizes
        rows = spad_rows + acc_rows  # the accumulator's rows follow the scratchpad's
        load_bound, load_mask = np.full(rows, -1), np.zeros(rows, np.int64)
        last_load = np.full(rows, -1)
        touched_by = np.full(rows, -1)  # the last computation whose tracked range has the row
        stored_after = np.full(rows, -1)  # computations complete when a store of the row is
        untracked_by = np.full(rows, -1)  # the last computation that read the row untracked
        result_of = np.full(rows, -1)
        known_load, known_execute, known_store = (
            np.array([-1, 0]),
            np.array([-1, 0]),
            np.array([-1, 0]),
        )
        known_at = np.zeros((len(products), 2), np.int64)  # what each computation knew
        execute_known_to_load, execute_known_to_store, drained = -1, -1, -1
        # Only arrays that are both loaded and stored can have hazards in DRAM.
        touched = np.zeros(len(arrays), np.int64)
        _mark(touched, arrays, moves_in, in_bytes, 1)
        _mark(touched, arrays, moves_out, out_bytes, 2)
        starts = np.zeros(len(arrays) + 1, np.int64)
        for number in range(len(arrays)):
            starts[number + 1] = starts[number] + (arrays[number, 1] if touched[number] == 3 else 0)
        stored_by = np.full(starts[-1], -1, np.int32)
        loaded_by = np.full(starts[-1], -1, np.int32)
        loaded_before = np.full(starts[-1], -1, np.int32)
        load, store, product = 0, 0, 0
        for kind in order:
            if kind == MOVES_IN:
                move = moves_in[load]
                first = move.row + (spad_rows if move.in_accumulator == 1 else 0)
                last = first + _rows_of_move(move, dim, move.block_stride)
                first = max(first - (move.pixel_repeats - 1), 0)
                for row in range(first, last):
                    execute_known_to_load = max(execute_known_to_load, touched_by[row])
                    execute_known_to_load = max(execute_known_to_load, stored_after[row])
                if execute_known_to_load >= 0:
                    known = known_at[execute_known_to_load]
                    _learn(known_load, known[0], known[1])
                for row in range(first, last):
                    before = untracked_by[row]
                    if before > execute_known_to_load and product_epoch[before] == in_epoch[load]:
                        return _UNTRACKED_ROWS, move.index, products[before].index, -1
                    older = last_load[row]
                    if older >= 0 and load - older < in_flight and in_epoch[older] == in_epoch[load]:
                        other = moves_in[older]
                        adds = move.accumulate == 1 and other.accumulate == 1
                        done = _is_known(known_load, older) or (
                            _is_known(known_execute, older)
                            and (
                                touched_by[row] >= 0
                                and touched_by[row] <= execute_known_to_load
                                and products[touched_by[row]].index > other.index
                            )
                        )
                        if not (done or adds or other.is_zeros == 1 or _same_move(move, other)):
                            return _LOADS_IN_FLIGHT, move.index, other.index, -1
                array = _array_of(arrays, move.dram) if move.is_zeros == 0 else -1
                if array >= 0 and touched[array] == 3:
                    for line in range(move.rows):
                        start = move.dram + _dram_offset(line, 0, move.stride, in_bytes[load])
                        start += starts[array] - arrays[array, 0]
                        for byte in range(start, start + move.cols * in_bytes[load]):
                            by = stored_by[byte]
                            if by >= 0 and out_epoch[by] == in_epoch[load]:
                                return _READ_AFTER_STORE, move.index, moves_out[by].index, array
                            if loaded_by[byte] != load:
                                loaded_before[byte] = loaded_by[byte]
                            loaded_by[byte] = load
                complete = known_load.copy()
                _learn_load(complete, load, in_flight)
                for row in range(first, last):
                    known = np.array([load_bound[row], load_mask[row]])
                    _learn(known, complete[0], complete[1])
                    load_bound[row], load_mask[row] = known[0], known[1]
                    last_load[row] = load
                load += 1
            elif kind == MOVES_OUT:
                move = moves_out[store]
                first = move.row + (spad_rows if move.in_accumulator == 1 else 0)
                last = first + _rows_of_move(move, dim, dim)
                for row in range(first, last):
                    _learn(known_store, load_bound[row], load_mask[row])
                    execute_known_to_store = max(execute_known_to_store, result_of[row])
                if execute_known_to_store >= 0:
                    known = known_at[execute_known_to_store]
                    _learn(known_store, known[0], known[1])
                for row in range(first, last):
                    stored_after[row] = max(stored_after[row], execute_known_to_store)
                array = _array_of(arrays, move.dram)
                if array >= 0 and touched[array] == 3:
                    for line in range(move.rows):
                        start = move.dram + _dram_offset(line, 0, move.stride, out_bytes[store])
                        start += starts[array] - arrays[array, 0]
                        for byte in range(start, start + move.cols * out_bytes[store]):
                            for by in (loaded_by[byte], loaded_before[byte]):
                                unordered = by >= 0 and in_epoch[by] == out_epoch[store]
                                if unordered and not _is_known(known_store, by):
                                    return _STORE_AFTER_READ, move.index, moves_in[by].index, array
                            stored_by[byte] = store
                store += 1
            else:
                this = products[product]
                drained = max(drained, product - results)
                if product > 0 and drain_epoch[product] != drain_epoch[product - 1]:
                    drained = product - 1
                for older in range(max(drained + 1, 0), product):
                    target = products[older]
                    if target.c_is_none == 1 or target.c_in_accumulator == 1:
                        continue
                    begins = this.a_is_none == 0 and this.a_row == target.c_row
                    begins |= this.other_is_none == 0 and this.other_row == target.c_row
                    begins |= this.stationary_is_none == 0 and this.stationary_row == target.c_row
                    if begins:
                        drained = older
                for operand in range(4):
                    first, tracked, read = 0, 0, 0
                    if operand == 0 and this.stationary_is_none == 0:
                        first, tracked, read = this.stationary_row, this.stationary_rows, 0
                        if this.preloaded == 1:
                            transposed = this.weight_stationary == 1 and this.b_transpose == 1
                            read = this.stationary_cols if transposed else this.stationary_rows
                    elif operand == 1 and this.a_is_none == 0:
                        length = this.a_cols if this.a_transpose == 1 else this.a_rows
                        first, tracked = this.a_row, length * this.a_stride
                        read = (length - 1) * this.a_stride + 1 if length > 0 else 0
                    elif operand == 2 and this.other_is_none == 0:
                        transposed = this.weight_stationary == 0 and this.b_transpose == 1
                        first, tracked = this.other_row, this.other_rows
                        read = this.other_cols if transposed else this.other_rows
                    elif operand == 3 and this.c_is_none == 0:
                        first = this.c_row + (spad_rows if this.c_in_accumulator == 1 else 0)
                        tracked = _c_target(this.c_rows, this.c_stride)
                    for row in range(first, min(first + tracked, rows)):
                        _learn(known_execute, load_bound[row], load_mask[row])
                        touched_by[row] = product
                    for row in range(first, first + read):
                        if result_of[row] > drained:
                            return _RESULT_IN_FLIGHT, this.index, products[result_of[row]].index, -1
                    for row in range(first + tracked, first + read):
                        untracked_by[row] = product
                        by = last_load[row]
                        unordered = by >= 0 and in_epoch[by] == product_epoch[product]
                        if unordered and not _is_known(known_execute, by):
                            return _UNTRACKED_ROWS, this.index, moves_in[by].index, -1
                if this.c_is_none == 0:
                    first = this.c_row + (spad_rows if this.c_in_accumulator == 1 else 0)
                    for i in range(this.c_rows):
                        result_of[first + _c_target(i, this.c_stride)] = product
                known_at[product] = known_execute
                product += 1
        return (0, 0, 0, 0) if digest else (1, 0, 0, 0)

    return check_order


check_order = _build_check(source_digest([__file__, semantics.__file__]))
