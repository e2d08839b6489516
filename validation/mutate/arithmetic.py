"""Mistakes in what is computed: operators, operands, constants, rounding, saturation, signs."""

from __future__ import annotations

from random import Random

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    i32,
)
from xdsl.ir import Operation
from xdsl.ir.affine import AffineMap

from .edit import (
    Mutation,
    add_to_operand,
    constant_before,
    constant_value,
    describe,
    insert_before,
    named,
    pick,
    replace,
    replace_by_value,
    visible,
)

OTHERS: dict[type[Operation], tuple[type[Operation], ...]] = {
    arith.AddiOp: (arith.SubiOp, arith.MuliOp),
    arith.SubiOp: (arith.AddiOp,),
    arith.MuliOp: (arith.AddiOp,),
    arith.MinSIOp: (arith.MaxSIOp,),
    arith.MaxSIOp: (arith.MinSIOp,),
    arith.RemSIOp: (arith.FloorDivSIOp, arith.DivSIOp),
    arith.DivSIOp: (arith.FloorDivSIOp, arith.RemSIOp),
    arith.FloorDivSIOp: (arith.RemSIOp,),
    arith.AndIOp: (arith.OrIOp,),
    arith.OrIOp: (arith.AndIOp,),
    arith.ShRSIOp: (arith.ShRUIOp, arith.ShLIOp),
    arith.AddfOp: (arith.SubfOp,),
    arith.MulfOp: (arith.AddfOp,),
    arith.MaximumfOp: (arith.MinimumfOp,),
    arith.MinimumfOp: (arith.MaximumfOp,),
}
ROUNDINGS: tuple[type[Operation], ...] = (
    math.RoundEvenOp,
    math.RoundOp,
    math.FloorOp,
    math.TruncOp,
)
EXTENSIONS: tuple[type[Operation], ...] = (arith.ExtSIOp, arith.ExtUIOp)


def _other_operation(module: ModuleOp, rng: Random) -> str | None:
    op = pick([op for op in module.walk() if type(op) in OTHERS], rng)
    return _put(op, OTHERS[type(op)], rng) if op is not None else None


def _one_of(kinds: tuple[type[Operation], ...]) -> Mutation:
    """An operation of one kind becomes another of the same family."""

    def mutate(module: ModuleOp, rng: Random) -> str | None:
        op = pick([op for op in module.walk() if isinstance(op, kinds)], rng)
        if op is None:
            return None
        return _put(op, tuple(kind for kind in kinds if not isinstance(op, kind)), rng)

    return mutate


def _put(op: Operation, kinds: tuple[type[Operation], ...], rng: Random) -> str:
    before = describe(op)
    new = rng.choice(kinds).create(operands=list(op.operands), result_types=[op.results[0].type])
    replace(op, new)
    return f"{new.name} for {before}"


def _exchange_operands(module: ModuleOp, rng: Random) -> str | None:
    """Two operands of one type change places."""
    found: list[tuple[Operation, int, int]] = []
    for op in named(module, "arith.", "gemmini.", "tile.", "linalg.generic"):
        for second in range(len(op.operands)):
            for first in range(second):
                a, b = op.operands[first], op.operands[second]
                if a.type == b.type and a is not b:
                    found.append((op, first, second))
    chosen = pick(found, rng)
    if chosen is None:
        return None
    op, a, b = chosen
    before = describe(op)
    op.operands[a], op.operands[b] = op.operands[b], op.operands[a]
    return f"operands {a} and {b} of {before}"


def _other_value(module: ModuleOp, rng: Random) -> str | None:
    """An operand becomes another value of its type."""
    op = pick(named(module, "gemmini.", "tile.", "arith.", "scf.if"), rng)
    if op is None or not op.operands:
        return None
    place = rng.randrange(len(op.operands))
    old = op.operands[place]
    choices = [value for value in visible(op) if value.type == old.type and value is not old]
    if not choices:
        return None
    before = describe(op)
    op.operands[place] = rng.choice(choices)
    return f"operand {place} of {before}"


