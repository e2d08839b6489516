"""Values of Trainium's instructions as terms: the validator's domain of the semantics (trusted).

``hw.trainium.semantics`` says what each instruction computes; here the numbers it computes with are
terms for one element. Numbers that depend on counters only stay index expressions, so that a mask
by position becomes a condition on counters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects.trn import Function, Operator, is_unsigned, view_of
from ...dialects.trn.types import COMPARISONS, element_bytes, is_float
from ...hw.trainium.semantics import Values
from ..core.condition import Condition, at_least, equal, less_than, negate
from ..core.index import Index, constant_index
from ..core.polyhedral import Unsupported
from ..core.terms import Term, constant, constant_value, term
from .composed import composed
from .pure_operations import as_term, type_name

Number = Term | Index
F32 = "f32"
_KNOWN_FLOATS = ("f32", "bf16", "f16", "f8E4M3", "f8E5M2")
EXACT = 1 << 24
"""Up to here, float32 holds every integer."""
_ARITHMETIC = {
    Operator.ADD: "addf",
    Operator.SUBTRACT: "subf",
    Operator.MULTIPLY: "mulf",
    Operator.DIVIDE: "divf",
    Operator.MAXIMUM: "maximumf",
    Operator.MINIMUM: "minimumf",
}
_PREDICATES = {
    Operator.EQUAL: "oeq",
    Operator.NOT_EQUAL: "une",
    Operator.GREATER: "ogt",
    Operator.GREATER_EQUAL: "oge",
    Operator.LESS: "olt",
    Operator.LESS_EQUAL: "ole",
}
_BITWISE = {
    Operator.BITWISE_AND: "andi",
    Operator.BITWISE_OR: "ori",
    Operator.BITWISE_XOR: "xori",
}
_EXACT = {Operator.ADD: "addi", Operator.SUBTRACT: "subi", Operator.MULTIPLY: "muli"}
_ONE_OPERATION = {
    Function.ABS: "absf",
    Function.EXP: "exp",
    Function.LOG: "log",
    Function.SQRT: "sqrt",
    Function.TANH: "tanh",
    Function.SIN: "sin",
    Function.COS: "cos",
    Function.ERF: "erf",
}


class TermValues(Values[Number]):
    """Operands of one instruction at one position; see ``semantics.Values``."""

    def __init__(
        self,
        operation: Operation,
        read: Callable[[SSAValue, bool], Term],
        place: tuple[Sequence[Index], Index | None],
        runtime: Callable[[SSAValue], Index],
    ) -> None:
        """``read`` gives an operand's element, or with True that of its partition; ``place`` the
        index in each dimension of the target and the element's number within its partition."""
        self._operation = operation
        self._read = read
        self._at, self._place = place
        self._runtime = runtime

    def element(self, operand: SSAValue, /) -> Number:
        return to_float(self._read(operand, False), view_of(operand).element_type)

    def integer_element(self, operand: SSAValue, /) -> Number:
        return self._read(operand, False)

    def copied_element(self, operand: SSAValue, /) -> Number:
        return self._read(operand, False)

    def of_partition(self, operand: SSAValue, /, *, integer: bool = False) -> Number:
        value = self._read(operand, True)
        return value if integer else to_float(value, view_of(operand).element_type)

    def number(self, number: float, /) -> Number:
        return constant_index(number) if isinstance(number, int) else constant(number, F32)

    def partition(self) -> Number:
        return self._at[0]

    def place(self) -> Number:
        if self._place is None:
            raise Unsupported("positions within a tile of unknown size", self._operation)
        return self._place

    def index(self, dimension: int, /) -> Number:
        return self._at[dimension]

    def runtime(self, operand: SSAValue, /) -> Number:
        return self._runtime(operand)

    def apply(self, operator: Operator, left: Number, right: Number, /) -> Number:
        if operator in COMPARISONS:
            found = _comparison(operator, left, right)
            return _number_of(found if found is not None else self._compared(operator, left, right))
        if operator in (Operator.LOGICAL_AND, Operator.LOGICAL_OR, Operator.LOGICAL_XOR):
            name = {"logical_and": "andi", "logical_or": "ori", "logical_xor": "xori"}[operator]
            return _number_of(term(name, "i1", truth(left), truth(right)))
        if operator == Operator.LOGICAL_NOT:
            return _number_of(term("xori", "i1", truth(left), constant(1, "i1")))
        if operator == Operator.ABS:
            return term("absf", F32, as_float(left))
        expression = composed(operator.value, as_float(left))
        if expression is not None:
            return expression
        if operator not in _ARITHMETIC:
            raise Unsupported(f"the operator {operator}", self._operation)
        return term(_ARITHMETIC[operator], F32, as_float(left), as_float(right))

    def _compared(self, operator: Operator, left: Number, right: Number) -> Term:
        payload = _PREDICATES[operator]
        return term("cmpf", "i1", as_float(left), as_float(right), payload=payload)

    def bitwise(
        self, operator: Operator, left: Number, right: Number, element: Attribute, /
    ) -> Number:
        if operator not in _BITWISE:
            raise Unsupported(f"the operator {operator}", self._operation)
        type = integer_name(element)
        return term(_BITWISE[operator], type, *(as_integer(v, type) for v in (left, right)))

    def exact(
        self, operator: Operator, left: Number, right: Number, element: Attribute, /
    ) -> Number:
        type = integer_name(element)
        return term(_EXACT[operator], type, *(as_integer(v, type) for v in (left, right)))

    def affine(self, terms: Sequence[tuple[int, Number]], constant: int, /) -> Number:
        total = constant_index(constant)
        for factor, value in terms:
            if not isinstance(value, Index):
                raise Unsupported("a position that depends on data", self._operation)
            total = total + value * factor
        return total

    def function(self, function: Function, value: Number, /) -> Number:
        x = as_float(value)
        one = constant(1.0, F32)
        match function:
            case Function.COPY:
                return x
            case Function.SQUARE:
                return term("mulf", F32, x, x)
            case Function.RECIPROCAL:
                return term("divf", F32, one, x)
            case Function.RELU:
                return term("maximumf", F32, x, constant(0.0, F32))
            case _ if function in _ONE_OPERATION:
                return term(_ONE_OPERATION[function], F32, x)
            case _:
                # Else a function of its own: equal only to itself, of equal arguments.
                return composed(function.value, x) or term(f"trn.{function}", F32, x)

    def select(self, condition: Number, then: Number, otherwise: Number, /) -> Number:
        chosen, other = as_float(then), as_float(otherwise)
        return term("select", chosen.type, truth(condition), chosen, other)

    def random(self, seed: int, partition: Number, place: Number, /) -> Number:
        raise Unsupported("random numbers", self._operation)


