"""One form for integer sums: what is added to a contraction becomes what it starts from."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType

from .lift_index import IndexExpression, LoopVariable
from .lift_recurrence import Addends, build_sum, flatten_sum, is_sum, sum_addend
from .lift_rewrite import substitute
from .lift_simplify import apply
from .lift_terms import Apply, Reduction, Term, accumulator, constant, reduction


def normalise(term: Term) -> Term:
    """Return an equal term in which every integer sum with a contraction starts from the rest.

    ``bias + sum(a * b)`` becomes the contraction that starts from ``bias``; iterations that the
    program handles apart (the first, the last, one half) are joined with their contraction.
    """
    return _normalise(term, {})


def _normalise(term: Term, done: dict[Term, Term]) -> Term:
    if term not in done:
        done[term] = _sum(_inside(term, done))
    return done[term]


def _inside(term: Term, done: dict[Term, Term]) -> Term:
    match term:
        case Apply():
            operands = tuple(_normalise(operand, done) for operand in term.operands)
            return apply(term.operation, operands, term.type, term.properties)
        case Reduction():
            body, init = _normalise(term.body, done), _normalise(term.init, done)
            return reduction(term.variables, body, init)
        case _:
            return term


def _sum(term: Term) -> Term:
    if not isinstance(term.type, IntegerType):
        return term
    addends = flatten_sum(term)
    sums = [_signed(a, sign) for a, sign in addends if isinstance(a, Reduction) and is_sum(a)]
    if not sums:
        return term
    rest = [(a, sign) for a, sign in addends if not is_sum(a)]
    sums, rest = _joined(sums, rest)
    total: Term = build_sum(rest) if rest else constant(0, term.type)
    for part in sums:
        total = reduction(part.variables, part.body, total)
    return total


def _signed(term: Reduction, sign: int) -> Reduction:
    """Return the sum, or the sum of the negated addends."""
    addend = sum_addend(term)
    if sign > 0 or addend is None:
        return term
    zero = constant(0, term.type)
    return _summing(term.variables, apply(arith.SubiOp, (zero, addend), term.type))


def _summing(variables: tuple[LoopVariable, ...], addend: Term) -> Reduction:
    body = apply(arith.AddiOp, (accumulator(addend.type), addend), addend.type)
    total = reduction(variables, body, constant(0, addend.type))
    assert isinstance(total, Reduction)
    return total


def _joined(sums: list[Reduction], rest: Addends) -> tuple[list[Reduction], Addends]:
    """Join sums over adjacent ranges, and single addends that continue the range of a sum."""
    parts: list[Term] = [*sums, *(a for a, sign in rest if sign > 0)]
    progress = True
    while progress:
        progress = False
        for first in parts:
            for second in parts:
                if first is second or not isinstance(first, Reduction) or not is_sum(first):
                    continue
                longer = _extended(first, second)
                if longer is not None:
                    parts = [longer, *(p for p in parts if p is not first and p is not second)]
                    progress = True
                    break
            if progress:
                break
    kept = [p for p in parts if isinstance(p, Reduction) and is_sum(p)]
    single: Addends = [(p, 1) for p in parts if not is_sum(p)]
    return kept, [*single, *((a, sign) for a, sign in rest if sign < 0)]


def _extended(total: Reduction, part: Term) -> Reduction | None:
    """Return the sum whose outermost range also covers ``part``, if it is its continuation."""
    variable, *inner = total.variables
    addend = sum_addend(total)
    if addend is None or len(variable.uppers) != 1:
        return None
    slice_of = _summing(tuple(inner), addend) if inner else addend
    lower, upper = variable.lower, variable.uppers[0]
    if substitute(slice_of, {variable: lower - 1}) is part:
        return _over(total, variable, lower - 1, upper)
    if substitute(slice_of, {variable: upper}) is part:
        return _over(total, variable, lower, upper + 1)
    if not isinstance(part, Reduction) or len(part.variables) != len(total.variables):
        return None
    following = part.variables[0]
    if following.lower != upper or len(following.uppers) != 1:
        return None
    if _over(total, variable, following.lower, following.uppers[0], following) is not part:
        return None
    return _over(total, variable, lower, following.uppers[0])


def _over(
    total: Reduction,
    variable: LoopVariable,
    lower: IndexExpression,
    upper: IndexExpression,
    new: LoopVariable | None = None,
) -> Reduction:
    """Return the sum with its outermost variable ranging from ``lower`` to ``upper``."""
    longer = new or LoopVariable(variable.name, lower, (upper,))
    body = substitute(total.body, {variable: IndexExpression.of(longer)})
    result = reduction((longer, *total.variables[1:]), body, total.init)
    assert isinstance(result, Reduction)
    return result
