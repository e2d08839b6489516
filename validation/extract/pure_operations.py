"""Pure ``arith`` and ``math`` operations as expressions (trusted core).

A value is an ``Index`` (type ``index``), a ``Condition`` (an ``i1`` that depends on loop counters
only) or a ``Term`` (data). Integers of other types that come from loop counters stay affine while
their range provably fits the type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr, IndexType, IntegerAttr
from xdsl.ir import Attribute, Operation

from ..core.condition import (
    FALSE,
    TRUE,
    Comparison,
    Condition,
    Connective,
    all_of,
    any_of,
    at_least,
    equal,
    less_than,
    negate,
)
from ..core.index import Index, NotAffine, constant_index, extremum
from ..core.polyhedral import Unsupported
from ..core.terms import Term, bit_width, constant, constant_value, term
from .composed import composed

Value: TypeAlias = Index | Condition | Term

PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
"""``arith.cmpi`` predicates in the order of their attribute."""
FLOAT_PREDICATES = (
    *("false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord"),
    *("ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true"),
)

_INTEGER_OPERATIONS = (
    *("addi", "subi", "muli", "divsi", "divui", "remsi", "remui", "floordivsi", "ceildivsi"),
    *("andi", "ori", "xori", "shli", "shrsi", "shrui", "maxsi", "minsi", "maxui", "minui", "absi"),
)
_CONVERSIONS = (
    *("extsi", "extui", "trunci", "sitofp", "uitofp", "fptosi", "fptoui", "extf", "truncf"),
    "bitcast",
)
_FLOAT_OPERATIONS = (
    *("addf", "subf", "mulf", "divf", "negf", "maximumf", "minimumf", "maxnumf", "minnumf"),
    *("roundeven", "round", "floor", "ceil", "trunc", "absf"),
)
ELEMENTARY_FUNCTIONS = (
    *("sqrt", "rsqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "erf"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("powf", "atan2", "copysign"),
)
"""Functions of which nothing is known but that equal operands give equal results."""
_SIGNED_OPERATIONS = frozenset(
    ("divsi", "remsi", "floordivsi", "ceildivsi", "shrsi", "maxsi", "minsi", "absi", "fptosi")
)
TERM_OPERATIONS = frozenset(
    (*_INTEGER_OPERATIONS, *_CONVERSIONS, *_FLOAT_OPERATIONS, *ELEMENTARY_FUNCTIONS, "select")
)
"""Operations whose name after the dialect is the name of the term operation."""


def evaluate(
    operation: Operation, operands: Sequence[Value], facts: Sequence[Condition] = ()
) -> Value:
    """The value of a pure operation with one result; ``Unsupported`` if it has no expression.

    ``facts`` are conditions that hold where the operation is executed.
    """
    result_type = operation.results[0].type
    if isinstance(operation, arith.ConstantOp):
        return _constant(operation)
    try:
        found = _affine(operation, operands, result_type, _Facts(facts))
    except NotAffine as error:
        raise Unsupported(f"not affine: {error}", operation) from error
    if found is not None:
        return found
    return _data(operation, [as_term(operand) for operand in operands], result_type)


@lru_cache(maxsize=4096)
def type_name(type: Attribute) -> str:
    return "index" if isinstance(type, IndexType) else str(type)


def as_term(value: Value, type: str = "index") -> Term:
    """Any value as data."""
    if isinstance(value, Index):
        if value.is_constant:
            return constant(value.constant, type)
        return term("index", type, payload=value)
    if isinstance(value, Comparison | Connective):
        if value in (TRUE, FALSE):
            return constant(int(value == TRUE), "i1")
        return term("condition", "i1", payload=value)
    return value


def as_index(value: Value) -> Index | None:
    """The affine form of an integer value, if it has one."""
    if isinstance(value, Index):
        return value
    if isinstance(value, Term):
        if value.operation == "index":
            assert isinstance(value.payload, Index)
            return value.payload
        number = constant_value(value)
        # The sign of a truth value depends on the operation that reads it.
        if isinstance(number, int) and value.type != "i1":
            return constant_index(number)
    return None


def as_condition(value: Value) -> Condition | None:
    """The affine form of a truth value, if it has one."""
    if isinstance(value, Comparison | Connective):
        return value
    if isinstance(value, Term):
        if value.operation == "condition":
            assert isinstance(value.payload, Comparison | Connective)
            return value.payload
        number = constant_value(value)
        if number is not None:
            return TRUE if number else FALSE
    return None


def _constant(operation: arith.ConstantOp) -> Value:
    value = operation.value
    if isinstance(value, IntegerAttr):
        if isinstance(value.type, IndexType):
            return constant_index(value.value.data)
        return constant(value.value.data, type_name(value.type))
    if isinstance(value, FloatAttr):
        return constant(float(value.value.data), type_name(value.type))
    raise Unsupported("a constant that is not a number", operation)


def _short_name(operation: Operation) -> str:
    return operation.name.split(".", 1)[1]


class _Facts:
    """What is known where an operation is executed."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        parts = [p for c in conditions for p in (c.parts if _is_conjunction(c) else (c,))]  # pyright: ignore
        self._bounds = [
            part.expression
            for part in parts
            if isinstance(part, Comparison) and not part.is_equality
        ]

    def non_negative(self, value: Index) -> bool:
        """Whether a value is at least 0: by its range, or by a condition on the way."""
        if _has_no_negative(value):
            return True
        return any(_has_no_negative(value - bound) for bound in self._bounds)


