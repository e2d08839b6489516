"""Loop transformations that several passes share: strip-mining and permutation."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import func, scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from .index_math import IndexBuilder, name
from .kernel import erase_dead_arithmetic, iv_of, loop_name, refusal, set_loop_name
from .nests import erase, trip_count


def index_builder(function: func.FuncOp) -> IndexBuilder:
    """An index builder of ``function``; its insertion point is to be set."""
    entry = function.body.blocks[0]
    return IndexBuilder(entry, InsertPoint.at_start(entry))


def strip_mine(index: IndexBuilder, loop: scf.ForOp, size: int, outer_name: str) -> scf.ForOp:
    """Split ``loop`` into a loop over blocks of ``size`` iterations and one inside a block.

    The last block is shorter where ``size`` does not divide the trip count. Returns the loop over
    blocks; ``loop`` becomes the inner one and keeps its name.
    """
    count = trip_count(loop)
    if count is None:
        raise refusal(loop, "is not a loop from 0 to a constant")
    if size < 1:
        raise refusal(loop, f"the size of its blocks must be at least 1, got {size}")
    body = Block(arg_types=[IndexType()])
    index.at(InsertPoint.before(loop))
    blocks = index.constant(-(-count // size))
    outer = scf.ForOp(index.constant(0), blocks, index.constant(1), [], body)
    index.insert(outer)
    set_loop_name(outer, outer_name)
    loop.detach()
    body.add_ops([loop, scf.YieldOp()])
    index.at(InsertPoint.before(loop))
    first = name(index.mul(iv_of(outer), size), f"{loop_name(loop)}_start")
    rest = index.sub(index.constant(count), first)
    loop.operands[1] = index.minimum(index.constant(min(size, count)), rest)
    _substitute_variable(index, loop, first)
    return outer


def _substitute_variable(index: IndexBuilder, loop: scf.ForOp, first: SSAValue) -> None:
    """Let every use of the loop's variable read ``first + variable``."""
    variable = iv_of(loop)
    uses = list(variable.uses)
    index.at(InsertPoint.at_start(loop.body.block))
    whole = name(index.add(first, variable), f"{loop_name(loop)}_tile")
    if whole is variable:
        return
    for use in uses:
        use.operation.operands[use.index] = whole


def permute(index: IndexBuilder, band: Sequence[scf.ForOp], order: Sequence[scf.ForOp]) -> None:
    """Rebuild a perfect nest with its loops in another ``order``.

    Refuses where a bound depends on a loop that would no longer be outside. Whether the body allows
    the order is for the caller to check.
    """
    old = band[0]
    mapping: dict[SSAValue, SSAValue] = {}
    index.at(InsertPoint.before(old))
    for loop in order:
        upper = index.copy(loop.ub, mapping, old)
        body = Block([scf.YieldOp()], arg_types=[IndexType()])
        new = scf.ForOp(loop.lb, upper, loop.step, [], body)
        new.attributes.update(loop.attributes)
        index.insert(new)
        body.args[0].name_hint = iv_of(loop).name_hint
        mapping[iv_of(loop)] = body.args[0]
        assert body.last_op is not None
        index.at(InsertPoint.before(body.last_op))
    move_body(index, band[-1], mapping, old)
    erase(old)


def move_body(
    index: IndexBuilder, source: scf.ForOp, mapping: dict[SSAValue, SSAValue], old: Operation
) -> None:
    """Move the body of ``source`` to the insertion point and let it read the new variables."""
    moved = [op for op in source.body.block.ops if not isinstance(op, scf.YieldOp)]
    start = index.builder.insertion_point
    for op in moved:
        op.detach()
        index.insert(op)
    if moved:
        index.at(InsertPoint.before(moved[0]))
    for op in moved:
        for inner in op.walk():
            for position, operand in enumerate(inner.operands):
                inner.operands[position] = index.copy(operand, mapping, old)
    index.at(start)


def tidy(function: func.FuncOp) -> None:
    """Erase the arithmetic that a transformation left without use."""
    erase_dead_arithmetic(function)
