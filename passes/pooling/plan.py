"""How much of a pooling is done at a time, and where it lies in the local memories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from ...hw.gemmini.config import GemminiConfig
from .blocks import Blocks, blocks
from .facts import Pooling

FIELD = 255
"""Largest extent that the store unit's pooling fields hold (CONFIG_ST: 8 bits)."""
SMALL = 3
"""Largest window, stride and padding there (2 bits)."""
DISPATCH, LATENCY = 10, 200
"""Cycles in which the core sends a command of a loop with its addresses, and in which a block goes
through loads and stores however small it is; both measured on poolings of the machine model."""


@dataclass(frozen=True)
class Plan:
    """Blocks of pooled pixels, and the local rows that they take.

    Where there is room for two blocks (of a convolution: for the sums of DIM more channels), they
    take turns, so that one is loaded or computed while the other is stored.
    """

    rows: tuple[Blocks, ...]
    cols: tuple[Blocks, ...]
    repeats: bool
    """Whether pixels beyond the border are loaded as copies of the outermost ones."""
    space: str
    """Where pixels are pooled: ``acc``, or ``spad`` if nothing else happens to them."""
    groups: int
    """Blocks of DIM channels that are loaded at once."""
    image_rows: int
    """Local rows of DIM channels of the pixels of a block."""
    image_phases: int
    input_rows: int = 0
    """For a convolution: local rows of DIM channels of a block's inputs."""
    weight_base: int = 0
    weight_rows: int = 0
    """Scratchpad rows of the weights of DIM output channels."""
    resident: bool = False
    """Whether all weights stay in the scratchpad."""


def plans(pooling: Pooling, config: GemminiConfig) -> list[tuple[int, int, Plan]]:
    """Sizes of blocks in pooled rows and columns, with their plans, the best guess first."""
    found: list[tuple[int, int, Plan]] = []
    for cols in _sizes(pooling.cols.pooled):
        for rows in _sizes(pooling.rows.pooled):
            plan = plan_of(pooling, config, rows, cols)
            if plan is not None:
                found.append((rows, cols, plan))
    return sorted(found, key=lambda each: _cost(each[2], pooling, config))


def _cost(plan: Plan, pooling: Pooling, config: GemminiConfig) -> tuple[float, int]:
    """A guess at the cycles at level ``soc``; then the length of the program.

    Blocks that take turns wait for the first load and the last store only.
    """
    blocks = prod(pooling.batch) * prod(
        sum(g.count for g in side) for side in (plan.rows, plan.cols)
    )
    rows, cols = (max(g.inputs.size for g in side) for side in (plan.rows, plan.cols))
    convolution = pooling.convolution
    depth = pooling.channels if convolution is None else convolution.depth
    moves = rows * -(-cols // config.dim) * -(-depth // (plan.groups * config.dim))
    load = max(
        DISPATCH * moves, rows * cols * depth * config.dram_fill_cycles / config.l2_line_bytes
    )
    channels = -(-pooling.channels // config.dim)
    pooled = max(g.pooled for g in plan.rows) * max(g.pooled for g in plan.cols)
    store = pooled * channels * pooling.rows.window**2
    if convolution is not None:
        pixels, width = (max(g.pixels.inside for g in side) for side in (plan.rows, plan.cols))
        products = pixels * -(-width // config.dim) * channels * plan.weight_rows // config.dim
        store = products * max(config.dim, 2 * DISPATCH) + (store if plan.image_phases == 1 else 0)
    alone = LATENCY + load + store
    turns = convolution is None and plan.image_phases > 1 and blocks > 1
    each = max(load, store, alone / 2) if turns else alone
    return blocks * each + min(load, store), len(plan.rows) * len(plan.cols)


def _sizes(extent: int) -> Iterator[int]:
    """Numbers of pooled pixels worth trying: equal parts of the side."""
    yield from dict.fromkeys(-(-extent // parts) for parts in range(1, extent + 1))


def plan_of(pooling: Pooling, config: GemminiConfig, rows: int, cols: int) -> Plan | None:
    """The plan for blocks of that size; None if they do not fit."""
    convolution = pooling.convolution
    taps = (convolution.rows, convolution.cols) if convolution is not None else (None, None)
    sides = (
        tuple(blocks(pooling.rows, taps[0], rows)),
        tuple(blocks(pooling.cols, taps[1], cols)),
    )
    repeats = not pooling.zeros_around
    if repeats and convolution is not None:
        return None
    extents = [max((g.pixels.size if repeats else g.pixels.inside) for g in side) for side in sides]
    pads = [g.pixels.before for side in sides for g in side]
    pooled = [g.pooled for side in sides for g in side]
    if max(*extents, *pooled, pooling.cols.pooled) > FIELD or (not repeats and max(pads) > SMALL):
        return None
    if max(pooling.rows.window, pooling.rows.step) > SMALL:
        return None
    if min(*extents) < 1:
        return None
    image = extents[0] * extents[1]
    if convolution is None:
        return _moves(pooling, config, sides, repeats, image)
    return _products(pooling, config, sides, image)


def _moves(
    pooling: Pooling,
    config: GemminiConfig,
    sides: tuple[tuple[Blocks, ...], tuple[Blocks, ...]],
    repeats: bool,
    image: int,
) -> Plan | None:
    post = pooling.post
    in_acc = post.relu or post.scale != 1.0
    room = config.acc_rows if in_acc else config.spad_rows
    channels = -(-pooling.channels // config.dim)
    for groups in (min(config.max_blocks, channels), 1):
        phases = 2 if 2 * image * groups <= room else 1
        if phases == 2 or (groups == 1 and image <= room):
            space = "acc" if in_acc else "spad"
            return Plan(*sides, repeats, space, groups, image, phases)
    return None


def _products(
    pooling: Pooling,
    config: GemminiConfig,
    sides: tuple[tuple[Blocks, ...], tuple[Blocks, ...]],
    image: int,
) -> Plan | None:
    convolution = pooling.convolution
    assert convolution is not None
    depth = -(-convolution.depth // config.dim)
    inputs = max(g.inputs.size for g in sides[0]) * max(g.inputs.size for g in sides[1])
    weights = convolution.rows.count * convolution.cols.count * depth * config.dim
    half = config.spad_rows // 2
    # Both factors of a product in one bank would take turns: inputs lie low, weights high.
    if image > config.acc_rows or inputs * depth > half or weights > half:
        return None
    channels = -(-pooling.channels // config.dim)
    return Plan(
        *sides,
        repeats=False,
        space="acc",
        groups=min(config.max_blocks, depth),
        image_rows=image,
        image_phases=2 if 2 * image <= config.acc_rows else 1,
        input_rows=inputs,
        weight_base=half,
        weight_rows=weights,
        resident=weights * channels <= half,
    )
