"""A NeuronCore's parameters: one frozen record that every reader of the machine shares.

A configuration is a TOML file; the named ones lie in ``configs/``: ``trainium1`` is NeuronCore-v2
(Trn1, Inf2), ``trainium2`` NeuronCore-v3 (Trn2). The defaults are those of ``trainium1``. Each
parameter carries its evidence: [V] documented by the vendor (Neuron SDK, or read off the profiles
that it prints), [M] measured by a third party, [D] derived here from measurements. Limits that the
instruction encoding sets, alike on both, are in ``dialects/trn/limits.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...dialects.trn import Engine
from ...dialects.trn.limits import PARTITIONS, PSUM_PARTITION_BYTES
from ..config_file import ConfigError, find_config, names_in, read_table, record_of

CONFIG_DIRECTORY = Path(__file__).parent / "configs"
DEFAULT_CONFIG = "trainium1"
MACHINE = "trainium"
VERSIONS = (2, 3)


@dataclass(frozen=True)
class TrainiumConfig:
    """One NeuronCore. Sizes are in bytes, times in ns or engine cycles, rates in bytes per ns."""

    name: str = DEFAULT_CONFIG
    machine: str = MACHINE
    """Tells a file of this machine from one of another."""
    version: int = 2
    """NeuronCore-v2 or v3: decides which instructions exist (see ``check``)."""

    # Memories [V architecture guides; usable size from AWS's compiler constants].
    sbuf_partition_bytes: int = 180_224
    """What a program can use of each partition's 192 KiB (v3: 224 KiB)."""
    hbm_bytes: int = 16 << 30
    """A core's share: 32 GiB for 2 cores (v3: 96 GiB for 8)."""

    # Clocks in GHz.
    pe_nominal_ghz: float = 2.8
    """[V] The peak that is quoted: 92 TFLOPS of bf16 (v3: 79)."""
    pe_ghz: float = 2.42
    """[D] What back-to-back products reach: two kernels, bf16 and fp32, agree."""
    dve_ghz: float = 1.12
    act_ghz: float = 1.4
    pool_ghz: float = 1.4

    # Instruction costs in engine cycles [V nki.isa up to v2.26.1, "estimated instruction cost"].
    minimum_interval: int = 64
    """Between two instructions on small tiles."""
    dynamic_interval: int = 600
    """Between two instructions with addresses from registers."""
    gpsimd_start: int = 150
    """Of each GpSimd instruction."""
    wide_float_factor: int = 4
    """The tensor engine takes four passes for fp32."""
    load_stationary_speedup: int = 4
    """Loading the stationary operand, against streaming the moving one; in the background."""
    double_row_factor: int = 2
    """Rows of 8-bit floats per array row (v3)."""
    reciprocal_per_element: float = 2.0
    """[D] Fits the measured silu; the documentation's 8 contradicts it."""
    wide_stride_bytes: int = 16
    """A larger innermost stride halves the bandwidth of an access."""
    has_performance_mode: bool = False
    """[V] v3: the vector engine copies bf16 and fp16 up to four times as fast."""

    # Engine cycles of each instruction besides its formula [V "static overhead": about 60 cycles
    # per access, 100 for small instructions; fitted by benchmarks/trainium/fit.py].
    dve_overhead_cycles: int = 90
    act_overhead_cycles: int = 76

    # Latencies.
    pe_latency_ns: float = 230.0
    """[D] From issue until the result is visible in PSUM."""
    dve_latency_cycles: int = 144
    """[V nki-library] What a dependent instruction adds to its N cycles; 100 to 144."""
    act_latency_cycles: int = 200
    """[V] A tiny dependent instruction takes 264 cycles on v2, 352 + N on v3; less its 64 busy."""
    pool_latency_cycles: int = 144
    semaphore_ns: float = 35.0
    """[V] From one engine's end to another's start: 30 to 40 ns."""
    table_load_ns: float = 1300.0
    """[V] Another activation function's table."""
    launch_ns: float = 10_000.0
    """[D] Of a kernel: 8 to 12 µs (v3: 20 µs)."""

    # DMA.
    dma_engine_rate: float = 24.6
    """[D] Bytes per ns of each engine, of which the documentation gives 27.2 in theory."""
    dma_descriptor_ns: float = 50.0
    """[D] Of each descriptor besides its bytes: 4 KiB take 217 ns (302 GB/s in all; the best
    measured kernel moves 294), rows of 256 B and 512 B those of the measured rope."""
    dma_descriptor_bytes: int = 4096
    """[V] The runtime's packets: contiguous on both sides."""
    dma_start_ns: float = 1040.0
    """[D] From the trigger to the first byte: fits two products that wait for it; on v3 the
    profiles show 740 to 1005 [V]."""
    dma_done_ns: float = 320.0
    """[V] From the last byte to the start of who waits for it."""
    dma_trigger_ns: float = 50.0
    """[V, profiles: 8 to 87 ns] Of the instruction that starts a DMA, on its engine (ISA level)."""
    dma_issue_ns: float = 1290.0
    """[D] Of each DMA on its queue: rows of up to 1 KiB take as long as this, however short they
    are [V throughput curve], and so do the loads of two measured products. v3: 600 ns [V]."""
    hbm_rate: float = 410.0
    """[V, divided by the cores] Bytes per ns that one core gets."""

    # Exclusion rules [V architecture guides].
    dve_excludes_pool: bool = True
    """The vector and GpSimd engines take turns at SBUF."""
    dve_excludes_act: bool = True
    """The vector and scalar engines take turns at PSUM."""

    @property
    def psum_partition_bytes(self) -> int:
        return PSUM_PARTITION_BYTES

    @property
    def peak_macs_per_ns(self) -> float:
        """Multiplications of the tensor engine per ns, for types of up to 16 bits."""
        return PARTITIONS * PARTITIONS * self.pe_ghz

    def ghz(self, engine: Engine) -> float:
        """Clock of an engine; the sync engine only sequences, at the scalar engine's clock."""
        clocks = {Engine.PE: self.pe_ghz, Engine.DVE: self.dve_ghz, Engine.POOL: self.pool_ghz}
        return clocks.get(engine, self.act_ghz)

    def overhead_cycles(self, engine: Engine) -> int:
        """Cycles that an instruction occupies its engine besides its formula."""
        own = {Engine.DVE: self.dve_overhead_cycles, Engine.ACT: self.act_overhead_cycles}
        return own.get(engine, 0)

    def latency_ns(self, engine: Engine) -> float:
        """Time from an instruction's end on its engine until its result is visible."""
        if engine == Engine.PE:
            return self.pe_latency_ns
        cycles = {Engine.DVE: self.dve_latency_cycles, Engine.POOL: self.pool_latency_cycles}
        return cycles.get(engine, self.act_latency_cycles) / self.ghz(engine)


