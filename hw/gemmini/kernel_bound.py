"""What every program must spend on a kernel, unit by unit, however it orders and cuts the work.

``timing.bound`` bounds one program from below; this bounds all programs for one kernel. The bound
is higher than multiplications on a full array where sums do not fill it, and where stores or loads
take longer than the products.
"""

from __future__ import annotations

from dataclasses import dataclass

from .config import GemminiConfig

ARRAY, LOAD, STORE, PORT, DRAM = "array", "load", "store", "port", "dram"


@dataclass(frozen=True)
class Demand:
    """What a kernel asks for; ``rows · columns`` elements are stored."""

    rows: int
    columns: int
    """Elements along the last dimension of the output, which lie side by side in memory."""
    terms: int = 0
    """Products in each sum; 0 where nothing is multiplied."""
    shares_terms: bool = True
    """Whether a row of sums shares one factor of its terms, as in a matrix product."""
    starts: int = 0
    """Rows of sums that begin with a bias."""
    summed_rows: int = 0
    """Rows of sums, where maxima over windows of them are stored; 0 is ``rows``."""
    window: int = 1
    """Stored elements are maxima over windows of ``window · window`` elements …"""
    step: int = 1
    """… that lie ``step`` elements apart."""
    read_bytes: int = 0
    written_bytes: int = 0


@dataclass(frozen=True)
class KernelBound:
    """Cycles that each unit is busy at least."""

    terms: dict[str, int]

    @property
    def cycles(self) -> int:
        return max(self.terms.values())

    @property
    def limiting(self) -> str:
        """The unit that is busy longest."""
        return max(self.terms, key=lambda unit: self.terms[unit])


def kernel_bound(demand: Demand, config: GemminiConfig, *, dram: bool) -> KernelBound:
    """Bound all programs for a kernel; ``dram`` adds the memory bus behind cold caches.

    All times that one unit overlaps with another's, and all latencies, count as nothing.
    """
    reads = demand.read_bytes // config.bus_bytes + _bias_beats(demand, config)
    writes = demand.written_bytes // config.bus_bytes
    requests = [n // config.max_request_bytes for n in (demand.read_bytes, demand.written_bytes)]
    terms = {
        ARRAY: _array(demand, config),
        LOAD: reads,
        STORE: _store(demand, config),
        # Answers of loads share a channel with those of stores, requests too (DMA.scala).
        PORT: max(reads + requests[1], writes + requests[0]),
    }
    if dram:
        lines = (demand.read_bytes + demand.written_bytes) // config.l2_line_bytes
        terms[DRAM] = lines * config.dram_fill_cycles
    return KernelBound(terms)


def _array(demand: Demand, config: GemminiConfig) -> int:
    """Rows that the array takes in, one a cycle.

    A row adds at most ``dim`` products to each of at most ``dim`` sums. So a sum takes part in
    ⌈terms / dim⌉ rows, of which each serves ``dim`` sums. Where a row of sums shares a factor, an
    element of this factor takes part in ⌈columns / dim⌉ rows, of which each takes ``dim`` elements,
    also if they belong to several rows of sums: these then share the array's columns. A program may
    exchange rows and columns of a product, but transposes then each tile of the factor that stays
    in the array (``dim`` rows more, TransposePreloadUnroller.scala), or loads it by single
    elements, which takes as long up to ``dim · dim`` columns.
    """
    dim, rows = config.dim, demand.summed_rows or demand.rows
    by_sums = rows * demand.columns * -(-demand.terms // dim)
    shared = demand.shares_terms and demand.columns <= dim * dim
    by_terms = rows * demand.terms * -(-demand.columns // dim) if shared else 0
    return max(by_sums, by_terms) // dim


def _bias_beats(demand: Demand, config: GemminiConfig) -> int:
    """A load puts one row of a bias at the start of at most ``dim · dim`` sums."""
    loads = -(-demand.starts // config.dim) * -(-demand.columns // config.dim)
    return loads * -(-config.dim * config.accumulator_bytes // config.bus_bytes)


def _store(demand: Demand, config: GemminiConfig) -> int:
    """Pieces of ``dim`` elements that the store unit reads, and the pace of its scale unit.

    Pieces out of the accumulator pass the scale unit, whose queue holds ``spad_read_delay + 1`` for
    ``scale_latency`` cycles. A maximum over a window is read piece by piece, or first along
    columns, by windows that share those with their neighbours, and then along rows.
    """
    pieces = demand.rows * -(-demand.columns // config.dim)
    side = demand.window
    pieces *= min(side * side, side * min(demand.step, side) + side)
    if not demand.terms:
        return pieces  # from the scratchpad
    return max(pieces, pieces * config.scale_latency // (config.spad_read_delay + 1))
