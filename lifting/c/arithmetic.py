"""Lowers C's arithmetic to ``arith`` operations: conversions, operators, comparisons, truth.

Index arithmetic (sums and products of loop variables, parameters and constants) is also kept as a
polynomial, from which subscripts and bounds are emitted on ``index``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xdsl.dialects import arith, builtin
from xdsl.ir import Operation, SSAValue

from ...diagnostics import Diagnostic
from .constants import (
    COMPARISONS,
    common_type,
    convert_constant,
    fold_binary,
    fold_shift,
    truncating_division,
)
from .digits import digit
from .emitter import Emitter
from .guards import NO_FACTS, Facts
from .polynomial import TERM_LIMIT, Atom, Interval, LoopRange, Polynomial
from .types import (
    BOOL,
    INT,
    LONG,
    CFloat,
    CInteger,
    CScalar,
    integer_promotion,
    to_mlir,
)
from .values import Value

_BinaryOperation = Callable[[SSAValue, SSAValue], Operation]

_SIGNED: dict[str, _BinaryOperation] = {
    "+": arith.AddiOp,
    "-": arith.SubiOp,
    "*": arith.MuliOp,
    "/": arith.DivSIOp,
    "%": arith.RemSIOp,
    "&": arith.AndIOp,
    "|": arith.OrIOp,
    "^": arith.XOrIOp,
    "<<": arith.ShLIOp,
    ">>": arith.ShRSIOp,
}
_UNSIGNED: dict[str, _BinaryOperation] = {
    **_SIGNED,
    "/": arith.DivUIOp,
    "%": arith.RemUIOp,
    ">>": arith.ShRUIOp,
}
_FLOAT: dict[str, _BinaryOperation] = {
    "+": arith.AddfOp,
    "-": arith.SubfOp,
    "*": arith.MulfOp,
    "/": arith.DivfOp,
}
_PREDICATES = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}


class SizeTooLargeError(Exception):
    """The size of a vector is kept in a type that cannot hold all sizes.

    Caught by the lowering of the kernel, which takes for granted that it fits.
    """

    def __init__(self, name: str, highest: int) -> None:
        super().__init__(name)
        self.name = name
        self.highest = highest


class Arithmetic:
    """Emits the operations of C's scalar operators through an ``Emitter``."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    # ---- forms of a value -----------------------------------------------------------------------
    def constant(self, value: int | float, kind: CScalar) -> Value:
        """Return a constant; an integer one may also take part in index arithmetic."""
        polynomial = Polynomial.constant(value) if isinstance(value, int) else None
        return Value(kind, constant=value, polynomial=polynomial)

    def computed(self, op: Operation, kind: CScalar) -> Value:
        """Emit ``op`` and return its result as a value of type ``kind``."""
        return Value(kind, ssa=self._emitter.value(op))

    def materialise(self, value: Value) -> SSAValue:
        """Return ``value`` in the MLIR type of its C type."""
        if value.ssa is not None:
            return value.ssa
        assert value.constant is not None
        return self._emitter.constant(value.constant, value.type)

    def truth(self, value: Value) -> SSAValue:
        """Return an ``i1``: whether ``value`` is not 0."""
        if value.condition is not None:
            return value.condition
        if value.constant is not None:
            return self._emitter.truth(value.constant != 0)
        zero = self.constant(0.0 if isinstance(value.type, CFloat) else 0, value.type)
        return self._comparison("!=", value.type, value, zero)

    def from_truth(
        self, condition: SSAValue, kind: CInteger = INT, facts: Facts = NO_FACTS
    ) -> Value:
        """Return the ``kind`` that is 1 where ``condition`` is true and 0 elsewhere."""
        extended = self._emitter.value(arith.ExtUIOp(condition, self._integer(kind)))
        return Value(kind, ssa=extended, condition=condition, facts=facts)

    def polynomial(self, value: Value, name: str = "value") -> Polynomial:
        """Return an integer ``value`` as index arithmetic; what has no such form becomes an atom.

        The atom is a cast of the C value to ``index``, so that the subscript is right even where
        it is not affine.
        """
        if value.polynomial is not None:
            return value.polynomial
        ssa = self.as_index(self.materialise(value), value.type)
        return Polynomial.atom(Atom(name, ssa, value.interval, exact=False))

    def as_index(self, ssa: SSAValue, kind: CScalar) -> SSAValue:
        """Return the integer ``ssa`` of C type ``kind`` as an ``index`` of the same value."""
        assert isinstance(kind, CInteger)
        if not kind.signed and kind.bits < LONG.bits:
            ssa = self._emitter.value(arith.ExtUIOp(ssa, builtin.i64))
        return self._emitter.value(arith.IndexCastOp(ssa, builtin.IndexType()))

    def from_index(self, ssa: SSAValue, kind: CInteger) -> SSAValue:
        """Return the ``index`` ``ssa`` modulo 2**bits as an integer of type ``kind``."""
        return self._emitter.value(arith.IndexCastOp(ssa, self._integer(kind)))

    def indexed(self, kind: CInteger, ssa: SSAValue, polynomial: Polynomial) -> Value:
        """Return the value ``ssa``, which is ``polynomial`` computed in ``kind``.

        An unsigned type narrower than 64 bits may wrap where ``index`` does not; unless that is
        excluded, the polynomial is given up.
        """
        interval = polynomial.interval
        may_wrap = (
            not kind.signed
            and kind.bits < LONG.bits
            and not kind.holds(interval.low, interval.high)
        )
        if may_wrap or len(polynomial.terms) > TERM_LIMIT:
            return Value(kind, ssa=ssa)
        return Value(kind, ssa=ssa, polynomial=polynomial)

    def choice(self, condition: Value, arms: tuple[Value, Value]) -> Polynomial | None:
        """Return ``condition ? arms[0] : arms[1]`` as index arithmetic, None if it is not that.

        ``a < b ? a : b`` is a minimum, which a bound may be; other choices are opaque.
        """
        left, right = arms[0].polynomial, arms[1].polynomial
        if left is None or right is None or condition.compared is None:
            return None
        operands = self._emitter.index(left), self._emitter.index(right)
        low, high = arms[0].interval, arms[1].interval
        bounds = Interval(min(low.low, high.low), max(low.high, high.high))
        extremum = _extremum(condition.compared, left, right)
        if extremum is None:
            chosen = self._emitter.value(arith.SelectOp(self.truth(condition), *operands))
        else:
            chosen = self._emitter.value(extremum(*operands))
        if extremum is arith.MinSIOp:
            bounds = Interval(bounds.low, min(low.high, high.high))
        elif extremum is arith.MaxSIOp:
            bounds = Interval(max(low.low, high.low), bounds.high)
        limits = (left, right) if extremum is arith.MinSIOp else ()
        return Polynomial.atom(Atom("choice", chosen, bounds, exact=False, at_most=limits))

    # ---- conversions ----------------------------------------------------------------------------
    def convert(self, value: Value, kind: CScalar) -> Value:
        """Return ``value`` converted to ``kind`` (C17 6.3.1)."""
        if value.type == kind:
            return value
        if value.constant is not None:
            converted = convert_constant(value.constant, kind)
            if converted is not None:
                return self.constant(converted, kind)
        if isinstance(kind, CInteger) and kind.boolean:
            return self.from_truth(self.truth(value), BOOL, value.facts)
        if isinstance(kind, CInteger) and isinstance(value.type, CInteger):
            return self._convert_integer(value, value.type, kind)
        return self._convert_with_float(value, kind)

    def _convert_integer(self, value: Value, source: CInteger, kind: CInteger) -> Value:
        if value.condition is not None:
            return self.from_truth(value.condition, kind, value.facts)
        resized = self._resize(self.materialise(value), source, kind)
        interval = value.interval
        if kind.bits == LONG.bits or kind.holds(interval.low, interval.high):
            return Value(kind, ssa=resized, polynomial=value.polynomial)
        if value.polynomial is None or kind.bits > source.bits:
            return Value(kind, ssa=resized)
        # The polynomial equals the value modulo 2**source.bits, hence modulo 2**kind.bits, too.
        interval = value.polynomial.interval
        if kind.holds(interval.low, interval.high):
            return Value(kind, ssa=resized, polynomial=value.polynomial)
        for atom in value.polynomial.atoms():
            if atom.is_size and atom.interval.high > kind.highest:
                raise SizeTooLargeError(atom.name, kind.highest)
        return Value(kind, ssa=resized)

    def _resize(self, ssa: SSAValue, source: CInteger, kind: CInteger) -> SSAValue:
        if source.bits == kind.bits:
            return ssa
        if source.bits > kind.bits:
            return self._emitter.value(arith.TruncIOp(ssa, self._integer(kind)))
        extension = arith.ExtSIOp if source.signed else arith.ExtUIOp
        return self._emitter.value(extension(ssa, self._integer(kind)))

    def _convert_with_float(self, value: Value, kind: CScalar) -> Value:
        ssa = self.materialise(value)
        target = to_mlir(kind)
        if isinstance(kind, CInteger):
            to_integer = arith.FPToSIOp if kind.signed else arith.FPToUIOp
            return self.computed(to_integer(ssa, self._integer(kind)), kind)
        assert not isinstance(target, builtin.IntegerType)
        if isinstance(value.type, CInteger):
            from_integer = arith.SIToFPOp if value.type.signed else arith.UIToFPOp
            return self.computed(from_integer(ssa, target), kind)
        if value.type.bits == kind.bits:
            raise self._in_storage_type(f"a conversion from {value.type} to", kind)
        widens = value.type.bits < kind.bits
        return self.computed((arith.ExtFOp if widens else arith.TruncFOp)(ssa, target), kind)

    def _in_storage_type(self, what: str, kind: CFloat) -> Diagnostic:
        return Diagnostic(
            f"{what} {kind}: compilers differ in how they round it",
            self._emitter.location,
            hint="compute in float: write (float)x for an operand",
        )

    @staticmethod
    def _integer(kind: CScalar) -> builtin.IntegerType:
        return builtin.IntegerType(kind.bits)

    # ---- operators ------------------------------------------------------------------------------
    def binary(self, operator: str, left: Value, right: Value) -> Value:
        """Return ``left operator right`` for an arithmetic, bitwise, shift or comparison operator.

        Raises Diagnostic, at the emitter's place, for operands that the operator does not take.
        """
        self._check_operands(operator, left, right)
        kind = common_type(operator, left.type, right.type)
        if isinstance(kind, CFloat) and kind.is_storage:
            raise self._in_storage_type(f"'{operator}' in", kind)
        left = self.convert(left, kind)
        is_shift = operator in ("<<", ">>")
        right = self.promote(right) if is_shift else self.convert(right, kind)
        self._check_right_operand(operator, kind, right)
        if (folded := self._fold(operator, kind, left, right)) is not None:
            return folded
        if operator in ("==", "!=") and left.condition is not None and right.constant == 0:
            return self.invert(left) if operator == "==" else left
        if operator in COMPARISONS:
            result = self.from_truth(self._comparison(operator, kind, left, right))
            if not isinstance(kind, CInteger) or not _are_signed_indices(left, right):
                return result
            assert left.polynomial is not None
            assert right.polynomial is not None
            compared = (operator, left.polynomial, right.polynomial)
            return replace(result, compared=compared, facts=Facts.of_comparison(*compared))
        ssa = self._emit(operator, kind, left, right)
        if isinstance(kind, CInteger):
            polynomial = self._index_operation(operator, left, right)
            if polynomial is not None:
                return self.indexed(kind, ssa, polynomial)
        return Value(kind, ssa=ssa)

    def negate(self, value: Value) -> Value:
        """Return ``-value``."""
        if isinstance(value.type, CFloat):
            if value.type.is_storage:
                raise self._in_storage_type("'-' in", value.type)
            if value.constant is not None:
                return self.constant(-value.constant, value.type)
            return self.computed(arith.NegfOp(self.materialise(value)), value.type)
        return self.binary("-", self.constant(0, INT), value)

    def complement(self, value: Value) -> Value:
        """Return ``~value``."""
        return self.binary("^", value, self.constant(-1, INT))

    def invert(self, value: Value) -> Value:
        """Return ``!value``."""
        if value.constant is not None:
            return self.constant(int(value.constant == 0), INT)
        flipped = arith.XOrIOp(self.truth(value), self._emitter.truth(True))
        return self.from_truth(self._emitter.value(flipped), facts=value.facts.negated())

    def promote(self, value: Value) -> Value:
        """Return ``+value``: the value after integer promotion."""
        if isinstance(value.type, CInteger):
            return self.convert(value, integer_promotion(value.type))
        return value

    def _check_operands(self, operator: str, left: Value, right: Value) -> None:
        if operator not in ("%", "&", "|", "^", "<<", ">>"):
            return
        for operand in (left, right):
            if isinstance(operand.type, CFloat):
                raise Diagnostic(
                    f"mismatched types: '{operator}' takes integers, not {operand.type}",
                    self._emitter.location,
                    hint="convert the operand with a cast",
                )

    def _check_right_operand(self, operator: str, kind: CScalar, right: Value) -> None:
        """Refuse divisions by the constant 0 and shifts by a constant beyond the width."""
        if right.constant is None or isinstance(kind, CFloat):
            return
        if operator in ("/", "%") and right.constant == 0:
            raise Diagnostic(
                "division by zero", self._emitter.location, hint="C leaves it undefined"
            )
        if operator in ("<<", ">>") and not 0 <= right.constant < kind.bits:
            raise Diagnostic(
                f"a shift of {kind} by {right.constant} has no defined result",
                self._emitter.location,
                hint=f"shift by 0 to {kind.bits - 1}",
            )

    def _fold(self, operator: str, kind: CScalar, left: Value, right: Value) -> Value | None:
        if left.constant is None or right.constant is None:
            return None
        if operator in ("<<", ">>"):
            assert isinstance(kind, CInteger)
            result = fold_shift(operator, kind, int(left.constant), int(right.constant))
        else:
            result = fold_binary(operator, kind, left.constant, right.constant)
        if result is None:
            if isinstance(kind, CFloat):
                return None
            raise Diagnostic(
                f"'{operator}' has no defined result for these constants", self._emitter.location
            )
        return self.constant(result, INT if operator in COMPARISONS else kind)

    def _comparison(self, operator: str, kind: CScalar, left: Value, right: Value) -> SSAValue:
        if isinstance(kind, CFloat):
            order = "u" if operator == "!=" else "o"
            predicate = order + _PREDICATES[operator]
            operands = self.materialise(left), self.materialise(right)
            return self._emitter.value(arith.CmpfOp(*operands, predicate))
        if _are_signed_indices(left, right):
            assert left.polynomial is not None
            assert right.polynomial is not None
            indices = self._emitter.index(left.polynomial), self._emitter.index(right.polynomial)
            return self._compare_integers(operator, *indices, signed=True)
        operands = self.materialise(left), self.materialise(right)
        return self._compare_integers(operator, *operands, signed=kind.signed)

    def _compare_integers(
        self, operator: str, left: SSAValue, right: SSAValue, signed: bool
    ) -> SSAValue:
        order = "" if operator in ("==", "!=") else "s" if signed else "u"
        return self._emitter.value(arith.CmpiOp(left, right, order + _PREDICATES[operator]))

    def _emit(self, operator: str, kind: CScalar, left: Value, right: Value) -> SSAValue:
        if isinstance(kind, CFloat):
            operation = _FLOAT[operator]
        else:
            operation = (_SIGNED if kind.signed else _UNSIGNED)[operator]
            right = self.convert(right, kind)
        return self._emitter.value(operation(self.materialise(left), self.materialise(right)))

    # ---- index arithmetic -----------------------------------------------------------------------
    def _index_operation(self, operator: str, left: Value, right: Value) -> Polynomial | None:
        """Return ``left operator right`` as index arithmetic if it has that form."""
        a, b = left.polynomial, right.polynomial
        if a is None or b is None or len(a.terms) * len(b.terms) > TERM_LIMIT:
            return None
        if operator == "+":
            return a + b
        if operator == "-":
            return a - b
        if operator == "*":
            return a * b
        if operator in ("/", "%") and right.constant is None:
            return digit(operator, a, b)
        if right.constant is None or right.constant < 0:
            return None
        constant = int(right.constant)
        if operator == "<<" and constant < LONG.bits - 1:
            return a * Polynomial.constant(1 << constant)
        return self._quotient(operator, left, a, constant)

    def _quotient(
        self, operator: str, left: Value, dividend: Polynomial, constant: int
    ) -> Polynomial | None:
        """Return a division or remainder by a positive constant, in any of C's spellings.

        ``>> k`` divides by 2**k and ``& (2**k - 1)`` is the remainder only of numbers >= 0.
        """
        interval = left.interval
        if not LONG.holds(interval.low, interval.high):
            return None
        if operator == ">>" and interval.low >= 0 and constant < LONG.bits - 1:
            operator, constant = "/", 1 << constant
        elif operator == "&" and interval.low >= 0 and constant & (constant + 1) == 0:
            operator, constant = "%", constant + 1
        if operator not in ("/", "%") or constant <= 0:
            return None
        over_parameters = all(atom.loop_range is None and atom.exact for atom in dividend.atoms())
        if operator == "%" and over_parameters:
            quotient = self._quotient("/", left, dividend, constant)
            return None if quotient is None else dividend - quotient * Polynomial.constant(constant)
        operands = self._emitter.index(dividend), self._emitter.index_constant(constant)
        result = self._emitter.value(_SIGNED[operator](*operands))
        if operator == "/":
            low = truncating_division(interval.low, constant)
            bounds = Interval(low, truncating_division(interval.high, constant))
        else:
            low = 0 if interval.low >= 0 else 1 - constant
            bounds = Interval(low, min(interval.high, constant - 1) if low == 0 else constant - 1)
        inner = str(dividend) if len(dividend.terms) <= 4 else "..."
        name = f"(({inner[:60]}) {operator} {constant})"
        divided = (dividend, constant) if operator == "/" and over_parameters else None
        steps = _divided_range(dividend, constant) if operator == "/" else None
        return Polynomial.atom(Atom(name, result, bounds, steps, exact=False, quotient_of=divided))


