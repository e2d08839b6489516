"""``trn-lower-matmul``: products of matrices of any size, blocked for SBUF and PSUM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import arith, func, memref
from xdsl.dialects.builtin import MemRefType, ModuleOp, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ...dialects import trn
from ...dialects.trn import Space, SpaceAttr, ViewOp
from ...dialects.trn.limits import MOVING_COLUMNS, PARTITIONS, PSUM_BANKS
from .left_panel import left_panel
from .loop_nests import counted_loop
from .lowering_pass import TrainiumLowering
from .matrices import BatchedProduct, Matrix, batched_product_of
from .rows.buffers import view
from .tensor_functions import (
    index_constant,
    lower_functions,
    parameters_in_memory,
    replace_function,
    reshaped,
)

Span = tuple[SSAValue, int]
"""Where a block starts in a dimension, and its size."""
Sums = dict[tuple[int, int], SSAValue]
"""Buffers in PSUM by the place of their tile in the block."""


@dataclass(frozen=True)
class LowerMatmulPass(TrainiumLowering):
    """Lower a product of two matrices to blocks of ``rows`` × ``columns``, ``depth`` at a time.

    Needs a function that is one product of two of its parameters, each as it is or transposed, or
    such a product for each place of their common first dimensions.
    Guarantees that a block of the result is summed up in PSUM, at most 7 of whose banks it takes,
    and that each element of the operands is loaded once per block. A left operand whose rows are
    contiguous is transposed on the tensor engine. With ``hold``, blocks of the left operand stay in
    SBUF for all columns, so that they are loaded and transposed once.
    """

    name = "trn-lower-matmul"

    rows: int = 512
    columns: int = 512
    depth: int = 1024
    hold: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for name in ("rows", "columns", "depth"):
            if getattr(self, name) < 1:
                raise PassFailedException(f"{self.name}: {name} must be at least 1")
        if self.hold and self.depth % PARTITIONS:
            raise PassFailedException(f"{self.name}: with hold, depth must be a multiple of 128")
        banks = -(-self.rows // PARTITIONS) * -(-self.columns // MOVING_COLUMNS)
        if banks >= PSUM_BANKS:
            raise PassFailedException(
                f"{self.name}: a block of {self.rows} × {self.columns} takes {banks} banks of PSUM,"
                f" and one is for transposes: at most {PSUM_BANKS - 1}"
            )
        lower_functions(
            op,
            lambda function: _MatmulLowering(self, function, batched_product_of(function)).run(),
        )

    @classmethod
    def instances(cls, module: ModuleOp) -> Iterable[Self]:
        """Blocks of up to 7 banks, from one tile on, with some depths at a time."""
        tiles = [(1, 1), (2, 1), (4, 1), (6, 1), (2, 2), (3, 2), (2, 3), (1, 4), (1, 6)]
        yield from (
            cls(high * PARTITIONS, wide * MOVING_COLUMNS, depth)
            for depth in (128, 512, 2048)
            for high, wide in tiles
        )
        yield from (cls(n * PARTITIONS, MOVING_COLUMNS, 1024, hold=True) for n in (2, 3, 4, 6))


class _MatmulLowering:
    """The lowering of one function."""

    def __init__(
        self, options: LowerMatmulPass, function: func.FuncOp, products: BatchedProduct
    ) -> None:
        self.options = options
        self.function = function
        self.products = products
        self.product = product = products.product
        self.block = parameters_in_memory(function)
        self.builder = Builder(InsertPoint.at_end(self.block))
        arrays = [
            reshaped(self.builder, array, shape)
            for array, shape in zip(self.block.args, products.shapes, strict=True)
        ]
        self.left, self.right, self.result = (
            arrays[place]
            for place in (product.left.position, product.right.position, product.result)
        )
        self.numbered = {arrays[place] for place in products.numbered}
        self.number: SSAValue | None = None
        """Which product it is, if there are several."""
        self.panel: SSAValue | None = None
        """The left operand's block, if it is held."""

    def run(self) -> None:
        if self.products.number == 1:
            self._one_product(self.builder)
        else:
            counted_loop(self.builder, self.products.number, self._numbered_product)
        self.builder.insert(func.ReturnOp())
        replace_function(self.function, self.block)

    def _numbered_product(self, builder: Builder, number: SSAValue) -> None:
        self.number = number
        self._one_product(builder)

    def _one_product(self, builder: Builder) -> None:
        product, options = self.product, self.options

        def columns(inner: Builder, column: SSAValue, width: int) -> None:
            def rows(inmost: Builder, row: SSAValue, height: int) -> None:
                self._result_block(inmost, (row, height), (column, width))

            _over_blocks(inner, product.rows, options.rows, rows)

        def held_rows(inner: Builder, row: SSAValue, height: int) -> None:
            first = self._in_array(inner, self.left, row, product.rows)
            self.panel = left_panel(inner, self.left, product, (first, height))

            def columns(inmost: Builder, column: SSAValue, width: int) -> None:
                self._result_block(inmost, (row, height), (column, width))

            _over_blocks(inner, product.columns, options.columns, columns)

        if not options.hold:
            _over_blocks(builder, product.columns, options.columns, columns)
            return
        if self.number is not None and product.left.summed_first:
            raise PassFailedException(f"{options.name}: hold needs rows that are contiguous")
        _over_blocks(builder, product.rows, options.rows, held_rows)

    def _in_array(
        self, builder: Builder, array: SSAValue, place: SSAValue, extent: int
    ) -> SSAValue:
        """A place of this product in the first dimension of an array, ``extent`` for each."""
        if array not in self.numbered or self.number is None:
            return place
        start = _shifted(builder, self.number, extent, 0)
        return builder.insert(arith.AddiOp(start, place)).result

    def _result_block(self, builder: Builder, rows: Span, columns: Span) -> None:
        """Sum up one block of the result, and store it."""
        row_tiles = list(_tiles(rows[1], PARTITIONS))
        column_tiles = list(_tiles(columns[1], MOVING_COLUMNS))
        sums = {
            (top, left): _allocate(builder, (height, width), f32, Space.PSUM)
            for top, height in row_tiles
            for left, width in column_tiles
        }
        for segment in _segments(self.product.depth, self.options.depth):
            self._segment(builder, sums, (rows, columns), segment)
        for (top, left), total in sums.items():
            shape = _shape(total)
            kept = _allocate(builder, shape, self.product.element, Space.SBUF)
            builder.insert(trn.TensorCopyOp(_view(builder, total), _view(builder, kept)))
            row = _plus(builder, rows[0], top)
            first = self._in_array(builder, self.result, row, self.product.rows)
            offsets = [first, _plus(builder, columns[0], left)]
            target = builder.insert(ViewOp(self.result, offsets, shape)).view
            builder.insert(trn.DmaCopyOp(_view(builder, kept), target))

    def _segment(
        self,
        builder: Builder,
        sums: Sums,
        place: tuple[Span, Span],
        segment: tuple[int, int, int],
    ) -> None:
        """Add the products of some blocks of the summed dimension."""
        start, count, size = segment

        def block(inner: Builder, number: SSAValue) -> None:
            depth = _shifted(inner, number, size, start), size
            self._accumulate(inner, sums, place, depth, None if start else number)

        counted_loop(builder, count, block)

    def _accumulate(
        self,
        builder: Builder,
        sums: Sums,
        place: tuple[Span, Span],
        depth: Span,
        number: SSAValue | None,
    ) -> None:
        """Add the products over ``depth``; ``number`` counts blocks where the first overwrites."""
        for at, deep in _tiles(depth[1], PARTITIONS):
            start = _plus(builder, depth[0], at)
            left = None
            if self.panel is None:
                left = self._operand(builder, self.product.left, (start, deep), place[0])
            right = self._operand(builder, self.product.right, (start, deep), place[1])
            if at or number is None:
                flag = builder.insert(arith.ConstantOp.from_int_and_width(1, 1)).result
            else:
                zero = index_constant(builder, 0)
                flag = builder.insert(arith.CmpiOp(number, zero, "sgt")).result
            for (top, start_column), total in sums.items():
                height, width = _shape(total)
                builder.insert(
                    trn.NcMatmulOp(
                        self._left_tile(builder, left, start, (top, deep, height)),
                        _view(builder, right, (0, start_column), (deep, width)),
                        _view(builder, total),
                        flag,
                    )
                )

    def _left_tile(
        self,
        builder: Builder,
        loaded: SSAValue | None,
        start: SSAValue,
        tile: tuple[int, int, int],
    ) -> SSAValue:
        """Some rows from ``top`` on of the operand's tile that starts at ``start``."""
        top, deep, height = tile
        if loaded is not None:
            return _view(builder, loaded, (0, top), (deep, height))
        assert self.panel is not None
        size = index_constant(builder, PARTITIONS)
        number = builder.insert(arith.FloorDivSIOp(start, size)).result
        return view(builder, self.panel, (0, number, top), (deep, height), (0, 2))

    def _operand(
        self,
        builder: Builder,
        matrix: Matrix,
        depth: Span,
        others: Span,
    ) -> SSAValue:
        """A tile in SBUF with the summed dimension in its partitions."""
        array = self.left if matrix is self.product.left else self.right
        element = array.type.element_type  # pyright: ignore
        tile = _allocate(builder, (depth[1], others[1]), element, Space.SBUF)
        if matrix.summed_first:
            first = self._in_array(builder, array, depth[0], self.product.depth)
            source = ViewOp(array, [first, others[0]], (depth[1], others[1]))
            builder.insert(source)
            builder.insert(trn.DmaCopyOp(source.view, _view(builder, tile)))
            return tile
        for at, count in _tiles(others[1], PARTITIONS):
            loaded = _allocate(builder, (count, depth[1]), element, Space.SBUF)
            extent = self.product.rows if array is self.left else self.product.columns
            start = self._in_array(builder, array, _plus(builder, others[0], at), extent)
            source = builder.insert(ViewOp(array, [start, depth[0]], (count, depth[1]))).view
            builder.insert(trn.DmaCopyOp(source, _view(builder, loaded)))
            turned = _allocate(builder, (depth[1], count), element, Space.PSUM)
            builder.insert(trn.NcTransposeOp(_view(builder, loaded), _view(builder, turned)))
            place = _view(builder, tile, (0, at), (depth[1], count))
            builder.insert(trn.TensorCopyOp(_view(builder, turned), place))
        return tile


