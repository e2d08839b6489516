"""Random small changes of a program: the mistakes that a pass or a person could make.

Each operator picks a place and changes it; the result may be illegal, wrong, or (seldom) equal to
the original. Used to test the validator, never to build programs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import (
    DenseArrayBase,
    FloatAttr,
    IndexType,
    IntegerAttr,
    ModuleOp,
    UnitAttr,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from ..dialects.gemmini import AccOp, ActivationAttr, ActivationKind

FLAGS = {
    "gemmini.config_ex": ("a_transpose", "b_transpose"),
    "gemmini.config_ld": ("shrunk",),
    "gemmini.acc": ("full",),
    "tile.matmul": ("a_transpose", "b_transpose"),
    "tile.store": ("relu",),
    "tile.load": ("broadcast",),
}
"""Unit attributes that may be set or removed."""

Mutation = Callable[[ModuleOp, random.Random], str | None]


def mutate(module: ModuleOp, rng: random.Random, tries: int = 50) -> tuple[ModuleOp, str] | None:
    """A changed clone that still verifies, and what was changed; ``None`` if no try succeeds."""
    names = list(MUTATIONS)
    for _ in range(tries):
        clone = module.clone()
        name = rng.choice(names)
        try:
            change = MUTATIONS[name](clone, rng)
            if change is None:
                continue
            clone.verify()
        except (VerifyException, ValueError):
            continue
        return clone, f"{name}: {change}"
    return None


def _text(operation: Operation) -> str:
    return " ".join(str(operation).split("{\n")[0].split())


def _pick(items: Sequence[Operation], rng: random.Random) -> Operation | None:
    return rng.choice(items) if items else None


def _operations(module: ModuleOp, *prefixes: str) -> list[Operation]:
    return [op for op in module.walk() if op.name.startswith(prefixes)]


def _instructions(module: ModuleOp) -> list[Operation]:
    found = _operations(module, "gemmini.", "tile.", "memref.store")
    return [op for op in found if not op.results]


def _other_number(value: int, rng: random.Random) -> int:
    choices = {value + 1, value - 1, value + 16, value - 16, 2 * value, value // 2, 0, 1}
    return rng.choice(sorted(choices - {value}))


def _new_constant(number: int, before: Operation) -> SSAValue:
    constant = arith.ConstantOp(IntegerAttr(number, IndexType()))
    block = before.parent_block()
    assert block is not None
    block.insert_op_before(constant, before)
    return constant.result


def _change_constant(module: ModuleOp, rng: random.Random) -> str | None:
    """One use of a constant gets another number."""
    uses: list[tuple[Operation, int, int]] = []
    for op in module.walk():
        for number, operand in enumerate(op.operands):
            owner = operand.owner
            if isinstance(owner, arith.ConstantOp) and isinstance(operand.type, IndexType):
                assert isinstance(owner.value, IntegerAttr)
                uses.append((op, number, owner.value.value.data))
    if not uses:
        return None
    op, number, value = rng.choice(uses)
    other = _other_number(value, rng)
    before = _text(op)
    op.operands[number] = _new_constant(other, op)
    return f"operand {number} {value} -> {other} in {before}"


def _offset_operand(module: ModuleOp, rng: random.Random) -> str | None:
    """One index operand of an instruction gets a number added."""
    ops = [
        op
        for op in _operations(module, "gemmini.", "tile.")
        if any(isinstance(operand.type, IndexType) for operand in op.operands)
    ]
    op = _pick(ops, rng)
    if op is None:
        return None
    places = [n for n, o in enumerate(op.operands) if isinstance(o.type, IndexType)]
    place, offset = rng.choice(places), rng.choice((1, -1, 16, -16, 64, 512))
    before = _text(op)
    total = arith.AddiOp(op.operands[place], _new_constant(offset, op))
    block = op.parent_block()
    assert block is not None
    block.insert_op_before(total, op)
    op.operands[place] = total.result
    return f"operand {place} + {offset} in {before}"


def _drop(module: ModuleOp, rng: random.Random) -> str | None:
    op = _pick(_instructions(module), rng)
    if op is None:
        return None
    text = _text(op)
    op.detach()
    op.erase()
    return text


def _duplicate(module: ModuleOp, rng: random.Random) -> str | None:
    op = _pick(_instructions(module), rng)
    block = op.parent_block() if op is not None else None
    if op is None or block is None:
        return None
    block.insert_op_after(op.clone(), op)
    return _text(op)


def _swap_instructions(module: ModuleOp, rng: random.Random) -> str | None:
    """An instruction moves behind the next one of its block."""
    op = _pick(_instructions(module), rng)
    block = op.parent_block() if op is not None else None
    if op is None or block is None:
        return None
    later = list(block.ops)[list(block.ops).index(op) + 1 :]
    other = next((o for o in later if o in _instructions(module)), None)
    if other is None:
        return None
    op.detach()
    block.insert_op_after(op, other)
    return f"{_text(op)} after {_text(other)}"


def _move_out_of_branch(module: ModuleOp, rng: random.Random) -> str | None:
    """The body of an ``if`` is executed always."""
    branch = _pick([op for op in module.walk() if isinstance(op, scf.IfOp)], rng)
    block = branch.parent_block() if branch is not None else None
    if not isinstance(branch, scf.IfOp) or block is None or branch.results:
        return None
    for op in list(branch.true_region.block.ops):
        if not isinstance(op, scf.YieldOp):
            op.detach()
            block.insert_op_before(op, branch)
    return _text(branch)


def _change_predicate(module: ModuleOp, rng: random.Random) -> str | None:
    compare = _pick([op for op in module.walk() if isinstance(op, arith.CmpiOp)], rng)
    if not isinstance(compare, arith.CmpiOp):
        return None
    before = _text(compare)
    number = (compare.predicate.value.data + rng.randrange(1, 6)) % 6
    compare.properties["predicate"] = IntegerAttr(number, compare.predicate.type)
    return f"predicate {number} in {before}"


_SWAPPED: dict[type[Operation], tuple[type[Operation], ...]] = {
    arith.AddiOp: (arith.SubiOp, arith.MuliOp),
    arith.SubiOp: (arith.AddiOp,),
    arith.MuliOp: (arith.AddiOp,),
    arith.MinSIOp: (arith.MaxSIOp,),
    arith.MaxSIOp: (arith.MinSIOp,),
    arith.RemSIOp: (arith.FloorDivSIOp,),
    arith.FloorDivSIOp: (arith.RemSIOp,),
    arith.AndIOp: (arith.OrIOp,),
}


def _change_arithmetic(module: ModuleOp, rng: random.Random) -> str | None:
    op = _pick([op for op in module.walk() if type(op) in _SWAPPED], rng)
    if op is None:
        return None
    before = _text(op)
    replacement = rng.choice(_SWAPPED[type(op)]).create(
        operands=list(op.operands), result_types=[op.results[0].type]
    )
    _replace(op, replacement)
    return f"{replacement.name} for {before}"


def _replace(old: Operation, new: Operation) -> None:
    block = old.parent_block()
    assert block is not None
    block.insert_op_before(new, old)
    old.results[0].replace_all_uses_with(new.results[0])
    old.detach()
    old.erase()


def _swap_operands(module: ModuleOp, rng: random.Random) -> str | None:
    """Two operands of one type change places."""
    ops = [op for op in _operations(module, "gemmini.", "tile.", "arith.") if len(op.operands) > 1]
    op = _pick(ops, rng)
    if op is None:
        return None
    count = len(op.operands)
    pairs = [
        (a, b)
        for b in range(count)
        for a in range(b)
        if op.operands[a].type == op.operands[b].type and op.operands[a] is not op.operands[b]
    ]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    before = _text(op)
    op.operands[a], op.operands[b] = op.operands[b], op.operands[a]
    return f"operands {a} and {b} of {before}"


def _visible(op: Operation) -> list[SSAValue]:
    """Values that may be used where ``op`` stands."""
    found: list[SSAValue] = []
    current: Operation | None = op
    while current is not None:
        block: Block | None = current.parent_block()
        if block is None:
            return found
        found.extend(block.args)
        for earlier in block.ops:
            if earlier is current:
                break
            found.extend(earlier.results)
        current = block.parent_op()
    return found


def _other_value(module: ModuleOp, rng: random.Random) -> str | None:
    """An operand becomes another value of its type."""
    op = _pick(_operations(module, "gemmini.", "tile.", "arith.", "scf.if"), rng)
    if op is None or not op.operands:
        return None
    place = rng.randrange(len(op.operands))
    old = op.operands[place]
    choices = [value for value in _visible(op) if value.type == old.type and value is not old]
    if not choices:
        return None
    before = _text(op)
    op.operands[place] = rng.choice(choices)
    return f"operand {place} of {before}"


def _change_property(module: ModuleOp, rng: random.Random) -> str | None:
    """A number in an attribute changes: a stride, a channel, a scale."""
    places: list[tuple[Operation, str, Attribute]] = [
        (op, name, value)
        for op in _operations(module, "gemmini.", "tile.")
        for name, value in op.properties.items()
        if isinstance(value, IntegerAttr | FloatAttr) and not isinstance(value, DenseArrayBase)
    ]
    if not places:
        return None
    op, name, value = rng.choice(places)
    before = _text(op)
    if isinstance(value, IntegerAttr):
        other = max(0, _other_number(value.value.data, rng))
        op.properties[name] = IntegerAttr(other, value.type)
        return f"{name} = {other} in {before}"
    assert isinstance(value, FloatAttr)
    number = value.value.data * rng.choice((0.5, 2.0, 0.25))
    op.properties[name] = FloatAttr(number, value.type)
    return f"{name} = {number} in {before}"


def _toggle_flag(module: ModuleOp, rng: random.Random) -> str | None:
    op = _pick([op for op in module.walk() if op.name in FLAGS], rng)
    if op is None:
        return None
    before = _text(op)
    name = rng.choice(FLAGS[op.name])
    if name in op.properties:
        del op.properties[name]
    else:
        op.properties[name] = UnitAttr()
    return f"{name} in {before}"


def _change_activation(module: ModuleOp, rng: random.Random) -> str | None:
    op = _pick(_operations(module, "gemmini.config_st"), rng)
    if op is None:
        return None
    before = _text(op)
    old = op.properties.get("activation")
    relu, none = ActivationAttr(ActivationKind.RELU), ActivationAttr(ActivationKind.NONE)
    op.properties["activation"] = none if old == relu else relu
    return before


def _drop_accumulate(module: ModuleOp, rng: random.Random) -> str | None:
    """The accumulate bit of an address is always off, or always on."""
    op = _pick([op for op in module.walk() if isinstance(op, AccOp)], rng)
    if not isinstance(op, AccOp):
        return None
    before = _text(op)
    flag: SSAValue | None = None
    if rng.random() < 0.5 or op.accumulate is None:
        constant = arith.ConstantOp.from_int_and_width(1, 1)
        block = op.parent_block()
        assert block is not None
        block.insert_op_before(constant, op)
        flag = constant.result
    _replace(op, AccOp(op.row, flag, full=op.full is not None))
    return f"{'on' if flag is not None else 'off'} in {before}"


MUTATIONS: dict[str, Mutation] = {
    "constant": _change_constant,
    "offset": _offset_operand,
    "drop": _drop,
    "duplicate": _duplicate,
    "reorder": _swap_instructions,
    "always": _move_out_of_branch,
    "predicate": _change_predicate,
    "arithmetic": _change_arithmetic,
    "swap": _swap_operands,
    "value": _other_value,
    "attribute": _change_property,
    "flag": _toggle_flag,
    "activation": _change_activation,
    "accumulate": _drop_accumulate,
}
"""Operators by name."""