def _other_index_constant(module: ModuleOp, rng: Random) -> str | None:
    """One use of an index constant gets another number."""
    uses = [
        (op, place, number)
        for op in module.walk()
        for place, operand in enumerate(op.operands)
        if isinstance(operand.type, IndexType) and (number := constant_value(operand)) is not None
    ]
    chosen = pick(uses, rng)
    if chosen is None:
        return None
    op, place, number = chosen
    others = {number + 1, number - 1, number + 16, number - 16, 2 * number, number // 2, 0, 1}
    other, before = rng.choice(sorted(others - {number})), describe(op)
    op.operands[place] = constant_before(op, other)
    return f"operand {place} {number} -> {other} in {before}"


def _other_number(module: ModuleOp, rng: Random) -> str | None:
    """A constant of the computation changes: a saturation limit, a start value, a factor."""
    constants = [
        op
        for op in module.walk()
        if isinstance(op, arith.ConstantOp) and not isinstance(op.result.type, IndexType)
    ]
    op = pick(constants, rng)
    if op is None:
        return None
    before = describe(op)
    if isinstance(op.value, IntegerAttr):
        number = op.value.value.data
        changed = rng.choice((number + 1, number - 1, -number))
        replace(op, arith.ConstantOp(IntegerAttr(changed, op.value.type)))
        return f"{changed} in {before}"
    if isinstance(op.value, FloatAttr):
        value = op.value.value.data * rng.choice((0.5, 2.0, -1.0)) + rng.choice((0.0, 1.0))
        replace(op, arith.ConstantOp(FloatAttr(value, op.value.type)))
        return f"{value} in {before}"
    return None


def _drop_operation(module: ModuleOp, rng: Random) -> str | None:
    """One step is left out, such as a limit of a saturation or one summand."""
    found: list[tuple[Operation, int]] = []
    for op in named(module, "arith.", "math."):
        for place, operand in enumerate(op.operands):
            if operand.type == op.results[0].type:
                found.append((op, place))
    chosen = pick(found, rng)
    if chosen is None:
        return None
    op, place = chosen
    before = describe(op)
    replace_by_value(op, op.operands[place])
    return f"operand {place} for {before}"


def _narrow(module: ModuleOp, rng: Random) -> str | None:
    """A sum is kept in fewer bits in between."""
    found = [
        op
        for op in named(module, "arith.addi", "arith.muli", "arith.subi")
        if op.results[0].type == i32
    ]
    op = pick(found, rng)
    if op is None:
        return None
    wide_type = op.operands[0].type
    assert isinstance(wide_type, IntegerType)
    narrow = arith.TruncIOp(op.operands[0], IntegerType(rng.choice((8, 16))))
    wide = arith.ExtSIOp(narrow.result, wide_type)
    before = describe(op)
    insert_before(op, narrow, wide)
    op.operands[0] = wide.result
    return before


def _permute_map(module: ModuleOp, rng: Random) -> str | None:
    """An indexing map has its results exchanged: a transposed tensor operand."""
    found: list[tuple[Operation, int]] = []
    for op in named(module, "linalg.generic"):
        maps = op.properties.get("indexing_maps")
        assert isinstance(maps, ArrayAttr)
        for number, each in enumerate(maps.data):
            assert isinstance(each, AffineMapAttr)
            if len(each.data.results) > 1:
                found.append((op, number))
    chosen = pick(found, rng)
    if chosen is None:
        return None
    op, number = chosen
    maps = op.properties["indexing_maps"]
    assert isinstance(maps, ArrayAttr)
    changed = list(maps.data)
    old = changed[number]
    assert isinstance(old, AffineMapAttr)
    results = list(old.data.results)
    a, b = rng.sample(range(len(results)), 2)
    results[a], results[b] = results[b], results[a]
    changed[number] = AffineMapAttr(AffineMap(old.data.num_dims, 0, tuple(results)))
    op.properties["indexing_maps"] = ArrayAttr(changed)
    return f"map {number}: {changed[number]}"


def _shift_index(module: ModuleOp, rng: Random) -> str | None:
    """An index computation is off by a little."""
    found = [
        op
        for op in named(module, "arith.")
        if op.operands and isinstance(op.operands[0].type, IndexType)
    ]
    op = pick(found, rng)
    if op is None:
        return None
    before, amount = describe(op), rng.choice((1, -1, 16, -16))
    add_to_operand(op, rng.randrange(len(op.operands)), amount)
    return f"{amount} in {before}"


OPERATORS: dict[str, Mutation] = {
    "another operation": _other_operation,
    "operands exchanged": _exchange_operands,
    "another value": _other_value,
    "another index constant": _other_index_constant,
    "another number": _other_number,
    "operation left out": _drop_operation,
    "wrong rounding": _one_of(ROUNDINGS),
    "sign or zero extension": _one_of(EXTENSIONS),
    "sum kept in fewer bits": _narrow,
    "transposed tensor": _permute_map,
    "index off": _shift_index,
}
