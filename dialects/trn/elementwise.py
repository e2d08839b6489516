"""Element-wise instructions: each element of the target depends on one of each operand.

Views of equal partitions and equally many elements in each are walked in row-major order, whatever
their sizes. Arithmetic is in float32; ``hw/trainium/semantics.py`` says what is computed.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, UnitAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
)
from xdsl.utils.exceptions import VerifyException

from .instruction import F32, I64, EngineInstruction
from .number import Number
from .rules import (
    require,
    require_bitwise_integers,
    require_free_size,
    require_integer,
    require_not_both_psum,
    require_operator,
    require_same_partitions,
    require_same_size,
)
from .scalars import Scalar, require_scalar, split_scalar
from .types import UNARY, Engine, Operator, OperatorAttr, ViewType

NUMBER = FloatAttr | IntegerAttr
BINARY = frozenset(Operator) - UNARY
_SCALAR_ENGINE = ([Operator.MULTIPLY], [Operator.ADD], [Operator.MULTIPLY, Operator.ADD])


@irdl_op_definition
class TensorTensorOp(EngineInstruction):
    """``dst = op(lhs, rhs)``; on GpSimd, sums and products of 32-bit integers are exact."""

    name = "trn.tensor_tensor"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE, Engine.POOL)
    op = prop_def(OperatorAttr)
    lhs = operand_def(ViewType)
    rhs = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$op $lhs `,` $rhs `to` $dst attr-dict `:` type($lhs) `,` type($rhs) `,` type($dst)"
    )

    def __init__(
        self,
        op: Operator,
        lhs: SSAValue,
        rhs: SSAValue,
        dst: SSAValue,
        engine: Engine | None = None,
    ) -> None:
        self.initialise({"lhs": lhs, "rhs": rhs, "dst": dst}, op=op, engine=engine)

    @property
    def usual_engine(self) -> Engine:
        """The vector engine, but GpSimd for powers."""
        return Engine.POOL if self.op.data == Operator.POWER else Engine.DVE

    def verify_operands(self, engine: Engine) -> None:
        operator = self.op.data
        require_operator("op", operator, BINARY)
        power = operator != Operator.POWER or engine == Engine.POOL
        require(power, "engine: a power of two tensors is computed by pool only")
        require_not_both_psum(self.lhs, self.rhs)
        require_bitwise_integers([operator], self.lhs, self.rhs, self.dst)
        require_same_size("rhs", self.rhs, self.lhs)
        require_same_size("dst", self.dst, self.lhs)


@irdl_op_definition
class TensorScalarOp(EngineInstruction):
    """``dst = op1(op0(data, scalar0), scalar1)``; ``op1`` may be left out.

    A scalar is an immediate number or one number per partition; ``reverse0`` and ``reverse1``
    exchange the operands of the operator.
    """

    name = "trn.tensor_scalar"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE, Engine.ACT, Engine.POOL)
    op0 = prop_def(OperatorAttr)
    op1 = opt_prop_def(OperatorAttr)
    data = operand_def(ViewType)
    scalar0 = opt_operand_def(ViewType)
    scalar1 = opt_operand_def(ViewType)
    dst = operand_def(ViewType)
    immediate0 = opt_prop_def(NUMBER)
    immediate1 = opt_prop_def(NUMBER)
    reverse0 = opt_prop_def(UnitAttr)
    reverse1 = opt_prop_def(UnitAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$op0 $data (`scalar0` $scalar0^ `:` type($scalar0))? (`scalar1` $scalar1^ `:`"
        " type($scalar1))? `to` $dst attr-dict `:` type($data) `,` type($dst)"
    )

    def __init__(
        self,
        op0: Operator,
        data: SSAValue,
        scalar0: Scalar,
        dst: SSAValue,
        op1: Operator | None = None,
        scalar1: Scalar = None,
        *,
        reverse0: bool = False,
        reverse1: bool = False,
        engine: Engine | None = None,
    ) -> None:
        vector0, immediate0 = split_scalar(scalar0)
        vector1, immediate1 = split_scalar(scalar1)
        self.initialise(
            {"data": data, "scalar0": vector0, "scalar1": vector1, "dst": dst},
            op0=op0,
            op1=op1,
            immediate0=immediate0,
            immediate1=immediate1,
            reverse0=reverse0,
            reverse1=reverse1,
            engine=engine,
        )

    def verify_operands(self, engine: Engine) -> None:
        operators = [self.op0.data]
        require_scalar("scalar0", self.op0.data, self.scalar0, self.immediate0, self.data)
        if self.op1 is not None:
            operators.append(self.op1.data)
            require_scalar("scalar1", self.op1.data, self.scalar1, self.immediate1, self.data)
        elif self.scalar1 is not None or self.immediate1 is not None:
            raise VerifyException("scalar1 needs op1")
        require_bitwise_integers(operators, self.data, self.dst)
        require_same_size("dst", self.dst, self.data)
        if engine == Engine.ACT:
            fused = operators in _SCALAR_ENGINE
            require(fused, "engine: act computes multiply, add, or multiply and add only")


@irdl_op_definition
class ScalarTensorTensorOp(EngineInstruction):
    """``dst = op1(op0(data, scalar0), rhs)``, with the operands exchanged by ``reverse``."""

    name = "trn.scalar_tensor_tensor"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    op0 = prop_def(OperatorAttr)
    op1 = prop_def(OperatorAttr)
    data = operand_def(ViewType)
    scalar0 = opt_operand_def(ViewType)
    rhs = operand_def(ViewType)
    dst = operand_def(ViewType)
    immediate0 = opt_prop_def(NUMBER)
    reverse0 = opt_prop_def(UnitAttr)
    reverse1 = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$op0 $op1 $data (`scalar0` $scalar0^ `:` type($scalar0))? `,` $rhs `to` $dst attr-dict"
        " `:` type($data) `,` type($rhs) `,` type($dst)"
    )

    def __init__(
        self,
        op0: Operator,
        op1: Operator,
        data: SSAValue,
        scalar0: Scalar,
        rhs: SSAValue,
        dst: SSAValue,
        *,
        reverse0: bool = False,
        reverse1: bool = False,
    ) -> None:
        vector, immediate = split_scalar(scalar0)
        self.initialise(
            {"data": data, "scalar0": vector, "rhs": rhs, "dst": dst},
            op0=op0,
            op1=op1,
            immediate0=immediate,
            reverse0=reverse0,
            reverse1=reverse1,
        )

    def verify_operands(self, engine: Engine) -> None:
        require_not_both_psum(self.data, self.rhs)
        require_operator("op1", self.op1.data, BINARY)
        require_scalar("scalar0", self.op0.data, self.scalar0, self.immediate0, self.data)
        operators = [self.op0.data, self.op1.data]
        require_bitwise_integers(operators, self.data, self.rhs, self.dst)
        require_same_size("rhs", self.rhs, self.data)
        require_same_size("dst", self.dst, self.data)


@irdl_op_definition
class TensorCopyOp(EngineInstruction):
    """``dst = src``, converted to the element type of ``dst``."""

    name = "trn.tensor_copy"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE, Engine.ACT, Engine.POOL)
    src = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$src `to` $dst attr-dict `:` type($src) `,` type($dst)"

    def __init__(self, src: SSAValue, dst: SSAValue, engine: Engine | None = None) -> None:
        self.initialise({"src": src, "dst": dst}, engine=engine)

    def verify_operands(self, engine: Engine) -> None:
        require_same_size("dst", self.dst, self.src)


@irdl_op_definition
class TensorCopyPredicatedOp(EngineInstruction):
    """``dst = src`` where ``predicate`` is not 0 (is 0 with ``reverse``); elsewhere dst stays."""

    name = "trn.tensor_copy_predicated"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    src = operand_def(ViewType)
    predicate = operand_def(ViewType)
    dst = operand_def(ViewType)
    reverse = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$src `,` $predicate `to` $dst attr-dict `:` type($src) `,` type($predicate) `,` type($dst)"
    )

    def __init__(
        self, src: SSAValue, predicate: SSAValue, dst: SSAValue, *, reverse: bool = False
    ) -> None:
        self.initialise({"src": src, "predicate": predicate, "dst": dst}, reverse=reverse)

    def verify_operands(self, engine: Engine) -> None:
        require_integer("the predicate", self.predicate, 8, 16, 32)
        require_not_both_psum(self.src, self.predicate)
        require_same_size("the predicate", self.predicate, self.src)
        require_same_size("dst", self.dst, self.src)


@irdl_op_definition
class ReciprocalOp(EngineInstruction):
    """``dst = 1 / data``."""

    name = "trn.reciprocal"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$data `to` $dst attr-dict `:` type($data) `,` type($dst)"

    def __init__(self, data: SSAValue, dst: SSAValue) -> None:
        self.initialise({"data": data, "dst": dst})

    def verify_operands(self, engine: Engine) -> None:
        require_same_size("dst", self.dst, self.data)


@irdl_op_definition
class MemsetOp(EngineInstruction):
    """``dst = value`` everywhere, converted to the element type of ``dst``."""

    name = "trn.memset"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE, Engine.POOL)
    dst = operand_def(ViewType)
    value = prop_def(F32)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Number,)
    assembly_format = "$dst `to` custom<Number>($value) attr-dict `:` type($dst)"

    def __init__(self, dst: SSAValue, value: float, engine: Engine | None = None) -> None:
        self.initialise({"dst": dst}, value=float(value), engine=engine)

    def verify_operands(self, engine: Engine) -> None:
        """Nothing besides the data paths."""


@irdl_op_definition
class DropoutOp(EngineInstruction):
    """``dst = data``, or 0 with the given probability: a number, or one per partition.

    Which elements are dropped is a function of ``seed`` and of the element's partition and position
    (see the semantics), where the hardware has a hidden generator: a program means one thing only.
    """

    name = "trn.dropout"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    data = operand_def(ViewType)
    scalar0 = opt_operand_def(ViewType)
    dst = operand_def(ViewType)
    immediate0 = opt_prop_def(NUMBER)
    seed = prop_def(I64)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$data (`scalar0` $scalar0^ `:` type($scalar0))? `to` $dst `seed` $seed attr-dict"
        " `:` type($data) `,` type($dst)"
    )

    def __init__(self, data: SSAValue, probability: Scalar, dst: SSAValue, seed: int) -> None:
        vector, immediate = split_scalar(probability)
        self.initialise(
            {"data": data, "scalar0": vector, "dst": dst}, immediate0=immediate, seed=seed
        )

    def verify_operands(self, engine: Engine) -> None:
        require_scalar("the probability", Operator.LESS, self.scalar0, self.immediate0, self.data)
        require_same_size("dst", self.dst, self.data)


@irdl_op_definition
class TensorCopyDynamicSrcOp(EngineInstruction):
    """``dst[p, i] = src[p, index + i]``: the start is a number that the program computed.

    ``index`` holds one 32-bit integer, and counts elements of the partition in row-major order.
    """

    name = "trn.tensor_copy_dynamic_src"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE, Engine.ACT, Engine.POOL)
    src = operand_def(ViewType)
    index = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$src `,` $index `to` $dst attr-dict `:` type($src) `,` type($index) `,` type($dst)"
    )

    def __init__(
        self, src: SSAValue, index: SSAValue, dst: SSAValue, engine: Engine | None = None
    ) -> None:
        self.initialise({"src": src, "index": index, "dst": dst}, engine=engine)

    def verify_operands(self, engine: Engine) -> None:
        _require_start(self.index)
        require_same_partitions("dst", self.dst, self.src)


@irdl_op_definition
class TensorCopyDynamicDstOp(EngineInstruction):
    """``dst[p, index + i] = src[p, i]``; elements of ``dst`` besides those stay."""

    name = "trn.tensor_copy_dynamic_dst"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE, Engine.ACT, Engine.POOL)
    src = operand_def(ViewType)
    index = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$src `,` $index `to` $dst attr-dict `:` type($src) `,` type($index) `,` type($dst)"
    )

    def __init__(
        self, src: SSAValue, index: SSAValue, dst: SSAValue, engine: Engine | None = None
    ) -> None:
        self.initialise({"src": src, "index": index, "dst": dst}, engine=engine)

    def verify_operands(self, engine: Engine) -> None:
        _require_start(self.index)
        require_same_partitions("dst", self.dst, self.src)


def _require_start(index: SSAValue) -> None:
    require_integer("the index", index, 32)
    require_free_size("the index", index, 1)
