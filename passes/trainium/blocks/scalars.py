"""The scalar code of a ``linalg.generic`` as instructions on whole rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects.trn import Operator
from ..scalar_operations import BINARY, COMPARISONS, FUNCTIONS, TRUTH
from .cells import BlockEmitter, Cells, Operand


class ScalarCode:
    """Evaluates the operations of a body on rows; operands that are used up are released."""

    def __init__(self, emitter: BlockEmitter, known: Mapping[SSAValue, Operand]) -> None:
        self._emitter = emitter
        self._known = dict(known)
        self._own: set[SSAValue] = set()
        """Values whose buffers were made here."""
        self._uses: dict[SSAValue, int] = {}
        self._scales: dict[SSAValue, Operand] = {}
        """Factors that the table function which reads a value applies to it."""

    def run(self, body: Block, skipped: Sequence[Operation] = ()) -> None:
        """Emit all operations but the last one and those that are ``skipped``."""
        for operation in body.ops:
            if not isinstance(operation, linalg.YieldOp) and operation not in skipped:
                self._one(operation)

    def operand(self, value: SSAValue) -> Operand:
        """What a value is; raises ``PassFailedException`` for one that is not computed here."""
        if value not in self._known:
            raise PassFailedException(f"a value of type {value.type} cannot be computed on rows")
        return self._known[value]

    def _one(self, operation: Operation) -> None:
        if isinstance(operation, arith.ConstantOp):
            number = operation.value
            if isinstance(number, FloatAttr):
                self._known[operation.result] = number.value.data
            return
        if isinstance(operation, arith.ExtFOp):
            # Engines read every type as float32; both values are one buffer, which is kept.
            self._known[operation.result] = self.operand(operation.input)
            self._own.discard(operation.input)
            return
        result = operation.results[0]
        if (scaled := self._scaled(operation)) is not None:
            self._known[result] = scaled
            return
        self._known[result] = self._computed(operation, result.type)
        if isinstance(self._known[result], Cells):
            self._own.add(result)
        for value in dict.fromkeys(operation.operands):
            self._used(value)

    def _scaled(self, operation: Operation) -> Operand | None:
        """A product with a number per partition that only a table function reads: its scale."""
        if not isinstance(operation, arith.MulfOp) or not operation.result.has_one_use():
            return None
        (use,) = operation.result.uses
        if type(use.operation) not in FUNCTIONS or str(operation.result.type) != "f32":
            return None
        left, right = (self.operand(operand) for operand in operation.operands)
        for wide, scale in ((left, right), (right, left)):
            is_wide = isinstance(wide, Cells) and not wide.is_row
            if is_wide and (not isinstance(scale, Cells) or _is_factor(scale)):
                self._scales[operation.result] = scale
                return wide
        return None

    def _used(self, value: SSAValue) -> None:
        self._uses[value] = self._uses.get(value, 0) + 1
        users = {use.operation for use in value.uses}
        known = self._known.get(value)
        if value in self._own and isinstance(known, Cells) and self._uses[value] == len(users):
            self._emitter.release(known)

    def _computed(self, operation: Operation, element: Attribute) -> Operand:
        emitter = self._emitter
        values = [self.operand(operand) for operand in operation.operands]
        if isinstance(operation, arith.TruncFOp) and isinstance(values[0], Cells):
            return emitter.copy(values[0], values[0].sizes, element)
        if isinstance(operation, arith.NegfOp):
            if isinstance(values[0], Cells):
                return emitter.combine(Operator.MULTIPLY, values[0], -1.0, element)
            return -values[0]
        if isinstance(operation, arith.SelectOp) and isinstance(values[0], Cells):
            return emitter.choose(values[0], values[1], values[2], element)
        if isinstance(operation, arith.MaxnumfOp | arith.MinnumfOp):
            return self._limited(operation, values, element)
        operator, function = _operator_of(operation), FUNCTIONS.get(type(operation))
        if operator is None and function is None:
            raise PassFailedException(f"`{operation.name}` has no instruction on rows")
        if not any(isinstance(value, Cells) for value in values):
            values[0] = emitter.copy(values[0], (1,), operation.operands[0].type)
        if operator is not None:
            element = TRUTH if operator in COMPARISONS.values() else element
            return emitter.combine(operator, values[0], values[1], element)
        assert function is not None
        assert isinstance(values[0], Cells)
        scale = self._scales.get(operation.operands[0], 1.0)
        return emitter.apply(function, values[0], element, scale)

    def _limited(
        self,
        operation: arith.MaxnumfOp | arith.MinnumfOp,
        values: Sequence[Operand],
        element: Attribute,
    ) -> Operand:
        """``fmaxf`` leaves NaN out, as a comparison does; the engines' maximum keeps it."""
        data, limit = sorted(values, key=lambda one: not isinstance(one, Cells))
        if isinstance(limit, Cells) or not isinstance(data, Cells):
            return self._emitter.combine(BINARY[type(operation)], values[0], values[1], element)
        is_greater = isinstance(operation, arith.MaxnumfOp)
        comparison = Operator.GREATER if is_greater else Operator.LESS
        beyond = self._emitter.combine(comparison, data, limit, TRUTH)
        return self._emitter.choose(beyond, data, limit, element)


def _operator_of(operation: Operation) -> Operator | None:
    if isinstance(operation, arith.CmpfOp):
        return COMPARISONS.get(operation.predicate.value.data)
    return BINARY.get(type(operation))


def _is_factor(scale: Cells) -> bool:
    """Whether the scalar engine takes the cells as a factor: one float32 number per partition."""
    return scale.is_row and str(scale.element) == "f32"
