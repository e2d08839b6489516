"""Take zero points out of products: the array multiplies signed bytes as they are.

``Σ (x + c) · (y + d)`` is ``Σ x · y + d · Σ x + c · Σ (y + d)``, where bytes without a sign are
bytes with one plus 128. The last two sums are far smaller than the product; they become what the
first one starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    IntegerAttr,
    ModuleOp,
    TensorType,
    i8,
    i32,
)
from xdsl.dialects.linalg.attrs import IteratorType, IteratorTypeAttr
from xdsl.dialects.linalg.ops import FillOp, GenericOp, YieldOp
from xdsl.dialects.tensor import EmptyOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap
from xdsl.rewriter import InsertPoint

from .contraction import copies, iterators_of, maps_of, repeats

Compute = Callable[[Builder, Sequence[SSAValue]], SSAValue]
"""The value that a body yields, from those of its inputs (and of its output, if it reduces)."""
SIGN = 128


@dataclass(frozen=True)
class _Factor:
    """A factor ``byte + offset`` of a product."""

    array: SSAValue
    map: AffineMap
    is_unsigned: bool
    offset: int
    """To add to the byte with a sign."""


def split_offsets(module: ModuleOp) -> None:
    """Rewrite every sum of products with offsets; others are left as they are.

    What sums start from is computed in no more loops than it depends on.
    """
    for op in [op for op in module.walk() if isinstance(op, GenericOp)]:
        if IteratorType.REDUCTION in iterators_of(op) and len(op.inputs) == 2:
            if (factors := _factors(op)) is not None:
                _split(op, factors)
            elif (start := _start(op)) is not None:
                builder = Builder(InsertPoint.before(op))
                op.operands[2] = _repeated(builder, op, *_narrowed(builder, op, start))


def _factors(op: GenericOp) -> tuple[_Factor, _Factor] | None:
    """The factors of ``sum + a · b``, if one of them has an offset; None for other bodies."""
    block = op.body.block
    *elements, total = block.args
    last = block.last_op
    added = None if last is None else last.operands[0].owner
    if not isinstance(added, arith.AddiOp) or total not in added.operands or total.type != i32:
        return None
    product = next((x.owner for x in added.operands if x is not total), None)
    if not isinstance(product, arith.MuliOp):
        return None
    found: list[_Factor] = []
    for element, array, map in zip(elements, op.inputs, maps_of(op), strict=False):
        offsets = [x for operand in product.operands if (x := _offset(operand, element))]
        if len(offsets) != 1:
            return None
        is_unsigned, offset = offsets[0]
        found.append(_Factor(array, map, is_unsigned, offset + SIGN * is_unsigned))
    if not any(x.is_unsigned or x.offset for x in found):
        return None
    sums = {n for n, kind in enumerate(iterators_of(op)) if kind == IteratorType.REDUCTION}
    first, second = found
    for mine, other in ((first, second), (second, first)):
        # A sum over one factor must be an array.
        if not (sums < _used(mine.map) if other.offset else sums <= _used(mine.map)):
            return None
    return first, second


def _offset(value: SSAValue, element: SSAValue) -> tuple[bool, int] | None:
    """Whether a value widens ``element`` without its sign, and what it adds to it."""
    owner = value.owner
    if isinstance(owner, arith.ExtSIOp | arith.ExtUIOp):
        is_byte = owner.input is element and element.type == i8
        return (isinstance(owner, arith.ExtUIOp), 0) if is_byte else None
    if isinstance(owner, arith.AddiOp | arith.SubiOp):
        sign = 1 if isinstance(owner, arith.AddiOp) else -1
        pairs = [(owner.lhs, owner.rhs), (owner.rhs, owner.lhs)][: 2 if sign > 0 else 1]
        for inner, number in pairs:
            constant, found = number.owner, _offset(inner, element)
            if found and isinstance(constant, arith.ConstantOp):
                assert isinstance(constant.value, IntegerAttr)
                return found[0], found[1] + sign * constant.value.value.data
    return None


def _used(map: AffineMap) -> set[int]:
    return {dim for expression in map.results for dim in expression.used_dims()}


def _split(op: GenericOp, factors: tuple[_Factor, _Factor]) -> None:
    builder = Builder(InsertPoint.before(op))
    arrays = [_signed(builder, factor) for factor in factors]
    addends: list[tuple[SSAValue, tuple[int, ...], int]] = []
    for mine, other in (factors[::-1], factors):
        if other.offset:
            # Of the two sums, the first one takes its elements with their offset.
            value, loops = _sum(builder, op, mine, mine.offset if mine is factors[1] else 0)
            addends.append((value, loops, other.offset))
    start = _repeated(builder, op, *_added(builder, op, addends))
    widths = [IteratorTypeAttr(kind) for kind in iterators_of(op)]
    maps = maps_of(op)

    def multiply_add(body: Builder, values: Sequence[SSAValue]) -> SSAValue:
        a, b = (body.insert(arith.ExtSIOp(x, i32)).result for x in values[:2])
        return body.insert(arith.AddiOp(values[2], body.insert(arith.MuliOp(a, b)).result)).result

    product = _generic(builder, arrays, maps, start, widths, multiply_add)
    op.results[0].replace_all_uses_with(product)
    op.detach()
    op.erase()


def _signed(builder: Builder, factor: _Factor) -> SSAValue:
    """The bytes of a factor with a sign, less 128 if they have none."""
    if not factor.is_unsigned:
        return factor.array
    shape = _shape(factor.array)

    def flip(body: Builder, values: Sequence[SSAValue]) -> SSAValue:
        wide = body.insert(arith.ExtUIOp(values[0], i32)).result
        sign = body.insert(arith.ConstantOp.from_int_and_width(SIGN, i32)).result
        less = body.insert(arith.SubiOp(wide, sign)).result
        return body.insert(arith.TruncIOp(less, i8)).result

    maps = [AffineMap.identity(len(shape))] * 2
    empty = builder.insert(EmptyOp([], TensorType(i8, shape))).tensor
    return _generic(builder, [factor.array], maps, empty, [_PARALLEL] * len(shape), flip)


def _sum(
    builder: Builder, op: GenericOp, factor: _Factor, offset: int
) -> tuple[SSAValue, tuple[int, ...]]:
    """The sums of a factor's signed bytes plus ``offset``, and the loops of ``op`` they have."""
    map, widen = factor.map, arith.ExtUIOp if factor.is_unsigned else arith.ExtSIOp
    offset -= SIGN * factor.is_unsigned
    kinds, sizes = iterators_of(op), op.get_static_loop_ranges()
    used = sorted(_used(map))
    kept = tuple(loop for loop in used if kinds[loop] == IteratorType.PARALLEL)
    places = {loop: place for place, loop in enumerate(used)}
    zero = builder.insert(arith.ConstantOp.from_int_and_width(0, i32)).result
    empty = builder.insert(EmptyOp([], TensorType(i32, [sizes[loop] for loop in kept]))).tensor
    start = builder.insert(FillOp([zero], [empty], [empty.type])).results[0]
    # The shape of the loops, which subscripts that are sums do not tell.
    loops = builder.insert(EmptyOp([], TensorType(i8, [sizes[loop] for loop in used]))).tensor
    maps = [
        _renumbered(map, places),
        AffineMap.identity(len(used)),
        AffineMap(len(used), 0, tuple(AffineDimExpr(places[loop]) for loop in kept)),
    ]

    def add(body: Builder, values: Sequence[SSAValue]) -> SSAValue:
        element = body.insert(widen(values[0], i32)).result
        if offset:
            number = body.insert(arith.ConstantOp.from_int_and_width(offset, i32)).result
            element = body.insert(arith.AddiOp(element, number)).result
        return body.insert(arith.AddiOp(values[2], element)).result

    iterators = [IteratorTypeAttr(kinds[loop]) for loop in used]
    return _generic(builder, [factor.array, loops], maps, start, iterators, add), kept


