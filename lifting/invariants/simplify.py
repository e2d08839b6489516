"""Terms in simple form: constants folded, indices as sums, conditions without detours.

Every rule is an identity of machine arithmetic (indices wrap modulo 2^64), so that a simplified
term may stand for the other in proofs as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, IntegerType, i1, i64
from xdsl.ir import Attribute, Operation

from ...validation.extract.pure_operations import PREDICATES
from .terms import (
    INDEX,
    Apply,
    Carried,
    Constant,
    Element,
    Fold,
    Properties,
    Recurrence,
    Same,
    Symbol,
    Term,
    carried,
    children,
    element,
    raw_apply,
    raw_constant,
    raw_fold,
    recurrence,
    same,
    walk,
    with_children,
)

Sum = dict[Term, int]
"""Addends of an index with their coefficients; ``ONE`` is the constant."""


def width(type: Attribute) -> int:
    """Bits of an integer type; ``index`` has 64."""
    return type.width.data if isinstance(type, IntegerType) else 64


def is_integer(type: Attribute) -> bool:
    return isinstance(type, IntegerType | IndexType)


def wrap(value: int, type: Attribute) -> int:
    """The number modulo 2^width, as a signed one."""
    bits = width(type)
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def constant(value: int | float, type: Attribute) -> Constant:
    """The number; integers wrap to the range of their type."""
    if is_integer(type):
        return raw_constant(wrap(int(value), type), type)
    return raw_constant(float(value), type)


TRUE, FALSE = constant(1, i1), constant(0, i1)
ONE = constant(1, INDEX)


def index(value: int) -> Constant:
    return constant(value, INDEX)


def apply(
    operation: type[Operation],
    operands: Sequence[Term],
    type: Attribute,
    properties: Properties = (),
) -> Term:
    """The operation on the operands, in simple form."""
    parts = tuple(operands)
    if operation in (arith.AddiOp, arith.SubiOp, arith.MuliOp) and type == INDEX:
        return _sum_term(_linear(raw_apply(operation, parts, type)))
    rule = _RULES.get(operation)
    if rule is not None and (simple := rule(parts, type, properties)) is not None:
        return simple
    return raw_apply(operation, parts, type, properties)


def add(left: Term, right: Term | int) -> Term:
    """The sum of two indices."""
    right = index(right) if isinstance(right, int) else right
    return apply(arith.AddiOp, (left, right), INDEX)


def subtract(left: Term, right: Term | int) -> Term:
    """The difference of two indices."""
    right = index(right) if isinstance(right, int) else right
    return apply(arith.SubiOp, (left, right), INDEX)


def compare(predicate: str, left: Term, right: Term) -> Term:
    """``arith.cmpi`` with the predicate of that name."""
    number = IntegerAttr(PREDICATES.index(predicate), i64)
    return apply(arith.CmpiOp, (left, right), i1, (("predicate", number),))


def both(left: Term, right: Term) -> Term:
    return apply(arith.AndIOp, (left, right), i1)


def negate(condition: Term) -> Term:
    return apply(arith.XOrIOp, (condition, TRUE), i1)


def select(condition: Term, then: Term, otherwise: Term) -> Term:
    return apply(arith.SelectOp, (condition, then, otherwise), then.type)


def offset(term: Term, other: Term) -> int | None:
    """The number ``term - other`` of two indices; ``None`` if it is no number."""
    rest = _linear(subtract(term, other))
    return rest.get(ONE, 0) if set(rest) <= {ONE} else None


def _linear(term: Term) -> Sum:
    match term:
        case Constant(value=int(value)):
            return {ONE: value} if value else {}
        case Apply(operation=arith.AddiOp, operands=(left, right)):
            return _combined(_linear(left), _linear(right), 1)
        case Apply(operation=arith.SubiOp, operands=(left, right)):
            return _combined(_linear(left), _linear(right), -1)
        case Apply(operation=arith.MuliOp, operands=(left, right)):
            return _product(_linear(left), _linear(right), term)
        case _:
            return {term: 1}


def _combined(left: Sum, right: Sum, sign: int) -> Sum:
    total = dict(left)
    for atom, factor in right.items():
        total[atom] = total.get(atom, 0) + sign * factor
    return {atom: factor for atom, factor in total.items() if factor}


def _product(left: Sum, right: Sum, whole: Term) -> Sum:
    for factor, other in ((left, right), (right, left)):
        if set(factor) <= {ONE}:
            number = factor.get(ONE, 0)
            return {atom: number * value for atom, value in other.items() if number}
    assert isinstance(whole, Apply)
    ordered = sorted((_sum_term(left), _sum_term(right)), key=lambda part: part.serial)
    return {raw_apply(arith.MuliOp, tuple(ordered), INDEX): 1}


def _sum_term(addends: Sum) -> Term:
    """The sum as one term: atoms in the order in which they were made, the constant last."""
    total: Term | None = None
    ordered = sorted(addends.items(), key=lambda part: (part[0] is ONE, part[0].serial))
    positive_first = sorted(ordered, key=lambda part: part[1] < 0 or part[0] is ONE)
    for atom, factor in positive_first:
        size = abs(factor)
        scaled = atom if size == 1 else raw_apply(arith.MuliOp, (atom, index(size)), INDEX)
        if atom is ONE:
            scaled = index(size)
        if total is None:
            total = scaled if factor > 0 else _negative(atom, factor)
        else:
            operation = arith.AddiOp if factor > 0 else arith.SubiOp
            total = raw_apply(operation, (total, scaled), INDEX)
    return index(0) if total is None else total


def _negative(atom: Term, factor: int) -> Term:
    if atom is ONE:
        return index(factor)
    return raw_apply(arith.MuliOp, (atom, index(factor)), INDEX)


def _compared(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    left, right = parts
    predicate = dict(properties)["predicate"]
    assert isinstance(predicate, IntegerAttr)
    name = PREDICATES[predicate.value.data]
    if left is right:
        return TRUE if name in ("eq", "sle", "sge", "ule", "uge") else FALSE
    if isinstance(left, Constant) and isinstance(right, Constant):
        return _compared_numbers(name, int(left.value), int(right.value), width(left.type))
    if name in ("eq", "ne") and left.type == INDEX and offset(left, right):
        return FALSE if name == "eq" else TRUE
    if isinstance(right, Constant) and right.value == 0 and (bit := _widened_bit(left)):
        if name == "ne":
            return bit
        if name == "eq":
            return negate(bit)
    return None


def _widened_bit(term: Term) -> Term | None:
    """The ``i1`` of which ``term`` is the extension, or a choice of 1 or 0."""
    match term:
        case Apply(operation=arith.ExtUIOp, operands=(bit,)) if bit.type == i1:
            return bit
        case Apply(operation=arith.SelectOp, operands=(bit, Constant(value=1), Constant(value=0))):
            return bit
        case _:
            return None


def _compared_numbers(name: str, left: int, right: int, bits: int) -> Term:
    if name.startswith("u"):
        left, right = left % (1 << bits), right % (1 << bits)
    rules: Mapping[str, bool] = {
        "eq": left == right,
        "ne": left != right,
        "lt": left < right,
        "le": left <= right,
        "gt": left > right,
        "ge": left >= right,
    }
    return TRUE if rules[name if name in rules else name[1:]] else FALSE


def _selected(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    condition, then, otherwise = parts
    if condition is TRUE or then is otherwise:
        return then
    if condition is FALSE:
        return otherwise
    if type == i1 and then is TRUE and otherwise is FALSE:
        return condition
    if _is_choice(then) and children(then)[0] is condition:
        return select(condition, children(then)[1], otherwise)
    if _is_choice(otherwise) and children(otherwise)[0] is condition:
        return select(condition, then, children(otherwise)[2])
    if (opposite := _negated(condition)) is not None:
        return select(opposite, otherwise, then)
    return None


def _is_choice(term: Term) -> bool:
    return isinstance(term, Apply) and term.operation is arith.SelectOp


def _negated(term: Term) -> Term | None:
    match term:
        case Apply(operation=arith.XOrIOp, operands=(left, right)) if right is TRUE:
            return left
        case _:
            return None


def _conjunction(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    left, right = parts
    if left is right or (right is TRUE and type == i1):
        return left
    if left is TRUE and type == i1:
        return right
    if type == i1 and FALSE in parts:
        return FALSE
    return None


def _disjunction(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    left, right = parts
    if left is right or right is FALSE:
        return left
    if left is FALSE:
        return right
    if type == i1 and TRUE in parts:
        return TRUE
    return None


def _exclusive(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    left, right = parts
    if type != i1:
        return None
    if isinstance(left, Constant) and isinstance(right, Constant):
        return TRUE if left.value != right.value else FALSE
    if left is TRUE:
        left, right = right, left
    if right is FALSE:
        return left
    if right is TRUE and (opposite := _negated(left)) is not None:
        return opposite
    return None


def _converted(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    (part,) = parts
    if part.type == type:
        return part
    if isinstance(part, Constant):
        return constant(part.value, type)
    if isinstance(part, Apply) and part.operation in (arith.ExtSIOp, arith.IndexCastOp):
        (inner,) = part.operands
        if inner.type == type and width(type) <= width(part.type):
            return inner
    return None


def _extended(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    (part,) = parts
    if isinstance(part, Constant):
        return constant(int(part.value) % (1 << width(part.type)), type)
    return None


def _integer(rule: Callable[[int, int], int], neutral: int | None) -> Callable[..., Term | None]:
    def fold(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
        left, right = parts
        if isinstance(left, Constant) and isinstance(right, Constant):
            return constant(rule(int(left.value), int(right.value)), type)
        if isinstance(right, Constant) and right.value == neutral:
            return left
        return None

    return fold


def _added(parts: tuple[Term, ...], type: Attribute, properties: Properties) -> Term | None:
    left, right = parts
    if isinstance(left, Constant) and left.value == 0:
        return right
    return _integer(lambda a, b: a + b, 0)(parts, type, properties)


_RULES: dict[type[Operation], Callable[..., Term | None]] = {
    arith.CmpiOp: _compared,
    arith.SelectOp: _selected,
    arith.AndIOp: _conjunction,
    arith.OrIOp: _disjunction,
    arith.XOrIOp: _exclusive,
    arith.ExtSIOp: _converted,
    arith.IndexCastOp: _converted,
    arith.TruncIOp: _converted,
    arith.ExtUIOp: _extended,
    arith.AddiOp: _added,
    arith.SubiOp: _integer(lambda a, b: a - b, 0),
    arith.MuliOp: _integer(lambda a, b: a * b, 1),
}


def rebuild(term: Term, parts: Sequence[Term]) -> Term:
    """The term with other sub-terms, in simple form."""
    if tuple(parts) == children(term):
        return term
    match term:
        case Element():
            return element(term.position, tuple(parts), term.type)
        case Carried():
            return carried(term.array, term.scope, tuple(parts), term.type)
        case Apply():
            return apply(term.operation, parts, term.type, term.properties)
        case Same():
            return same(*parts)
        case Fold():
            return raw_fold(term.recurrence, term.which, tuple(parts[:-1]), parts[-1])
        case _:
            return term


def substitute(term: Term, values: Mapping[Any, Term]) -> Term:
    """The term with values in place of symbols (or of any other terms)."""
    return rewrite(term, values.get)


def rewrite(term: Term, rule: Callable[[Term], Term | None]) -> Term:
    """The term with ``rule`` applied to every sub-term, from the top; ``None`` leaves it."""
    done: dict[Term, Term] = {}

    def visit(current: Term) -> Term:
        if current not in done:
            replaced = rule(current)
            if replaced is None:
                replaced = rebuild(current, [visit(child) for child in children(current)])
            done[current] = replaced
        return done[current]

    return visit(term)


def make_fold(
    counter: Symbol,
    lower: Term,
    states: tuple[Symbol, ...],
    inits: tuple[Term, ...],
    steps: tuple[Term, ...],
    which: int,
    upper: Term,
) -> Term:
    """State ``which`` after the counter went from ``lower`` to ``upper - 1``.

    States that do not influence it are dropped. The largest parts that depend on neither counter
    nor states become arguments of the recurrence: so it is the same one wherever it occurs.
    """
    needed = _needed(states, steps, which)
    kept_states = tuple(states[i] for i in needed)
    closure = _Closure({counter, *kept_states})
    start = closure.closed(lower)
    kept_inits = tuple(closure.closed(inits[i]) for i in needed)
    kept_steps = tuple(closure.closed(steps[i]) for i in needed)
    formals = tuple(closure.formals.values())
    made = recurrence(formals, counter, start, kept_states, kept_inits, kept_steps)
    return raw_fold(made, needed.index(which), tuple(closure.formals), upper)


class _Closure:
    """Replaces the parts of terms that do not depend on ``bound`` symbols by formals."""

    def __init__(self, bound: set[Symbol]) -> None:
        self.bound = bound
        self.formals: dict[Term, Symbol] = {}
        """The formal of each part."""
        self._done: dict[Term, Term] = {}

    def closed(self, term: Term) -> Term:
        """The term without free symbols but bound ones and formals."""
        if term not in self._done:
            self._done[term] = self._close(term)
        return self._done[term]

    def _close(self, term: Term) -> Term:
        parts = list(walk(term))
        if not any(isinstance(part, Symbol | Carried) for part in parts):
            return term
        if self.bound.isdisjoint(parts):
            return self.formals.setdefault(term, Symbol(term.type, _name(term)))
        return with_children(term, tuple(self.closed(child) for child in children(term)))


def _name(term: Term) -> str:
    return term.name if isinstance(term, Symbol) else "given"


def state_of(closed: Recurrence, which: int, arguments: tuple[Term, ...], upper: Term) -> Term:
    """Another state of a recurrence, as the smallest recurrence that computes it."""
    found = make_fold(
        closed.counter, closed.lower, closed.states, closed.inits, closed.steps, which, upper
    )
    assert isinstance(found, Fold)
    values = dict(zip(closed.formals, arguments, strict=True))
    chosen = tuple(substitute(argument, values) for argument in found.arguments)
    return raw_fold(found.recurrence, found.which, chosen, upper)


def _needed(states: tuple[Symbol, ...], steps: tuple[Term, ...], which: int) -> list[int]:
    found, pending = {which}, [which]
    while pending:
        used = set(walk(steps[pending.pop()]))
        for position, state in enumerate(states):
            if state in used and position not in found:
                found.add(position)
                pending.append(position)
    return sorted(found)
