"""The event-driven engine: in-order streams that wait for semaphores and increment them.

Of all streams whose next instruction can issue, the one that issues first goes first. What any
other stream does later happens later, so every increment that could matter to it is known by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from .causes import BUSY
from .machine import (
    TIMES,
    Record,
    dependence,
    earliest,
    execute,
    finish,
    new_machine,
    source_digest,
    stage,
)
from .records import STREAMS, Program, Records

NEVER = np.inf
INDEX_BITS = 63


@stage
def record_increment(
    when: Any, total: Any, begin: int, count: int, time: float, amount: int
) -> None:
    """Add an increment to a semaphore's history, which is kept in the order of time."""
    place = begin + count
    while place > begin and when[place - 1] > time:
        when[place] = when[place - 1]
        total[place] = total[place - 1] + amount
        place -= 1
    when[place] = time
    total[place] = amount + (total[place - 1] if place > begin else 0)


@stage
def time_of_value(when: Any, total: Any, begin: int, count: int, value: int) -> float:
    """When a semaphore reached ``value`` by its history so far; NEVER if it has not."""
    if value <= 0:
        return 0.0
    low, high = begin, begin + count
    while low < high:
        middle = (low + high) // 2
        if total[middle] >= value:
            high = middle
        else:
            low = middle + 1
    return when[low] if low < begin + count else NEVER


def _build_run(digest: int) -> Callable[..., int]:
    """The jitted main loop; numba caches it by its closure, which holds the source's digest."""

    @numba.njit(cache=True, error_model="numpy")
    def run(
        machines: Any,
        instructions: Any,
        times: Any,
        order: Any,
        stream_begin: Any,
        wait_begin: Any,
        wait_key: Any,
        wait_amount: Any,
        increment_begin: Any,
        increment_key: Any,
        increment_amount: Any,
        history_begin: Any,
        when: Any,
        total: Any,
        producer: Any,
        at_end: int,
    ) -> int:
        """Run to the end; returns how many instructions could issue."""
        machine = machines[0]
        machine.source = digest
        counts: Any = np.zeros(len(history_begin), np.int64)
        head = stream_begin[:-1].copy()
        ready = np.full(STREAMS, NEVER)
        cause = np.zeros(STREAMS, np.int64)
        stale = np.ones(STREAMS, np.bool_)
        watched = np.zeros(STREAMS, np.int64)
        issued = 0
        end = 0.0
        while True:
            chosen, chosen_start = -1, NEVER
            for stream in range(STREAMS):
                if head[stream] >= stream_begin[stream + 1]:
                    continue
                index = order[head[stream]]
                if stale[stream]:
                    stale[stream] = False
                    ready[stream], cause[stream], watched[stream] = 0.0, BUSY, 0
                    for wait in range(wait_begin[index], wait_begin[index + 1]):
                        key = wait_key[wait]
                        watched[stream] |= 1 << (key % INDEX_BITS)
                        reached = time_of_value(
                            when, total, history_begin[key], counts[key], wait_amount[wait]
                        )
                        if reached > 0.0:
                            reached += machine.parameters.semaphore
                        if reached > ready[stream]:
                            ready[stream] = reached
                            cause[stream] = dependence(producer[key])
                if ready[stream] == NEVER:
                    continue
                start = earliest(machine, instructions[index], ready[stream])
                if start < chosen_start:
                    chosen, chosen_start = stream, start
            if chosen < 0:
                break
            index = order[head[chosen]]
            head[chosen] += 1
            stale[chosen] = True
            issued += 1
            execute(machine, instructions[index], times[index], ready[chosen], cause[chosen])
            end = max(end, times[index].visible)
            for step in range(increment_begin[index], increment_begin[index + 1]):
                key = increment_key[step]
                record_increment(
                    when,
                    total,
                    history_begin[key],
                    counts[key],
                    times[index].ended if key == at_end else times[index].visible,
                    increment_amount[step],
                )
                counts[key] += 1
                for stream in range(STREAMS):
                    if watched[stream] >> (key % INDEX_BITS) & 1:
                        stale[stream] = True
        finish(machine, end)
        return issued

    return run


_run = _build_run(source_digest())


@dataclass(frozen=True)
class Run:
    """What one simulation did: the machine's counters and each instruction's times."""

    machine: Record
    times: Records
    stuck: tuple[int, ...] = ()
    """Instructions at the head of a stream whose waits are never satisfied: a deadlock."""


def run_program(program: Program, parameters: Any) -> Run:
    """Run a scheduled program; instructions that never issue keep times of NaN."""
    instructions = program.instructions
    machine = new_machine(parameters)
    times = np.zeros(len(instructions), TIMES)
    times["issued"] = np.nan
    order = np.argsort(instructions["stream"], kind="stable")
    counts = np.bincount(instructions["stream"], minlength=STREAMS)
    stream_begin = np.concatenate(([0], np.cumsum(counts)))
    uses = np.bincount(program.increments.key, minlength=program.semaphores)
    history_begin = np.concatenate(([0], np.cumsum(uses))).astype(np.int64)
    total = int(history_begin[-1])
    issued = _run(
        machine,
        instructions,
        times,
        order,
        stream_begin,
        program.waits.begin,
        program.waits.key,
        program.waits.amount,
        program.increments.begin,
        program.increments.key,
        program.increments.amount,
        history_begin,
        np.zeros(total),
        np.zeros(total, np.int64),
        _producers(program),
        program.at_end,
    )
    stuck = () if issued == len(instructions) else _heads(instructions, times, order)
    return Run(machine[0], times, stuck)


def _producers(program: Program) -> NDArray[np.int64]:
    """For each semaphore, the stream of an instruction that increments it; 5 and up: a DMA."""
    producer = np.zeros(program.semaphores, np.int64)
    owner = np.repeat(np.arange(len(program)), np.diff(program.increments.begin))
    instructions = program.instructions[owner]
    streams = np.where(instructions["dmas"] > 0, STREAMS - 1, instructions["stream"])
    producer[program.increments.key] = streams
    return producer


def _heads(instructions: Records, times: Records, order: NDArray[np.int64]) -> tuple[int, ...]:
    waiting = order[np.isnan(times["issued"][order])]
    _, first = np.unique(instructions["stream"][waiting], return_index=True)
    return tuple(sorted(int(waiting[place]) for place in first))
