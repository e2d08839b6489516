"""The Gemmini dialect: one operation per instruction, with explicit local addresses.

Programs at this level ("ISA IR") are ``func.func`` with ``scf`` loops around these operations.
DRAM arrays are ``memref`` arguments, a DRAM address is an array with one index per dimension, and
a local address is a value of type ``!gemmini.local<space>``::

    %b = gemmini.spad %b_row
    %c = gemmini.acc %c_row accumulate %not_first
    gemmini.preload %b[%c16, %c16] to %c[%c16, %c16] : !gemmini.local<spad>, !gemmini.local<acc>

Extents in brackets are always ``rows, cols``. The verifiers reject what no Gemmini accepts; limits
that depend on a configuration (rows up to DIM, addresses inside the memories) are checked where a
configuration is known, by the simulator and the validator.

Source: GemminiISA.scala, LocalAddr.scala, ``gemmini.h`` (see the package documentation of ``hw``).
"""

from __future__ import annotations

from xdsl.ir import Dialect

from .config import ConfigExOp, ConfigLdOp, ConfigNormOp, ConfigStOp
from .execute import ComputeAccumulatedOp, ComputePreloadedOp, FenceOp, FlushOp, PreloadOp
from .loops import CONV_SIZES, LoopConvWsOp, LoopWsOp
from .moves import AccOp, MvinOp, MvinZerosOp, MvoutOp, NoneOp, SpadOp
from .types import (
    ACC_ADDRESS,
    LOAD_CHANNELS,
    NO_ADDRESS,
    SPAD_ADDRESS,
    ActivationAttr,
    ActivationKind,
    Dataflow,
    DataflowAttr,
    LocalSpace,
    LocalSpaceAttr,
    LocalType,
    space_of,
)

__all__ = [
    "ACC_ADDRESS",
    "CONV_SIZES",
    "GEMMINI",
    "LOAD_CHANNELS",
    "NO_ADDRESS",
    "SPAD_ADDRESS",
    "AccOp",
    "ActivationAttr",
    "ActivationKind",
    "ComputeAccumulatedOp",
    "ComputePreloadedOp",
    "ConfigExOp",
    "ConfigLdOp",
    "ConfigNormOp",
    "ConfigStOp",
    "Dataflow",
    "DataflowAttr",
    "FenceOp",
    "FlushOp",
    "LocalSpace",
    "LocalSpaceAttr",
    "LocalType",
    "LoopConvWsOp",
    "LoopWsOp",
    "MvinOp",
    "MvinZerosOp",
    "MvoutOp",
    "NoneOp",
    "PreloadOp",
    "SpadOp",
    "space_of",
]

GEMMINI = Dialect(
    "gemmini",
    [
        SpadOp,
        AccOp,
        NoneOp,
        ConfigExOp,
        ConfigLdOp,
        ConfigStOp,
        ConfigNormOp,
        MvinOp,
        MvinZerosOp,
        MvoutOp,
        PreloadOp,
        ComputePreloadedOp,
        ComputeAccumulatedOp,
        LoopWsOp,
        LoopConvWsOp,
        FenceOp,
        FlushOp,
    ],
    [LocalSpaceAttr, DataflowAttr, ActivationAttr, LocalType],
)
