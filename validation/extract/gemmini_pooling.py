"""A pooling store as affine statements: the maximum of each window of pixels (trusted core)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...dialects.gemmini import MvoutOp
from ...hw.gemmini import semantics
from ..core.condition import FALSE, TRUE, Condition, all_of, negate, within
from ..core.index import Index, Variable, constant_index
from ..core.polyhedral import Array, Unsupported
from ..core.terms import Term, bit_width, constant, is_float
from .dram_elements import dram_element
from .gemmini_state import LocalAddress, Pooling, StoreConfig

if TYPE_CHECKING:
    from .from_gemmini import GemminiExtractor

MAXIMUM = "max signed"
"""The fold of a pooling store (see ``core.folds``)."""
Domain = tuple[list[Variable], list[Condition]]
Pixel = tuple[Index, Index, Index]
"""Row, column and channel."""


def emit_pooling_store(
    extractor: GemminiExtractor,
    operation: MvoutOp,
    source: LocalAddress,
    config: StoreConfig,
    pooling: Pooling,
) -> None:
    """The statements of a pooling store: a start below all elements, the maximum, and the store.

    Pixels outside of the image count as 0, and the post-operation comes before the maximum. The
    rows of the instruction mean nothing. Raises ``Unsupported`` for floats: the machine's maximum
    of NaN is not modelled.
    """
    if is_float(extractor.input_type):
        raise Unsupported("a pooling store of floats", operation)
    store = _PoolingStore(extractor, operation, source, config, pooling)
    store.require_legal()
    image = constant_index(pooling.image_rows * pooling.image_cols)
    extractor.recorder.store(source, image, operation)
    extents = (pooling.rows, pooling.cols, extractor.config.dim)
    type = extractor.input_type
    pooled = Array(extractor.fresh("pooled"), type, tuple(map(constant_index, extents)))
    (dims, inside), pixel = store.pixels()
    extractor.program.local_memories |= {pooled.name}
    least = constant(-(1 << (bit_width(type) - 1)), type)
    extractor.emit(pooled, pixel, least, operation, dims=dims, condition=inside)
    store.combine(pooled)
    (dims, inside), pixel = store.pixels()
    value = extractor.read_element(pooled, pixel)
    array = extractor.array(operation.target, operation)
    extractor.store_element(array, store.target(pixel), value, operation, dims, inside)


@dataclass(frozen=True)
class _PoolingStore:
    extractor: GemminiExtractor
    operation: MvoutOp
    source: LocalAddress
    config: StoreConfig
    pooling: Pooling

    def require_legal(self) -> None:
        """What the machine model demands of the instruction."""
        pooling, memory = self.pooling, self.extractor.local(self.source)
        sizes = pooling.size > 0 and pooling.rows > 0 and pooling.cols > 0
        self._demand(TRUE if sizes else FALSE, "windows and a pooled image that are not empty")
        self._demand(FALSE if self.source.full else TRUE, "no pooling of full-width elements")
        last = self.source.row + (pooling.image_rows * pooling.image_cols - 1)
        self._demand(within(last, 0, memory.extents[0]), f"an image within {memory.name}")

    def _demand(self, holds: Condition, description: str) -> None:
        self.extractor.demand(holds, description, self.operation)

    def pixels(self) -> tuple[Domain, Pixel]:
        """Counters of the pooled pixels and channels."""
        extractor, dim = self.extractor, self.extractor.config.dim
        row = Variable(extractor.fresh("pr"), 0, self.pooling.rows - 1)
        col = Variable(extractor.fresh("pc"), 0, self.pooling.cols - 1)
        channels = extractor.size(self.operation.cols, self.operation, 1, dim)
        channel, inside = extractor.counter("c", channels, dim)
        return ([row, col, channel], [inside]), (Index.of(row), Index.of(col), Index.of(channel))

    def combine(self, pooled: Array) -> None:
        """The maximum over the window of each pooled pixel, and 0 for what is outside."""
        pooling, extractor = self.pooling, self.extractor
        (dims, condition), pixel = self.pixels()
        window = [Variable(extractor.fresh("w"), 0, pooling.size - 1) for _ in range(2)]
        dims = [*dims[:2], *window, dims[2]]
        pads = pooling.upper_pad, pooling.left_pad
        row, col = (
            semantics.pool_out_index(at, Index.of(offset), pooling.stride, pad)
            for at, offset, pad in zip(pixel, window, pads, strict=False)
        )
        inside = all_of([within(row, 0, pooling.image_rows), within(col, 0, pooling.image_cols)])
        place = self.source.row + semantics.pool_source(row, col, pooling.image_cols)
        value = extractor.stored(self.source, (place, pixel[2]), self.config, self.operation)
        self._raise_to(pooled, pixel, value, dims, [*condition, inside])
        outside = constant(0, extractor.input_type)
        self._raise_to(pooled, pixel, outside, dims, [*condition, negate(inside)])

    def target(self, pixel: Pixel) -> tuple[Index, ...]:
        """The DRAM element of a pooled pixel's channel, in the two steps of its offset."""
        extractor, operation = self.extractor, self.operation
        array = extractor.array(operation.target, operation)
        type, stride = extractor.input_type, self.config.stride
        row, col, channel = pixel
        first = extractor.indices(operation.indices, operation)
        first = dram_element(array, first, type, stride, col, channel, operation)
        row_stride, none = self.pooling.out_dim * stride, constant_index(0)
        return dram_element(array, first, type, row_stride, row, none, operation)

    def _raise_to(
        self,
        pooled: Array,
        pixel: Pixel,
        value: Term,
        dims: Sequence[Variable],
        condition: Sequence[Condition],
    ) -> None:
        if all_of(condition) == FALSE:
            return
        self.extractor.emit(
            pooled,
            pixel,
            value,
            self.operation,
            accumulates=True,
            dims=dims,
            condition=condition,
            fold=MAXIMUM,
        )
