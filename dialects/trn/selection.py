"""Instructions that number elements, and that choose between an element and a constant."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, FloatAttr, IndexType, IntegerAttr, UnitAttr, i64
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

from .instruction import F32, I64, EngineInstruction
from .number import Number
from .rules import (
    require,
    require_free_size,
    require_integer,
    require_operator,
    require_same_partitions,
    require_same_size,
    require_space,
    require_vector,
)
from .scalars import Scalar, require_scalar, split_scalar
from .types import COMPARISONS, Engine, Operator, OperatorAttr, Space, ViewType, view_of

NUMBER = FloatAttr | IntegerAttr
_ZERO = IntegerAttr(0, i64)


class AffineNumbers(EngineInstruction, ABC):
    """Numbers its elements: ``base + offset + partition_step · p + Σ_d steps[d] · i_d``.

    p counts the partitions of the target, i_d its free dimensions; ``offset`` is a value that may
    change from one execution to the next.
    """

    offset = opt_operand_def(IndexType())
    base = prop_def(I64, default_value=_ZERO)
    partition_step = prop_def(I64, default_value=_ZERO)
    steps = prop_def(DenseArrayBase.constr(i64))

    def verify_steps(self, dst: SSAValue) -> None:
        free, steps = len(view_of(dst).shape) - 1, len(self.steps)
        require(free == steps, f"steps: one for each of {free} free dimensions, got {steps}")


@irdl_op_definition
class IotaOp(AffineNumbers):
    """``dst`` gets the numbers of its elements."""

    name = "trn.iota"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.POOL,)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "(`offset` $offset^)? `to` $dst attr-dict `:` type($dst)"

    def __init__(
        self,
        dst: SSAValue,
        steps: Sequence[int],
        partition_step: int = 0,
        base: int = 0,
        offset: SSAValue | None = None,
    ) -> None:
        self.initialise(
            {"dst": dst, "offset": offset}, steps=steps, partition_step=partition_step, base=base
        )

    def verify_operands(self, engine: Engine) -> None:
        require_space("the target of iota", self.dst, Space.SBUF)
        self.verify_steps(self.dst)


@irdl_op_definition
class AffineSelectOp(AffineNumbers):
    """``dst = data`` where ``comparison(number, 0)`` holds for the element's number, else fill."""

    name = "trn.affine_select"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.POOL,)
    comparison = prop_def(OperatorAttr)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    fill = prop_def(F32)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Number,)
    assembly_format = (
        "$comparison $data (`offset` $offset^)? `else` custom<Number>($fill) `to` $dst attr-dict"
        " `:` type($data) `,` type($dst)"
    )

    def __init__(
        self,
        comparison: Operator,
        data: SSAValue,
        fill: float,
        dst: SSAValue,
        steps: Sequence[int],
        partition_step: int = 0,
        base: int = 0,
        offset: SSAValue | None = None,
    ) -> None:
        self.initialise(
            {"data": data, "dst": dst, "offset": offset},
            comparison=comparison,
            fill=float(fill),
            steps=steps,
            partition_step=partition_step,
            base=base,
        )

    def verify_operands(self, engine: Engine) -> None:
        require_operator("the comparison", self.comparison.data, COMPARISONS)
        require_same_size("dst", self.dst, self.data)
        self.verify_steps(self.dst)


