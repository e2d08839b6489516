"""Products of a block of rows with matrices that have no rows, on the tensor engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute, SSAValue

from ....dialects import trn
from ....dialects.trn import Space
from ....dialects.trn.limits import PARTITIONS
from ....dialects.trn.types import element_bytes
from ..tensor_functions import index_constant
from .buffers import Columns, InMemory, Stored, access_view, allocate, shape_of, view
from .graph import Access, Node, Product, Weight
from .parts import Place, Size, over_parts, over_tiles, plus
from .turn import turn_rows, turned_shape

RESIDENT_BYTES = 90_112
"""Bytes of each partition for matrices that stay in SBUF: half of what NeuronCore-v2 has."""


@dataclass
class Matrices:
    """The right operands. Those that fit are loaded once, before the blocks of rows."""

    builder: Builder
    arrays: Mapping[int, InMemory]
    """The parameters, in memory."""
    summed: Collection[Node] = ()
    """Products that have one more column, of ones: the sum of what is multiplied."""
    resident: dict[Product, SSAValue] = field(default_factory=dict[Product, SSAValue])
    biases: dict[Node, SSAValue] = field(default_factory=dict[Node, SSAValue])
    """What is added to products, in one partition."""
    ones: SSAValue | None = None
    """As many as a block has rows at most, in one partition."""

    def load(self, products: list[Product]) -> None:
        """Load what is added, and matrices as long as there is room for them."""
        for product in products:
            if product.bias is not None:
                self._load_bias(product.bias)
        room = RESIDENT_BYTES
        for product in products:
            element = self.element(product)
            tiles = -(-_depth(product) // PARTITIONS)
            width = self.width(product)
            needed = tiles * width * element_bytes(element)
            if needed > room:
                continue
            room -= needed
            partitions = min(PARTITIONS, _depth(product))
            buffer = allocate(self.builder, (partitions, tiles, width), element)
            self._fill(product, buffer)
            self._add_ones(self.builder, product, buffer)
            self.resident[product] = buffer

    def width(self, product: Product) -> int:
        """How many columns are multiplied."""
        return product.free[0] + (product in self.summed)

    def _add_ones(self, builder: Builder, product: Product, buffer: SSAValue) -> None:
        if product in self.summed:
            partitions, tiles, width = shape_of(buffer)
            last = view(builder, buffer, (0, 0, width - 1), (partitions, tiles, 1))
            builder.insert(trn.MemsetOp(last, 1.0))

    def _load_bias(self, bias: Access) -> None:
        node = bias.node
        assert isinstance(node, Weight)
        if self.ones is None:
            self.ones = allocate(self.builder, (1, PARTITIONS), f32)
            self.builder.insert(trn.MemsetOp(view(self.builder, self.ones), 1.0))
        if node not in self.biases:
            self.biases[node] = allocate(self.builder, (1, *node.free), f32)
            array = self.arrays[node.position]
            source = array.view(self.builder, [0], (1, *node.free), (0, 0), (0, 1))
            self.builder.insert(trn.DmaCopyOp(source, view(self.builder, self.biases[node])))

    def add_bias(
        self, builder: Builder, bias: Access, total: SSAValue, rows: int, columns: Columns
    ) -> None:
        """Add a row to all rows of a product: as a product with ones, which is exact."""
        ones, row = self._bias(builder, bias, rows, columns)
        builder.insert(trn.NcMatmulOp(ones, row, total, _is_later(builder, 1)))

    def add_bias_turned(
        self, builder: Builder, bias: Access, total: SSAValue, rows: int, columns: Columns
    ) -> None:
        """The like where the columns of the product lie in the partitions."""
        ones, row = self._bias(builder, bias, rows, columns)
        builder.insert(trn.NcMatmulOp(row, ones, total, _is_later(builder, 1)))

    def _bias(
        self, builder: Builder, bias: Access, rows: int, columns: Columns
    ) -> tuple[SSAValue, SSAValue]:
        """A one for each row, and what is added to some columns, both in one partition."""
        assert self.ones is not None
        start = plus(builder, columns.start, bias.offsets[0])
        row = view(builder, self.biases[bias.node], (0, start), (1, columns.count))
        return view(builder, self.ones, (0, 0), (1, rows)), row

    def tile(
        self, builder: Builder, product: Product, depth: tuple[Place, int, Place], columns: Columns
    ) -> SSAValue:
        """A view of some rows, which lie in the partitions, at some columns.

        ``depth`` is where the rows start, how many there are, and the number of their tile.
        """
        start, deep, number = depth
        buffer = self.resident.get(product)
        more = int(product in self.summed)
        sizes = (deep, plus(builder, columns.count, more))
        if buffer is not None:
            offsets = (0, number, columns.start)
            return view(builder, buffer, offsets, sizes, (0, 2))
        tile = allocate(builder, (deep, 1, columns.room + more), self.element(product))
        self._add_ones(builder, product, tile)
        first = plus(builder, columns.start, product.start)
        if product.turned:
            self._turn(builder, product, tile, (start, deep, 0), (first, columns.size, 0))
        else:
            self._move(builder, product, (start, first), (deep, columns.count), tile, 0)
        return view(builder, tile, (0, 0, 0), sizes, (0, 2))

    def element(self, product: Product) -> Attribute:
        """The wider type of the two operands: the tensor engine takes no float32 with others."""
        both = product.left.node.element, self.arrays[product.right].element
        return max(both, key=element_bytes)

    def _fill(self, product: Product, buffer: SSAValue) -> None:
        def rows(inner: Builder, start: Place, deep: int, number: Place) -> None:
            offsets = (start, product.start)
            self._move(inner, product, offsets, (deep, product.free[0]), buffer, number)

        def columns(inner: Builder, start: Place, count: int, _: Place) -> None:
            def turn(inmost: Builder, at: Place, deep: int, number: Place) -> None:
                first = plus(inmost, start, product.start)
                self._turn(inmost, product, buffer, (at, deep, number), (first, count, start))

            over_parts(inner, _depth(product), PARTITIONS, turn)

        if product.turned:
            over_parts(self.builder, product.free[0], PARTITIONS, columns)
        else:
            over_parts(self.builder, _depth(product), PARTITIONS, rows)

    def _move(
        self,
        builder: Builder,
        product: Product,
        offsets: tuple[Place, Place],
        sizes: tuple[int, Place],
        buffer: SSAValue,
        number: Place,
    ) -> None:
        source = self.arrays[product.right].view(builder, offsets, sizes)
        target = view(builder, buffer, (0, number, 0), sizes, (0, 2))
        builder.insert(trn.DmaCopyOp(source, target))

    def _turn(
        self,
        builder: Builder,
        product: Product,
        buffer: SSAValue,
        depth: tuple[Place, int, Place],
        columns: tuple[Place, Size, Place],
    ) -> None:
        """Transpose rows ``depth`` of columns that are contiguous in memory, into the buffer.

        Both are where they start in memory, how many there are, and where they go.
        """
        start, deep, number = depth
        first, all_columns, place = columns

        def part(inner: Builder, at: Place, count: int, _: Place) -> None:
            loaded = allocate(inner, (count, deep), self.element(product))
            offsets = (plus(inner, first, at), start)
            source = self.arrays[product.right].view(inner, offsets, (count, deep))
            inner.insert(trn.DmaCopyOp(source, view(inner, loaded)))
            turned = allocate(inner, (deep, count), self.element(product), Space.PSUM)
            inner.insert(trn.NcTransposeOp(view(inner, loaded), view(inner, turned)))
            target = (0, number, plus(inner, place, at))
            to = view(inner, buffer, target, (deep, count), (0, 2))
            inner.insert(trn.TensorCopyOp(view(inner, turned), to))

        over_tiles(builder, all_columns, part)


@dataclass(frozen=True)
class LeftOperand:
    """The rows of a block, transposed: what they are multiplied by comes along the partitions."""

    buffer: SSAValue
    rows: int
    depth: Size
    """Elements that are summed over."""

    @staticmethod
    def turn(
        builder: Builder,
        stored: Stored,
        access: Access,
        rows: int,
        depth: Size,
        element: Attribute,
    ) -> LeftOperand:
        """Transpose rows on the tensor engine, and convert them to a type."""
        width = access.sizes[0]
        buffer = allocate(builder, turned_shape(width, rows), element)

        def source(inner: Builder, start: Place, deep: int) -> SSAValue:
            return access_view(inner, stored, access, rows, Columns(start, deep, 0, width))

        turn_rows(builder, source, buffer, (depth, rows), element=access.node.element)
        return LeftOperand(buffer, rows, depth)

    def multiply(
        self, builder: Builder, matrices: Matrices, product: Product, columns: Columns
    ) -> SSAValue:
        """A tile in PSUM with the product at some columns, at most a bank of them."""
        more = int(product in matrices.summed)
        buffer = allocate(builder, (self.rows, columns.room + more), f32, Space.PSUM)
        sizes = (self.rows, plus(builder, columns.count, more))

        def add(inner: Builder, start: Place, deep: int, number: Place) -> None:
            left = view(inner, self.buffer, (0, number, 0), (deep, self.rows), (0, 2))
            right = matrices.tile(inner, product, (start, deep, number), columns)
            total = view(inner, buffer, sizes=sizes)
            inner.insert(trn.NcMatmulOp(left, right, total, _is_later(inner, number)))

        over_tiles(builder, self.depth, add)
        if product.bias is not None:
            total = view(builder, buffer, sizes=sizes)
            matrices.add_bias(builder, product.bias, total, self.rows, columns)
        return buffer

    def multiply_turned(
        self,
        builder: Builder,
        matrices: Matrices,
        product: Product,
        columns: Columns,
        total: SSAValue,
    ) -> None:
        """The product at up to 128 columns, which are the partitions of ``total`` in PSUM."""

        def add(inner: Builder, start: Place, deep: int, number: Place) -> None:
            moving = view(inner, self.buffer, (0, number, 0), (deep, self.rows), (0, 2))
            stationary = matrices.tile(inner, product, (start, deep, number), columns)
            inner.insert(trn.NcMatmulOp(stationary, moving, total, _is_later(inner, number)))

        over_tiles(builder, self.depth, add)
        if product.bias is not None:
            matrices.add_bias_turned(builder, product.bias, total, self.rows, columns)


def _is_later(builder: Builder, number: Place) -> SSAValue:
    """Whether a tile is added to those before it; the first one overwrites."""
    if isinstance(number, int):
        return builder.insert(arith.ConstantOp.from_int_and_width(int(number > 0), 1)).result
    return builder.insert(arith.CmpiOp(number, index_constant(builder, 0), "sgt")).result


def _depth(product: Product) -> int:
    return product.left.sizes[0]
