"""Where each number lies in the two operand words of a command: one table per command.

A layout encodes numbers into ``(rs1, rs2)`` and decodes whole columns of commands. Sources:
``gemmini.h`` and GemminiISA.scala; the layouts of the loop commands are those of ``gemmini.h``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .isa import ConfigType, Funct


@dataclass(frozen=True)
class Field:
    """``bits`` bits from bit ``low`` of word 1 (rs1) or 2 (rs2)."""

    word: int
    low: int
    bits: int

    def of(self, rs1: NDArray[np.uint64], rs2: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The field's value in each command; a 64-bit field wraps to a signed number."""
        words = rs1 if self.word == 1 else rs2
        mask = np.uint64((1 << self.bits) - 1)
        return ((words >> np.uint64(self.low)) & mask).astype(np.int64)

    def of_one(self, rs1: int, rs2: int) -> int:
        """The field's value in one command given as two Python integers."""
        return ((rs1 if self.word == 1 else rs2) >> self.low) & ((1 << self.bits) - 1)


Layout = dict[str, Field]

# The common operands. Extents are ``cols`` and ``rows``; an address is a packed local address.
MOVE: Layout = {
    "dram": Field(1, 0, 64),
    "local": Field(2, 0, 32),
    "cols": Field(2, 32, 16),
    "rows": Field(2, 48, 16),
}
PAIR: Layout = {
    "first": Field(1, 0, 32),
    "first_cols": Field(1, 32, 16),
    "first_rows": Field(1, 48, 16),
    "second": Field(2, 0, 32),
    "second_cols": Field(2, 32, 16),
    "second_rows": Field(2, 48, 16),
}
"""Preload (stationary operand, C) and the computations (A, B or D)."""
LARGEST_EXTENT = (1 << PAIR["second_rows"].bits) - 1
"""The largest number of rows or columns that a command can name."""

CONFIG_EX: Layout = {
    "type": Field(1, 0, 2),
    "weight_stationary": Field(1, 2, 1),
    "activation": Field(1, 3, 2),
    "strides_only": Field(1, 7, 1),
    "a_transpose": Field(1, 8, 1),
    "b_transpose": Field(1, 9, 1),
    "a_stride": Field(1, 16, 16),
    "scale": Field(1, 32, 32),
    "shift": Field(2, 0, 32),
    "c_stride": Field(2, 48, 16),
}
CONFIG_LD: Layout = {
    "type": Field(1, 0, 2),
    "shrunk": Field(1, 2, 1),
    "channel": Field(1, 3, 2),
    "pixel_repeats": Field(1, 8, 8),
    "block_stride": Field(1, 16, 16),
    "scale": Field(1, 32, 32),
    "stride": Field(2, 0, 64),
}
CONFIG_ST: Layout = {
    "type": Field(1, 0, 2),
    "activation": Field(1, 2, 2),
    "pool_stride": Field(1, 4, 2),
    "pool_size": Field(1, 6, 2),
    "upper_pad": Field(1, 8, 2),
    "left_pad": Field(1, 10, 2),
    "pool_out_dim": Field(1, 24, 8),
    "pool_rows": Field(1, 32, 8),
    "pool_cols": Field(1, 40, 8),
    "out_rows": Field(1, 48, 8),
    "out_cols": Field(1, 56, 8),
    "stride": Field(2, 0, 32),
    "scale": Field(2, 32, 32),
}
CONFIG_NORM: Layout = {
    "type": Field(1, 0, 2),
    "stat_id": Field(1, 8, 8),
    "act_msb": Field(1, 16, 1),
    "stat_id_only": Field(1, 17, 1),
    "q_const_type": Field(1, 18, 1),
    "q_const": Field(1, 32, 32),
    "igelu_qb": Field(2, 0, 32),
    "igelu_qc": Field(2, 32, 32),
}
CONFIG_LAYOUTS: dict[ConfigType, Layout] = {
    ConfigType.EXECUTE: CONFIG_EX,
    ConfigType.LOAD: CONFIG_LD,
    ConfigType.STORE: CONFIG_ST,
    ConfigType.NORM: CONFIG_NORM,
}
KEEP_SCALE = 0xFFFF_FFFF
"""As scale bits of CONFIG_ST: keep the old scale (StoreController.scala:237)."""