@irdl_op_definition
class RangeSelectOp(EngineInstruction):
    """``dst = data`` where ``comparison0(start + i, bound0)`` and ``comparison1(…, bound1)`` hold.

    i is the element's position in its partition; elsewhere ``dst`` gets ``fill``. ``reduced`` gets
    the maximum of the partition.
    """

    name = "trn.range_select"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    WRITTEN: ClassVar[tuple[str, ...]] = ("dst", "reduced")
    comparison0 = prop_def(OperatorAttr)
    comparison1 = prop_def(OperatorAttr)
    data = operand_def(ViewType)
    bound0 = operand_def(ViewType)
    bound1 = operand_def(ViewType)
    dst = operand_def(ViewType)
    reduced = opt_operand_def(ViewType)
    start = prop_def(I64, default_value=_ZERO)
    fill = prop_def(F32)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Number,)
    assembly_format = (
        "$comparison0 $comparison1 $data `,` $bound0 `,` $bound1"
        " `else` custom<Number>($fill) `to` $dst"
        " (`max` `to` $reduced^ `:` type($reduced))? attr-dict"
        " `:` type($data) `,` type($bound0) `,` type($bound1) `,` type($dst)"
    )

    def __init__(
        self,
        comparisons: tuple[Operator, Operator],
        data: SSAValue,
        bounds: tuple[SSAValue, SSAValue],
        fill: float,
        dst: SSAValue,
        reduced: SSAValue | None = None,
        start: int = 0,
    ) -> None:
        self.initialise(
            {
                "data": data,
                "bound0": bounds[0],
                "bound1": bounds[1],
                "dst": dst,
                "reduced": reduced,
            },
            comparison0=comparisons[0],
            comparison1=comparisons[1],
            fill=float(fill),
            start=start,
        )

    def verify_operands(self, engine: Engine) -> None:
        require_operator("the comparison", self.comparison0.data, COMPARISONS)
        require_operator("the comparison", self.comparison1.data, COMPARISONS)
        require_vector("bound0", self.bound0, self.data)
        require_vector("bound1", self.bound1, self.data)
        require_same_size("dst", self.dst, self.data)
        if self.reduced is not None:
            require_vector("the maximum", self.reduced, self.data)


@irdl_op_definition
class SelectReduceOp(EngineInstruction):
    """``dst = on_true`` where ``predicate`` is not 0 (is 0 with ``reverse``), else a scalar.

    ``reduced`` gets the maximum of the partition.
    """

    name = "trn.select_reduce"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    WRITTEN: ClassVar[tuple[str, ...]] = ("dst", "reduced")
    on_true = operand_def(ViewType)
    predicate = operand_def(ViewType)
    scalar0 = opt_operand_def(ViewType)
    dst = operand_def(ViewType)
    reduced = opt_operand_def(ViewType)
    immediate0 = opt_prop_def(NUMBER)
    reverse = opt_prop_def(UnitAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$on_true `,` $predicate (`else` $scalar0^ `:` type($scalar0))? `to` $dst"
        " (`max` `to` $reduced^ `:` type($reduced))? attr-dict"
        " `:` type($on_true) `,` type($predicate) `,` type($dst)"
    )

    def __init__(
        self,
        on_true: SSAValue,
        predicate: SSAValue,
        on_false: Scalar,
        dst: SSAValue,
        reduced: SSAValue | None = None,
        *,
        reverse: bool = False,
    ) -> None:
        vector, immediate = split_scalar(on_false)
        self.initialise(
            {
                "on_true": on_true,
                "predicate": predicate,
                "scalar0": vector,
                "dst": dst,
                "reduced": reduced,
            },
            immediate0=immediate,
            reverse=reverse,
        )

    def verify_operands(self, engine: Engine) -> None:
        require_integer("the predicate", self.predicate, 8, 16, 32)
        require_scalar("on_false", Operator.ADD, self.scalar0, self.immediate0, self.on_true)
        require_same_size("the predicate", self.predicate, self.on_true)
        require_same_size("dst", self.dst, self.on_true)
        if self.reduced is not None:
            require_vector("the maximum", self.reduced, self.on_true)


@irdl_op_definition
class SequenceBoundsOp(EngineInstruction):
    """Where the run of equal numbers around each element begins, and the position after its end.

    ``dst`` has the sizes ``P × 2 × n``: the beginnings, then the ends. A 0 is padding, and gets
    n and -1.
    """

    name = "trn.sequence_bounds"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.POOL,)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$data `to` $dst attr-dict `:` type($data) `,` type($dst)"

    def __init__(self, data: SSAValue, dst: SSAValue) -> None:
        self.initialise({"data": data, "dst": dst})

    def verify_operands(self, engine: Engine) -> None:
        require_same_partitions("dst", self.dst, self.data)
        size = view_of(self.data).free_size
        if size is not None:
            require_free_size("dst", self.dst, 2 * size)
