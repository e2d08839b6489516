"""Hazards of an ISA-level program for Trainium: what depends on the speed of its engines.

Streams and DMA queues run at the same time; only semaphores put them in order. A program without a
hazard ends, and leaves the same contents in all memories, whatever the engines' speeds: any order
of its events that respects the semaphores gives its meaning, such as the one in which the
functional simulator runs it.

* ``CAPACITY``: a buffer reaches past the end of its memory.
* ``UNSATISFIABLE``: a wait asks for more than all that counts its semaphore up.
* ``DEADLOCK``: streams wait for each other.
* ``RACE``: two accesses to the same cells, one of them a write, are in no order.

What is taken for granted: an instruction starts when those before it in its stream are done; a
queue carries a move out when those before it are done; a DMA counts its semaphore up at once, when
all of it is done; the program ends when all streams have ended and all queues are empty; array
parameters do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from xdsl.dialects import func
from xdsl.ir import Operation, SSAValue

from ...diagnostics import Diagnostic
from ...dialects import trn
from ...dialects.trn import Instruction, partition_bytes
from ...hw.locations import location_of
from ...hw.trainium.check import check
from ...hw.trainium.config import TrainiumConfig
from .stream_arrays import is_harmless
from .stream_cells import Cells
from .stream_events import Event, Place, StreamProgram, unroll
from .stream_order import Execution, HappensBefore, execute_greedily
from .stream_races import Race, find_race


class StreamRule(StrEnum):
    """What may go wrong; see the module."""

    CAPACITY = "capacity"
    UNSATISFIABLE = "unsatisfiable wait"
    DEADLOCK = "deadlock"
    RACE = "race"


@dataclass(frozen=True)
class StreamHazard:
    """Two instructions that conflict, and where."""

    rule: StreamRule
    command: Place
    other: Place
    reason: str
    cells: Cells | None = None
    """The cells of a race."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.reason}"

    def diagnostic(self) -> Diagnostic:
        """The hazard as an error at its first instruction."""
        hints = {
            StreamRule.CAPACITY: "place the buffer lower",
            StreamRule.UNSATISFIABLE: "wait for less, or count the semaphore up more often",
            StreamRule.DEADLOCK: "count the semaphore up before waiting",
            StreamRule.RACE: "count a semaphore up behind one, and wait for it before the other",
        }
        return Diagnostic(str(self), location_of(self.command.op), hints[self.rule])


def find_stream_hazard(function: func.FuncOp, config: TrainiumConfig) -> StreamHazard | None:
    """A hazard of a verified ISA-level function, None if it has none.

    Raises ``Diagnostic`` for a function that is not at the ISA level or breaks a rule of the
    machine, and for one of more than ``stream_events.MAX_EVENTS`` instructions.
    """
    found = examine_streams(function, config)
    return found if isinstance(found, StreamHazard) else None


@dataclass(frozen=True)
class Harmless:
    """A program without hazards: its events, in an order in which they can happen.

    Without events, no read of it sees what was written through another buffer.
    """

    program: StreamProgram | None = None
    order: list[int] = field(default_factory=list[int])


def examine_streams(function: func.FuncOp, config: TrainiumConfig) -> StreamHazard | Harmless:
    """Like ``find_stream_hazard``, with what was found about a program that has none."""
    capacity = _over_capacity(function, config)
    if capacity is not None:
        return capacity
    check(function, config)
    return Harmless() if is_harmless(function) else examine_events(function, config)


def examine_events(function: func.FuncOp, config: TrainiumConfig) -> StreamHazard | Harmless:
    """Like ``examine_streams``, for a function that the machine accepts, event by event."""
    program = unroll(function, config)
    execution = execute_greedily(program)
    if execution.stuck:
        return _stuck(program, execution)
    race = find_race(program, HappensBefore(program, execution.order))
    return Harmless(program, execution.order) if race is None else _race(race)


def _over_capacity(function: func.FuncOp, config: TrainiumConfig) -> StreamHazard | None:
    """A buffer past the end of SBUF; the verifier keeps those in PSUM within their banks."""
    limit = config.sbuf_partition_bytes
    for op in function.walk():
        if not isinstance(op, trn.SbufOp):
            continue
        end = op.offset.value.data + partition_bytes(op.buffer.type)
        if end > limit:
            user = Place(_first_user(function, op.buffer) or op)
            reason = f"{Place(op)} reaches byte {end} of {limit} per partition, used by {user}"
            return StreamHazard(StreamRule.CAPACITY, Place(op), user, reason)
    return None


def _first_user(function: func.FuncOp, buffer: SSAValue) -> Operation | None:
    """The first instruction that accesses a buffer."""
    for op in function.walk():
        if isinstance(op, Instruction) and buffer in map(array_of, op.views):
            return op
    return None


def array_of(view: SSAValue) -> SSAValue:
    """The array that a view, or a view of a reshaped array, is of."""
    while isinstance(view.owner, trn.ViewOp | trn.ReshapeOp):
        view = view.owner.source
    return view


def _stuck(program: StreamProgram, execution: Execution) -> StreamHazard:
    """Why the program does not end: a wait that nothing can serve, else one that waits for it."""
    waits = [program.events[number] for number in execution.stuck]
    for wait in waits:
        counters = _counters(program, wait)
        total = sum(event.count for event in counters)
        if total < wait.count:
            other = _last(counters, wait)
            last = f"the last is {other}" if counters else f"nothing counts {other} up"
            reason = f"{wait.place} waits until {wait.count}, all counts give {total}; {last}"
            return StreamHazard(StreamRule.UNSATISFIABLE, wait.place, other, reason)
    wait = waits[0]
    happened = set(execution.order)
    assert wait.semaphore is not None
    late = next(
        event
        for number, event in enumerate(program.events)
        if number not in happened and event.semaphore == wait.semaphore and not event.is_wait
    )
    reached = execution.counts.get(wait.semaphore, 0)
    reason = (
        f"{wait.place} waits until {wait.count}, it stays {reached}: {late.place} never happens"
    )
    return StreamHazard(StreamRule.DEADLOCK, wait.place, late.place, reason)


def _counters(program: StreamProgram, wait: Event) -> list[Event]:
    return [
        event for event in program.events if event.semaphore == wait.semaphore and not event.is_wait
    ]


def _last(counters: list[Event], wait: Event) -> Place:
    """What counts the semaphore up last; the semaphore itself if nothing does."""
    if counters:
        return counters[-1].place
    assert wait.semaphore is not None
    owner = wait.semaphore.owner
    return Place(owner) if isinstance(owner, Operation) else wait.place


def _race(race: Race) -> StreamHazard:
    first, second = race.first.place, race.second.place
    verbs = [
        "writes" if is_write else "reads" for is_write in (race.first_writes, race.second_writes)
    ]
    reason = f"{first} {verbs[0]} and {second} {verbs[1]} {race.cells}, in no order"
    return StreamHazard(StreamRule.RACE, first, second, reason, race.cells)
