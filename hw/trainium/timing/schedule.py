"""A list scheduler: the order in which a tile program's instructions issue on their streams.

AWS's compiler orders the instructions of an NKI kernel itself, so this is what the measured kernels
ran through. Of the instructions that are ready, a stream takes the first in program order; if none
is ready, the one that is ready first. Buffers that are allocated in loops bound how far a stream
runs ahead of the others, through the dependences of their next use. The tensor engine has read its
operands when an instruction leaves it; only its results take their way through the array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from .causes import BUSY
from .dependencies import Edges
from .engine import Run
from .machine import (
    TIMES,
    dependence,
    earliest,
    execute,
    finish,
    new_machine,
    source_digest,
    stage,
)
from .records import FIRST_QUEUE, STREAMS, Engine, Links, Program, Records

PE = int(Engine.PE)
READ_BY_PE = STREAMS
"""The semaphore that counts the instructions of PE whose operands are read."""
SEMAPHORES = STREAMS + 1


@stage
def heap_push(keys: Any, items: Any, begin: int, size: int, key: float, item: int) -> None:
    """Add to the binary heap of ``size`` elements at ``begin``; the smallest key is on top."""
    place = size
    while place > 0:
        parent = (place - 1) // 2
        if keys[begin + parent] <= key:
            break
        keys[begin + place] = keys[begin + parent]
        items[begin + place] = items[begin + parent]
        place = parent
    keys[begin + place] = key
    items[begin + place] = item


@stage
def heap_pop(keys: Any, items: Any, begin: int, size: int) -> int:
    """Remove the top of a heap of ``size`` elements; returns its item."""
    top = items[begin]
    last = size - 1
    key, item = keys[begin + last], items[begin + last]
    place = 0
    while 2 * place + 1 < last:
        child = 2 * place + 1
        if child + 1 < last and keys[begin + child + 1] < keys[begin + child]:
            child += 1
        if keys[begin + child] >= key:
            break
        keys[begin + place] = keys[begin + child]
        items[begin + place] = items[begin + child]
        place = child
    keys[begin + place] = key
    items[begin + place] = item
    return top


def _build_run(digest: int) -> Callable[..., int]:
    """The jitted scheduler; numba caches it by its closure, which holds the source's digest."""

    @numba.njit(cache=True, error_model="numpy")
    def run(
        machines: Any,
        instructions: Any,
        times: Any,
        user_begin: Any,
        user: Any,
        only_read: Any,
        missing: Any,
        stream_begin: Any,
        ready: Any,
        cause: Any,
        order: Any,
    ) -> int:
        """Schedule everything; returns how many instructions were scheduled."""
        machine = machines[0]
        machine.source = digest
        count = len(instructions)
        waiting_key, waiting = np.zeros(count), np.zeros(count, np.int64)
        open_key, opened = np.zeros(count), np.zeros(count, np.int64)
        waiting_size: Any = np.zeros(STREAMS, np.int64)
        open_size: Any = np.zeros(STREAMS, np.int64)
        for index in range(count):
            if missing[index] == 0:
                stream = instructions[index].stream
                begin = stream_begin[stream]
                heap_push(waiting_key, waiting, begin, waiting_size[stream], 0.0, index)
                waiting_size[stream] += 1
        placed = 0
        end = 0.0
        while True:
            chosen, chosen_start = -1, np.inf
            for stream in range(STREAMS):
                begin = stream_begin[stream]
                free = machine.free[stream]
                while waiting_size[stream] > 0 and waiting_key[begin] <= free:
                    index = heap_pop(waiting_key, waiting, begin, waiting_size[stream])
                    waiting_size[stream] -= 1
                    heap_push(open_key, opened, begin, open_size[stream], float(index), index)
                    open_size[stream] += 1
                if open_size[stream] > 0:
                    index = opened[begin]
                elif waiting_size[stream] > 0:
                    index = waiting[begin]
                else:
                    continue
                start = earliest(machine, instructions[index], ready[index])
                if start < chosen_start:
                    chosen, chosen_start = stream, start
            if chosen < 0:
                finish(machine, end)
                return placed
            begin = stream_begin[chosen]
            if open_size[chosen] > 0:
                index = heap_pop(open_key, opened, begin, open_size[chosen])
                open_size[chosen] -= 1
            else:
                index = heap_pop(waiting_key, waiting, begin, waiting_size[chosen])
                waiting_size[chosen] -= 1
            execute(machine, instructions[index], times[index], ready[index], cause[index])
            end = max(end, times[index].visible)
            order[placed] = index
            placed += 1
            for place in range(user_begin[index], user_begin[index + 1]):
                later = user[place]
                stream = instructions[later].stream
                if stream == chosen and stream < FIRST_QUEUE:
                    done = times[index].ended
                else:
                    done = times[index].visible + machine.parameters.semaphore
                    if only_read[place] and chosen == PE:
                        done = times[index].ended + machine.parameters.semaphore
                if done > ready[later]:
                    ready[later] = done
                    cause[later] = dependence(chosen)
                missing[later] -= 1
                if missing[later] == 0:
                    begin = stream_begin[stream]
                    size = waiting_size[stream]
                    heap_push(waiting_key, waiting, begin, size, ready[later], later)
                    waiting_size[stream] += 1

    return run


