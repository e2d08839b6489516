"""What every program must spend on a kernel, unit by unit, however it orders and cuts the work.

``TimingResult.bound`` bounds one program from below; this bounds all programs for one kernel that
leave products of matrices to the tensor engine. Transposes, copies out of PSUM and whatever engines
can share count as nothing, and so do all latencies.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...dialects.trn.limits import PARTITIONS
from .config import TrainiumConfig
from .timing.dma import dma_cost
from .timing.result import Bound

PE, ACT, DMA, HBM = "pe", "act", "dma", "hbm"


@dataclass(frozen=True)
class Demand:
    """What a kernel asks for."""

    narrow_products: int = 0
    """Multiplications of floats of up to 16 bits that products of matrices need."""
    wide_products: int = 0
    """The like in float32."""
    table_elements: int = 0
    """Values of functions that only the scalar engine has."""
    moved_bytes: int = 0
    """Of inputs that are read, each once, and of results."""


def kernel_bound(demand: Demand, config: TrainiumConfig) -> Bound:
    """Bound all programs for a kernel, in ns.

    The array multiplies ``PARTITIONS²`` pairs a cycle, in four passes for float32; the scalar
    engine takes one element of each partition a cycle; DMA engines are fastest with descriptors of
    the largest size.
    """
    passes = demand.narrow_products + demand.wide_products * config.wide_float_factor
    row = config.dma_descriptor_bytes
    best = dma_cost(
        PARTITIONS,
        row,
        row,
        descriptor_ns=config.dma_descriptor_ns,
        bytes_per_ns=config.dma_engine_rate,
        descriptor_bytes=row,
    )
    terms = {
        PE: passes / config.peak_macs_per_ns,
        ACT: demand.table_elements / (PARTITIONS * config.act_ghz),
        DMA: demand.moved_bytes / (PARTITIONS * row) * best.time,
        HBM: demand.moved_bytes / config.hbm_rate,
    }
    return Bound(terms, config.launch_ns)
