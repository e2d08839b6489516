"""The Trainium dialect: instructions of a NeuronCore on views of arrays in HBM, SBUF and PSUM.

Arrays are ``memref``: those without a memory space lie in HBM, those in ``#trn<space sbuf>`` and
``#trn<space psum>`` have their partitions as first dimension. An instruction sees an array through
``trn.view``, an access pattern, so that loops stay loops::

    %w = memref.alloc() : memref<128x512xbf16, #trn<space sbuf>>
    %a = trn.view %A[%k, %n] : memref<4096x8192xbf16> to !trn.view<hbm, 128x512xbf16>
    %b = trn.view %w[0, 0] : memref<128x512xbf16, …> to !trn.view<sbuf, 128x512xbf16>
    trn.dma_copy %a to %b : !trn.view<hbm, 128x512xbf16>, !trn.view<sbuf, 128x512xbf16>

At the *tile level* instructions have sequential semantics, and buffers come from ``memref.alloc``.
At the *ISA level* a function holds one ``trn.stream`` for each engine it uses; the streams run at
the same time and wait for each other through semaphores, buffers have places (``trn.sbuf``,
``trn.psum``), and moves are put into queues (``trn.dma_start``). Both share the compute
instructions.

The verifiers hold every operand rule that no version of the machine lifts; what depends on the
version or on the contents of memory is checked in ``hw/trainium``. docs/trainium.md is the
reference.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from .activation import ActivationOp
from .dma import DmaCopyOp, DmaStartOp, DmaTransposeOp
from .elementwise import (
    DropoutOp,
    MemsetOp,
    ReciprocalOp,
    ScalarTensorTensorOp,
    TensorCopyDynamicDstOp,
    TensorCopyDynamicSrcOp,
    TensorCopyOp,
    TensorCopyPredicatedOp,
    TensorScalarOp,
    TensorTensorOp,
)
from .instruction import EngineInstruction, Instruction, stream_engine
from .permutations import KEEP, LocalGatherOp, StreamShuffleOp
from .reductions import (
    BnAggrOp,
    BnStatsOp,
    TensorPartitionReduceOp,
    TensorReduceOp,
    TensorScalarReduceOp,
    TensorTensorScanOp,
)
from .search import FindIndex8Op, MatchReplace8Op, Max8Op, TopkOp
from .selection import AffineSelectOp, IotaOp, RangeSelectOp, SelectReduceOp, SequenceBoundsOp
from .streams import IncOp, SemaphoreOp, StreamOp, WaitOp
from .tensor_engine import DOUBLE_ROWS, LoadStationaryOp, MultMovingOp, NcMatmulOp, NcTransposeOp
from .types import (
    BITWISE,
    COMPARISONS,
    REDUCTIONS,
    UNARY,
    Engine,
    EngineAttr,
    Function,
    FunctionAttr,
    Operator,
    OperatorAttr,
    ReduceCommand,
    ReduceCommandAttr,
    SemaphoreType,
    Space,
    SpaceAttr,
    ViewType,
    element_bytes,
    is_float,
    is_integer,
    is_unsigned,
    space_of,
    view_of,
)
from .views import PsumOp, ReshapeOp, SbufOp, ViewOp, first_partition, partition_bytes

__all__ = [
    "BITWISE",
    "COMPARISONS",
    "DOUBLE_ROWS",
    "KEEP",
    "REDUCTIONS",
    "TRN",
    "UNARY",
    "ActivationOp",
    "AffineSelectOp",
    "BnAggrOp",
    "BnStatsOp",
    "DmaCopyOp",
    "DmaStartOp",
    "DmaTransposeOp",
    "DropoutOp",
    "Engine",
    "EngineAttr",
    "EngineInstruction",
    "FindIndex8Op",
    "Function",
    "FunctionAttr",
    "IncOp",
    "Instruction",
    "IotaOp",
    "LoadStationaryOp",
    "LocalGatherOp",
    "MatchReplace8Op",
    "Max8Op",
    "MemsetOp",
    "MultMovingOp",
    "NcMatmulOp",
    "NcTransposeOp",
    "Operator",
    "OperatorAttr",
    "PsumOp",
    "RangeSelectOp",
    "ReciprocalOp",
    "ReduceCommand",
    "ReduceCommandAttr",
    "ReshapeOp",
    "SbufOp",
    "ScalarTensorTensorOp",
    "SelectReduceOp",
    "SemaphoreOp",
    "SemaphoreType",
    "SequenceBoundsOp",
    "Space",
    "SpaceAttr",
    "StreamOp",
    "StreamShuffleOp",
    "TensorCopyDynamicDstOp",
    "TensorCopyDynamicSrcOp",
    "TensorCopyOp",
    "TensorCopyPredicatedOp",
    "TensorPartitionReduceOp",
    "TensorReduceOp",
    "TensorScalarOp",
    "TensorScalarReduceOp",
    "TensorTensorOp",
    "TensorTensorScanOp",
    "TopkOp",
    "ViewOp",
    "ViewType",
    "WaitOp",
    "element_bytes",
    "first_partition",
    "is_float",
    "is_integer",
    "is_unsigned",
    "partition_bytes",
    "space_of",
    "stream_engine",
    "view_of",
]

TRN = Dialect(
    "trn",
    [
        SbufOp,
        PsumOp,
        ReshapeOp,
        ViewOp,
        ActivationOp,
        DmaCopyOp,
        DmaTransposeOp,
        DmaStartOp,
        TensorTensorOp,
        TensorScalarOp,
        ScalarTensorTensorOp,
        TensorCopyOp,
        TensorCopyPredicatedOp,
        ReciprocalOp,
        MemsetOp,
        DropoutOp,
        TensorCopyDynamicSrcOp,
        TensorCopyDynamicDstOp,
        StreamShuffleOp,
        LocalGatherOp,
        TensorReduceOp,
        TensorPartitionReduceOp,
        TensorScalarReduceOp,
        TensorTensorScanOp,
        BnStatsOp,
        BnAggrOp,
        Max8Op,
        FindIndex8Op,
        MatchReplace8Op,
        TopkOp,
        IotaOp,
        AffineSelectOp,
        RangeSelectOp,
        SelectReduceOp,
        SequenceBoundsOp,
        SemaphoreOp,
        WaitOp,
        IncOp,
        StreamOp,
        NcMatmulOp,
        NcTransposeOp,
        LoadStationaryOp,
        MultMovingOp,
    ],
    [
        SpaceAttr,
        EngineAttr,
        OperatorAttr,
        FunctionAttr,
        ReduceCommandAttr,
        ViewType,
        SemaphoreType,
    ],
)
