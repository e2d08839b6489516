"""The execute unit: its controller, the operand reads, and the systolic array's latency.

Sources: ExecuteController.scala, MeshWithDelays.scala, TransposePreloadUnroller.scala. The
controller overlaps a compute with the preload behind it, reads one row of each operand per cycle,
and feeds the array without a bubble; results leave a fixed time later.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .causes import ARRAY_FULL, BANK_TAKEN, BUSY, DRAIN, HAZARD, IDLE, NEXT_COMMAND, SAME_BANK
from .decode import ACCUMULATOR_SPACE, COMPUTE, CONFIGURE, PRELOAD
from .jit import stage
from .state import RESULT_RING, RING, Record, Records

MASK = RING - 1

QUEUE_LATENCY = 2
"""Cycles from a command's issue until the controller sees it: two queues one after the other."""
MINIMUM_ROWS = 4
"""Rows of the shortest operation: it keeps the station's one completion per cycle from clogging."""
READ_TO_DONE = 1
"""Cycles from a compute's last operand row to its completion (measured)."""
OVERLAPPED_READ_TO_DONE = 2
"""The same for a preload without a result that was overlapped with a compute (measured)."""

# Operations of the controller.
NO_OPERATION, SINGLE_PRELOAD, SINGLE_COMPUTE, OVERLAPPED = 0, 1, 2, 3

# Parts of a preload of transposed weights: the hardware splits it (TransposePreloadUnroller).
WHOLE: Any = np.int64(0)
WEIGHTS_ONLY: Any = np.int64(1)
EMPTY_COMPUTE: Any = np.int64(2)
RESULT_ONLY: Any = np.int64(3)

FIRST: Any = np.int64(0)
SECOND: Any = np.int64(1)
"""Places in the queue of operations."""

NO_RESULT = -1


@stage
def queued_operations(execute: Record) -> int:
    return execute.op_tail - execute.op_head


@stage
def _visible_operations(execute: Record, now: int) -> int:
    """Operations that have reached the controller: each passes the splitting queue and its own."""
    count = execute.op_tail - execute.op_head
    while count > 0 and execute.op_ready[(execute.op_head + count - 1) & MASK] > now:
        count -= 1
    return count


@stage
def _push(execute: Record, command: int, part: int, ready: int) -> None:
    execute.op_ready[execute.op_tail & MASK] = ready
    execute.op_command[execute.op_tail & MASK] = command
    execute.op_part[execute.op_tail & MASK] = part
    execute.op_tail += 1


@stage
def enqueue(execute: Record, commands: Records, index: int, now: int) -> None:
    """Queue an issued command; a preload of transposed weights waits for its compute."""
    command = commands[index]
    held = execute.held_preload
    execute.held_preload = -1
    if held >= 0 and command.kind == COMPUTE and command.flips:
        _push(execute, held, WEIGHTS_ONLY, now + QUEUE_LATENCY)
        _push(execute, held, EMPTY_COMPUTE, now + QUEUE_LATENCY)
        _push(execute, held, RESULT_ONLY, now + QUEUE_LATENCY)
    elif held >= 0:
        _push(execute, held, WHOLE, now + QUEUE_LATENCY)
    if command.kind == PRELOAD and command.weight_stationary and command.b_transposed:
        execute.held_preload = index
    else:
        _push(execute, index, WHOLE, now + QUEUE_LATENCY)


@stage
def _is_preload(execute: Record, commands: Records, place: int) -> bool:
    slot = (execute.op_head + place) & MASK
    is_preload = commands[execute.op_command[slot]].kind == PRELOAD
    return is_preload and execute.op_part[slot] != EMPTY_COMPUTE


@stage
def _key(local: int, in_accumulator: int, is_garbage: int) -> int:
    return NO_RESULT if is_garbage else local + in_accumulator * ACCUMULATOR_SPACE


@stage
def _result_in_flight(execute: Record, key: int) -> bool:
    """Whether an operation in the array will write to exactly this row (the hardware's check)."""
    if key == NO_RESULT:
        return False
    for tag in range(execute.tag_head, execute.tag_tail):
        if execute.tag_result[tag & MASK] == key:
            return True
    return False


