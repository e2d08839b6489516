"""Buffers with addresses, and the access patterns through which instructions see arrays."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    MemRefType,
    NoneAttr,
    i64,
)
from xdsl.dialects.utils import DynamicIndexList
from xdsl.dialects.utils.dynamic_index_list import (
    get_dynamic_index_list,
    split_dynamic_index_list,
    verify_dynamic_index_list,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from .limits import (
    FREE_DIMENSIONS,
    MAX_SIZE,
    MAX_STRIDE,
    MIN_STRIDE,
    PSUM_BANK_BYTES,
    PSUM_BANKS,
    PSUM_FREE_ELEMENTS,
    SBUF_FREE_ELEMENTS,
)
from .rules import require_partition_start
from .types import Space, ViewType, element_bytes, require_element_type, space_of

I64 = IntegerAttr.constr(i64)


def partition_bytes(buffer: MemRefType[Attribute]) -> int:
    """Bytes that a buffer takes in each of its partitions."""
    return prod(buffer.get_shape()[1:]) * element_bytes(buffer.element_type)


def _require_buffer(buffer: MemRefType[Attribute], space: Space, partition: int) -> None:
    if space_of(buffer) != space:
        raise VerifyException(f"{buffer} is not in {space}")
    require_element_type(buffer.element_type)
    shape = buffer.get_shape()
    if not shape or DYNAMIC_INDEX in shape or not isinstance(buffer.layout, NoneAttr):
        raise VerifyException(f"{buffer}: a buffer has known sizes, and its rows are contiguous")
    require_partition_start(partition, shape[0])


@irdl_op_definition
class SbufOp(IRDLOperation):
    """A buffer at a place in SBUF: first partition, and byte offset within each partition."""

    name = "trn.sbuf"
    partition = prop_def(I64)
    offset = prop_def(I64)
    buffer = result_def(MemRefType)
    traits = traits_def(Pure())
    assembly_format = "`partition` $partition `offset` $offset attr-dict `:` type($buffer)"

    def __init__(self, partition: int, offset: int, buffer: MemRefType[Attribute]) -> None:
        super().__init__(
            properties={
                "partition": IntegerAttr(partition, i64),
                "offset": IntegerAttr(offset, i64),
            },
            result_types=[buffer],
        )

    def verify_(self) -> None:
        _require_buffer(self.buffer.type, Space.SBUF, self.partition.value.data)
        size = element_bytes(self.buffer.type.element_type)
        offset = self.offset.value.data
        if offset < 0 or offset % size:
            raise VerifyException(f"offset {offset} is no place for elements of {size} bytes")


@irdl_op_definition
class PsumOp(IRDLOperation):
    """A buffer at a place in PSUM: first partition, bank, and byte offset within the bank."""

    name = "trn.psum"
    partition = prop_def(I64)
    bank = prop_def(I64)
    offset = prop_def(I64, default_value=IntegerAttr(0, i64))
    buffer = result_def(MemRefType)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`partition` $partition `bank` $bank attr-dict `:` type($buffer)"

    def __init__(
        self, partition: int, bank: int, buffer: MemRefType[Attribute], offset: int = 0
    ) -> None:
        super().__init__(
            properties={
                "partition": IntegerAttr(partition, i64),
                "bank": IntegerAttr(bank, i64),
                "offset": IntegerAttr(offset, i64),
            },
            result_types=[buffer],
        )

    @property
    def byte_offset(self) -> int:
        """Bytes from the start of bank 0."""
        return self.bank.value.data * PSUM_BANK_BYTES + self.offset.value.data

    def verify_(self) -> None:
        buffer = self.buffer.type
        _require_buffer(buffer, Space.PSUM, self.partition.value.data)
        bank, offset = self.bank.value.data, self.offset.value.data
        if not 0 <= bank < PSUM_BANKS or not 0 <= offset < PSUM_BANK_BYTES:
            raise VerifyException(
                f"PSUM has banks 0 to {PSUM_BANKS - 1} of {PSUM_BANK_BYTES} bytes"
            )
        if offset % element_bytes(buffer.element_type):
            raise VerifyException(f"offset {offset} is no place for elements of {buffer}")
        if self.byte_offset + partition_bytes(buffer) > PSUM_BANKS * PSUM_BANK_BYTES:
            raise VerifyException(f"capacity: {buffer} at bank {bank} reaches over the end of PSUM")


@irdl_op_definition
class ReshapeOp(IRDLOperation):
    """The same elements in the same order with other sizes; on chip the partitions stay."""

    name = "trn.reshape"
    source = operand_def(MemRefType)
    result = result_def(MemRefType)
    traits = traits_def(Pure())
    assembly_format = "$source attr-dict `:` type($source) `to` type($result)"

    def __init__(self, source: SSAValue, result: MemRefType[Attribute]) -> None:
        super().__init__(operands=[source], result_types=[result])

    def verify_(self) -> None:
        source, result = self.source.type, self.result.type
        assert isinstance(source, MemRefType)
        same_kind = (source.element_type, source.memory_space, source.layout) == (
            result.element_type,
            result.memory_space,
            result.layout,
        )
        if not same_kind or not isinstance(source.layout, NoneAttr):
            raise VerifyException("a reshape changes sizes only")
        if prod(source.get_shape()) != prod(result.get_shape()):
            raise VerifyException(f"{source} and {result} hold different numbers of elements")
        on_chip = space_of(source) != Space.HBM
        if on_chip and source.get_shape()[0] != result.get_shape()[0]:
            raise VerifyException("a reshape keeps the partitions of an array on chip")


@irdl_op_definition
class ViewOp(IRDLOperation):
    """An access pattern: element ``(i0, i1, …)`` of the view is an element of ``source``.

    Its index in dimension d of the source is ``offsets[d]`` plus ``steps[r] · i_r`` for every
    dimension r of the view with ``along[r] = d``. By default the view has the dimensions of the
    source and steps of 1; a step of 0 repeats an element, and two dimensions along the same one
    make windows. Offsets are numbers or values; one of ``sizes`` stands for each ``?`` of the
    result. The view of an array on chip begins with its partitions, at steps of 1.
    """

    name = "trn.view"
    source = operand_def(MemRefType)
    offsets = var_operand_def(IndexType())
    sizes = var_operand_def(IndexType())
    static_offsets = prop_def(DenseArrayBase.constr(i64))
    along = opt_prop_def(DenseArrayBase.constr(i64))
    steps = opt_prop_def(DenseArrayBase.constr(i64))
    view = result_def(ViewType)
    traits = traits_def(Pure())
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    custom_directives = (DynamicIndexList,)
    assembly_format = (
        "$source `` custom<DynamicIndexList>($offsets, $static_offsets)"
        " (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($source) `to` type($view)"
    )

    def __init__(
        self,
        source: SSAValue,
        offsets: Sequence[SSAValue | int],
        shape: Sequence[SSAValue | int],
        along: Sequence[int] | None = None,
        steps: Sequence[int] | None = None,
    ) -> None:
        """``shape`` gives the sizes of the view; values among them become ``sizes``."""
        buffer = source.type
        assert isinstance(buffer, MemRefType)
        numbers, values = split_dynamic_index_list(offsets, DYNAMIC_INDEX)
        sizes, size_values = split_dynamic_index_list(shape, DYNAMIC_INDEX)
        lists = {"static_offsets": numbers, "along": along, "steps": steps}
        super().__init__(
            operands=[source, values, size_values],
            properties={
                name: DenseArrayBase.from_list(i64, list(numbers))
                for name, numbers in lists.items()
                if numbers is not None
            },
            result_types=[ViewType.of(space_of(buffer), sizes, buffer.element_type)],
        )

    @property
    def offset_list(self) -> list[SSAValue | int]:
        """The offset in each dimension of the source: a number or a value."""
        numbers = self.static_offsets.get_values()
        return get_dynamic_index_list(numbers, self.offsets, DYNAMIC_INDEX)

    @property
    def size_list(self) -> list[SSAValue | int]:
        """The size of each dimension of the view: a number or a value."""
        return get_dynamic_index_list(self.view.type.shape, self.sizes, DYNAMIC_INDEX)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The dimension of the source along which each dimension of the view runs."""
        if self.along is None:
            return tuple(range(len(self.view.type.shape)))
        return tuple(self.along.get_values())

    @property
    def step_list(self) -> tuple[int, ...]:
        """Elements of the source dimension between two elements of each view dimension."""
        if self.steps is None:
            return (1,) * len(self.view.type.shape)
        return tuple(self.steps.get_values())

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements in memory between two elements of each view dimension.

        On chip the first stride is in partitions, 1, and the others are within a partition.
        """
        buffer = self.source.type
        assert isinstance(buffer, MemRefType)
        shape = buffer.get_shape()
        along = [prod(shape[dimension + 1 :]) for dimension in self.dimensions]
        if self.view.type.on_chip:
            along[0] = 1
        return tuple(stride * step for stride, step in zip(along, self.step_list, strict=True))

    def verify_(self) -> None:
        buffer, view = self.source.type, self.view.type
        assert isinstance(buffer, MemRefType)
        if not isinstance(buffer.layout, NoneAttr):
            raise VerifyException(f"{buffer} is not in row-major order")
        if view.element_type != buffer.element_type or view.space.data != space_of(buffer):
            raise VerifyException(f"a view of {buffer} has its element type and its space")
        rank, view_rank = buffer.get_num_dims(), len(view.shape)
        numbers = self.static_offsets.get_values()
        if len(numbers) != rank:
            raise VerifyException(f"{buffer} needs {rank} offsets, got {len(numbers)}")
        verify_dynamic_index_list(numbers, self.offsets, DYNAMIC_INDEX, " in the offsets")
        verify_dynamic_index_list(view.shape, self.sizes, DYNAMIC_INDEX, " in the sizes")
        if len(self.dimensions) != view_rank or len(self.step_list) != view_rank:
            raise VerifyException(f"along and steps give one number for each of {view_rank} sizes")
        if self.along is None and view_rank != rank:
            raise VerifyException(f"a view of {view_rank} dimensions of {buffer} needs `along`")
        if any(not 0 <= dimension < rank for dimension in self.dimensions):
            raise VerifyException(f"along {list(self.dimensions)}: {buffer} has {rank} dimensions")
        self._verify_bounds(buffer)
        self._verify_pattern(view)

    def _verify_bounds(self, buffer: MemRefType[Attribute]) -> None:
        """Reject what is outside of the array wherever offset and sizes are numbers."""
        for dimension, extent in enumerate(buffer.get_shape()):
            offset = self.static_offsets.get_values()[dimension]
            if offset == DYNAMIC_INDEX or extent == DYNAMIC_INDEX:
                continue
            runs = [
                (size, step)
                for size, step, along in zip(
                    self.view.type.shape, self.step_list, self.dimensions, strict=True
                )
                if along == dimension and size != DYNAMIC_INDEX
            ]
            if any(size < 0 for size, _ in runs):
                raise VerifyException("a size is not negative")
            if any(size == 0 for size, _ in runs):
                continue
            last = offset + sum(max(0, (size - 1) * step) for size, step in runs)
            first = offset + sum(min(0, (size - 1) * step) for size, step in runs)
            if first < 0 or last >= extent:
                raise VerifyException(
                    f"bounds: the view reaches from {first} to {last} in dimension {dimension} of"
                    f" {buffer}"
                )

    def _verify_pattern(self, view: ViewType) -> None:
        if len(view.shape) > FREE_DIMENSIONS + 1:
            raise VerifyException(
                f"access pattern: at most {FREE_DIMENSIONS} free dimensions, got"
                f" {len(view.shape) - 1}"
            )
        if view.on_chip:
            self._verify_on_chip(view)

    def _verify_on_chip(self, view: ViewType) -> None:
        if self.dimensions[0] != 0 or 0 in self.dimensions[1:] or self.step_list[0] != 1:
            raise VerifyException(
                "partition stride: the first dimension of a view on chip runs along the"
                " partitions at steps of 1, and no other dimension does"
            )
        if (start := self.static_offsets.get_values()[0]) != DYNAMIC_INDEX:
            require_partition_start(start + self._first_partition(), view.partitions)
        for size, stride in zip(view.shape[1:], self.strides[1:], strict=True):
            if size > MAX_SIZE:
                raise VerifyException(f"access pattern: sizes are up to {MAX_SIZE}, got {size}")
            if size != 1 and not MIN_STRIDE <= stride <= MAX_STRIDE:
                raise VerifyException(
                    f"access pattern: strides are from {MIN_STRIDE} to {MAX_STRIDE} elements, got"
                    f" {stride}"
                )
        limit = PSUM_FREE_ELEMENTS if view.in_psum else SBUF_FREE_ELEMENTS
        if view.free_size is not None and view.free_size > limit:
            raise VerifyException(
                f"access pattern: at most {limit} elements per partition in {view.space.data}, got"
                f" {view.free_size}"
            )

    @property
    def names_twice(self) -> bool:
        """Whether two places of the view are known to be the same element of the array."""
        view = self.view.type
        for dimension in set(self.dimensions):
            runs = [
                (abs(step), size)
                for size, step, along in zip(
                    view.shape, self.step_list, self.dimensions, strict=True
                )
                if along == dimension and size not in (0, 1)
            ]
            if DYNAMIC_INDEX not in [size for _, size in runs] and _collide(sorted(runs)):
                return True
            if any(step == 0 for step, _ in runs):
                return True
        return False

    def _first_partition(self) -> int:
        return first_partition(self.source)


def _collide(runs: Sequence[tuple[int, int]]) -> bool:
    """Whether sums of one multiple of each step, up to its count, are the same twice."""
    reach = 0
    for step, size in runs:
        if step <= reach:
            break
        reach += (size - 1) * step
    else:
        return False
    sums = {0}
    for step, size in runs:
        sums = {start + step * number for start in sums for number in range(size)}
    return len(sums) < prod(size for _, size in runs)


def first_partition(buffer: SSAValue) -> int:
    """The first partition of a buffer: 0 unless it was placed elsewhere."""
    owner = buffer.owner
    if isinstance(owner, ReshapeOp):
        return first_partition(owner.source)
    return owner.partition.value.data if isinstance(owner, SbufOp | PsumOp) else 0
