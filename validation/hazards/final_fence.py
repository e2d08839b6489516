"""The fence that a program ends with: until it, the host must not read what was stored."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation

from ...dialects.gemmini import FenceOp, LoopConvWsOp, LoopWsOp, MvoutOp


def store_without_fence(body: Block) -> Operation | None:
    """The last operation that stores, unless a fence at the top level follows it."""
    stores = [op for op in body.walk() if isinstance(op, MvoutOp | LoopWsOp | LoopConvWsOp)]
    fences = [op for op in body.ops if isinstance(op, FenceOp)]
    if not stores or any(_follows(fence, stores[-1]) for fence in fences):
        return None
    return stores[-1]


def with_final_fence(module: ModuleOp) -> ModuleOp:
    """A copy of the program whose functions end with a fence."""
    fenced = module.clone()
    for operation in list(fenced.walk()):
        if isinstance(operation, ReturnOp) and isinstance(operation.parent_op(), FuncOp):
            block = operation.parent_block()
            assert block is not None
            block.insert_op_before(FenceOp(), operation)
    return fenced


def _follows(fence: FenceOp, operation: Operation) -> bool:
    """Whether a fence at the top level comes after the operation or the loop around it."""
    block = fence.parent_block()
    while operation.parent_block() is not block:
        parent = operation.parent_op()
        if parent is None:
            return False
        operation = parent
    return operation.is_before_in_block(fence)
