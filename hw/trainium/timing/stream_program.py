"""From an ISA-level program to instruction records: its streams and semaphores as they stand.

A DMA is two records: the trigger on its engine, and the move on its queue, which waits for the
trigger. Loading a stationary operand runs behind the product before it, so it costs the tensor
engine only what exceeds that product's time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Space
from ..config import TrainiumConfig
from ..element_types import numpy_type
from ..functional import parameters_of
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
    def __init__(self, config: TrainiumConfig) -> None:
        self.config = config
        self.steps: list[Step] = []
        """The operation of each origin."""
        self._interpreter = Interpreter(config)
        self._origins: dict[Step, int] = {}
        self._semaphores: dict[SSAValue | int, int] = {}
        self._triggers: dict[int, int] = {}
        self._rows: list[Records] = []
        self._waits: list[Pairs] = []
        self._increments: list[Pairs] = []
        self._costs: dict[tuple[Step, tuple[tuple[int, ...], ...]], Records] = {}

    def read(self, function: func.FuncOp) -> None:
        """Walk through all streams, one after the other: none depends on another's data."""
        for argument, parameter in zip(function.args, parameters_of(function), strict=True):
            kind = argument.type
            assert isinstance(kind, MemRefType)
            strides = contiguous_strides(parameter.shape, numpy_type(kind.element_type).itemsize)
            memory = Memory.of_size(0, Space.HBM)
            buffer = Buffer(
                parameter.name,
                memory,
                Space.HBM,
                kind.element_type,
                parameter.shape,
                strides,
                0,
            )
            self._interpreter.bind(argument, buffer)
        for step in self._interpreter.steps(function.body.block):
            if not isinstance(step, trn.StreamOp):
                raise refused(step, "an instruction outside of the streams")
            stream = _Stream(ENGINES[step.engine.data])
            for inner in self._interpreter.steps(step.body.block):
                self._step(inner, stream)
            if stream.waits:
                self._add(self._nothing(stream), stream, self._origin(step))

    def program(self) -> Program:
        """All records in the order in which they were read."""
        records = new_instructions(len(self._rows))
        if self._rows:
            records[...] = np.concatenate(self._rows)
        spread_dmas(records)
        return Program(records, Links.of(self._waits), Links.of(self._increments))

    def _step(self, step: Step, stream: _Stream) -> None:
        if len(self._rows) > MAX_INSTRUCTIONS:
            raise refused(step, f"more than {MAX_INSTRUCTIONS} instructions")
        origin = self._origin(step)
        if isinstance(step, trn.WaitOp):
            count = self._interpreter.runtime(step.count)
            stream.waits.append((self._semaphore(step.semaphore), count))
        elif isinstance(step, trn.IncOp):
            if stream.last < 0 or stream.waits:
                self._add(self._nothing(stream), stream, origin)
            count = self._interpreter.runtime(step.count)
            self._increments[stream.last].append((self._semaphore(step.semaphore), count))
        elif isinstance(step, trn.DmaStartOp):
            self._dma(step, stream, origin)
        else:
            assert isinstance(step, trn.Instruction)
            row = self._cost(step).copy()
            if isinstance(step, trn.LoadStationaryOp):
                self._hide_behind_product(row, stream)
            self._add(row, stream, origin)

    def _dma(self, step: trn.DmaStartOp, stream: _Stream, origin: int) -> None:
        """The trigger counts a semaphore of its queue up, for which the move waits."""
        queue = step.queue.value.data
        trigger = self._semaphore(queue)
        started = self._triggers[queue] = self._triggers.get(queue, 0) + 1
        row = self._nothing(stream)
        row["occupancy"] = self.config.dma_trigger_ns
        self._add(row, stream, origin)
        self._increments[-1].append((trigger, 1))
        move = self._cost(step).copy()
        move["stream"] = FIRST_QUEUE + queue
        waits: Pairs = [(trigger, started)]
        done = (self._semaphore(step.semaphore), step.step.value.data)
        self._append(move, waits, [done], origin)

    def _hide_behind_product(self, row: Records, stream: _Stream) -> None:
        if stream.last < 0:
            return
        before = self._rows[stream.last][0]
        if isinstance(self.steps[int(before["origin"])], trn.MultMovingOp):
            row["occupancy"] = max(0.0, float(row["occupancy"][0] - before["occupancy"]))

    def _add(self, row: Records, stream: _Stream, origin: int) -> None:
        stream.last = len(self._rows)
        self._append(row, stream.waits, [], origin)
        stream.waits = []

    def _append(self, row: Records, waits: Pairs, increments: Pairs, origin: int) -> None:
        row["origin"] = origin
        self._rows.append(row)
        self._waits.append(waits)
        self._increments.append(increments)

    def _nothing(self, stream: _Stream) -> Records:
        row = new_instructions(1)
        row["stream"] = row["engine"] = stream.engine
        return row

    def _cost(self, step: trn.Instruction) -> Records:
        """The record of an instruction at the sizes that its views have now."""
        shapes: Shapes = {view: self._interpreter.accesses[view].shape for view in step.views}
        key = (step, tuple(shapes.values()))
        if key not in self._costs:
            row = new_instructions(1)
            here: Any = np.zeros(1, np.int64)
            if isinstance(step, trn.EngineInstruction):
                write_engine(row, step, shapes, here, self.config)
            else:
                write_dma(row, step, shapes, here, 0, self.config)
            self._costs[key] = row
        return self._costs[key]

    def _origin(self, step: Step) -> int:
        if step not in self._origins:
            self._origins[step] = len(self.steps)
            self.steps.append(step)
        return self._origins[step]

    def _semaphore(self, semaphore: SSAValue | int) -> int:
        """The number of a semaphore; a queue's number stands for that of its triggers."""
        return self._semaphores.setdefault(semaphore, len(self._semaphores))
