"""A quick proof that an ISA-level program has no hazard, for all executions at once.

It covers programs in which one chain counts each semaphore up, and each queue is filled by one
stream: each wait then needs one event and those before it. What an access touches is taken to be
the box around it, or in memory that buffers share the bytes themselves. Where this proves nothing,
``stream_order`` and ``stream_races`` decide, which also name what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType
from xdsl.ir import Operation, SSAValue

from ...diagnostics import Diagnostic
from ...dialects import trn
from ...dialects.trn import Instruction, Space, space_of
from ...hw.lanes import Scope, UnknownValueError
from ...hw.trainium.timing.allocation import Allocation
from ...hw.trainium.timing.cells import Buffer, accesses_of, is_cut_by_all_bounds
from ...hw.trainium.timing.dependencies import Accesses
from ...hw.trainium.timing.executions import Executions, executions_of
from ...hw.trainium.timing.tile_program import buffers_of
from ...hw.trainium.timing.views import box_of
from .shared_buffers import (
    Place,
    SharedAccess,
    reads_own_contents,
    shared_accesses,
    shared_memories,
)

Column = NDArray[np.int64]
NONE = -1
_STEPS = (Instruction, trn.WaitOp, trn.IncOp)
MAX_ENTRIES = 1 << 26
"""Cells times chains: a guard against programs that would take too much memory."""
_PLACES = (
    *(trn.SemaphoreOp, trn.SbufOp, trn.PsumOp, trn.ReshapeOp, trn.ViewOp),
    *(memref.AllocOp, memref.DeallocOp),
)


def is_harmless(function: func.FuncOp) -> bool:
    """Whether a function that the machine accepts is proved to have no hazard.

    Nor does it then read what was written through another buffer.
    """
    if any(map(_lacks_place, function.walk())):
        return False
    try:
        found, count = executions_of(function.body.block, _STEPS, _is_place)
        return _is_harmless(function, found, count)
    except (Diagnostic, UnknownValueError):
        return False


def _is_harmless(function: func.FuncOp, found: list[Executions], count: int) -> bool:
    if any(trn.stream_engine(one.op) is None for one in found):
        return False
    if not all(_is_within_bounds(one) for one in found if isinstance(one.op, Instruction)):
        return False
    events = _events(found, count)
    if events is None:
        return False
    memories = shared_memories(function)
    shared, accesses = _accesses(memories, found, events)
    if accesses is None or accesses.cells * events.chains > MAX_ENTRIES:
        return False
    order = _order_without_race(events, accesses)
    return order is not None and (not memories or reads_own_contents(order, accesses, shared))


def _is_place(op: Operation, scope: Scope) -> bool:
    return isinstance(op, _PLACES)


def _lacks_place(op: Operation) -> bool:
    return isinstance(op, memref.AllocOp) and space_of(op.memref.type) != Space.HBM


def _is_within_bounds(execution: Executions) -> bool:
    """Whether all views lie in their arrays, and begin at partitions that are known."""
    assert isinstance(execution.op, Instruction)
    for view in execution.op.views:
        source = view.owner
        if not isinstance(source, trn.ViewOp):
            return False
        kind = source.source.type
        assert isinstance(kind, MemRefType)
        if trn.view_of(view).on_chip:
            known = source.static_offsets.get_values()[0] != DYNAMIC_INDEX
            if not known or trn.view_of(view).partitions is None:
                return False
        box = box_of(view, execution.scope)
        for low, high, extent in zip(box.low, box.high, kind.get_shape(), strict=True):
            if np.any(np.less(low, 0)) or np.any(np.greater(high, extent)):
                return False
    return True


@dataclass(frozen=True)
class _Events:
    """Executions of all steps, of which a DMA is two: its trigger and its move."""

    first: Column
    """The event of each step, or of its trigger."""
    chain: Column
    index: Column
    """How many events of its chain come before."""
    previous: Column
    """The event of its chain before."""
    needed: Column
    """The event that a wait needs."""
    trigger: Column
    """The event that starts a move."""
    chains: int
    streams: Column
    """The first event of each stream, and the number of all events."""


def _events(found: list[Executions], count: int) -> _Events | None:
    """All events, None where they are not of the simple kind."""
    is_dma, stream = np.zeros(count, np.int64), np.zeros(count, np.int64)
    engines: dict[trn.Engine, int] = {}
    for one in found:
        engine = trn.stream_engine(one.op)
        assert engine is not None
        stream[one.positions] = engines.setdefault(engine, len(engines))
        is_dma[one.positions] = isinstance(one.op, trn.DmaStartOp)
    first = np.cumsum(1 + is_dma) - (1 + is_dma)
    total = int((1 + is_dma).sum())
    chain, trigger = np.zeros(total, np.int64), np.full(total, NONE, np.int64)
    chain[first] = stream
    queues: dict[int, tuple[int, int]] = {}
    for one in found:
        if isinstance(one.op, trn.DmaStartOp):
            own = int(stream[one.positions[0]]) if len(one.positions) else 0
            user = queues.setdefault(one.op.queue.value.data, (own, len(engines) + len(queues)))
            if user[0] != own:
                return None
            triggers = first[one.positions]
            chain[triggers + 1], trigger[triggers + 1] = user[1], triggers
    chains = len(engines) + len(queues)
    index, previous = _in_chains(chain, chains)
    needed = _needed(found, first, chain)
    if needed is None:
        return None
    begins = np.flatnonzero(np.append(True, stream[1:] != stream[:-1])[:count])
    streams = np.append(first[begins], total)
    return _Events(first, chain, index, previous, needed, trigger, chains, streams)


def _in_chains(chain: Column, chains: int) -> tuple[Column, Column]:
    index = np.zeros(len(chain), np.int64)
    previous = np.full(len(chain), NONE, np.int64)
    for number in range(chains):
        own = np.flatnonzero(chain == number)
        index[own] = np.arange(len(own))
        previous[own[1:]] = own[:-1]
    return index, previous


def _needed(found: list[Executions], first: Column, chain: Column) -> Column | None:
    """The event that each wait needs; None if several chains count, or too little."""
    counters: dict[SSAValue, list[tuple[Column, Column]]] = {}
    for one in found:
        op = one.op
        if isinstance(op, trn.DmaStartOp):
            steps = np.full(len(one.positions), op.step.value.data)
            counters.setdefault(op.semaphore, []).append((first[one.positions] + 1, steps))
        elif isinstance(op, trn.IncOp):
            amount = one.scope.column(one.scope.get(op.count))
            counters.setdefault(op.semaphore, []).append((first[one.positions], amount))
    sums: dict[SSAValue, tuple[Column, Column]] = {}
    for semaphore, parts in counters.items():
        events = np.concatenate([part[0] for part in parts])
        amounts = np.concatenate([part[1] for part in parts])
        order = np.argsort(events)
        if len(np.unique(chain[events])) > 1 or np.any(amounts < 0):
            return None
        sums[semaphore] = events[order], np.cumsum(amounts[order])
    needed = np.full(len(chain), NONE, np.int64)
    for one in found:
        if isinstance(one.op, trn.WaitOp):
            wanted = one.scope.column(one.scope.get(one.op.count))
            waits = first[one.positions][wanted > 0]
            nothing = np.zeros(0, np.int64)
            events, reached = sums.get(one.op.semaphore, (nothing, nothing))
            place = np.searchsorted(reached, wanted[wanted > 0])
            if np.any(place >= len(events)):
                return None
            needed[waits] = events[place]
    return needed


def _accesses(
    memories: list[list[Place]], found: list[Executions], events: _Events
) -> tuple[list[SharedAccess], Accesses | None]:
    """The cells that each event touches, those of shared memories first, and what it does there.

    No cells if those of a shared memory are too many to be told apart.
    """
    issues: list[Executions] = []
    for one in found:
        if isinstance(one.op, Instruction):
            own = events.first[one.positions] + isinstance(one.op, trn.DmaStartOp)
            issues.append(replace(one, positions=own))
    shared, buffers, first = list[SharedAccess](), list[Buffer](), 1
    for memory in memories:
        every = shared_accesses(memory, first, issues)
        if not every:
            continue
        first += len(memory)
        shared += every
        buffers.append(Buffer(1, [one.access for one in every]))
    if not all(map(is_cut_by_all_bounds, buffers)):
        return shared, None
    places: set[SSAValue] = {op.buffer for memory in memories for op in memory}
    buffers += buffers_of(issues, Allocation({}), without=places)
    return shared, accesses_of(buffers, len(events.chain))


def _order_without_race(events: _Events, accesses: Accesses) -> Column | None:
    """All events in an order in which they can happen; None if not all can, or two race."""
    columns = (events.chain, events.index, events.previous, events.needed, events.trigger)
    order = np.zeros(len(events.chain), np.int64)
    ended = _run(
        *columns,
        events.chains,
        events.streams,
        accesses.begin,
        accesses.cell,
        accesses.writes,
        accesses.cells,
        order,
    )
    return order if ended else None


@numba.njit(cache=True)
def _run(
    chain: Any,
    index: Any,
    previous: Any,
    needed: Any,
    trigger: Any,
    chains: int,
    streams: Any,
    access_begin: Any,
    access_cell: Any,
    access_writes: Any,
    cells: int,
    order: Any,
) -> bool:
    """Run all events, in an ``order`` in which they can happen; whether all do without a race.

    ``clocks`` has how many events of each chain happen before an event, itself included.
    """
    count = len(chain)
    clocks = np.zeros((count, chains), np.int32)
    done = np.zeros(count, np.bool_)
    last_write = np.full(cells, NONE, np.int64)
    last_read = np.zeros((cells, chains), np.int32)
    head = streams[:-1].copy()
    happened = 0
    progress = True
    while progress:
        progress = False
        for stream in range(len(head)):
            while head[stream] < streams[stream + 1]:
                event = head[stream]
                if needed[event] != NONE and not done[needed[event]]:
                    break
                head[stream] += 1
                progress = True
                order[happened] = event
                happened += 1
                done[event] = True
                clock = clocks[event]
                for cause in (previous[event], needed[event], trigger[event]):
                    if cause != NONE:
                        for other in range(chains):
                            clock[other] = max(clock[other], clocks[cause, other])
                own = chain[event]
                clock[own] = index[event] + 1
                for entry in range(access_begin[event], access_begin[event + 1]):
                    cell = access_cell[entry]
                    write = last_write[cell]
                    if write != NONE and clock[chain[write]] < index[write] + 1:
                        return False
                    if access_writes[entry]:
                        for other in range(chains):
                            if clock[other] < last_read[cell, other]:
                                return False
                        last_write[cell] = event
                    else:
                        last_read[cell, own] = index[event] + 1
    return happened == count
