"""An ISA-level program as its events: every execution of every instruction, wait, inc and move.

Loops and conditions of a stream depend on nothing that another stream computes, so each stream is
unrolled by itself. Events that always happen in one order form a *chain*: the instructions of a
stream, and the moves that one stream puts into one queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from ...dialects import trn
from ...dialects.trn import Engine, Instruction, Space, space_of
from ...hw.locations import location_of
from ...hw.trainium.config import TrainiumConfig
from ...hw.trainium.functional import Parameter, parameters_of
from ...hw.trainium.interpret import Interpreter, Step, refused
from ...hw.trainium.memory import Access, Buffer, Memory, contiguous_strides
from .stream_cells import Region

_PARTIAL = (trn.TensorCopyPredicatedOp, trn.TensorCopyDynamicDstOp, trn.StreamShuffleOp)
"""Instructions that write some elements of their target only."""
MAX_EVENTS = 1 << 20
"""Of all streams together: a guard against programs that would take too long to check."""


@dataclass(frozen=True)
class Place:
    """Where an event comes from: the operation, and which of its executions."""

    op: Operation
    engine: Engine | None = None
    """The stream it stands in; None outside of the streams."""
    queue: int | None = None
    """The queue that carries it out, for the move of a ``trn.dma_start``."""
    iteration: tuple[int, ...] = ()
    """The variables of the loops around it, the outermost first."""

    def __str__(self) -> str:
        where = [] if self.engine is None else [f"stream {self.engine}"]
        where += [] if self.queue is None else [f"queue {self.queue}"]
        where += [f"iteration {', '.join(map(str, self.iteration))}"] if self.iteration else []
        location = location_of(self.op)
        where += [] if location is None else [str(location)]
        text = str(self.op).split("\n", 1)[0].split(" : ", 1)[0]
        return f"'{text}'" + (f" ({', '.join(where)})" if where else "")


@dataclass(frozen=True, slots=True)
class Touch:
    """An access of an event to a region, by its number."""

    region: int
    is_write: bool
    updates: bool = False
    """A write that depends on what was there, or leaves some of it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One execution of an operation; a ``trn.dma_start`` is two events, the trigger and the move.

    A wait, and an event that counts a semaphore up, have ``semaphore`` and ``count``.
    """

    place: Place
    chain: int
    index: int
    """Its position in the chain."""
    touches: tuple[Touch, ...] = ()
    semaphore: SSAValue | None = None
    count: int = 0
    is_wait: bool = False
    move: int | None = None
    """The event that a trigger starts."""
    trigger: int | None = None
    """The event that starts a move."""


@dataclass
class StreamProgram:
    """All events of a function, the memory that they touch, and the chains that they form."""

    events: list[Event] = field(default_factory=list[Event])
    regions: list[Region] = field(default_factory=list[Region])
    chains: list[list[int]] = field(default_factory=list[list[int]])
    """The events of each chain, in order."""
    streams: list[int] = field(default_factory=list[int])
    """The chains that are streams, in the order of the program."""
    queues: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """The chains of each queue: one for each stream that uses it."""


def unroll(function: func.FuncOp, config: TrainiumConfig) -> StreamProgram:
    """All events of a verified ISA-level function.

    Raises ``Diagnostic`` for what has no place or no stream, for views out of bounds, for counts
    below 0, and for more than ``MAX_EVENTS`` events.
    """
    interpreter = Interpreter(config)
    for argument, parameter in zip(function.args, parameters_of(function), strict=True):
        interpreter.bind(argument, _without_contents(argument, parameter))
    for op in function.walk():
        if isinstance(op, memref.AllocOp) and space_of(op.memref.type) != Space.HBM:
            raise refused(op, "at the ISA level a buffer on chip has a place")
    unroller = _Unroller(interpreter)
    for step in interpreter.steps(function.body.block):
        if not isinstance(step, trn.StreamOp):
            raise refused(step, "an instruction outside of the streams")
        unroller.stream(step.engine.data, interpreter.steps(step.body.block))
    return unroller.program


@dataclass
class _Unroller:
    interpreter: Interpreter
    program: StreamProgram = field(default_factory=StreamProgram)
    _loops: dict[Operation, tuple[SSAValue, ...]] = field(
        default_factory=dict[Operation, tuple[SSAValue, ...]]
    )
    _operands: dict[Instruction, tuple[tuple[SSAValue, bool], ...]] = field(
        default_factory=dict[Instruction, tuple[tuple[SSAValue, bool], ...]]
    )
    _regions: dict[tuple[int, ...] | tuple[object, ...], int] = field(
        default_factory=dict[tuple[int, ...] | tuple[object, ...], int]
    )

    def stream(self, engine: Engine, steps: Iterable[Step]) -> None:
        """Append the events of one stream, and of the moves that it starts."""
        chain = self._new_chain()
        self.program.streams.append(chain)
        queues: dict[int, int] = {}
        for step in steps:
            place = Place(step, engine, None, self._iteration(step))
            if isinstance(step, trn.DmaStartOp):
                queue = step.queue.value.data
                if queue not in queues:
                    queues[queue] = self._new_chain()
                    self.program.queues.setdefault(queue, []).append(queues[queue])
                self._dma(step, place, chain, queues[queue])
            elif isinstance(step, trn.WaitOp | trn.IncOp):
                self._counting(step, place, chain)
            else:
                assert isinstance(step, Instruction)
                self._add(Event(place, chain, self._next(chain), self._touches(step)))

    def _counting(self, step: trn.WaitOp | trn.IncOp, place: Place, chain: int) -> None:
        count = self.interpreter.runtime(step.count)
        is_wait = isinstance(step, trn.WaitOp)
        if count < 0 and not is_wait:
            raise refused(step, f"a semaphore counts up, got {count}")
        index = self._next(chain)
        self._add(Event(place, chain, index, (), step.semaphore, count, is_wait))

    def _dma(self, step: trn.DmaStartOp, place: Place, stream: int, queue: int) -> None:
        trigger = len(self.program.events)
        self._add(Event(place, stream, self._next(stream), move=trigger + 1))
        moved = Place(step, place.engine, step.queue.value.data, place.iteration)
        self._add(
            Event(
                moved,
                queue,
                self._next(queue),
                self._touches(step),
                step.semaphore,
                step.step.value.data,
                trigger=trigger,
            )
        )

    def _add(self, event: Event) -> None:
        if len(self.program.events) >= MAX_EVENTS:
            raise refused(event.place.op, f"more than {MAX_EVENTS} instructions to check")
        self.program.chains[event.chain].append(len(self.program.events))
        self.program.events.append(event)

    def _new_chain(self) -> int:
        self.program.chains.append([])
        return len(self.program.chains) - 1

    def _next(self, chain: int) -> int:
        return len(self.program.chains[chain])

    def _iteration(self, op: Operation) -> tuple[int, ...]:
        if op not in self._loops:
            self._loops[op] = _loop_variables(op)
        return tuple(self.interpreter.runtime(variable) for variable in self._loops[op])

    def _touches(self, op: Instruction) -> tuple[Touch, ...]:
        """What an instruction reads and writes; with an empty view it does nothing."""
        if op not in self._operands:
            reads, writes = (
                ((view, False) for view in op.read),
                ((view, True) for view in op.written),
            )
            self._operands[op] = (*reads, *writes)
        found: list[Touch] = []
        for operand, is_write in self._operands[op]:
            access = self.interpreter.accesses.get(operand)
            if access is None:
                raise refused(op, "an operand comes from no trn.view")
            if access.is_empty:
                return ()
            updates = is_write and self._updates(op, operand)
            found.append(Touch(self._region(access), is_write, updates))
        return tuple(found)

    def _updates(self, op: Instruction, target: SSAValue) -> bool:
        if isinstance(op, trn.MultMovingOp) and op.accumulate is not None:
            return bool(self.interpreter.runtime(op.accumulate))
        return keeps_contents(op, target)

    def _region(self, access: Access) -> int:
        # The region keeps its memory alive, so that no other gets the same id.
        memory = id(access.buffer.memory)
        key = (memory, access.start, access.shape, access.strides, access.element_type)
        if key not in self._regions:
            self._regions[key] = len(self.program.regions)
            self.program.regions.append(Region(access))
        return self._regions[key]


def keeps_contents(op: Instruction, target: SSAValue) -> bool:
    """Whether a target's old contents matter, for other instructions than products."""
    adds = isinstance(op, trn.DmaStartOp) and op.add is not None
    return adds or isinstance(op, _PARTIAL) or list(op.operands).count(target) > 1


def _loop_variables(op: Operation) -> tuple[SSAValue, ...]:
    variables: list[SSAValue] = []
    parent = op.parent_op()
    while parent is not None:
        if isinstance(parent, scf.ForOp):
            variables.insert(0, parent.body.block.args[0])
        parent = parent.parent_op()
    return tuple(variables)


def _without_contents(argument: SSAValue, parameter: Parameter) -> Buffer:
    """An array parameter whose elements are never looked at."""
    kind = argument.type
    assert isinstance(kind, MemRefType)
    strides = contiguous_strides(parameter.shape, parameter.dtype.itemsize)
    memory = Memory.of_size(0, Space.HBM)
    name = f"%{parameter.name}"
    return Buffer(name, memory, Space.HBM, kind.element_type, parameter.shape, strides, 0)
