"""``trn-lower-convolution``: sums of products over windows, on the tensor engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import MemRefType, ModuleOp, f32
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import trn
from ...dialects.trn import Operator, Space, ViewOp
from ...dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from .blocks.cells import BlockEmitter, Cells, shape_of
from .blocks.emission import BlockCode, Part, Place
from .blocks.plan import Needed, Plan, identity
from .blocks.turning import allocated
from .convolutions import Convolution, convolution_of, needed_columns
from .loop_nests import Number, loop
from .lower_blocks import BlockLowering, Store
from .lowering_pass import TrainiumLowering
from .operand_tiles import tile_of
from .spans import Lane, Span, Spans, settled
from .subscripts import Subscript
from .tensor_functions import element_type, lower_functions, tensor_sizes

_PIECES = 64
"""Pieces of a result are written out one by one, up to this many."""


@dataclass(frozen=True)
class LowerConvolutionPass(TrainiumLowering):
    """Lower a sum of products over windows, and what is computed from it element by element.

    Needs one factor (the weights) with one loop of the result, and another with all others; the
    loop of most iterations that is summed and runs along both lies in the partitions. Padding may
    be by conditions. ``size`` iterations of the last loop of the result but one are computed
    together (of the last one if there is no other). Guarantees that the weights are loaded once,
    and each part of the data once per piece; products are added up in PSUM for each tap of the
    window. Arrays with short rows in the way are transposed on the tensor engine.
    """

    name = "trn-lower-convolution"

    size: int = 8

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.size < 1:
            raise PassFailedException(f"{self.name}: size must be at least 1")
        lower_functions(op, lambda function: _ConvolutionLowering(self.size, function).run())

    @classmethod
    def instances(cls, module: ModuleOp) -> Iterable[Self]:
        return (cls(size) for size in (1, 4, 8, 16, 32, 512))


class _ConvolutionPlan(Plan):
    """A plan in which the factors of the convolution are not loaded as other operands are."""

    convolution: Convolution

    def need_operands_of(self, operation: Operation) -> None:
        if operation is not self.convolution.computation.operation:
            super().need_operands_of(operation)
            return
        part = self.needed.get(self.convolution.value)
        start = self.convolution.computation.start
        if part is not None and start is not None:
            self.need(start, self.convolution.row, needed_columns(part, self.convolution))


class _ConvolutionLowering(BlockLowering):
    """The lowering of one function: pieces of columns, and in each all rows."""

    def __init__(self, size: int, function: func.FuncOp) -> None:
        super().__init__(0, 0, function)
        self.piece = size
        self.convolution = self._only_convolution()
        if len(self.stores) != 1 or tensor_sizes(self.stores[0].value) != tensor_sizes(
            self.convolution.value
        ):
            raise PassFailedException("a convolution with several results")
        output = self.convolution.computation.output
        self.loop = output.index(self.convolution.row)
        self.columns = [number for number in range(len(output)) if number != self.loop]

    def _only_convolution(self) -> Convolution:
        reasons: list[str] = []
        for computation in self.computations.values():
            try:
                return convolution_of(computation)
            except PassFailedException as error:
                reasons.append(str(error))
        raise PassFailedException(reasons[-1] if reasons else "no sum of products")

    def _rows(self, builder: Builder, stores: Sequence[Store]) -> None:
        (store,) = stores
        sizes = tensor_sizes(self.convolution.value)
        cut = self.columns[-2] if len(self.columns) > 1 else self.columns[-1]
        around = [number for number in self.columns if number < cut and sizes[number] > 1]
        if len(around) > 1:
            raise PassFailedException("more than one loop around the windows")
        pieces = [
            Span(start, min(self.piece, sizes[cut] - start))
            for start in range(0, sizes[cut], self.piece)
        ]
        if len(pieces) > _PIECES:
            raise PassFailedException(f"{len(pieces)} pieces, at most {_PIECES}")
        self.weights = self._load_weights(builder)

        def image(inner: Builder, number: Number) -> None:
            for piece in pieces:
                spans = {n: Span(0, sizes[n]) for n in self.columns} | {cut: piece}
                if around:
                    spans[around[0]] = Span(0, 1, 1)
                self._one_piece(inner, store, number, spans)

        loop(builder, sizes[around[0]] if around else 1, image)

    def _tiles(self) -> list[tuple[int, int]]:
        """Start and number of the summed iterations that lie in the partitions together."""
        extent = self.convolution.computation.extents[self.convolution.summed]
        return [(start, min(PARTITIONS, extent - start)) for start in range(0, extent, PARTITIONS)]

    def _load_weights(self, builder: Builder) -> list[Part]:
        one = self.convolution
        extents = one.computation.extents
        spans = {number: Span(0, extent) for number, extent in enumerate(extents)}
        operand = one.operand(self._plan(), one.weights, [spans])
        return [
            tile_of(self._plan(), builder, operand, start, count, 0)
            for start, count in self._tiles()
        ]

    def _one_piece(
        self, builder: Builder, store: Store, number: Number, spans: dict[int, Span]
    ) -> None:
        one = self.convolution
        columns = {one.computation.output[n]: span for n, span in spans.items()}
        operand = one.operand(self._plan(), one.data, list(one.guarded(columns)))
        data = [
            tile_of(self._plan(), builder, operand, start, count, number)
            for start, count in self._tiles()
        ]

        def rows(inner: Builder, row: Number, count: int) -> None:
            if not isinstance(row, int):
                raise PassFailedException("rows that are not known")
            place = Place(row, count, number)
            plan = _ConvolutionPlan(self.parameters, self.computations, self.covered)
            plan.convolution = one
            plan.need(identity(store.value), self.loop, spans)
            for operation in reversed(self.operations):
                plan.need_operands_of(operation)
            code = _ConvolutionCode(plan, inner, place, self.weights, data)
            code.load_all()
            for operation in self.operations:
                code.compute(operation)
            self._store_piece(code, store, spans)

        for start in range(0, one.computation.extents[one.row], PARTITIONS):
            rows(builder, start, min(PARTITIONS, one.computation.extents[one.row] - start))

    def _store_piece(self, code: BlockCode, store: Store, spans: dict[int, Span]) -> None:
        """Store a piece; transposed first if rows lie along the last dimension in memory."""
        if self.loop != len(store.sizes) - 1:
            self._store_spans(code, store, spans)
            return
        array = self.parameters[self.function.args[store.output]]
        order = [number for number in range(len(store.sizes)) if number != self.loop]
        value = code.read(identity(store.value), self.loop, spans, order)
        if not isinstance(value, Cells) or store.strides != (1,) * len(store.sizes):
            raise PassFailedException("a result that is not computed")
        row = code.place.row
        assert isinstance(row, int)
        last = order[-1]
        for start in range(0, spans[last].size, PARTITIONS):
            width = min(PARTITIONS, spans[last].size - start)
            turned = _turned_rows(code, value, start, width)
            place = Place(store.offsets[last] + spans[last].start + start, width, code.place.number)
            target = [
                Span(span.start + store.offsets[n], span.size, span.factor)
                for n, span in sorted((spans | {self.loop: Span(row, code.place.rows)}).items())
            ]
            whole = BlockEmitter(code.builder, width)
            view = BlockCode(code.plan, code.builder, place).in_memory(
                array, Lane(last, 1, 0), target
            )
            whole.move(whole.view(Cells.whole(turned)), view)

    def _store_spans(self, code: BlockCode, store: Store, spans: dict[int, Span]) -> None:
        self.spans = spans
        self._store(code, store, None)

    def _spans(self, store: Store, cut: Span | None) -> dict[int, Span]:
        return dict(self.spans)


def _turned_rows(code: BlockCode, value: Cells, start: int, width: int) -> SSAValue:
    """Some of the last free dimension in partitions, the rows along the buffer."""
    rows, builder = code.place.rows, code.builder
    count = prod(value.sizes[:-1])
    if value != Cells.whole(value.buffer):
        value = code.emitter.copy(value, value.sizes, value.element)
    source = _with_shape(builder, value.buffer, (rows, count, value.sizes[-1]))
    long = [size for size in (count, rows) if size > 1]
    kept = allocated(builder, (width, *long), value.element, Space.SBUF)
    target = _with_shape(builder, kept, (width, count, rows))
    together = max(1, min(count, MOVING_COLUMNS // rows))
    for first in range(0, count, together):
        number = min(together, count - first)
        total = allocated(builder, (width, number, rows), value.element, Space.PSUM)
        for step in range(number):
            from_view = ViewOp(source, (0, first + step, start), (rows, width), (0, 2), (1, 1))
            to_view = ViewOp(total, (0, step, 0), (width, rows), (0, 2), (1, 1))
            for view in (from_view, to_view):
                builder.insert(view)
            builder.insert(trn.NcTransposeOp(from_view.view, to_view.view))
        from_view = ViewOp(total, (0, 0, 0), (width, number, rows))
        to_view = ViewOp(target, (0, first, 0), (width, number, rows))
        for view in (from_view, to_view):
            builder.insert(view)
        builder.insert(trn.TensorCopyOp(from_view.view, to_view.view))
    return kept


def _with_shape(builder: Builder, buffer: SSAValue, shape: tuple[int, ...]) -> SSAValue:
    """A buffer with other sizes."""
    assert isinstance(buffer.type, MemRefType)
    type = MemRefType(buffer.type.element_type, shape, memory_space=buffer.type.memory_space)
    return buffer if buffer.type == type else builder.insert(trn.ReshapeOp(buffer, type)).result


def _chunks(columns: Spans) -> Iterator[Spans]:
    """Columns that one bank of PSUM holds: parts of the last loop, or of the one before it."""
    *around, last = columns
    if columns[last].size >= MOVING_COLUMNS or not around:
        cut, size, others = last, MOVING_COLUMNS, around
    else:
        cut, size, others = around[-1], MOVING_COLUMNS // columns[last].size, around[:-1]
    if cut == last and any(columns[loop].size > 1 for loop in others[:-1]):
        raise PassFailedException("windows of more dimensions than two")
    rows = [others.pop()] if cut == last and others else []
    for place in product(*(range(columns[number].size) for number in rows)):
        fixed = {
            number: replace(columns[number], start=columns[number].start + at, size=1)
            for number, at in zip(rows, place, strict=True)
        }
        span = columns[cut]
        for start in range(0, span.size, size):
            part = replace(span, start=span.start + start, size=min(size, span.size - start))
            yield {**columns, **fixed, cut: part}


def _subscripts(convolution: Convolution) -> tuple[Subscript, ...]:
    """Of the result's elements; the rows are in the partitions."""
    return tuple(
        Subscript(0) if loop == convolution.row else Subscript.loop(loop)
        for loop in convolution.computation.output
    )


