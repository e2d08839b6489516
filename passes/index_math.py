"""Index arithmetic: build it folded, bound it, and compare it.

Every schedule pass rewrites index values. What it builds goes through ``IndexBuilder``, which folds
while it builds, so that programs stay small and no clean-up is needed in between. The operations
are the quasi-affine ones that validation reads: sums, products with a constant, floor division and
remainder by a positive constant of values that are not negative, minimum and maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import gcd

from xdsl.builder import Builder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, i1
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException


def constant_value(value: SSAValue) -> int | None:
    """The number that ``value`` always is, if an ``arith.constant`` defines it."""
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return None


@dataclass(frozen=True)
class Range:
    """An interval of integers, both ends included; None is unbounded."""

    low: int | None = None
    high: int | None = None

    def __add__(self, other: Range) -> Range:
        return Range(_sum(self.low, other.low), _sum(self.high, other.high))

    def __neg__(self) -> Range:
        return Range(
            None if self.high is None else -self.high, None if self.low is None else -self.low
        )

    def scaled(self, factor: int) -> Range:
        if factor < 0:
            return (-self).scaled(-factor)
        if factor == 0:
            return Range(0, 0)
        return Range(
            None if self.low is None else self.low * factor,
            None if self.high is None else self.high * factor,
        )

    def floordiv(self, divisor: int) -> Range:
        return Range(
            None if self.low is None else self.low // divisor,
            None if self.high is None else self.high // divisor,
        )


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def range_of(value: SSAValue) -> Range:
    """Bounds of an index value, by interval arithmetic over the loops around it."""
    owner = value.owner
    if isinstance(owner, Block):
        return _range_of_argument(value)
    if (number := constant_value(value)) is not None:
        return Range(number, number)
    match owner:
        case arith.AddiOp():
            return range_of(owner.lhs) + range_of(owner.rhs)
        case arith.SubiOp():
            return range_of(owner.lhs) + -range_of(owner.rhs)
        case arith.MuliOp() if (factor := constant_value(owner.rhs)) is not None:
            return range_of(owner.lhs).scaled(factor)
        case arith.FloorDivSIOp() if (divisor := constant_value(owner.rhs)) and divisor > 0:
            return range_of(owner.lhs).floordiv(divisor)
        case arith.RemSIOp() if (divisor := constant_value(owner.rhs)) and divisor > 0:
            return _range_of_remainder(range_of(owner.lhs), divisor)
        case arith.MinSIOp():
            return _range_of_minimum(range_of(owner.lhs), range_of(owner.rhs))
        case arith.MaxSIOp():
            return -_range_of_minimum(-range_of(owner.lhs), -range_of(owner.rhs))
        case _:
            return Range()


def _range_of_argument(value: SSAValue) -> Range:
    assert isinstance(value, BlockArgument)
    loop = value.block.parent_op()
    if not isinstance(loop, scf.ForOp) or value.index != 0:
        return Range()
    low, high = range_of(loop.lb).low, range_of(loop.ub).high
    step = constant_value(loop.step)
    if low is None or high is None or not step:
        return Range(low, None if high is None else high - 1)
    # Exact for constant bounds; an upper limit of the last iteration in any case.
    last = high - 1 if constant_value(loop.lb) is None else low + (high - 1 - low) // step * step
    return Range(low, max(low, last))


def _range_of_remainder(dividend: Range, divisor: int) -> Range:
    if dividend.low is None or dividend.low < 0:
        return Range(1 - divisor, divisor - 1)
    if dividend.high is not None and dividend.high < divisor:
        return dividend
    return Range(0, divisor - 1)


def _range_of_minimum(a: Range, b: Range) -> Range:
    low = None if a.low is None or b.low is None else min(a.low, b.low)
    highs = [high for high in (a.high, b.high) if high is not None]
    return Range(low, min(highs) if highs else None)


@dataclass(frozen=True)
class Digits:
    """A value ``high · factor · unit + low`` with 0 ≤ low < unit."""

    high: SSAValue
    factor: int
    unit: int
    low: SSAValue


def _digits(value: SSAValue, divisor: int) -> Digits | None:
    """``value`` in digits of which ``divisor`` leaves the low one alone, if it is built so."""
    owner = value.owner
    if not isinstance(owner, arith.AddiOp) or not isinstance(owner.lhs.owner, arith.MuliOp):
        return None
    factor, bounds = constant_value(owner.lhs.owner.rhs), range_of(owner.rhs)
    if not factor or factor < 0 or bounds.low is None or bounds.high is None:
        return None
    unit = gcd(factor, divisor)
    if bounds.low < 0 or bounds.high >= unit:
        return None
    return Digits(owner.lhs.owner.lhs, factor // unit, unit, owner.rhs)


def _multiple(value: SSAValue, divisor: int) -> tuple[SSAValue, int] | None:
    """A value and a factor whose product with ``divisor`` is ``value``, if it is built so."""
    owner = value.owner
    if not isinstance(owner, arith.MuliOp):
        return None
    factor = constant_value(owner.rhs)
    return None if not factor or factor % divisor else (owner.lhs, factor // divisor)


class IndexBuilder:
    """Inserts folded index arithmetic at a movable insertion point of one function.

    Constants are shared and lie at the function's entry.
    """

    def __init__(self, entry: Block, at: InsertPoint) -> None:
        self.entry = entry
        self.builder = Builder(at)
        self._constants: dict[tuple[int, bool], SSAValue] = {}
        for op in entry.ops:
            if not isinstance(op, arith.ConstantOp):
                break  # what follows may not be defined yet where a constant is wanted
            if (number := constant_value(op.result)) is not None:
                self._constants.setdefault((number, op.result.type == i1), op.result)

    def at(self, point: InsertPoint) -> None:
        """Insert from now on at ``point``."""
        self.builder.insertion_point = point

    def insert(self, op: Operation) -> Operation:
        return self.builder.insert(op)

    def constant(self, number: int) -> SSAValue:
        """The index constant ``number``."""
        return self._constant(number, flag=False)

    def flag(self, truth: bool) -> SSAValue:
        """The i1 constant ``truth``."""
        return self._constant(int(truth), flag=True)

    def _constant(self, number: int, *, flag: bool) -> SSAValue:
        # xDSL prints a true i1 as 1 or -1; both are read back here, one of them is kept.
        for key in ((number, flag), (-number, flag)) if flag else ((number, flag),):
            if key in self._constants:
                return self._constants[key]
        op = arith.ConstantOp(IntegerAttr(number, i1 if flag else IndexType()))
        Builder(self._constant_point()).insert(op)
        op.result.name_hint = ("true" if number else "false") if flag else f"c{number}"
        self._constants[number, flag] = op.result
        return op.result

    def _constant_point(self) -> InsertPoint:
        for op in self.entry.ops:
            if not isinstance(op, arith.ConstantOp):
                return InsertPoint.before(op)
        return InsertPoint.at_end(self.entry)

    def add(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        x, y = constant_value(a), b if isinstance(b, int) else constant_value(b)
        if x is not None and y is not None:
            return self.constant(x + y)
        if y == 0:
            return a
        if x == 0 and not isinstance(b, int):
            return b
        if isinstance(b, int) and b < 0:
            return self._value(arith.SubiOp(a, self.constant(-b)))
        return self._value(arith.AddiOp(a, self.constant(b) if isinstance(b, int) else b))

    def sub(self, a: SSAValue, b: SSAValue) -> SSAValue:
        x, y = constant_value(a), constant_value(b)
        if x is not None and y is not None:
            return self.constant(x - y)
        return a if y == 0 else self._value(arith.SubiOp(a, b))

    def mul(self, a: SSAValue, factor: int) -> SSAValue:
        if (x := constant_value(a)) is not None:
            return self.constant(x * factor)
        if factor == 0:
            return self.constant(0)
        return a if factor == 1 else self._value(arith.MuliOp(a, self.constant(factor)))

    def floordiv(self, a: SSAValue, divisor: int) -> SSAValue:
        """``a // divisor`` for ``a`` that is not negative and a positive constant."""
        bounds = range_of(a).floordiv(divisor)
        if bounds.low is not None and bounds.low == bounds.high:
            return self.constant(bounds.low)
        if (multiple := _multiple(a, divisor)) is not None:
            return self.mul(*multiple)
        if (split := _digits(a, divisor)) is not None:
            return self.floordiv(self.mul(split.high, split.factor), divisor // split.unit)
        return a if divisor == 1 else self._value(arith.FloorDivSIOp(a, self.constant(divisor)))

    def rem(self, a: SSAValue, divisor: int) -> SSAValue:
        """``a % divisor`` for ``a`` that is not negative and a positive constant."""
        if (x := constant_value(a)) is not None:
            return self.constant(x % divisor)
        if divisor == 1 or _multiple(a, divisor) is not None:
            return self.constant(0)
        bounds = range_of(a)
        if (
            bounds.low is not None
            and bounds.high is not None
            and 0 <= bounds.low <= bounds.high < divisor
        ):
            return a
        if (split := _digits(a, divisor)) is not None:
            high = self.rem(self.mul(split.high, split.factor), divisor // split.unit)
            return self.add(self.mul(high, split.unit), split.low)
        return self._value(arith.RemSIOp(a, self.constant(divisor)))

    def carry(self, a: SSAValue, limit: int) -> SSAValue:
        """1 where ``a`` has reached ``limit``, else 0, for ``a`` from 0 to ``2 · limit - 1``."""
        if is_power_of_two(limit):
            return self.floordiv(a, limit)
        # The core divides by a power of two only in one cycle; a comparison takes two.
        beyond = self.maximum(self.add(a, 1 - limit), self.constant(0))
        return self.minimum(beyond, self.constant(1))

    def minimum(self, a: SSAValue, b: SSAValue) -> SSAValue:
        x, y = range_of(a), range_of(b)
        if x.high is not None and y.low is not None and x.high <= y.low:
            return a
        if y.high is not None and x.low is not None and y.high <= x.low:
            return b
        return self._value(arith.MinSIOp(a, b))

    def maximum(self, a: SSAValue, b: SSAValue) -> SSAValue:
        x, y = range_of(a), range_of(b)
        if x.low is not None and y.high is not None and x.low >= y.high:
            return a
        if y.low is not None and x.high is not None and y.low >= x.high:
            return b
        return self._value(arith.MaxSIOp(a, b))

    def less(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The i1 value ``a < b``."""
        x, y = range_of(a), range_of(b)
        if x.high is not None and y.low is not None and x.high < y.low:
            return self.flag(True)
        if x.low is not None and y.high is not None and x.low >= y.high:
            return self.flag(False)
        return self._value(arith.CmpiOp(a, b, "slt"))

    def positive(self, a: SSAValue) -> SSAValue:
        """The i1 value ``a > 0``."""
        return self.less(self.constant(0), a)

    def equal(self, a: SSAValue, number: int) -> SSAValue:
        """The i1 value ``a == number``."""
        bounds = range_of(a)
        if bounds.low is not None and bounds.low == bounds.high:
            return self.flag(bounds.low == number)
        if (bounds.low is not None and number < bounds.low) or (
            bounds.high is not None and number > bounds.high
        ):
            return self.flag(False)
        return self._value(arith.CmpiOp(a, self.constant(number), "eq"))

    def both(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The i1 value ``a and b``."""
        for one, other in ((a, b), (b, a)):
            if (truth := constant_value(one)) is not None:
                return other if truth else one
        return a if a is b else self._value(arith.AndIOp(a, b))

    def either(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The i1 value ``a or b``."""
        return self._value(arith.OrIOp(a, b))

    def rebuilt(self, op: Operation, operands: list[SSAValue]) -> SSAValue:
        """The result of ``op`` on other operands, folded again."""
        a, b = operands[0], operands[-1]
        number = constant_value(b)
        match op:
            case arith.AddiOp():
                return self.add(a, b)
            case arith.SubiOp():
                return self.sub(a, b)
            case arith.MuliOp() if number is not None:
                return self.mul(a, number)
            case arith.FloorDivSIOp() if number:
                return self.floordiv(a, number)
            case arith.RemSIOp() if number:
                return self.rem(a, number)
            case arith.MinSIOp():
                return self.minimum(a, b)
            case arith.MaxSIOp():
                return self.maximum(a, b)
            case arith.AndIOp():
                return self.both(a, b)
            case arith.CmpiOp() if op.predicate.value.data == SLT:
                return self.less(a, b)
            case arith.CmpiOp() if op.predicate.value.data == EQ and number is not None:
                return self.equal(a, number)
            case _:
                return self._value(op.clone(dict(zip(op.operands, operands, strict=True))))

    def copy(
        self, value: SSAValue, mapping: dict[SSAValue, SSAValue], scope: Operation
    ) -> SSAValue:
        """Rebuild the arithmetic of ``value`` that lies inside ``scope``, with values replaced.

        ``mapping`` says what replaces what, and gains the values that were rebuilt. Raises
        ``PassFailedException`` where the value comes from something other than index arithmetic.
        """
        if value in mapping:
            return mapping[value]
        owner = value.owner
        if isinstance(owner, Block):
            if scope.is_ancestor(owner):
                raise PassFailedException(f"a value depends on a loop variable inside {scope.name}")
            return value
        if owner is scope or not scope.is_ancestor(owner):
            return value
        if not is_index_math(owner):
            raise PassFailedException(f"{owner.name} is not index arithmetic")
        if isinstance(owner, arith.ConstantOp):
            number = constant_value(value)
            assert number is not None
            result = self.flag(bool(number)) if value.type == i1 else self.constant(number)
        else:
            result = self.rebuilt(owner, [self.copy(o, mapping, scope) for o in owner.operands])
            name(result, value.name_hint)
        mapping[value] = result
        return result

    def _value(self, op: Operation) -> SSAValue:
        return self.builder.insert(op).results[0]


def name(value: SSAValue, hint: str | None) -> SSAValue:
    """Give a computed value a name for readers, if it has none yet."""
    if hint and value.name_hint is None and isinstance(value.owner, Operation):
        value.name_hint = hint
    return value


EQ, SLT = 0, 2
"""Numbers of the comparison predicates in ``arith.cmpi``."""

INDEX_MATH = (
    arith.ConstantOp,
    arith.AddiOp,
    arith.SubiOp,
    arith.MuliOp,
    arith.FloorDivSIOp,
    arith.RemSIOp,
    arith.MinSIOp,
    arith.MaxSIOp,
    arith.CmpiOp,
    arith.AndIOp,
    arith.OrIOp,
    arith.SelectOp,
)


def is_index_math(op: Operation) -> bool:
    """Whether ``op`` is pure arithmetic on indices and conditions."""
    return isinstance(op, INDEX_MATH)


def depends_on(value: SSAValue, argument: SSAValue) -> bool:
    """Whether ``value`` is computed from ``argument`` (by index arithmetic)."""
    if value is argument:
        return True
    owner = value.owner
    return isinstance(owner, Operation) and any(depends_on(o, argument) for o in owner.operands)


def is_power_of_two(number: int) -> bool:
    """Whether ``number`` is 1, 2, 4, …: the core divides by it in one cycle."""
    return number > 0 and number & (number - 1) == 0


def merged_digits(terms: Iterable[tuple[SSAValue, int]]) -> list[tuple[SSAValue, int]]:
    """Terms ``value · factor`` of a sum, with ``x / n · n · f + x % n · f`` joined to ``x · f``.

    So does an address that the two digits of a loop variable tell apart not divide.
    """
    merged: list[tuple[SSAValue, int]] = []
    for value, factor in terms:
        if merged and (whole := _whole_of(merged[-1], (value, factor))) is not None:
            merged[-1] = whole
        else:
            merged.append((value, factor))
    return merged


def _whole_of(high: tuple[SSAValue, int], low: tuple[SSAValue, int]) -> tuple[SSAValue, int] | None:
    quotient, remainder = high[0].owner, low[0].owner
    if not isinstance(quotient, arith.FloorDivSIOp) or not isinstance(remainder, arith.RemSIOp):
        return None
    divisor = constant_value(remainder.rhs)
    same = quotient.lhs is remainder.lhs and constant_value(quotient.rhs) == divisor
    if not same or divisor is None or high[1] != divisor * low[1]:
        return None
    return remainder.lhs, low[1]


def loop_depth(value: SSAValue) -> int:
    """How many loops enclose the innermost loop variable that ``value`` is computed from."""
    owner = value.owner
    if isinstance(owner, Operation):
        return max((loop_depth(operand) for operand in owner.operands), default=0)
    depth = 0
    parent = owner.parent_op()
    while parent is not None:
        depth += isinstance(parent, scf.ForOp)
        parent = parent.parent_op()
    return depth


def slope(value: SSAValue, variable: SSAValue) -> int | None:
    """How much ``value`` grows when ``variable`` grows by 1, if that is always the same number."""
    if value is variable:
        return 1
    if not depends_on(value, variable):
        return 0
    owner = value.owner
    if isinstance(owner, arith.AddiOp | arith.SubiOp):
        a, b = slope(owner.lhs, variable), slope(owner.rhs, variable)
        if a is None or b is None:
            return None
        return a + b if isinstance(owner, arith.AddiOp) else a - b
    if isinstance(owner, arith.MuliOp) and (factor := constant_value(owner.rhs)) is not None:
        inner = slope(owner.lhs, variable)
        return None if inner is None else inner * factor
    return None


Linear = Mapping[object, int]
"""A sum of atoms with factors; the key ``None`` holds the constant."""


def linear_form(value: SSAValue, known: Mapping[SSAValue, Linear] | None = None) -> Linear:
    """``value`` as a sum of atoms: equal forms mean equal values.

    An atom is a loop variable, or a quotient, remainder or minimum of linear forms, which is
    compared by structure and not by the operation that computes it.
    """
    if known is not None and value in known:
        return known[value]
    if (number := constant_value(value)) is not None:
        return {None: number} if number else {}
    owner = value.owner
    if isinstance(owner, Block):
        return {value: 1}
    match owner:
        case arith.AddiOp():
            return combine(linear_form(owner.lhs, known), linear_form(owner.rhs, known), 1)
        case arith.SubiOp():
            return combine(linear_form(owner.lhs, known), linear_form(owner.rhs, known), -1)
        case arith.MuliOp() if (factor := constant_value(owner.rhs)) is not None:
            return combine({}, linear_form(owner.lhs, known), factor)
        case _:
            operands = tuple(frozenset(linear_form(o, known).items()) for o in owner.operands)
            return {(owner.name, operands, _predicate(owner)): 1}


def _predicate(op: Operation) -> int | None:
    return op.predicate.value.data if isinstance(op, arith.CmpiOp) else None


def combine(a: Linear, b: Linear, factor: int) -> Linear:
    """``a + factor·b``, without atoms of factor 0."""
    result = dict(a)
    for atom, count in b.items():
        result[atom] = result.get(atom, 0) + factor * count
    return {atom: count for atom, count in result.items() if count}


def constant_difference(a: SSAValue, b: SSAValue) -> int | None:
    """``a - b`` if it is the same number in every iteration, else None."""
    difference = combine(linear_form(a), linear_form(b), -1)
    if not difference:
        return 0
    return difference[None] if set(difference) == {None} else None


def never_equal(a: SSAValue, b: SSAValue) -> bool:
    """Whether ``a`` and ``b`` provably differ: by a constant, or by their remainder (phases)."""
    if (difference := constant_difference(a, b)) is not None:
        return difference != 0
    for value in (a, b):
        if isinstance(value.owner, arith.RemSIOp) and (divisor := constant_value(value.owner.rhs)):
            first, second = _dividend(a, divisor), _dividend(b, divisor)
            if first is None or second is None:
                return False
            difference = constant_difference(first, second)
            return difference is not None and difference % divisor != 0
    return False


def _dividend(value: SSAValue, divisor: int) -> SSAValue | None:
    """A value whose remainder by ``divisor`` is ``value``."""
    owner = value.owner
    if isinstance(owner, arith.RemSIOp) and constant_value(owner.rhs) == divisor:
        return owner.lhs
    bounds = range_of(value)
    if bounds.low is None or bounds.high is None:
        return None
    return value if bounds.low >= 0 and bounds.high < divisor else None
