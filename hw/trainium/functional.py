"""The functional simulator: what a Trainium program does to its arrays.

A tile program runs in its order. An ISA program runs its streams in turns: each until it waits, in
the order of the engines; a DMA is carried out only when all streams wait, so that a program that
does not wait for its data reads memory that is not written yet, which is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, NoneAttr
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from ...diagnostics import Diagnostic
from ...dialects import trn
from ...dialects.trn import Engine, Instruction, Space, ViewType, space_of
from .check import check
from .concrete import ConcreteRules
from .config import TrainiumConfig
from .element_types import numpy_type
from .execute import Context, EngineState, execute
from .interpret import Interpreter, Step, parameter_buffer, refused
from .memory import Access, AccessError


@dataclass(frozen=True)
class Parameter:
    """An array parameter of a kernel, which lies in HBM."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def parameters_of(function: func.FuncOp) -> list[Parameter]:
    """The array parameters; raises ``Diagnostic`` for a parameter that is not one in HBM."""
    return [
        _parameter(argument.name_hint or f"arg{number}", argument)
        for number, argument in enumerate(function.args)
    ]


def _parameter(name: str, argument: SSAValue) -> Parameter:
    kind = argument.type
    if not isinstance(kind, MemRefType):
        raise Diagnostic(
            f"parameter {name}: {kind} is no array",
            hint="the machine runs kernels of array parameters; make scalars constants",
        )
    placed = DYNAMIC_INDEX not in kind.get_shape() and isinstance(kind.layout, NoneAttr)
    if not placed or space_of(kind) != Space.HBM:
        raise Diagnostic(
            f"parameter {name}: {kind} cannot be placed in HBM",
            hint="it needs known sizes, row-major order and no memory space",
        )
    return Parameter(name, tuple(kind.get_shape()), numpy_type(kind.element_type))


def run(
    function: func.FuncOp, config: TrainiumConfig, contents: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Run a function on arrays by parameter name; returns all of them as they are afterwards.

    Raises ``Diagnostic``, at the instruction, for whatever the machine does not allow or does not
    define: reads of memory that was never written, accesses out of bounds, operand rules that the
    sizes at hand break, a deadlock.
    """
    check(function, config)
    interpreter = Interpreter(config)
    parameters = parameters_of(function)
    for argument, parameter in zip(function.args, parameters, strict=True):
        content = contents[parameter.name]
        if content.shape != parameter.shape or content.dtype != parameter.dtype:
            raise Diagnostic(
                f"array {parameter.name}: expected {parameter.dtype}{list(parameter.shape)},"
                f" got {content.dtype}{list(content.shape)}"
            )
        interpreter.bind(argument, parameter_buffer(argument, content))
    try:
        _Run(interpreter).function(function)
    except MemoryError as error:
        raise refused(function, "its arrays do not fit this computer's memory") from error
    return {
        parameter.name: interpreter.content(argument)
        for argument, parameter in zip(function.args, parameters, strict=True)
    }


@dataclass
class _Stream:
    """One engine's instructions; ``blocked`` is the wait at which it stands."""

    engine: Engine
    steps: Iterator[Step]
    blocked: trn.WaitOp | None = None
    ended: bool = False


@dataclass
class _Transfer:
    op: trn.DmaStartOp
    accesses: Mapping[SSAValue, Access]


@dataclass
class _Run:
    interpreter: Interpreter
    state: EngineState = field(default_factory=EngineState)
    rules: ConcreteRules = field(default_factory=ConcreteRules)
    counts: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    queues: dict[int, list[_Transfer]] = field(default_factory=dict[int, list[_Transfer]])

    def function(self, function: func.FuncOp) -> None:
        streams: list[_Stream] = []
        for step in self.interpreter.steps(function.body.block):
            if isinstance(step, trn.StreamOp):
                steps = self.interpreter.steps(step.body.block)
                streams.append(_Stream(step.engine.data, steps))
            elif streams:
                raise refused(step, "an instruction outside of the streams")
            else:
                self._instruction(step)
        self._streams(sorted(streams, key=lambda stream: list(Engine).index(stream.engine)))

    def _streams(self, streams: list[_Stream]) -> None:
        while True:
            progress = [self._advance(stream) for stream in streams]
            if any(progress):
                continue
            if not self._transfer():
                break
        waiting = [stream for stream in streams if not stream.ended]
        if waiting:
            raise self._deadlock(waiting)

    def _advance(self, stream: _Stream) -> bool:
        """Run a stream until it waits or ends; returns whether it got anywhere."""
        progress = False
        while not stream.ended:
            if stream.blocked is not None:
                if not self._satisfied(stream.blocked):
                    return progress
                stream.blocked = None
            step = next(stream.steps, None)
            progress = True
            if step is None:
                stream.ended = True
            elif isinstance(step, trn.WaitOp):
                stream.blocked = step
            elif isinstance(step, trn.IncOp):
                self._count(step.semaphore, self.interpreter.runtime(step.count))
            elif isinstance(step, trn.DmaStartOp):
                self.queues.setdefault(step.queue.value.data, []).append(
                    _Transfer(step, self._accesses(step))
                )
            else:
                self._instruction(step)
        return progress

    def _satisfied(self, wait: trn.WaitOp) -> bool:
        return self.counts.get(wait.semaphore, 0) >= self.interpreter.runtime(wait.count)

    def _count(self, semaphore: SSAValue, step: int) -> None:
        self.counts[semaphore] = self.counts.get(semaphore, 0) + step

    def _transfer(self) -> bool:
        """Carry out the oldest move of the first queue that has one."""
        for queue in sorted(self.queues):
            if self.queues[queue]:
                transfer = self.queues[queue].pop(0)
                self._execute(transfer.op, transfer.accesses)
                self._count(transfer.op.semaphore, transfer.op.step.value.data)
                return True
        return False

    def _deadlock(self, waiting: list[_Stream]) -> Diagnostic:
        reasons: list[str] = []
        for stream in waiting:
            assert stream.blocked is not None
            semaphore = stream.blocked.semaphore
            name = f"%{semaphore.name_hint}" if semaphore.name_hint else "a semaphore"
            needed = self.interpreter.runtime(stream.blocked.count)
            found = self.counts.get(semaphore, 0)
            reasons.append(f"{stream.engine} waits until {name} is {needed}, it stays {found}")
        assert waiting[0].blocked is not None
        return refused(waiting[0].blocked, f"deadlock: {'; '.join(reasons)}")

    def _instruction(self, step: Step) -> None:
        if not isinstance(step, Instruction) or isinstance(step, trn.DmaStartOp):
            raise refused(step, "stands in a stream only")
        self._execute(step, self._accesses(step))

    def _accesses(self, op: Instruction) -> dict[SSAValue, Access]:
        return {
            operand: self._access(op, operand)
            for operand in op.operands
            if isinstance(operand.type, ViewType)
        }

    def _access(self, op: Operation, operand: SSAValue) -> Access:
        found = self.interpreter.accesses.get(operand)
        if found is None:
            raise refused(op, "an operand comes from no trn.view")
        return found

    def _execute(self, op: Instruction, accesses: Mapping[SSAValue, Access]) -> None:
        try:
            self.rules.check(op, accesses)
            execute(op, Context(accesses, self.state, self.interpreter.runtime))
        except (AccessError, VerifyException) as error:
            raise refused(op, str(error)) from error
