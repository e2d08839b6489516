"""Mistakes in where data is: DRAM subscripts, local rows, banks, phases and flags of addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, MemRefType, ModuleOp, TensorType
from xdsl.ir import Attribute, Operation

from ...dialects.gemmini import AccOp
from ...hw.gemmini.config import load_config
from .edit import (
    Mutation,
    add_to_operand,
    constant_value,
    definitions,
    describe,
    insert_before,
    named,
    pick,
    places,
    replace,
    visible,
)

CONFIG = load_config()
DIM, BANK = CONFIG.dim, CONFIG.spad_rows // CONFIG.spad_banks
MOVES = ("gemmini.mvin", "gemmini.mvout", "tile.load", "tile.store")
ACCESSES = (*MOVES, "memref.load", "memref.store")
SLOTS = ("slot", "a_slot", "b_slot", "c_slot")


def _index_places(op: Operation) -> list[int]:
    return list(places(op, "indices"))


def _shift_subscript(*amounts: int) -> Mutation:
    def mutate(module: ModuleOp, rng: Random) -> str | None:
        op = pick([op for op in named(module, *ACCESSES) if _index_places(op)], rng)
        if op is None:
            return None
        before, amount = describe(op), rng.choice(amounts)
        add_to_operand(op, rng.choice(_index_places(op)), amount)
        return f"{amount} in {before}"

    return mutate


def _exchange_subscripts(module: ModuleOp, rng: Random) -> str | None:
    """A transposed access: two subscripts change places."""
    found = [op for op in named(module, *ACCESSES) if len(_index_places(op)) > 1]
    op = pick(found, rng)
    if op is None:
        return None
    first, second = rng.sample(_index_places(op), 2)
    if op.operands[first] is op.operands[second]:
        return None
    before = describe(op)
    op.operands[first], op.operands[second] = op.operands[second], op.operands[first]
    return before


def _stale_subscript(module: ModuleOp, rng: Random) -> str | None:
    """A subscript loses a part of its sum: a prefetch loads the current tile again."""
    found: list[tuple[Operation, Operation]] = []
    for op in named(module, *ACCESSES):
        for place in _index_places(op):
            sums = [d for d in definitions(op.operands[place]) if isinstance(d, arith.AddiOp)]
            found.extend((op, total) for total in sums)
    chosen = pick(found, rng)
    if chosen is None:
        return None
    op, total = chosen
    before = describe(op)
    kept = total.operands[0] if constant_value(total.operands[1]) else rng.choice(total.operands)
    total.results[0].replace_all_uses_with(kept)
    return f"{describe(total)} for {before}"


def _other_array(module: ModuleOp, rng: Random) -> str | None:
    """An access goes to another array or buffer of the same type."""
    ops = named(module, *ACCESSES, "tile.matmul", "linalg.generic")
    return _other_operand(ops, rng, lambda type: isinstance(type, MemRefType | TensorType))


def _other_operand(
    ops: Sequence[Operation], rng: Random, is_chosen: Callable[[Attribute], bool]
) -> str | None:
    """An operand of a chosen type becomes another value of that type."""
    found = [
        (op, place)
        for op in ops
        for place, operand in enumerate(op.operands)
        if is_chosen(operand.type)
    ]
    rng.shuffle(found)
    for op, place in found:
        old = op.operands[place]
        others = [v for v in visible(op) if v.type == old.type and v is not old]
        if others:
            before = describe(op)
            op.operands[place] = rng.choice(others)
            return f"operand {place} of {before}"
    return None


def _shift_row(*amounts: int) -> Mutation:
    """The local row of an address, or the slot of a buffer."""

    def mutate(module: ModuleOp, rng: Random) -> str | None:
        op = pick(named(module, "gemmini.spad", "gemmini.acc"), rng)
        if op is None:
            return None
        before, amount = describe(op), rng.choice(amounts)
        add_to_operand(op, 0, amount)
        return f"{amount} in {before}"

    return mutate


def _shift_slot(module: ModuleOp, rng: Random) -> str | None:
    found = [
        (op, place)
        for op in named(module, "tile.")
        for field in SLOTS
        if hasattr(op, field)
        for place in places(op, field)
    ]
    chosen = pick(found, rng)
    if chosen is None:
        return None
    before, amount = describe(chosen[0]), rng.choice((1, -1))
    add_to_operand(*chosen, amount)
    return f"{amount} in {before}"


def _other_phase(module: ModuleOp, rng: Random) -> str | None:
    """A counter that chooses among buffers is one phase ahead, or is always the first."""
    found = [
        op
        for op in named(module, "arith.remsi", "arith.remui")
        if isinstance(op.results[0].type, IndexType)
    ]
    op = pick(found, rng)
    if op is None:
        return None
    before = describe(op)
    if rng.random() < 0.5:
        add_to_operand(op, 0, 1)
        return f"ahead: {before}"
    total = arith.SubiOp(op.operands[0], op.operands[0])
    insert_before(op, total)
    op.operands[0] = total.result
    return f"the first: {before}"


def _other_local_operand(module: ModuleOp, rng: Random) -> str | None:
    """An instruction uses the address of another buffer."""
    ops = named(module, *MOVES[:2], "gemmini.preload", "gemmini.compute_preloaded")
    return _other_operand(ops, rng, lambda type: type.name == "gemmini.local")


def _accumulate(on: bool) -> Mutation:
    def mutate(module: ModuleOp, rng: Random) -> str | None:
        found = [op for op in module.walk() if isinstance(op, AccOp)]
        op = pick([op for op in found if on or op.accumulate is not None], rng)
        if op is None:
            matmuls = [op for op in named(module, "tile.matmul") if places(op, "accumulate")]
            return _constant_flag(pick(matmuls, rng), on)
        before = describe(op)
        flag = None
        if on:
            constant = arith.ConstantOp.from_int_and_width(1, 1)
            insert_before(op, constant)
            flag = constant.result
        replace(op, AccOp(op.row, flag, full=op.full is not None))
        return before

    return mutate


def _constant_flag(op: Operation | None, on: bool) -> str | None:
    if op is None:
        return None
    before = describe(op)
    constant = arith.ConstantOp.from_int_and_width(int(on), 1)
    insert_before(op, constant)
    op.operands[places(op, "accumulate")[0]] = constant.result
    return before


def _full_width(module: ModuleOp, rng: Random) -> str | None:
    op = pick([op for op in module.walk() if isinstance(op, AccOp)], rng)
    if op is None:
        return None
    before = describe(op)
    replace(op, AccOp(op.row, op.accumulate, full=op.full is None))
    return before


OPERATORS: dict[str, Mutation] = {
    "subscript off by one": _shift_subscript(1, -1),
    "subscript off by a tile": _shift_subscript(DIM, -DIM),
    "subscripts exchanged": _exchange_subscripts,
    "stale prefetch": _stale_subscript,
    "another array": _other_array,
    "local row off by one": _shift_row(1, -1),
    "local row off by a tile": _shift_row(DIM, -DIM),
    "wrong bank": _shift_row(BANK, -BANK, CONFIG.acc_rows // 2),
    "wrong slot": _shift_slot,
    "wrong phase": _other_phase,
    "wrong buffer": _other_local_operand,
    "lost accumulate bit": _accumulate(on=False),
    "added accumulate bit": _accumulate(on=True),
    "full width or not": _full_width,
}
