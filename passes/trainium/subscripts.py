"""Which element of an array a loop nest reads: subscripts through slices, reshapes and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects import tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
)
from xdsl.utils.exceptions import PassFailedException

from .tensor_functions import tensor_sizes


@dataclass(frozen=True)
class Subscript:
    """``constant + Σ factors[loop] · loop``."""

    constant: int
    factors: tuple[tuple[int, int], ...] = ()
    """Loops by number, ascending, and their factors, none of which is 0."""

    @staticmethod
    def of(constant: int, factors: Mapping[int, int]) -> Subscript:
        return Subscript(constant, tuple(sorted((d, f) for d, f in factors.items() if f)))

    @staticmethod
    def loop(number: int) -> Subscript:
        return Subscript(0, ((number, 1),))

    @property
    def loops(self) -> tuple[int, ...]:
        return tuple(number for number, _ in self.factors)

    @property
    def only_loop(self) -> int | None:
        """The loop whose counter this is; ``None`` for other subscripts."""
        return self.loops[0] if self == Subscript.loop(self.loops[0] if self.loops else 0) else None

    def factor(self, loop: int) -> int:
        return dict(self.factors).get(loop, 0)

    def plus(self, other: Subscript, times: int = 1) -> Subscript:
        factors = dict(self.factors)
        for loop, factor in other.factors:
            factors[loop] = factors.get(loop, 0) + factor * times
        return Subscript.of(self.constant + other.constant * times, factors)

    def where(self, values: Sequence[Subscript]) -> Subscript:
        """With a subscript in place of each loop's counter."""
        total = Subscript(self.constant)
        for loop, factor in self.factors:
            total = total.plus(values[loop], factor)
        return total


@dataclass(frozen=True)
class Access:
    """An element of a tensor, which depends on loop counters."""

    value: SSAValue
    subscripts: tuple[Subscript, ...]


def subscript_of(expression: AffineExpr) -> Subscript:
    """A subscript of a map; raises ``PassFailedException`` for divisions and remainders."""
    if isinstance(expression, AffineDimExpr):
        return Subscript.loop(expression.position)
    if isinstance(expression, AffineConstantExpr):
        return Subscript(expression.value)
    if isinstance(expression, AffineBinaryOpExpr):
        left, right = expression.lhs, expression.rhs
        if expression.kind is AffineBinaryOpKind.Add:
            return subscript_of(left).plus(subscript_of(right))
        if expression.kind is AffineBinaryOpKind.Mul:
            for factor, other in ((left, right), (right, left)):
                if isinstance(factor, AffineConstantExpr):
                    return Subscript(0).plus(subscript_of(other), factor.value)
    raise PassFailedException(f"the subscript {expression} is not affine")


def maps_of(operation: linalg.GenericOp) -> list[tuple[Subscript, ...]]:
    """The subscripts of each operand."""
    return [
        tuple(subscript_of(result) for result in attribute.data.results)
        for attribute in operation.indexing_maps
    ]


def resolved(access: Access) -> Access:
    """The same element, of the tensor that slices, reshapes and copies take it from."""
    owner = access.value.owner
    if isinstance(owner, tensor.ExtractSliceOp):
        return resolved(_before_slice(owner, access.subscripts))
    if isinstance(owner, tensor.ExpandShapeOp):
        return resolved(_before_expansion(owner, access.subscripts))
    if isinstance(owner, linalg.GenericOp) and (source := _copied(owner)) is not None:
        maps = maps_of(owner)
        loops = [result.only_loop for result in maps[-1]]
        if None not in loops and len(set(loops)) == len(owner.iterator_types.data):
            places = {loop: access.subscripts[place] for place, loop in enumerate(loops)}
            counters = [places[loop] for loop in range(len(places))]
            found = tuple(subscript.where(counters) for subscript in maps[source])
            return resolved(Access(owner.inputs[source], found))
    return access


def _copied(operation: linalg.GenericOp) -> int | None:
    """Which input an operation copies, if it does nothing else."""
    body = operation.body.block
    last = body.last_op
    if last is None or body.first_op is not last or len(last.operands) != 1:
        return None
    inputs = list(body.args)[: len(operation.inputs)]
    return inputs.index(last.operands[0]) if last.operands[0] in inputs else None  # pyright: ignore


@dataclass(frozen=True)
class Slice:
    """Offsets and strides of a slice, and which dimensions of the whole the slice has."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    kept: tuple[int, ...]

    def place(self, subscripts: Sequence[Subscript]) -> tuple[Subscript, ...]:
        """Where an element of the slice lies in the whole."""
        inner = dict(zip(self.kept, subscripts, strict=True))
        return tuple(
            Subscript(offset).plus(inner.get(place, Subscript(0)), stride)
            for place, (offset, stride) in enumerate(zip(self.offsets, self.strides, strict=True))
        )


def slice_of(operation: tensor.ExtractSliceOp | tensor.InsertSliceOp) -> Slice:
    """The place of a slice; raises ``PassFailedException`` where it is not known."""
    offsets, sizes, strides = (
        tuple(int(number) for number in given.get_values())
        for given in (
            operation.static_offsets,
            operation.static_sizes,
            operation.static_strides,
        )
    )
    if DYNAMIC_INDEX in (*offsets, *sizes, *strides):
        raise PassFailedException("a slice whose place is not known")
    part = operation.result if isinstance(operation, tensor.ExtractSliceOp) else operation.source
    shape = list(tensor_sizes(part))
    kept: list[int] = []
    for place, size in enumerate(sizes):
        needed = len(shape) - len(kept)
        left = len(sizes) - place
        if needed and (left == needed or size == shape[len(kept)]):
            kept.append(place)
    if [sizes[place] for place in kept] != shape:
        raise PassFailedException("a slice whose rank does not fit")
    return Slice(offsets, sizes, strides, tuple(kept))


def _before_slice(operation: tensor.ExtractSliceOp, subscripts: Sequence[Subscript]) -> Access:
    return Access(operation.source, slice_of(operation).place(subscripts))


def _before_expansion(operation: tensor.ExpandShapeOp, subscripts: Sequence[Subscript]) -> Access:
    shape = tensor_sizes(operation.result)
    joined: list[Subscript] = []
    for group in operation.reassociation:
        place = Subscript(0)
        for entry in group:  # pyright: ignore
            dimension = entry.value.data  # pyright: ignore
            place = subscripts[dimension].plus(place, shape[dimension])  # pyright: ignore
        joined.append(place)
    return Access(operation.src, tuple(joined))


def inserted(value: SSAValue) -> tensor.InsertSliceOp | None:
    """The operation that puts a slice into a tensor, if the value is its result."""
    owner = value.owner
    return owner if isinstance(owner, tensor.InsertSliceOp) else None
