"""The level-2 cache and the DRAM bus behind it.

Measured on the full SoC: 64-byte lines, LRU, write-allocate; a hit answers 6 cycles after the
request; a miss starts about 8 cycles after it, waits for the DRAM, moves a line over the 8 B/cycle
bus (8 cycles into an empty way, 10 where it replaces a line) and answers 14 cycles later; dirty
lines leave over a channel of their own.
"""

from __future__ import annotations

import numpy as np

from ..config import GemminiConfig
from .jit import stage
from .state import Record, Records

LINE = np.dtype([(name, np.int64) for name in ("tag", "used", "dirty", "ready")], align=True)
"""One way of one set: ``ready`` is when the line has arrived from DRAM."""
NO_TAG = -1
PENDING_HIT = 2
"""A request for a line on its way is answered this long after it arrives (reference model)."""
WRITE_BACK_SLACK = 64
"""Cycles of write-back that may queue up before misses wait for it (reference model)."""


def new_lines(config: GemminiConfig) -> Records:
    """An empty cache, ``l2_ways`` lines of each of ``l2_sets`` sets."""
    lines = np.zeros(config.l2_sets * config.l2_ways, LINE)
    lines["tag"] = NO_TAG
    return lines


def rewind(lines: Records) -> None:
    """Let the next run begin at time 0: all lines have arrived, their order of use stays."""
    lines["ready"] = 0
    lines["used"] -= lines["used"].max() + 1


@stage
def find_way(lines: Records, first: int, ways: int, tag: int) -> tuple[bool, int]:
    """Whether the set that begins at ``first`` holds ``tag``, and its way or the one to evict."""
    victim = first
    for way in range(first, first + ways):
        if lines[way].tag == tag:
            return True, way
        if lines[way].used < lines[victim].used:
            victim = way
    return False, victim


@stage
def access_level2(
    level2: Record, lines: Records, parameters: Record, address: int, now: int, is_write: bool
) -> int:
    """When the cache answers a request that reaches it ``now``."""
    tag = address // parameters.l2_line_bytes
    first = (tag % parameters.l2_sets) * parameters.l2_ways
    level2.accesses += 1
    hit, way = find_way(lines, first, parameters.l2_ways, tag)
    line = lines[way]
    line.used = level2.accesses
    if hit:
        if is_write:
            line.dirty = 1
        if line.ready > now:
            return line.ready + PENDING_HIT
        return now + parameters.l2_hit_latency
    level2.misses += 1
    start = max(now + parameters.l2_miss_request, level2.read_bus_free)
    if line.dirty:
        level2.write_backs += 1
        level2.write_bus_free = max(level2.write_bus_free, now) + parameters.dram_line_cycles
        start = max(start, level2.write_bus_free - WRITE_BACK_SLACK)
    line_cycles = parameters.dram_fill_cycles
    if line.tag != NO_TAG:
        line_cycles = parameters.dram_line_cycles
    level2.read_bus_free = start + line_cycles
    arrived = start + parameters.dram_latency + line_cycles
    line.tag = tag
    line.dirty = 1 if is_write else 0
    line.ready = arrived + parameters.l2_miss_response
    return line.ready