def _is_conjunction(condition: Condition) -> bool:
    return isinstance(condition, Connective) and condition.kind == "and"


def _has_no_negative(value: Index) -> bool:
    low = value.interval[0]
    return low is not None and low >= 0


def _affine(
    operation: Operation, operands: Sequence[Value], result: Attribute, facts: _Facts
) -> Value | None:
    """The operation on loop counters and conditions, or ``None`` if it works on data."""
    if isinstance(operation, arith.CmpiOp):
        return _compare(operation, operands, facts)
    conditions = [as_condition(operand) for operand in operands]
    if type_name(result) == "i1" and all(c is not None for c in conditions):
        return _logic(_short_name(operation), [c for c in conditions if c is not None])
    indices = [as_index(operand) for operand in operands]
    affine = [index for index in indices if index is not None]
    if len(affine) < len(indices) or type_name(result) == "i1":
        return None
    rule = _INDEX_RULES.get(_short_name(operation))
    is_index = isinstance(result, IndexType)
    if rule is None:
        if is_index:
            raise Unsupported("unknown index computation", operation)
        return None
    value = rule(facts, *affine)
    if is_index:
        if value is None:
            raise Unsupported("an unsigned operation on an index that may be negative", operation)
        return value
    return _narrow(value, result)


def _narrow(value: Index | None, result: Attribute) -> Term | None:
    """An integer computed from loop counters, if its range shows that it does not wrap around."""
    name = type_name(result)
    if value is None or not name.startswith("i"):
        return None
    low, high = value.interval
    half = 1 << (bit_width(name) - 1)
    if low is None or high is None or low < -half or high >= half:
        return None
    return as_term(value, name)


def _logic(name: str, parts: list[Condition]) -> Condition | None:
    if name in ("andi", "muli"):
        return all_of(parts)
    if name == "ori":
        return any_of(parts)
    if name in ("xori", "addi"):
        left, right = parts
        return any_of([all_of([left, negate(right)]), all_of([negate(left), right])])
    if name == "select":
        chosen, then, otherwise = parts
        return any_of([all_of([chosen, then]), all_of([negate(chosen), otherwise])])
    return None


def _compare(operation: arith.CmpiOp, operands: Sequence[Value], facts: _Facts) -> Value | None:
    predicate = PREDICATES[operation.predicate.value.data]
    truths = [as_condition(operand) for operand in operands]
    if type_name(operation.lhs.type) == "i1":
        if truths[0] is None or truths[1] is None or predicate not in ("eq", "ne"):
            return None
        different = _logic("xori", [truths[0], truths[1]])
        assert different is not None
        return different if predicate == "ne" else negate(different)
    left, right = (as_index(operand) for operand in operands)
    if left is None or right is None:
        return None
    if predicate.startswith("u"):
        if not (facts.non_negative(left) and facts.non_negative(right)):
            return None
        predicate = "s" + predicate[1:]
    rules: dict[str, Callable[[], Condition]] = {
        "eq": lambda: equal(left, right),
        "ne": lambda: negate(equal(left, right)),
        "slt": lambda: less_than(left, right),
        "sle": lambda: at_least(right, left),
        "sgt": lambda: less_than(right, left),
        "sge": lambda: at_least(left, right),
    }
    return rules[predicate]()


