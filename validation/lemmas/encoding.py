"""Normal-form terms as bit-vectors and IEEE floats in Z3 (trusted core)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import z3

from ..core.smt import Answer
from ..core.terms import Term, bit_width, constant_value
from ..query_log import is_logging, note_lemma
from .float_extremes import FLOAT_EXTREMES
from .ranges import Range, Ranges, type_range

_SORTS: dict[str, Callable[[], Any]] = {
    "f16": z3.Float16,
    "f32": z3.Float32,
    "f64": z3.Float64,
    "bf16": lambda: z3.FPSort(8, 8),
    "f8E4M3": lambda: z3.FPSort(4, 4),
    "f8E5M2": lambda: z3.FPSort(5, 3),
}
_NEAREST = z3.RNE
_CAN_BE_MET = "premises: the values can be in their ranges, and the source defined there"
"""Premises that contradict each other would prove anything."""
_DECIDED_BY = {"andi": False, "ori": True}
"""Truth values that decide an operation on truth values, whatever the other operand is."""


class NoEncoding(Exception):  # noqa: N818 - it states a property of the input
    """A term without a bit-level meaning here, or with an unbounded range."""


def equality_query(
    left: Term,
    right: Term,
    ranges: Mapping[Term, Range],
    opaque: frozenset[Term],
    resource_limit: int,
) -> tuple[Answer, dict[Term, int]]:
    """Ask Z3 for values of the slots (and opaque parts) at which two terms differ.

    Only where ``left``, the source's value, is defined: elsewhere the target may have any value.
    """
    known = Ranges(ranges)
    encoder = _Encoder(known, opaque, _width(known, left, right))
    a, b = encoder.encode(left), encoder.encode(right)
    if z3.is_fp(a) != z3.is_fp(b) or a.sort() != b.sort():
        raise NoEncoding("terms of different types")
    states = f"{left!r} equals {right!r} for all values in range"
    result, solver = z3.unknown, z3.Solver()
    defined = encoder.defined(left)
    # That the source is defined is seldom needed, and costs much.
    for known_of_source in ([], defined) if defined else ([],):
        if result == z3.unsat:
            break
        premises = [*encoder.premises, *known_of_source]
        if premises and ask(premises, _CAN_BE_MET, resource_limit)[0] != z3.sat:
            return Answer.UNKNOWN, {}
        result, solver = ask([*premises, z3.Not(a == b)], states, resource_limit)
    witness: dict[Term, int] = {}
    if result == z3.sat:
        model = solver.model()
        for slot, variable in encoder.variables.items():
            value = value_in(model, variable)
            if isinstance(value, z3.BitVecNumRef):
                witness[slot] = value.as_signed_long()
    return Answer(str(result)), witness


def ask(
    assertions: Sequence[Any], states: str, resource_limit: int
) -> tuple[z3.CheckSatResult, z3.Solver]:
    """The answer to a query, noted in the log, and the solver that may have a model.

    Z3 orders terms by when they were made. In a context of its own, a query is decided, or given
    up, whatever was asked before; ``value_in`` translates what the model is asked for.
    """
    context = z3.Context()
    solver = z3.Solver(ctx=context)
    solver.set("rlimit", resource_limit)
    solver.add(*(assertion.translate(context) for assertion in assertions))
    # The text is taken first: after a check, it holds traces of simplification.
    text = solver.sexpr() if is_logging() else ""
    result = solver.check()
    note_lemma(states, text, str(result))
    return result, solver


def value_in(model: z3.ModelRef, expression: Any) -> Any:
    """The value of an expression in a model of the solver that ``ask`` returned."""
    value = model.eval(expression.translate(model.ctx), model_completion=True)
    return value.translate(z3.main_ctx())


def _width(ranges: Ranges, *roots: Term) -> int:
    """Bits that hold every integer in the terms, so that no operation overflows."""
    bits = 8
    seen: set[Term] = set()
    stack = list(roots)
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        stack.extend(current.operands)
        if current.type in _SORTS:
            continue
        low, high = ranges.integer(current)
        if math.isinf(low) or math.isinf(high):
            raise NoEncoding(f"unbounded {current!r}")
        bits = max(bits, int(low).bit_length() + 2, int(high).bit_length() + 2)
        if current.operation in ("wrap", "low_bits", "nearest_shift"):
            assert isinstance(current.payload, int)
            bits = max(bits, current.payload + 2)
    return bits


class _Encoder:
    """Encodes terms; each shared subterm once."""

    def __init__(self, ranges: Ranges, opaque: frozenset[Term], width: int) -> None:
        self.ranges = ranges
        self.opaque = opaque
        self.width = width
        self.premises: list[Any] = []
        self.variables: dict[Term, Any] = {}
        self._done: dict[Term, Any] = {}
        self._own_definedness: dict[Term, Any] = {}

    def encode(self, root: Term) -> Any:
        stack = [root]
        while stack:
            current = stack[-1]
            is_leaf = current in self.opaque
            waiting = [] if is_leaf else [o for o in current.operands if o not in self._done]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if current not in self._done:
                self._done[current] = self._one(current)
        return self._done[root]

    def defined(self, root: Term) -> list[Any]:
        """When an encoded term has a value: its shifts and conversions have, those that count."""
        conditions: dict[Term, Any] = {}
        for value in _operands_first(root, self.opaque):
            inner = [] if value in self.opaque else [conditions[o] for o in value.operands]
            if value.operation == "select" and inner:
                chosen = self.truth(self._done[value.operands[0]])
                inner = [inner[0], z3.If(chosen, inner[1], inner[2])]
            elif value.operation in _DECIDED_BY and not all(map(z3.is_true, inner)):
                inner = [self._unless_decided(value, inner)]
            own = self._own_definedness.get(value)
            parts = [part for part in (own, *inner) if part is not None and not z3.is_true(part)]
            conditions[value] = z3.And(*parts) if parts else z3.BoolVal(True)
        return [] if z3.is_true(conditions[root]) else [conditions[root]]

    def _unless_decided(self, value: Term, inner: Sequence[Any]) -> Any:
        """When a conjunction or disjunction has a value: C skips what cannot change it."""
        if value.type != "i1":
            return z3.And(*inner)
        truths = [self.truth(self._done[operand]) for operand in value.operands]
        known = zip(inner, truths, strict=True)
        decided = [z3.And(part, truth == _DECIDED_BY[value.operation]) for part, truth in known]
        return z3.Or(z3.And(*inner), *decided)

    def where_defined(self, value: Term, condition: Any, result: Any) -> Any:
        """A result that the language leaves open elsewhere."""
        self._own_definedness[value] = condition
        return z3.If(condition, result, self.anything(value))

    def _one(self, value: Term) -> Any:
        if value.operation == "slot" or value in self.opaque:
            return self._variable(value)
        number = constant_value(value)
        if number is not None:
            if value.type in _SORTS:
                return z3.FPVal(float(number), _SORTS[value.type]())
            return z3.BitVecVal(int(number), self.width)
        rule = _RULES.get(value.operation)
        if rule is None:
            raise NoEncoding(value.operation)
        return rule(self, value, *(self._done[operand] for operand in value.operands))

    def _variable(self, value: Term) -> Any:
        name = f"v{len(self.variables)}"
        if value.type in _SORTS:
            variable = z3.FP(name, _SORTS[value.type]())
        else:
            variable = z3.BitVec(name, self.width)
            low, high = self.ranges.integer(value)
            self.premises += [variable >= int(low), variable <= int(high)]
        self.variables[value] = variable
        return variable

    def anything(self, value: Term) -> Any:
        """Some number of the term's type, the same wherever the term occurs."""
        name = f"any{len(self.premises)}"
        variable = z3.BitVec(name, self.width)
        low, high = type_range(value.type)
        self.premises += [variable >= int(low), variable <= int(high)]
        return variable

    def truth(self, value: Any) -> Any:
        """An encoded ``i1`` as a Boolean."""
        return value if z3.is_bool(value) else value != 0

    def number(self, truth: Any) -> Any:
        return z3.If(truth, z3.BitVecVal(1, self.width), z3.BitVecVal(0, self.width))


