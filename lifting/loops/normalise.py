"""One form for integer sums: what is added to a contraction becomes what it starts from."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType

from .index import IndexExpression, LoopVariable
from .recurrence import (
    Addends,
    build_sum,
    flatten_sum,
    is_sum,
    sum_addend,
    uses_accumulator,
)
from .rewrite import substitute
from .simplify import apply
from .terms import Apply, Constant, Reduction, Term, accumulator, constant, reduction, walk
from .unroll import rolled_together, straightened, summing


def normalise(term: Term) -> Term:
    """Return an equal term in which every integer sum with a contraction starts from the rest.

    ``bias + sum(a * b)`` becomes the contraction that starts from ``bias``; iterations that the
    program handles apart (the first, the last, one half) are joined with their contraction; a
    contraction in a narrow type becomes a wide one that is cut off. Constants, and what depends on
    the contraction itself, are added after it.
    """
    moved = _Normaliser(moves_bias=True).rewrite(term)
    kept = _Normaliser(moves_bias=False).rewrite(term)
    # A contraction that is also used without the bias would have to be computed twice.
    return moved if _contractions(moved) <= _contractions(kept) else kept


def _contractions(term: Term) -> int:
    return sum(isinstance(part, Reduction) for part in walk(term))


class _Normaliser:
    def __init__(self, *, moves_bias: bool) -> None:
        self.moves_bias = moves_bias
        self.done: dict[Term, Term] = {}

    def rewrite(self, term: Term) -> Term:
        if term not in self.done:
            self.done[term] = self._sum(self._inside(term))
        return self.done[term]

    def _inside(self, term: Term) -> Term:
        match term:
            case Apply():
                operands = tuple(self.rewrite(operand) for operand in term.operands)
                return apply(term.operation, operands, term.type, term.properties)
            case Reduction():
                return reduction(term.variables, self._body(term), self.rewrite(term.init))
            case _:
                return term

    def _body(self, term: Reduction) -> Term:
        """Return the rewritten body, in which what is added to the accumulator stays apart.

        A sum over an inner contraction must not start from the accumulator: it would take the
        accumulator of the inner one for it.
        """
        if (addend := sum_addend(term)) is None:
            return self.rewrite(term.body)
        total = (accumulator(addend.type), self.rewrite(addend))
        return apply(arith.AddiOp, total, addend.type)

    def _sum(self, term: Term) -> Term:
        if not isinstance(term.type, IntegerType):
            return term
        addends = [_positive(addend, sign) for addend, sign in flatten_sum(term)]
        added = [a for a, sign in addends if sign > 0 and isinstance(a, Reduction) and is_sum(a)]
        taken = [a for a, sign in addends if sign < 0 and isinstance(a, Reduction) and is_sum(a)]
        if not added and not taken:
            return term
        added, rest = _joined(added, [(a, sign) for a, sign in addends if not is_sum(a)])
        if (wide := _widened(added)) is not None and not taken:
            total = self.rewrite(wide)
            return apply(arith.AddiOp, (total, build_sum(rest)), term.type) if rest else total
        starts = [(a, sign) for a, sign in rest if self._is_start(a, added)]
        after = [addend for addend in rest if addend not in starts]
        total = build_sum(starts) if starts else constant(0, term.type)
        for part in added:
            total = reduction(part.variables, part.body, total)
        subtracted: Addends = [(part, -1) for part in _joined(taken, [])[0]]
        return build_sum([(total, 1), *after, *subtracted])

    def _is_start(self, addend: Term, sums: list[Reduction]) -> bool:
        """Return whether the addend belongs to what the contractions start from."""
        if isinstance(addend, Constant) or not sums or uses_accumulator(addend):
            return False
        # A start that varies along more loops would have the sum repeated along them.
        covered = all(addend.free <= part.free for part in sums)
        return self.moves_bias and covered and _contractions(addend) == 0


def _positive(addend: Term, sign: int) -> tuple[Term, int]:
    """Return a sum of subtracted terms as a subtracted sum."""
    if not isinstance(addend, Reduction) or (part := sum_addend(addend)) is None:
        return addend, sign
    terms = flatten_sum(part)
    if any(own > 0 for _, own in terms):
        return addend, sign
    opposite = build_sum([(term, -own) for term, own in terms])
    return summing(addend.variables, opposite, constant(0, addend.type)), -sign


def _widened(sums: list[Reduction]) -> Term | None:
    """Return a sum of truncated addends as the truncation of the sum of the whole addends."""
    if len(sums) != 1:
        return None
    addend = sum_addend(sums[0])
    if not (isinstance(addend, Apply) and addend.operation is arith.TruncIOp):
        return None
    (wide,) = addend.operands
    total = summing(sums[0].variables, wide, constant(0, wide.type))
    return apply(arith.TruncIOp, (total,), addend.type)


def _joined(sums: list[Reduction], rest: Addends) -> tuple[list[Reduction], Addends]:
    """Join sums over adjacent ranges, and single addends that continue the range of a sum."""
    parts: list[Term] = [*map(straightened, sums), *(a for a, sign in rest if sign > 0)]
    while (joined := _join_one(parts)) is not None:
        parts = joined
    kept = [p for p in parts if isinstance(p, Reduction) and is_sum(p)]
    single: Addends = [(p, 1) for p in parts if not is_sum(p)]
    return kept, [*single, *((a, sign) for a, sign in rest if sign < 0)]


def _join_one(parts: list[Term]) -> list[Term] | None:
    for first in parts:
        for second in parts:
            if first is second or not isinstance(first, Reduction) or not is_sum(first):
                continue
            longer = _extended(first, second)
            if longer is None and isinstance(second, Reduction) and is_sum(second):
                longer = rolled_together(first, second)
            if longer is not None:
                return [longer, *(p for p in parts if p is not first and p is not second)]
    return None


def _extended(total: Reduction, part: Term) -> Reduction | None:
    """Return the sum whose outermost range also covers ``part``, if it is its continuation."""
    variable, *inner = total.variables
    addend = sum_addend(total)
    if addend is None or len(variable.uppers) != 1:
        return None
    single = summing(tuple(inner), addend, constant(0, addend.type)) if inner else addend
    lower, upper = variable.lower, variable.uppers[0]
    if substitute(single, {variable: lower - 1}) is part:
        return _over(total, variable, lower - 1, upper)
    if substitute(single, {variable: upper}) is part:
        return _over(total, variable, lower, upper + 1)
    if not isinstance(part, Reduction) or len(part.variables) != len(total.variables):
        return None
    following = part.variables[0]
    if following.lower != upper or len(following.uppers) != 1:
        return None
    if _with_variable(total, variable, following) is not part:
        return None
    return _over(total, variable, lower, following.uppers[0])


def _over(
    total: Reduction, variable: LoopVariable, lower: IndexExpression, upper: IndexExpression
) -> Reduction:
    """Return the sum with its outermost variable ranging from ``lower`` to ``upper``."""
    return _with_variable(total, variable, LoopVariable(variable.name, lower, (upper,)))


def _with_variable(total: Reduction, old: LoopVariable, new: LoopVariable) -> Reduction:
    body = substitute(total.body, {old: IndexExpression.of(new)})
    result = reduction((new, *total.variables[1:]), body, total.init)
    assert isinstance(result, Reduction)
    return result
