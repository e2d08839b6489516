"""The reservation station: three in-order queues, tied together by the local rows they touch.

Source: ReservationStation.scala. A command issues after all older ones of its queue have issued,
and after every older command of another queue whose rows overlap has completed.
"""

from __future__ import annotations

from .decode import CONFIGURE, PRELOAD
from .jit import stage
from .state import EXECUTE, LOAD, RING, STORE, UNITS, Record, Records

MASK = RING - 1


@stage
def queue_is_empty(station: Record, unit: int) -> bool:
    return station.queue_head[unit] == station.queue_tail[unit]


@stage
def queue_head(station: Record, unit: int) -> int:
    """The command at the head of a controller's queue."""
    return station.queue[unit * RING + (station.queue_head[unit] & MASK)]


@stage
def queue_pop(station: Record, unit: int) -> None:
    station.queue_head[unit] += 1


@stage
def has_room(station: Record, parameters: Record, unit: int) -> bool:
    return station.live_count[unit] < parameters.station_capacity[unit]


@stage
def allocate(
    station: Record, progress: Records, index: int, unit: int, sequence: int, now: int
) -> None:
    """Enter the command ``index``; ``sequence`` numbers the commands in the order they enter."""
    station.live[unit * RING + station.live_count[unit]] = index
    station.live_count[unit] += 1
    progress[index].allocated = now
    progress[index].sequence = sequence


@stage
def complete(station: Record, progress: Records, index: int, unit: int, now: int) -> None:
    """Free the entry of the command ``index``."""
    first, count = unit * RING, station.live_count[unit]
    place = 0
    while station.live[first + place] != index:
        place += 1
    for later in range(place, count - 1):
        station.live[first + later] = station.live[first + later + 1]
    station.live_count[unit] -= 1
    station.issued_count[unit] -= 1
    station.completions += 1
    progress[index].done = now


@stage
def _touches(start: int, end: int, other_start: int, other_end: int) -> bool:
    return (other_start <= start < other_end) or (start <= other_start < end)


@stage
def _depends(command: Record, older: Record) -> bool:
    """Whether ``command`` must wait for ``older``, a command of another queue, to complete."""
    a, b = command.range_start, command.range_end
    if command.unit == LOAD:
        return _touches(a, b, older.range_start, older.range_end) or _touches(
            a, b, older.other_start, older.other_end
        )
    if older.unit == LOAD:
        c, d = command.other_start, command.other_end
        return _touches(a, b, older.range_start, older.range_end) or (
            command.unit == EXECUTE and _touches(c, d, older.range_start, older.range_end)
        )
    # Execute against store: only the rows that a preload names as its result are compared.
    writer = command if command.unit == EXECUTE else older
    return writer.kind == PRELOAD and _touches(a, b, older.range_start, older.range_end)


@stage
def _blocking_unit(
    station: Record,
    parameters: Record,
    commands: Records,
    progress: Records,
    index: int,
    unit: int,
) -> int:
    """The unit that the command waits for, −1 if for none."""
    command = commands[index]
    if unit == STORE and parameters.store_waits_for_completion and station.issued_count[STORE] > 0:
        return STORE
    if command.kind == CONFIGURE:
        return -1
    sequence = progress[index].sequence
    for other in range(UNITS):
        if other == unit:
            continue
        for place in range(station.live_count[other]):
            older = station.live[other * RING + place]
            if progress[older].sequence > sequence:
                break
            if commands[older].kind != CONFIGURE and _depends(command, commands[older]):
                return other
    return -1


@stage
def next_to_issue(station: Record, progress: Records, unit: int, now: int) -> int:
    """The oldest command of ``unit`` that has not issued and entered before ``now``, or −1."""
    place = station.issued_count[unit]
    if place >= station.live_count[unit]:
        return -1
    index = station.live[unit * RING + place]
    return index if progress[index].allocated < now else -1


@stage
def is_blocked(
    station: Record,
    parameters: Record,
    commands: Records,
    progress: Records,
    index: int,
    unit: int,
) -> bool:
    """Whether the command must wait. Only a completion can change that, so the answer is kept."""
    if station.blocked_by[unit] >= 0 and station.blocked_at[unit] == station.completions:
        return True
    station.blocked_by[unit] = _blocking_unit(station, parameters, commands, progress, index, unit)
    station.blocked_at[unit] = station.completions
    return station.blocked_by[unit] >= 0


@stage
def push_to_queue(
    station: Record,
    commands: Records,
    progress: Records,
    index: int,
    unit: int,
    now: int,
) -> None:
    """Hand the command to its controller. Load and store configurations complete on issue."""
    station.queue[unit * RING + (station.queue_tail[unit] & MASK)] = index
    station.queue_tail[unit] += 1
    station.issued_count[unit] += 1
    progress[index].issued = now
    if commands[index].kind == CONFIGURE and unit != EXECUTE:
        complete(station, progress, index, unit, now)
