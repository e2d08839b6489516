"""The state of the simulated machine as NumPy records, one per unit, that the jitted stages share.

A record is the fastest thing numba has that still reads like an object: ``load.row += 1``. Every
number is a 64-bit integer; times are cycles since the first command. Queues are rings, indexed by
counters that only grow, masked to the ring's size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..config import ConfigError, GemminiConfig
from ..loop_machines import MACHINES
from .causes import CAUSES

LOAD: Any = np.int64(0)
EXECUTE: Any = np.int64(1)
STORE: Any = np.int64(2)
"""The three units, each with its own queue in the reservation station and its own controller.

Typed numbers: numba compiles a function once more for each plain number it is called with.
"""
UNITS = 3
NEVER = np.int64(1) << 60
"""A time that never comes."""

RING = 64
"""Slots of every queue between two stages; the deepest holds 16 reads and 16 writes in flight."""
RESULT_RING = 1024
"""Slots for array results on their way to the memories, one per cycle of latency."""
MAX_BANKS = 30
"""Banks of one memory are bits of a mask."""

Record = Any
"""A NumPy record of one of the types below; numba sees its fields, the type checker does not."""
Records = Any
"""An array of such records."""


def _record(*names: str, **arrays: int | np.dtype[Any]) -> np.dtype[Any]:
    fields: list[Any] = [(name, np.int64) for name in names]
    for name, kind in arrays.items():
        fields.append((name, np.int64, (kind,)) if isinstance(kind, int) else (name, kind))
    return np.dtype(fields, align=True)


PARAMETERS = _record(
    "dim",
    "input_bytes",
    "accumulator_bytes",
    "spad_banks",
    "spad_bank_rows",
    "acc_banks",
    "acc_bank_rows",
    "front_end_latency",
    "fence_cycles",
    "bus_bytes",
    "max_request_bytes",
    "max_packets_in_flight",
    "commands_in_flight",
    "memory_pipeline",
    "scale_latency",
    "store_waits_for_completion",
    "mesh_latency",
    "mesh_transit",
    "mesh_tags",
    "memory_latency",
    "uses_level2",
    "l2_sets",
    "l2_ways",
    "l2_line_bytes",
    "l2_hit_latency",
    "l2_miss_request",
    "l2_miss_response",
    "dram_line_cycles",
    "dram_fill_cycles",
    "dram_latency",
    station_capacity=UNITS,
    queue_capacity=UNITS,
)
FRONT_END = _record(
    "step",
    "next_dispatch",
    "waited",
    "head",
    "tail",
    "quiet",
    "last_busy",
    "segment_start",
    "fenced",
    ready=RING,
    command=RING,
)
UNROLLER = _record(
    "activated",
    "start",
    "sequence",
    machine_loop=MACHINES,
    emitted=MACHINES,
)
STATION = _record(
    "completions",
    live=UNITS * RING,
    live_count=UNITS,
    issued_count=UNITS,
    blocked_at=UNITS,
    blocked_by=UNITS,
    queue=UNITS * RING,
    queue_head=UNITS,
    queue_tail=UNITS,
)
LOAD_UNIT = _record(
    "in_flight",
    "started",
    "row",
    "zero_free_at",
    "request_head",
    "request_tail",
    "reading",
    "read_row",
    "read_offset",
    "done_head",
    "done_tail",
    "zero_head",
    "zero_tail",
    "write_head",
    "write_tail",
    request_command=RING,
    request_row=RING,
    done_time=RING,
    done_command=RING,
    zero_time=RING,
    zero_bank=RING,
    zero_done=RING,
    write_time=RING,
    write_bank=RING,
    write_bytes=RING,
    write_command=RING,
)
PORT = _record(
    "reads_in_flight",
    "writes_in_flight",
    "prefer_write",
    "read_head",
    "read_tail",
    "read_free_head",
    "read_free_tail",
    "write_head",
    "write_tail",
    "write_free_head",
    "write_free_tail",
    "address_head",
    "address_tail",
    "reply_head",
    "reply_tail",
    "merge_command",
    "merge_beats_left",
    "merge_shift",
    "merge_useful",
    "merge_received",
    "merge_sent",
    "merge_offset",
    "merge_row",
    read_time=RING,
    read_command=RING,
    read_row=RING,
    read_offset=RING,
    read_size=RING,
    read_useful=RING,
    read_address=RING,
    read_free=RING,
    write_time=RING,
    write_last=RING,
    write_free=RING,
    write_address=RING,
    reply_time=RING,
    reply_command=RING,
    reply_row=RING,
    reply_offset=RING,
    reply_size=RING,
    reply_useful=RING,
    reply_shift=RING,
)
EXECUTE_UNIT = _record(
    "operation",
    "total_rows",
    "a_count",
    "b_count",
    "d_count",
    "a_started",
    "b_started",
    "d_started",
    "a_local",
    "a_step",
    "a_rows",
    "a_used",
    "b_local",
    "b_rows",
    "b_used",
    "d_local",
    "d_rows",
    "d_used",
    "pending",
    "pending_result",
    "pending_result_rows",
    "busy_until",
    "tag_head",
    "tag_tail",
    "held_preload",
    "op_head",
    "op_tail",
    "done_count",
    op_command=RING,
    op_ready=RING,
    op_part=RING,
    tag_release=RING,
    tag_result=RING,
    done_time=RING,
    done_command=RING,
    result_writes=RESULT_RING,
)
STORE_UNIT = _record(
    "in_flight",
    "started",
    "row",
    "block",
    "request_head",
    "request_tail",
    "norm_head",
    "norm_tail",
    "scale_head",
    "scale_tail",
    "writing",
    "write_left",
    "write_address",
    "write_beats",
    "done_head",
    "done_tail",
    request_command=RING,
    request_row=RING,
    request_block=RING,
    norm_command=RING,
    norm_row=RING,
    norm_block=RING,
    scale_time=RING,
    scale_command=RING,
    scale_row=RING,
    scale_block=RING,
    done_time=RING,
    done_command=RING,
)
PORTS_TAKEN = _record("spad_results", "acc_results", "acc_accumulates", "spad_writes", "acc_writes")
COUNTERS = _record(
    "read_beats",
    "write_beats",
    "operand_conflicts",  # cycles in which a write took a bank that an operand is in
    "write_conflicts",  # cycles in which an array result took a bank that a load writes to
    "read_conflicts",  # cycles in which a bank was taken that a store reads
    cycles=UNITS * CAUSES,
)
LEVEL2 = _record("accesses", "misses", "write_backs", "read_bus_free", "write_bus_free")
MACHINE = _record(
    "clock",
    "source",  # digest of the source that the machine code was compiled from
    parameters=PARAMETERS,
    front=FRONT_END,
    unroller=UNROLLER,
    station=STATION,
    load=LOAD_UNIT,
    port=PORT,
    execute=EXECUTE_UNIT,
    store=STORE_UNIT,
    taken=PORTS_TAKEN,
    level2=LEVEL2,
    counters=COUNTERS,
)


def mesh_transit(config: GemminiConfig) -> int:
    """Cycles from a row entering the array to its result leaving it (MeshWithDelays.scala).

    One input register, ``dim`` processing elements down, ``dim - 1`` of skew, the output registers.
    """
    per_element = config.tile_latency + 1
    return 1 + (2 * config.dim - 1) * per_element + config.mesh_output_delay


def new_machine(config: GemminiConfig, memory_latency: int, uses_level2: bool) -> Records:
    """An idle machine, as an array of one record (numba hands out references to its elements)."""
    transit = mesh_transit(config)
    mesh_latency = config.spad_read_delay + 1 + transit
    if mesh_latency + config.dim >= RESULT_RING:
        raise ConfigError(f"{config.name}: an array of {config.dim} rows is too deep to simulate")
    if max(config.spad_banks, config.acc_banks) > MAX_BANKS:
        raise ConfigError(f"{config.name}: at most {MAX_BANKS} banks can be simulated")
    queues = (config.reservation_load, config.reservation_execute, config.reservation_store)
    if max(*queues, config.queue_execute, 2 * config.max_packets_in_flight) > RING // 2:
        raise ConfigError(f"{config.name}: queues of at most {RING // 2} entries can be simulated")
    machine = np.zeros(1, MACHINE)
    parameters = machine["parameters"][0]
    derived = {
        "commands_in_flight": config.max_packets_in_flight // config.dim + 1,
        "memory_pipeline": config.spad_read_delay,
        "mesh_latency": mesh_latency,
        "mesh_transit": transit,
        "mesh_tags": 5 * (config.tile_latency + 1),
        "memory_latency": memory_latency,
        "uses_level2": int(uses_level2),
        "front_end_latency": config.front_end_latency
        + (config.core_command_latency if uses_level2 else 0),
        "fence_cycles": config.core_fence_cycles if uses_level2 else 0,
        "station_capacity": queues,
        "queue_capacity": (config.queue_load, config.queue_execute, config.queue_store),
    }
    assert PARAMETERS.names is not None
    for name in PARAMETERS.names:
        parameters[name] = derived[name] if name in derived else int(getattr(config, name))
    execute = machine["execute"][0]
    execute["held_preload"] = execute["pending"] = execute["pending_result"] = -1
    machine["station"][0]["blocked_by"] = -1
    machine["front"][0]["segment_start"] = -1
    machine["load"][0]["started"] = machine["load"][0]["reading"] = -1
    machine["store"][0]["started"] = machine["store"][0]["writing"] = -1
    machine["port"][0]["merge_command"] = -1
    return machine
