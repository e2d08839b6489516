"""Configuration operations: they set state that later instructions read."""

from __future__ import annotations

from xdsl.dialects.builtin import Float32Type, FloatAttr, IntegerAttr, UnitAttr, i64
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict, irdl_op_definition, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from .types import (
    F32,
    I64,
    ActivationAttr,
    ActivationKind,
    Dataflow,
    DataflowAttr,
    flags,
    require_channel,
    require_field,
)


@irdl_op_definition
class ConfigExOp(IRDLOperation):
    """Configure the execute unit (CONFIG type 0)."""

    name = "gemmini.config_ex"
    dataflow = prop_def(DataflowAttr, default_value=DataflowAttr(Dataflow.WEIGHT_STATIONARY))
    activation = prop_def(ActivationAttr, default_value=ActivationAttr(ActivationKind.NONE))
    shift = prop_def(I64, default_value=IntegerAttr(0, i64))
    """Right shift of output-stationary results (sys_shift)."""
    scale = prop_def(F32, default_value=FloatAttr(1.0, Float32Type()))
    a_stride = prop_def(I64, default_value=IntegerAttr(1, i64))
    """Local rows between consecutive rows of A."""
    c_stride = prop_def(I64, default_value=IntegerAttr(1, i64))
    """Local rows between consecutive rows of C."""
    a_transpose = opt_prop_def(UnitAttr)
    b_transpose = opt_prop_def(UnitAttr)
    strides_only = opt_prop_def(UnitAttr)
    """Write the two strides and keep everything else (set_only_strides)."""
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(
        self,
        dataflow: Dataflow = Dataflow.WEIGHT_STATIONARY,
        activation: ActivationKind = ActivationKind.NONE,
        *,
        shift: int = 0,
        scale: float = 1.0,
        a_stride: int = 1,
        c_stride: int = 1,
        a_transpose: bool = False,
        b_transpose: bool = False,
        strides_only: bool = False,
    ) -> None:
        super().__init__(
            properties={
                "dataflow": DataflowAttr(dataflow),
                "activation": ActivationAttr(activation),
                "shift": IntegerAttr(shift, i64),
                "scale": FloatAttr(scale, Float32Type()),
                "a_stride": IntegerAttr(a_stride, i64),
                "c_stride": IntegerAttr(c_stride, i64),
                **flags(
                    a_transpose=a_transpose, b_transpose=b_transpose, strides_only=strides_only
                ),
            }
        )

    def verify_(self) -> None:
        weights = self.dataflow.data == Dataflow.WEIGHT_STATIONARY
        if weights and self.a_transpose and self.b_transpose:
            raise VerifyException("weight-stationary: A and B cannot both be transposed")
        if not weights and self.b_transpose and not self.a_transpose:
            raise VerifyException("output-stationary: B transposed needs A transposed too")
        if not 0 <= self.shift.value.data < 32:
            raise VerifyException(f"shift must be in 0..31, got {self.shift.value.data}")
        require_field("a_stride", self.a_stride, 16)
        require_field("c_stride", self.c_stride, 16)


@irdl_op_definition
class ConfigLdOp(IRDLOperation):
    """Configure load channel 0, 1 or 2, which mvin, mvin2 and mvin3 use (CONFIG type 1)."""

    name = "gemmini.config_ld"
    channel = prop_def(I64, default_value=IntegerAttr(0, i64))
    stride = prop_def(I64)
    """Bytes between consecutive DRAM rows; 0 repeats the first row."""
    scale = prop_def(F32, default_value=FloatAttr(1.0, Float32Type()))
    shrunk = opt_prop_def(UnitAttr)
    """A move into the accumulator reads scratchpad-typed elements."""
    block_stride = prop_def(I64)
    """Local rows between the DIM-column blocks of one move."""
    pixel_repeats = prop_def(I64, default_value=IntegerAttr(1, i64))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(
        self,
        stride: int,
        block_stride: int,
        *,
        channel: int = 0,
        scale: float = 1.0,
        shrunk: bool = False,
        pixel_repeats: int = 1,
    ) -> None:
        super().__init__(
            properties={
                "channel": IntegerAttr(channel, i64),
                "stride": IntegerAttr(stride, i64),
                "scale": FloatAttr(scale, Float32Type()),
                "block_stride": IntegerAttr(block_stride, i64),
                "pixel_repeats": IntegerAttr(pixel_repeats, i64),
                **flags(shrunk=shrunk),
            }
        )

    def verify_(self) -> None:
        require_channel(self.channel.value.data)
        require_field("stride", self.stride, 32)
        require_field("block_stride", self.block_stride, 16)
        require_field("pixel_repeats", self.pixel_repeats, 8)


@irdl_op_definition
class ConfigStOp(IRDLOperation):
    """Configure moves out: stride, activation, scale and pooling (CONFIG type 2)."""

    name = "gemmini.config_st"
    stride = prop_def(I64)
    """Bytes between consecutive DRAM rows."""
    activation = prop_def(ActivationAttr, default_value=ActivationAttr(ActivationKind.NONE))
    scale = prop_def(F32, default_value=FloatAttr(1.0, Float32Type()))
    pool_stride = prop_def(I64, default_value=IntegerAttr(0, i64))
    """0 switches pooling off."""
    pool_size = prop_def(I64, default_value=IntegerAttr(0, i64))
    pool_out_dim = prop_def(I64, default_value=IntegerAttr(0, i64))
    pool_rows = prop_def(I64, default_value=IntegerAttr(0, i64))
    pool_cols = prop_def(I64, default_value=IntegerAttr(0, i64))
    out_rows = prop_def(I64, default_value=IntegerAttr(0, i64))
    out_cols = prop_def(I64, default_value=IntegerAttr(0, i64))
    upper_pad = prop_def(I64, default_value=IntegerAttr(0, i64))
    left_pad = prop_def(I64, default_value=IntegerAttr(0, i64))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(
        self,
        stride: int,
        activation: ActivationKind = ActivationKind.NONE,
        scale: float = 1.0,
        **pool: int,
    ) -> None:
        super().__init__(
            properties={
                "stride": IntegerAttr(stride, i64),
                "activation": ActivationAttr(activation),
                "scale": FloatAttr(scale, Float32Type()),
                **{key: IntegerAttr(value, i64) for key, value in pool.items()},
            }
        )

    def verify_(self) -> None:
        require_field("stride", self.stride, 32)
        for name in ("pool_stride", "pool_size", "upper_pad", "left_pad"):
            require_field(name, self.properties.get(name), 2)
        for name in ("pool_out_dim", "pool_rows", "pool_cols", "out_rows", "out_cols"):
            require_field(name, self.properties.get(name), 8)


@irdl_op_definition
class ConfigNormOp(IRDLOperation):
    """Configure the normalizer: i-GELU, softmax and layernorm constants (CONFIG type 3)."""

    name = "gemmini.config_norm"
    q_const = prop_def(I64, default_value=IntegerAttr(0, i64))
    q_const_type = prop_def(I64, default_value=IntegerAttr(0, i64))
    stat_id = prop_def(I64, default_value=IntegerAttr(0, i64))
    igelu_qb = prop_def(I64, default_value=IntegerAttr(0, i64))
    igelu_qc = prop_def(I64, default_value=IntegerAttr(0, i64))
    stat_id_only = opt_prop_def(UnitAttr)
    act_msb = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def verify_(self) -> None:
        require_field("stat_id", self.stat_id, 8)
        require_field("q_const_type", self.q_const_type, 1)
