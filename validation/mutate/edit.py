"""Small edits of a program, shared by the mutation operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp
from xdsl.ir import Block, Operation, SSAValue

Mutation = Callable[[ModuleOp, Random], str | None]
"""Changes a module in place and says what it changed; ``None`` where it finds no place."""

ItemT = TypeVar("ItemT")


def pick(items: Sequence[ItemT], rng: Random) -> ItemT | None:
    """One of the items, or ``None`` if there are none."""
    return rng.choice(items) if items else None


def describe(op: Operation) -> str:
    """The first line of an operation."""
    return " ".join(str(op).split("{\n")[0].split())


def named(module: ModuleOp, *names: str) -> list[Operation]:
    """The operations with these names, or whose name starts with one that ends in a dot."""
    prefixes = tuple(name for name in names if name.endswith("."))
    return [op for op in module.walk() if op.name in names or op.name.startswith(prefixes)]


def places(op: Operation, field: str) -> range:
    """Where the operands of a field of the operation's definition are among its operands."""
    start = 0
    for name, _ in op.get_irdl_definition().operands:  # pyright: ignore[reportAttributeAccessIssue]
        value = getattr(op, name)
        count = 0 if value is None else 1 if isinstance(value, SSAValue) else len(value)
        if name == field:
            return range(start, start + count)
        start += count
    return range(0)


def block_of(op: Operation) -> Block:
    block = op.parent_block()
    assert block is not None
    return block


def insert_before(op: Operation, *new: Operation) -> None:
    for each in new:
        block_of(op).insert_op_before(each, op)


def constant_before(op: Operation, number: int) -> SSAValue:
    """An index constant for use at ``op``."""
    constant = arith.ConstantOp(IntegerAttr(number, IndexType()))
    insert_before(op, constant)
    return constant.result


def add_to_operand(op: Operation, place: int, amount: int) -> None:
    """Add a number to an index operand of one operation only."""
    total = arith.AddiOp(op.operands[place], constant_before(op, amount))
    insert_before(op, total)
    op.operands[place] = total.result


def replace(old: Operation, new: Operation) -> None:
    """Put an operation with one result in the place of another."""
    insert_before(old, new)
    replace_by_value(old, new.results[0])


def replace_by_value(old: Operation, value: SSAValue) -> None:
    old.results[0].replace_all_uses_with(value)
    remove(old)


def remove(op: Operation) -> None:
    """Take away an operation whose results nobody uses."""
    op.detach()
    op.erase()


def visible(op: Operation) -> list[SSAValue]:
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


def definitions(value: SSAValue) -> Iterator[Operation]:
    """The operations that a value is computed from, each once."""
    open_values, seen = [value], set[Operation]()
    while open_values:
        owner = open_values.pop().owner
        if isinstance(owner, Operation) and owner not in seen:
            seen.add(owner)
            yield owner
            open_values.extend(owner.operands)


def constant_value(value: SSAValue) -> int | None:
    """The number, if the value is an integer constant."""
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return None
