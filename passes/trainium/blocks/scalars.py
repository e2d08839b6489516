"""The scalar code of a ``linalg.generic`` as instructions on whole rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects.trn import REDUCTIONS, Function, Operator
from .cells import BlockEmitter, Cells, Operand

BINARY: dict[type[Operation], Operator] = {
    arith.AddfOp: Operator.ADD,
    arith.SubfOp: Operator.SUBTRACT,
    arith.MulfOp: Operator.MULTIPLY,
    arith.DivfOp: Operator.DIVIDE,
    arith.MaximumfOp: Operator.MAXIMUM,
    arith.MinimumfOp: Operator.MINIMUM,
    arith.MaxnumfOp: Operator.MAXIMUM,
    arith.MinnumfOp: Operator.MINIMUM,
}
_PREDICATES = {
    2: Operator.MAXIMUM,
    3: Operator.MAXIMUM,
    4: Operator.MINIMUM,
    5: Operator.MINIMUM,
}
"""``ogt``, ``oge``, ``olt`` and ``ole``: the greater or smaller one is chosen if they hold."""
_OPPOSITE = {Operator.MAXIMUM: Operator.MINIMUM, Operator.MINIMUM: Operator.MAXIMUM}
_FUNCTIONS: dict[type[Operation], Function] = {
    math.ExpOp: Function.EXP,
    math.LogOp: Function.LOG,
    math.SqrtOp: Function.SQRT,
    math.RsqrtOp: Function.RSQRT,
    math.TanhOp: Function.TANH,
    math.AbsFOp: Function.ABS,
    math.SinOp: Function.SIN,
    math.CosOp: Function.COS,
    math.ErfOp: Function.ERF,
}


def reduction_of(body: Block) -> tuple[Operator, SSAValue, tuple[Operation, ...]]:
    """How a reduction combines, what it combines, and the operations that do so.

    ``x > total ? x : total`` counts as a maximum. Raises ``PassFailedException`` for other forms.
    """
    total, last = body.args[-1], body.last_op
    assert last is not None
    combiner = last.operands[0].owner
    if isinstance(combiner, Operation):
        found, operands = (combiner,), list(combiner.operands)
        operator = BINARY.get(type(combiner))
        if isinstance(combiner, arith.SelectOp) and isinstance(combiner.cond.owner, arith.CmpfOp):
            compared = combiner.cond.owner
            found, operands = (compared, combiner), [combiner.lhs, combiner.rhs]
            operator = _limit(compared, operands)
        others = [operand for operand in operands if operand is not total]
        alone = {use.operation for use in total.uses} <= set(found) and len(others) == 1
        if operator is not None and operator in REDUCTIONS and alone:
            return operator, others[0], found
    raise PassFailedException("a reduction that is no sum, product, minimum or maximum")


def _limit(compared: arith.CmpfOp, chosen: Sequence[SSAValue]) -> Operator | None:
    """The operator of ``a < b ? a : b`` and its like."""
    predicate = _PREDICATES.get(compared.predicate.value.data)
    pair = [compared.lhs, compared.rhs]
    if predicate is None or set(pair) != set(chosen):
        return None
    return predicate if list(chosen) == pair else _OPPOSITE[predicate]


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
        if type(use.operation) not in _FUNCTIONS or str(operation.result.type) != "f32":
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
        operator = BINARY.get(type(operation))
        if operator is not None:
            left, right = values
            if isinstance(left, Cells) or isinstance(right, Cells):
                return emitter.combine(operator, left, right, element)
        function = _FUNCTIONS.get(type(operation))
        if function is not None and isinstance(values[0], Cells):
            scale = self._scales.get(operation.operands[0], 1.0)
            return emitter.apply(function, values[0], element, scale)
        raise PassFailedException(f"`{operation.name}` has no instruction on rows")


def _is_factor(scale: Cells) -> bool:
    """Whether the scalar engine takes the cells as a factor: one float32 number per partition."""
    return scale.is_row and str(scale.element) == "f32"