def _start(op: GenericOp) -> GenericOp | None:
    """What computes the start of sums from fewer loops than they have; None if nothing does."""
    start = op.outputs[0].owner
    if not isinstance(start, GenericOp) or repeats(op.outputs[0]):
        return None
    if IteratorType.REDUCTION in iterators_of(start) or start.get_num_loops() == 0:
        return None
    *read, written = maps_of(start)
    rank = len(start.iterator_types)
    is_plain = written == AffineMap.identity(rank) and _element(start.results[0]) == i32
    used = {loop for map in read for loop in _used(map)}
    return start if is_plain and len(used) < rank else None


def _narrowed(
    builder: Builder, op: GenericOp, start: GenericOp
) -> tuple[SSAValue, tuple[int, ...]]:
    """What sums start from, in the loops that it depends on."""
    *read, _ = maps_of(start)
    used = sorted({loop for map in read for loop in _used(map)})
    places = {loop: place for place, loop in enumerate(used)}
    sizes = start.get_static_loop_ranges()
    empty = builder.insert(EmptyOp([], TensorType(i32, [sizes[loop] for loop in used]))).tensor
    maps = [*(_renumbered(map, places) for map in read), AffineMap.identity(len(used))]
    narrow = GenericOp(
        [*start.inputs],
        [empty],
        start.body.clone(),
        ArrayAttr(AffineMapAttr(map) for map in maps),
        ArrayAttr([_PARALLEL] * len(used)),
        [empty.type],
    )
    return builder.insert(narrow).results[0], tuple(_written(op)[loop] for loop in used)


