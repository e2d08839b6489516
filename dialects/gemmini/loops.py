"""Hardware loops: a whole product or convolution as one operation."""

from __future__ import annotations

from xdsl.dialects.builtin import DenseArrayBase, IndexType, IntegerAttr, MemRefType, UnitAttr, i64
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from .types import I64, ActivationAttr, ActivationKind, require_indices, require_values


@irdl_op_definition
class LoopWsOp(IRDLOperation):
    """The whole tiled product C = A·B + D in hardware (LOOP_WS and its five configurations).

    ``bounds`` and ``pads`` are I, J, K: tiles of DIM, and missing elements of the last tile. An
    absent array is skipped. ``strides`` are elements between rows of A, B, D, C.
    """

    name = "gemmini.loop_ws"
    a = opt_operand_def(MemRefType)
    a_indices = var_operand_def(IndexType())
    b = opt_operand_def(MemRefType)
    b_indices = var_operand_def(IndexType())
    d = opt_operand_def(MemRefType)
    d_indices = var_operand_def(IndexType())
    c = opt_operand_def(MemRefType)
    c_indices = var_operand_def(IndexType())
    bounds = prop_def(DenseArrayBase.constr(i64))
    pads = prop_def(DenseArrayBase.constr(i64))
    strides = prop_def(DenseArrayBase.constr(i64))
    activation = prop_def(ActivationAttr, default_value=ActivationAttr(ActivationKind.NONE))
    a_spad_id = prop_def(I64, default_value=IntegerAttr(0, i64))
    b_spad_id = prop_def(I64, default_value=IntegerAttr(0, i64))
    a_transpose = opt_prop_def(UnitAttr)
    b_transpose = opt_prop_def(UnitAttr)
    full_c = opt_prop_def(UnitAttr)
    low_d = opt_prop_def(UnitAttr)
    accumulate = opt_prop_def(UnitAttr)
    residual_add = opt_prop_def(UnitAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "(`a` $a^ `[` $a_indices `]` `:` type($a))? (`b` $b^ `[` $b_indices `]` `:` type($b))?"
        " (`d` $d^ `[` $d_indices `]` `:` type($d))? (`c` $c^ `[` $c_indices `]` `:` type($c))?"
        " attr-dict"
    )

    def verify_(self) -> None:
        arrays = (
            (self.a, self.a_indices),
            (self.b, self.b_indices),
            (self.d, self.d_indices),
            (self.c, self.c_indices),
        )
        for array, indices in arrays:
            if array is not None:
                require_indices(array, indices)
            elif indices:
                raise VerifyException("indices without an array")
        require_values("bounds", self.bounds, 3, 16)
        require_values("pads", self.pads, 3, 16)
        require_values("strides", self.strides, 4, 64)
        if self.a_transpose and self.b_transpose:
            raise VerifyException("weight-stationary: A and B cannot both be transposed")


CONV_SIZES = (
    "batch_size",
    "in_row_dim",
    "in_col_dim",
    "in_channels",
    "out_channels",
    "in_stride",
    "weight_stride",
    "out_stride",
    "out_row_dim",
    "out_col_dim",
    "pool_out_row_dim",
    "pool_out_col_dim",
    "stride",
    "padding",
    "kernel_dim",
    "kernel_dilation",
    "pool_size",
    "pool_stride",
    "pool_padding",
    "batches",
    "porows",
    "pocols",
    "pochs",
    "krows",
    "kcols",
    "kchs",
    "lpad",
    "rpad",
    "upad",
    "dpad",
    "plpad",
    "prpad",
    "pupad",
    "pdpad",
    "orows",
    "ocols",
)
"""Fields of ``gemmini.loop_conv_ws`` in the order of ``gemmini.h``."""


@irdl_op_definition
class LoopConvWsOp(IRDLOperation):
    """A whole tiled convolution in hardware (LOOP_CONV_WS and its six configurations).

    ``sizes`` holds the numbers that ``CONV_SIZES`` names, in that order. An absent array is
    skipped.
    """

    name = "gemmini.loop_conv_ws"
    weights = opt_operand_def(MemRefType)
    weights_indices = var_operand_def(IndexType())
    output = opt_operand_def(MemRefType)
    output_indices = var_operand_def(IndexType())
    bias = opt_operand_def(MemRefType)
    bias_indices = var_operand_def(IndexType())
    input = opt_operand_def(MemRefType)
    input_indices = var_operand_def(IndexType())
    sizes = prop_def(DenseArrayBase.constr(i64))
    activation = prop_def(ActivationAttr, default_value=ActivationAttr(ActivationKind.NONE))
    a_spad_id = prop_def(I64, default_value=IntegerAttr(0, i64))
    b_spad_id = prop_def(I64, default_value=IntegerAttr(0, i64))
    max_pixels_per_row = prop_def(I64, default_value=IntegerAttr(1, i64))
    no_bias = opt_prop_def(UnitAttr)
    no_pool = opt_prop_def(UnitAttr)
    wrot180 = opt_prop_def(UnitAttr)
    trans_output_1203 = opt_prop_def(UnitAttr)
    trans_weight_1203 = opt_prop_def(UnitAttr)
    trans_weight_0132 = opt_prop_def(UnitAttr)
    trans_input_3120 = opt_prop_def(UnitAttr)
    downsample = opt_prop_def(UnitAttr)
    depthwise = opt_prop_def(UnitAttr)
    input_dilated = opt_prop_def(UnitAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "(`input` $input^ `[` $input_indices `]` `:` type($input))?"
        " (`weights` $weights^ `[` $weights_indices `]` `:` type($weights))?"
        " (`bias` $bias^ `[` $bias_indices `]` `:` type($bias))?"
        " (`output` $output^ `[` $output_indices `]` `:` type($output))? attr-dict"
    )

    def verify_(self) -> None:
        require_values("sizes", self.sizes, len(CONV_SIZES), 16)
