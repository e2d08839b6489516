"""Loops of the core over arrays in memory, between commands: which they are, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import FixedBitwidthType, IntegerAttr, MemRefType
from xdsl.ir import Operation, SSAValue

from .. import core


class _Amounts(NamedTuple):
    cycles: int
    bytes: int
    """Of array elements that pass through the data cache."""


def core_work(function: Operation) -> list[Operation]:
    """The outermost loops and branches in which the core stores to arrays and sends no command.

    A store that has none around it stands for itself.
    """
    stores = (op for op in function.walk() if isinstance(op, memref.StoreOp))
    return list(dict.fromkeys(_outermost(store) for store in stores))


def _outermost(store: Operation) -> Operation:
    found, around = store, store.parent_op()
    while isinstance(around, scf.ForOp | scf.IfOp) and not _sends_commands(around):
        found, around = around, around.parent_op()
    return found


def _sends_commands(op: Operation) -> bool:
    return any(inner.dialect_name() == "gemmini" for inner in op.walk())


def core_cycles(op: Operation) -> int:
    """Cycles that the core spends in ``op``.

    Each line of an array comes from the L2 once for each time that its bytes are touched; of two
    branches the longer one counts. Raises ``ValueError`` for loops whose bounds are not constant.
    """
    cycles, bytes = _amounts(op)
    return cycles + -(-bytes // core.CACHE_LINE_BYTES) * core.CACHE_LINE


def _amounts(op: Operation) -> _Amounts:
    match op:
        case scf.ForOp():
            body = _sum(op.body.block.ops)
            runs = _runs(op)
            cycles = core.LOOP_ENTRY + runs * (body.cycles + core.LOOP_ITERATION)
            return _Amounts(cycles, runs * body.bytes)
        case scf.IfOp():
            sides = [_sum(region.block.ops) for region in op.regions if region.blocks]
            longest = (max(side[part] for side in sides) for part in range(2))
            cycles, bytes = longest
            return _Amounts(core.BRANCH + cycles, bytes)
        case memref.LoadOp() | memref.StoreOp():
            return _Amounts(core.MEMORY_ACCESS, _element_bytes(op.memref))
        case scf.YieldOp() | memref.CollapseShapeOp():
            return _Amounts(0, 0)
        case _:
            return _Amounts(core.arithmetic_cycles(op, _constant), 0)


def _sum(ops: Iterable[Operation]) -> _Amounts:
    amounts = [_amounts(op) for op in ops]
    return _Amounts(sum(each.cycles for each in amounts), sum(each.bytes for each in amounts))


def _runs(loop: scf.ForOp) -> int:
    low, high, step = (_constant(bound) for bound in (loop.lb, loop.ub, loop.step))
    if low is None or high is None or not step or step < 0:
        raise ValueError("loops of the core over arrays need bounds that are numbers")
    return max(0, -((low - high) // step))


def _constant(value: SSAValue) -> int | None:
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return None


def _element_bytes(array: SSAValue) -> int:
    type = array.type
    if isinstance(type, MemRefType) and isinstance(type.element_type, FixedBitwidthType):
        return type.element_type.size
    raise ValueError(f"{type} has no known element size")