def _segments(extent: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Start, number and size of the whole blocks, and then of the rest."""
    count, rest = divmod(extent, size)
    if count:
        yield 0, count, size
    if rest:
        yield count * size, 1, rest


def _tiles(extent: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and size of each tile."""
    for start in range(0, extent, size):
        yield start, min(size, extent - start)


def _over_blocks(
    builder: Builder, extent: int, size: int, emit: Callable[[Builder, SSAValue, int], None]
) -> None:
    """Emit a program for each block: where it starts, and its size."""
    for start, count, block in _segments(extent, size):

        def body(inner: Builder, number: SSAValue, at: int = start, width: int = block) -> None:
            emit(inner, _shifted(inner, number, width, at), width)

        counted_loop(builder, count, body)


def _shifted(builder: Builder, number: SSAValue, factor: int, start: int) -> SSAValue:
    product = builder.insert(arith.MuliOp(number, index_constant(builder, factor))).result
    return _plus(builder, product, start)


def _plus(builder: Builder, value: SSAValue, number: int) -> SSAValue:
    if not number:
        return value
    return builder.insert(arith.AddiOp(value, index_constant(builder, number))).result


def _allocate(
    builder: Builder, shape: tuple[int, ...], element: Attribute, space: Space
) -> SSAValue:
    type = MemRefType(element, shape, memory_space=SpaceAttr(space))
    return builder.insert(memref.AllocOp([], [], type)).memref


def _shape(buffer: SSAValue) -> tuple[int, int]:
    assert isinstance(buffer.type, MemRefType)
    height, width = buffer.type.get_shape()
    return height, width


def _view(
    builder: Builder,
    buffer: SSAValue,
    offsets: tuple[int, int] = (0, 0),
    sizes: tuple[int, int] | None = None,
) -> SSAValue:
    return builder.insert(ViewOp(buffer, offsets, sizes or _shape(buffer))).view