_POSITIVE = (
    "sbuf_partition_bytes",
    "hbm_bytes",
    "pe_nominal_ghz",
    "pe_ghz",
    "dve_ghz",
    "act_ghz",
    "pool_ghz",
    "load_stationary_speedup",
    "dma_engine_rate",
    "dma_descriptor_bytes",
    "hbm_rate",
)


def named_configs() -> tuple[str, ...]:
    """Names of the configurations that come with Liftproof."""
    return names_in(CONFIG_DIRECTORY)


@cache
def load_config(name: str = DEFAULT_CONFIG) -> TrainiumConfig:
    """The configuration called ``name``, or the one in the TOML file at the path ``name``.

    Raises ``ConfigError`` when there is none, or when it holds an unknown key or a wrong value.
    """
    path = find_config(name, [CONFIG_DIRECTORY])
    return config_from_table(read_table(path), str(path))


def config_from_table(table: dict[str, Any], where: str) -> TrainiumConfig:
    """Build a configuration from plain keys; ``where`` names their origin in diagnostics."""
    config = record_of(TrainiumConfig, table, where)
    if config.machine != MACHINE:
        raise ConfigError(f"{where}: a configuration of {config.machine}, not of {MACHINE}")
    if config.version not in VERSIONS:
        raise ConfigError(f"{where}: version must be 2 or 3, got {config.version}")
    for key in _POSITIVE:
        if getattr(config, key) <= 0:
            raise ConfigError(f"{where}: {key} must be more than 0")
    return config
