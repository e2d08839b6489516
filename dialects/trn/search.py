"""Instructions that find, number and replace the largest elements of each partition."""

from __future__ import annotations

from typing import ClassVar

from xdsl.ir import SSAValue
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
)

from .instruction import F32, EngineInstruction
from .limits import SEARCH_RESULTS
from .number import Number
from .rules import (
    require,
    require_free_size,
    require_integer,
    require_same_partitions,
    require_same_size,
)
from .types import Engine, ViewType, view_of


@irdl_op_definition
class Max8Op(EngineInstruction):
    """The 8 largest elements of each partition, in descending order."""

    name = "trn.max8"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$data `to` $dst attr-dict `:` type($data) `,` type($dst)"

    def __init__(self, data: SSAValue, dst: SSAValue) -> None:
        self.initialise({"data": data, "dst": dst})

    def verify_operands(self, engine: Engine) -> None:
        _require_enough(self.data, SEARCH_RESULTS)
        require_same_partitions("dst", self.dst, self.data)
        require_free_size("dst", self.dst, SEARCH_RESULTS)


@irdl_op_definition
class FindIndex8Op(EngineInstruction):
    """Positions of 8 values in each partition; the k-th occurrence for a value given k times.

    A value that is not there gets the largest number of the type of ``dst``.
    """

    name = "trn.find_index8"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    data = operand_def(ViewType)
    values = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$data `,` $values `to` $dst attr-dict `:` type($data) `,` type($values) `,` type($dst)"
    )

    def __init__(self, data: SSAValue, values: SSAValue, dst: SSAValue) -> None:
        self.initialise({"data": data, "values": values, "dst": dst})

    def verify_operands(self, engine: Engine) -> None:
        _require_enough(self.data, SEARCH_RESULTS)
        for role, operand in (("values", self.values), ("dst", self.dst)):
            require_same_partitions(role, operand, self.data)
            require_free_size(role, operand, SEARCH_RESULTS)
        require_integer("dst", self.dst, 16, 32)


@irdl_op_definition
class MatchReplace8Op(EngineInstruction):
    """``dst = data`` with the first occurrence of each of 8 values replaced by a number.

    A value that is given k times has its first k occurrences replaced. ``indices`` gets their
    positions, as ``trn.find_index8`` would.
    """

    name = "trn.match_replace8"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    WRITTEN: ClassVar[tuple[str, ...]] = ("dst", "indices")
    data = operand_def(ViewType)
    values = operand_def(ViewType)
    dst = operand_def(ViewType)
    indices = opt_operand_def(ViewType)
    replacement = prop_def(F32)
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Number,)
    assembly_format = (
        "$data `,` $values `by` custom<Number>($replacement) `to` $dst"
        " (`indices` `to` $indices^ `:` type($indices))? attr-dict"
        " `:` type($data) `,` type($values) `,` type($dst)"
    )

    def __init__(
        self,
        data: SSAValue,
        values: SSAValue,
        replacement: float,
        dst: SSAValue,
        indices: SSAValue | None = None,
    ) -> None:
        self.initialise(
            {"data": data, "values": values, "dst": dst, "indices": indices},
            replacement=float(replacement),
        )

    def verify_operands(self, engine: Engine) -> None:
        _require_enough(self.data, SEARCH_RESULTS)
        require_same_partitions("values", self.values, self.data)
        require_free_size("values", self.values, SEARCH_RESULTS)
        require_same_size("dst", self.dst, self.data)
        if self.indices is not None:
            require_same_partitions("indices", self.indices, self.data)
            require_free_size("indices", self.indices, SEARCH_RESULTS)
            require_integer("indices", self.indices, 16, 32)


@irdl_op_definition
class TopkOp(EngineInstruction):
    """The largest elements of each partition in descending order, and their positions.

    Of equal elements the first comes first. There are as many as ``dst`` has columns.
    """

    name = "trn.topk"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.POOL,)
    WRITTEN: ClassVar[tuple[str, ...]] = ("dst", "indices")
    data = operand_def(ViewType)
    dst = operand_def(ViewType)
    indices = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$data `to` $dst `,` $indices attr-dict `:` type($data) `,` type($dst) `,` type($indices)"
    )

    def __init__(self, data: SSAValue, dst: SSAValue, indices: SSAValue) -> None:
        self.initialise({"data": data, "dst": dst, "indices": indices})

    def verify_operands(self, engine: Engine) -> None:
        require_same_partitions("dst", self.dst, self.data)
        require_same_size("indices", self.indices, self.dst)
        require_integer("indices", self.indices, 16, 32)
        if (count := view_of(self.dst).free_size) is not None:
            _require_enough(self.data, count)


def _require_enough(data: SSAValue, count: int) -> None:
    size = view_of(data).free_size
    require(size is None or size >= count, f"data has at least {count} elements, got {size}")
