"""Clamps in their many C spellings, brought to one: ``min(max(x, low), high)``.

The functions build new terms with ``build``, which is :func:`simplify.apply`; it is passed in
because simplification uses these rules itself.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith
from xdsl.ir import Attribute, Operation

from .comparisons import equivalent_tests
from .constants import wrap
from .terms import Apply, Constant, IndexValue, Term, constant, raw_apply

Build = Callable[[type[Operation], tuple[Term, ...], Attribute], Term]

_CLAMPS: dict[str, tuple[type[Operation], type[Operation]]] = {
    "slt": (arith.MinSIOp, arith.MaxSIOp),
    "sle": (arith.MinSIOp, arith.MaxSIOp),
    "sgt": (arith.MaxSIOp, arith.MinSIOp),
    "sge": (arith.MaxSIOp, arith.MinSIOp),
    "ult": (arith.MinUIOp, arith.MaxUIOp),
    "ule": (arith.MinUIOp, arith.MaxUIOp),
    "ugt": (arith.MaxUIOp, arith.MinUIOp),
    "uge": (arith.MaxUIOp, arith.MinUIOp),
}
"""``a PREDICATE b ? a : b`` is the first operation; ``a PREDICATE b ? b : a`` is the second."""


def widened_selection(condition: Term, chosen: Term, other: Term, build: Build) -> Term | None:
    """Turn ``c ? 127 : trunc x`` into ``trunc(c ? 127 : x)``, so that clamps are seen.

    Only a comparison makes a clamp; other selections stay as they are, as the proof knows them.
    """
    if not (isinstance(condition, Apply) and condition.operation is arith.CmpiOp):
        return None
    truncated = [
        arm for arm in (chosen, other) if isinstance(arm, Apply) and arm.operation is arith.TruncIOp
    ]
    if not truncated:
        return None
    wide = truncated[0].operands[0].type
    arms = (_widened(chosen, wide), _widened(other, wide))
    if arms[0] is None or arms[1] is None:
        return None
    return build(
        arith.TruncIOp, (build(arith.SelectOp, (condition, arms[0], arms[1]), wide),), chosen.type
    )


def _widened(term: Term, wide: Attribute) -> Term | None:
    """Return a term of type ``wide`` that truncates to ``term``."""
    if isinstance(term, Constant):
        return constant(wrap(int(term.value), wide), wide)
    if isinstance(term, Apply) and term.operation is arith.TruncIOp:
        inner = term.operands[0]
        return inner if inner.type == wide else None
    return None


def clamp(condition: Term, chosen: Term, other: Term, build: Build) -> Term | None:
    """Recognise a minimum or a maximum spelled as a comparison and a choice."""
    if not (isinstance(condition, Apply) and condition.operation is arith.CmpiOp):
        return None
    if isinstance(condition.operands[0], IndexValue):
        return None
    for name, left, right in equivalent_tests(condition):
        if name not in _CLAMPS:
            continue
        same, opposite = _CLAMPS[name]
        if chosen is left and other is right:
            return build(same, (left, right), chosen.type)
        if chosen is right and other is left:
            return build(opposite, (left, right), chosen.type)
        if chosen is right and _is_clamped_within(other, left, right, opposite):
            return build(opposite, (other, right), chosen.type)
        if other is right and _is_clamped_within(chosen, left, right, same):
            return build(same, (chosen, right), chosen.type)
    return None


def narrow_clamp(condition: Term, chosen: Term, other: Term, build: Build) -> Term | None:
    """Recognise an extremum of narrow integers that C compares after widening them to ``int``."""
    if not (isinstance(condition, Apply) and condition.operation is arith.CmpiOp):
        return None
    left, right = (_before_widening(operand, chosen.type) for operand in condition.operands)
    if left is None or right is None or {left, right} != {chosen, other}:
        return None
    narrow = raw_apply(arith.CmpiOp, (left, right), condition.type, condition.properties)
    return clamp(narrow, chosen, other, build)


def truncated_clamp(term: Term, type: Attribute, build: Build) -> Term | None:
    """Return ``trunc(max(extend x, extend y))`` as ``max(x, y)``, and likewise for minima."""
    if not isinstance(term, Apply) or term.operation not in (arith.MinSIOp, arith.MaxSIOp):
        return None
    left, right = (_before_widening(operand, type) for operand in term.operands)
    if left is None or right is None or isinstance(right, Constant):
        return None
    return build(term.operation, (left, right), type)


def _before_widening(term: Term, narrow: Attribute) -> Term | None:
    """Return the ``narrow`` integer that the term extends with its sign."""
    if isinstance(term, Constant):
        value = wrap(int(term.value), narrow)
        return constant(value, narrow) if value == term.value else None
    if isinstance(term, Apply) and term.operation is arith.ExtSIOp:
        (inner,) = term.operands
        return inner if inner.type == narrow else None
    return None


def _is_clamped_within(term: Term, value: Term, bound: Term, limiter: type[Operation]) -> bool:
    """Return whether ``term`` is ``value`` limited on the other side, not beyond ``bound``.

    With it, ``x > 127 ? 127 : max(x, -128)`` equals ``min(max(x, -128), 127)``.
    """
    opposites: dict[type[Operation], type[Operation]] = {
        arith.MinSIOp: arith.MaxSIOp,
        arith.MaxSIOp: arith.MinSIOp,
    }
    opposite = opposites.get(limiter)
    if opposite is None or not (isinstance(term, Apply) and term.operation is opposite):
        return False
    inner, limit = term.operands
    if inner is not value or not isinstance(limit, Constant) or not isinstance(bound, Constant):
        return False
    ordered = limit.value <= bound.value
    return ordered if limiter is arith.MinSIOp else limit.value >= bound.value


def ordered_clamp(
    operation: type[Operation], operands: tuple[Term, ...], build: Build
) -> Term | None:
    """Write signed clamps in one way: the constant last, the upper limit outermost."""
    if operation not in (arith.MinSIOp, arith.MaxSIOp):
        return None
    left, right = operands
    if isinstance(left, Constant):
        return build(operation, (right, left), left.type)
    if not isinstance(right, Constant) or not isinstance(left, Apply):
        return None
    if left.operation not in (arith.MinSIOp, arith.MaxSIOp):
        return None
    inner, limit = left.operands
    if not isinstance(limit, Constant):
        return None
    if left.operation is operation:
        tighter = min if operation is arith.MinSIOp else max
        merged = constant(tighter(int(limit.value), int(right.value)), right.type)
        return build(operation, (inner, merged), right.type)
    if operation is arith.MaxSIOp and right.value <= limit.value:
        lowered = build(arith.MaxSIOp, (inner, right), right.type)
        return raw_apply(arith.MinSIOp, (lowered, limit), right.type)
    return None