_run = _build_run(source_digest())


def schedule(instructions: Records, edges: Edges, parameters: Any) -> tuple[Program, Run]:
    """Order ``instructions`` (in program order, bound to streams) and make them synchronise.

    ``edges`` are their dependences. Each stream increments a semaphore of its own once per
    instruction; a dependence on another stream becomes a wait for its count, one wait per stream.
    The run is what ``run_program`` says of the program: the scheduler had to know it anyway.
    """
    count = len(instructions)
    missing = np.diff(edges.begin)
    consumer = np.repeat(np.arange(count), missing)
    by_producer = np.argsort(edges.producer, kind="stable")
    uses = np.bincount(edges.producer, minlength=count)
    order = np.zeros(count, np.int64)
    machine, times = new_machine(parameters), np.zeros(count, TIMES)
    per_stream = np.bincount(instructions["stream"], minlength=STREAMS)
    _run(
        machine,
        instructions,
        times,
        np.concatenate(([0], np.cumsum(uses))).astype(np.int64),
        consumer[by_producer],
        edges.only_read[by_producer],
        missing.copy(),
        np.concatenate(([0], np.cumsum(per_stream))).astype(np.int64),
        np.zeros(count),
        np.full(count, BUSY, np.int64),
        order,
    )
    return _program(instructions, edges, consumer, order), Run(machine[0], times[order])


def _program(
    instructions: Records, edges: Edges, consumer: NDArray[np.int64], order: NDArray[np.int64]
) -> Program:
    """The instructions in the order of their issue, with waits for counts of other streams."""
    count = len(order)
    place = np.empty(count, np.int64)
    place[order] = np.arange(count)
    stream = instructions["stream"]
    position = _positions(stream[order])
    own = (stream[edges.producer] == stream[consumer]) & (stream[consumer] < FIRST_QUEUE)
    later, earlier = place[consumer[~own]], place[edges.producer[~own]]
    ordered = instructions[order]
    key = ordered["stream"][earlier]
    key = np.where(edges.only_read[~own] & (key == PE), READ_BY_PE, key)
    pair = later * SEMAPHORES + key
    needed = np.zeros(count * SEMAPHORES, np.int64)
    np.maximum.at(needed, pair, position[earlier] + 1)
    pairs = np.flatnonzero(needed)
    begin = np.searchsorted(pairs // SEMAPHORES, np.arange(count + 1)).astype(np.int64)
    waits = Links(begin, pairs % SEMAPHORES, needed[pairs])
    return Program(ordered, waits, _increments(ordered["stream"]), READ_BY_PE)


def _increments(streams: NDArray[np.int64]) -> Links:
    """Each instruction counts the semaphore of its stream; one of PE also that of its reads."""
    counted = 1 + (streams == PE)
    key = np.repeat(streams, counted)
    begin = np.concatenate(([0], np.cumsum(counted))).astype(np.int64)
    key[begin[1:][streams == PE] - 1] = READ_BY_PE
    return Links(begin, key, np.ones(len(key), np.int64))


def _positions(streams: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each instruction, how many of its stream come before it."""
    positions = np.empty(len(streams), np.int64)
    for stream in np.unique(streams):
        own = np.flatnonzero(streams == stream)
        positions[own] = np.arange(len(own))
    return positions
