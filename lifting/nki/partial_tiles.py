"""Tiles of which a mask has left out the last partitions: their instructions leave them out too.

NKI computes on those partitions as well, and nobody may look at what it gets.
"""

from __future__ import annotations

from xdsl.ir import SSAValue

from ...dialects import trn
from ...dialects.trn.instruction import Instruction
from .emitter import Emitter
from .indexing import IndexingError

CROSSING = (
    trn.NcTransposeOp,
    trn.TensorPartitionReduceOp,
    trn.StreamShuffleOp,
    trn.LocalGatherOp,
    trn.SequenceBoundsOp,
)
"""Instructions whose results in a partition come from others."""


def leave_out(emitter: Emitter, op: Instruction) -> None:
    """Cut an instruction to the partitions that are filled in all its operands.

    Raises ``IndexingError`` for one that cannot be cut, such as a store of all partitions.
    """
    counts = [count for view in op.read if (count := _filled(emitter, view)) is not None]
    if counts:
        is_plain = isinstance(op, trn.EngineInstruction) and op.chosen_engine != trn.Engine.PE
        if not is_plain or isinstance(op, CROSSING) or min(counts) <= 0:
            raise IndexingError("reads partitions of a tile that a mask has left out")
        for place, operand in enumerate(op.operands):
            if isinstance(operand.type, trn.ViewType):
                op.operands[place] = emitter.shortened(operand, min(counts))
                _erase_unused(operand)
    for view in op.written:
        _note_written(emitter, view, min(counts, default=None))


def _filled(emitter: Emitter, view: SSAValue) -> int | None:
    """How many partitions of a view are filled, None if all are."""
    owner = view.owner
    assert isinstance(owner, trn.ViewOp)
    array = emitter.arrays.get(owner.source)
    if array is None or array.valid is None:
        return None
    first = owner.offset_list[0]
    count = array.valid - (first if isinstance(first, int) else array.valid)
    return count if count < (trn.view_of(view).partitions or 0) else None


def _note_written(emitter: Emitter, view: SSAValue, count: int | None) -> None:
    owner = view.owner
    assert isinstance(owner, trn.ViewOp)
    array = emitter.arrays.get(owner.source)
    if array is None:
        return
    first, size = owner.offset_list[0], trn.view_of(view).partitions or 0
    if count is not None:
        array.valid = count if first == 0 else 0
    elif array.valid is not None and (not isinstance(first, int) or first + size > array.valid):
        array.valid = None


def _erase_unused(view: SSAValue) -> None:
    owner = view.owner
    if isinstance(owner, trn.ViewOp) and not view.uses:
        owner.detach()
        owner.erase()
