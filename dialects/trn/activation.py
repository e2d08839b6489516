"""The scalar engine's own instruction: a table function of scaled and shifted data."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, f32
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

from .instruction import F32, EngineInstruction
from .rules import require, require_same_size, require_vector
from .types import Engine, Function, FunctionAttr, ReduceCommand, ReduceCommandAttr, ViewType


@irdl_op_definition
class ActivationOp(EngineInstruction):
    """``dst = function(data · scale + bias)``, in float32.

    ``scale`` is a number, or a vector of one float32 per partition as ``bias`` is. As ``command``
    says, the engine's accumulation registers, one per partition, are set to 0 before (reset) and
    the results of the partition are added to them (reduce); ``reduced`` then gets their contents.
    The sum is of the float32 results, before their conversion to the type of ``dst``.
    """

    name = "trn.activation"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.ACT,)
    WRITTEN: ClassVar[tuple[str, ...]] = ("dst", "reduced")
    function = prop_def(FunctionAttr)
    data = operand_def(ViewType)
    scale = opt_operand_def(ViewType)
    bias = opt_operand_def(ViewType)
    dst = operand_def(ViewType)
    reduced = opt_operand_def(ViewType)
    scale_immediate = prop_def(F32, default_value=FloatAttr(1.0, f32))
    command = opt_prop_def(ReduceCommandAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$function $data (`scale` $scale^ `:` type($scale))? (`bias` $bias^ `:` type($bias))?"
        " `to` $dst (`sum` `to` $reduced^ `:` type($reduced))? attr-dict"
        " `:` type($data) `,` type($dst)"
    )

    def __init__(
        self,
        function: Function,
        data: SSAValue,
        dst: SSAValue,
        *,
        scale: SSAValue | float = 1.0,
        bias: SSAValue | None = None,
        reduced: SSAValue | None = None,
        command: ReduceCommand | None = None,
    ) -> None:
        vector = scale if isinstance(scale, SSAValue) else None
        self.initialise(
            {"data": data, "scale": vector, "bias": bias, "dst": dst, "reduced": reduced},
            function=function,
            scale_immediate=1.0 if isinstance(scale, SSAValue) else float(scale),
            command=command,
        )

    @property
    def reduce_command(self) -> ReduceCommand:
        """What happens to the registers: by default, a sum over this instruction if it is read."""
        if self.command is not None:
            return self.command.data
        return ReduceCommand.IDLE if self.reduced is None else ReduceCommand.RESET_REDUCE

    def verify_operands(self, engine: Engine) -> None:
        if self.scale is not None:
            require_vector("scale", self.scale, self.data)
            if self.scale_immediate.value.data != 1.0:
                raise VerifyException("scale must be a number or a vector, and not both")
        if self.bias is not None:
            require_vector("bias", self.bias, self.data)
        if self.reduced is not None:
            require_vector("the sum", self.reduced, self.data)
            require(self.reduced is not self.dst, "the sum and the result must differ")
        require_same_size("dst", self.dst, self.data)
