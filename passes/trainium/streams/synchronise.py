"""Which waits the streams of a tile program need, and which instructions count semaphores up.

Each chain of instructions that are done in order has one semaphore. From the exact dependences
between all executions of all instructions, this module derives for each instruction how far every
other chain has to be. Waits that follow from others are left out (the transitive reduction of the
order), and only instructions that some wait is for count a semaphore up. What is left becomes one
affine function of the loops' counters per instruction and chain.

Every wait is for something that comes earlier in the order of the tile program, so that order
remains possible: there is no deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ....hw.trainium.timing.dependencies import Edges, dependencies
from ....hw.trainium.timing.tile_program import TileProgram
from .choose_engines import Chain

Column = NDArray[np.int64]


@dataclass(frozen=True)
class Affine:
    """``constant + Σ strides[l] · counter of the l-th loop around``."""

    constant: int
    strides: tuple[int, ...]

    def at(self, counters: Sequence[Column]) -> Column | int:
        terms = zip(self.strides, counters, strict=True)
        return self.constant + sum(stride * counter for stride, counter in terms)


@dataclass(frozen=True)
class Wait:
    """A stream stops until ``chain`` has counted up to ``count``, or to ``limit`` if less."""

    chain: int
    count: Affine
    limit: Affine | None = None


@dataclass(frozen=True)
class Synchronisation:
    """What keeps the streams of a program in order."""

    waits: tuple[tuple[Wait, ...], ...]
    """Of each statement, before it is issued."""
    counts: tuple[bool, ...]
    """Whether each statement is followed by an increment; moves always are."""


def synchronise(
    tiles: TileProgram,
    trips: Sequence[tuple[int, ...]],
    chains: Sequence[Chain],
    streams: Sequence[int],
    done: Sequence[int],
) -> Synchronisation:
    """The waits and increments that a tile program needs.

    ``trips`` are the iterations of the loops around each statement. ``streams`` and ``done`` are,
    for each statement, the number of the stream that issues it and of the chain it is done in.
    """
    origin = tiles.instructions["origin"]
    stream, chain = np.array(streams)[origin], np.array(done)[origin]
    position = _positions(chain, len(chains))
    needed = _needed(dependencies(tiles.accesses), chain, position, len(chains))
    essential = np.zeros_like(needed, np.bool_)
    _reduce(stream, chain, position, needed, essential)
    kept = np.zeros((len(tiles.statements), len(chains)), np.bool_)
    np.logical_or.at(kept, origin, essential)
    is_move = np.array([one.queue is not None for one in chains])
    counts = _counting(needed * kept[origin], chain, origin, len(kept))
    counts |= is_move[np.array(done)]
    counted, before = _counted(counts[origin], chain, len(chains))
    waits = tuple(
        tuple(
            _wait(
                number,
                counted[number][needed[positions, number]].reshape(shape),
                before[positions, number].reshape(shape),
            )
            for number in np.flatnonzero(kept[statement]).tolist()
        )
        for statement, (positions, shape) in enumerate(zip(tiles.positions, trips, strict=True))
    )
    return Synchronisation(waits, tuple(counts.tolist()))


def _positions(chain: Column, chains: int) -> Column:
    """How many instructions of its chain come up to each instruction, itself included."""
    position = np.zeros(len(chain), np.int64)
    for number in range(chains):
        own = np.flatnonzero(chain == number)
        position[own] = np.arange(1, len(own) + 1)
    return position


def _needed(edges: Edges, chain: Column, position: Column, chains: int) -> NDArray[np.int32]:
    """For each instruction and chain, how many instructions of the chain it depends on."""
    consumer = np.repeat(np.arange(len(chain)), np.diff(edges.begin))
    needed = np.zeros((len(chain), chains), np.int32)
    np.maximum.at(needed, (consumer, chain[edges.producer]), position[edges.producer])
    return needed


@numba.njit(cache=True)
def _reduce(stream: Any, chain: Any, position: Any, needed: Any, essential: Any) -> None:
    """Mark what an instruction needs that does not follow from its chains or its other needs."""
    count, chains = needed.shape
    members = np.zeros(chains + 1, np.int64)
    for index in range(count):
        members[chain[index] + 1] += 1
    begin = np.cumsum(members)
    order = np.zeros(count, np.int64)
    for index in range(count):
        order[begin[chain[index]] + position[index] - 1] = index
    clocks = np.zeros((count, chains), np.int32)
    """What has happened before each instruction is done."""
    issued = np.zeros((chains, chains), np.int32)
    """What has happened before the last instruction of each stream."""
    for index in range(count):
        own, queue = stream[index], chain[index]
        known = issued[own]
        behind = clocks[index]
        if position[index] > 1:
            before = order[begin[queue] + position[index] - 2]
            for other in range(chains):
                behind[other] = max(clocks[before, other], known[other])
        else:
            behind[:] = known
        for number in range(chains):
            need = needed[index, number]
            if need <= behind[number] or number in (own, queue):
                continue
            implied = False
            for other in range(chains):
                if other != number and needed[index, other] > 0 and other != own and other != queue:
                    producer = order[begin[other] + needed[index, other] - 1]
                    if clocks[producer, number] >= need:
                        implied = True
            essential[index, number] = not implied
        for number in range(chains):
            if essential[index, number]:
                producer = order[begin[number] + needed[index, number] - 1]
                for other in range(chains):
                    known[other] = max(known[other], clocks[producer, other])
                    behind[other] = max(behind[other], clocks[producer, other])
        behind[queue] = position[index]
        if queue == own:
            known[own] = position[index]


def _counting(
    needed: NDArray[np.int32], chain: Column, origin: Column, statements: int
) -> NDArray[np.bool_]:
    """The statements that a wait is for."""
    counts = np.zeros(statements, np.bool_)
    for number in range(needed.shape[1]):
        own = np.flatnonzero(chain == number)
        wanted = np.unique(needed[:, number])
        counts[origin[own[wanted[wanted > 0] - 1]]] = True
    return counts


def _counted(
    counts: NDArray[np.bool_], chain: Column, chains: int
) -> tuple[list[Column], NDArray[np.int64]]:
    """What semaphores count.

    For each chain the count after so many of its instructions; and, for each instruction, what
    each chain has counted before it in the order of the program.
    """
    counted: list[Column] = []
    before = np.zeros((len(chain), chains), np.int64)
    for number in range(chains):
        own = chain == number
        ups = own & counts
        counted.append(np.concatenate(([0], np.cumsum(counts[own]))).astype(np.int64))
        before[:, number] = np.cumsum(ups) - ups
    return counted, before


def _wait(chain: int, needed: Column, before: Column) -> Wait:
    """The least of some affine functions that is enough, and never more than there is before."""
    counters = _counters(needed.shape)
    limit = _exact(before, counters)
    best: tuple[int, Affine] | None = None
    for strides in {_usual_steps(needed), limit.strides}:
        rest = needed - Affine(0, strides).at(counters)
        count = Affine(int(rest[needed > 0].max()), strides)
        least = np.minimum(count.at(counters), before)
        slack = int((least - needed)[needed > 0].sum())
        if best is None or slack < best[0]:
            best = slack, count
    assert best is not None
    count = best[1]
    if np.all(count.at(counters) <= before):
        return Wait(chain, count)
    return Wait(chain, count, limit)


def _counters(shape: tuple[int, ...]) -> list[Column]:
    """The counter of each loop in all iterations."""
    return [np.indices(shape)[axis].astype(np.int64) for axis in range(len(shape))]


def _usual_steps(needed: Column) -> tuple[int, ...]:
    """By how much the count usually grows from one iteration of each loop to the next."""
    found: list[int] = []
    for axis in range(needed.ndim):
        later, earlier = (np.take(needed, _range(needed, axis, at), axis) for at in (1, 0))
        steps = (later - earlier)[(later > 0) & (earlier > 0)]
        values, times = np.unique(steps, return_counts=True)
        found.append(int(values[np.argmax(times)]) if len(values) else 0)
    return tuple(found)


def _range(array: Column, axis: int, start: int) -> Column:
    return np.arange(start, array.shape[axis] - 1 + start)


def _exact(values: Column, counters: Sequence[Column]) -> Affine:
    """The affine function with these values; there is one, as loops have constant bounds."""
    first = int(values[(0,) * values.ndim])
    strides: list[int] = []
    for axis in range(values.ndim):
        at = [0] * values.ndim
        at[axis] = min(1, values.shape[axis] - 1)
        strides.append(int(values[tuple(at)]) - first)
    found = Affine(first, tuple(strides))
    assert np.all(found.at(counters) == values), "the program is regular"
    return found
