"""Moves by the DMA engines: between HBM and SBUF, or within one of them; never to or from PSUM.

A move walks both views in row-major order; they hold equally many elements, whose types convert
through float32.
"""

from __future__ import annotations

from abc import ABC

from xdsl.dialects.builtin import IntegerAttr, UnitAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
)

from .instruction import I64, Instruction
from .limits import DMA_SEMAPHORE_STEP
from .rules import require, require_space, require_view_rank
from .types import SemaphoreType, Space, ViewType, element_bytes, known, view_of

QUEUES = 16
"""Rings of each DMA engine."""


class Move(Instruction, ABC):
    """Copy ``src`` to ``dst``; with ``add``, add to what is there; transposed if said so."""

    src = operand_def(ViewType)
    dst = operand_def(ViewType)
    add = opt_prop_def(UnitAttr)

    def verify_move(self, *, transpose: bool) -> None:
        self.verify_targets()
        for role, operand in (("src", self.src), ("dst", self.dst)):
            in_psum = view_of(operand).in_psum
            require(not in_psum, f"DMA cannot access PSUM ({role})")
            require_space(role, operand, Space.HBM, Space.SBUF)
        source, target = view_of(self.src), view_of(self.dst)
        if transpose:
            require_view_rank("src", source, 2)
            require_view_rank("dst", target, 2)
            same = source.element_type == target.element_type
            require(same, "dma_transpose keeps the element type")
            size = element_bytes(source.element_type)
            require(size == 2, f"dma_transpose moves elements of 2 bytes, got {size}")
            sizes = zip(source.shape, reversed(target.shape), strict=True)
            turned = all(left == right or left < 0 or right < 0 for left, right in sizes)
            require(turned, f"{target} is not the transpose of {source}")
        count, expected = known(target.shape), known(source.shape)
        if count is not None and expected is not None:
            require(count == expected, f"dst holds {count} elements, src {expected}")


@irdl_op_definition
class DmaCopyOp(Move):
    """``dst = src``, or ``dst += src`` with ``add``."""

    name = "trn.dma_copy"
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$src `to` $dst attr-dict `:` type($src) `,` type($dst)"

    def __init__(self, src: SSAValue, dst: SSAValue, *, add: bool = False) -> None:
        self.initialise({"src": src, "dst": dst}, add=add)

    def verify_(self) -> None:
        self.verify_move(transpose=False)


@irdl_op_definition
class DmaTransposeOp(Move):
    """``dst[j, i] = src[i, j]``, for elements of 2 bytes."""

    name = "trn.dma_transpose"
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$src `to` $dst attr-dict `:` type($src) `,` type($dst)"

    def __init__(self, src: SSAValue, dst: SSAValue) -> None:
        self.initialise({"src": src, "dst": dst})

    def verify_(self) -> None:
        require(self.add is None, "dma_transpose does not add")
        self.verify_move(transpose=True)


@irdl_op_definition
class DmaStartOp(Move):
    """Put a move into a queue and go on (ISA level).

    Moves of one queue are carried out in order. When this one is done, its semaphore counts 16 up:
    one for each DMA engine, idle ones included.
    """

    name = "trn.dma_start"
    semaphore = operand_def(SemaphoreType)
    queue = prop_def(I64)
    transpose = opt_prop_def(UnitAttr)
    step = prop_def(I64, default_value=IntegerAttr(DMA_SEMAPHORE_STEP, i64))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "`queue` $queue $src `to` $dst `inc` $semaphore attr-dict `:` type($src) `,` type($dst)"
    )

    def __init__(
        self,
        queue: int,
        src: SSAValue,
        dst: SSAValue,
        semaphore: SSAValue,
        *,
        add: bool = False,
        transpose: bool = False,
    ) -> None:
        self.initialise(
            {"src": src, "dst": dst, "semaphore": semaphore},
            queue=queue,
            add=add,
            transpose=transpose,
            step=DMA_SEMAPHORE_STEP,
        )

    def verify_(self) -> None:
        queue = self.queue.value.data
        require(0 <= queue < QUEUES, f"queue: 0 to {QUEUES - 1}, got {queue}")
        require(self.step.value.data == DMA_SEMAPHORE_STEP, "a DMA counts its semaphore 16 up")
        require(self.add is None or self.transpose is None, "dma_transpose does not add")
        self.verify_move(transpose=self.transpose is not None)
