"""From an ISA-level program to instruction records: its streams and semaphores as they stand.

A DMA is two records: the trigger on its engine, and the move on its queue, which waits for the
trigger. Loading a stationary operand runs behind the product before it, so it costs the tensor
engine only what exceeds that product's time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref
from xdsl.ir import Operation, SSAValue

from ....dialects import trn
from ...lanes import Scope
from ..config import TrainiumConfig
from ..interpret import refused
from .costs import ENGINES
from .engine import run_program
from .executions import Executions, executions_of
from .records import FIRST_QUEUE, QUEUES, Links, Program, Records, new_instructions
from .result import TimingResult, result_of
from .simulate import parameters_of as times_of
from .tile_program import spread_dmas, write_records

Column = NDArray[np.int64]
_STEPS = (trn.Instruction, trn.WaitOp, trn.IncOp)
_PLACES = (
    *(trn.SemaphoreOp, trn.SbufOp, trn.PsumOp, trn.ReshapeOp, trn.ViewOp),
    *(memref.AllocOp, memref.DeallocOp),
)


def has_streams(function: func.FuncOp) -> bool:
    """Whether a function is at the ISA level."""
    return any(isinstance(op, trn.StreamOp) for op in function.walk())


def simulate_streams(
    function: func.FuncOp, config: TrainiumConfig
) -> tuple[TimingResult, tuple[str, ...]]:
    """Time an ISA-level function; also returns the name of each operation, by ``origin``.

    Raises ``Diagnostic`` for a program that waits forever, or is too long, and for loops that
    carry values.
    """
    steps, program = stream_program(function, config)
    run = run_program(program, times_of(config))
    if run.stuck:
        origins = program.instructions["origin"][list(run.stuck)]
        stuck = [steps[origin] for origin in origins.tolist()]
        waiting = ", ".join(step.name for step in stuck)
        raise refused(stuck[0], f"deadlock: these instructions wait forever: {waiting}")
    result = result_of(
        program,
        run,
        launch=config.launch_ns,
        clock_ghz=config.pe_ghz,
        hbm_bytes_per_ns=config.hbm_rate,
    )
    return result, tuple(step.name.removeprefix("trn.") for step in steps)


def stream_program(
    function: func.FuncOp, config: TrainiumConfig
) -> tuple[list[Operation], Program]:
    """The operations by ``origin``, and the records of all their executions."""

    def define(op: Operation, scope: Scope) -> bool:
        return isinstance(op, _PLACES)

    found, count = executions_of(function.body.block, _STEPS, define)
    for one in found:
        if trn.stream_engine(one.op) is None:
            raise refused(one.op, "an instruction outside of the streams")
    return [one.op for one in found], _Records(found, count).program(config)


@dataclass
class _Links:
    """Waits, or increments, so far: record, semaphore and amount of each."""

    parts: list[tuple[Column, Column, Column]]

    def add(self, record: Column, semaphore: Column | int, amount: Column | int) -> None:
        key, count = (np.broadcast_to(one, record.shape) for one in (semaphore, amount))
        self.parts.append((record, key, count))

    def links(self, count: int) -> Links:
        if not self.parts:
            nothing = np.zeros(0, np.int64)
            return Links(np.zeros(count + 1, np.int64), nothing, nothing)
        record, key, amount = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        order = np.argsort(record, kind="stable")
        uses = np.bincount(record, minlength=count)
        begin = np.concatenate(([0], np.cumsum(uses))).astype(np.int64)
        return Links(begin, key[order], amount[order])


class _Records:
    """Where each step of all streams has its records; steps are in the order of the text.

    An instruction has one record, a DMA two. A wait belongs to the next record of its stream, an
    increment to the last one; where there is none of that kind, there is one that takes no time.
    """

    def __init__(self, found: list[Executions], count: int) -> None:
        self.found = found
        self.origin = self._column(count, lambda one: one.origin)
        self.stream = self._column(count, lambda one: _stream(one.op))
        is_wait = self._column(count, lambda one: isinstance(one.op, trn.WaitOp)) == 1
        is_inc = self._column(count, lambda one: isinstance(one.op, trn.IncOp)) == 1
        is_dma = self._column(count, lambda one: isinstance(one.op, trn.DmaStartOp)) == 1
        ends = np.append(self.stream[1:] != self.stream[:-1], True)[:count]
        starts = np.append(True, self.stream[1:] != self.stream[:-1])[:count]
        behind_wait = np.append(False, is_wait[:-1])[:count]
        alone = (is_inc & (starts | behind_wait)) | (is_wait & ends)
        has_own = ~is_wait & ~is_inc | alone
        self.own = np.flatnonzero(has_own)
        """The steps that have records."""
        size = has_own.astype(np.int64) + is_dma
        self.count = int(size.sum())
        self.first = np.cumsum(size) - size
        """The first record of each step; of a wait, the next one."""
        last = np.maximum.accumulate(np.where(has_own, np.arange(count), 0))
        self.last = self.first[last] if count else self.first
        """The last record of its engine up to each step."""

    def _column(self, count: int, value: Callable[[Executions], int]) -> Column:
        column = np.zeros(count, np.int64)
        for one in self.found:
            column[one.positions] = value(one)
        return column

    def program(self, config: TrainiumConfig) -> Program:
        records = new_instructions(self.count)
        first, stream = self.first[self.own], self.stream[self.own]
        records["stream"][first] = records["engine"][first] = stream
        records["origin"][first] = self.origin[self.own]
        waits, increments = _Links([]), _Links([])
        semaphores: dict[SSAValue, int] = {}
        for one in self.found:
            op = one.op
            if isinstance(op, trn.WaitOp | trn.IncOp):
                key = semaphores.setdefault(op.semaphore, QUEUES + len(semaphores))
                amount = one.scope.column(one.scope.get(op.count))
                if isinstance(op, trn.WaitOp):
                    waits.add(self.first[one.positions], key, amount)
                else:
                    increments.add(self.last[one.positions], key, amount)
            elif not isinstance(op, trn.DmaStartOp):
                write_records(records, replace(one, positions=self.first[one.positions]), config)
        self._moves(records, waits, increments, semaphores, config)
        self._loads(records)
        spread_dmas(records)
        return Program(records, waits.links(self.count), increments.links(self.count))

    def _moves(
        self,
        records: Records,
        waits: _Links,
        increments: _Links,
        semaphores: dict[SSAValue, int],
        config: TrainiumConfig,
    ) -> None:
        """A trigger counts a semaphore of its queue up, for which the move waits."""
        queues: dict[int, list[Executions]] = {}
        for one in self.found:
            if isinstance(one.op, trn.DmaStartOp):
                queues.setdefault(one.op.queue.value.data, []).append(one)
                key = semaphores.setdefault(one.op.semaphore, QUEUES + len(semaphores))
                triggers = self.first[one.positions]
                records["occupancy"][triggers] = config.dma_trigger_ns
                write_records(records, replace(one, positions=triggers + 1), config)
                increments.add(triggers + 1, key, one.op.step.value.data)
        for queue, members in queues.items():
            triggers = np.sort(np.concatenate([self.first[one.positions] for one in members]))
            records["stream"][triggers + 1] = FIRST_QUEUE + queue
            increments.add(triggers, queue, 1)
            waits.add(triggers + 1, queue, np.arange(1, len(triggers) + 1))

    def _loads(self, records: Records) -> None:
        """Loads of stationary operands run behind the product before them."""
        product = np.zeros(self.count, np.bool_)
        for one in self.found:
            if isinstance(one.op, trn.MultMovingOp):
                product[self.first[one.positions]] = True
        for one in self.found:
            if isinstance(one.op, trn.LoadStationaryOp):
                loads = self.first[one.positions]
                loads = loads[loads > 0]
                loads = loads[product[loads - 1]]
                rest = records["occupancy"][loads] - records["occupancy"][loads - 1]
                records["occupancy"][loads] = np.maximum(rest, 0.0)


def _stream(op: Operation) -> int:
    engine = trn.stream_engine(op)
    assert engine is not None
    return int(ENGINES[engine])
