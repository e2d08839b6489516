"""From ISA IR to the command stream: loops unrolled, addresses computed, costs counted.

The program is evaluated once, operation by operation, for all iterations of the surrounding loops
at the same time (see ``lanes``): a loop multiplies the lanes, an ``if`` selects some of them. Each
operation then knows how many commands and core cycles each of its lanes takes, so prefix sums give
the place of every command. The cost depends on the size of the text, and on the number of commands
only through NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from ...diagnostics import Diagnostic
from .. import core
from ..lanes import Scope, UnknownValueError, Value, ceiling_quotient, evaluate
from ..locations import location_of
from ..stream import CommandStream
from .commands import (
    Command,
    Operands,
    commands_of,
    instructions,
    local_address,
    local_address_cycles,
)
from .config import GemminiConfig
from .memory import MemoryLayout, PlacedArray, own_arrays, place_arrays

W = TypeVar("W", bound="Walk")

MAX_COMMANDS = 1 << 26
"""Programs with more commands (or loop iterations at one place) are refused, not run for hours."""


class UnrollError(Diagnostic):
    """ISA IR that cannot be turned into commands; the message names the operation."""


class NotUnrollableError(UnrollError):
    """A limit of ours, not a mistake of the program: too large, or an operation without a rule."""


@dataclass
class Trace:
    """What one region does, in order, in each of its lanes."""

    scope: Scope
    items: list[_Issue | _Nested | int] = field(default_factory=list["_Issue | _Nested | int"])
    """Commands, nested regions, and core cycles in between."""
    commands: Value = 0
    cycles: Value = 0
    """Sums over the region, per lane."""

    def spend(self, cycles: int) -> None:
        if cycles:
            self.items.append(cycles)
            self.cycles = self.cycles + cycles

    def issue(self, command: Command, origin: int) -> None:
        self.items.append(_Issue(command, origin))
        self.commands = self.commands + 1

    def nest(self, inner: Trace) -> None:
        nested = _Nested(inner)
        self.items.append(nested)
        self.commands = self.commands + nested.commands.totals
        self.cycles = self.cycles + nested.cycles.totals


@dataclass
class _Issue:
    command: Command
    origin: int


class _Prefix:
    """Sums over the lanes of an inner region, from the first lane of each outer lane."""

    def __init__(self, scope: Scope, amounts: Value) -> None:
        total = np.concatenate(([0], np.cumsum(scope.column(amounts), dtype=np.int64)))
        at_bounds = total[scope.bounds]
        self.totals = np.diff(at_bounds)
        """Per outer lane."""
        self.before = total[:-1] - np.repeat(at_bounds[:-1], np.diff(scope.bounds))
        """Per inner lane: the sum over earlier inner lanes of the same outer lane."""


class _Nested:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.commands = _Prefix(trace.scope, trace.commands)
        self.cycles = _Prefix(trace.scope, trace.cycles)


def unroll(
    function: func.FuncOp,
    config: GemminiConfig,
    layout: MemoryLayout | None = None,
    max_commands: int = MAX_COMMANDS,
    walk: MakeWalk | None = None,
) -> CommandStream:
    """The commands that ``function`` issues, with its arrays at the addresses of ``layout``.

    ``layout`` defaults to the standard placement; ``walk`` may make another kind of ``Walk``.
    ``issue_cycles`` counts core cycles (see ``core``), ``origin`` is the operation's position in
    ``instructions(function)``. Raises ``UnrollError`` for an operation that has no meaning here, a
    number that does not fit its field, an index outside of its array, or a program of more than
    ``max_commands`` commands.
    """
    layout = place_arrays(function) if layout is None else layout
    trace = Trace(Scope(1))
    if function.body.blocks:
        walked = new_walk(function, config, layout, max_commands, Walk if walk is None else walk)
        walked.block(function.body.block, trace)
    stream, _ = stream_of(trace, max_commands)
    return stream


def new_walk(
    function: func.FuncOp,
    config: GemminiConfig,
    layout: MemoryLayout,
    max_commands: int,
    make: Callable[..., W],
) -> W:
    """A walk through ``function`` with its arrays at the addresses of ``layout``."""
    arrays: dict[SSAValue, PlacedArray] = dict(
        zip([*function.args, *own_arrays(function)], layout.all_arrays, strict=True)
    )
    origins = {op: number for number, op in enumerate(instructions(function))}
    return make(arrays, origins, config, max_commands)


def stream_of_module(
    module: ModuleOp,
    config: GemminiConfig,
    name: str | None = None,
    max_commands: int = MAX_COMMANDS,
) -> tuple[CommandStream, MemoryLayout]:
    """The commands of the only function with a body in ``module`` (or of the one called ``name``).

    Raises ``Diagnostic`` when there is no such function or it cannot be unrolled.
    """
    function = kernel_function(module, name)
    layout = place_arrays(function)
    return unroll(function, config, layout, max_commands), layout


def kernel_function(module: ModuleOp, name: str | None = None) -> func.FuncOp:
    """The only function with a body in ``module``, or the one called ``name``."""
    functions = [
        op for op in module.walk() if isinstance(op, func.FuncOp) and not op.is_declaration
    ]
    if name is not None:
        functions = [function for function in functions if function.sym_name.data == name]
    if len(functions) == 1:
        return functions[0]
    found = ", ".join(function.sym_name.data for function in functions) or "none"
    raise Diagnostic(
        f"expected one function {name or 'with a body'}, found {found}",
        hint="name the function that is the kernel" if functions else "",
    )


class Walk:
    """Evaluates regions; ``record`` is false while only values are wanted."""

    def __init__(
        self,
        arrays: dict[SSAValue, PlacedArray],
        origins: dict[Operation, int],
        config: GemminiConfig,
        max_commands: int,
    ) -> None:
        self.arrays = arrays
        self.origins = origins
        self.config = config
        self.max_commands = max_commands

    def block(self, block: Block, trace: Trace, record: bool = True) -> None:
        for op in block.ops:
            self.operation(op, trace, record)

    def operation(self, op: Operation, trace: Trace, record: bool = True) -> None:
        try:
            self._operation(op, trace, record)
        except UnknownValueError as error:
            reason = f"the value {error} is not known here"
            raise _refused(op, reason, NotUnrollableError) from error
        except (ValueError, ZeroDivisionError) as error:
            raise _refused(op, str(error)) from error

    def _operation(self, op: Operation, trace: Trace, record: bool) -> None:
        scope = trace.scope
        if op in self.origins:
            return self._instruction(op, trace) if record else None
        if isinstance(op, scf.ForOp):
            return self._loop(op, trace, record)
        if isinstance(op, scf.IfOp):
            return self._branch(op, trace, record)
        if isinstance(op, scf.YieldOp | func.ReturnOp):
            return None
        if isinstance(op, memref.AllocOp) and op.memref in self.arrays:
            return None
        if isinstance(op, memref.CollapseShapeOp):
            self.arrays[op.result] = _seen_as(self.arrays[op.src], op)
            return None
        value = local_address(op, scope)
        if value is not None:
            scope.values[op.results[0]] = value
            return trace.spend(local_address_cycles(op, scope))
        if op.dialect_name() not in ("arith", "affine"):
            raise _refused(op, "the machine has no such operation", NotUnrollableError)
        return _arithmetic(op, trace)

    def _instruction(self, op: Operation, trace: Trace) -> None:
        operands = Operands(trace.scope, self.arrays, self.config)
        if trace.scope.size == 0:
            return
        trace.spend(operands.packing_cycles(op))
        for command in commands_of(op, operands) or ():
            trace.issue(command, self.origins[op])

    def _loop(self, op: scf.ForOp, trace: Trace, record: bool) -> None:
        scope = trace.scope
        trips = self.runs(op, scope)
        body, iteration = self.iterations(op, scope, trips)
        self.count_up(op, body, iteration)
        if op.iter_args:
            self._carry(op, scope, body)
        trace.spend(core.LOOP_ENTRY)
        inner = Trace(body)
        self.enter(op, inner, trips, iteration)
        self.block(op.body.block, inner, record)
        inner.spend(core.LOOP_ITERATION)
        trace.nest(inner)
        self.leave(op, trace)

    def runs(self, op: scf.ForOp, scope: Scope) -> NDArray[np.int64]:
        """How often the loop runs, in each lane of ``scope``."""
        lower, upper, step = (scope.get(bound) for bound in (op.lb, op.ub, op.step))
        if np.any(np.less_equal(step, 0)):
            raise ValueError("the step of a loop must be positive")
        return np.maximum(scope.column(ceiling_quotient(upper - lower, step)), 0)

    def count_up(self, op: scf.ForOp, body: Scope, iteration: NDArray[np.int64]) -> None:
        """Give the loop's variable its value in each of the given iterations."""
        lower, step = body.get(op.lb), body.get(op.step)
        body.values[op.body.block.args[0]] = lower + iteration * step

    def iterations(
        self, op: scf.ForOp, scope: Scope, trips: NDArray[np.int64]
    ) -> tuple[Scope, NDArray[np.int64]]:
        """The lanes of a loop's body, and the number of the iteration that each one is."""
        if int(trips.sum()) > self.max_commands:
            raise _refused(op, f"more than {self.max_commands} iterations", NotUnrollableError)
        body = scope.child(trips, loops=True)
        return body, np.arange(body.size) - np.repeat(body.bounds[:-1], trips)

    def enter(
        self,
        op: scf.ForOp,
        body: Trace,
        trips: NDArray[np.int64],
        iteration: NDArray[np.int64],
    ) -> None:
        """Called before the body of a loop; a subclass may record what it needs to know."""

    def leave(self, op: scf.ForOp, trace: Trace) -> None:
        """Called behind a loop."""

    def _carry(self, op: scf.ForOp, scope: Scope, body: Scope) -> None:
        """Find the values carried from iteration to iteration, one iteration after the other."""
        block = op.body.block
        trips = np.diff(body.bounds)
        current = [scope.column(scope.get(value)).copy() for value in op.iter_args]
        history = [np.zeros(body.size, np.int64) for _ in current]
        for number in range(int(trips.max(initial=0))):
            active = np.flatnonzero(trips > number)
            lanes = body.bounds[active] + number
            once = scope.child((trips > number).astype(np.int64), loops=True)
            once.values[block.args[0]] = body.column(body.values[block.args[0]])[lanes]
            for argument, value, seen in zip(block.args[1:], current, history, strict=True):
                once.values[argument] = seen[lanes] = value[active]
            self.block(block, Trace(once), record=False)
            for value, result in zip(current, _yielded(block), strict=True):
                value[active] = once.column(once.get(result))
        body.values.update(zip(block.args[1:], history, strict=True))
        scope.values.update(zip(op.results, current, strict=True))

    def _branch(self, op: scf.IfOp, trace: Trace, record: bool) -> None:
        scope = trace.scope
        condition = scope.get(op.cond)
        trace.spend(0 if isinstance(condition, int) else core.BRANCH)
        taken = scope.column(condition) != 0
        results = [np.zeros(scope.size, np.int64) for _ in op.results]
        for region, mask in ((op.true_region, taken), (op.false_region, ~taken)):
            if not region.blocks:
                continue
            inner = Trace(scope.child(mask.astype(np.int64), loops=False))
            self.block(region.block, inner, record)
            trace.nest(inner)
            for result, value in zip(results, _yielded(region.block), strict=True):
                result[mask] = inner.scope.column(inner.scope.get(value))
        scope.values.update(zip(op.results, results, strict=True))