def _added(
    builder: Builder, op: GenericOp, addends: Sequence[tuple[SSAValue, tuple[int, ...], int]]
) -> tuple[SSAValue, tuple[int, ...]]:
    """The start of the sums of ``op`` plus multiples of other sums, and the loops it depends on."""
    starts: list[tuple[SSAValue, tuple[int, ...]]] = []
    start, written = op.outputs[0], _written(op)
    if not isinstance(start.owner, FillOp):
        starts.append((start, written))
        if isinstance(copy := start.owner, GenericOp) and copies(copy):
            source, target = maps_of(copy)
            dims = [x.position for x in source.results if isinstance(x, AffineDimExpr)]
            if len(dims) == len(source.results) and target == AffineMap.identity(len(written)):
                starts = [(copy.inputs[0], tuple(written[dim] for dim in dims))]
    sizes = op.get_static_loop_ranges()
    loops = tuple(x for x in written if any(x in used for _, used, *_ in [*starts, *addends]))
    values = [*(value for value, _ in starts), *(value for value, _, _ in addends)]
    subscripts = [*(used for _, used in starts), *(used for _, used, _ in addends)]
    factors = [*(1 for _ in starts), *(factor for *_, factor in addends)]
    maps = [
        AffineMap(len(loops), 0, tuple(AffineDimExpr(loops.index(loop)) for loop in used))
        for used in subscripts
    ]
    empty = builder.insert(EmptyOp([], TensorType(i32, [sizes[loop] for loop in loops]))).tensor

    def add(body: Builder, elements: Sequence[SSAValue]) -> SSAValue:
        total: SSAValue | None = None
        for element, factor in zip(elements, factors, strict=False):
            part = element
            if part.type != i32:
                part = body.insert(arith.ExtSIOp(part, i32)).result
            if factor != 1:
                number = body.insert(arith.ConstantOp.from_int_and_width(factor, i32)).result
                part = body.insert(arith.MuliOp(number, part)).result
            total = part if total is None else body.insert(arith.AddiOp(total, part)).result
        assert total is not None
        return total

    identity = AffineMap.identity(len(loops))
    iterators = [_PARALLEL] * len(loops)
    return _generic(builder, values, [*maps, identity], empty, iterators, add), loops


def _repeated(builder: Builder, op: GenericOp, value: SSAValue, loops: tuple[int, ...]) -> SSAValue:
    """``value``, which depends on ``loops``, for all loops that the output of ``op`` has."""
    written = _written(op)
    if loops == written:
        return value
    rank = len(written)
    map = AffineMap(rank, 0, tuple(AffineDimExpr(written.index(loop)) for loop in loops))
    empty = builder.insert(EmptyOp([], op.outputs[0].type)).tensor
    maps = [map, AffineMap.identity(rank)]
    return _generic(builder, [value], maps, empty, [_PARALLEL] * rank, lambda _, x: x[0])


_PARALLEL = IteratorTypeAttr(IteratorType.PARALLEL)


def _generic(
    builder: Builder,
    inputs: Sequence[SSAValue],
    maps: Sequence[AffineMap],
    start: SSAValue,
    iterators: Sequence[IteratorTypeAttr],
    compute: Compute,
) -> SSAValue:
    body = Block(arg_types=[_element(value) for value in (*inputs, start)])
    inside = Builder(InsertPoint.at_end(body))
    inside.insert(YieldOp(compute(inside, body.args)))
    attributes = ArrayAttr(AffineMapAttr(map) for map in maps)
    generic = GenericOp(
        inputs, [start], Region(body), attributes, ArrayAttr(iterators), [start.type]
    )
    return builder.insert(generic).results[0]


def _written(op: GenericOp) -> tuple[int, ...]:
    """The loop of each dimension of the output."""
    *_, target = maps_of(op)
    assert all(isinstance(x, AffineDimExpr) for x in target.results)
    return tuple(x.position for x in target.results if isinstance(x, AffineDimExpr))


def _renumbered(map: AffineMap, places: Mapping[int, int]) -> AffineMap:
    """A map over fewer loops."""
    dims = [AffineDimExpr(places.get(loop, 0)) for loop in range(map.num_dims)]
    return AffineMap(
        len(places), 0, tuple(x.replace_dims_and_symbols(dims, []) for x in map.results)
    )


def _element(value: SSAValue) -> Attribute:
    assert isinstance(value.type, TensorType)
    return value.type.element_type


def _shape(value: SSAValue) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return value.type.get_shape()