def _divided_range(dividend: Polynomial, constant: int) -> LoopRange | None:
    """Return the values of a loop variable's quotient by what divides its start and its steps."""
    atoms = list(dividend.atoms())
    if len(atoms) != 1 or not dividend.same_as(Polynomial.atom(atoms[0])):
        return None
    if (found := atoms[0].loop_range) is None or found.step % constant:
        return None
    lower, upper = found.lower.constant_value, found.upper.constant_value
    if lower is None or upper is None or lower < 0 or lower % constant:
        return None
    first, end = (Polynomial.constant(-(-bound // constant)) for bound in (lower, upper))
    return LoopRange(first, end, found.step // constant)


def _are_signed_indices(left: Value, right: Value) -> bool:
    """Tell whether both are index arithmetic whose values an ``index`` holds as signed numbers."""
    return all(
        value.polynomial is not None and LONG.holds(value.interval.low, value.interval.high)
        for value in (left, right)
    )


def _extremum(
    compared: tuple[str, Polynomial, Polynomial], left: Polynomial, right: Polynomial
) -> type[arith.MinSIOp] | type[arith.MaxSIOp] | None:
    """Return the operation that ``compared ? left : right`` is, if it is a minimum or maximum."""
    operator, a, b = compared
    if operator not in ("<", "<=", ">", ">="):
        return None
    less = operator in ("<", "<=")
    if a.same_as(left) and b.same_as(right):
        return arith.MinSIOp if less else arith.MaxSIOp
    if a.same_as(right) and b.same_as(left):
        return arith.MaxSIOp if less else arith.MinSIOp
    return None