class _ConvolutionCode(BlockCode):
    """The code of a block of rows; the convolution is computed by the tensor engine."""

    def __init__(
        self,
        plan: _ConvolutionPlan,
        builder: Builder,
        place: Place,
        weights: Sequence[Part],
        data: Sequence[Part],
    ) -> None:
        super().__init__(plan, builder, place)
        self.convolution = plan.convolution
        self.weights = weights
        self.data = data

    def compute(self, operation: Operation) -> None:
        one = self.convolution
        if operation is not one.computation.operation:
            super().compute(operation)
            return
        needed = self.plan.needed[one.value]
        columns = needed_columns(needed, one)
        buffer = self.emitter.allocate(
            [span.size for span in columns.values() if span.size > 1] or [1],
            element_type(one.value),
        )
        self.parts[one.value] = Part(buffer, needed)
        for chunk in _chunks(columns):
            self._chunk(needed, chunk)

    def _chunk(self, needed: Needed, columns: Spans) -> None:
        """Sum up the products for some columns in PSUM, and add the start."""
        one = self.convolution
        order = list(one.columns)
        sizes = [columns[number].size for number in order if columns[number].size > 1]
        total = allocated(self.builder, (self.place.rows, *(sizes or [1])), f32, Space.PSUM)
        spans = tuple(columns.get(number, Span(0, 1)) for number in one.computation.output)
        part = Part(total, Needed(needed.lane, spans))
        accumulate: SSAValue | None = None
        for spans in one.guarded(columns):
            for weights, data in zip(self.weights, self.data, strict=True):
                self._product(part, weights, data, spans, accumulate)
                if accumulate is None:
                    constant = arith.ConstantOp.from_int_and_width(1, 1)
                    accumulate = self.builder.insert(constant).result
        summed = Cells.whole(total)
        target = self._cells(self.parts[one.value], _subscripts(one), dict(columns), order)
        start = one.computation.start
        value = None if start is None else self.read(start, one.row, columns, order)
        if value is None or value == 0.0:
            self._move(summed, target)
            return
        views = self.emitter.view(summed), self.emitter.view(target)
        if isinstance(value, Cells) and not value.is_row:
            added = trn.TensorTensorOp(Operator.ADD, views[0], self.emitter.view(value), views[1])
        else:
            scalar = self.emitter.view(value) if isinstance(value, Cells) else value
            added = trn.TensorScalarOp(Operator.ADD, views[0], scalar, views[1])
        self.builder.insert(added)

    def _product(
        self,
        total: Part,
        weights: Part,
        data: Part,
        spans: Spans,
        accumulate: SSAValue | None,
    ) -> None:
        one, row = self.convolution, self.place.row
        assert isinstance(row, int)
        depth = BlockEmitter(self.builder, shape_of(weights.buffer)[0])
        rows = {**spans, one.row: Span(row, self.place.rows)}
        stationary = self._cells(
            weights, settled(one.weights, None, rows).subscripts, rows, [one.row]
        )
        moving = self._cells(
            data, settled(one.data, None, spans).subscripts, spans, list(one.columns)
        )
        target = self._cells(total, _subscripts(one), spans, list(one.columns))
        self.builder.insert(
            trn.NcMatmulOp(
                depth.view(stationary),
                depth.view(moving),
                self.emitter.view(target),
                accumulate,
            )
        )
