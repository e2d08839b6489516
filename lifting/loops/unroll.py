"""Integer sums whose loops were unrolled by hand or run downwards, brought to plain loops."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.ir import Attribute

from .index import IndexExpression, LoopVariable
from .recurrence import flatten_sum, sum_addend
from .rewrite import substitute
from .simplify import apply
from .terms import (
    Apply,
    IndexValue,
    Read,
    Reduction,
    Term,
    accumulator,
    constant,
    index_value,
    read,
    reduction,
    walk,
)


def summing(variables: tuple[LoopVariable, ...], addend: Term, init: Term) -> Reduction:
    """Return ``init`` plus the sum of ``addend`` over ``variables``."""
    body = apply(arith.AddiOp, (accumulator(addend.type), addend), addend.type)
    total = reduction(variables, body, init)
    assert isinstance(total, Reduction)
    return total


def straightened(total: Reduction) -> Reduction:
    """Return an equal sum with unrolled loops rolled up and downward loops turned upward."""
    for variable in total.variables:
        total = _rolled(total, variable)
    for variable in total.variables:
        total = _upward(total, variable)
    return total


def rolled_together(first: Reduction, second: Reduction) -> Reduction | None:
    """Return one sum for two that take turns over the same elements (even and odd, say)."""
    left, right = sum_addend(first), sum_addend(second)
    if left is None or right is None or _ranges(first) != _ranges(second):
        return None
    pairs = zip(second.variables, first.variables, strict=True)
    right = substitute(right, {old: IndexExpression.of(new) for old, new in pairs})
    both = apply(arith.AddiOp, (left, right), left.type)
    zero = constant(0, left.type)
    together = summing(first.variables, both, zero)
    rolled = straightened(together)
    return rolled if rolled.variables != together.variables else None


def _ranges(total: Reduction) -> list[tuple[IndexExpression, tuple[IndexExpression, ...]]]:
    return [(variable.lower, variable.uppers) for variable in total.variables]


def _rolled(total: Reduction, variable: LoopVariable) -> Reduction:
    """Undo an unrolling: the addends are one term at ``count`` consecutive values."""
    addend = sum_addend(total)
    if addend is None or variable.lower.constant != 0 or len(variable.uppers) != 1:
        return total
    addends = flatten_sum(addend)
    count = len(addends)
    if count < 2 or any(sign < 0 for _, sign in addends):
        return total
    whole = LoopVariable(variable.name, IndexExpression.of(0), (variable.uppers[0] * count,))
    parts = [term for term, _ in addends]
    for first in parts:
        element = _stretched(first, variable, whole, count)
        if element is None:
            return total
        base = IndexExpression.of(variable) * count
        expected = {substitute(element, {whole: base + step}) for step in range(count)}
        if expected == set(parts):
            variables = tuple(whole if v is variable else v for v in total.variables)
            return summing(variables, element, total.init)
    return total


def _stretched(term: Term, variable: LoopVariable, whole: LoopVariable, count: int) -> Term | None:
    """Return the term with ``count * variable`` replaced by ``whole``; ``None`` if it is not so."""
    if any(isinstance(part, Reduction) for part in walk(term)):
        return None
    return Stretch(variable, whole, count).term(term)


class Stretch:
    """Replaces ``count * variable`` by ``whole``; gives ``None`` for what is not made of it."""

    def __init__(self, variable: LoopVariable, whole: LoopVariable, count: int) -> None:
        self.variable, self.whole, self.count = variable, whole, count

    def term(self, term: Term) -> Term | None:
        """Return the term over ``whole``."""
        if self.variable not in term.free:
            return term
        match term:
            case Read():
                indices = [self.index(index) for index in term.indices]
                known = tuple(index for index in indices if index is not None)
                if len(known) < len(indices):
                    return None
                return read(term.array, known, term.depth, term.type)
            case IndexValue():
                index = self.index(term.expression)
                return None if index is None else index_value(index, term.type)
            case Apply():
                return self._application(term, term.type)
            case Reduction():
                return self._reduction(term)
            case _:
                return None

    def _application(self, term: Apply, type: Attribute) -> Term | None:
        operands = [self.term(operand) for operand in term.operands]
        known = tuple(operand for operand in operands if operand is not None)
        if len(known) < len(operands):
            return None
        return apply(term.operation, known, type, term.properties)

    def _reduction(self, term: Reduction) -> Term | None:
        if any(self.variable in inner.range_variables() for inner in term.variables):
            return None
        body, init = self.term(term.body), self.term(term.init)
        return None if body is None or init is None else reduction(term.variables, body, init)

    def index(self, index: IndexExpression) -> IndexExpression | None:
        """Return the subscript over ``whole``."""
        parts = index.split(self.variable)
        if parts is None or any(c % self.count for _, c in parts[0].terms):
            return None
        factor = IndexExpression(tuple((m, c // self.count) for m, c in parts[0].terms))
        return factor * IndexExpression.of(self.whole) + parts[1]


def _upward(total: Reduction, variable: LoopVariable) -> Reduction:
    """Turn a loop whose variable is only ever subtracted."""
    if len(variable.uppers) != 1 or any(variable in v.range_variables() for v in total.variables):
        return total
    last = variable.uppers[0] - 1 + variable.lower
    turned = {variable: last - IndexExpression.of(variable)}
    body = substitute(total.body, turned)
    if not _is_only_subtracted(total.body, variable) and not (
        _starts_late(total.body) and not _starts_late(body)
    ):
        return total
    result = reduction(total.variables, body, total.init)
    assert isinstance(result, Reduction)
    return result


def _starts_late(body: Term) -> bool:
    """Return whether a subscript is a size plus and minus loops, such as ``i + n - k``."""
    for index in (i for part in walk(body) if isinstance(part, Read) for i in part.indices):
        signs = {c > 0 for m, c in index.terms if any(isinstance(s, LoopVariable) for s in m)}
        if len(signs) == 2 and index.symbols - index.variables:
            return True
    return False


def _is_only_subtracted(body: Term, variable: LoopVariable) -> bool:
    found = False
    for part in walk(body):
        if isinstance(part, IndexValue) and variable in part.free:
            return False
        if isinstance(part, Reduction) and variable in part.free:
            return False
        if not isinstance(part, Read):
            continue
        for index in part.indices:
            if variable not in index.symbols:
                continue
            parts = index.split(variable)
            if parts is None or any(coefficient > 0 for _, coefficient in parts[0].terms):
                return False
            found = True
    return found
