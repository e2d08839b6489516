"""Random small programs: without a hazard, all schedules of a small executor end alike."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, note, settings
from hypothesis import strategies as st
from liftproof.dialects.context import new_context
from liftproof.hw.trainium.config import load_config
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.hazards.sequential import require_own_contents
from liftproof.validation.hazards.stream_arrays import is_harmless
from liftproof.validation.hazards.streams import (
    Harmless,
    StreamRule,
    examine_events,
    find_stream_hazard,
)
from xdsl.dialects import func
from xdsl.parser import Parser

ENGINES = ("sp", "act", "dve", "pool")
SEMAPHORES, QUEUES, SLOTS = 3, 2, 6
SIZE = 2
"""Slots that an access names: neighbours overlap."""
DMA_STEP = 16


@dataclass(frozen=True)
class Wait:
    semaphore: int
    count: int


@dataclass(frozen=True)
class Inc:
    semaphore: int
    count: int


@dataclass(frozen=True)
class Copy:
    source: int
    target: int


@dataclass(frozen=True)
class Move:
    queue: int
    source: int
    target: int
    semaphore: int


Step = Wait | Inc | Copy | Move
Program = dict[str, list[Step]]


def text_of(program: Program, shared_from: int = SLOTS) -> str:
    """The program in IR: slots are columns of one buffer, or of two that overlap.

    The second one has the slots from ``shared_from`` on.
    """
    kind = f"memref<32x{SLOTS + SIZE}xf32, #trn<space sbuf>>"
    view = f"!trn.view<sbuf, 32x{SIZE}xf32>"
    lines = [f"%t = trn.sbuf partition 0 offset 0 : {kind}"]
    if shared_from < SLOTS:
        lines.append(f"%u = trn.sbuf partition 0 offset {4 * shared_from} : {kind}")
    for slot in range(SLOTS):
        place = f"%t[0, {slot}]" if slot < shared_from else f"%u[0, {slot - shared_from}]"
        lines.append(f"%v{slot} = trn.view {place} : {kind} to {view}")
    lines += [f"%s{number} = trn.semaphore" for number in range(SEMAPHORES)]
    counting = [
        step for steps in program.values() for step in steps if isinstance(step, Wait | Inc)
    ]
    counts = {step.count for step in counting}
    lines += [f"%n{count} = arith.constant {count} : index" for count in sorted(counts)]
    for engine, steps in program.items():
        body = [_line(step, view) for step in steps]
        lines += [f"trn.stream {engine} {{", *body, "}"] if body else []
    return "func.func @f() {\n" + "\n".join(lines) + "\nfunc.return\n}"


def _line(step: Step, view: str) -> str:
    if isinstance(step, Wait):
        return f"trn.wait %s{step.semaphore} until %n{step.count}"
    if isinstance(step, Inc):
        return f"trn.inc %s{step.semaphore} by %n{step.count}"
    operands = f"%v{step.source} to %v{step.target}"
    if isinstance(step, Copy):
        return f"trn.tensor_copy {operands} : {view}, {view}"
    queue = f"trn.dma_start queue {step.queue} {operands} inc %s{step.semaphore}"
    return f"{queue} : {view}, {view}"


@dataclass
class Machine:
    """Slots hold the history of their contents, so that any other order shows."""

    program: Program
    slots: list[object] = field(default_factory=lambda: list(range(SLOTS + SIZE)))
    counts: list[int] = field(default_factory=lambda: [0] * SEMAPHORES)
    position: dict[str, int] = field(default_factory=dict[str, int])
    queues: list[deque[tuple[object, Move]]] = field(
        default_factory=lambda: [deque() for _ in range(QUEUES)]
    )

    def run(self, random: Random) -> tuple[bool, tuple[object, ...]]:
        """Take any step that can be taken, until there is none: does it end, with what?"""
        eager = random.choice((0.1, 0.5, 0.9))
        favourites = random.sample(list(self.program), len(self.program))
        while True:
            streams = [engine for engine in favourites if self._can_step(engine)]
            queues = [number for number in range(QUEUES) if self.queues[number]]
            if not streams and not queues:
                break
            if queues and (not streams or random.random() < eager):
                self._move(random.choice(queues))
            else:
                self._step(streams[0] if random.random() < 0.7 else random.choice(streams))
        ended = all(self._next(engine) is None for engine in self.program)
        return ended, tuple(self.slots)

    def _next(self, engine: str) -> Step | None:
        at = self.position.get(engine, 0)
        return self.program[engine][at] if at < len(self.program[engine]) else None

    def _can_step(self, engine: str) -> bool:
        step = self._next(engine)
        if isinstance(step, Wait):
            return self.counts[step.semaphore] >= step.count
        return step is not None

    def _step(self, engine: str) -> None:
        step = self._next(engine)
        name = (engine, self.position.get(engine, 0))
        self.position[engine] = name[1] + 1
        if isinstance(step, Inc):
            self.counts[step.semaphore] += step.count
        elif isinstance(step, Copy):
            self._copy(name, step.source, step.target)
        elif isinstance(step, Move):
            self.queues[step.queue].append((name, step))

    def _move(self, queue: int) -> None:
        name, move = self.queues[queue].popleft()
        self._copy(name, move.source, move.target)
        self.counts[move.semaphore] += DMA_STEP

    def _copy(self, name: object, source: int, target: int) -> None:
        read = hash(tuple(self.slots[source : source + SIZE]))
        for slot in range(target, target + SIZE):
            self.slots[slot] = hash((name, slot, read))


slots = st.integers(0, SLOTS - 1)
semaphores = st.integers(0, SEMAPHORES - 1)
COUNTS = st.sampled_from([1, 2, DMA_STEP, DMA_STEP + 1, 2 * DMA_STEP])
STEPS = st.one_of(
    st.builds(Wait, semaphores, COUNTS),
    st.builds(Inc, semaphores, st.sampled_from([1, 1, 2, DMA_STEP])),
    st.builds(Copy, slots, slots),
    st.builds(Move, st.integers(0, QUEUES - 1), slots, slots, semaphores),
)
COMPUTE = {"sp": STEPS.filter(lambda step: not isinstance(step, Copy))}
CONFIG = load_config("trainium2")


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Streams that hand work to each other, and some steps that are left to chance."""
    found: Program = {engine: [] for engine in ENGINES}
    for _ in range(draw(st.integers(1, 5))):
        producer, consumer = draw(st.permutations(ENGINES))[:2]
        semaphore = draw(semaphores)
        reached = sum(_count(step, semaphore) for steps in found.values() for step in steps)
        if draw(st.booleans()):
            work: list[Step] = [Move(draw(st.integers(0, 1)), draw(slots), draw(slots), semaphore)]
            reached += DMA_STEP
        else:
            copies = [] if producer == "sp" else [Copy(draw(slots), draw(slots))]
            work = [*copies, Inc(semaphore, 1)]
            reached += 1
        found[producer] += work
        found[consumer].append(Wait(semaphore, reached))
        found[consumer].append(draw(COMPUTE.get(consumer, STEPS)))
    return found


