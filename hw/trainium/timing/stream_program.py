"""From an ISA-level program to instruction records: its streams and semaphores as they stand.

A DMA is two records: the trigger on its engine, and the move on its queue, which waits for the
trigger. Loading a stationary operand runs behind the product before it, so it costs the tensor
engine only what exceeds that product's time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Space
from ..config import TrainiumConfig
from ..functional import Parameter, parameters_of
from ..interpret import Interpreter, Step, refused
from ..memory import Buffer, Memory, contiguous_strides
from .costs import ENGINES
from .engine import run_program
from .records import FIRST_QUEUE, Engine, Links, Program, Records, new_instructions
from .result import TimingResult, result_of
from .simulate import parameters_of as times_of
from .tile_program import Shapes, spread_dmas, write_dma, write_engine

MAX_INSTRUCTIONS = 1 << 23
Pairs = list[tuple[int, int]]


def has_streams(function: func.FuncOp) -> bool:
    """Whether a function is at the ISA level."""
    return any(isinstance(op, trn.StreamOp) for op in function.walk())


def simulate_streams(
    function: func.FuncOp, config: TrainiumConfig
) -> tuple[TimingResult, tuple[str, ...]]:
    """Time an ISA-level function; also returns the name of each operation, by ``origin``.

    Raises ``Diagnostic`` for a program that waits forever, or is too long.
    """
    streams = _Streams(config)
    streams.read(function)
    program = streams.program()
    run = run_program(program, times_of(config))
    if run.stuck:
        origins = program.instructions["origin"][list(run.stuck)]
        steps = [streams.steps[origin] for origin in origins.tolist()]
        waiting = ", ".join(step.name for step in steps)
        raise refused(steps[0], f"deadlock: these instructions wait forever: {waiting}")
    result = result_of(
        program,
        run,
        launch=config.launch_ns,
        clock_ghz=config.pe_ghz,
        hbm_bytes_per_ns=config.hbm_rate,
    )
    return result, tuple(step.name.removeprefix("trn.") for step in streams.steps)


@dataclass
class _Stream:
    """What one stream has so far."""

    engine: Engine
    waits: Pairs = field(default_factory=list[tuple[int, int]])
    """Of the next instruction."""
    last: int = -1
    """The last instruction, whose result an ``inc`` waits for; -1 before the first."""


class _Streams:
    """The program so far: for each instruction the number of its record among all different ones.

    A loop repeats few different records many times, so that each is worked out once.
    """

    def __init__(self, config: TrainiumConfig) -> None:
        self.config = config
        self.steps: list[Step] = []
        """The operation of each origin."""
        self._interpreter = Interpreter(config)
        self._origins: dict[Step, int] = {}
        self._semaphores: dict[SSAValue | int, int] = {}
        self._triggers: dict[int, int] = {}
        self._views: dict[trn.Instruction, list[SSAValue]] = {}
        self._records: list[Records] = []
        self._numbers: dict[Any, int] = {}
        self._program: list[int] = []
        self._waits: list[Pairs] = []
        self._increments: list[Pairs] = []

    def read(self, function: func.FuncOp) -> None:
        """Walk through all streams, one after the other: none depends on another's data."""
        for argument, parameter in zip(function.args, parameters_of(function), strict=True):
            self._interpreter.bind(argument, _without_contents(argument, parameter))
        for step in self._interpreter.steps(function.body.block):
            if not isinstance(step, trn.StreamOp):
                raise refused(step, "an instruction outside of the streams")
            stream = _Stream(ENGINES[step.engine.data])
            for inner in self._interpreter.steps(step.body.block):
                self._step(inner, stream)
            if stream.waits:
                self._add(self._free(step, stream), stream)

    def program(self) -> Program:
        """All records in the order in which they were read."""
        records = new_instructions(0)
        if self._program:
            records = np.concatenate(self._records)[self._program]
        spread_dmas(records)
        return Program(records, Links.of(self._waits), Links.of(self._increments))

    def _step(self, step: Step, stream: _Stream) -> None:
        if len(self._program) > MAX_INSTRUCTIONS:
            raise refused(step, f"more than {MAX_INSTRUCTIONS} instructions")
        if isinstance(step, trn.WaitOp):
            count = self._interpreter.runtime(step.count)
            stream.waits.append((self._semaphore(step.semaphore), count))
        elif isinstance(step, trn.IncOp):
            if stream.last < 0 or stream.waits:
                self._add(self._free(step, stream), stream)
            count = self._interpreter.runtime(step.count)
            self._increments[stream.last].append((self._semaphore(step.semaphore), count))
        elif isinstance(step, trn.DmaStartOp):
            self._dma(step, stream)
        elif isinstance(step, trn.LoadStationaryOp) and stream.last >= 0:
            self._add(self._behind(self._cost(step), self._program[stream.last]), stream)
        else:
            assert isinstance(step, trn.Instruction)
            self._add(self._cost(step), stream)

    def _dma(self, step: trn.DmaStartOp, stream: _Stream) -> None:
        """The trigger counts a semaphore of its queue up, for which the move waits."""
        queue = step.queue.value.data
        trigger = self._semaphore(queue)
        started = self._triggers[queue] = self._triggers.get(queue, 0) + 1
        self._add(self._free(step, stream, self.config.dma_trigger_ns), stream)
        self._increments[-1].append((trigger, 1))
        done = (self._semaphore(step.semaphore), step.step.value.data)
        self._append(self._cost(step), [(trigger, started)], [done])

    def _add(self, number: int, stream: _Stream) -> None:
        stream.last = len(self._program)
        self._append(number, stream.waits, [])
        stream.waits = []

    def _append(self, number: int, waits: Pairs, increments: Pairs) -> None:
        self._program.append(number)
        self._waits.append(waits)
        self._increments.append(increments)

    # The different records.

    def _number(self, key: Any, make: Callable[[], Records]) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self._records)
            self._records.append(make())
        return self._numbers[key]

    def _free(self, step: Step, stream: _Stream, occupancy: float = 0.0) -> int:
        """A record that only takes time on its stream, if any."""

        def make() -> Records:
            row = new_instructions(1)
            row["stream"] = row["engine"] = stream.engine
            row["occupancy"], row["origin"] = occupancy, self._origin(step)
            return row

        return self._number((step, stream.engine), make)

    def _cost(self, step: trn.Instruction) -> int:
        """The record of an instruction at the sizes that its views have now."""
        if step not in self._views:
            self._views[step] = step.views
        shapes: Shapes = {
            view: self._interpreter.accesses[view].shape for view in self._views[step]
        }

        def make() -> Records:
            row = new_instructions(1)
            here: Any = np.zeros(1, np.int64)
            if isinstance(step, trn.EngineInstruction):
                write_engine(row, step, shapes, here, self.config)
            else:
                write_dma(row, step, shapes, here, 0, self.config)
            if isinstance(step, trn.DmaStartOp):
                row["stream"] = FIRST_QUEUE + step.queue.value.data
            row["origin"] = self._origin(step)
            return row

        return self._number((step, *shapes.values()), make)

    def _behind(self, load: int, before: int) -> int:
        """The record of a load of a stationary operand that follows the record ``before``."""
        product = self._records[before]
        if not isinstance(self.steps[int(product["origin"][0])], trn.MultMovingOp):
            return load

        def make() -> Records:
            row = self._records[load].copy()
            row["occupancy"] = np.maximum(row["occupancy"] - product["occupancy"], 0.0)
            return row

        return self._number((load, before), make)

    def _origin(self, step: Step) -> int:
        if step not in self._origins:
            self._origins[step] = len(self.steps)
            self.steps.append(step)
        return self._origins[step]

    def _semaphore(self, semaphore: SSAValue | int) -> int:
        """The number of a semaphore; a queue's number stands for that of its triggers."""
        return self._semaphores.setdefault(semaphore, len(self._semaphores))


def _without_contents(argument: SSAValue, parameter: Parameter) -> Buffer:
    """An array parameter whose elements are never looked at."""
    kind = argument.type
    assert isinstance(kind, MemRefType)
    strides = contiguous_strides(parameter.shape, parameter.dtype.itemsize)
    memory = Memory.of_size(0, Space.HBM)
    element, shape = kind.element_type, parameter.shape
    return Buffer(parameter.name, memory, Space.HBM, element, shape, strides, 0)