@stage
def _hazard(execute: Record, commands: Records, preload: int) -> bool:
    """Whether the preload in place ``preload``, or the compute behind it, reads a row in flight."""
    first = commands[execute.op_command[(execute.op_head + preload) & MASK]]
    if _result_in_flight(execute, _key(first.local, first.in_accumulator, first.is_garbage)):
        return True
    if execute.op_head + preload + 1 >= execute.op_tail:
        return False
    then = commands[execute.op_command[(execute.op_head + preload + 1) & MASK]]
    if then.kind != COMPUTE:
        return False
    return _result_in_flight(
        execute, _key(then.local, then.in_accumulator, then.is_garbage)
    ) or _result_in_flight(
        execute, _key(then.second_local, then.second_in_accumulator, then.second_is_garbage)
    )


@stage
def _configure(execute: Record, now: int) -> int:
    """A configuration waits until the array is empty."""
    if execute.busy_until >= now - 2 or execute.done_count > 0:
        return DRAIN
    _report(execute, execute.op_command[execute.op_head & MASK], now)
    execute.op_head += 1
    return BUSY


@stage
def _report(execute: Record, command: int, time: int) -> None:
    execute.done_time[execute.done_count] = time
    execute.done_command[execute.done_count] = command
    execute.done_count += 1


@stage
def take_completion(execute: Record, now: int) -> int:
    """The command whose completion is due first, −1 if none is (the station takes one a cycle)."""
    best = -1
    for place in range(execute.done_count):
        if execute.done_time[place] > now:
            continue
        if best < 0 or execute.done_time[place] < execute.done_time[best]:
            best = place
    if best < 0:
        return -1
    command = execute.done_command[best]
    for place in range(best, execute.done_count - 1):
        execute.done_time[place] = execute.done_time[place + 1]
        execute.done_command[place] = execute.done_command[place + 1]
    execute.done_count -= 1
    return command


@stage
def control_execute(
    execute: Record, taken: Record, parameters: Record, commands: Records, now: int
) -> int:
    """One step: begin an operation if none runs, then read a row of each operand that can be."""
    while execute.tag_head < execute.tag_tail:
        if execute.tag_release[execute.tag_head & MASK] > now:
            break
        execute.tag_head += 1
    if execute.operation == NO_OPERATION:
        cause = _begin(execute, parameters, commands, now)
        if execute.operation == NO_OPERATION:
            return cause
    return _read_rows(execute, taken, parameters, commands, now)


@stage
def _begin(execute: Record, parameters: Record, commands: Records, now: int) -> int:
    """Choose the next operation, if the commands it needs are queued and nothing forbids it."""
    queued = _visible_operations(execute, now)
    if queued == 0:
        return IDLE
    head = commands[execute.op_command[execute.op_head & MASK]]
    if head.kind == CONFIGURE:
        return _configure(execute, now)
    if execute.tag_tail - execute.tag_head >= parameters.mesh_tags:
        return ARRAY_FULL
    if _is_preload(execute, commands, FIRST):
        if queued < 2:
            return NEXT_COMMAND
        if _hazard(execute, commands, FIRST):
            return HAZARD
        operation = SINGLE_PRELOAD
    elif (
        queued >= 3
        and _is_preload(execute, commands, SECOND)
        and not _hazard(execute, commands, SECOND)
    ):
        operation = OVERLAPPED
    else:
        operation = SINGLE_COMPUTE
    _set_operands(execute, parameters, commands, operation)
    execute.operation = operation
    return BUSY