def _count(step: Step, semaphore: int) -> int:
    if isinstance(step, Wait | Copy) or step.semaphore != semaphore:
        return 0
    return step.count if isinstance(step, Inc) else DMA_STEP


def function_of(program: Program, shared_from: int = SLOTS) -> func.FuncOp:
    module = Parser(new_context(), text_of(program, shared_from)).parse_module()
    module.verify()
    (function,) = (op for op in module.body.block.ops if isinstance(op, func.FuncOp))
    return function


def hazard_of(program: Program) -> StreamRule | None:
    hazard = find_stream_hazard(function_of(program), CONFIG)
    note(str(hazard))
    return None if hazard is None else hazard.rule


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 1 << 32))
def test_what_the_checker_says_holds_for_all_schedules(program: Program, seed: int) -> None:
    """No hazard: all schedules end, with the same contents. A deadlock: no schedule ends."""
    rule = hazard_of(program)
    if rule == StreamRule.RACE:
        return
    random = Random(seed)
    ends = {Machine(program).run(random) for _ in range(40)}
    note(str(ends))
    if rule is None:
        assert len(ends) == 1
        assert all(ended for ended, _ in ends)
    else:
        assert not any(ended for ended, _ in ends)


COUNTED_BY = {"act": 0, "dve": 1, "sp": 2}
"""The semaphore that each stream alone counts up; the sync engine by its moves."""


def simplified(program: Program) -> Program:
    """The same waits and accesses, but one chain counts each semaphore, and fills each queue."""
    return {engine: [_simple(engine, step) for step in steps] for engine, steps in program.items()}


def _simple(engine: str, step: Step) -> Step:
    if isinstance(step, Move) and engine == "sp":
        return Move(0, step.source, step.target, COUNTED_BY[engine])
    if isinstance(step, Move):
        return Copy(step.source, step.target)
    if isinstance(step, Inc):
        own = engine in COUNTED_BY and engine != "sp"
        return Inc(COUNTED_BY[engine], step.count) if own else Wait(2, 1)
    return step


def is_accepted(function: func.FuncOp) -> bool:
    """Whether a program is, by its events, one that ``is_harmless`` may accept."""
    found = examine_events(function, CONFIG)
    if not isinstance(found, Harmless):
        return False
    assert found.program is not None
    try:
        require_own_contents(function, found.program, found.order)
    except Unsupported:
        return False
    return True


COPIES = st.lists(st.builds(Copy, slots, slots), min_size=1, max_size=6)
IN_ORDER = st.builds(lambda steps: Program(act=list(steps)), COPIES)
"""One stream has no races, but may read through one buffer what it wrote through the other."""


@settings(max_examples=50, deadline=None)
@given(programs().map(simplified) | IN_ORDER, st.integers(1, SLOTS))
def test_the_quick_proof_says_what_the_events_say(program: Program, shared_from: int) -> None:
    """Where it applies, a program is harmless by arrays if and only if it is by its events."""
    function = function_of(program, shared_from)
    assert is_harmless(function) == is_accepted(function)


@settings(max_examples=30, deadline=None)
@given(programs(), st.integers(1, SLOTS))
def test_the_quick_proof_accepts_nothing_else(program: Program, shared_from: int) -> None:
    """Whatever counts what: what is proved harmless by arrays is by its events."""
    function = function_of(program, shared_from)
    assert not is_harmless(function) or is_accepted(function)
