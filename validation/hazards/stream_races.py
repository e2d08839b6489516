"""Races: two accesses to the same cells, one of them a write, in no order.

Events are taken in one order in which they can happen. For each region and chain only the last
read and the last write matter: earlier ones of the chain happen before it. An access is compared
with these, in all regions that share cells with its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .stream_cells import Cells, overlaps, shared_cells
from .stream_events import Event, StreamProgram, Touch
from .stream_order import HappensBefore


@dataclass(frozen=True)
class Race:
    """Two events that no order separates, and the cells that both access."""

    first: Event
    second: Event
    first_writes: bool
    second_writes: bool
    cells: Cells


def find_race(program: StreamProgram, happens_before: HappensBefore) -> Race | None:
    """The first race on the way through the program, None if there is none at all."""
    is_written = [False] * len(program.regions)
    for event in program.events:
        for touch in event.touches:
            is_written[touch.region] |= touch.is_write
    shared = overlaps(program.regions, is_written)
    neighbours = [np.array(others, np.int64) for others in shared]
    last = _LastAccesses(len(program.regions), len(program.chains))
    for time, number in enumerate(happens_before.order, 1):
        event = program.events[number]
        touches = [touch for touch in event.touches if len(neighbours[touch.region])]
        if not touches:
            continue
        clock = happens_before.clock(number)
        for touch in touches:
            chain = last.conflict(neighbours[touch.region], clock, touch)
            if chain is not None:
                return _race(program, chain, clock, event, touch)
        for touch in touches:
            last.note(touch, event, time)
    return None


class _LastAccesses:
    """For each region and chain, the number of events up to the last that reads or writes it."""

    def __init__(self, regions: int, chains: int) -> None:
        self.any = np.zeros((regions, chains), np.int32)
        self.writes = np.zeros((regions, chains), np.int32)
        self.times = np.zeros((regions, chains), np.int32)

    def conflict(
        self, regions: NDArray[np.int64], clock: NDArray[np.int32], touch: Touch
    ) -> int | None:
        """The chain of the latest access that conflicts and is not before ``clock``, if any."""
        late = (self.any if touch.is_write else self.writes)[regions] > clock
        if not late.any():
            return None
        latest = np.argmax(np.where(late, self.times[regions], 0))
        return int(latest % late.shape[1])

    def note(self, touch: Touch, event: Event, time: int) -> None:
        self.times[touch.region, event.chain] = time
        self.any[touch.region, event.chain] = event.index + 1
        if touch.is_write:
            self.writes[touch.region, event.chain] = event.index + 1


def _race(
    program: StreamProgram, chain: int, clock: NDArray[np.int32], event: Event, touch: Touch
) -> Race:
    """The race of an event with the first of a chain that it conflicts with, and is not behind."""
    for number in program.chains[chain][clock[chain] :]:
        first = program.events[number]
        for other in first.touches:
            cells = shared_cells(program.regions[other.region], program.regions[touch.region])
            if cells is not None and (other.is_write or touch.is_write):
                return Race(first, event, other.is_write, touch.is_write, cells)
    raise AssertionError("a conflict has an access that it is with")
