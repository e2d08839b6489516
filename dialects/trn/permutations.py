"""Instructions that move elements between partitions, or to places that the data choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, i64
from xdsl.ir import SSAValue
from xdsl.irdl import ParsePropInAttrDict, irdl_op_definition, operand_def, prop_def

from .instruction import I64, EngineInstruction
from .limits import GPSIMD_PARTITIONS, QUADRANT
from .rules import require, require_free_size, require_same_partitions
from .types import Engine, ViewType, element_bytes, is_integer, is_unsigned, view_of

KEEP = 255
"""An entry of a shuffle mask that leaves a partition of the target as it is."""


@irdl_op_definition
class StreamShuffleOp(EngineInstruction):
    """``dst[32·q + i] = src[32·q + mask[i]]`` in each quadrant q of 32 partitions.

    The mask has 32 entries: a partition of the quadrant, or 255 to leave the target as it is. The
    views need not have equally many partitions: a mask of zeros repeats one of them 32 times.
    """

    name = "trn.stream_shuffle"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.DVE,)
    src = operand_def(ViewType)
    dst = operand_def(ViewType)
    mask = prop_def(DenseArrayBase.constr(i64))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$src `to` $dst attr-dict `:` type($src) `,` type($dst)"

    def __init__(self, src: SSAValue, dst: SSAValue, mask: Sequence[int]) -> None:
        self.initialise({"src": src, "dst": dst}, mask=mask)

    def verify_operands(self, engine: Engine) -> None:
        mask = self.mask.get_values()
        require(len(mask) == QUADRANT, f"mask: {QUADRANT} entries, got {len(mask)}")
        legal = all(0 <= entry < QUADRANT or entry == KEEP for entry in mask)
        require(legal, f"mask: entries are 0 to {QUADRANT - 1}, or {KEEP}, got {list(mask)}")
        same_type = view_of(self.src).element_type == view_of(self.dst).element_type
        require(same_type, "a shuffle keeps the element type")
        source = view_of(self.src).free_size
        if source is not None:
            require_free_size("dst", self.dst, source)
        partitions, available = view_of(self.dst).partitions, view_of(self.src).partitions
        if partitions is None or available is None:
            return
        for partition in range(partitions):
            entry = mask[partition % QUADRANT]
            chosen = partition - partition % QUADRANT + entry
            require(
                entry == KEEP or chosen < available,
                f"mask: partition {partition} gets partition {chosen} of src, which has"
                f" {available}",
            )


@irdl_op_definition
class LocalGatherOp(EngineInstruction):
    """Gather runs of elements within each partition, by indices common to 16 partitions.

    ``dst[p, n·e + j] = src[p, index_g(n)·e + j]`` for j < e = ``run`` and n < ``count``, where the
    group g of 16 partitions has its n-th index in partition ``16·g + n mod 16``, column ``n / 16``.
    """

    name = "trn.local_gather"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.POOL,)
    src = operand_def(ViewType)
    index = operand_def(ViewType)
    dst = operand_def(ViewType)
    run = prop_def(I64)
    count = prop_def(I64)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$src `,` $index `to` $dst attr-dict `:` type($src) `,` type($index) `,` type($dst)"
    )

    def __init__(
        self, src: SSAValue, index: SSAValue, dst: SSAValue, count: int, run: int = 1
    ) -> None:
        self.initialise({"src": src, "index": index, "dst": dst}, count=count, run=run)

    def verify_operands(self, engine: Engine) -> None:
        element = view_of(self.index).element_type
        fits = is_integer(element) and is_unsigned(element) and element_bytes(element) == 2
        require(fits, f"the index must be ui16, got {element}")
        partitions = view_of(self.src).partitions
        whole = partitions is None or partitions % GPSIMD_PARTITIONS == 0
        require(
            whole,
            f"local_gather takes a multiple of {GPSIMD_PARTITIONS} partitions, got {partitions}",
        )
        require_same_partitions("the index", self.index, self.src)
        require_same_partitions("dst", self.dst, self.src)
        count, run = self.count.value.data, self.run.value.data
        require(count >= 1 and run in (1, 2, 4, 8, 16, 32), "run: 1, 2, 4, 8, 16 or 32 elements")
        require_free_size("dst", self.dst, count * run)
        same_type = view_of(self.src).element_type == view_of(self.dst).element_type
        require(same_type, "a gather keeps the element type")
        columns = view_of(self.index).free_size
        if columns is not None:
            enough = columns * GPSIMD_PARTITIONS >= count
            require(enough, f"count: {columns} columns of indices do not hold {count}")