@stage
def _set_operands(execute: Record, parameters: Record, commands: Records, operation: int) -> None:
    """Where the operation reads A, B (or the bias D of WS) and the preloaded matrix D, if at all.

    A matrix that passes through the transposer is read one operation early, with the preload.
    """
    head = execute.op_head & MASK
    command = commands[execute.op_command[head]]
    a_early = command.a_transposed == command.weight_stationary
    a_place = -1
    if operation == SINGLE_PRELOAD:
        a_place = 1 if a_early else -1
    elif operation == OVERLAPPED:
        a_place = 2 if a_early else 0
    elif not a_early:
        a_place = 0
    _set_a(execute, commands, a_place)
    execute.b_used = 0
    if operation != SINGLE_PRELOAD and execute.op_part[head] == WHOLE:
        execute.b_used = 1 - command.second_is_garbage
        execute.b_local = command.second_local
        if command.second_in_accumulator:
            execute.b_local += ACCUMULATOR_SPACE
        execute.b_rows = command.second_rows
    execute.d_used = 0
    if operation != SINGLE_COMPUTE:
        slot = head if operation == SINGLE_PRELOAD else (execute.op_head + 1) & MASK
        preload = commands[execute.op_command[slot]]
        if execute.op_part[slot] != RESULT_ONLY:
            execute.d_used = 1 - preload.is_garbage
        execute.d_local = preload.local + preload.in_accumulator * ACCUMULATOR_SPACE
        execute.d_rows = preload.rows
    _set_length(execute, parameters, command, a_early)
    execute.a_count = execute.b_count = execute.d_count = 0
    execute.a_started = execute.b_started = execute.d_started = 0


@stage
def _set_a(execute: Record, commands: Records, place: int) -> None:
    execute.a_used = 0
    if place < 0 or execute.op_head + place >= execute.op_tail:
        return
    slot = (execute.op_head + place) & MASK
    command = commands[execute.op_command[slot]]
    if command.kind != COMPUTE or execute.op_part[slot] != WHOLE:
        return
    execute.a_used = 1 - command.is_garbage
    execute.a_local = command.local + command.in_accumulator * ACCUMULATOR_SPACE
    execute.a_step = command.a_step
    execute.a_rows = command.cols if command.a_transposed else command.rows


@stage
def _set_length(execute: Record, parameters: Record, command: Record, a_early: bool) -> None:
    """Rows of the operation (ExecuteController.scala:287-302): ``dim`` unless weights are kept."""
    execute.total_rows = parameters.dim
    keeps_weights = command.weight_stationary and not execute.d_used
    if keeps_weights and not a_early and not command.b_transposed:
        rows = max(MINIMUM_ROWS, execute.a_rows if execute.a_used else 1)
        rows = max(rows, execute.b_rows if execute.b_used else 1)
        execute.total_rows = min(rows, parameters.dim)


@stage
def _bank(parameters: Record, place: int) -> int:
    """The bank of a local row; every accumulator bank counts as one more, as reads go."""
    if place >= ACCUMULATOR_SPACE:
        return parameters.spad_banks
    return place // parameters.spad_bank_rows % parameters.spad_banks


@stage
def _free(taken: Record, parameters: Record, bank: int) -> bool:
    """Whether no write takes the bank's only port in this cycle (accumulators have two)."""
    if bank == parameters.spad_banks:
        return True
    return ((taken.spad_writes | taken.spad_results) >> bank) & 1 == 0


@stage
def _is_ahead(started: int, count: int, other: int, total: int) -> bool:
    """The operands advance together: one may not be a row ahead of another."""
    return started == 1 and count == (other + 1) % total