# Conversions.


def to_float(value: Term, element: Attribute) -> Term:
    """An element as the engines see it: in float32."""
    if is_float(element):
        name = float_name(element)
        return value if name == F32 else term("extf", F32, value)
    return term("uitofp" if is_unsigned(element) else "sitofp", F32, value)


def rounded(value: Number, element: Attribute, *, kept: bool = False) -> Term:
    """A result in the type of its target; ``kept`` if it has this type already."""
    if not is_float(element):
        type = integer_name(element)
        if isinstance(value, Index) or kept or value.type == type:
            return as_integer(value, type)
        if _is_truth_as_number(value):
            return term("extui", type, value.operands[0])
        return _clipped(as_float(value), element)
    name = float_name(element)
    if isinstance(value, Term) and value.type == name:
        return value
    result = as_float(value)
    return result if name == F32 else term("truncf", name, result)


def _clipped(value: Term, element: Attribute) -> Term:
    """Rounded half to even, and limited to the range of an integer type."""
    bits = 8 * element_bytes(element)
    low = 0 if is_unsigned(element) else -(1 << (bits - 1))
    high = low + (1 << bits) - 1
    if bits > 16:
        raise Unsupported("floats rounded to integers of 32 bits")
    whole = term("roundeven", F32, value)
    limited = term("maximumf", F32, whole, constant(float(low), F32))
    limited = term("minimumf", F32, limited, constant(float(high), F32))
    return term("trunci", f"i{bits}", term("fptosi", "i32", limited))


def float_name(element: Attribute) -> str:
    name = type_name(element)
    if name not in _KNOWN_FLOATS:
        raise Unsupported(f"numbers of type {name}")
    return name


def integer_name(element: Attribute) -> str:
    """The type of terms for integers of a width; their sign is in the operations."""
    return f"i{8 * element_bytes(element)}"


def as_float(value: Number) -> Term:
    """A position as a float; what is a term already stays."""
    if isinstance(value, Index):
        return term("sitofp", F32, as_term(value, "i32"))
    return value


def as_integer(value: Number, type: str) -> Term:
    return as_term(value, type) if isinstance(value, Index) else value


def truth(value: Number) -> Term:
    """Whether a number is not 0."""
    if isinstance(value, Index):
        return as_term(negate(equal(value, constant_index(0))))
    if _is_truth_as_number(value) or (value.operation == "extui" and _is_truth(value.operands[0])):
        return value.operands[0]
    zero = constant(0.0 if value.type == F32 else 0, value.type)
    kind, payload = ("cmpf", "une") if value.type == F32 else ("cmpi", "ne")
    return term(kind, "i1", value, zero, payload=payload)


def _number_of(truth: Term) -> Term:
    return term("select", F32, truth, constant(1.0, F32), constant(0.0, F32))


def _is_truth(value: Term) -> bool:
    return value.type == "i1"


def _is_truth_as_number(value: Number) -> TypeGuard[Term]:
    """Whether it is 1 where a condition holds, else 0."""
    if not isinstance(value, Term) or value.operation != "select":
        return False
    return [constant_value(operand) for operand in value.operands[1:]] == [1.0, 0.0]


def _comparison(operator: Operator, left: Any, right: Any) -> Term | None:
    """A comparison of positions with each other or with whole numbers, as a condition."""
    pair = [_whole(value) for value in (left, right)]
    if pair[0] is None or pair[1] is None:
        return None
    a, b = pair[0], pair[1]
    rules: dict[Operator, Callable[[], Condition]] = {
        Operator.EQUAL: lambda: equal(a, b),
        Operator.NOT_EQUAL: lambda: negate(equal(a, b)),
        Operator.LESS: lambda: less_than(a, b),
        Operator.LESS_EQUAL: lambda: at_least(b, a),
        Operator.GREATER: lambda: less_than(b, a),
        Operator.GREATER_EQUAL: lambda: at_least(a, b),
    }
    return as_term(rules[operator]())


def _whole(value: Number) -> Index | None:
    """A number that float32 holds exactly, as an index."""
    if isinstance(value, Index):
        low, high = value.interval
        exact = low is not None and high is not None and max(-low, high) <= EXACT
        return value if exact else None
    number = constant_value(value)
    if number is None or not float(number).is_integer():
        return None
    return constant_index(int(number))
