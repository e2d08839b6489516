"""Recognition of reductions: a cell that each iteration updates from its own previous value."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Operation

from .index import LoopVariable
from .simplify import apply
from .terms import (
    Accumulator,
    Apply,
    Constant,
    Read,
    Reduction,
    Term,
    accumulator,
    constant,
    reduction,
    walk,
)

Addends = list[tuple[Term, int]]
"""Terms of a sum with their signs."""

MOST_ADDENDS = 4096


def recognise_reduction(value: Term, cell: Read, variable: LoopVariable) -> Term | None:
    """Return what ``cell`` holds after the loop over ``variable`` sets it to ``value`` each time.

    ``cell`` is the content before an iteration and becomes the content before the loop. Integer
    sums may be reordered (addition modulo 2^width is associative); everything else keeps the order
    of the program. ``None`` if the update has no such form.
    """
    if value is cell:
        return cell
    value = _guarded_inside(value, cell)
    if isinstance(value, Reduction) and value.init is cell:
        if cell in walk(value.body):
            return None
        return reduction((variable, *value.variables), value.body, cell)
    if isinstance(value.type, IntegerType):
        addend = _addend(value, cell)
        if addend is not None:
            return _summed(addend, cell, variable)
    return _folded(value, cell, variable)


def _guarded_inside(value: Term, cell: Read) -> Term:
    """Return ``c ? reduction from cell : cell`` as a reduction each of whose steps asks ``c``."""
    if not (isinstance(value, Apply) and value.operation is arith.SelectOp):
        return value
    condition, *arms = value.operands
    inner = [_guarded_inside(arm, cell) for arm in arms]
    loop = next((a for a in inner if isinstance(a, Reduction) and a.init is cell), None)
    if loop is None or cell not in arms or cell in walk(condition) or cell in walk(loop.body):
        return value

    def choice(step: Term, unchanged: Term) -> Term:
        chosen = tuple(step if arm is loop else unchanged for arm in inner)
        return apply(arith.SelectOp, (condition, *chosen), cell.type)

    kept = accumulator(cell.type)
    if (addend := sum_addend(loop)) is not None:
        body = apply(arith.AddiOp, (kept, choice(addend, constant(0, cell.type))), cell.type)
    else:
        body = guarded_by_neutral(choice(loop.body, kept))
    return reduction(loop.variables, body, cell)


def _summed(addend: Term, init: Term, variable: LoopVariable) -> Term:
    """Return ``init`` plus the sum of ``addend`` over ``variable``; nested sums become one."""
    if is_sum(addend) and isinstance(addend, Reduction) and is_zero(addend.init):
        return reduction((variable, *addend.variables), addend.body, init)
    body = apply(arith.AddiOp, (accumulator(init.type), addend), init.type)
    return reduction((variable,), body, init)


def _addend(value: Term, cell: Read) -> Term | None:
    """Return ``t`` if ``value`` is ``cell + t``, where ``t`` does not depend on the cell."""
    if (
        isinstance(value, Apply)
        and value.operation is arith.TruncIOp
        and isinstance(cell.type, IntegerType)
    ):
        return _narrow_addend(value, cell)
    if (chosen := _chosen_addend(value, cell)) is not None:
        return chosen
    addends = flatten_sum(value)
    own = [sign for term, sign in addends if term is cell]
    others = [(term, sign) for term, sign in addends if term is not cell]
    if own != [1] or any(cell in walk(term) for term, _ in others):
        return None
    return build_sum(others)


def _chosen_addend(value: Term, cell: Read) -> Term | None:
    """Return ``c ? t : 0`` for a cell that is increased by ``t`` only if ``c`` holds."""
    if not (isinstance(value, Apply) and value.operation is arith.SelectOp):
        return None
    condition, *arms = value.operands
    zero = constant(0, value.type)
    addends = [zero if arm is cell else _addend(arm, cell) for arm in arms]
    if addends[0] is None or addends[1] is None or cell in walk(condition):
        return None
    return apply(arith.SelectOp, (condition, addends[0], addends[1]), value.type)


def _narrow_addend(value: Apply, cell: Read) -> Term | None:
    """Return ``t`` for ``trunc(extend(cell) + wide)``: C adds in ``int``, stores the low bits."""
    addends = flatten_sum(value.operands[0])
    own = [s for term, s in addends if _is_extension_of(term, cell)]
    others = [(term, s) for term, s in addends if not _is_extension_of(term, cell)]
    if own != [1] or not others or any(cell in walk(term) for term, _ in others):
        return None
    return apply(arith.TruncIOp, (build_sum(others),), cell.type)


def _is_extension_of(term: Term, cell: Read) -> bool:
    return (
        isinstance(term, Apply)
        and term.operation in (arith.ExtSIOp, arith.ExtUIOp)
        and term.operands[0] is cell
    )


def _folded(value: Term, cell: Read, variable: LoopVariable) -> Term | None:
    """Return the reduction whose body is ``value`` itself, in the order of the program."""
    body = guarded_by_neutral(_with_accumulator(_as_addition(value, cell), cell, {}))
    return None if cell in walk(body) else reduction((variable,), body, cell)


def _as_addition(value: Term, cell: Read) -> Term:
    """Return ``cell - x`` of floats as ``cell + -x``, which is the same number."""
    if isinstance(value, Apply) and value.operation is arith.SubfOp and value.operands[0] is cell:
        added = cell, apply(arith.NegfOp, value.operands[1:], value.type)
        return apply(arith.AddfOp, added, value.type, value.properties)
    return value


def guarded_by_neutral(body: Term) -> Term:
    """Return ``c ? max(acc, x) : acc`` as ``max(acc, c ? x : lowest)``, and likewise for minima."""
    if not (isinstance(body, Apply) and body.operation is arith.SelectOp):
        return body
    condition, *arms = body.operands
    if len([arm for arm in arms if isinstance(arm, Accumulator)]) != 1:
        return body
    kept = next(arm for arm in arms if isinstance(arm, Accumulator))
    step = guarded_by_neutral(next(arm for arm in arms if arm is not kept))
    if not isinstance(step, Apply) or (neutral := _neutral(step)) is None:
        return body
    others = [operand for operand in step.operands if operand is not kept]
    if len(others) != 1 or uses_accumulator(others[0]) or uses_accumulator(condition):
        return body
    chosen = tuple(neutral if arm is kept else others[0] for arm in arms)
    value = apply(arith.SelectOp, (condition, *chosen), body.type)
    return apply(step.operation, (kept, value), body.type)


def _neutral(step: Apply) -> Term | None:
    """Return the number that an operation leaves the accumulator alone with."""
    if not isinstance(step.type, IntegerType):
        return None
    width = step.type.width.data
    limits: dict[type[Operation], int] = {
        arith.MaxSIOp: -(1 << (width - 1)),
        arith.MinSIOp: (1 << (width - 1)) - 1,
        arith.MaxUIOp: 0,
        arith.MinUIOp: -1,
    }
    number = limits.get(step.operation)
    return None if number is None else constant(number, step.type)


def _with_accumulator(term: Term, cell: Read, done: dict[Term, Term]) -> Term:
    """Return the term with the accumulator in place of the cell, except inside inner reductions."""
    if term is cell:
        return accumulator(cell.type)
    if not isinstance(term, Apply):
        return term
    if term not in done:
        operands = tuple(_with_accumulator(operand, cell, done) for operand in term.operands)
        done[term] = apply(term.operation, operands, term.type, term.properties)
    return done[term]


def flatten_sum(term: Term, sign: int = 1) -> Addends:
    """Return the addends of an integer sum; a summing reduction counts as its sum and its init.

    A sum of more than ``MOST_ADDENDS`` addends is left whole: where it shares parts with itself,
    such as ``x + x`` again and again, it would grow without limit.
    """
    addends: Addends = []
    pending: Addends = [(term, sign)]
    while pending:
        if len(addends) + len(pending) > MOST_ADDENDS:
            return [(term, sign)]
        current, own = pending.pop()
        match current:
            case Apply(operation=arith.AddiOp, operands=(left, right)):
                pending += [(right, own), (left, own)]
            case Apply(operation=arith.SubiOp, operands=(left, right)):
                pending += [(right, -own), (left, own)]
            case Reduction() if is_sum(current) and not is_zero(current.init):
                alone = reduction(current.variables, current.body, constant(0, current.type))
                pending.append((current.init, own))
                addends.append((alone, own))
            case _ if not is_zero(current):
                addends.append((current, own))
            case _:
                continue
    return addends


def build_sum(addends: Addends) -> Term:
    """Return the sum of the addends (at least one): the added ones, then the subtracted ones."""
    type = addends[0][0].type
    total: Term = constant(0, type)
    for term, sign in sorted(addends, key=lambda addend: addend[1] < 0):
        if sign > 0:
            total = apply(arith.AddiOp, (total, term), type)
        else:
            total = apply(arith.SubiOp, (total, term), type)
    return total


def is_zero(term: Term) -> bool:
    """Return whether the term is the integer 0."""
    return isinstance(term, Constant) and isinstance(term.type, IntegerType) and term.value == 0


def is_sum(term: Term) -> bool:
    """Return whether the term is a reduction that adds integers to its accumulator."""
    return isinstance(term, Reduction) and sum_addend(term) is not None


def sum_addend(term: Reduction) -> Term | None:
    """Return what a reduction of integers adds in each iteration; ``None`` if it does not add."""
    body = term.body
    if not (isinstance(body, Apply) and body.operation is arith.AddiOp):
        return None
    left, right = body.operands
    if isinstance(left, Accumulator) and not uses_accumulator(right):
        return right
    return None


def uses_accumulator(term: Term) -> bool:
    """Return whether the accumulator of this reduction (not of an inner one) occurs."""
    seen: set[Term] = set()
    stack = [term]
    while stack:
        current = stack.pop()
        if isinstance(current, Accumulator):
            return True
        if isinstance(current, Apply) and current not in seen:
            seen.add(current)
            stack.extend(current.operands)
        if isinstance(current, Reduction):
            stack.append(current.init)
    return False
