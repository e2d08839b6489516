"""How the public ``gemmini.h`` cuts a product into hardware loops (``tiled_matmul_auto``)."""

from __future__ import annotations

from math import isqrt

from .config import GemminiConfig


def fits_hardware_loop(tiles: tuple[int, int, int], config: GemminiConfig) -> bool:
    """Whether a product of I × J × K array tiles takes half of the local memories at most.

    The other half is for the hardware loop that follows, whose loads run at the same time.
    """
    i, j, k = tiles
    return (i + j) * k <= config.spad_rows // config.dim // 2 and i * j <= (
        config.acc_rows // config.dim // 2
    )


def choose_tiles(sizes: tuple[int, int, int], config: GemminiConfig) -> tuple[int, int, int]:
    """Array tiles per hardware loop in the dimensions I, J and K, as the library chooses them."""
    limits = tuple(-(-size // config.dim) for size in sizes)
    spad_tiles, acc_tiles = (
        rows // config.dim // 2 for rows in (config.spad_rows, config.acc_rows)
    )
    side = max(1, isqrt(acc_tiles))
    tiles = [min(limits[0], side), min(limits[1], side), 0]
    tiles[2] = min(limits[2], max(1, spad_tiles // 2 // side))
    grown = True
    while grown:
        grown = False
        for axis in (1, 0, 2):
            larger = list(tiles)
            larger[axis] += 1
            i, j, k = larger
            if fits_hardware_loop((i, j, k), config) and larger[axis] <= limits[axis]:
                tiles, grown = larger, True
    return tiles[0], tiles[1], tiles[2]
