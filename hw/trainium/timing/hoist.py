"""Loop-invariant code motion, as AWS's compiler does it before it schedules an NKI kernel.

An instruction moves in front of a loop if it fills a buffer of the loop's body that nothing else
writes, from arrays that the loop does not write, through views that do not depend on the loop.
"""

from __future__ import annotations

from xdsl.dialects import func, memref, scf
from xdsl.ir import Block, Operation, SSAValue

from ....dialects import trn
from .views import root_of, view_op


def hoist_invariants(function: func.FuncOp) -> None:
    """Move what is the same in all iterations out of the loops of ``function``, in place."""
    loops = [op for op in function.walk() if isinstance(op, scf.ForOp)]
    for loop in reversed(loops):
        while _hoist_one(loop):
            pass


def _hoist_one(loop: scf.ForOp) -> bool:
    body = loop.body.block
    writers = _writers(loop)
    for op in list(body.ops):
        if isinstance(op, trn.Instruction) and _is_invariant(op, body, writers):
            _move_before(op, loop, body)
            return True
    return False


def _writers(loop: scf.ForOp) -> dict[SSAValue, list[Operation]]:
    """For each array that the loop writes, the instructions that do."""
    writers: dict[SSAValue, list[Operation]] = {}
    for op in loop.walk():
        if isinstance(op, trn.Instruction):
            for view in op.written:
                writers.setdefault(root_of(view)[0], []).append(op)
    return writers


def _is_invariant(
    op: trn.Instruction, body: Block, writers: dict[SSAValue, list[Operation]]
) -> bool:
    for view in op.read:
        if root_of(view)[0] in writers:
            return False
    for view in op.written:
        root = root_of(view)[0]
        if writers[root] != [op] or not isinstance(root.owner, memref.AllocOp):
            return False
        if root.owner.parent is not body:
            return False
    operands = [*op.operands, *(value for view in op.views for value in view_op(view).operands)]
    return all(_is_movable(value, body) for value in operands)


def _is_movable(value: SSAValue, body: Block) -> bool:
    """Whether a value does not depend on the iteration: it can be computed before the loop."""
    owner = value.owner
    if isinstance(owner, Block):
        return not _is_inside(owner, body)
    if not _is_inside(owner.parent, body):
        return True
    if isinstance(owner, trn.Instruction | scf.ForOp | scf.IfOp):
        return False
    return all(_is_movable(operand, body) for operand in owner.operands)


def _is_inside(block: Block | None, body: Block) -> bool:
    while block is not None:
        if block is body:
            return True
        block = block.parent_block()
    return False


def _move_before(op: Operation, loop: scf.ForOp, body: Block) -> None:
    """Move an operation and all that it needs in front of the loop."""
    for operand in op.operands:
        owner = operand.owner
        if not isinstance(owner, Block) and owner.parent is body:
            _move_before(owner, loop, body)
    op.detach()
    parent = loop.parent
    assert parent is not None
    parent.insert_ops_before([op], loop)
