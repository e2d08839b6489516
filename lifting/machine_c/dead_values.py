"""Removes values that no instruction depends on, also those that loops carry."""

from __future__ import annotations

from xdsl.dialects import scf
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.traits import is_side_effect_free


def drop_dead_values(body: Block) -> None:
    """Remove operations without effect, and carried values, that no effect depends on."""
    live = _live_values(body)
    for op in reversed(list(body.walk())):
        if isinstance(op, scf.ForOp):
            _drop_carried(op, live)
        elif _is_computation(op) and live.isdisjoint(op.results):
            op.detach()
            op.erase(safe_erase=False)


def _is_computation(op: Operation) -> bool:
    return bool(op.results) and not op.regions and is_side_effect_free(op)


def _live_values(body: Block) -> set[SSAValue]:
    """The values that instructions, bounds and conditions depend on, directly or not."""
    live: set[SSAValue] = set()
    pending: list[SSAValue] = []
    for op in body.walk():
        if isinstance(op, scf.ForOp):
            pending.extend((op.lb, op.ub, op.step))
        elif isinstance(op, scf.YieldOp):
            # The results of an `if` stay, so that what it yields must stay too.
            pending.extend(op.operands if isinstance(op.parent_op(), scf.IfOp) else ())
        elif op.regions or not is_side_effect_free(op):
            pending.extend(op.operands)
    while pending:
        value = pending.pop()
        if value not in live:
            live.add(value)
            pending.extend(_sources(value))
    return live


def _sources(value: SSAValue) -> list[SSAValue]:
    """What a value is made of."""
    if isinstance(value, BlockArgument):
        loop = value.block.parent_op()
        if isinstance(loop, scf.ForOp) and value.index > 0:
            return _carried_sources(loop, value.index - 1)
        return []
    op = value.owner
    assert isinstance(op, Operation)
    position = list(op.results).index(value)  # pyright: ignore[reportArgumentType]
    if isinstance(op, scf.ForOp):
        return _carried_sources(op, position)
    if isinstance(op, scf.IfOp):
        return [_yielded(region.block)[position] for region in op.regions]
    return list(op.operands)


def _carried_sources(loop: scf.ForOp, position: int) -> list[SSAValue]:
    argument = loop.body.block.args[position + 1]
    return [loop.iter_args[position], _yielded(loop.body.block)[position], argument]


def _yielded(block: Block) -> list[SSAValue]:
    last = block.last_op
    assert isinstance(last, scf.YieldOp)
    return list(last.operands)


def _drop_carried(loop: scf.ForOp, live: set[SSAValue]) -> None:
    """Rebuild a loop without the carried values that are not live."""
    block = loop.body.block
    kept = [
        position
        for position, (argument, result) in enumerate(
            zip(block.args[1:], loop.results, strict=True)
        )
        if argument in live or result in live
    ]
    if len(kept) == len(loop.results):
        return
    results = _yielded(block)
    last = block.last_op
    assert last is not None
    last.detach()
    last.erase()
    block.add_op(scf.YieldOp(*[results[position] for position in kept]))
    starts = [loop.iter_args[position] for position in kept]
    old_results, parent = list(loop.results), loop.parent
    region = loop.detach_region(loop.body)
    for argument in reversed(block.args[1:]):
        if argument.index - 1 not in kept:
            block.erase_arg(argument, safe_erase=False)
    assert parent is not None
    new = scf.ForOp(loop.lb, loop.ub, loop.step, starts, region)
    new.location = loop.location
    parent.insert_op_before(new, loop)
    for position, result in zip(kept, new.results, strict=True):
        old_results[position].replace_all_uses_with(result)
        live.add(result)
    loop.detach()
    loop.erase(safe_erase=False)
