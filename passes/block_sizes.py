"""Estimate which block sizes are promising: what fits, and what keeps the array busy.

The estimate ranks; it promises nothing. The cycle model measures.
"""

from __future__ import annotations

from itertools import product
from math import prod

from ..hw.gemmini.config import GemminiConfig
from .index_math import is_power_of_two

PRODUCT_DISPATCH = 10
"""Core cycles to issue one product in the innermost loop (fitted to schedules of 512×512×512)."""
LOOP_DISPATCH = 31
"""Core cycles around the innermost loop: addresses, guards, loop control (fitted as above)."""
CHUNK_OVERHEAD = 100
"""Cycles that each chunk waits for DRAM or the core (fitted to 12544×64×256 at level ``soc``)."""
STORE_FACTOR = 1.75
"""A store takes 112 cycles where a load of the same 16 × 64 bytes takes 64 (measured on RTL)."""
DRAM_FACTOR = 2
"""What comes from DRAM instead of the L2 takes twice as long: 8 bytes a cycle (measured on SoC)."""
RAGGED_FACTOR = 1.03
"""Blocks that do not divide the array idle at its edges, and their proofs take longer."""
LARGEST_BLOCK = 64
"""Tiles along one side of a block; larger ones do not fit any memory in two phases."""


def block_sizes(counts: list[int], config: GemminiConfig) -> list[tuple[int, int, int]]:
    """Block sizes for ``counts`` tiles in i, j and k that fit, the fewest estimated cycles first.

    A block of C fills at most half of the accumulator, and a chunk of A or of B a quarter of the
    scratchpad, so that there is room for two phases in banks of their own.
    """
    block = config.acc_rows // config.dim // 2
    chunk = config.spad_rows // config.dim // 4
    fitting = [
        (i, j, k)
        for i, j, k in product(*(_choices(count) for count in counts))
        if i * j <= block and i * k <= chunk and k * j <= chunk
    ]
    return sorted(fitting, key=lambda sizes: (_estimate(counts, sizes, config), sizes))


def _choices(count: int) -> list[int]:
    """Block sizes to consider: powers of two, and divisors of the count."""
    limit = min(count, LARGEST_BLOCK)
    powers = {1 << bit for bit in range(limit.bit_length())}
    return sorted(powers | {size for size in range(1, limit + 1) if count % size == 0})


def _estimate(counts: list[int], sizes: tuple[int, int, int], config: GemminiConfig) -> float:
    """Cycles of the busiest of array, core and DMA, plus the moves that nothing hides."""
    i, j, k = sizes
    products = prod(counts)
    chunks = prod(-(-count // size) for count, size in zip(counts, sizes, strict=True))
    around = LOOP_DISPATCH * (1 if is_power_of_two(k) and is_power_of_two(j) else 2)
    core = products * (PRODUCT_DISPATCH + around / i)
    tile = config.dim * config.dim * config.input_bytes / config.bus_bytes
    wide = config.max_blocks
    chunk = (i * k / _share(k, wide) + k * j / _share(j, wide)) * tile
    stored = tile * STORE_FACTOR / _share(j, wide)
    moves = chunks * chunk + counts[0] * counts[1] * stored
    exposed = DRAM_FACTOR * chunk + i * j * stored + chunks * CHUNK_OVERHEAD
    ragged = any(count % size for count, size in zip(counts, sizes, strict=True))
    return (max(products * config.dim, core, moves) + exposed) * (RAGGED_FACTOR if ragged else 1)


def _share(tiles: int, wide: int) -> float:
    """How much of its width a move uses on average, over ``tiles`` tiles side by side."""
    return tiles / (-(-tiles // wide) * wide)
