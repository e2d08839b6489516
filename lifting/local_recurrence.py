"""Recurrences from one element of an array to the next, through a local variable instead.

``y[j] = a * y[j - 1] + b`` becomes ``h = a * h + b; y[j] = h``, with ``h = y[j - 1]`` before the
loop; and loops count from 0. What is made of the program is proved equal to it afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from xdsl.builder import Builder
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import AnyFloat, IndexType, IntegerAttr, ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

Linear = tuple[frozenset[tuple[SSAValue, int]], int]
"""Values with their factors, and a constant."""


def with_local_recurrences(module: ModuleOp) -> ModuleOp:
    """A copy of the program in which such recurrences go through local variables."""
    copy = module.clone()
    for loop in [op for op in copy.walk() if isinstance(op, scf.ForOp)]:
        for store in [op for op in loop.body.block.ops if isinstance(op, memref.StoreOp)]:
            _carry(loop, store)
        _count_from_zero(loop)
    for store in [op for op in copy.walk() if isinstance(op, memref.StoreOp)]:
        _forward(store)
    copy.verify()
    return copy


def _carry(loop: scf.ForOp, store: memref.StoreOp) -> None:
    """Carry what a store writes to the loads of the next iteration that read it."""
    array, first = store.memref, _number(loop.lb)
    used = [use.operation for use in array.uses if use.operation.parent is loop.body.block]
    loads = [load for load in used if isinstance(load, memref.LoadOp)]
    target = [_linear(index) for index in store.indices]
    counter = loop.body.block.args[0]
    carried = [load for load in loads if _next(load, counter) == target]
    is_float = isinstance(store.value.type, AnyFloat)
    if first is None or not target or not carried or len(used) != len(loads) + 1 or not is_float:
        return
    before = Builder(InsertPoint.before(loop))
    cell = before.insert(memref.AllocaOp.get(store.value.type, shape=[])).memref
    place = [_at(_linear(index), counter, first) for index in carried[0].indices]
    value = _stored_before(loop, array, place)
    if value is None:
        indices = [_materialised(before, index) for index in place]
        value = before.insert(memref.LoadOp.get(array, indices)).res
    before.insert(memref.StoreOp.get(value, cell, []))
    for load in carried:
        Rewriter.replace_op(load, memref.LoadOp.get(cell, []))
    inside = Builder(InsertPoint.before(store))
    inside.insert(memref.StoreOp.get(store.value, cell, []))
    store.operands[0] = inside.insert(memref.LoadOp.get(cell, [])).res


def _next(load: memref.LoadOp, counter: SSAValue) -> list[Linear]:
    """What a load reads in the next iteration, as it is called in this one."""
    found = [_linear(index) for index in load.indices]
    return [(factors, constant + dict(factors).get(counter, 0)) for factors, constant in found]


def _stored_before(loop: scf.ForOp, array: SSAValue, place: list[Linear]) -> SSAValue | None:
    """What the block of a loop wrote there before it."""
    operation = loop.prev_op
    while operation is not None:
        if isinstance(operation, memref.StoreOp) and operation.memref is array:
            same = [_linear(index) for index in operation.indices] == place
            return operation.value if same else None
        operation = None if operation.regions else operation.prev_op
    return None


def _forward(store: memref.StoreOp) -> None:
    """Give the first value of a local variable to what reads it before anything else happens."""
    cell, value = store.memref, store.value
    if not isinstance(cell.owner, memref.AllocaOp) or store.indices or _reads(value, cell):
        return
    operation = store.next_op
    while operation is not None and not operation.regions:
        following = operation.next_op
        if isinstance(operation, memref.StoreOp) and operation.memref is cell:
            return
        if isinstance(operation, memref.LoadOp) and operation.memref is cell:
            Rewriter.replace_op(operation, [], [value])
        operation = following


def _reads(value: SSAValue, cell: SSAValue) -> bool:
    owner = value.owner
    if not isinstance(owner, Operation):
        return False
    if isinstance(owner, memref.LoadOp) and owner.memref is cell:
        return True
    return any(_reads(operand, cell) for operand in owner.operands)


def _count_from_zero(loop: scf.ForOp) -> None:
    first, last = _number(loop.lb), _number(loop.ub)
    if not first or last is None or last < first or _number(loop.step) != 1:
        return
    before = Builder(InsertPoint.before(loop))
    loop.operands[0], loop.operands[1] = _index(before, 0), _index(before, last - first)
    counter = loop.body.block.args[0]
    inside = Builder(InsertPoint.at_start(loop.body.block))
    moved = arith.AddiOp(counter, _index(inside, first))
    inside.insert(moved)
    counter.replace_uses_with_if(moved.result, lambda use: use.operation is not moved)


# Subscripts as linear combinations of values.


def _linear(value: SSAValue) -> Linear:
    total: Counter[SSAValue] = Counter()
    constant = 0
    for term, factor in _terms(value, 1):
        if (number := _number(term)) is not None:
            constant += factor * number
        else:
            total[term] += factor
    return frozenset((term, factor) for term, factor in total.items() if factor), constant


def _terms(value: SSAValue, factor: int) -> Iterator[tuple[SSAValue, int]]:
    match value.owner:
        case arith.AddiOp(lhs=left, rhs=right):
            yield from _terms(left, factor)
            yield from _terms(right, factor)
        case arith.SubiOp(lhs=left, rhs=right):
            yield from _terms(left, factor)
            yield from _terms(right, -factor)
        case arith.MuliOp(lhs=left, rhs=right) if (number := _number(right)) is not None:
            yield from _terms(left, factor * number)
        case arith.MuliOp(lhs=left, rhs=right) if (number := _number(left)) is not None:
            yield from _terms(right, factor * number)
        case _:
            yield value, factor


def _at(linear: Linear, counter: SSAValue, number: int) -> Linear:
    factors, constant = linear
    rest = frozenset((term, factor) for term, factor in factors if term is not counter)
    return rest, constant + dict(factors).get(counter, 0) * number


def _materialised(builder: Builder, linear: Linear) -> SSAValue:
    total = _index(builder, linear[1])
    for term, factor in sorted(linear[0], key=lambda pair: str(pair[0].name_hint)):
        scaled = builder.insert(arith.MuliOp(term, _index(builder, factor))).result
        total = builder.insert(arith.AddiOp(total, scaled)).result
    return total


def _index(builder: Builder, number: int) -> SSAValue:
    return builder.insert(arith.ConstantOp.from_int_and_width(number, IndexType())).result


def _number(value: SSAValue) -> int | None:
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return None
