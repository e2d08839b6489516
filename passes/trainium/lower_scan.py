"""``trn-lower-scan``: tensor programs with linear recurrences, by the scan instruction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import trn
from ...dialects.recurrence import LinearOp
from ...dialects.trn import Operator
from .blocks.cells import Cells, spread
from .blocks.emission import BlockCode, Part, Place
from .blocks.plan import Needed, Plan, identity, row_of, whole_spans
from .blocks.scalars import ScalarCode
from .computations import Computation
from .lower_blocks import BlockLowering
from .lowering_pass import TrainiumLowering
from .spans import Lane, Span
from .subscripts import Access, Subscript
from .tensor_functions import element_type, lower_functions, tensor_sizes


@dataclass(frozen=True)
class LowerScanPass(TrainiumLowering):
    """Lower a function on tensors with a linear recurrence to blocks of its results.

    The loop number ``loop`` of the results lies in the partitions; the recurrence goes along
    another one, of which all is in SBUF. A sum over recurrences (the states of a state-space model)
    is computed one state after the other, so that only one of them is in SBUF at a time.
    """

    name = "trn-lower-scan"

    loop: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not any(isinstance(operation, LinearOp) for operation in op.walk()):
            raise PassFailedException(f"{self.name} needs a recurrence")
        lower_functions(op, lambda function: _ScanLowering(self.loop, 0, function).run())

    @classmethod
    def instances(cls, module: ModuleOp) -> Iterable[Self]:
        return (cls(loop) for loop in range(3))


Loaded = dict[tuple[SSAValue, Lane | None, Needed], Part]


class _ScanLowering(BlockLowering):
    """The lowering of one function."""

    def _plan(self) -> Plan:
        return _ScanPlan(self.parameters, self.computations, self.covered)

    def _code(self, plan: Plan, builder: Builder, place: Place) -> BlockCode:
        return _ScanCode(plan, builder, place, self.operations, {})


class _ScanPlan(Plan):
    """A plan in which recurrences need all that comes before."""

    def need_operands_of(self, operation: Operation) -> None:
        if isinstance(operation, LinearOp):
            self._need_steps(operation)
            return
        computation = self.computations.get(operation.results[0]) if operation.results else None
        if computation is None or not sums_states(computation):
            super().need_operands_of(operation)
        elif (part := self.needed.get(operation.results[0])) is not None:
            # What is summed up is needed one state after the other: see ``_ScanCode``.
            assert computation.start is not None
            self.need(computation.start, row_of(computation, part), whole_spans(computation, part))

    def _need_steps(self, operation: LinearOp) -> None:
        part = self.needed.get(operation.result)
        if part is None:
            return
        along = operation.dimension
        if part.lane is not None and part.lane.dimension == along:
            raise PassFailedException("a recurrence from one partition to the next")
        spans = list(part.spans)
        spans[along] = Span(0, tensor_sizes(operation.result)[along])
        self.needed[operation.result] = replace(part, spans=tuple(spans))
        row = None if part.lane is None else part.lane.dimension
        for operand in (operation.factors, operation.summands):
            self.need(identity(operand), row, dict(enumerate(spans)))
        if operation.initial is not None:
            self.need(identity(operation.initial), *_before(operation, row, enumerate(spans)))


def _before(
    operation: LinearOp, row: int | None, spans: Iterable[tuple[int, Span]]
) -> tuple[int | None, dict[int, Span]]:
    """The row and the spans of what a recurrence starts from, which lacks one dimension."""

    def moved(dimension: int) -> int:
        return dimension - (dimension > operation.dimension)

    kept = {moved(number): span for number, span in spans if number != operation.dimension}
    return None if row is None else moved(row), kept


def sums_states(computation: Computation) -> bool:
    """Whether an operation reduces over results of recurrences."""
    return computation.reduction is not None and any(
        isinstance(access.value.owner, LinearOp) for _, access in computation.inputs
    )


class _ScanCode(BlockCode):
    """The code of a block, with scans."""

    def __init__(
        self,
        plan: Plan,
        builder: Builder,
        place: Place,
        operations: list[Operation],
        shared: Loaded,
    ) -> None:
        super().__init__(plan, builder, place)
        self.operations = operations
        self.shared = shared
        """Parts of parameters that are in SBUF already."""

    def load_all(self) -> None:
        loads = self.plan.loads
        for (value, lane), needed in loads.items():
            if (part := self.shared.get((value, lane, needed))) is not None:
                self.loaded[value, lane] = part
        self.plan.loads = {key: loads[key] for key in loads if key not in self.loaded}
        super().load_all()
        self.plan.loads = loads
        for (value, lane), part in self.loaded.items():
            self.shared[value, lane, part.needed] = part

    def compute(self, operation: Operation) -> None:
        if isinstance(operation, LinearOp):
            if operation.result in self.plan.needed:
                self._scan(operation, self.plan.needed[operation.result])
            return
        computation = (
            self.plan.computations.get(operation.results[0]) if operation.results else None
        )
        if computation is None or not sums_states(computation):
            super().compute(operation)
        elif operation.results[0] in self.plan.needed:
            self._sum_of_states(computation, self.plan.needed[operation.results[0]])

    def _scan(self, operation: LinearOp, needed: Needed) -> None:
        """One scan for each place along the other dimensions."""
        along = operation.dimension
        row = None if needed.lane is None else needed.lane.dimension
        subscripts = tuple(
            Subscript(0) if number == row else Subscript.loop(number)
            for number in range(len(needed.spans))
        )
        others = [n for n in range(len(needed.spans)) if n not in (row, along)]
        sizes = [span.size for n, span in enumerate(needed.spans) if n != row and span.size > 1]
        part = Part(self.emitter.allocate(sizes, element_type(operation.result)), needed)
        for point in product(*(range(needed.spans[number].size) for number in others)):
            spans = dict(enumerate(needed.spans))
            for number, at in zip(others, point, strict=True):
                spans[number] = replace(spans[number], start=spans[number].start + at, size=1)
            views = [
                self.emitter.view(self._along(operand, row, spans, along))
                for operand in (operation.factors, operation.summands)
            ]
            target = self.emitter.view(self._cells(part, subscripts, spans, [along]))
            self.builder.insert(
                trn.TensorTensorScanOp(
                    Operator.MULTIPLY,
                    Operator.ADD,
                    views[0],
                    views[1],
                    self._initial(operation, row, spans),
                    target,
                )
            )
        self.parts[operation.result] = part

    def _initial(
        self, operation: LinearOp, row: int | None, spans: Mapping[int, Span]
    ) -> SSAValue | float:
        if operation.initial is None:
            assert operation.start is not None
            return float(operation.start.value.data)
        place = _before(operation, row, spans.items())
        value = self.read(identity(operation.initial), *place, [])
        if value is None:
            raise PassFailedException("a recurrence that starts from unknown contents")
        return self.emitter.view(value) if isinstance(value, Cells) else value

    def _along(
        self, operand: SSAValue, row: int | None, spans: Mapping[int, Span], along: int
    ) -> Cells:
        """An operand's elements along one dimension, in a buffer."""
        rank = len(spans)
        access = Access(operand, tuple(Subscript.loop(number) for number in range(rank)))
        value = self.read(access, row, spans, [along])
        sizes = (spans[along].size,)
        if value is None:
            raise PassFailedException("a recurrence with steps of unknown contents")
        value = spread(value, sizes)
        if isinstance(value, Cells):
            return value
        return self.emitter.copy(value, sizes, element_type(operand))

    def _sum_of_states(self, computation: Computation, needed: Needed) -> None:
        """Compute what is summed up for one iteration after the other, and add it."""
        reduction = computation.reduction
        assert reduction is not None
        if reduction.guards:
            raise PassFailedException("a sum of states under conditions")
        row, order = row_of(computation, needed), self._order(computation, needed)
        element = element_type(computation.operation.results[0])
        total: Cells | None = None
        start = self._start(computation, reduction, needed)
        for point in computation.reduced_points:
            spans = {**whole_spans(computation, needed)}
            spans |= {loop: Span(at, 1) for loop, at in point.items()}
            code = self._inner(computation, row, spans)
            known = code.known(computation, row, spans, order)
            scalars = ScalarCode(code.emitter, known)
            scalars.run(computation.body, reduction.skipped)
            value = scalars.operand(reduction.combined)
            before = start if total is None else total
            if before is not None:
                value = code.emitter.combine(reduction.operator, value, before, element)
            total = self._own(value, needed, element)
        assert total is not None
        self.parts[computation.operation.results[0]] = Part(total.buffer, needed)

    def _inner(
        self, computation: Computation, row: int | None, spans: Mapping[int, Span]
    ) -> _ScanCode:
        """The code after everything that some iterations read is computed."""
        plan = _ScanPlan(self.plan.parameters, self.plan.computations, self.plan.covered)
        for _, access in computation.inputs:
            plan.need(access, row, spans)
        before = self.operations[: self.operations.index(computation.operation)]
        for operation in reversed(before):
            plan.need_operands_of(operation)
        code = _ScanCode(plan, self.builder, self.place, before, self.shared)
        code.load_all()
        for operation in before:
            code.compute(operation)
        return code
