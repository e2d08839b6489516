"""Reductions and scans: along the elements of a partition, or across the partitions."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, UnitAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
)

from .instruction import I64, EngineInstruction
from .limits import BN_AGGR_RESULTS, BN_STATS_ELEMENTS, BN_STATS_RESULTS
from .rules import (
    require,
    require_bitwise_integers,
    require_free_size,
    require_not_both_psum,
    require_operator,
    require_same_partitions,
    require_same_size,
    require_vector,
)
from .scalars import Scalar, require_scalar, split_scalar
from .types import (
    BITWISE,
    BITWISE_REDUCTIONS,
    REDUCTIONS,
    UNARY,
    Engine,
    Operator,
    OperatorAttr,
    ViewType,
    known,
    view_of,
)

NUMBER = FloatAttr | IntegerAttr


@irdl_op_definition
class TensorReduceOp(EngineInstruction):
    """Reduce the last ``axes`` dimensions of ``data``; negated afterwards with ``negate``."""

    name = "trn.tensor_reduce"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    op = prop_def(OperatorAttr)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    axes = prop_def(I64)
    negate = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$op $data `axes` $axes `to` $dst attr-dict `:` type($data) `,` type($dst)"

    def __init__(
        self, op: Operator, data: SSAValue, dst: SSAValue, axes: int = 1, *, negate: bool = False
    ) -> None:
        self.initialise({"data": data, "dst": dst}, op=op, axes=axes, negate=negate)

    def verify_operands(self, engine: Engine) -> None:
        require_operator("op", self.op.data, REDUCTIONS | BITWISE_REDUCTIONS)
        require_bitwise_integers([self.op.data], self.data, self.dst)
        view, axes = view_of(self.data), self.axes.value.data
        free = len(view.shape) - 1
        require(1 <= axes <= free, f"axes: 1 to {free} trailing free dimensions, got {axes}")
        require_same_partitions("dst", self.dst, self.data)
        kept = known(view.shape[1 : len(view.shape) - axes])
        if kept is not None:
            require_free_size("dst", self.dst, kept)


@irdl_op_definition
class TensorPartitionReduceOp(EngineInstruction):
    """``dst[0, i] = op over p of data[p, i]``: a reduction across the partitions."""

    name = "trn.tensor_partition_reduce"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.POOL,)
    op = prop_def(OperatorAttr)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$op $data `to` $dst attr-dict `:` type($data) `,` type($dst)"

    def __init__(self, op: Operator, data: SSAValue, dst: SSAValue) -> None:
        self.initialise({"data": data, "dst": dst}, op=op)

    def verify_operands(self, engine: Engine) -> None:
        require_operator("op", self.op.data, REDUCTIONS | BITWISE_REDUCTIONS)
        require_bitwise_integers([self.op.data], self.data, self.dst)
        partitions = view_of(self.dst).partitions
        require(partitions in (None, 1), f"dst has one partition, got {partitions}")
        size = view_of(self.data).free_size
        if size is not None:
            require_free_size("dst", self.dst, size)


@irdl_op_definition
class TensorScalarReduceOp(EngineInstruction):
    """``dst = op0(data, scalar0)``, and ``reduced[p] = reduce_op over i of dst[p, i]``."""

    name = "trn.tensor_scalar_reduce"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    WRITTEN: ClassVar[tuple[str, ...]] = ("dst", "reduced")
    op0 = prop_def(OperatorAttr)
    reduce_op = prop_def(OperatorAttr)
    data = operand_def(ViewType)
    scalar0 = opt_operand_def(ViewType)
    dst = operand_def(ViewType)
    reduced = operand_def(ViewType)
    immediate0 = opt_prop_def(NUMBER)
    reverse0 = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$op0 $reduce_op $data (`scalar0` $scalar0^ `:` type($scalar0))? `to` $dst `,` $reduced"
        " attr-dict `:` type($data) `,` type($dst) `,` type($reduced)"
    )

    def __init__(
        self,
        op0: Operator,
        reduce_op: Operator,
        data: SSAValue,
        scalar0: Scalar,
        dst: SSAValue,
        reduced: SSAValue,
        *,
        reverse0: bool = False,
    ) -> None:
        vector, immediate = split_scalar(scalar0)
        self.initialise(
            {"data": data, "scalar0": vector, "dst": dst, "reduced": reduced},
            op0=op0,
            reduce_op=reduce_op,
            immediate0=immediate,
            reverse0=reverse0,
        )

    def verify_operands(self, engine: Engine) -> None:
        require_operator("reduce_op", self.reduce_op.data, REDUCTIONS)
        require_operator("op0", self.op0.data, frozenset(Operator) - BITWISE)
        require_scalar("scalar0", self.op0.data, self.scalar0, self.immediate0, self.data)
        require_same_size("dst", self.dst, self.data)
        require_vector("the reduction", self.reduced, self.data)


@irdl_op_definition
class TensorTensorScanOp(EngineInstruction):
    """``dst[p, i] = op1(op0(data0[p, i], dst[p, i - 1]), data1[p, i])``, with an initial value.

    ``initial`` is a number or one per partition; the running value is kept in float32.
    """

    name = "trn.tensor_tensor_scan"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    op0 = prop_def(OperatorAttr)
    op1 = prop_def(OperatorAttr)
    data0 = operand_def(ViewType)
    data1 = operand_def(ViewType)
    scalar0 = opt_operand_def(ViewType)
    dst = operand_def(ViewType)
    immediate0 = opt_prop_def(NUMBER)
    reverse0 = opt_prop_def(UnitAttr)
    reverse1 = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$op0 $op1 $data0 `,` $data1 (`initial` $scalar0^ `:` type($scalar0))? `to` $dst attr-dict"
        " `:` type($data0) `,` type($data1) `,` type($dst)"
    )

    def __init__(
        self,
        op0: Operator,
        op1: Operator,
        data0: SSAValue,
        data1: SSAValue,
        initial: Scalar,
        dst: SSAValue,
        *,
        reverse0: bool = False,
        reverse1: bool = False,
    ) -> None:
        vector, immediate = split_scalar(initial)
        self.initialise(
            {"data0": data0, "data1": data1, "scalar0": vector, "dst": dst},
            op0=op0,
            op1=op1,
            immediate0=immediate,
            reverse0=reverse0,
            reverse1=reverse1,
        )

    def verify_operands(self, engine: Engine) -> None:
        require_not_both_psum(self.data0, self.data1)
        arithmetic = frozenset(Operator) - UNARY - BITWISE
        require_operator("op0", self.op0.data, arithmetic)
        require_operator("op1", self.op1.data, arithmetic)
        require_scalar("initial", Operator.ADD, self.scalar0, self.immediate0, self.data0)
        require_same_size("data1", self.data1, self.data0)
        require_same_size("dst", self.dst, self.data0)


@irdl_op_definition
class BnStatsOp(EngineInstruction):
    """Count, mean and count × variance of the even elements of a partition, then of the odd."""

    name = "trn.bn_stats"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$data `to` $dst attr-dict `:` type($data) `,` type($dst)"

    def __init__(self, data: SSAValue, dst: SSAValue) -> None:
        self.initialise({"data": data, "dst": dst})

    def verify_operands(self, engine: Engine) -> None:
        size = view_of(self.data).free_size
        limit = BN_STATS_ELEMENTS
        require(
            size is None or size <= limit, f"bn_stats takes at most {limit} elements, got {size}"
        )
        require_same_partitions("dst", self.dst, self.data)
        require_free_size("dst", self.dst, BN_STATS_RESULTS)


@irdl_op_definition
class BnAggrOp(EngineInstruction):
    """Mean and variance of all that several ``bn_stats`` have counted: triples in a partition."""

    name = "trn.bn_aggr"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$data `to` $dst attr-dict `:` type($data) `,` type($dst)"

    def __init__(self, data: SSAValue, dst: SSAValue) -> None:
        self.initialise({"data": data, "dst": dst})

    def verify_operands(self, engine: Engine) -> None:
        size = view_of(self.data).free_size
        if size is not None:
            require(size % 3 == 0, f"bn_aggr takes a multiple of 3 elements, got {size}")
        require_same_partitions("dst", self.dst, self.data)
        require_free_size("dst", self.dst, BN_AGGR_RESULTS)