MakeWalk = Callable[
    [dict[SSAValue, PlacedArray], dict[Operation, int], GemminiConfig, int],
    Walk,
]


def _seen_as(array: PlacedArray, view: memref.CollapseShapeOp) -> PlacedArray:
    """The same array with joined dimensions: a view costs nothing."""
    assert isinstance(view.result.type, MemRefType)
    return replace(array, shape=view.result.type.get_shape())


def _arithmetic(op: Operation, trace: Trace) -> None:
    scope = trace.scope
    value = evaluate(op, scope)
    if value is None:
        if op.name == "arith.constant":
            return  # not an integer: no index or condition can depend on it
        reason = "no index or condition may be computed by it"
        raise _refused(op, reason, NotUnrollableError)
    scope.values[op.results[0]] = value
    if not isinstance(value, int):
        trace.spend(core.arithmetic_cycles(op, lambda operand: _constant(scope, operand)))


def _constant(scope: Scope, operand: SSAValue) -> int | None:
    value = scope.get(operand)
    return value if isinstance(value, int) else None


def _yielded(block: Block) -> list[SSAValue]:
    last = block.last_op
    return list(last.operands) if isinstance(last, scf.YieldOp) else []


def _refused(op: Operation, reason: str, kind: type[UnrollError] = UnrollError) -> UnrollError:
    text = str(op).split("\n", 1)[0]
    return kind(f"{op.name}: {reason}, in {text[:160]!r}", location_of(op))


