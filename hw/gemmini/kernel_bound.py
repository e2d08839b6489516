"""What every program must spend on a kernel, unit by unit, however it orders and cuts the work.

``timing.bound`` bounds one program from below; this bounds all programs for one kernel. The bound
is higher than multiplications on a full array where sums do not fill it, and where stores or loads
take longer than the products. A load comes before all of the array's work, and a store behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .config import GemminiConfig
from .timing.bound import CYCLES_TO_UNIT
from .timing.state import mesh_transit

TO_REQUEST = 7
"""Cycles from the issue of a load to its first request (measured on RTL)."""
TO_WRITTEN = 5
"""Least cycles from the last beat of a load to its completion (measured on RTL)."""

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
    latency: dict[str, int]
    """Cycles that pass before and behind the work of each unit."""

    @property
    def cycles(self) -> int:
        return self._until_idle(self.limiting)

    @property
    def limiting(self) -> str:
        """The unit that ends last."""
        return max(self.terms, key=self._until_idle)

    def _until_idle(self, unit: str) -> int:
        return self.terms[unit] + self.latency[unit]


def kernel_bound(demand: Demand, config: GemminiConfig, *, dram: bool) -> KernelBound:
    """Bound all programs for a kernel; ``dram`` adds the memory bus behind cold caches.

    Units may work at the same time, so the one that ends last counts. Latencies count where no
    order of the work hides them: what must pass before a unit can begin, and after it has ended.
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
    start = config.front_end_latency + CYCLES_TO_UNIT
    moves = start + _moves_latency(config)
    product = config.spad_read_delay + 1 + mesh_transit(config) if demand.terms else 0
    latency = {LOAD: moves, ARRAY: moves + product, STORE: moves + product}
    return KernelBound(terms, {unit: latency.get(unit, start) for unit in terms})


def _moves_latency(config: GemminiConfig) -> int:
    """Cycles of a load and a store, one behind the other, besides those that a unit is busy.

    Nothing is multiplied before a load of operands has completed, and the last results are stored
    behind it; what is loaded last is stored, or what comes of it. Memory answers no sooner than a
    hit in the L2.
    """
    load = TO_REQUEST + config.l2_hit_latency + TO_WRITTEN
    return load + config.spad_read_delay + config.l2_hit_latency


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
