"""Execute tile IR: loops as in loop IR, tile operations on slices of NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from ...dialects.tile import LoadOp, MatmulOp, StoreOp, ZeroOp
from ..extract.pure_operations import type_name
from .arithmetic import apply
from .common import ExecutionFault
from .execute_loops import LoopExecutor


class TileExecutor(LoopExecutor):
    """Executes one function of tile IR; its loops run in order."""

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._masks: dict[int, tuple[NDArray[Any], NDArray[np.bool_]]] = {}
        self.handlers |= {
            memref.CollapseShapeOp: self._collapse,
            LoadOp: self._tile_load,
            ZeroOp: self._tile_zero,
            MatmulOp: self._tile_matmul,
            StoreOp: self._tile_store,
        }

    def _collapse(self, operation: memref.CollapseShapeOp) -> None:
        """See an array with fewer dimensions, as the same elements in memory."""
        assert isinstance(operation.result.type, MemRefType)
        array = self.array(operation.operands[0], operation)
        self.arrays[operation.result] = array.reshape(operation.result.type.get_shape())

    def _numbers(self, values: Sequence[SSAValue]) -> list[int]:
        return [self.number(value) for value in values]

    def _tile(
        self, buffer: NDArray[Any], slot: list[int], column: int, operation: Operation
    ) -> NDArray[Any]:
        """The tile that holds ``column`` of a move: columns go on in the following slots."""
        return buffer[self._place(buffer, slot, column, operation)]

    def _written(
        self, buffer: NDArray[Any], slot: list[int], column: int, operation: Operation
    ) -> NDArray[np.bool_]:
        """Which elements of that tile have been written."""
        known = self._masks.get(id(buffer))
        if known is None or known[0] is not buffer:
            known = self._masks[id(buffer)] = buffer, np.zeros(buffer.shape, np.bool_)
        return known[1][self._place(buffer, slot, column, operation)]

    def _require_written(self, written: NDArray[np.bool_], operation: Operation) -> None:
        if not written.all():
            raise ExecutionFault(f"reads elements that nothing has written in `{operation}`")

    def _place(
        self, buffer: NDArray[Any], slot: list[int], column: int, operation: Operation
    ) -> tuple[int, ...]:
        place = [*slot]
        if place:
            place[-1] += column // buffer.shape[-1]
        for number, extent in zip(place, buffer.shape, strict=False):
            if not 0 <= number < extent:
                raise ExecutionFault(f"slot out of bounds in `{operation}`")
        return tuple(place)

    def _pieces(self, buffer: NDArray[Any], cols: int) -> range:
        return range(0, cols, buffer.shape[-1])

    def _elements(
        self, indices: list[int], rows: int, cols: int, operation: LoadOp | StoreOp
    ) -> list[NDArray[np.intp]]:
        """The subscripts of ``rows`` × ``cols`` elements of an array, from ``indices`` on."""
        dimension, step = operation.rows_along
        row, col = np.arange(rows)[:, None], np.arange(cols)
        if isinstance(operation, LoadOp) and (terms := operation.terms) is not None:
            assert operation.term is not None
            line, col = np.divmod(col + self.number(operation.term), terms.width)
            col = col + line * terms.step
        places = [np.full((rows, cols), index) for index in indices]
        places[dimension] += row * step
        places[-1] += col
        return places

    def _check_rows(self, buffer: NDArray[Any], rows: int, operation: Operation) -> None:
        if rows > buffer.shape[-2]:
            raise ExecutionFault(f"more rows than the tile has in `{operation}`")

    def _tile_load(self, operation: LoadOp) -> None:
        rows, cols = self._numbers([operation.rows, operation.cols])
        if rows <= 0 or cols <= 0:
            return
        buffer = self.array(operation.buffer, operation)
        self._check_rows(buffer, rows, operation)
        indices = self._numbers(operation.indices)
        height = 1 if operation.has_one_row else rows
        lines = [
            self._loaded(line, count, cols, operation)
            for line, count in self._lines(indices, height, operation)
        ]
        window = np.concatenate(lines).astype(buffer.dtype)
        if operation.diagonal is not None:
            window = np.where(np.eye(rows, cols, dtype=np.bool_), window, 0).astype(buffer.dtype)
        slot = self._numbers(operation.slot)
        for column in self._pieces(buffer, cols):
            part = window[:, column : column + buffer.shape[-1]]
            self._tile(buffer, slot, column, operation)[:rows, : part.shape[1]] = part
            self._written(buffer, slot, column, operation)[:rows, : part.shape[1]] = True

    def _lines(
        self, indices: list[int], rows: int, operation: LoadOp
    ) -> list[tuple[list[int], int]]:
        """Where the parts of a load begin that lie in one line of an image, and their rows."""
        if operation.fold is None or operation.start is None:
            return [(indices, rows)]
        fold, (dimension, step) = operation.fold, operation.rows_along
        at, end = self.number(operation.start), self.number(operation.start) + rows
        found: list[tuple[list[int], int]] = []
        while at < end:
            line, row = divmod(at, fold.width)
            place = [*indices]
            place[fold.dimension] += line * fold.step
            place[dimension] += row * step
            found.append((place, min(fold.width - row, end - at)))
            at += found[-1][1]
        return found

    def _loaded(self, indices: list[int], rows: int, cols: int, operation: LoadOp) -> NDArray[Any]:
        """The elements of the array that a move takes from ``indices`` on; zeros for a border."""
        source = self.array(operation.source, operation)
        places = self._elements(indices, rows, cols, operation)
        inside = _inside(places, source)
        if operation.border is None and not inside.all():
            raise ExecutionFault(f"tile out of bounds in `{operation}`")
        return np.where(inside, source[tuple(np.where(inside, place, 0) for place in places)], 0)

    def _tile_zero(self, operation: ZeroOp) -> None:
        rows, cols = self._numbers([operation.rows, operation.cols])
        if rows <= 0 or cols <= 0:
            return
        buffer = self.array(operation.buffer, operation)
        self._check_rows(buffer, rows, operation)
        slot = self._numbers(operation.slot)
        for column in self._pieces(buffer, cols):
            width = min(buffer.shape[-1], cols - column)
            self._tile(buffer, slot, column, operation)[:rows, :width] = 0
            self._written(buffer, slot, column, operation)[:rows, :width] = True

    def _tile_matmul(self, operation: MatmulOp) -> None:
        m, n, depth = self._numbers([operation.m, operation.n, operation.depth])
        if m <= 0 or n <= 0:
            return
        flag = operation.accumulate
        accumulate = flag is not None and bool(self.number(flag))
        buffer, slot = self.array(operation.c, operation), self._numbers(operation.c_slot)
        c = self._tile(buffer, slot, 0, operation)
        written = self._written(buffer, slot, 0, operation)
        if m > c.shape[0] or n > c.shape[1]:
            raise ExecutionFault(f"sizes beyond the tile in `{operation}`")
        wide = c.dtype if c.dtype.kind == "f" else np.dtype(np.int64)
        product = np.zeros((m, n), wide)
        if depth > 0:
            a = self._operand(
                operation.a, operation.a_slot, operation, operation.a_transpose, (m, depth)
            )
            b = self._operand(
                operation.b, operation.b_slot, operation, operation.b_transpose, (depth, n)
            )
            product = a.astype(wide) @ b.astype(wide)
        if accumulate:
            self._require_written(written[:m, :n], operation)
            product = product + c[:m, :n]
        c[:m, :n] = product.astype(c.dtype)
        written[:m, :n] = True

    def _operand(
        self,
        value: SSAValue,
        slots: Sequence[SSAValue],
        operation: MatmulOp,
        transposed: object,
        shape: tuple[int, int],
    ) -> NDArray[Any]:
        """The elements of a tile that a product uses, as it uses them."""
        buffer, slot = self.array(value, operation), self._numbers(slots)
        tile = self._tile(buffer, slot, 0, operation)
        written = self._written(buffer, slot, 0, operation)
        if transposed is not None:
            tile, written = tile.T, written.T
        if any(size > extent for size, extent in zip(shape, tile.shape, strict=True)):
            raise ExecutionFault(f"sizes beyond the tile in `{operation}`")
        self._require_written(written[: shape[0], : shape[1]], operation)
        return tile[: shape[0], : shape[1]]

    def _tile_store(self, operation: StoreOp) -> None:
        rows, cols = self._numbers([operation.rows, operation.cols])
        if rows <= 0 or cols <= 0:
            return
        buffer = self.array(operation.buffer, operation)
        self._check_rows(buffer, rows, operation)
        indices = self._numbers(operation.indices)
        target = self.array(operation.target, operation)
        places = self._elements(indices, rows, cols, operation)
        if not _inside(places, target).all():
            raise ExecutionFault(f"tile out of bounds in `{operation}`")
        slot = self._numbers(operation.slot)
        for column in self._pieces(buffer, cols):
            width = min(buffer.shape[-1], cols - column)
            tile = self._tile(buffer, slot, column, operation)[:rows, :width]
            written = self._written(buffer, slot, column, operation)
            self._require_written(written[:rows, :width], operation)
            part = tuple(place[:, column : column + width] for place in places)
            target[part] = _stored(operation, tile)


def _inside(places: list[NDArray[np.intp]], array: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the places are elements of the array."""
    inside = np.ones(places[0].shape, np.bool_)
    for place, extent in zip(places, array.shape, strict=True):
        inside &= (place >= 0) & (place < extent)
    return inside


def _stored(operation: StoreOp, tile: NDArray[Any]) -> NDArray[Any]:
    """ReLU, then scaling in float32, rounding half to even, and saturation."""
    assert isinstance(operation.target.type, MemRefType)
    type = type_name(operation.target.type.element_type)
    if operation.relu is not None:
        tile = np.maximum(tile, 0)
    if operation.scale is None:
        return tile
    scale = operation.scale.value.data
    if tile.dtype.kind == "f":
        return tile if scale == 1.0 else tile * tile.dtype.type(scale)
    scaled = np.rint(tile.astype(np.float32) * np.float32(scale)).astype(np.float64)
    limits = np.iinfo(apply("trunci", type, [np.int64(0)]).dtype)
    return np.clip(scaled, limits.min, limits.max).astype(limits.dtype)
