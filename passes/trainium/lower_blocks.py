"""``trn-lower-blocks``: tensor programs in blocks, one loop of the results in the partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn.limits import PARTITIONS
from .blocks.cells import Cells, spread
from .blocks.emission import BlockCode, Place
from .blocks.plan import Plan, identity
from .blocks.turning import store_turned
from .computations import Computation, computation_of
from .joined_slices import first_of_covering, insertions
from .loop_nests import Number, linear, loop
from .lowering_pass import TrainiumLowering
from .spans import Lane, Span
from .subscripts import inserted, slice_of
from .tensor_functions import (
    element_type,
    lower_functions,
    output_positions,
    parameters_in_memory,
    replace_function,
    tensor_sizes,
)

_BLOCKS_APART = 32
"""Blocks that are not alike are written out one by one, up to this many."""


@dataclass(frozen=True)
class LowerBlocksPass(TrainiumLowering):
    """Lower a function on tensors to instructions on blocks of its results.

    The loop number ``loop`` of each result lies in the partitions; the first other one is cut into
    pieces of ``size`` (0: not at all). Needs subscripts that are sums of loops with factors, and
    values that stay in their partition: slices, windows with steps, padding by conditions,
    concatenation, transposed copies. Guarantees one load of each part of an array per block.
    Reductions by a number per partition become one multiply-add for each reduced iteration.
    """

    name = "trn-lower-blocks"

    loop: int = 0
    size: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.loop < 0 or self.size < 0:
            raise PassFailedException(f"{self.name}: loop and size must be at least 0")
        lower_functions(op, lambda function: BlockLowering(self.loop, self.size, function).run())

    @classmethod
    def instances(cls, module: ModuleOp) -> Iterable[Self]:
        """Each loop in the partitions, with some sizes of pieces of the next one."""
        sizes = (0, 1, 4, 16, 64, 256, 1024, 4096)
        return (cls(loop, size) for loop in range(_rank(module)) for size in sizes)


def _rank(module: ModuleOp) -> int:
    """Of the results of all functions, the fewest dimensions; 0 for functions without tensors."""
    returned = [operation for operation in module.walk() if isinstance(operation, func.ReturnOp)]
    types = [value.type for operation in returned for value in operation.arguments]
    ranks = [len(type.get_shape()) for type in types if isinstance(type, TensorType)]
    return min(ranks, default=0)


@dataclass(frozen=True)
class Store:
    """A part of an output, and the tensor whose elements it gets."""

    output: int
    value: SSAValue
    offsets: tuple[int, ...]
    strides: tuple[int, ...]
    kept: tuple[int, ...]
    """The output's dimension along which each of the tensor's lies."""

    @property
    def sizes(self) -> tuple[int, ...]:
        return tensor_sizes(self.value)


class BlockLowering:
    """The lowering of one function."""

    def __init__(self, loop: int, size: int, function: func.FuncOp) -> None:
        self.loop = loop
        self.size = size
        self.function = function
        returned = function.body.block.last_op
        if not isinstance(returned, func.ReturnOp) or not returned.arguments:
            raise PassFailedException("blocks need a function that returns tensors")
        self.operations = [op for op in function.body.block.ops if op is not returned]
        self.stores = [
            store
            for value, position in zip(returned.arguments, output_positions(function), strict=True)
            for store in _stores(function, value, position)
        ]
        if any(len(store.sizes) <= loop for store in self.stores):
            raise PassFailedException(f"a result without a loop {loop}")
        self.computations: dict[SSAValue, Computation] = {}
        for operation in self.operations:
            if isinstance(operation, linalg.GenericOp):
                self.computations[operation.results[0]] = computation_of(operation)

        self.covered = frozenset(first_of_covering(self.operations))

    def run(self) -> None:
        block = parameters_in_memory(self.function)
        self.parameters: dict[SSAValue, SSAValue] = dict(
            zip(self.function.args, block.args, strict=True)
        )
        builder = Builder(InsertPoint.at_end(block))
        for stores in _alike(self.stores, self._extents):
            self._rows(builder, stores)
        builder.insert(func.ReturnOp())
        replace_function(self.function, block)

    def _extents(self, store: Store) -> tuple[int, int]:
        """The number of rows, and of iterations that are cut into pieces (0 if none are)."""
        cut = self._cut_dimension(store)
        return store.sizes[self.loop], 0 if cut is None else store.sizes[cut]

    def _cut_dimension(self, store: Store) -> int | None:
        if not self.size:
            return None
        others = [
            number for number, size in enumerate(store.sizes) if number != self.loop and size > 1
        ]
        if not others or store.sizes[others[0]] <= self.size:
            raise PassFailedException(f"no loop that is longer than {self.size}")
        return others[0]

    def _rows(self, builder: Builder, stores: Sequence[Store]) -> None:
        rows, _ = self._extents(stores[0])
        whole, rest = divmod(rows, PARTITIONS)

        def block(inner: Builder, number: Number) -> None:
            self._pieces(inner, stores, linear(inner, number, PARTITIONS, 0), PARTITIONS)

        if whole:
            loop(builder, whole, block)
        if rest:
            self._pieces(builder, stores, whole * PARTITIONS, rest)

    def _plan(self) -> Plan:
        return Plan(self.parameters, self.computations, self.covered)

    def _pieces(self, builder: Builder, stores: Sequence[Store], row: Number, rows: int) -> None:
        """All pieces of some rows: alike in a loop, and else one by one."""
        _, extent = self._extents(stores[0])
        size = self.size
        if not extent:
            self._piece(builder, stores, Place(row, rows), None)
            return
        whole, rest = divmod(extent, size)
        try:
            self._plan_for(stores, Span(0, size, size))
        except PassFailedException:
            if whole > _BLOCKS_APART:
                raise
            for number in range(whole):
                self._piece(builder, stores, Place(row, rows), Span(number * size, size))
        else:

            def piece(inner: Builder, number: Number) -> None:
                self._piece(inner, stores, Place(row, rows, number), Span(0, size, size))

            loop(builder, whole, piece)
        if rest:
            self._piece(builder, stores, Place(row, rows), Span(whole * size, rest))

    def _spans(self, store: Store, cut: Span | None) -> dict[int, Span]:
        """The iterations of a piece; the loop in the partitions is not among them."""
        spans = {number: Span(0, size) for number, size in enumerate(store.sizes)}
        dimension = self._cut_dimension(store)
        if dimension is not None and cut is not None:
            spans[dimension] = cut
        del spans[self.loop]
        return spans

    def _plan_for(self, stores: Sequence[Store], cut: Span | None) -> Plan:
        plan = self._plan()
        for store in stores:
            plan.need(identity(store.value), self.loop, self._spans(store, cut))
        for operation in reversed(self.operations):
            plan.need_operands_of(operation)
        return plan

    def _piece(
        self, builder: Builder, stores: Sequence[Store], place: Place, cut: Span | None
    ) -> None:
        """One block: load, compute, store."""
        code = self._code(self._plan_for(stores, cut), builder, place)
        code.load_all()
        for operation in self.operations:
            code.compute(operation)
        for store in stores:
            self._store(code, store, cut)

    def _code(self, plan: Plan, builder: Builder, place: Place) -> BlockCode:
        return BlockCode(plan, builder, place)

    def _store(self, code: BlockCode, store: Store, cut: Span | None) -> None:
        loop, spans = self.loop, self._spans(store, cut)
        order = [number for number in range(len(store.sizes)) if number != loop]
        value = code.read(identity(store.value), loop, spans, order)
        if value is None:
            return
        sizes = tuple(spans[number].size for number in order if spans[number].size > 1) or (1,)
        if not isinstance(value, Cells) or value.sizes != sizes:
            value = code.emitter.copy(spread(value, sizes), sizes, element_type(store.value))
        array = self.parameters[self.function.args[store.output]]
        target = [Span(offset, 1) for offset in store.offsets]
        for number, dimension in enumerate(store.kept):
            if number != loop:
                offset, stride, span = (
                    store.offsets[dimension],
                    store.strides[dimension],
                    spans[number],
                )
                target[dimension] = Span(
                    offset + stride * span.start, span.size, stride * span.factor
                )
        dimension = store.kept[loop]
        lane = Lane(dimension, store.strides[dimension], store.offsets[dimension])
        whole, dense = value == Cells.whole(value.buffer), set(store.strides) == {1}
        if dense and whole and store_turned(code, value.buffer, array, lane, target):
            return
        code.emitter.move(
            code.emitter.view(value), code.in_memory(array, lane, target, store.strides)
        )


def _stores(function: func.FuncOp, value: SSAValue, position: int) -> list[Store]:
    """The parts that an output consists of, in the order in which they are put there."""
    operation = inserted(value)
    chain = insertions(value)
    interleaved = any(set(slice_of(one).strides) != {1} for one in chain)
    if operation is None or (interleaved and chain[0].dest is function.args[position]):
        if value is function.args[position]:
            return []
        rank = len(tensor_sizes(value))
        return [Store(position, value, (0,) * rank, (1,) * rank, tuple(range(rank)))]
    place = slice_of(operation)
    last = Store(position, operation.source, place.offsets, place.strides, place.kept)
    return [*_stores(function, operation.dest, position), last]


def _alike(
    stores: Sequence[Store], extents: Callable[[Store], tuple[int, int]]
) -> list[list[Store]]:
    """Stores that are made block by block together: those of equal extents."""
    return [list(group) for _, group in groupby(stores, key=extents)]
