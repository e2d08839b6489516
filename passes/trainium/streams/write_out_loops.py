"""Writes out the loops of a tile program that keep its streams from being regular.

A regular program has loops of constant bounds and no conditions: how many instructions come before
one is then an affine function of the loops' counters.
"""

from __future__ import annotations

from xdsl.dialects import func, scf
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ....hw.lanes import Scope, evaluate
from ..tensor_functions import index_constant_op

MAX_OPERATIONS = 1 << 15
"""Of a program whose loops are written out."""


def write_out_irregular_loops(function: func.FuncOp) -> None:
    """Leave no conditions, no loops whose bounds are not numbers, and none of one iteration.

    Raises ``PassFailedException`` for a condition or bound that is computed from data, and for
    programs that become longer than ``MAX_OPERATIONS``.
    """
    for loop in [op for op in function.walk() if isinstance(op, scf.ForOp)]:
        bounds = bounds_of(loop)
        if loop.iter_args:
            raise PassFailedException(f"a loop that carries values: {_first_line(loop)}")
        if bounds is not None and bounds[2] < 2:
            _write_out(loop)
    while (found := _irregular(function)) is not None:
        loop = _outermost(_loops_behind(_control(found)))
        if loop is None:
            if isinstance(found, scf.ForOp):
                raise PassFailedException(f"a loop of unknown bounds: {_first_line(found)}")
            _decide(found)
        else:
            _write_out(loop)
        if sum(1 for _ in function.walk()) > MAX_OPERATIONS:
            raise PassFailedException(
                f"written out, the program has more than {MAX_OPERATIONS} operations"
            )


def bounds_of(loop: scf.ForOp) -> tuple[int, int, int] | None:
    """First value, step and number of iterations of a loop, None if they are not numbers."""
    lower, upper, step = (constant_value(bound) for bound in (loop.lb, loop.ub, loop.step))
    if lower is None or upper is None or step is None or step <= 0:
        return None
    return lower, step, max(0, -(-(upper - lower) // step))


def constant_value(value: SSAValue) -> int | None:
    """The integer that a value always is, None if that depends on a loop or on data."""
    owner = value.owner
    if isinstance(owner, Block):
        return None
    scope = Scope(1)
    for operand in owner.operands:
        number = constant_value(operand)
        if number is None:
            return None
        scope.values[operand] = number
    try:
        found = evaluate(owner, scope)
    except ZeroDivisionError as error:
        raise PassFailedException(f"{error}: {_first_line(owner)}") from error
    return found if isinstance(found, int) else None


def _irregular(function: func.FuncOp) -> scf.ForOp | scf.IfOp | None:
    for op in function.walk():
        if isinstance(op, scf.IfOp) or (isinstance(op, scf.ForOp) and bounds_of(op) is None):
            return op
    return None


def _control(op: scf.ForOp | scf.IfOp) -> list[SSAValue]:
    return [op.cond] if isinstance(op, scf.IfOp) else [op.lb, op.ub, op.step]


def _loops_behind(values: list[SSAValue]) -> list[scf.ForOp]:
    """The loops whose counters some values depend on."""
    found: dict[scf.ForOp, None] = {}
    pending, seen = list(values), set[SSAValue]()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        owner = value.owner
        if not isinstance(owner, Block):
            pending.extend(owner.operands)
        elif isinstance(loop := owner.parent_op(), scf.ForOp):
            found[loop] = None
    return list(found)


def _outermost(loops: list[scf.ForOp]) -> scf.ForOp | None:
    """A loop that is in none of the others; one whose own bounds are known."""
    known = [loop for loop in loops if bounds_of(loop) is not None]
    return min(known, key=_depth, default=None)


def _depth(op: Operation) -> int:
    parent = op.parent_op()
    return 0 if parent is None else 1 + _depth(parent)


def _write_out(loop: scf.ForOp) -> None:
    bounds = bounds_of(loop)
    assert bounds is not None
    lower, step, trips = bounds
    rewriter = Rewriter()
    for number in range(trips):
        constant = index_constant_op(lower + number * step)
        rewriter.insert_op(constant, InsertPoint.before(loop))
        body = loop.clone().body.block if number + 1 < trips else loop.body.block
        body.args[0].replace_all_uses_with(constant.result)
        for op in list(body.ops):
            if not isinstance(op, scf.YieldOp):
                op.detach()
                rewriter.insert_op(op, InsertPoint.before(loop))
    loop.detach()
    loop.erase(safe_erase=False)


def _decide(branch: scf.IfOp) -> None:
    """Keep the region of a condition that is always taken."""
    taken = constant_value(branch.cond)
    if taken is None or branch.results:
        raise PassFailedException(f"a condition that is not known: {_first_line(branch)}")
    region = branch.true_region if taken else branch.false_region
    if region.blocks:
        for op in list(region.block.ops):
            if not isinstance(op, scf.YieldOp):
                op.detach()
                Rewriter().insert_op(op, InsertPoint.before(branch))
    branch.detach()
    branch.erase(safe_erase=False)


def _first_line(op: Operation) -> str:
    return str(op).split("\n", 1)[0]
