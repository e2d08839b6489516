"""``trn-lower-transpose``: permuted copies of arrays, turned tile by tile on the tensor engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Attribute, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ...dialects import trn
from ...dialects.trn import Space, SpaceAttr, ViewOp
from ...dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from .blocks.cells import shape_of
from .blocks.plan import identity
from .loop_nests import Number, linear, loop, over_blocks
from .lowering_pass import TrainiumLowering
from .subscripts import resolved
from .tensor_functions import (
    element_type,
    lower_functions,
    output_positions,
    parameters_in_memory,
    replace_function,
    tensor_sizes,
)


@dataclass(frozen=True)
class LowerTransposePass(TrainiumLowering):
    """Lower a copy with permuted dimensions to blocks of ``size`` × ``size`` elements.

    Needs a function that is one such copy, with another last dimension in the source than in the
    result. Guarantees that memory sees rows of up to ``size`` elements on both sides: 128 × 128
    elements at a time are transposed on the tensor engine.
    """

    name = "trn-lower-transpose"

    size: int = 512

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 1 <= self.size <= MOVING_COLUMNS:
            raise PassFailedException(f"{self.name}: size must be from 1 to {MOVING_COLUMNS}")
        lower_functions(op, lambda function: _lower(function, permutation_of(function), self.size))

    @classmethod
    def instances(cls, module: ModuleOp) -> Iterable[Self]:
        return (cls(size) for size in (128, 256, 512))


@dataclass(frozen=True)
class Permutation:
    """A copy: parameters by position, and sizes after dimensions that stay together are joined."""

    source: int
    result: int
    sizes: tuple[int, ...]
    """Of the result."""
    along: tuple[int, ...]
    """The result's dimension along each of the source's."""
    element: Attribute


def permutation_of(function: func.FuncOp) -> Permutation:
    """The copy that is all of a function; raises ``PassFailedException`` for others."""
    returned = function.body.block.last_op
    if not isinstance(returned, func.ReturnOp) or len(returned.arguments) != 1:
        raise PassFailedException("trn-lower-transpose needs one result")
    (value,) = returned.arguments
    access = resolved(identity(value))
    loops = tuple(subscript.only_loop for subscript in access.subscripts)
    sizes = tensor_sizes(value)
    if access.value not in function.args or sorted(map(str, loops)) != sorted(
        map(str, range(len(sizes)))
    ):
        raise PassFailedException("trn-lower-transpose needs a copy with permuted dimensions")
    along = tuple(number for number in loops if number is not None)
    if tuple(sizes[number] for number in along) != tensor_sizes(access.value):
        raise PassFailedException("a copy of a part of an array")
    position = list(function.args).index(access.value)  # pyright: ignore
    return _joined(position, output_positions(function)[0], sizes, along, element_type(value))


def _joined(
    source: int, result: int, sizes: tuple[int, ...], along: tuple[int, ...], element: Attribute
) -> Permutation:
    """Dimensions that follow each other on both sides count as one, those of size 1 not at all."""
    groups: list[list[int]] = []
    for number in along:
        if sizes[number] == 1:
            continue
        skipped = groups and all(sizes[n] == 1 for n in range(groups[-1][-1] + 1, number))
        if groups and number > groups[-1][-1] and skipped:
            groups[-1].append(number)
        else:
            groups.append([number])
    order = sorted(range(len(groups)), key=lambda place: groups[place])
    joined = tuple(prod(sizes[number] for number in groups[place]) for place in order)
    places = tuple(order.index(place) for place in range(len(groups)))
    if len(groups) < 2 or places[-1] == len(groups) - 1:
        raise PassFailedException("a copy whose last dimension stays the last")
    return Permutation(source, result, joined, places, element)


def _lower(function: func.FuncOp, copy: Permutation, size: int) -> None:
    block = parameters_in_memory(function)
    builder = Builder(InsertPoint.at_end(block))
    shape = tuple(copy.sizes[number] for number in copy.along)
    source = _reshaped(builder, block.args[copy.source], shape, copy.element)
    target = _reshaped(builder, block.args[copy.result], copy.sizes, copy.element)
    rows, columns = len(copy.sizes) - 1, copy.along[-1]
    outer = [number for number in range(len(copy.sizes)) if number not in (rows, columns)]

    def nest(inner: Builder, places: dict[int, Number]) -> None:
        if len(places) < len(outer):
            number = outer[len(places)]
            loop(
                inner,
                copy.sizes[number],
                lambda deeper, place: nest(deeper, places | {number: place}),
            )
            return

        def row_block(inmost: Builder, row: Number, height: int) -> None:
            over_blocks(
                inmost,
                copy.sizes[columns],
                size,
                lambda at, column, width: _Block(copy, at, places, source, target).emit(
                    (row, height), (column, width)
                ),
            )

        over_blocks(inner, copy.sizes[rows], size, row_block)

    nest(builder, {})
    builder.insert(func.ReturnOp())
    replace_function(function, block)


def _reshaped(
    builder: Builder, array: SSAValue, shape: tuple[int, ...], element: Attribute
) -> SSAValue:
    type = MemRefType(element, shape)
    return array if array.type == type else builder.insert(trn.ReshapeOp(array, type)).result


@dataclass(frozen=True)
class _Tiles:
    """``count`` tiles of ``height`` partitions, from place ``start`` of a block on."""

    start: int
    height: int
    count: int


@dataclass(frozen=True)
class _Block:
    """A block of rows and columns of the source; its rows lie along the result's last dimension."""

    copy: Permutation
    builder: Builder
    places: dict[int, Number]
    """Where the block lies along the other dimensions."""
    source: SSAValue
    target: SSAValue

    def emit(self, rows: tuple[Number, int], columns: tuple[Number, int]) -> None:
        """Load, transpose and store a block: where it starts, and its sizes."""
        last, first = len(self.copy.sizes) - 1, self.copy.along[-1]
        loaded = [(tiles, self._buffer(tiles, columns[1])) for tiles in _tiles(rows[1])]
        for tiles, buffer in loaded:
            place = self.places | {first: columns[0]}
            view = self._in_memory(self.source, self.copy.along, place, (last, rows[0]), tiles)
            self.builder.insert(trn.DmaCopyOp(view(first, columns[1]), self._whole(buffer)))
        identity = tuple(range(len(self.copy.sizes)))
        for tiles in _tiles(columns[1]):
            kept = self._buffer(tiles, rows[1])
            for number in range(tiles.count):
                start = tiles.start + number * tiles.height
                self._turn(loaded, start, kept, number)
            place = self.places | {last: rows[0]}
            view = self._in_memory(self.target, identity, place, (first, columns[0]), tiles)
            self.builder.insert(trn.DmaCopyOp(self._whole(kept), view(last, rows[1])))

    def _turn(
        self, loaded: list[tuple[_Tiles, SSAValue]], column: int, kept: SSAValue, number: int
    ) -> None:
        """Transpose some columns of a block into one tile of ``kept``."""
        height, _, width = shape_of(kept)
        type = MemRefType(self.copy.element, (height, width), memory_space=SpaceAttr(Space.PSUM))
        turned = self.builder.insert(memref.AllocOp([], [], type)).memref
        for tiles, buffer in loaded:
            for place in range(tiles.count):
                source = self._part(buffer, (0, place, column), (tiles.height, height), (0, 2))
                at = tiles.start + place * tiles.height
                target = self._part(turned, (0, at), (height, tiles.height), (0, 1))
                self.builder.insert(trn.NcTransposeOp(source, target))
        target = self._part(kept, (0, number, 0), (height, width), (0, 2))
        self.builder.insert(trn.TensorCopyOp(self._whole(turned), target))

    def _in_memory(
        self,
        array: SSAValue,
        along: tuple[int, ...],
        places: dict[int, Number],
        partitions: tuple[int, Number],
        tiles: _Tiles,
    ) -> Callable[[int, int], SSAValue]:
        """The view of some tiles of an array in HBM, by the dimension and size of their rows."""
        dimension, start = partitions
        starts = places | {dimension: linear(self.builder, start, 1, tiles.start)}

        def view(free: int, size: int) -> SSAValue:
            lies = along.index(dimension)
            return self.builder.insert(
                ViewOp(
                    array,
                    [starts[number] for number in along],
                    (tiles.height, tiles.count, size),
                    (lies, lies, along.index(free)),
                    (1, tiles.height, 1),
                )
            ).view

        return view

    def _buffer(self, tiles: _Tiles, width: int) -> SSAValue:
        shape = (tiles.height, tiles.count, width)
        type = MemRefType(self.copy.element, shape, memory_space=SpaceAttr(Space.SBUF))
        return self.builder.insert(memref.AllocOp([], [], type)).memref

    def _whole(self, buffer: SSAValue) -> SSAValue:
        shape = shape_of(buffer)
        return self._part(buffer, (0,) * len(shape), shape, tuple(range(len(shape))))

    def _part(
        self,
        buffer: SSAValue,
        offsets: tuple[int, ...],
        sizes: tuple[int, ...],
        along: tuple[int, ...],
    ) -> SSAValue:
        return self.builder.insert(ViewOp(buffer, offsets, sizes, along, (1,) * len(sizes))).view


def _tiles(extent: int) -> list[_Tiles]:
    """As many partitions as there are in each tile, and the rest in one of its own."""
    count, rest = divmod(extent, PARTITIONS)
    found = [_Tiles(0, PARTITIONS, count)] if count else []
    return [*found, _Tiles(count * PARTITIONS, rest, 1)] if rest else found