def _operands_first(root: Term, opaque: frozenset[Term]) -> list[Term]:
    """The subterms of a term that are encoded, each behind its operands."""
    found: dict[Term, None] = {}
    stack = [(root, False)]
    while stack:
        value, is_done = stack.pop()
        if is_done:
            found[value] = None
        elif value not in found:
            stack.append((value, True))
            stack.extend((operand, False) for operand in value.operands if value not in opaque)
    return list(found)


def _payload(value: Term) -> int:
    assert isinstance(value.payload, int)
    return value.payload


def _wrap(encoder: _Encoder, value: Term, a: Any) -> Any:
    bits = _payload(value)
    return z3.SignExt(encoder.width - bits, z3.Extract(bits - 1, 0, a))


def _low_bits(encoder: _Encoder, value: Term, a: Any) -> Any:
    bits = _payload(value)
    return z3.ZeroExt(encoder.width - bits, z3.Extract(bits - 1, 0, a))


def _product(encoder: _Encoder, value: Term, *parts: Any) -> Any:
    result = parts[0]
    for part in parts[1:]:
        result = result * part
    return result


def _nearest_shift(encoder: _Encoder, value: Term, a: Any) -> Any:
    """Round half to even: up if the rest is more than half, or half and the quotient is odd."""
    shift = _payload(value)
    quotient = a >> shift
    rest = a & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    up = z3.Or(z3.UGT(rest, half), z3.And(rest == half, quotient & 1 == 1))
    return z3.If(up, quotient + 1, quotient)


