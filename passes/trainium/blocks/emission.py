"""The instructions for one block of the results: 128 rows in partitions, the rest along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import arith, tensor
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects import trn
from ....dialects.trn import Operator, ViewOp
from ..computations import Computation, Reduction
from ..loop_nests import Number, linear
from ..rows.parts import plus
from ..scalar_operations import NEUTRAL
from ..spans import Lane, Span, Spans, lane_of, settled
from ..subscripts import Access, Subscript, slice_of
from ..tensor_functions import element_type, tensor_sizes
from .cells import BlockEmitter, Cells, Operand, spread, with_first
from .plan import (
    Instance,
    Needed,
    Plan,
    fill_of,
    instances,
    is_unrolled,
    row_factor,
    row_of,
    source_part,
    whole_spans,
)
from .scalars import ScalarCode
from .turning import load_turned, row_dimension


@dataclass(frozen=True)
class Place:
    """Where a block lies: its first row, and its number along the dimension that is cut."""

    row: Number
    rows: int
    number: Number = 0


@dataclass(frozen=True)
class Part:
    """A part of a tensor in SBUF; dimensions of more than one element lie along the buffer."""

    buffer: SSAValue
    needed: Needed

    @property
    def along(self) -> dict[int, int]:
        """The buffer's dimension for each of the tensor's."""
        long = _long_dimensions(self.needed)
        return {dimension: place for place, dimension in enumerate(long, start=1)}


class BlockCode:
    """Emits one block. Operands are read through ``read``, results are kept as parts."""

    def __init__(self, plan: Plan, builder: Builder, place: Place) -> None:
        self.plan = plan
        self.builder = builder
        self.place = place
        self.emitter = BlockEmitter(builder, place.rows)
        self.parts: dict[SSAValue, Part] = {}
        self.loaded: dict[tuple[SSAValue, Lane | None], Part] = {}

    # Memory.

    def load_all(self) -> None:
        """Move every part of a parameter that is needed into SBUF."""
        for (value, lane), needed in self.plan.loads.items():
            self.loaded[value, lane] = self._load(value, needed)

    def _load(self, value: SSAValue, needed: Needed) -> Part:
        shape, lanes = tensor_sizes(value), self.place.rows
        rows = row_dimension(shape, needed.lane, lanes, needed.spans)
        if rows is None:
            return self.moved(value, needed)
        part = self._room(value, needed)
        load_turned(self, value, part, rows)
        return part

    def _room(self, value: SSAValue, needed: Needed) -> Part:
        sizes = [needed.spans[dimension].size for dimension in _long_dimensions(needed)]
        return Part(self.emitter.allocate(sizes, element_type(value)), needed)

    def moved(
        self, value: SSAValue, needed: Needed, start: Mapping[int, Number] | None = None
    ) -> Part:
        """A part of a parameter as it lies in memory, from ``start`` on along some dimensions."""
        part = self._room(value, needed)
        array = self.plan.parameters[value]
        source = self.in_memory(array, needed.lane, needed.spans, start=start)
        self.emitter.move(source, self.emitter.view(Cells.whole(part.buffer)))
        return part

    def beside(self, builder: Builder, place: Place) -> BlockCode:
        """Code of the same program for another place."""
        return BlockCode(self.plan, builder, place)

    def in_memory(
        self,
        array: SSAValue,
        lane: Lane | None,
        spans: Sequence[Span],
        steps: Sequence[int] | None = None,
        start: Mapping[int, Number] | None = None,
    ) -> SSAValue:
        """A part of an array in HBM, with rows in partitions and ``steps`` between elements.

        Spans count from ``start``, which is 0 along dimensions that it does not have.
        """
        steps, start = steps or [1] * len(spans), start or {}
        offsets: list[Number] = []
        along, view_steps, sizes = [0], [0], [self.place.rows]
        for number, (span, step) in enumerate(zip(spans, steps, strict=True)):
            if lane is not None and lane.dimension == number:
                along[0], view_steps[0] = number, lane.factor
                offsets.append(linear(self.builder, self.place.row, lane.factor, lane.constant))
                continue
            at = linear(self.builder, self.place.number, span.factor, span.start)
            offsets.append(plus(self.builder, at, start.get(number, 0)))
            if span.size > 1:
                along.append(number)
                view_steps.append(step)
                sizes.append(span.size)
        if len(sizes) == 1:
            along, view_steps, sizes = [*along, 0], [*view_steps, 0], [*sizes, 1]
        return self.builder.insert(ViewOp(array, offsets, sizes, along, view_steps)).view

    # Operands.

    def read(
        self, access: Access, row: int | None, spans: Spans, order: Sequence[int]
    ) -> Operand | None:
        """The elements that iterations read, the loops of ``order`` one after the other.

        A number for a tensor that is filled with it, ``None`` for one without contents.
        """
        access = settled(access, row, spans)
        value = access.value
        if isinstance(value.owner, tensor.EmptyOp):
            return None
        if (number := fill_of(value)) is not None:
            return number
        if value in self.plan.parameters:
            part = self.loaded[value, lane_of(access, row, spans)]
        else:
            part = self.parts[value]
        return self._cells(part, access.subscripts, spans, order)

    def _cells(
        self, part: Part, subscripts: Sequence[Subscript], spans: Spans, order: Sequence[int]
    ) -> Cells:
        along = part.along
        offsets = [0] * (max(len(along), 1) + 1)
        places: dict[int, tuple[int, int]] = {}
        for dimension, place in along.items():
            low, subscript = part.needed.spans[dimension], subscripts[dimension]
            moves = sum(factor * spans[loop].factor for loop, factor in subscript.factors)
            if moves != low.factor:
                raise PassFailedException("parts of a tensor that move apart from block to block")
            offsets[place] = subscript.constant - low.start
            for loop, factor in subscript.factors:
                offsets[place] += factor * spans[loop].start
                if spans[loop].size > 1:
                    if loop in places:
                        raise PassFailedException("a diagonal of a tensor")
                    places[loop] = place, factor
        long = [loop for loop in order if spans[loop].size > 1]
        if not any(loop in places for loop in long):
            return Cells(part.buffer, (1,), tuple(offsets), (0, 1), (1, 0))
        return Cells(
            part.buffer,
            tuple(spans[loop].size for loop in long),
            tuple(offsets),
            (0, *(places.get(loop, (1, 0))[0] for loop in long)),
            (1, *(places.get(loop, (1, 0))[1] for loop in long)),
        )

    # Computation.

    def compute(self, operation: Operation) -> None:
        """Compute the needed part of an operation's result."""
        if not operation.results or operation.results[0] not in self.plan.needed:
            return
        value = operation.results[0]
        needed = self.plan.needed[value]
        if isinstance(operation, tensor.InsertSliceOp):
            self.parts[value] = self._joined(operation, needed)
            return
        computation = self.plan.computations[value]
        if computation.reduction is None:
            cells = self._elements(computation, needed)
        elif is_unrolled(computation, row_of(computation, needed)):
            cells = self._unrolled(computation, computation.reduction, needed)
        else:
            cells = self._reduced(computation, computation.reduction, needed)
        self.parts[value] = Part(cells.buffer, needed)

    def _order(self, computation: Computation, needed: Needed) -> list[int]:
        row = row_of(computation, needed)
        return [loop for loop in computation.output if loop != row]

    def known(
        self, computation: Computation, row: int | None, spans: Spans, order: Sequence[int]
    ) -> dict[SSAValue, Operand]:
        known: dict[SSAValue, Operand] = {}
        for argument, access in computation.inputs:
            operand = self.read(access, row, spans, order)
            if operand is None:
                raise PassFailedException("a tensor of unknown contents is read")
            known[argument] = operand
        return known

    def _elements(self, computation: Computation, needed: Needed) -> Cells:
        row, order = row_of(computation, needed), self._order(computation, needed)
        spans = whole_spans(computation, needed)
        known = self.known(computation, row, spans, order)
        if computation.start is not None:
            start = self.read(computation.start, row, spans, order)
            if start is None:
                raise PassFailedException("a tensor of unknown contents is read")
            known[computation.body.args[-1]] = start
        code = ScalarCode(self.emitter, known)
        code.run(computation.body)
        last = computation.body.last_op
        assert last is not None
        value = code.operand(last.operands[0])
        return self._own(value, needed, element_type(computation.operation.results[0]))

    def _own(self, value: Operand, needed: Needed, element: Attribute) -> Cells:
        """The value in a buffer of its own, with all elements of a part."""
        sizes = _sizes(needed)
        if isinstance(value, Cells) and value == Cells.whole(value.buffer):
            is_loaded = any(part.buffer is value.buffer for part in self.loaded.values())
            is_part = any(part.buffer is value.buffer for part in self.parts.values())
            if not is_loaded and not is_part and (value.sizes, value.element) == (sizes, element):
                return value
        return self.emitter.copy(spread(value, sizes), sizes, element)

    def _start(
        self, computation: Computation, reduction: Reduction, needed: Needed
    ) -> Operand | None:
        """What a reduction starts from; ``None`` if that changes nothing."""
        assert computation.start is not None
        row, order = row_of(computation, needed), self._order(computation, needed)
        start = self.read(computation.start, row, whole_spans(computation, needed), order)
        if start is None:
            raise PassFailedException("a reduction that starts from unknown contents")
        return None if start == NEUTRAL[reduction.operator] else start

    def _reduced(self, computation: Computation, reduction: Reduction, needed: Needed) -> Cells:
        """Compute all values that are combined, and reduce them by one instruction."""
        row = row_of(computation, needed)
        order = [*self._order(computation, needed), *computation.reduced]
        (instance,) = instances(computation, needed)
        known = self.known(computation, row, instance.spans, order)
        code = ScalarCode(self.emitter, known)
        code.run(computation.body, reduction.skipped)
        element = element_type(computation.operation.results[0])
        sizes = tuple(
            instance.spans[loop].size for loop in order if instance.spans[loop].size > 1
        ) or (1,)
        value = spread(code.operand(reduction.combined), sizes)
        if not isinstance(value, Cells):
            value = self.emitter.copy(value, sizes, element)
        axes = sum(instance.spans[loop].size > 1 for loop in computation.reduced)
        start = self._start(computation, reduction, needed)
        if axes == 1 and isinstance(start, Cells) and (longer := with_first(value, start)):
            value, start = longer, None
        if axes:
            value = self.emitter.reduce(reduction.operator, value, axes, element)
        if start is not None:
            value = self.emitter.combine(reduction.operator, value, start, element)
        return self._own(value, needed, element)

    def _unrolled(self, computation: Computation, reduction: Reduction, needed: Needed) -> Cells:
        """Combine value after value; the first that gives all of the result comes first."""
        element = element_type(computation.operation.results[0])
        start = self._start(computation, reduction, needed)
        found = sorted(instances(computation, needed), key=lambda one: not one.covers)
        limit = reduction.operator in (Operator.MAXIMUM, Operator.MINIMUM)
        if not found or not found[0].covers or (limit and start is not None):
            if start is None:
                start = NEUTRAL[reduction.operator]
            total = self.emitter.copy(spread(start, _sizes(needed)), _sizes(needed), element)
        else:
            total = self._first(computation, reduction, needed, found.pop(0), start, element)
        whole = Part(total.buffer, needed)
        own = tuple(
            Subscript.loop(loop) if loop != row_of(computation, needed) else Subscript(0)
            for loop in computation.output
        )
        for instance in found:
            target = self._cells(whole, own, instance.spans, self._order(computation, needed))
            self._combine(computation, reduction, needed, instance, target)
        return total

    def _first(
        self,
        computation: Computation,
        reduction: Reduction,
        needed: Needed,
        instance: Instance,
        start: Operand | None,
        element: Attribute,
    ) -> Cells:
        """The first value, combined with the start."""
        sizes = _sizes(needed)
        target = Cells.whole(self.emitter.allocate(sizes, element))
        wide, narrow, code = self._factors(computation, reduction, needed, instance)
        if wide is None:
            value = code.operand(reduction.combined)
            if start is not None and (isinstance(value, Cells) or isinstance(start, Cells)):
                value = self.emitter.combine(reduction.operator, value, start, element)
            self._move(value, target)
            return target
        multiply = Operator.MULTIPLY
        views = self.emitter.view(wide), self.emitter.view(target)
        if isinstance(start, Cells) and not start.is_row:
            self.builder.insert(
                trn.ScalarTensorTensorOp(
                    multiply,
                    reduction.operator,
                    views[0],
                    narrow,
                    self.emitter.view(start),
                    views[1],
                )
            )
            return target
        op1 = None if start is None else reduction.operator
        second = self.emitter.view(start) if isinstance(start, Cells) else start
        self.builder.insert(trn.TensorScalarOp(multiply, views[0], narrow, views[1], op1, second))
        return target

    def _combine(
        self,
        computation: Computation,
        reduction: Reduction,
        needed: Needed,
        instance: Instance,
        target: Cells,
    ) -> None:
        """Combine one more value into the part of the total that it belongs to."""
        wide, narrow, code = self._factors(computation, reduction, needed, instance)
        total = self.emitter.view(target)
        if wide is not None:
            self.builder.insert(
                trn.ScalarTensorTensorOp(
                    Operator.MULTIPLY,
                    reduction.operator,
                    self.emitter.view(wide),
                    narrow,
                    total,
                    self.emitter.view(target),
                )
            )
            return
        value = code.operand(reduction.combined)
        if isinstance(value, Cells) and (not value.is_row or target.is_row):
            self.builder.insert(
                trn.TensorTensorOp(
                    reduction.operator, total, self.emitter.view(value), self.emitter.view(target)
                )
            )
            return
        scalar = self.emitter.view(value) if isinstance(value, Cells) else value
        self.builder.insert(
            trn.TensorScalarOp(reduction.operator, total, scalar, self.emitter.view(target))
        )

    def _factors(
        self, computation: Computation, reduction: Reduction, needed: Needed, instance: Instance
    ) -> tuple[Cells | None, SSAValue | None, ScalarCode]:
        """Both factors of the value if one is a number per row, after the body's other code."""
        row, order = row_of(computation, needed), self._order(computation, needed)
        known = self.known(computation, row, instance.spans, order)
        code = ScalarCode(self.emitter, known)
        factor = row_factor(computation, row)
        if factor is None:
            code.run(computation.body, reduction.skipped)
            return None, None, code
        multiplication = reduction.combined.owner
        assert isinstance(multiplication, arith.MulfOp)
        code.run(computation.body, (*reduction.skipped, multiplication))
        other = multiplication.lhs if factor is multiplication.rhs else multiplication.rhs
        wide, narrow = code.operand(other), code.operand(factor)
        sizes = tuple(
            instance.spans[loop].size for loop in order if instance.spans[loop].size > 1
        ) or (1,)
        wide = spread(wide, sizes)
        if not isinstance(wide, Cells) or not isinstance(narrow, Cells):
            raise PassFailedException("a product of numbers that are the same everywhere")
        return wide, self.emitter.view(narrow), code

    def _move(self, value: Operand, target: Cells) -> None:
        if isinstance(value, Cells):
            source = spread(value, target.sizes)
            assert isinstance(source, Cells)
            copy = trn.TensorCopyOp(self.emitter.view(source), self.emitter.view(target))
            self.builder.insert(copy)
        else:
            self.builder.insert(trn.MemsetOp(self.emitter.view(target), value))

    def _joined(self, operation: tensor.InsertSliceOp, needed: Needed) -> Part:
        """A buffer with what a tensor has around a slice, and what is put there."""
        row = None if needed.lane is None else needed.lane.dimension
        rank = len(needed.spans)
        everything = dict(enumerate(needed.spans))
        order = [number for number in range(rank) if number != row]
        identity = tuple(Subscript.loop(number) for number in range(rank))
        sizes, element = _sizes(needed), element_type(operation.result)
        known = self.parts.get(operation.dest)
        if known is not None and known.needed == needed and operation.dest.has_one_use():
            part = known
        else:
            part = Part(self.emitter.allocate(sizes, element), needed)
            if operation not in self.plan.covered:
                around = self.read(Access(operation.dest, identity), row, everything, order)
                if around is not None:
                    self._move(around, Cells.whole(part.buffer))
        taken = source_part(operation, needed)
        if taken is None:
            return part
        place = slice_of(operation)
        source_row = None if row is None else place.kept.index(row)
        source_order = [number for number in range(len(place.kept)) if number != source_row]
        inner = tuple(Subscript.loop(number) for number in range(len(place.kept)))
        value = self.read(Access(operation.source, inner), source_row, taken, source_order)
        if value is None:
            raise PassFailedException("a tensor of unknown contents is read")
        self._move(value, self._cells(part, place.place(inner), taken, source_order))
        return part


def _long_dimensions(needed: Needed) -> list[int]:
    lane = needed.lane.dimension if needed.lane is not None else None
    return [n for n, span in enumerate(needed.spans) if n != lane and span.size > 1]


def _sizes(needed: Needed) -> tuple[int, ...]:
    return tuple(needed.spans[number].size for number in _long_dimensions(needed)) or (1,)
