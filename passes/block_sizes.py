"""Estimate which block sizes are promising: what fits, and what keeps the array busy.

The estimate ranks; it promises nothing. The cycle model measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod

from xdsl.dialects import func

from ..dialects.tile import LoadOp
from ..hw.gemmini.config import GemminiConfig
from .index_math import is_power_of_two
from .kernel import config_of, operand_buffer, products, users
from .lower_tiles import array_type, row_stride

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
MISALIGNED_FACTOR = 1.25
"""64 bytes that do not begin at a word of the bus touch five words, and not four."""
RAGGED_FACTOR = 1.03
"""Blocks that do not divide the array idle at its edges, and their proofs take longer."""
LARGEST_BLOCK = 64
"""Tiles along one side of a block; larger ones do not fit any memory in two phases."""


SUMMED = "rsk"
"""Loops that add to sums; the others on the menu tell sums apart."""


def block_sizes(
    counts: Mapping[str, int],
    config: GemminiConfig,
    rows: int = 0,
    in_a_row: int = 1,
    misaligned: str = "",
    b_transposed: bool = False,
) -> list[dict[str, int]]:
    """Block sizes of the loops h, i, j and k that fit, the fewest estimated cycles first.

    ``counts`` are the iterations of all loops over tiles, by name; ``rows`` is the height of a tile
    if it is less than the array's; ``in_a_row`` products at least are issued without a loop;
    ``misaligned`` names the operands, a and b, whose rows do not begin at words of the bus;
    ``b_transposed`` says that the array transposes tiles of weights. A block of C fills at most
    half of the accumulator, and a chunk of A or of B a quarter of the scratchpad, so that there is
    room for two phases in banks of their own. A block has several iterations of ``h`` only where it
    has all of ``i``, so that its tiles are neighbours.
    """
    block = config.acc_rows // config.dim // 2
    chunk = config.spad_rows // config.dim // 4
    blocked = [name for name in "hijk" if name in counts]
    fitting: list[dict[str, int]] = []
    for choice in product(*(_choices(counts[name]) for name in blocked)):
        sizes = dict(zip(blocked, choice, strict=True))
        h, i, j, k = (sizes.get(name, 1) for name in "hijk")
        if h * i * j > block or h * i * k > chunk or k * j > chunk:
            continue
        if h == 1 or i == counts["i"]:
            fitting.append(sizes)
    height = rows or config.dim
    return sorted(
        fitting,
        key=lambda sizes: (
            _estimate(counts, sizes, config, height, in_a_row, misaligned, b_transposed),
            *sizes.values(),
        ),
    )


def misaligned_operands(function: func.FuncOp) -> str:
    """Which of a and b are loaded in rows that do not all begin at a word of the memory bus."""
    word, found = config_of(function).bus_bytes, ""
    for name in "ab":
        loads = [x for x in users(operand_buffer(function, name)) if isinstance(x, LoadOp)]
        if any(row_stride(array_type(x.source), *x.rows_along) % word for x in loads):
            found += name
    return found


def has_transposed_weights(function: func.FuncOp) -> bool:
    """Whether some product takes its tile of B transposed."""
    return any(product.b_transpose is not None for product in products(function))


def _choices(count: int) -> list[int]:
    """Block sizes to consider: powers of two, and those that cut the count into even parts.

    The parts of a count without divisors, such as 13 = 5 + 5 + 3, differ by what is left over.
    """
    limit = min(count, LARGEST_BLOCK)
    powers = {1 << bit for bit in range(limit.bit_length())}
    even = {-(-count // parts) for parts in range(1, count + 1)}
    return sorted(powers | {size for size in even if size <= limit})


def _estimate(
    counts: Mapping[str, int],
    sizes: Mapping[str, int],
    config: GemminiConfig,
    height: int,
    in_a_row: int,
    misaligned: str,
    b_transposed: bool,
) -> float:
    """Cycles of the busiest of array, core and DMA, plus the moves that nothing hides."""
    i, j, k = sizes.get("h", 1) * sizes["i"], sizes["j"], sizes["k"]
    products = prod(counts.values())
    sums = prod(count for name, count in counts.items() if name not in SUMMED)
    chunks = prod(-(-count // sizes.get(name, 1)) for name, count in counts.items())
    ragged = any(counts[name] % size for name, size in sizes.items())
    is_simple = is_power_of_two(k) and is_power_of_two(j) and not ragged
    around = LOOP_DISPATCH * (1 if is_simple else 2)
    core = products * (PRODUCT_DISPATCH + around / max(i, in_a_row))
    # Only the first product with a tile of weights takes as long as the array is wide; where they
    # are transposed, it does not begin before they are in (TransposePreloadUnroller.scala).
    first = config.dim * (2 if b_transposed else 1)
    each = height + (first - height) / i
    tile = config.dim * config.dim * config.input_bytes / config.bus_bytes
    wide = config.max_blocks
    of_a, of_b = (MISALIGNED_FACTOR if name in misaligned else 1 for name in "ab")
    chunk = (i * k / _share(k, wide) * of_a + k * j / _share(j, wide) * of_b) * tile
    stored = tile * STORE_FACTOR / _share(j, wide)
    moves = chunks * chunk + sums * stored
    # A short last chunk hides less of the next one's moves.
    short = _last(counts["k"], k)
    runs = chunks // -(-counts["k"] // k)
    lost = runs * max(0, chunk - i * j * short * each) if short < k else 0
    last = prod(_last(counts[name], sizes.get(name, 1)) for name in sizes if name not in SUMMED)
    exposed = DRAM_FACTOR * chunk + last * stored
    busy = max(max(products * each, core) + lost + chunks * CHUNK_OVERHEAD, moves)
    return (busy + exposed) * (RAGGED_FACTOR if ragged else 1)


def _last(count: int, size: int) -> int:
    """Iterations of the last block, whose stores nothing hides."""
    return count - (count - 1) // size * size


def _share(tiles: int, wide: int) -> float:
    """How much of its width a move uses on average, over ``tiles`` tiles side by side."""
    return tiles / (-(-tiles // wide) * wide)