LOOP_WS_BOUNDS: Layout = {
    "pad_i": Field(1, 0, 16),
    "pad_j": Field(1, 16, 16),
    "pad_k": Field(1, 32, 16),
    "i": Field(2, 0, 16),
    "j": Field(2, 16, 16),
    "k": Field(2, 32, 16),
}
TWO_WORDS: Layout = {"first": Field(1, 0, 64), "second": Field(2, 0, 64)}
"""Addresses and strides of LOOP_WS: (A, B) and (D, C); addresses of LOOP_CONV_WS."""
LOOP_WS: Layout = {
    "accumulate": Field(1, 0, 1),
    "full_c": Field(1, 1, 1),
    "low_d": Field(1, 2, 1),
    "activation": Field(1, 8, 3),
    "b_spad_id": Field(1, 16, 2),
    "a_spad_id": Field(1, 18, 2),
    "a_transpose": Field(2, 0, 1),
    "b_transpose": Field(2, 1, 1),
    "residual_add": Field(2, 2, 1),
}
LOOP_CONV_WS_CONFIGS: dict[Funct, Layout] = {
    Funct.LOOP_CONV_WS_CONFIG_1: {
        "batch_size": Field(1, 0, 16),
        "in_row_dim": Field(1, 16, 16),
        "in_channels": Field(1, 32, 16),
        "out_channels": Field(1, 48, 16),
        "out_row_dim": Field(2, 0, 16),
        "pool_out_row_dim": Field(2, 16, 16),
        "out_col_dim": Field(2, 32, 16),
        "stride": Field(2, 48, 8),
        "padding": Field(2, 56, 8),
    },
    Funct.LOOP_CONV_WS_CONFIG_2: {
        "pool_padding": Field(1, 0, 8),
        "pool_stride": Field(1, 8, 8),
        "pool_size": Field(1, 16, 16),
        "pool_out_col_dim": Field(1, 32, 16),
        "kernel_dim": Field(1, 48, 16),
        "pochs": Field(2, 0, 16),
        "pocols": Field(2, 16, 16),
        "porows": Field(2, 32, 16),
        "batches": Field(2, 48, 16),
    },
    Funct.LOOP_CONV_WS_CONFIG_3: {
        "lpad": Field(1, 0, 16),
        "kchs": Field(1, 16, 16),
        "kcols": Field(1, 32, 16),
        "krows": Field(1, 48, 16),
        "in_col_dim": Field(2, 0, 16),
        "plpad": Field(2, 16, 8),
        "dpad": Field(2, 24, 8),
        "upad": Field(2, 32, 16),
        "rpad": Field(2, 48, 16),
    },
    Funct.LOOP_CONV_WS_CONFIG_4: {
        "kernel_dilation": Field(1, 0, 10),
        "pdpad": Field(1, 10, 11),
        "pupad": Field(1, 21, 11),
        "prpad": Field(1, 32, 16),
        "orows": Field(1, 48, 16),
        "ocols": Field(2, 0, 16),
        "out_stride": Field(2, 16, 16),
        "weight_stride": Field(2, 32, 16),
        "in_stride": Field(2, 48, 16),
    },
    Funct.LOOP_CONV_WS_CONFIG_5: {"weights": Field(1, 0, 64), "output": Field(2, 0, 64)},
    Funct.LOOP_CONV_WS_CONFIG_6: {"bias": Field(1, 0, 64), "input": Field(2, 0, 64)},
}
LOOP_CONV_WS: Layout = {
    "no_bias": Field(1, 0, 1),
    "wrot180": Field(1, 1, 1),
    "trans_output_1203": Field(1, 2, 1),
    "trans_weight_1203": Field(1, 3, 1),
    "trans_weight_0132": Field(1, 4, 1),
    "trans_input_3120": Field(1, 5, 1),
    "depthwise": Field(1, 6, 1),
    "max_pixels_per_row": Field(1, 8, 8),
    "b_spad_id": Field(1, 16, 2),
    "a_spad_id": Field(1, 18, 2),
    "no_pool": Field(2, 0, 1),
    "downsample": Field(2, 1, 1),
    "input_dilated": Field(2, 2, 1),
    "activation": Field(2, 3, 3),
}


def encode(layout: Layout, **values: Any) -> tuple[Any, Any]:
    """``(rs1, rs2)`` of a command with the given numbers; fields that are not given are 0.

    Values are Python integers, or ``int64`` arrays for a whole column of commands (then the words
    are ``uint64`` arrays). Raises ``ValueError`` when a number does not fit its field.
    """
    words: list[Any] = [0, 0]
    for name, value in values.items():
        field = layout[name]
        _require_fit(name, value, field)
        if isinstance(value, np.ndarray):
            value = value.astype(np.uint64)
            words[field.word - 1] = words[field.word - 1] | value << np.uint64(field.low)
        else:
            words[field.word - 1] = words[field.word - 1] | int(value) << field.low
    return words[0], words[1]


def decode(layout: Layout, rs1: int, rs2: int) -> dict[str, int]:
    """The numbers in one command."""
    return {name: field.of_one(rs1, rs2) for name, field in layout.items()}


def float_bits(value: float) -> int:
    """The IEEE single-precision bits of ``value``, as scale fields hold them."""
    return int(np.float32(value).view(np.uint32))


def bits_float(bits: NDArray[np.int64]) -> NDArray[np.float32]:
    """The single-precision numbers whose bits are given."""
    return bits.astype(np.uint32).view(np.float32)


def signed(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """32-bit fields read as two's complement."""
    return values.astype(np.uint32).view(np.int32).astype(np.int64)


def _require_fit(name: str, value: Any, field: Field) -> None:
    low, high = (value.min(), value.max()) if isinstance(value, np.ndarray) else (value, value)
    if low < 0 or (field.bits < 64 and high >= 1 << field.bits):
        outlier = low if low < 0 else high
        raise ValueError(f"{name} must fit {field.bits} unsigned bits, got {outlier}")
