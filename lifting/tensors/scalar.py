"""Scalar arithmetic of the tensor program: the operations that compute a term from its leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

from xdsl.builder import Builder
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    Float32Type,
    Float64Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue

from ..loops.index import IndexExpression, IndexSymbol, LoopVariable, Quotient, Size
from ..loops.terms import Apply, Constant, IndexValue, Scalar, Term

LoopIndex = Callable[[LoopVariable], Operation]


@dataclass
class ScalarWriter:
    """Appends scalar operations with ``builder``, each term once.

    ``known`` holds the terms that have a value already; ``parameters`` maps scalar and array
    parameters of the source function to those of the new one; ``loop_index`` makes the operation
    that gives the value of a loop variable.
    """

    builder: Builder
    known: dict[Term, SSAValue]
    parameters: dict[SSAValue, SSAValue]
    loop_index: LoopIndex | None = None
    symbols: dict[IndexSymbol, SSAValue] = field(default_factory=dict[IndexSymbol, SSAValue])

    def value(self, term: Term) -> SSAValue:
        """Return the value of the term."""
        if term not in self.known:
            self.known[term] = self._compute(term)
        return self.known[term]

    def _compute(self, term: Term) -> SSAValue:
        match term:
            case Constant():
                return self._insert(arith.ConstantOp(_number(term)))
            case Scalar():
                return self.parameters[term.argument]
            case IndexValue():
                return self._cast(self.index(term.expression), term.type)
            case Apply():
                operands = [self.value(operand) for operand in term.operands]
                return self._insert(
                    term.operation.create(
                        operands=operands,
                        result_types=[term.type],
                        properties=dict(term.properties),
                    )
                )
            case _:
                raise AssertionError(f"no value for the leaf {term}")

    def index(self, expression: IndexExpression) -> SSAValue:
        """Return the value of an index expression, of type ``index``."""
        products = [
            self._product([self._symbol(symbol) for symbol in monomial], coefficient)
            for monomial, coefficient in expression.terms
        ]
        if not products:
            return self._insert(arith.ConstantOp(IntegerAttr(0, IndexType())))
        return reduce(lambda a, b: self._insert(arith.AddiOp(a, b)), products)

    def _product(self, factors: list[SSAValue], coefficient: int) -> SSAValue:
        if coefficient != 1 or not factors:
            constant = arith.ConstantOp(IntegerAttr(coefficient, IndexType()))
            factors = [*factors, self._insert(constant)]
        return reduce(lambda a, b: self._insert(arith.MuliOp(a, b)), factors)

    def _symbol(self, symbol: IndexSymbol) -> SSAValue:
        if symbol not in self.symbols:
            self.symbols[symbol] = self._symbol_value(symbol)
        return self.symbols[symbol]

    def _symbol_value(self, symbol: IndexSymbol) -> SSAValue:
        if isinstance(symbol, LoopVariable):
            assert self.loop_index is not None
            return self._insert(self.loop_index(symbol))
        if isinstance(symbol, Quotient):
            divisor = self._insert(arith.ConstantOp(IntegerAttr(symbol.divisor, IndexType())))
            return self._insert(arith.DivSIOp(self.index(symbol.dividend), divisor))
        assert isinstance(symbol, Size)
        source = self.parameters[symbol.value]
        if symbol.is_unsigned:
            return self._cast(self._insert(arith.ExtUIOp(source, i64)), IndexType())
        if symbol.dimension is None:
            return self._cast(source, IndexType())
        position = arith.ConstantOp(IntegerAttr(symbol.dimension, IndexType()))
        return self._insert(tensor.DimOp(source, self._insert(position)))

    def _cast(self, value: SSAValue, type: Attribute) -> SSAValue:
        if value.type == type:
            return value
        return self._insert(arith.IndexCastOp(value, type))

    def _insert(self, op: Operation) -> SSAValue:
        return self.builder.insert(op).results[0]


def _number(term: Constant) -> IntegerAttr[IntegerType | IndexType] | FloatAttr[Float32Type]:
    if isinstance(term.type, IntegerType | IndexType):
        return IntegerAttr(int(term.value), term.type)
    assert isinstance(term.type, Float32Type | Float64Type)
    return FloatAttr(float(term.value), term.type)  # pyright: ignore[reportReturnType]
