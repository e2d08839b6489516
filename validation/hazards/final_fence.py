"""The fence that a program ends with: until it, the host must not read what was stored."""

from __future__ import annotations

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation

from ...dialects.gemmini import FenceOp, LoopConvWsOp, LoopWsOp, MvoutOp


def store_without_fence(body: Block) -> Operation | None:
    """A store that no fence follows on some way through the program; None if there is none."""
    return _pending(body, None)


def _pending(block: Block | None, store: Operation | None) -> Operation | None:
    """The store that still needs a fence behind ``block``, if ``store`` does before it."""
    for op in block.ops if block is not None else ():
        match op:
            case MvoutOp() | LoopWsOp() | LoopConvWsOp():
                store = op
            case FenceOp():
                store = None
            case scf.ForOp():
                behind = _pending(op.body.block, store)
                store = behind if _surely_runs(op) else behind or store
            case scf.IfOp():
                sides = (region.blocks.first for region in op.regions)
                stores = [_pending(side, store) for side in sides]
                store = next((found for found in stores if found is not None), None)
            case _:
                stores = [_pending(inner, store) for r in op.regions for inner in r.blocks]
                store = next((found for found in stores if found is not None), store)
    return store


def _surely_runs(loop: scf.ForOp) -> bool:
    """Whether a loop is known to run at least once."""
    bounds = [value.owner for value in (loop.lb, loop.ub)]
    numbers = [
        op.value.value.data
        for op in bounds
        if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr)
    ]
    return len(numbers) == len(bounds) and numbers[0] < numbers[1]


def with_final_fence(module: ModuleOp) -> ModuleOp:
    """A copy of the program whose functions end with a fence."""
    fenced = module.clone()
    for operation in list(fenced.walk()):
        if isinstance(operation, ReturnOp) and isinstance(operation.parent_op(), FuncOp):
            block = operation.parent_block()
            assert block is not None
            block.insert_op_before(FenceOp(), operation)
    return fenced
