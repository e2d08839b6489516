"""The simulated clock: calls every stage once per cycle, in the order of their effect."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numba
import numpy as np

from .causes import (
    BANK_TAKEN,
    BUSY,
    CAUSES,
    IDLE,
    MEMORY,
    PACKETS_IN_FLIGHT,
    PIPELINE,
    WAITS_FOR_LOAD,
)
from .decode import LOOP_SETUP, LOOP_UNIT
from .execute_unit import control_execute, enqueue, queued_operations, take_completion
from .front_end import IDLE_SEEN, QUIET_CYCLES, dispatch
from .jit import stage
from .load_unit import control_loads, cut_packet, write_loaded_rows
from .loop_stage import LOOPS_AT_ONCE, activate, emit_from_loops, loops_active
from .port import free_slots, free_write_slots, merge_rows, receive_beat, send_request
from .reservation import (
    allocate,
    complete,
    has_room,
    is_blocked,
    next_to_issue,
    push_to_queue,
)
from .state import EXECUTE, LOAD, RESULT_RING, RING, STORE, UNITS, Record, Records
from .store_unit import control_stores, read_row, scale_row, write_out

MASK = RING - 1
PROGRESS = np.dtype(
    [(name, np.int64) for name in ("allocated", "issued", "done", "sequence", "remaining")],
    align=True,
)
"""When each command entered the reservation station, issued and completed; −1 before."""
PAUSED = -2
"""What a run returns that has not come to its end."""
STUCK_CYCLES = 200_000
"""Cycles without any completion or dispatch, besides one memory access, that mean a dead end."""


@stage
def take_ports(taken: Record, execute: Record, now: int) -> None:
    """Forget the ports of the last cycle; take those of array results that arrive in this one."""
    results = execute.result_writes[now % RESULT_RING]
    execute.result_writes[now % RESULT_RING] = 0
    taken.spad_results = results & 0xFFFF_FFFF
    taken.acc_accumulates = (results >> 48) & 0xFFFF
    taken.acc_results = taken.acc_accumulates | ((results >> 32) & 0xFFFF)
    taken.spad_writes = 0
    taken.acc_writes = 0


@stage
def take_completions(machine: Record, now: int) -> tuple[int, int]:
    """One completed command and its unit; execute goes before load, load before store."""
    index = take_completion(machine.execute, now)
    if index >= 0:
        return index, EXECUTE
    load, store = machine.load, machine.store
    if load.done_head < load.done_tail and load.done_time[load.done_head & MASK] <= now:
        index = load.done_command[load.done_head & MASK]
        load.done_head += 1
        load.in_flight -= 1
        return index, LOAD
    if store.done_head < store.done_tail and store.done_time[store.done_head & MASK] <= now:
        index = store.done_command[store.done_head & MASK]
        store.done_head += 1
        store.in_flight -= 1
        return index, STORE
    return -1, 0


@stage
def issue(machine: Record, commands: Records, progress: Records, unit: int, now: int) -> None:
    """Issue the next command of a unit if its controller has room and nothing older blocks it."""
    station, parameters, execute = machine.station, machine.parameters, machine.execute
    if unit == EXECUTE:
        queued = queued_operations(execute)
    else:
        queued = station.queue_tail[unit] - station.queue_head[unit]
    if queued >= parameters.queue_capacity[unit]:
        return
    index = next_to_issue(station, progress, unit, now)
    if index < 0 or is_blocked(station, parameters, commands, progress, index, unit):
        return
    if unit == EXECUTE:
        enqueue(execute, commands, index, now)
    push_to_queue(station, commands, progress, index, unit, now)


@stage
def allocate_next(
    machine: Record,
    commands: Records,
    progress: Records,
    loops: Records,
    gates: Records,
    now: int,
) -> None:
    """Enter the oldest dispatched command into the station, or one that a loop emits."""
    front, station, unroller = machine.front, machine.station, machine.unroller
    active = loops_active(unroller) if unroller.activated > 0 else 0
    if active > 0:
        emit_from_loops(
            unroller, station, machine.parameters, loops, gates, commands, progress, now
        )
    if front.head == front.tail or front.ready[front.head & MASK] > now:
        return
    index = front.command[front.head & MASK]
    unit = commands[index].unit
    if unit in (LOOP_UNIT, LOOP_SETUP):
        if active == LOOPS_AT_ONCE:
            return
        if unit == LOOP_UNIT:
            activate(unroller, now)
    elif active > 0:
        return
    elif unit < UNITS:
        if not has_room(station, machine.parameters, unit):
            return
        allocate(station, progress, index, unit, unroller.sequence, now)
        unroller.sequence += 1
    front.head += 1


@stage
def is_busy(machine: Record) -> bool:
    front, station, port, store = machine.front, machine.station, machine.port, machine.store
    if front.head < front.tail or port.reads_in_flight > 0 or port.writes_in_flight > 0:
        return True
    if station.live_count[LOAD] or station.live_count[EXECUTE] or station.live_count[STORE]:
        return True
    if store.writing >= 0 or store.request_head < store.request_tail:
        return True
    if machine.unroller.activated > 0 and loops_active(machine.unroller) > 0:
        return True
    return store.norm_head < store.norm_tail or store.scale_head < store.scale_tail


@stage
def _idle_cause(station: Record, unit: int) -> int:
    """Why a unit without commands has none: what blocks its next one, if there is one."""
    if station.issued_count[unit] == station.live_count[unit] or station.blocked_by[unit] < 0:
        return IDLE
    return WAITS_FOR_LOAD + station.blocked_by[unit]


@stage
def _count(counters: Record, station: Record, unit: int, cause: int) -> None:
    if cause == IDLE:
        cause = _idle_cause(station, unit)
    counters.cycles[unit * CAUSES + cause] += 1


@stage
def step_load(
    machine: Record, commands: Records, progress: Records, lines: Records, now: int
) -> None:
    """The load unit and the port that it shares with the store unit."""
    parameters, station, taken = machine.parameters, machine.station, machine.taken
    load, port, counters = machine.load, machine.port, machine.counters
    free_slots(port, now)
    if write_loaded_rows(load, taken, parameters, progress, now):
        counters.write_conflicts += 1
    merge_rows(port, load, parameters, commands, now)
    received = receive_beat(port, parameters, now)
    send_request(port, machine.level2, lines, parameters, now)
    free_write_slots(port, now)
    waited = cut_packet(load, port, parameters, commands, now)
    cause = control_loads(load, station, parameters, commands, progress, now)
    if received:
        counters.read_beats += 1
        cause = BUSY
    elif cause != BUSY and waited:
        cause = PACKETS_IN_FLIGHT
    elif cause == IDLE and load.in_flight > 0:
        cause = MEMORY
    _count(counters, station, LOAD, cause)


@stage
def step_store(machine: Record, commands: Records, progress: Records, now: int) -> None:
    """The store unit, from its controller to its writer."""
    parameters, station, store = machine.parameters, machine.station, machine.store
    counters = machine.counters
    control_stores(store, station, parameters, commands, progress)
    wrote = write_out(store, machine.port, parameters, commands, now)
    scale_row(store, parameters, commands, now)
    read = read_row(store, machine.taken, parameters, commands, progress, now)
    if wrote == BUSY:
        counters.write_beats += 1
    if read == BANK_TAKEN:
        counters.read_conflicts += 1
    cause = read
    if wrote == BUSY or read == IDLE:
        cause = wrote
    if cause == IDLE and (store.norm_head < store.norm_tail or store.scale_head < store.scale_tail):
        cause = PIPELINE
    elif cause == IDLE and machine.port.writes_in_flight > 0:
        cause = MEMORY
    _count(counters, station, STORE, cause)


@stage
def step_cycle(
    machine: Record,
    commands: Records,
    progress: Records,
    loops: Records,
    gates: Records,
    lines: Records,
    now: int,
) -> None:
    """Advance every stage by one cycle, the later ones first."""
    station, taken, execute = machine.station, machine.taken, machine.execute
    take_ports(taken, execute, now)
    step_load(machine, commands, progress, lines, now)
    cause = control_execute(execute, taken, machine.parameters, commands, now)
    if cause == BANK_TAKEN:
        machine.counters.operand_conflicts += 1
    _count(machine.counters, station, EXECUTE, cause)
    done, done_unit = take_completions(machine, now)
    step_store(machine, commands, progress, now)
    for unit in range(UNITS):
        issue(machine, commands, progress, unit, now)
    if done >= 0:
        complete(station, progress, done, done_unit, now)
    allocate_next(machine, commands, progress, loops, gates, now)


def _source_digest() -> int:
    """A number that changes with the source of any stage."""
    folder = Path(__file__).parent
    text = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return int.from_bytes(sha256(text).digest()[:7], "big")


def _build_run(digest: int) -> Callable[..., int]:
    """The jitted main loop.

    numba caches it by its own source and its closure only, so the digest of every stage is part of
    the closure: machine code never outlives the source that it was compiled from.
    """

    @numba.njit(cache=True)
    def run(
        machines: Records,
        steps: Records,
        commands: Records,
        progress: Records,
        loops: Records,
        gates: Records,
        lines: Records,
        pause: int,
    ) -> int:
        """Run the program to its end. Returns the cycles to idle, or −1 if it cannot end.

        Returns ``PAUSED`` where the step ``pause`` is next to be dispatched; the run may go on.
        """
        machine = machines[0]
        machine.source = digest
        front, station = machine.front, machine.station
        parameters = machine.parameters
        patience = STUCK_CYCLES + parameters.memory_latency + parameters.dram_latency
        # Not the literal 0: numba would compile every stage once more for that type.
        now = moved_at = moved_to = machine.clock
        while True:
            if front.step == pause:
                machine.clock = now
                return PAUSED
            dispatched = dispatch(front, machine.parameters, steps, now)
            if front.step >= len(steps) and front.quiet > QUIET_CYCLES and not dispatched:
                break
            step_cycle(machine, commands, progress, loops, gates, lines, now)
            if dispatched or is_busy(machine):
                front.last_busy = now
                front.quiet = 0
            else:
                front.quiet += 1
            marker = station.completions + front.step + front.head
            if marker != moved_to:
                moved_at, moved_to = now, marker
            elif now - moved_at > patience:
                return -1
            now += 1
        machine.clock = front.last_busy
        return front.last_busy + IDLE_SEEN + machine.parameters.fence_cycles

    return run


run = _build_run(_source_digest())