@stage
def _read_rows(
    execute: Record, taken: Record, parameters: Record, commands: Records, now: int
) -> int:
    total = execute.total_rows
    a, b, d = execute.a_count, execute.b_count, execute.d_count
    d_row = parameters.dim - 1 - d
    a_bank = _bank(parameters, execute.a_local + a * execute.a_step) if execute.a_used else -1
    b_bank = _bank(parameters, execute.b_local + b) if execute.b_used else -2
    d_bank = _bank(parameters, execute.d_local + d_row) if execute.d_used else -3
    a_old, b_old, d_old = execute.a_started, execute.b_started, execute.d_started
    a_goes = not (_is_ahead(a_old, a, b, total) or _is_ahead(a_old, a, d, total))
    b_goes = not (_is_ahead(b_old, b, a, total) or _is_ahead(b_old, b, d, total))
    d_goes = not (_is_ahead(d_old, d, a, total) or _is_ahead(d_old, d, b, total))
    b_yields = b_bank == a_bank and b_old == a_old and b == a
    d_yields = (d_bank == a_bank and d_old == a_old and d == a) or (
        d_bank == b_bank and d_old == b_old and d == b
    )
    a_clear = not execute.a_used or a >= execute.a_rows or _free(taken, parameters, a_bank)
    b_clear = not execute.b_used or b >= execute.b_rows or _free(taken, parameters, b_bank)
    d_clear = not execute.d_used or d_row >= execute.d_rows or _free(taken, parameters, d_bank)
    a_goes = a_goes and a_clear
    b_goes = b_goes and not b_yields and b_clear
    d_goes = d_goes and not d_yields and d_clear
    if a_goes:
        if execute.operation != SINGLE_PRELOAD:
            _schedule_result(execute, parameters, commands, a, now)
        execute.a_count = (a + 1) % total
        execute.a_started = 1
    if b_goes:
        execute.b_count = (b + 1) % total
        execute.b_started = 1
    if d_goes:
        execute.d_count = (d + 1) % total
        execute.d_started = 1
    began = a_old or b_old or d_old
    at_end = execute.a_count == 0 and execute.b_count == 0 and execute.d_count == 0
    if at_end and began:
        _finish(execute, parameters, commands, now)
    if not (a_clear and b_clear and d_clear):
        return BANK_TAKEN
    return SAME_BANK if b_yields or d_yields else BUSY


@stage
def _schedule_result(
    execute: Record, parameters: Record, commands: Records, row: int, now: int
) -> None:
    """Remember the write port that the result of this row will take when it leaves the array."""
    if execute.pending_result == NO_RESULT or row >= execute.pending_result_rows:
        return
    preload = commands[execute.pending]
    place = preload.second_local + row * preload.c_step
    leaves = now + parameters.mesh_latency
    if not preload.weight_stationary:
        leaves += parameters.dim
    if preload.second_in_accumulator:
        bank = place // parameters.acc_bank_rows % parameters.acc_banks
        shift = 32 + 16 * preload.accumulates + bank
    else:
        shift = place // parameters.spad_bank_rows % parameters.spad_banks
    execute.result_writes[leaves % RESULT_RING] |= 1 << shift


@stage
def _finish(execute: Record, parameters: Record, commands: Records, now: int) -> None:
    """Retire the operation: report completions, give its tag back when its results have left."""
    first = execute.op_head & MASK
    second = (execute.op_head + 1) & MASK
    operation = execute.operation
    execute.operation = NO_OPERATION
    tag = execute.tag_tail & MASK
    execute.tag_release[tag] = now + parameters.mesh_transit + 1
    execute.tag_result[tag] = NO_RESULT
    if operation == SINGLE_PRELOAD:
        _become_pending(execute, commands, first, now + READ_TO_DONE)
        execute.op_head += 1
    else:
        execute.tag_result[tag] = execute.pending_result
        _finish_compute(execute, parameters, commands, first, now)
        execute.op_head += 1
        if operation == OVERLAPPED:
            _become_pending(execute, commands, second, now + OVERLAPPED_READ_TO_DONE)
            execute.op_head += 1
    execute.tag_tail += 1


@stage
def _become_pending(execute: Record, commands: Records, slot: int, done: int) -> None:
    """The preload in ``slot`` awaits its compute; without a result it is complete at ``done``."""
    index, part = execute.op_command[slot], execute.op_part[slot]
    command = commands[index]
    execute.pending = index
    execute.pending_result = NO_RESULT
    if part == WEIGHTS_ONLY:
        return
    if command.second_is_garbage:
        _report(execute, index, done)
        return
    execute.pending_result = _key(
        command.second_local, command.second_in_accumulator, command.second_is_garbage
    )
    execute.pending_result_rows = command.second_rows


@stage
def _finish_compute(
    execute: Record, parameters: Record, commands: Records, slot: int, now: int
) -> None:
    index = execute.op_command[slot]
    if execute.op_part[slot] == WHOLE:
        _report(execute, index, now + READ_TO_DONE)
    if execute.pending_result != NO_RESULT:
        done = now + parameters.mesh_latency
        if not commands[execute.pending].weight_stationary:
            done += parameters.dim
        _report(execute, execute.pending, done)
        execute.busy_until = done
    execute.pending = -1
    execute.pending_result = NO_RESULT
