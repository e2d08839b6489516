"""The instructions as ``gemmini.h`` spells them: names, parameters, and what is left out.

Each spelling becomes one of a few instructions with named operands. Source: the public
``gemmini.h``; the short names without ``gemmini_`` are those that hand-written kernels define for
themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Default(Enum):
    """Operands that a spelling leaves out, beside plain numbers."""

    DIM = "DIM"
    GARBAGE = "GARBAGE_ADDR"


Defaults = Mapping[str, "float | Default | str"]
"""What operands are that a spelling leaves out; a string is the name of another operand."""
NOT_OF_THE_PROGRAM = frozenset({"check", "layer_name"})
"""Parameters of the library that only its tests use; their arguments are not read."""


@dataclass(frozen=True)
class Signature:
    """One spelling of an instruction."""

    instruction: str
    parameters: tuple[str, ...]
    defaults: Defaults = field(default_factory=dict[str, "float | Default | str"])


_MOVE = ("dram", "local", "cols", "rows")
_PRELOAD = ("bd", "c", "bd_cols", "bd_rows", "c_cols", "c_rows")
_COMPUTE = ("a", "bd", "a_cols", "a_rows", "bd_cols", "bd_rows")
_CONFIG_EX = ("dataflow", "act", "shift", "a_stride", "a_transpose", "b_transpose")
_CONFIG_EX_ALL = (
    "dataflow",
    "act",
    "shift",
    "scale",
    "c_stride",
    "a_stride",
    "a_transpose",
    "b_transpose",
    "strides_only",
)
_CONFIG_EX_DEFAULTS: dict[str, float | Default] = {
    "act": 0,
    "shift": 0,
    "scale": 1.0,
    "c_stride": 1,
    "a_stride": 1,
    "a_transpose": 0,
    "b_transpose": 0,
    "strides_only": 0,
}
_CONFIG_LD_DEFAULTS: dict[str, float | Default] = {
    "scale": 1.0,
    "shrunk": 0,
    "block_stride": Default.DIM,
    "pixel_repeats": 1,
    "id": 0,
}
_POOL = (
    "pool_stride",
    "pool_size",
    "pool_out_dim",
    "pool_rows",
    "pool_cols",
    "out_rows",
    "out_cols",
    "upper_pad",
    "left_pad",
)
_CONFIG_ST_DEFAULTS: dict[str, float | Default] = {
    "act": 0,
    "scale": 1.0,
    **dict.fromkeys(_POOL, 0),
}
_LOOP_WS = (
    "I", "J", "K", "pad_I", "pad_J", "pad_K", "A", "B", "D", "C",
    "A_stride", "B_stride", "D_stride", "C_stride", "A_transpose", "B_transpose",
    "full_C", "low_D", "ex_accumulate", "act", "a_spad_id", "b_spad_id", "is_resadd",
)  # fmt: skip
LOOP_CONV_SIZES = (
    "batch_size", "in_row_dim", "in_col_dim", "in_channels", "out_channels", "out_row_dim",
    "out_col_dim", "pool_out_row_dim", "pool_out_col_dim", "stride", "padding", "kernel_dim",
    "kernel_dilation", "pool_size", "pool_stride", "pool_padding", "batches", "porows", "pocols",
    "pochs", "krows", "kcols", "kchs", "lpad", "rpad", "upad", "dpad", "plpad", "prpad", "pupad",
    "pdpad", "orows", "ocols",
)  # fmt: skip
_LOOP_CONV_WS = (
    *LOOP_CONV_SIZES, "weights", "output", "bias", "input", "no_bias", "no_pool", "downsample",
    "wrot180", "input_dilated", "activation", "trans_output_1203", "trans_weight_1203",
    "trans_weight_0132", "trans_input_3120", "max_pixels_per_row", "in_stride", "weight_stride",
    "out_stride", "depthwise", "a_spad_id", "b_spad_id",
)  # fmt: skip
_TILED_MATMUL_AUTO = (
    "dim_I", "dim_J", "dim_K", "A", "B", "D", "C", "stride_A", "stride_B", "stride_D", "stride_C",
    "A_scale_factor", "B_scale_factor", "D_scale_factor", "act", "scale", "bert_scale",
    "repeating_bias", "transpose_A", "transpose_B", "full_C", "low_D", "weightA",
    "tiled_matmul_type",
)  # fmt: skip
_TILED_MATMUL = (
    *_TILED_MATMUL_AUTO[:18], "tile_I", "tile_J", "tile_K", *_TILED_MATMUL_AUTO[18:],
)  # fmt: skip
_TILED_MATMUL_OUTER = (
    *_TILED_MATMUL_AUTO[:14], "tile_I", "tile_J", "tile_K", *_TILED_MATMUL_AUTO[14:],
)  # fmt: skip
_NN_ARRAYS = ("dim_I", "dim_J", "dim_K", "A", "B", "D", "C", "act", "scale", "repeating_bias")
_NN_TESTS = ("tiled_matmul_type", "check", "layer_name")
_NN_DEFAULTS: Defaults = {
    "stride_A": "dim_K", "stride_B": "dim_J", "stride_D": "dim_J", "stride_C": "dim_J",
    "A_scale_factor": 1.0, "B_scale_factor": 1.0, "D_scale_factor": 1.0, "bert_scale": 0.0,
    "transpose_A": 0, "transpose_B": 0, "full_C": 0, "low_D": 0, "weightA": 0,
}  # fmt: skip
_CONV_FLAGS = (
    "wrot180", "trans_output_1203", "trans_input_3120", "trans_weight_1203", "trans_weight_0132",
)  # fmt: skip
_CONV_REST = (
    "input", "weights", "bias", "output", "act", "scale", "pool_size", "pool_stride",
    "pool_padding", "tiled_conv_type",
)  # fmt: skip
_TILED_CONV_AUTO = (
    "batch_size", "in_row_dim", "in_col_dim", "in_channels", "out_channels", "out_row_dim",
    "out_col_dim", "stride", "input_dilation", "kernel_dilation", "padding", "kernel_dim",
    *_CONV_FLAGS, *_CONV_REST,
)  # fmt: skip
_TILED_CONV_AUTO_SQUARE = (
    "batch_size", "in_row_dim", "in_channels", "out_channels", "out_row_dim", "stride",
    "input_dilation", "kernel_dilation", "padding", "kernel_dim", *_CONV_FLAGS, *_CONV_REST,
)  # fmt: skip
_TILED_RESADD_AUTO = (
    "I", "J", "A_scale", "B_scale", "C_scale", "A", "B", "C", "relu", "matadd_type",
)  # fmt: skip
_GARBAGE_DEFAULTS: dict[str, float | Default] = dict.fromkeys(
    ("bd_cols", "bd_rows", "c_cols", "c_rows", "a_cols", "a_rows", "cols", "rows"), Default.DIM
)


def _spellings() -> Iterator[tuple[str, Signature]]:
    for move in ("mvin", "mvin2", "mvin3", "mvout"):
        yield f"gemmini_extended_{move}", Signature(move, _MOVE)
        yield f"gemmini_{move}", Signature(move, _MOVE[:2], _GARBAGE_DEFAULTS)
        yield move, Signature(move, _MOVE)
        yield move, Signature(move, _MOVE[:2], _GARBAGE_DEFAULTS)
    yield "gemmini_extended_preload", Signature("preload", _PRELOAD)
    yield "gemmini_preload", Signature("preload", _PRELOAD[:2], _GARBAGE_DEFAULTS)
    yield (
        "gemmini_extended_preload_zeros",
        Signature(
            "preload", ("c", "c_cols", "c_rows"), {"bd": Default.GARBAGE, **_GARBAGE_DEFAULTS}
        ),
    )
    yield (
        "gemmini_preload_zeros",
        Signature("preload", ("c",), {"bd": Default.GARBAGE, **_GARBAGE_DEFAULTS}),
    )
    yield "preload", Signature("preload", _PRELOAD)
    yield "preload", Signature("preload", _PRELOAD[:2], _GARBAGE_DEFAULTS)
    for compute in ("compute_preloaded", "compute_accumulated"):
        yield f"gemmini_extended_{compute}", Signature(compute, _COMPUTE)
        yield f"gemmini_{compute}", Signature(compute, _COMPUTE[:2], _GARBAGE_DEFAULTS)
        yield compute, Signature(compute, _COMPUTE)
        yield compute, Signature(compute, _COMPUTE[:2], _GARBAGE_DEFAULTS)
    yield from _configurations()
    for prefix in ("gemmini_", ""):
        yield f"{prefix}loop_ws", Signature("loop_ws", _LOOP_WS)
        yield f"{prefix}loop_conv_ws", Signature("loop_conv_ws", _LOOP_CONV_WS)
        yield f"{prefix}fence", Signature("fence", ())
        yield f"{prefix}flush", Signature("flush", ("skip",))
    yield from _library()


def _library() -> Iterator[tuple[str, Signature]]:
    """Calls of ``gemmini.h`` and ``gemmini_nn.h``; those with tiles have them as operands."""
    matmul = "tiled_matmul_auto"
    yield matmul, Signature(matmul, _TILED_MATMUL_AUTO)
    yield "tiled_matmul", Signature(matmul, _TILED_MATMUL)
    yield "tiled_matmul_outer", Signature(matmul, _TILED_MATMUL_OUTER)
    yield "tiled_matmul_nn_auto", Signature(matmul, (*_NN_ARRAYS, *_NN_TESTS), _NN_DEFAULTS)
    tiles = ("tile_I", "tile_J", "tile_K")
    yield "tiled_matmul_nn", Signature(matmul, (*_NN_ARRAYS, *tiles, *_NN_TESTS), _NN_DEFAULTS)
    yield "tiled_conv_auto", Signature("tiled_conv_auto", _TILED_CONV_AUTO)
    square: Defaults = {"in_col_dim": "in_row_dim", "out_col_dim": "out_row_dim"}
    yield "tiled_conv_auto", Signature("tiled_conv_auto", _TILED_CONV_AUTO_SQUARE, square)
    yield "tiled_resadd_auto", Signature("tiled_resadd_auto", _TILED_RESADD_AUTO)


def _configurations() -> Iterator[tuple[str, Signature]]:
    execute = ("config_ex", _CONFIG_EX_DEFAULTS)
    for name, parameters in {
        "gemmini_extended3_config_ex": _CONFIG_EX_ALL,
        "gemmini_extended2_config_ex": _CONFIG_EX,
        "gemmini_extended_config_ex": _CONFIG_EX,
        "gemmini_config_ex": _CONFIG_EX[:3],
    }.items():
        yield name, Signature(execute[0], parameters, execute[1])
    yield "config_ex", Signature(execute[0], _CONFIG_EX, execute[1])
    short = ("dataflow", "act", "a_stride", "a_transpose", "b_transpose")
    yield "config_ex", Signature(execute[0], short, execute[1])
    load = ("config_ld", _CONFIG_LD_DEFAULTS)
    for name, parameters in {
        "gemmini_extended5_config_ld": (
            "stride", "scale", "shrunk", "block_stride", "pixel_repeats", "id",
        ),
        "gemmini_extended4_config_ld": ("stride", "scale", "shrunk", "block_stride", "id"),
        "gemmini_extended3_config_ld": ("stride", "scale", "shrunk", "id"),
        "gemmini_extended2_config_ld": ("stride", "scale", "shrunk"),
        "gemmini_extended_config_ld": ("stride", "scale"),
        "gemmini_config_ld": ("stride",),
    }.items():  # fmt: skip
        yield name, Signature(load[0], parameters, load[1])
    yield "config_ld", Signature(load[0], ("stride", "scale", "block_stride", "id"), load[1])
    yield "config_ld", Signature(load[0], ("stride", "scale", "id_or_block_stride"), load[1])
    store = ("config_st", _CONFIG_ST_DEFAULTS)
    yield (
        "gemmini_extended2_config_st",
        Signature(store[0], ("stride", "act", "scale", *_POOL), store[1]),
    )
    yield "gemmini_extended_config_st", Signature(store[0], ("stride", "act", "scale"), store[1])
    yield "gemmini_config_st", Signature(store[0], ("stride",), store[1])
    yield "config_st", Signature(store[0], ("stride",), store[1])
    yield "config_st", Signature(store[0], ("stride", "act_or_scale"), store[1])
    yield "config_st", Signature(store[0], ("stride", "act", "scale"), store[1])
    norm = (
        "q_const", "q_const_type", "stat_id_only", "act_msb", "stat_id", "igelu_qb", "igelu_qc",
    )  # fmt: skip
    yield "gemmini_config_norm", Signature("config_norm", norm)


def _by_name() -> dict[str, tuple[Signature, ...]]:
    table: dict[str, tuple[Signature, ...]] = {}
    for name, signature in _spellings():
        table[name] = (*table.get(name, ()), signature)
    return table


SIGNATURES = _by_name()
"""The ways to call each macro; they differ in the number of arguments."""

UNAMBIGUOUS_NAMES = frozenset(SIGNATURES) - {"fence", "flush", "preload"}
"""Names that no plain kernel calls."""
