"""Expansion of ``LOOP_WS``: one matrix multiplication on tiles that fit the local memories.

The orders are those of LoopMatmul.scala: k outermost, then j, then i; weights are kept along i.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .config import GemminiConfig
from .fields import MOVE, PAIR, encode
from .isa import ACCUMULATE_BIT, ACCUMULATOR_BIT, FULL_WIDTH_BIT, Funct
from .loop_machines import (
    EXECUTE_LOOP,
    HARDWARE_GARBAGE,
    LOAD_A,
    LOAD_B,
    LOAD_D,
    Column,
    Emitted,
    emitted,
    nothing,
)


@dataclass(frozen=True)
class LoopMatmul:
    """The parameters of one ``LOOP_WS``: tiles and padding, DRAM operands, and local placement."""

    i: int
    j: int
    k: int
    pad_i: int
    pad_j: int
    pad_k: int
    a: int
    b: int
    d: int
    c: int
    a_stride: int
    b_stride: int
    d_stride: int
    c_stride: int
    accumulate: bool
    full_c: bool
    low_d: bool
    a_transpose: bool
    b_transpose: bool
    residual_add: bool
    a_start: int
    b_end: int
    c_start: int


def emit_matmul(loop: LoopMatmul, config: GemminiConfig) -> tuple[Emitted, ...]:
    """The commands of the five state machines of one ``LOOP_WS``."""
    if loop.residual_add:
        return _emit_residual_add(loop, config)
    return (
        _emit_store(loop, config, after_execute=True),
        _emit_execute(loop, config),
        _emit_load_d(loop, config),
        _emit_load(loop, config, LOAD_A),
        _emit_load(loop, config, LOAD_B),
    )


def _emit_residual_add(loop: LoopMatmul, config: GemminiConfig) -> tuple[Emitted, ...]:
    """C = A + B, element by element, in the accumulator; nothing is multiplied."""
    a = _accumulator_moves(loop, config, Funct.MVIN, loop.a, loop.a_stride, ACCUMULATOR_BIT)
    b = _accumulator_moves(
        loop, config, Funct.MVIN2, loop.b, loop.b_stride, ACCUMULATOR_BIT | ACCUMULATE_BIT
    )
    b.needs[:, LOAD_A] = len(a)
    c = _emit_store(loop, config, after_execute=False)
    c.needs[:, LOAD_B] = len(b)
    return c, nothing(), nothing(), a, b


def _grid(outer: Column, inner: Column) -> tuple[Column, Column]:
    """All pairs, the inner index fastest."""
    first, second = np.meshgrid(outer, inner, indexing="ij")
    return first.ravel(), second.ravel()


def _extent(index: Column, blocks: Column | int, count: int, pad: int, dim: int) -> Column:
    """Elements of ``blocks`` tiles from ``index`` on, less the padding at the end of ``count``."""
    last = index + blocks >= count
    return np.minimum(blocks, count - index) * dim - np.where(last, pad, 0)


def _emit_load(loop: LoopMatmul, config: GemminiConfig, machine: int) -> Emitted:
    """Move A or B in, up to ``max_blocks`` tiles of a row at a time, in the order of k.

    The wide direction is k for A and j for B; a transposed operand is the other way round.
    """
    is_a = machine == LOAD_A
    transposed = loop.a_transpose if is_a else loop.b_transpose
    across, pad_across = (loop.i, loop.pad_i) if is_a else (loop.j, loop.pad_j)
    k_is_wide = is_a != transposed
    dim = config.dim
    wide = config.max_blocks
    if k_is_wide:
        k, other = _grid(np.arange(0, loop.k, wide), np.arange(across))
        row, col, rows, cols = other, k, across, loop.k
        pad_row, pad_col = pad_across, loop.pad_k
    else:
        k, other = _grid(np.arange(loop.k), np.arange(0, across, wide))
        row, col, rows, cols = k, other, loop.k, across
        pad_row, pad_col = loop.pad_k, pad_across
    base, stride = (loop.a, loop.a_stride) if is_a else (loop.b, loop.b_stride)
    start = loop.a_start if is_a else loop.b_end - loop.k * loop.j * dim
    if base == 0:
        return nothing()
    words = encode(
        MOVE,
        dram=base + (row * stride + col) * dim * config.input_bytes,
        local=start + (row * cols + col) * dim,
        cols=_extent(col, wide, cols, pad_col, dim),
        rows=_extent(row, 1, rows, pad_row, dim),
    )
    return emitted(Funct.MVIN if is_a else Funct.MVIN2, words, (k << 16) + other)


def _accumulator_moves(
    loop: LoopMatmul, config: GemminiConfig, funct: Funct, base: int, stride: int, flags: int
) -> Emitted:
    """Move a matrix of C's shape between DRAM and the accumulator, columns of blocks outermost."""
    if base == 0:
        return nothing()
    dim = config.dim
    wide = config.max_blocks
    element = config.input_bytes
    if flags & FULL_WIDTH_BIT:
        # Moves out of full width carry one block at most, also where a request has room for more.
        wide, element = 1, config.accumulator_bytes
    elif funct == Funct.MVIN3 and not loop.low_d:
        element = config.accumulator_bytes
        wide = config.blocks_per_move(element)
    j, i = _grid(np.arange(0, loop.j, wide), np.arange(loop.i))
    words = encode(
        MOVE,
        dram=base + (i * stride + j) * dim * element,
        local=(loop.c_start + (i * loop.j + j) * dim) | flags,
        cols=_extent(j, wide, loop.j, loop.pad_j, dim),
        rows=_extent(i, 1, loop.i, loop.pad_i, dim),
    )
    return emitted(funct, words, (j << 16) + i)


