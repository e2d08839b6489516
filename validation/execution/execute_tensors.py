"""Execute tensor IR: each ``linalg`` operation by its definition, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, DenseIntOrFPElementsAttr, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.ir import Attribute, Block, Operation
from xdsl.ir.affine import AffineDimExpr, AffineMap

from ..core.polyhedral import Unsupported
from ..extract.pure_operations import type_name
from .arithmetic import numpy_type
from .common import ExecutionFault, Lanes, Values, garbage


class TensorExecutor:
    """Executes one function of tensor IR; returns the tensors that it returns."""

    def __init__(self, *, strict: bool = False) -> None:
        self.values = Values(strict=strict)
        self._results: list[NDArray[Any]] = []
        self._counters: list[Lanes] = []
        self._handlers: dict[type[Operation], Callable[..., None]] = {
            arith.ConstantOp: self._constant,
            tensor.EmptyOp: self._empty,
            linalg.FillOp: self._fill,
            linalg.TransposeOp: self._transpose,
            tensor.ExtractSliceOp: self._extract_slice,
            tensor.InsertSliceOp: self._insert_slice,
            tensor.ExpandShapeOp: self._reshape,
            tensor.CollapseShapeOp: self._reshape,
            linalg.GenericOp: self._generic,
            linalg.MatmulOp: self._matmul,
            ReturnOp: self._return,
        }

    def run(self, function: FuncOp, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        for argument, array in zip(function.args, arrays, strict=True):
            self.values[argument] = array
        for operation in function.body.block.ops:
            handler = self._handlers.get(type(operation))
            if handler is None:
                self.values.pure(operation)
            else:
                handler(operation)
        return self._results

    def _return(self, operation: ReturnOp) -> None:
        self._results = [np.array(self.values[value]) for value in operation.arguments]

    def _constant(self, operation: arith.ConstantOp) -> None:
        type = operation.result.type
        value = operation.value
        if not isinstance(type, TensorType):
            self.values.pure(operation)
            return
        if not isinstance(value, DenseIntOrFPElementsAttr):
            raise Unsupported("no execution of this constant", operation)
        dtype = numpy_type(type_name(type.element_type))
        numbers = np.array(value.get_values()).astype(dtype)
        self.values[operation.result] = np.broadcast_to(
            numbers if numbers.size == 1 else numbers.reshape(type.get_shape()), type.get_shape()
        )

    def _empty(self, operation: tensor.EmptyOp) -> None:
        type = operation.tensor.type
        assert isinstance(type, TensorType)
        self.values[operation.tensor] = garbage(
            tuple(type.get_shape()), type_name(type.element_type)
        )

    def _fill(self, operation: linalg.FillOp) -> None:
        shape = self.values[operation.outputs[0]].shape
        self.values[operation.res[0]] = np.broadcast_to(self.values[operation.inputs[0]], shape)

    def _slices(
        self, operation: tensor.ExtractSliceOp | tensor.InsertSliceOp, shape: Sequence[int]
    ) -> tuple[slice, ...]:
        lists = (
            (operation.static_offsets, operation.offsets),
            (operation.static_sizes, operation.sizes),
            (operation.static_strides, operation.strides),
        )
        found: list[list[int]] = []
        for static, dynamic in lists:
            operands = [int(self.values[value]) for value in dynamic]
            numbers = [int(number) for number in static.get_values()]
            found.append([operands.pop(0) if n == DYNAMIC_INDEX else n for n in numbers])
        parts = list(zip(*found, strict=True))
        for (first, size, step), extent in zip(parts, shape, strict=True):
            if size and not (0 <= first < extent and 0 <= first + (size - 1) * step < extent):
                raise ExecutionFault(f"slice out of bounds in `{operation}`")
        ends = [first + size * step for first, size, step in parts]
        return tuple(
            slice(first, end if end >= 0 else None, step)  # -1 would be the last element
            for (first, _, step), end in zip(parts, ends, strict=True)
        )

    def _extract_slice(self, operation: tensor.ExtractSliceOp) -> None:
        source = self.values[operation.source]
        part = source[self._slices(operation, source.shape)]
        type = operation.result.type
        assert isinstance(type, TensorType)
        self.values[operation.result] = part.reshape(_shape_of(type, part.size))

    def _insert_slice(self, operation: tensor.InsertSliceOp) -> None:
        result = np.array(self.values[operation.dest])
        place = self._slices(operation, result.shape)
        result[place] = self.values[operation.source].reshape(result[place].shape)
        self.values[operation.result] = result

    def _reshape(self, operation: tensor.ExpandShapeOp | tensor.CollapseShapeOp) -> None:
        value = self.values[operation.src]
        type = operation.result.type
        assert isinstance(type, TensorType)
        self.values[operation.result] = value.reshape(_shape_of(type, value.size))

    def _transpose(self, operation: linalg.TransposeOp) -> None:
        order = [int(place) for place in operation.permutation.get_values()]
        source = self.values[operation.inputs[0]]
        self.values[operation.res[0]] = np.transpose(source, order)

    def _matmul(self, operation: linalg.MatmulOp) -> None:
        left, right = (self.values[value] for value in operation.inputs)
        start = self.values[operation.outputs[0]]

        def body(a: Lanes, b: Lanes, c: Lanes) -> list[Lanes]:
            return [c + a.astype(c.dtype) * b.astype(c.dtype)]

        maps = [attribute.data for attribute in operation.indexing_maps]
        results = self._iterate(maps, [left, right], [start], reduced=(2,), body=body)
        self.values[operation.res[0]] = results[0]

    def _generic(self, operation: linalg.GenericOp) -> None:
        maps = [attribute.data for attribute in operation.indexing_maps]
        inputs = [self.values[value] for value in operation.inputs]
        starts = [self.values[value] for value in operation.outputs]
        kinds = [kind.data for kind in operation.iterator_types]
        reduced = tuple(n for n, kind in enumerate(kinds) if kind is IteratorType.REDUCTION)
        block = operation.body.block

        def body(*operands: Lanes) -> list[Lanes]:
            for argument, value in zip(block.args, operands, strict=True):
                self.values[argument] = value
            return self._body(block)

        results = self._iterate(maps, inputs, starts, reduced, body)
        for result, value in zip(operation.res, results, strict=True):
            self.values[result] = value

    def _body(self, block: Block) -> list[Lanes]:
        for operation in block.ops:
            if isinstance(operation, linalg.YieldOp):
                return [self.values.used(operand) for operand in operation.operands]
            if isinstance(operation, linalg.IndexOp):
                self.values[operation.result] = self._counters[operation.dim.value.data]
            else:
                self.values.pure(operation)
        raise Unsupported("a body without a yield")

    def _iterate(
        self,
        maps: Sequence[AffineMap],
        inputs: Sequence[Lanes],
        starts: Sequence[Lanes],
        reduced: tuple[int, ...],
        body: Callable[..., list[Lanes]],
    ) -> list[NDArray[Any]]:
        """Run the body over the iteration space, parallel dimensions at once."""
        extents = _extents(maps, [*inputs, *starts])
        results = [np.array(start) for start in starts]
        count = len(extents)
        for point in np.ndindex(*(extents[dim] for dim in reduced)):
            self._counters = [
                np.asarray(point[reduced.index(dim)])
                if dim in reduced
                else np.arange(extents[dim]).reshape(-1, *(1,) * (count - dim - 1))
                for dim in range(count)
            ]
            places = [self._subscripts(m) for m in maps]
            operands = [
                array[place] for array, place in zip([*inputs, *results], places, strict=True)
            ]
            for result, place, value in zip(
                results, places[len(inputs) :], body(*operands), strict=True
            ):
                result[place] = value
        return results

    def _subscripts(self, map: AffineMap) -> tuple[Lanes, ...]:
        dims = self._counters
        return tuple(np.asarray(result.eval(dims, [])) for result in map.results)  # pyright: ignore[reportArgumentType]


def _shape_of(type: TensorType[Attribute], size: int) -> tuple[int, ...]:
    shape = tuple(type.get_shape())
    if any(extent < 0 for extent in shape):
        raise Unsupported(f"no execution of a view of {size} elements without constant extents")
    return shape


def _extents(maps: Sequence[AffineMap], arrays: Sequence[Lanes]) -> list[int]:
    """The extent of each loop, from the operands that are indexed by its counter alone."""
    extents: dict[int, int] = {}
    for map, array in zip(maps, arrays, strict=True):
        for result, extent in zip(map.results, array.shape, strict=True):
            if isinstance(result, AffineDimExpr):
                extents[result.position] = extent
    if len(extents) != maps[0].num_dims:
        raise Unsupported("no execution of a loop whose extent no operand gives")
    return [extents[dim] for dim in range(maps[0].num_dims)]
