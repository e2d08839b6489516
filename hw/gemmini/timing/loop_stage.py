"""The loop unroller between the core's commands and the reservation station.

Source: LoopMatmul.scala. Two loops may be under way, so that the loads of the next overlap the
computations of the first. Each state machine works through the loops in order and emits at most
one command per cycle; among those that may, stores go first, then computations, then D, then
whichever of A and B is behind. No machine emits more than its queue in the station can hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..loop_machines import LOAD_A, LOAD_B, MACHINES
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
UNIT_OF_MACHINE = (STORE, EXECUTE, LOAD, LOAD, LOAD)
NONE: Any = np.int64(-1)


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
def _is_behind(unroller: Record, gates: Records, b: int, a: int) -> bool:
    """Whether the load ``b`` of B goes before ``a`` of A: of an earlier loop, or behind in it."""
    a_loop, b_loop = unroller.machine_loop[LOAD_A], unroller.machine_loop[LOAD_B]
    return b_loop < a_loop or (b_loop == a_loop and gates[b].progress < gates[a].progress)


@stage
def _choose(
    unroller: Record, station: Record, parameters: Record, loops: Records, gates: Records
) -> tuple[int, int]:
    """The machine that emits in this cycle and its command, or ``NONE``."""
    chosen, first = NONE, NONE
    for machine in range(MACHINES):
        if not has_room(station, parameters, UNIT_OF_MACHINE[machine]):
            continue
        command = _next_command(unroller, loops, gates, machine)
        if command < 0:
            continue
        if machine < LOAD_A:
            return machine, command
        if first < 0 or _is_behind(unroller, gates, command, first):
            chosen, first = machine, command
    return chosen, first


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
