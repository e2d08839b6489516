"""What happens before what in an ISA-level program, in every execution of it.

An event happens before another if the other cannot start until it is complete:

* in a chain, each event happens before the next: a stream issues its instructions in order, and so
  does a queue with the moves of one stream;
* a trigger happens before its move; moves of one queue that two streams start are in the order of
  their triggers, if these have one;
* an event happens before a wait that *needs* it: without the event, without all that it happens
  before, and without all that the wait happens before, what is left does not count the semaphore
  up to what the wait asks for.

The last rule uses the order that it defines. It is applied again and again, from the weakest order
up to where nothing changes; each order on the way is sound, as what it leaves out can only make
more events available to a wait, hence fewer needed. Where several waits could serve each other in
turn, the order may be weaker than the truth, never stronger.

The order is kept as vector clocks: for each event, how many events of each chain happen before it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from .stream_events import Event, StreamProgram


@dataclass(frozen=True)
class Execution:
    """One execution, as far as it gets."""

    order: list[int]
    """The events, in an order in which they can happen."""
    stuck: list[int]
    """The wait at which each stream stands that does not end."""
    counts: dict[SSAValue, int]
    """What the semaphores end at."""


def execute_greedily(program: StreamProgram) -> Execution:
    """Run each stream as far as it goes, moves at once, until no stream gets anywhere.

    One such execution is enough to decide whether there is a deadlock. Semaphores only count up,
    so an event that can happen stays possible whatever happens before it, and moves wait for
    nothing but moves. If two executions end with different events, take the first event of one
    that the other lacks: all it waits for has happened in the other too, so the other has not
    ended. All executions hence end with the same events, the same waits and the same counts.
    """
    events, counts = program.events, dict[SSAValue, int]()
    order: list[int] = []
    position = dict.fromkeys(program.streams, 0)
    waiting: dict[SSAValue, set[int]] = {}
    ready = list(reversed(program.streams))
    while ready:
        stream = ready.pop()
        chain = program.chains[stream]
        while position[stream] < len(chain):
            number = chain[position[stream]]
            event = events[number]
            semaphore = event.semaphore if event.is_wait else None
            if semaphore is not None and counts.get(semaphore, 0) < event.count:
                waiting.setdefault(semaphore, set()).add(stream)
                break
            position[stream] += 1
            happened = [number] if event.move is None else [number, event.move]
            order.extend(happened)
            for counted in (events[number] for number in happened):
                if counted.semaphore is not None and not counted.is_wait:
                    semaphore = counted.semaphore
                    counts[semaphore] = counts.get(semaphore, 0) + counted.count
                    ready.extend(sorted(waiting.pop(semaphore, ())))
    stuck = [
        program.chains[stream][at]
        for stream, at in position.items()
        if at < len(program.chains[stream])
    ]
    return Execution(order, stuck, counts)


@dataclass(frozen=True)
class _Counters:
    """The events of one chain that count a semaphore up."""

    chain: int
    events: list[int]
    sums: NDArray[np.int64]
    """``sums[k]`` is what the first k of them count."""


@dataclass
class HappensBefore:
    """The order of the events of a program that has no deadlock.

    A clock changes only at waits and moves, so there is one row for each of these, and row 0.
    """

    program: StreamProgram
    order: list[int]
    """All events, in an order in which they can happen."""
    _rows: NDArray[np.int64] = field(init=False)
    """The row of each event."""
    _clocks: NDArray[np.int32] = field(init=False)
    _counters: dict[SSAValue, list[_Counters]] = field(init=False)
    _queue_mates: dict[int, list[int]] = field(init=False)
    """The chains of the queue that each chain of moves belongs to."""

    def __post_init__(self) -> None:
        queues = self.program.queues.values()
        self._queue_mates = {chain: chains for chains in queues for chain in chains}
        self._rows = self._number_rows()
        rows = int(self._rows.max(initial=0)) + 1
        self._clocks = np.zeros((rows, len(self.program.chains)), np.int32)
        self._counters = _counters(self.program)
        while self._round():
            pass

    def clock(self, number: int) -> NDArray[np.int32]:
        """How many events of each chain happen before the event, itself included."""
        event = self.program.events[number]
        clock = self._clocks[self._rows[number]].copy()
        clock[event.chain] = event.index + 1
        return clock

    def _known(self, number: int, chain: int) -> int:
        """How many events of a chain happen before the event, itself included."""
        event = self.program.events[number]
        if event.chain == chain:
            return event.index + 1
        return int(self._clocks[self._rows[number], chain])

    def _number_rows(self) -> NDArray[np.int64]:
        events = self.program.events
        rows = np.zeros(len(events), np.int64)
        last = 0
        for chain in self.program.chains:
            row = 0
            for number in chain:
                if events[number].is_wait or events[number].trigger is not None:
                    last += 1
                    row = last
                rows[number] = row
        return rows

    def _round(self) -> bool:
        """Work all clocks out from those that are known; returns whether another round is due.

        Causes come before effects in ``order``. Only what serves a wait in another order of events
        may come later, which matters where several chains count one semaphore.
        """
        before = self._clocks.copy()
        for number in self.order:
            event = self.program.events[number]
            if event.is_wait:
                self._wait(number, event)
            elif event.trigger is not None:
                self._move(number, event, event.trigger)
        several = any(len(counters) > 1 for counters in self._counters.values())
        return several and not np.array_equal(before, self._clocks)

    def _wait(self, number: int, event: Event) -> None:
        clock = self._clocks[self._rows[number]]
        if event.index > 0:
            previous = self.program.chains[event.chain][event.index - 1]
            np.maximum(clock, self.clock(previous), out=clock)
        assert event.semaphore is not None
        every = self._counters.get(event.semaphore, [])
        if len(every) == 1:
            # One chain counts in order: all that is needed happens before the last of these.
            needed = bisect_left(every[0].sums, event.count)
            if needed > 0:
                np.maximum(clock, self.clock(every[0].events[needed - 1]), out=clock)
        else:
            np.maximum(clock, self._needed(event, every, clock), out=clock)

    def _move(self, number: int, event: Event, trigger: int) -> None:
        clock = self._clocks[self._rows[number]]
        np.maximum(clock, self.clock(trigger), out=clock)
        for chain in self._queue_mates[event.chain]:
            previous = self._last_triggered(chain, trigger) if chain != event.chain else event.index
            if previous > 0:
                move = self.program.chains[chain][previous - 1]
                np.maximum(clock, self.clock(move), out=clock)

    def _last_triggered(self, chain: int, trigger: int) -> int:
        """How many moves of a chain were started before ``trigger``, in every execution."""
        events, moves = self.program.events, self.program.chains[chain]
        first = events[moves[0]].trigger
        assert first is not None
        known = self._known(trigger, events[first].chain)
        return bisect_left(moves, known, key=lambda move: events[_trigger(events[move])].index)

    def _needed(
        self, wait: Event, every: list[_Counters], known: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """How many events of each chain a wait needs; at least those that are known."""
        # What the wait happens before cannot serve it.
        limits = [self._unaware(counters, wait.chain, wait.index) for counters in every]
        found = np.zeros(len(self.program.chains), np.int32)
        for chain, events in enumerate(self.program.chains):

            def available(index: int, chain: int = chain) -> int:
                """The count without an event, and without all that it happens before."""
                places = (
                    min(self._unaware(counters, chain, index), limit)
                    for counters, limit in zip(every, limits, strict=True)
                )
                sums = zip(every, places, strict=True)
                return sum(int(counters.sums[place]) for counters, place in sums)

            # The earlier an event is in its chain, the less is there without it.
            found[chain] = _first(available, wait.count, int(known[chain]), len(events))
        return found

    def _unaware(self, counters: _Counters, chain: int, index: int) -> int:
        """How many of the counters the event ``index`` of a chain does not happen before."""
        return bisect_right(counters.events, index, key=lambda number: self._known(number, chain))


def _first(value: Callable[[int], int], limit: int, low: int, end: int) -> int:
    """The first number from ``low`` up to ``end`` where an ascending function reaches ``limit``.

    Looks near ``low`` first, as a loop's next wait needs little more than the one before.
    """
    high, step = low, 1
    while high < end and value(high) < limit:
        low = high + 1
        high += step
        step *= 2
    return bisect_left(range(end), limit, lo=low, hi=min(high, end), key=value)


def _trigger(event: Event) -> int:
    assert event.trigger is not None
    return event.trigger


def _counters(program: StreamProgram) -> dict[SSAValue, list[_Counters]]:
    """The events that count each semaphore up, by chain."""
    found: dict[SSAValue, list[_Counters]] = {}
    for chain, numbers in enumerate(program.chains):
        by_semaphore: dict[SSAValue, list[int]] = {}
        for number in numbers:
            event = program.events[number]
            if event.semaphore is not None and not event.is_wait and event.count > 0:
                by_semaphore.setdefault(event.semaphore, []).append(number)
        for semaphore, events in by_semaphore.items():
            counts = [program.events[number].count for number in events]
            sums = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
            found.setdefault(semaphore, []).append(_Counters(chain, events, sums))
    return found