def stream_of(trace: Trace, max_commands: int, waited: int = 0) -> tuple[CommandStream, int]:
    """The commands of a trace of one lane, and the core cycles behind the last one.

    The core has spent ``waited`` cycles before.
    """
    count = int(np.sum(trace.scope.column(trace.commands)))
    if count > max_commands:
        raise NotUnrollableError(f"the program issues {count} commands, more than {max_commands}")
    columns = _Columns(
        np.zeros(count, np.uint8),
        np.zeros(count, np.uint64),
        np.zeros(count, np.uint64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int32),
    )
    columns.place(trace, np.zeros(1, np.int64), np.full(1, waited))
    issue_cycles = np.diff(columns.issue_time, prepend=0)
    limit = np.iinfo(np.uint16).max
    stream = CommandStream(
        columns.funct,
        columns.rs1,
        columns.rs2,
        np.minimum(issue_cycles, limit).astype(np.uint16),
        columns.origin,
    )
    spent = waited + int(np.sum(trace.scope.column(trace.cycles)))
    return stream, spent - int(columns.issue_time[-1] if count else 0)


@dataclass
class _Columns:
    """The stream while it is filled."""

    funct: NDArray[np.uint8]
    rs1: NDArray[np.uint64]
    rs2: NDArray[np.uint64]
    issue_time: NDArray[np.int64]
    """Core cycles spent from the start of the program."""
    origin: NDArray[np.int32]

    def place(self, trace: Trace, position: NDArray[np.int64], time: NDArray[np.int64]) -> None:
        """Write the commands of a region that begins at ``position`` and ``time`` per lane."""
        for item in trace.items:
            if isinstance(item, int):
                time = time + item
            elif isinstance(item, _Issue):
                self.funct[position], self.rs1[position], self.rs2[position] = item.command
                self.issue_time[position] = time
                self.origin[position] = item.origin
                position = position + 1
            else:
                lanes = item.trace.scope.parent_lanes
                inner_position = position[lanes] + item.commands.before
                self.place(item.trace, inner_position, time[lanes] + item.cycles.before)
                position = position + item.commands.totals
                time = time + item.cycles.totals
