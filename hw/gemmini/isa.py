"""Numbers of the instruction set: function codes and the packing of ``rs1`` and ``rs2``.

Source: GemminiISA.scala, LocalAddr.scala and ``gemmini.h``. All helpers work on Python integers
and, where every operand is one, on NumPy ``uint64`` arrays, so the unroller packs whole columns.
"""

from __future__ import annotations

from enum import IntEnum


class Funct(IntEnum):
    """funct7 of each command."""

    CONFIG = 0
    MVIN2 = 1
    MVIN = 2
    MVOUT = 3
    COMPUTE_PRELOADED = 4
    COMPUTE_ACCUMULATED = 5
    PRELOAD = 6
    FLUSH = 7
    LOOP_WS = 8
    LOOP_WS_CONFIG_BOUNDS = 9
    LOOP_WS_CONFIG_ADDRS_AB = 10
    LOOP_WS_CONFIG_ADDRS_DC = 11
    LOOP_WS_CONFIG_STRIDES_AB = 12
    LOOP_WS_CONFIG_STRIDES_DC = 13
    MVIN3 = 14
    LOOP_CONV_WS = 15
    LOOP_CONV_WS_CONFIG_1 = 16
    LOOP_CONV_WS_CONFIG_2 = 17
    LOOP_CONV_WS_CONFIG_3 = 18
    LOOP_CONV_WS_CONFIG_4 = 19
    LOOP_CONV_WS_CONFIG_5 = 20
    LOOP_CONV_WS_CONFIG_6 = 21
    COUNTER_OP = 126


class ConfigType(IntEnum):
    """rs1[1:0] of a CONFIG command."""

    EXECUTE = 0
    LOAD = 1
    STORE = 2
    NORM = 3


class Activation(IntEnum):
    NONE = 0
    RELU = 1
    LAYERNORM = 2
    IGELU = 3
    SOFTMAX = 4


MVIN_OF_CHANNEL = (Funct.MVIN, Funct.MVIN2, Funct.MVIN3)
"""The move-in command that uses load state 0, 1 or 2."""

ACCUMULATOR_BIT = 1 << 31
ACCUMULATE_BIT = 1 << 30
FULL_WIDTH_BIT = 1 << 29
GARBAGE_ADDRESS = 0xFFFFFFFF
"""The local address that means "none" in software (LocalAddr.scala:43)."""
DRAM_BASE = 0x8000_0000
"""Where a kernel's arrays begin in DRAM; each is aligned to ``DRAM_ALIGNMENT`` bytes."""
DRAM_ALIGNMENT = 64


def is_garbage(local: int) -> bool:
    """Whether a 32-bit local address means "none": the three flag bits and the low 15 bits set."""
    return (local >> 29) & 7 == 7 and local & 0x7FFF == 0x7FFF


def local_of(operand: int) -> int:
    """Of the common operand of all moves: ``[31:0] local address, [47:32] cols, [63:48] rows``."""
    return operand & 0xFFFFFFFF


def cols_of(operand: int) -> int:
    return (operand >> 32) & 0xFFFF


def rows_of(operand: int) -> int:
    return (operand >> 48) & 0xFFFF
