"""How a transfer is cut into descriptors and spread over the DMA engines.

The rows of 8 partitions go to one engine; fewer than 128 partitions use fewer engines. A row is cut
into runs that are contiguous on both sides, a run into descriptors of at most 4 KiB (the Neuron
runtime's packet size). Each descriptor costs its engine a fixed time plus its bytes over the
engine's rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from .records import DMA_ENGINES

PARTITIONS_PER_ENGINE = 8


@dataclass(frozen=True)
class DmaCost:
    """What the engines do for one transfer."""

    engines: int
    time: float
    """ns on each engine."""


def dma_cost(
    partitions: int,
    row_bytes: int,
    run_bytes: int,
    *,
    descriptor_ns: float,
    bytes_per_ns: float,
    descriptor_bytes: int,
) -> DmaCost:
    """The cost of moving ``partitions`` rows of ``row_bytes``, in runs of ``run_bytes``.

    More than 128 rows (a move between HBM arrays) wrap around the engines.
    """
    engines = min(DMA_ENGINES, -(-partitions // PARTITIONS_PER_ENGINE))
    rows = -(-partitions // engines)
    run = max(1, min(run_bytes, row_bytes))
    runs = -(-row_bytes // run)
    descriptors = rows * runs * -(-run // descriptor_bytes)
    return DmaCost(engines, descriptors * descriptor_ns + rows * row_bytes / bytes_per_ns)


def contiguous_run(extents: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Elements that lie next to each other in an access of these extents and element strides.

    ``extents`` and ``strides`` are outermost first; strides of an extent of 1 do not matter.
    """
    run = 1
    for extent, stride in zip(reversed(extents), reversed(strides), strict=True):
        if extent == 1:
            continue
        if stride != run:
            break
        run *= extent
    return run
