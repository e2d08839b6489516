"""Mistakes in which instructions are executed, how often, and in which order."""

from __future__ import annotations

from random import Random

from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...dialects.gemmini import ComputeAccumulatedOp, ComputePreloadedOp
from .edit import Mutation, block_of, describe, insert_before, named, pick, remove

LOADS = ("gemmini.mvin", "tile.load")
ZEROS = ("gemmini.mvin_zeros", "tile.zero")
STORES = ("gemmini.mvout", "tile.store", "memref.store")
PRODUCTS = ("gemmini.compute_preloaded", "gemmini.compute_accumulated", "tile.matmul")
CONFIGURATIONS = (
    "gemmini.config_ex",
    "gemmini.config_ld",
    "gemmini.config_st",
    "gemmini.config_norm",
)
EFFECTS = (*LOADS, *ZEROS, *STORES, *PRODUCTS, *CONFIGURATIONS, "gemmini.preload", "gemmini.fence")


def _drop(*names: str) -> Mutation:
    def mutate(module: ModuleOp, rng: Random) -> str | None:
        op = pick(named(module, *names), rng)
        if op is None:
            return None
        text = describe(op)
        remove(op)
        return text

    return mutate


def _repeat(*names: str) -> Mutation:
    def mutate(module: ModuleOp, rng: Random) -> str | None:
        op = pick(named(module, *names), rng)
        if op is None:
            return None
        block_of(op).insert_op_after(op.clone(), op)
        return describe(op)

    return mutate


def _repeat_product(module: ModuleOp, rng: Random) -> str | None:
    """A product is formed twice, with its preload: a second statement adds the same."""
    op = pick(named(module, *PRODUCTS), rng)
    if op is None:
        return None
    block = block_of(op)
    again = op.clone()
    block.insert_op_after(again, op)
    before = list(block.ops)[: list(block.ops).index(op)]
    preload = next((each for each in reversed(before) if each.name == "gemmini.preload"), None)
    if preload is not None:
        insert_before(again, preload.clone())
    return describe(op)


def _later(op: Operation) -> list[Operation]:
    """Instructions behind ``op`` in its block."""
    ops = list(block_of(op).ops)
    return [each for each in ops[ops.index(op) + 1 :] if each.name in EFFECTS]


def _exchange(module: ModuleOp, rng: Random) -> str | None:
    """An instruction moves behind the next one of its block."""
    op = pick(named(module, *EFFECTS), rng)
    later = _later(op) if op is not None else []
    if op is None or not later:
        return None
    op.detach()
    block_of(later[0]).insert_op_after(op, later[0])
    return f"{describe(op)} after {describe(later[0])}"


def _delay(module: ModuleOp, rng: Random) -> str | None:
    """An instruction moves to the end of its block."""
    op = pick(named(module, *EFFECTS), rng)
    if op is None or not _later(op):
        return None
    block = block_of(op)
    last = block.last_op
    if last is None:
        return None
    op.detach()
    block.insert_op_before(op, last)
    return describe(op)


def _before_the_loop(module: ModuleOp, rng: Random) -> str | None:
    """A configuration or instruction that no counter appears in is executed once, in front."""
    found: list[tuple[Operation, scf.ForOp]] = []
    for op in named(module, *EFFECTS):
        loop = op.parent_op()
        if not isinstance(loop, scf.ForOp):
            continue
        if all(not _is_inside(value.owner, loop) for value in op.operands):
            found.append((op, loop))
    chosen = pick(found, rng)
    if chosen is None:
        return None
    op, loop = chosen
    op.detach()
    insert_before(loop, op)
    return describe(op)


def _is_inside(owner: object, loop: scf.ForOp) -> bool:
    if isinstance(owner, Operation):
        return loop.is_ancestor(owner)
    return owner is loop.body.block


def _other_compute(module: ModuleOp, rng: Random) -> str | None:
    """A computation keeps weights that changed, or takes new ones where it should keep them."""
    op = pick(named(module, *PRODUCTS[:2]), rng)
    if op is None:
        return None
    before = describe(op)
    other = ComputeAccumulatedOp if isinstance(op, ComputePreloadedOp) else ComputePreloadedOp
    insert_before(op, other.create(operands=list(op.operands)))
    remove(op)
    return before


OPERATORS: dict[str, Mutation] = {
    "dropped load": _drop(*LOADS, *ZEROS),
    "dropped store": _drop(*STORES),
    "dropped preload": _drop("gemmini.preload"),
    "dropped product": _drop(*PRODUCTS),
    "dropped configuration": _drop(*CONFIGURATIONS),
    "dropped fence": _drop("gemmini.fence"),
    "repeated computation": _repeat_product,
    "repeated instruction": _repeat(*EFFECTS),
    "kept or renewed weights": _other_compute,
    "neighbours exchanged": _exchange,
    "instruction delayed": _delay,
    "instruction before its loop": _before_the_loop,
}
