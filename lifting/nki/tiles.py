"""Tile arithmetic: which instructions an operation on tiles becomes, with broadcasting."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from xdsl.dialects.builtin import IntegerAttr, i64
from xdsl.ir import Operation, SSAValue

from ...dialects import trn
from ...dialects.trn.instruction import Instruction
from ...dialects.trn.limits import MOVING_COLUMNS
from ...dialects.trn.types import BITWISE, COMPARISONS, Function, Operator, Space
from .emitter import free_size, partitions
from .index import Index, Integer, PastFirst, UnrollRequest
from .indexing import broadcast_shape, clip
from .partial_tiles import leave_out
from .psum_groups import adds
from .values import (
    DTYPES,
    FLOAT32,
    Array,
    Dimension,
    Dtype,
    View,
    whole,
)

if TYPE_CHECKING:
    from .reader import KernelReader

TRANSPOSE_ON_VECTOR = 32
"""Rows and columns of a block that VectorE transposes; NKI sends larger ones through TensorE."""


class Tiles:
    """Emits instructions on views, and allocates the tiles that hold their results."""

    def __init__(self, reader: KernelReader) -> None:
        self.reader = reader
        self.last: tuple[Instruction, Array] | None = None
        """The instruction that was emitted last, if it filled a new tile."""
        self.last_product: tuple[Instruction, View, View, Array] | None = None

    def refuse(self, node: ast.AST, message: str, hint: str = "") -> NoReturn:
        self.reader.source.refuse(node, message, hint)

    def new(self, shape: Sequence[Integer], dtype: Dtype, space: Space = Space.SBUF) -> View:
        """A new tile whose first dimension runs over the partitions."""
        shape = tuple(Index.of(size).require_constant() for size in shape)
        shape = shape if len(shape) > 1 else (*shape, 1)
        return whole(self.reader.emitter.allocate("", shape, dtype, space))

    def emit(self, op: Instruction, dst: View | None = None) -> None:
        leave_out(self.reader.emitter, op)
        self.reader.emitter.insert(op)
        self.last = None
        if dst is not None:
            self.touch(dst)
            self._note_group(op, dst)
            self.last = (op, dst.array)

    def _note_group(self, op: Instruction, dst: View) -> None:
        """Note whether later products may add to what an instruction wrote to PSUM."""
        if dst.space != Space.PSUM:
            return
        if isinstance(op, trn.NcMatmulOp):
            dst.array.products.append(dst)
        elif not isinstance(op, trn.MemsetOp) or op.value.value.data != 0:
            dst.array.others.append(dst)

    def note_load(self, tile: View, source: View) -> None:
        """Note where all of a tile comes from, if it was allocated in the same loop and branch."""
        emitter, array = self.reader.emitter, tile.array
        if (array.loops, array.branches) == (emitter.depth, emitter.branches):
            array.loaded_from = source

    def note_mask(self, dst: View, part: View) -> None:
        """Note that of a new tile ``dst`` only ``part`` is written, as a mask asks for."""
        if dst.is_whole and partitions(part) < partitions(dst):
            dst.array.valid, dst.array.is_masked = partitions(part), True

    def touch(self, dst: View) -> None:
        """Note that a part of an array is written by something else than a first product."""
        dst.array.loaded_from = None
        self.settle(dst)

    def settle(self, view: View) -> None:
        """Write the zeros that a PSUM tile begins with, if nothing has been written to it yet."""
        array = view.array
        if not array.zero_pending:
            return
        array.zero_pending = False
        if not array.products:
            self.reader.emitter.clear(array)

    def operand(self, view: View) -> SSAValue:
        """A view that an instruction reads or writes."""
        self.settle(view)
        return self.reader.emitter.view(view)

    def on_chip(self, value: Any, node: ast.AST) -> View:
        """The value as a tile in SBUF or PSUM."""
        if not isinstance(value, View):
            self.refuse(node, f"expected a tile, got {type(value).__name__}")
        if not value.array.on_chip:
            self.refuse(node, "an array in HBM is no operand", "load it first")
        return value

    # Results that a statement writes to a place of its own.

    def take_over(self, value: View, target: View) -> bool:
        """Let the last instruction write ``target`` instead of the new tile ``value``."""
        if self.last is None or not value.is_whole:
            return False
        op, array = self.last
        if array is not value.array or target.space != value.space:
            return False
        if broadcast_shape(target.shape, value.shape) != target.shape:
            return False
        allocation = array.buffer.owner
        old = next(operand for operand in op.operands if _is_view_of(operand, array))
        uses = list(array.buffer.uses)
        if len(uses) != 1 or free_size(value) != free_size(target):
            return False
        written = trn.view_of(old).shape
        if written != value.shape:  # a mask has left out the rest
            if target.shape != value.shape:
                return False
            target = clip(target, target.shape, dict(enumerate(written)))
        if trn.view_of(old).partitions != partitions(target):
            return False
        if isinstance(op, trn.NcMatmulOp | trn.NcTransposeOp) and target.dtype != value.dtype:
            return False
        self.settle(target)
        is_new = not target.array.buffer.uses
        if value.array.valid is not None and (is_new or not value.array.is_masked):
            target.array.valid = value.array.valid
        view_op = old.owner
        assert isinstance(view_op, Operation)
        assert isinstance(allocation, Operation)
        op.detach()
        new = self.reader.emitter.view(target)
        op.operands[list(op.operands).index(old)] = new
        self.reader.emitter.insert(op)
        view_op.detach()
        view_op.erase()
        allocation.detach()
        allocation.erase()
        target.array.loaded_from = None
        self._note_group(op, target)
        self.last = None
        return True

    def forget_last(self) -> None:
        """What follows is in another block than the last instruction."""
        self.last = self.last_product = None

    def take_product(self, value: Any) -> tuple[View, View] | None:
        """The operands of the matrix product that was emitted last, which is removed.

        None if ``value`` is not its result.
        """
        if self.last_product is None or not isinstance(value, View) or not value.is_whole:
            return None
        op, stationary, moving, array = self.last_product
        if array is not value.array or self.last is None or self.last[0] is not op:
            return None
        allocation = array.buffer.owner
        views = [operand.owner for operand in op.operands]
        op.detach()
        op.erase()
        for own in (*views, allocation):
            assert isinstance(own, Operation)
            own.detach()
            own.erase()
        self.last = self.last_product = None
        return stationary, moving

    # Copies.

    def copy(self, source: View, target: View, node: ast.AST) -> None:
        """Copy between memories: DMA to and from HBM, an engine on chip."""
        if not source.array.on_chip or not target.array.on_chip:
            return self.move(source, target, node)
        source = self.broadcast(source, target.shape, node)
        src, dst = self.operand(source), self.operand(target)
        self.emit(trn.TensorCopyOp(src, dst), target)
        return None

    def move(self, source: View, target: View, node: ast.AST, *, add: bool = False) -> None:
        """A DMA; PSUM is copied to SBUF first."""
        if Space.PSUM in (source.space, target.space):
            if target.space == Space.PSUM:
                self.refuse(node, "DMA cannot write PSUM", "load to SBUF and copy")
            staged = self.new(source.shape, source.dtype)
            self.copy(source, staged, node)
            source = staged
        if source.extents != target.extents and _count(source.shape) != _count(target.shape):
            source = self.broadcast_anywhere(source, target.shape, node)
        src, dst = self.operand(source), self.operand(target)
        self.emit(trn.DmaCopyOp(src, dst, add=add), target)

    def to_sbuf(self, view: View, node: ast.AST) -> View:
        staged = self.new(view.shape, view.dtype)
        self.copy(view, staged, node)
        return staged

    # Broadcasting.

    def broadcast(self, view: View, shape: Sequence[Integer], node: ast.AST) -> View:
        """``view`` with the sizes of ``shape``; across partitions through the tensor engine."""
        if view.extents == tuple(shape):
            return view
        is_aligned = len(shape) == len(view.dimensions) and shape[0] == partitions(view)
        if is_aligned and any(isinstance(size, Index) for size in shape):
            return self.broadcast_anywhere(view, shape, node)
        shape = tuple(Index.of(size).require_constant() for size in shape)
        if _count(view.shape) == _count(shape) and view.array.on_chip:
            same_partitions = partitions(view) == _first(shape, view)
            if same_partitions and broadcast_shape(view.shape, shape) != shape:
                return view
        if broadcast_shape(view.shape, shape) != shape:
            self.refuse(node, f"a tile of {view.shape} cannot become {shape}")
        if view.array.on_chip and partitions(view) == 1 and shape[0] > 1:
            view = self.across_partitions(view, shape[0], node)
        return self.broadcast_anywhere(view, shape, node)

    def broadcast_anywhere(self, view: View, shape: Sequence[Integer], node: ast.AST) -> View:
        """Repeat dimensions of size 1 by a step of 0."""
        shape = tuple(shape)
        along = len(view.offsets) - 1
        dimensions = list(view.dimensions)
        while len(dimensions) < len(shape):
            dimensions.insert(0, Dimension(1, along, 0))
        for place, (own, size) in enumerate(zip(dimensions, shape, strict=False)):
            if own.extent == size:
                continue
            if own.extent != 1:
                self.refuse(node, f"a part of {view.shape} cannot become {shape}")
            dimensions[place] = Dimension(size, along, 0)
        return view.with_dimensions(tuple(dimensions))

    def across_partitions(self, view: View, count: int, node: ast.AST) -> View:
        """One partition's numbers in all partitions: the product with a row of ones.

        The result stays in PSUM if it fits one bank; what was loaded and does not is loaded again
        for each partition.
        """
        width = free_size(view)
        origin = view.array.loaded_from
        may_reload = self.reader.may_reload and origin is not None and view.is_whole
        if width > MOVING_COLUMNS and may_reload:
            assert origin is not None
            self.reader.reloaded.append((view.array, origin.array))
            repeated = self.new((count, *view.shape[1:]), view.dtype)
            along = len(origin.offsets) - 1
            source = origin.with_dimensions((Dimension(count, along, 0), *origin.dimensions[1:]))
            self.move(source, repeated, node)
            return repeated
        view = view if view.space == Space.SBUF else self.to_sbuf(view, node)
        if not view.dtype.is_float:
            hint = "convert it to float32 first, or make it with nisa.iota in all partitions"
            self.refuse(node, "a row of integers cannot be repeated over partitions", hint)
        ones = self.new((1, count), view.dtype)
        self.emit(trn.MemsetOp(self.operand(ones), 1.0), ones)
        flat = self.flat(view)
        if width <= MOVING_COLUMNS:
            product = self.new((count, *view.shape[1:]), FLOAT32, Space.PSUM)
            self.product(ones, flat, product)
            return product
        result = self.new((count, *view.shape[1:]), view.dtype)
        flat_result = self.flat(result)
        for start in range(0, width, MOVING_COLUMNS):
            size = min(MOVING_COLUMNS, width - start)
            product = self.new((count, size), FLOAT32, Space.PSUM)
            self.product(ones, _columns(flat, start, size), product)
            self.copy(product, _columns(flat_result, start, size), node)
        return result

    def flat(self, view: View) -> View:
        """A view of a new tile with one free dimension (of the same elements in order)."""
        free = [d for d in view.dimensions if d.along != 0 and d.size > 1]
        if len(free) <= 1:
            first = Dimension(partitions(view), 0)
            return view.with_dimensions((first, *(free or [Dimension(1, len(view.offsets) - 1)])))
        array = self.reader.emitter.reshape(view.array, (partitions(view), free_size(view)))
        return whole(array)

    # Element-wise arithmetic.

    def binary(
        self, operator: Operator, left: Any, right: Any, dst: View | None, node: ast.AST
    ) -> View:
        """``operator`` on tiles and numbers; the result goes to ``dst`` or to a new tile."""
        if not isinstance(left, View) and not isinstance(right, View):
            self.refuse(node, "neither operand is a tile")
        left, right = (
            self.on_chip(value, node) if isinstance(value, View) else self.number(value, node)
            for value in (left, right)
        )
        if not isinstance(left, View):
            return self.with_scalar(operator, right, left, dst, node, reverse=True)
        if not isinstance(right, View):
            return self.with_scalar(operator, left, right, dst, node)
        shape = broadcast_shape(left.shape, right.shape)
        for tile, scalar, reverse in ((left, right, False), (right, left, True)):
            if self._is_column(scalar, tile) and operator not in BITWISE:
                scalar = self.as_float(scalar, node)
                if partitions(scalar) == 1 and partitions(tile) > 1:
                    scalar = self.across_partitions(scalar, partitions(tile), node)
                return self.with_scalar(operator, tile, scalar, dst, node, reverse=reverse)
        left, right = (self.broadcast(value, shape, node) for value in (left, right))
        if left.space == right.space == Space.PSUM:
            right = self.to_sbuf(right, node)
        if dst is None:
            dst = self.new(shape, self.result_type(operator, left.dtype, right.dtype))
        op = trn.TensorTensorOp(
            operator,
            self.operand(left),
            self.operand(right),
            self.operand(dst),
            trn.Engine.POOL if operator == Operator.POWER else None,
        )
        self.emit(op, dst)
        return dst

    def number(self, value: Any, node: ast.AST) -> float | int:
        if isinstance(value, Index):
            value = value.require_constant()
        if not isinstance(value, int | float):
            self.refuse(node, f"{type(value).__name__} is no number")
        return value

    def _is_column(self, scalar: View, tile: View) -> bool:
        """Whether ``scalar`` is one number per partition beside a wider tile."""
        return free_size(scalar) == 1 and free_size(tile) > 1

    def as_float(self, view: View, node: ast.AST) -> View:
        """The column as float32, which a scalar operand must be."""
        if view.dtype == FLOAT32:
            return view
        converted = self.new(view.shape, FLOAT32)
        self.copy(view, converted, node)
        return converted

    def scalar(self, operator: Operator, value: Any, node: ast.AST) -> Any:
        """A number or a column as the scalar operand of an instruction."""
        if isinstance(value, View):
            return self.operand(value if operator in BITWISE else self.as_float(value, node))
        if value is None:
            return None
        number = self.number(value, node)
        if operator in BITWISE:
            return IntegerAttr(int(number), i64)
        return float(number)

    def with_scalar(
        self,
        operator: Operator,
        tile: View,
        scalar: Any,
        dst: View | None,
        node: ast.AST,
        *,
        reverse: bool = False,
    ) -> View:
        if dst is None:
            own = FLOAT32 if isinstance(scalar, View) else tile.dtype
            dst = self.new(tile.shape, self.result_type(operator, tile.dtype, own))
        op = trn.TensorScalarOp(
            operator,
            self.operand(tile),
            self.scalar(operator, scalar, node),
            self.operand(dst),
            reverse0=reverse,
        )
        self.emit(op, dst)
        return dst

    def result_type(self, operator: Operator, left: Dtype, right: Dtype) -> Dtype:
        """NKI's promotion: the wider type, a float before an integer; comparisons give bytes."""
        if operator in COMPARISONS:
            return DTYPES["uint8"]
        if left == right:
            return left
        if left.is_float != right.is_float:
            return left if left.is_float else right
        if left.bytes == right.bytes:
            return FLOAT32 if left.is_float else left
        return left if left.bytes > right.bytes else right

    def activation(
        self,
        function: Function,
        data: View,
        dst: View | None,
        node: ast.AST,
        *,
        dtype: Dtype | None = None,
        scale: Any = 1.0,
        bias: View | None = None,
        reduced: View | None = None,
        command: trn.ReduceCommand | None = None,
    ) -> View:
        data = self.on_chip(data, node)
        if dst is None:
            own = data.dtype if data.dtype.is_float else FLOAT32
            dst = self.new(data.shape, dtype or own)
        op = trn.ActivationOp(
            function,
            self.operand(data),
            self.operand(dst),
            scale=self.operand(self.as_float(scale, node))
            if isinstance(scale, View)
            else float(self.number(scale, node)),
            bias=None if bias is None else self.operand(self.as_float(bias, node)),
            reduced=None if reduced is None else self.operand(reduced),
            command=command,
        )
        self.emit(op, dst if reduced is None else None)
        return dst

    def reduce(
        self,
        operator: Operator,
        data: View,
        axes: Sequence[int],
        dst: View | None,
        node: ast.AST,
        *,
        dtype: Dtype | None = None,
        keepdims: bool = False,
        negate: bool = False,
        uncut: View | None = None,
    ) -> View:
        """Reduce free dimensions; across the partitions on GpSimd.

        ``uncut`` is the tile of which a mask leaves ``data``: the result has its partitions.
        """
        rank = len(data.dimensions)
        axes = sorted(axis + rank if axis < 0 else axis for axis in axes)
        if any(not 0 <= axis < rank for axis in axes):
            self.refuse(node, f"axes {axes} of a tile of {rank} dimensions")
        kept = [axis for axis in range(rank) if axis not in axes]
        if dst is None:
            sizes = ((uncut or data).shape[0], *data.shape[1:])
            places = list(range(rank)) if keepdims or 0 in axes else kept
            shape = [1 if axis in axes else sizes[axis] for axis in places]
            result = self.new(shape, dtype or data.dtype)
            cut = {place: data.shape[axis] for place, axis in enumerate(places) if axis in kept}
            dst = clip(result, result.shape, cut)
            self.reduce(operator, data, axes, dst, node, negate=negate)
            self.note_mask(result, dst)
            return result
        if 0 in axes:
            if len(axes) > 1:
                self.refuse(node, "reduce the partitions and the free dimensions one by one")
            source = self.to_sbuf(data, node) if data.space == Space.PSUM else data
            op = trn.TensorPartitionReduceOp(operator, self.operand(source), self.operand(dst))
            self.emit(op, dst)
            return dst
        ordered = data.with_dimensions(tuple(data.dimensions[axis] for axis in (*kept, *axes)))
        op = trn.TensorReduceOp(
            operator, self.operand(ordered), self.operand(dst), len(axes), negate=negate
        )
        self.emit(op, dst)
        return dst

    # The tensor engine.

    def transpose(
        self,
        data: View,
        dst: View | None,
        node: ast.AST,
        engine: Any = None,
        dtype: Dtype | None = None,
    ) -> View:
        """``data`` transposed; the tensor engine writes PSUM."""
        rows, columns = partitions(data), free_size(data)
        small = max(rows, columns) <= TRANSPOSE_ON_VECTOR
        on_vector = engine == trn.Engine.DVE or (
            engine is None and small and (dst is None or dst.space != Space.PSUM)
        )
        if not on_vector and data.space == Space.PSUM:
            data = self.to_sbuf(data, node)
        if dst is None:
            space = Space.SBUF if on_vector else Space.PSUM
            dst = self.new((columns, rows), dtype or data.dtype, space)
        unit = trn.Engine.DVE if on_vector else trn.Engine.PE
        source, target = self._filled_rows(data, dst)
        self.emit(trn.NcTransposeOp(self.operand(source), self.operand(target), unit), target)
        return dst

    def _filled_rows(self, data: View, dst: View) -> tuple[View, View]:
        """What is to be transposed, without partitions that a mask has left out."""
        count = data.array.valid
        if count is None or count >= partitions(data) or data.offsets[0] != Index(0):
            return data, dst
        self.settle(dst)
        return clip(data, data.shape, {0: count}), clip(dst, dst.shape, {len(dst.shape) - 1: count})

    def product(self, stationary: View, moving: View, dst: View) -> None:
        """A matrix product that overwrites."""
        operands = [self.operand(value) for value in (stationary, moving, dst)]
        op = trn.NcMatmulOp(*operands)
        self.emit(op, dst)
        self.last_product = (op, stationary, moving, dst.array)

    def accumulate(
        self, stationary: View, moving: View, dst: View, node: ast.AST, given: Any = None
    ) -> None:
        """A matrix product that adds to what products have written to ``dst`` since it is there.

        ``given`` says itself whether to add; by default the first product of a PSUM tile
        overwrites, and later ones add.
        """
        if given is None and dst.array.branches < len(self.reader.branches):
            raise UnrollRequest(self.reader.branches[dst.array.branches])
        flag = adds(self.reader, dst, node) if given is None else given
        if isinstance(flag, PastFirst):
            flag = list(flag.variables)
        elif not isinstance(flag, list):
            flag = self.reader.truth(flag, node)
        dst.array.zero_pending = False
        emitter = self.reader.emitter
        first, second = self.operand(stationary), self.operand(moving)
        value: SSAValue | None = None
        if flag is True:
            value = emitter.true()
        elif isinstance(flag, list):
            value = emitter.any_beyond_first(flag)
        target = emitter.view(dst)
        self.emit(trn.NcMatmulOp(first, second, target, value))
        dst.array.loaded_from = None
        dst.array.products.append(dst)


def _is_view_of(value: SSAValue, array: Array) -> bool:
    owner = value.owner
    return isinstance(owner, trn.ViewOp) and owner.source is array.buffer


def _count(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _first(shape: Sequence[int], view: View) -> int:
    return shape[0] if shape else 1


def _columns(view: View, start: int, size: int) -> View:
    """Columns of a tile with one free dimension."""
    free = view.dimensions[1]
    offsets = list(view.offsets)
    offsets[free.along] += start * free.step
    return View(
        view.array,
        tuple(offsets),
        (view.dimensions[0], Dimension(size, free.along, free.step)),
    )
