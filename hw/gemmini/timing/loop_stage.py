"""The loop unroller between the core's commands and the reservation station.

Source: LoopMatmul.scala. Two loops may be under way, so that the loads of the next overlap the
computations of the first. Each state machine works through the loops in order and emits at most
one command per cycle; among those that may, stores go first, then computations, then D, then
whichever of A and B is behind. No machine emits more than its queue in the station can hold.
"""

from __future__ import annotations

import numpy as np

from ..loop_unroller import EXECUTE_LOOP, LOAD_A, LOAD_B, LOAD_D, MACHINES, STORE_C
from .jit import stage
from .reservation import allocate, has_room
from .state import EXECUTE, LOAD, STORE, Record, Records

LOOPS_AT_ONCE = 2
START_LATENCY = 1
"""Cycles from the arrival of the loop command to the first command of a machine (calibrated)."""

LOOP = np.dtype([("first", np.int64, (MACHINES,)), ("count", np.int64, (MACHINES,))], align=True)
"""Where the commands of each state machine of one loop lie in the table."""
GATE = np.dtype([("needs", np.int64, (MACHINES,)), ("progress", np.int64)], align=True)
"""For each command of a loop: how far the other machines must be, and the loop counters at it."""
NONE = -1


@stage
def loops_active(unroller: Record) -> int:
    """How many loops are under way: a loop ends with the last of its machines."""
    behind = unroller.machine_loop[0]
    for machine in range(1, MACHINES):
        behind = min(behind, unroller.machine_loop[machine])
    return unroller.activated - behind


@stage
def activate(unroller: Record, now: int) -> None:
    """Hand the next loop to the state machines."""
    unroller.activated += 1
    unroller.start = max(unroller.start, now + START_LATENCY)


@stage
def _advance(unroller: Record, loops: Records) -> None:
    """Machines that have emitted all of a loop turn to the next."""
    for machine in range(MACHINES):
        loop = unroller.machine_loop[machine]
        if loop < unroller.activated and unroller.emitted[machine] >= loops[loop].count[machine]:
            unroller.machine_loop[machine] += 1
            unroller.emitted[machine] = 0


@stage
def _next_command(unroller: Record, loops: Records, gates: Records, machine: int) -> int:
    """The command that a machine would emit now, or ``NONE``."""
    loop = unroller.machine_loop[machine]
    if loop >= unroller.activated or unroller.emitted[machine] >= loops[loop].count[machine]:
        return NONE
    command = loops[loop].first[machine] + unroller.emitted[machine]
    for other in range(MACHINES):
        is_there = unroller.machine_loop[other] > loop
        if not is_there and unroller.emitted[other] < gates[command].needs[other]:
            return NONE
    return command


@stage
def _choose_operand(unroller: Record, gates: Records, a: int, b: int) -> int:
    """Of the loads of A and B the one of the earlier loop, then the one that is behind."""
    a_loop, b_loop = unroller.machine_loop[LOAD_A], unroller.machine_loop[LOAD_B]
    if a_loop != b_loop:
        return LOAD_A if a_loop < b_loop else LOAD_B
    return LOAD_A if gates[a].progress <= gates[b].progress else LOAD_B


@stage
def _choose(
    unroller: Record, station: Record, parameters: Record, loops: Records, gates: Records
) -> tuple[int, int]:
    """The machine that emits in this cycle and its command, or ``NONE``."""
    if has_room(station, parameters, STORE):
        command = _next_command(unroller, loops, gates, STORE_C)
        if command >= 0:
            return STORE_C, command
    if has_room(station, parameters, EXECUTE):
        command = _next_command(unroller, loops, gates, EXECUTE_LOOP)
        if command >= 0:
            return EXECUTE_LOOP, command
    if not has_room(station, parameters, LOAD):
        return NONE, NONE
    command = _next_command(unroller, loops, gates, LOAD_D)
    if command >= 0:
        return LOAD_D, command
    a = _next_command(unroller, loops, gates, LOAD_A)
    b = _next_command(unroller, loops, gates, LOAD_B)
    if a >= 0 and (b < 0 or _choose_operand(unroller, gates, a, b) == LOAD_A):
        return LOAD_A, a
    return (LOAD_B, b) if b >= 0 else (NONE, NONE)


@stage
def emit_from_loops(
    unroller: Record,
    station: Record,
    parameters: Record,
    loops: Records,
    gates: Records,
    commands: Records,
    progress: Records,
    now: int,
) -> None:
    """Let one state machine emit one command into the reservation station."""
    if now < unroller.start:
        return
    machine, command = _choose(unroller, station, parameters, loops, gates)
    if machine >= 0:
        unit = commands[command].unit
        allocate(station, progress, command, unit, unroller.sequence, now)
        unroller.sequence += 1
        unroller.emitted[machine] += 1
    _advance(unroller, loops)