def _emit_load_d(loop: LoopMatmul, config: GemminiConfig) -> Emitted:
    return _accumulator_moves(loop, config, Funct.MVIN3, loop.d, loop.d_stride, ACCUMULATOR_BIT)


def _emit_store(loop: LoopMatmul, config: GemminiConfig, *, after_execute: bool) -> Emitted:
    """Move C out, each piece once the last of its computations has been emitted."""
    flags = ACCUMULATOR_BIT | (FULL_WIDTH_BIT if loop.full_c else 0)
    commands = _accumulator_moves(loop, config, Funct.MVOUT, loop.c, loop.c_stride, flags)
    if after_execute and len(commands):
        j, i = commands.progress >> 16, commands.progress & 0xFFFF
        wide = 1 if loop.full_c else config.max_blocks
        last_j = np.minimum(j + wide, loop.j) - 1
        pairs = ((loop.k - 1) * loop.j + last_j) * loop.i + i + 1
        commands.needs[:, EXECUTE_LOOP] = 2 * pairs
    return commands


def _emit_execute(loop: LoopMatmul, config: GemminiConfig) -> Emitted:
    """A preload and a compute for each (k, j, i), i fastest; weights are kept along i."""
    dim = config.dim
    k, rest = _grid(np.arange(loop.k), np.arange(loop.j * loop.i))
    j, i = rest // loop.i, rest % loop.i
    a_rows, a_cols = _extent(i, 1, loop.i, loop.pad_i, dim), _extent(k, 1, loop.k, loop.pad_k, dim)
    c_cols = _extent(j, 1, loop.j, loop.pad_j, dim)
    a_tile = k * loop.i + i if loop.a_transpose else i * loop.k + k
    b_tile = j * loop.k + k if loop.b_transpose else k * loop.j + j
    b_start = loop.b_end - loop.k * loop.j * dim
    accumulates = np.where(loop.accumulate | (k > 0), ACCUMULATE_BIT, 0)
    preload = encode(
        PAIR,
        first=np.where(i == 0, b_start + b_tile * dim, HARDWARE_GARBAGE),
        first_cols=c_cols,
        first_rows=a_cols,
        second=(loop.c_start + (i * loop.j + j) * dim) | ACCUMULATOR_BIT | accumulates,
        second_cols=c_cols,
        second_rows=a_rows,
    )
    compute = encode(
        PAIR,
        first=loop.a_start + a_tile * dim,
        first_cols=a_cols,
        first_rows=a_rows,
        second=np.full_like(i, HARDWARE_GARBAGE),
        second_cols=np.full_like(i, dim),
        second_rows=np.full_like(i, dim),
    )
    flips = np.where(i == 0, Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED)
    funct = np.stack([np.full_like(flips, Funct.PRELOAD), flips], axis=1).ravel()
    words = tuple(
        np.stack([first, second], axis=1).ravel()
        for first, second in zip(preload, compute, strict=True)
    )
    commands = emitted(funct, (words[0], words[1]))
    for machine, needed in (
        (LOAD_A, _loads_needed(loop, config, LOAD_A, k, i)),
        (LOAD_B, _loads_needed(loop, config, LOAD_B, k, j)),
    ):
        commands.needs[:, machine] = np.repeat(needed, 2)
    commands.needs[:, LOAD_D] = len(_emit_load_d(loop, config))
    return commands


def _loads_needed(
    loop: LoopMatmul, config: GemminiConfig, machine: int, k: Column, other: Column
) -> Column:
    """Loads of A (or B) that must have been emitted for the tile (k, i) (or (k, j)).

    The hardware compares loop counters: inside a wide load along k, the counter of the load
    machine passes k only when the whole column of wide loads is out.
    """
    is_a = machine == LOAD_A
    if (loop.a if is_a else loop.b) == 0:
        return np.zeros_like(k)
    transposed = loop.a_transpose if is_a else loop.b_transpose
    across = loop.i if is_a else loop.j
    wide = config.max_blocks
    if is_a == transposed:
        return k * -(-across // wide) + other // wide + 1
    chunk = k // wide
    return chunk * across + np.where(k % wide == 0, other + 1, across)
