"""Slices and reshapes of tensors to affine statements, element by element (trusted core)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xdsl.dialects import tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType
from xdsl.ir import Operation, SSAValue

from ..core.index import Index, NotAffine, constant_index
from ..core.polyhedral import Unsupported, all_within

if TYPE_CHECKING:
    from .from_linalg import TensorExtractor

SliceOp = tensor.ExtractSliceOp | tensor.InsertSliceOp
ReshapeOp = tensor.ExpandShapeOp | tensor.CollapseShapeOp


def extract_slice(extractor: TensorExtractor, operation: tensor.ExtractSliceOp) -> None:
    """``result[d] = source[offset + stride · d]``."""
    source = extractor.array(operation.source, operation)
    sizes = _slice_sizes(extractor, operation)
    result = extractor.new_array(operation.result, operation, _kept(sizes, operation))
    dims = extractor.counters(result.extents)
    place = _slice_place(extractor, operation, sizes, [Index.of(dim) for dim in dims])
    inside = all_within(place, source.extents)
    bounds = extractor.bounds(dims, result.extents)
    extractor.require(inside, "slice within the tensor", operation, dims, bounds)
    extractor.assign(result, dims, extractor.read_element(source, place), operation)


def insert_slice(extractor: TensorExtractor, operation: tensor.InsertSliceOp) -> None:
    """A copy of the destination, then ``result[offset + stride · d] = source[d]``."""
    source = extractor.array(operation.source, operation)
    into = extractor.array(operation.dest, operation)
    result = extractor.new_array(operation.result, operation, into.extents)
    copied = extractor.counters(result.extents)
    here = tuple(Index.of(dim) for dim in copied)
    extractor.assign(result, copied, extractor.read_element(into, here), operation)
    sizes = _slice_sizes(extractor, operation)
    kept = _kept(sizes, operation)
    assert isinstance(operation.source.type, TensorType)
    shape = operation.source.type.get_shape()
    if len(kept) != len(shape) or not all(
        size.constant == number if size.is_constant else size == extent
        for size, number, extent in zip(kept, shape, source.extents, strict=True)
    ):
        raise Unsupported("a slice of another size than what is put in", operation)
    dims = extractor.counters(source.extents)
    indices = [Index.of(dim) for dim in dims]
    place = _slice_place(extractor, operation, sizes, indices)
    bounds = extractor.bounds(dims, source.extents)
    inside = all_within(place, result.extents)
    extractor.require(inside, "slice within the tensor", operation, dims, bounds)
    value = extractor.read_element(source, tuple(indices))
    extractor.emit(result, place, value, operation, dims=dims, condition=bounds)


def expand_shape(extractor: TensorExtractor, operation: tensor.ExpandShapeOp) -> None:
    """Each element of the result from the one at the same place in storage."""
    source = extractor.array(operation.src, operation)
    static = list(operation.static_output_shape.get_values())
    dynamic = list(operation.dynamic_output_shape)
    shape = _mixed(extractor, static, dynamic, operation)
    result = extractor.new_array(operation.result, operation, shape)
    dims = extractor.counters(result.extents)
    indices = [Index.of(dim) for dim in dims]
    place = _joined(operation, indices, result.extents)
    bounds = extractor.bounds(dims, result.extents)
    inside = all_within(place, source.extents)
    extractor.require(inside, "reshaped element within the tensor", operation, dims, bounds)
    extractor.assign(result, dims, extractor.read_element(source, place), operation)


def collapse_shape(extractor: TensorExtractor, operation: tensor.CollapseShapeOp) -> None:
    """Each element of the source to the same place in storage."""
    source = extractor.array(operation.src, operation)
    shape = tuple(_extents_of_groups(operation, source.extents))
    result = extractor.new_array(operation.result, operation, shape)
    dims = extractor.counters(source.extents)
    indices = [Index.of(dim) for dim in dims]
    place = _joined(operation, indices, source.extents)
    bounds = extractor.bounds(dims, source.extents)
    inside = all_within(place, result.extents)
    extractor.require(inside, "reshaped element within the tensor", operation, dims, bounds)
    value = extractor.read_element(source, tuple(indices))
    extractor.emit(result, place, value, operation, dims=dims, condition=bounds)


def _mixed(
    extractor: TensorExtractor,
    static: Sequence[int],
    dynamic: Sequence[SSAValue],
    operation: Operation,
) -> tuple[Index, ...]:
    """A list of numbers in which a mark stands for the next operand."""
    operands = list(dynamic)
    return tuple(
        extractor.index(operands.pop(0), operation)
        if number == DYNAMIC_INDEX
        else constant_index(int(number))
        for number in static
    )


def _slice_sizes(extractor: TensorExtractor, operation: SliceOp) -> tuple[Index, ...]:
    return _mixed(extractor, operation.static_sizes.get_values(), operation.sizes, operation)


def _slice_place(
    extractor: TensorExtractor,
    operation: SliceOp,
    sizes: Sequence[Index],
    indices: Sequence[Index],
) -> tuple[Index, ...]:
    """Where the elements of a slice lie in the whole tensor."""
    offsets = _mixed(extractor, operation.static_offsets.get_values(), operation.offsets, operation)
    strides = _mixed(extractor, operation.static_strides.get_values(), operation.strides, operation)
    dropped = _dropped(sizes, operation)
    rest = list(indices)
    places: list[Index] = []
    for number, (offset, stride) in enumerate(zip(offsets, strides, strict=True)):
        step = constant_index(0) if number in dropped else rest.pop(0)
        try:
            places.append(offset + step * stride)
        except NotAffine as error:
            raise Unsupported(f"not affine: {error}", operation) from error
    return tuple(places)


def _kept(sizes: Sequence[Index], operation: SliceOp) -> tuple[Index, ...]:
    """The sizes of the slice as a tensor of its own, which may leave out dimensions of size 1."""
    dropped = _dropped(sizes, operation)
    return tuple(size for number, size in enumerate(sizes) if number not in dropped)


def _dropped(sizes: Sequence[Index], operation: SliceOp) -> set[int]:
    part = operation.result if isinstance(operation, tensor.ExtractSliceOp) else operation.source
    shape = list(part.type.get_shape())  # pyright: ignore[reportAttributeAccessIssue]
    dropped: set[int] = set()
    for number, size in enumerate(sizes):
        left = len(sizes) - number
        if len(shape) < left and size == constant_index(1) and shape[:1] != [1]:
            dropped.add(number)
        elif shape:
            shape.pop(0)
    if shape or len(sizes) - len(dropped) != len(part.type.get_shape()):  # pyright: ignore
        raise Unsupported("a slice whose rank does not fit", operation)
    return dropped


def _groups(operation: ReshapeOp) -> list[list[int]]:
    """Which dimensions of the larger rank belong to each dimension of the smaller one."""
    return [[entry.value.data for entry in group] for group in operation.reassociation]


def _joined(
    operation: ReshapeOp, indices: Sequence[Index], extents: Sequence[Index]
) -> tuple[Index, ...]:
    """Subscripts of the smaller rank from those of the larger one, in row-major order."""
    joined: list[Index] = []
    for group in _groups(operation):
        place = constant_index(0)
        for dimension in group:
            place = _times(place, extents[dimension], operation) + indices[dimension]
        joined.append(place)
    return tuple(joined)


def _extents_of_groups(operation: ReshapeOp, extents: Sequence[Index]) -> list[Index]:
    sizes: list[Index] = []
    for group in _groups(operation):
        size = constant_index(1)
        for dimension in group:
            size = _times(size, extents[dimension], operation)
        sizes.append(size)
    return sizes


def _times(left: Index, right: Index, operation: Operation) -> Index:
    try:
        return left * right
    except NotAffine as error:
        raise Unsupported("a reshape of symbolic extents", operation) from error