def _quotient(facts: _Facts, left: Index, right: Index) -> Index:
    """C's quotient, which rounds toward zero."""
    if facts.non_negative(left):
        return left // right
    zero = constant_index(0)
    return extremum("max", left, zero) // right - extremum("max", -left, zero) // right


def _remainder(facts: _Facts, left: Index, right: Index) -> Index:
    return left - _quotient(facts, left, right) * right


def _power(exponent: Index) -> int:
    if not exponent.is_constant or not 0 <= exponent.constant < 63:
        raise NotAffine("shift by a loop-dependent amount")
    return 1 << exponent.constant


def _mask(facts: _Facts, left: Index, right: Index) -> Index:
    """``left & (2^n - 1)`` is the remainder modulo 2^n, for negative numbers too."""
    if left.is_constant:
        left, right = right, left
    size = right.constant + 1
    if not right.is_constant or size <= 0 or size & (size - 1):
        raise NotAffine("bitwise and with something other than 2^n - 1")
    return left % size


def _signed(rule: Callable[..., Index]) -> Callable[..., Index]:
    """A rule that needs no facts."""
    return lambda facts, *operands: rule(*operands)


def _unsigned(rule: Callable[..., Index]) -> Callable[..., Index | None]:
    """A rule for numbers that read the same with and without sign."""

    def apply(facts: _Facts, *operands: Index) -> Index | None:
        if all(facts.non_negative(operand) for operand in operands):
            return rule(*operands)
        return None

    return apply


def _minimum(left: Index, right: Index) -> Index:
    return extremum("min", left, right)


def _maximum(left: Index, right: Index) -> Index:
    return extremum("max", left, right)


def _round_down(left: Index, right: Index) -> Index:
    return left // right


def _round_up(left: Index, right: Index) -> Index:
    return -((-left) // right)


def _same(value: Index) -> Index:
    return value


_INDEX_RULES: dict[str, Callable[..., Index | None]] = {
    "addi": _signed(lambda left, right: left + right),
    "subi": _signed(lambda left, right: left - right),
    "muli": _signed(lambda left, right: left * right),
    "floordivsi": _signed(_round_down),
    "ceildivsi": _signed(_round_up),
    "ceildivui": _unsigned(_round_up),
    "divsi": _quotient,
    "remsi": _remainder,
    "divui": _unsigned(_round_down),
    "remui": _unsigned(lambda left, right: left % right),
    "minsi": _signed(_minimum),
    "maxsi": _signed(_maximum),
    "minui": _unsigned(_minimum),
    "maxui": _unsigned(_maximum),
    "shli": _signed(lambda left, right: left * _power(right)),
    "shrsi": _signed(lambda left, right: left // _power(right)),
    "shrui": _unsigned(lambda left, right: left // _power(right)),
    "andi": _mask,
    "index_cast": _signed(_same),
    "index_castui": _unsigned(_same),
    "extsi": _signed(_same),
    "trunci": _signed(_same),
    "extui": _unsigned(_same),
}


def _data(operation: Operation, operands: list[Term], result: Attribute) -> Term:
    name = _short_name(operation)
    type = type_name(result)
    if isinstance(result, IndexType):
        raise Unsupported("an index that depends on data or is not affine", operation)
    if isinstance(operation, arith.CmpiOp):
        predicate = PREDICATES[operation.predicate.value.data]
        return term("cmpi", "i1", *operands, payload=predicate)
    if isinstance(operation, arith.CmpfOp):
        predicate = FLOAT_PREDICATES[operation.predicate.value.data]
        return term("cmpf", "i1", *operands, payload=predicate)
    known = operation.name.startswith(("arith.", "math.")) and name in TERM_OPERATIONS
    if not known or isinstance(operation, math.FPowIOp):
        raise Unsupported(f"`{operation.name}` has no value semantics here", operation)
    if type == "i1" and name in _SIGNED_OPERATIONS:
        raise Unsupported("signed arithmetic on truth values", operation)
    if any(operand.type == "index" for operand in operands):
        raise Unsupported("an index used as data", operation)
    if isinstance(operation, math.RsqrtOp):
        return composed(name, operands[0]) or term(name, type, *operands)
    return term(name, type, *operands)