def _rounded(mode: Callable[[], Any]) -> Callable[..., Any]:
    def rule(encoder: _Encoder, value: Term, a: Any) -> Any:
        whole = z3.fpRoundToIntegral(mode(), a)
        return z3.fpToSBV(mode(), whole, z3.BitVecSort(encoder.width))

    return rule


def _conversion(encoder: _Encoder, value: Term, a: Any) -> Any:
    """C's conversion to an integer; where the result does not fit, it may be anything."""
    bits = bit_width(value.type)
    sort = a.sort()
    is_signed = value.operation == "fptosi"
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if is_signed else (0.0, 2.0**bits)
    # The nearest float above -2^(bits-1) - 1 may be -2^(bits-1) itself; then the test is exact.
    fits = z3.And(
        z3.fpGEQ(z3.fpRoundToIntegral(z3.RTZ(), a), z3.FPVal(low, sort)),
        z3.fpLT(a, z3.FPVal(high, sort)),
    )
    exact = z3.fpToSBV(z3.RTZ(), a, z3.BitVecSort(encoder.width))
    if not is_signed:
        exact = z3.SignExt(encoder.width - bits, z3.Extract(bits - 1, 0, exact))
    return encoder.where_defined(value, fits, exact)


def _shift(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A shift by data; by the width or more, it may be anything."""

    def rule(encoder: _Encoder, value: Term, a: Any, b: Any) -> Any:
        bits = bit_width(value.type)
        shifted = _typed(encoder, value, function, a, b)
        return encoder.where_defined(value, z3.And(b >= 0, b < bits), shifted)

    return rule


def _typed(encoder: _Encoder, value: Term, function: Callable[..., Any], *parts: Any) -> Any:
    """An operation on the low bits of its operands, in the type of the value."""
    bits = 1 if value.type == "i1" else bit_width(value.type)
    # Where all integers fit fewer bits, so do the operands and the result of this one.
    bits = min(bits, encoder.width)
    low = [z3.Extract(bits - 1, 0, part) for part in parts]
    return z3.SignExt(encoder.width - bits, function(*low))


def _bitwise(function: Callable[..., Any]) -> Callable[..., Any]:
    def rule(encoder: _Encoder, value: Term, a: Any, b: Any) -> Any:
        if value.type == "i1":
            a, b = encoder.number(encoder.truth(a)), encoder.number(encoder.truth(b))
            return function(a, b)
        return _typed(encoder, value, function, a, b)

    return rule


def _quotient(encoder: _Encoder, value: Term, a: Any, b: Any) -> Any:
    return _typed(encoder, value, lambda x, y: x / y, a, b)


def _remainder(encoder: _Encoder, value: Term, a: Any, b: Any) -> Any:
    # As in SMT-LIB, where a number modulo 0 is itself; the quotient may occur elsewhere too.
    return _typed(encoder, value, lambda x, y: x - x / y * y, a, b)


def _magnitude(encoder: _Encoder, value: Term, a: Any) -> Any:
    return _typed(encoder, value, lambda x: z3.If(x < 0, -x, x), a)


def _compare_floats(encoder: _Encoder, value: Term, a: Any, b: Any) -> Any:
    predicate = str(value.payload)
    rules: dict[str, Callable[[Any, Any], Any]] = {
        "eq": z3.fpEQ,
        "ne": lambda x, y: z3.And(z3.Not(z3.fpEQ(x, y)), z3.Not(unordered)),
        "lt": z3.fpLT,
        "le": z3.fpLEQ,
        "gt": z3.fpGT,
        "ge": z3.fpGEQ,
    }
    unordered = z3.Or(z3.fpIsNaN(a), z3.fpIsNaN(b))
    if predicate[1:] not in rules or predicate[0] not in "ou":
        raise NoEncoding(f"cmpf {predicate}")
    result = rules[predicate[1:]](a, b)
    return encoder.number(z3.Or(result, unordered) if predicate[0] == "u" else result)


def _extreme(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda encoder, value, a, b: function(a, b)


def _select(encoder: _Encoder, value: Term, condition: Any, a: Any, b: Any) -> Any:
    return z3.If(encoder.truth(condition), a, b)


_RULES: dict[str, Callable[..., Any]] = {
    "add": lambda encoder, value, *parts: z3.simplify(sum(parts[1:], parts[0])),
    "mul": _product,
    "min": lambda encoder, value, a, b: z3.If(a <= b, a, b),
    "max": lambda encoder, value, a, b: z3.If(a >= b, a, b),
    "lt": lambda encoder, value, a, b: encoder.number(a < b),
    "eq": lambda encoder, value, a, b: encoder.number(a == b),
    "not": lambda encoder, value, a: encoder.number(z3.Not(encoder.truth(a))),
    "select": _select,
    "wrap": _wrap,
    "low_bits": _low_bits,
    "shift": lambda encoder, value, a: a >> _payload(value),
    "nearest_shift": _nearest_shift,
    "andi": _bitwise(lambda a, b: a & b),
    "ori": _bitwise(lambda a, b: a | b),
    "xori": _bitwise(lambda a, b: a ^ b),
    "divsi": _quotient,
    "remsi": _remainder,
    "divui": lambda encoder, value, a, b: _typed(encoder, value, z3.UDiv, a, b),
    "remui": lambda encoder, value, a, b: _typed(encoder, value, z3.URem, a, b),
    "absi": _magnitude,
    "shli": _shift(lambda x, y: x << y),
    "shrsi": _shift(lambda x, y: x >> y),
    "shrui": _shift(z3.LShR),
    "to_float": lambda encoder, value, a: z3.fpSignedToFP(_NEAREST(), a, _SORTS[value.type]()),
    "mulf": lambda encoder, value, a, b: z3.fpMul(_NEAREST(), a, b),
    "addf": lambda encoder, value, a, b: z3.fpAdd(_NEAREST(), a, b),
    "subf": lambda encoder, value, a, b: z3.fpSub(_NEAREST(), a, b),
    "divf": lambda encoder, value, a, b: z3.fpDiv(_NEAREST(), a, b),
    "negf": lambda encoder, value, a: z3.fpNeg(a),
    "absf": lambda encoder, value, a: z3.fpAbs(a),
    "minf": lambda encoder, value, a, b: z3.If(z3.fpLT(b, a), b, a),
    "maxf": lambda encoder, value, a, b: z3.If(z3.fpGT(b, a), b, a),
    "extf": lambda encoder, value, a: z3.fpFPToFP(_NEAREST(), a, _SORTS[value.type]()),
    "truncf": lambda encoder, value, a: z3.fpFPToFP(_NEAREST(), a, _SORTS[value.type]()),
    "roundeven": lambda encoder, value, a: z3.fpRoundToIntegral(z3.RNE(), a),
    "floor": lambda encoder, value, a: z3.fpRoundToIntegral(z3.RTN(), a),
    "ceil": lambda encoder, value, a: z3.fpRoundToIntegral(z3.RTP(), a),
    "trunc": lambda encoder, value, a: z3.fpRoundToIntegral(z3.RTZ(), a),
    "round": lambda encoder, value, a: z3.fpRoundToIntegral(z3.RNA(), a),
    "nearest": _rounded(z3.RNE),
    "floor_int": _rounded(z3.RTN),
    "ceil_int": _rounded(z3.RTP),
    "truncate": _rounded(z3.RTZ),
    "cmpf": _compare_floats,
    **{name: _extreme(rule) for name, rule in FLOAT_EXTREMES.items()},
    "fptosi": _conversion,
    "fptoui": _conversion,
}
