"""Gemmini's parameters: one frozen record that every reader of the machine shares.

A configuration is a TOML file; the named ones lie in ``configs/``. Each default is that of the
public GemminiRocketConfig (16×16 int8) and carries its evidence beside it. ``RTL`` means the Chisel
sources of ucb-bar/gemmini; ``measured`` means cycles counted on Verilator runs of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..config_file import ConfigError, find_config, names_in, read_table, record_of

__all__ = ["ConfigError", "GemminiConfig", "config_from_table", "load_config", "named_configs"]

CONFIG_DIRECTORY = Path(__file__).parent / "configs"
DEFAULT_CONFIG = "gemmini-16x16-int8"


@dataclass(frozen=True)
class GemminiConfig:
    """One Gemmini instance. Sizes are in rows, elements or bytes as named; times are in cycles."""

    name: str = DEFAULT_CONFIG
    dim: int = 16
    """The systolic array has ``dim`` rows and ``dim`` columns, a local row ``dim`` elements."""
    input_type: str = "int8"
    accumulator_type: str = "int32"
    has_normalizations: bool = False
    """Whether layernorm, i-GELU and softmax exist (has_normalizations, off in the default)."""

    # Local memories.
    spad_banks: int = 4
    spad_bank_rows: int = 4096
    acc_banks: int = 2
    acc_bank_rows: int = 512

    # Front end and reservation station (Configs.scala:61-63, ReservationStation.scala).
    reservation_load: int = 8
    reservation_execute: int = 16
    reservation_store: int = 4
    queue_load: int = 8
    queue_execute: int = 8
    queue_store: int = 2
    front_end_latency: int = 4
    store_waits_for_completion: bool = False
    """RTL since 2025-02: a store waits until all earlier stores have completed (line 378)."""

    # Memory port (DMA.scala).
    bus_bytes: int = 16
    max_request_bytes: int = 64
    max_packets_in_flight: int = 16

    # Execute unit (ExecuteController.scala, MeshWithDelays.scala).
    spad_read_delay: int = 4
    tile_latency: int = 0
    mesh_output_delay: int = 1
    scale_latency: int = 8

    # Level-2 cache and DRAM (measured on the full SoC; level ``soc`` only).
    l2_sets: int = 1024
    l2_ways: int = 8
    l2_line_bytes: int = 64
    l2_hit_latency: int = 6
    l2_miss_request: int = 8
    l2_miss_response: int = 14
    dram_line_cycles: int = 10
    """A line that replaces another (fitted on kernels that are larger than the cache)."""
    dram_fill_cycles: int = 8
    """A line into an empty way: 64 bytes over the 8 B/cycle bus (measured on cold streams)."""
    dram_latency: int = 60

    # The Rocket core (measured on the full SoC; level ``soc`` only).
    core_command_latency: int = 4
    """Cycles from the core's issue of a command to the accelerator's front end."""
    core_fence_cycles: int = 3
    """Cycles of a fence once the accelerator is idle (measured: an empty fence takes 3)."""
    instruction_line_bytes: int = 64
    """The instruction cache fetches code that runs for the first time in lines of this size."""

    @property
    def input_bytes(self) -> int:
        """Bytes of one scratchpad element."""
        return TYPE_BYTES[self.input_type]

    @property
    def accumulator_bytes(self) -> int:
        """Bytes of one accumulator element."""
        return TYPE_BYTES[self.accumulator_type]

    @property
    def spad_rows(self) -> int:
        return self.spad_banks * self.spad_bank_rows

    @property
    def acc_rows(self) -> int:
        return self.acc_banks * self.acc_bank_rows

    @property
    def max_blocks(self) -> int:
        """Column blocks that one scratchpad move may carry."""
        return self.blocks_per_move(self.input_bytes)

    def blocks_per_move(self, element_bytes: int) -> int:
        """Column blocks of ``dim`` elements that one move may carry (64 B requests)."""
        return max(1, self.max_request_bytes // (self.dim * element_bytes))

    @property
    def loads_in_flight(self) -> int:
        """Most loads that are in flight at once, ending in any order (LoadController.scala:84)."""
        return self.max_packets_in_flight // self.dim + 1

    @property
    def is_integer(self) -> bool:
        return self.input_type.startswith("int")


TYPE_BYTES = {"int8": 1, "int16": 2, "int32": 4, "float16": 2, "bfloat16": 2, "float32": 4}


def named_configs() -> tuple[str, ...]:
    """Names of the configurations that come with Liftproof."""
    return names_in(CONFIG_DIRECTORY)


@cache
def load_config(name: str = DEFAULT_CONFIG) -> GemminiConfig:
    """The configuration called ``name``, or the one in the TOML file at the path ``name``.

    Raises ``ConfigError`` when there is none, or when it holds an unknown key or a wrong value.
    """
    path = find_config(name, [CONFIG_DIRECTORY])
    return config_from_table(read_table(path), str(path))


def config_from_table(table: dict[str, Any], where: str) -> GemminiConfig:
    """Build a configuration from plain keys; ``where`` names their origin in diagnostics."""
    config = record_of(GemminiConfig, table, where)
    for key in ("input_type", "accumulator_type"):
        if getattr(config, key) not in TYPE_BYTES:
            raise ConfigError(f"{where}: {key} must be one of {', '.join(TYPE_BYTES)}")
    for key in ("dim", "spad_banks", "spad_bank_rows", "acc_banks", "acc_bank_rows", "bus_bytes"):
        if getattr(config, key) == 0:
            raise ConfigError(f"{where}: {key} must be at least 1")
    return config
