"""The ISA level: five instruction streams that run at the same time, and their semaphores."""

from __future__ import annotations

from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
)
from xdsl.traits import NoTerminator
from xdsl.utils.exceptions import VerifyException

from .dma import DmaCopyOp, DmaTransposeOp
from .instruction import STREAM, EngineInstruction, stream_engine
from .tensor_engine import NcMatmulOp
from .types import Engine, EngineAttr, SemaphoreType

_TILE_ONLY = (NcMatmulOp, DmaCopyOp, DmaTransposeOp)


@irdl_op_definition
class SemaphoreOp(IRDLOperation):
    """A semaphore, which starts at 0."""

    name = "trn.semaphore"
    semaphore = result_def(SemaphoreType)
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__(result_types=[SemaphoreType()])


@irdl_op_definition
class WaitOp(IRDLOperation):
    """Stop the stream until the semaphore is at least ``count``."""

    name = "trn.wait"
    semaphore = operand_def(SemaphoreType)
    count = operand_def(IndexType())
    assembly_format = "$semaphore `until` $count attr-dict"

    def __init__(self, semaphore: SSAValue, count: SSAValue) -> None:
        super().__init__(operands=[semaphore, count])

    def verify_(self) -> None:
        _require_stream(self)


@irdl_op_definition
class IncOp(IRDLOperation):
    """Count the semaphore up once the stream's earlier instructions are done, DMAs excepted."""

    name = "trn.inc"
    semaphore = operand_def(SemaphoreType)
    count = operand_def(IndexType())
    assembly_format = "$semaphore `by` $count attr-dict"

    def __init__(self, semaphore: SSAValue, count: SSAValue) -> None:
        super().__init__(operands=[semaphore, count])

    def verify_(self) -> None:
        _require_stream(self)


@irdl_op_definition
class StreamOp(IRDLOperation):
    """The instructions of one engine, in order; all streams of a function run at the same time."""

    name = STREAM
    engine = prop_def(EngineAttr)
    body = region_def("single_block")
    traits = traits_def(NoTerminator())
    assembly_format = "$engine $body attr-dict"

    def __init__(self, engine: Engine, body: Region | None = None) -> None:
        region = Region(Block()) if body is None else body
        super().__init__(properties={"engine": EngineAttr(engine)}, regions=[region])

    def verify_(self) -> None:
        engine = self.engine.data
        for op in self.walk():
            if isinstance(op, _TILE_ONLY):
                raise VerifyException(f"{op.name} belongs to the tile level, not into a stream")
            if isinstance(op, StreamOp) and op is not self:
                raise VerifyException("a stream holds no stream")
            if isinstance(op, EngineInstruction):
                _require_engine(op, engine)


def _require_engine(op: EngineInstruction, engine: Engine) -> None:
    if engine not in op.ENGINES:
        allowed = ", ".join(op.ENGINES)
        raise VerifyException(f"engine: {op.name} runs on {allowed}, not on {engine}")
    if op.engine is not None and op.engine.data != engine:
        raise VerifyException(f"engine: {op.name} for {op.engine.data} in the stream of {engine}")


def _require_stream(op: Operation) -> None:
    if stream_engine(op) is None:
        raise VerifyException(f"{op.name} stands in a stream")
