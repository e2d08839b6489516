"""Expansion of the hardware's loops into the commands that its state machines emit.

``LOOP_WS`` is one matrix multiplication on tiles that fit the local memories. Five state machines
(load A, load B, load D, execute, store C) each emit their commands in a fixed order; which of them
goes next is decided while they run (LoopMatmul.scala), so what is fixed here are the five orders,
and for each command how far the other machines must have come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream import CommandStream, StreamError
from .config import GemminiConfig
from .fields import LOOP_WS, LOOP_WS_BOUNDS, MOVE, PAIR, TWO_WORDS, decode, encode
from .isa import ACCUMULATE_BIT, ACCUMULATOR_BIT, FULL_WIDTH_BIT, Activation, Funct

STORE_C, EXECUTE_LOOP, LOAD_D, LOAD_A, LOAD_B = range(5)
"""The state machines; of those that can emit a command the first does, but A and B take turns."""
MACHINES = 5
EMISSION_ORDER = (LOAD_D, LOAD_A, LOAD_B, EXECUTE_LOOP, STORE_C)
"""A sequential order in which every command comes after those that it needs."""
HARDWARE_GARBAGE = 0xE000_7FFF
"""The "none" address that the state machines emit (LocalAddr.scala:43)."""
LOOP_FUNCTS = frozenset(
    {
        Funct.LOOP_WS,
        Funct.LOOP_WS_CONFIG_BOUNDS,
        Funct.LOOP_WS_CONFIG_ADDRS_AB,
        Funct.LOOP_WS_CONFIG_ADDRS_DC,
        Funct.LOOP_WS_CONFIG_STRIDES_AB,
        Funct.LOOP_WS_CONFIG_STRIDES_DC,
        Funct.LOOP_CONV_WS,
        Funct.LOOP_CONV_WS_CONFIG_1,
        Funct.LOOP_CONV_WS_CONFIG_2,
        Funct.LOOP_CONV_WS_CONFIG_3,
        Funct.LOOP_CONV_WS_CONFIG_4,
        Funct.LOOP_CONV_WS_CONFIG_5,
        Funct.LOOP_CONV_WS_CONFIG_6,
    }
)

Column = NDArray[np.int64]


@dataclass(frozen=True)
class Emitted:
    """The commands of one state machine, in its order."""

    funct: NDArray[np.uint8]
    rs1: NDArray[np.uint64]
    rs2: NDArray[np.uint64]
    needs: NDArray[np.int64]
    """``needs[n, m]``: commands that machine ``m`` must have emitted before command ``n``."""
    progress: NDArray[np.int64]
    """The machine's loop counters at each command, as one number; the load that is behind goes."""

    def __len__(self) -> int:
        return len(self.funct)


@dataclass(frozen=True)
class UnrolledLoop:
    """One loop command at ``position`` of the stream, and what its state machines emit."""

    position: int
    machines: tuple[Emitted, ...]

    def __len__(self) -> int:
        return sum(map(len, self.machines))


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


def expand_loops(stream: CommandStream, config: GemminiConfig) -> CommandStream:
    """``stream`` with each loop command replaced by the commands it stands for.

    The order is sequential (loads, computations, stores) and the local rows are those of the
    functional model: A from row 0 up, B below the end of the half. Raises ``StreamError`` for a
    loop that lacks its configuration or does not fit the local memories.
    """
    is_loop = np.isin(stream.funct, list(LOOP_FUNCTS))
    if not is_loop.any():
        return stream
    whole, _ = interleave_loops(stream, unroll_loops(stream, config, alternate=False))
    return _without(whole, np.isin(whole.funct, list(LOOP_FUNCTS)))


def interleave_loops(
    stream: CommandStream, loops: list[UnrolledLoop]
) -> tuple[CommandStream, NDArray[np.int64]]:
    """``stream`` with the commands of each loop behind its loop command, in ``EMISSION_ORDER``.

    Also returns the position in ``stream`` that each command comes from.
    """
    counts = np.ones(len(stream), np.int64)
    for loop in loops:
        counts[loop.position] += len(loop)
    starts = np.concatenate([[0], np.cumsum(counts)])
    source = np.repeat(np.arange(len(stream)), counts)
    funct, rs1, rs2 = stream.funct[source], stream.rs1[source], stream.rs2[source]
    waits = stream.issue_cycles[source]
    for loop in loops:
        place = slice(starts[loop.position] + 1, starts[loop.position + 1])
        ordered = [loop.machines[machine] for machine in EMISSION_ORDER]
        funct[place] = np.concatenate([emitted.funct for emitted in ordered])
        rs1[place] = np.concatenate([emitted.rs1 for emitted in ordered])
        rs2[place] = np.concatenate([emitted.rs2 for emitted in ordered])
        waits[place] = 0
    marks = tuple((int(starts[position]), name) for position, name in stream.marks)
    return CommandStream(funct, rs1, rs2, waits, stream.origin[source], marks), source


def _without(stream: CommandStream, drop: NDArray[np.bool_]) -> CommandStream:
    """``stream`` less the commands ``drop``; marks keep their places between the others."""
    keep = ~drop
    kept = np.concatenate([[0], np.cumsum(keep)])
    return CommandStream(
        stream.funct[keep],
        stream.rs1[keep],
        stream.rs2[keep],
        stream.issue_cycles[keep],
        stream.origin[keep],
        tuple((int(kept[position]), name) for position, name in stream.marks),
    )


def unroll_loops(
    stream: CommandStream, config: GemminiConfig, *, alternate: bool
) -> list[UnrolledLoop]:
    """What the state machines emit for each loop command of ``stream``.

    With ``alternate`` the local rows are the hardware's: successive loops use the two halves of
    the memories in turn, so that the loads of one overlap the computations of the one before.
    """
    positions = np.flatnonzero(np.isin(stream.funct, list(LOOP_FUNCTS)))
    latest: dict[int, int] = {}
    loops: list[UnrolledLoop] = []
    halves = _Halves(config)
    for position in map(int, positions):
        funct = int(stream.funct[position])
        latest[funct] = position
        if funct == Funct.LOOP_WS:
            loop = _read_loop(stream, config, latest, halves if alternate else None)
            loops.append(UnrolledLoop(position, emit_matmul(loop, config)))
        elif funct == Funct.LOOP_CONV_WS:
            raise StreamError(f"command {position}: LOOP_CONV_WS is not expanded yet")
    return loops


class _Halves:
    """Which half of the scratchpad and of the accumulator the next loop uses."""

    def __init__(self, config: GemminiConfig) -> None:
        self.config = config
        self.loops = 0
        self.c_start = 0

    def next_loop(self) -> int:
        half = self.loops % 2
        self.loops += 1
        return half

    def next_c(self, stores: bool) -> int:
        """C moves to the other half only after a loop that stores it."""
        start = self.c_start
        if stores:
            half = self.config.acc_rows // 2
            self.c_start = half - start
        return start


def _read_loop(
    stream: CommandStream, config: GemminiConfig, latest: dict[int, int], halves: _Halves | None
) -> LoopMatmul:
    position = latest[Funct.LOOP_WS]

    def read(funct: Funct, layout: Any) -> dict[str, int]:
        at = latest.get(funct)
        if at is None:
            raise StreamError(f"command {position}: LOOP_WS without {funct.name}")
        return decode(layout, int(stream.rs1[at]), int(stream.rs2[at]))

    bounds = read(Funct.LOOP_WS_CONFIG_BOUNDS, LOOP_WS_BOUNDS)
    ab, dc = (
        read(funct, TWO_WORDS)
        for funct in (Funct.LOOP_WS_CONFIG_ADDRS_AB, Funct.LOOP_WS_CONFIG_ADDRS_DC)
    )
    ab_strides, dc_strides = (
        read(funct, TWO_WORDS)
        for funct in (Funct.LOOP_WS_CONFIG_STRIDES_AB, Funct.LOOP_WS_CONFIG_STRIDES_DC)
    )
    run = read(Funct.LOOP_WS, LOOP_WS)
    if run["activation"] in (Activation.LAYERNORM, Activation.SOFTMAX):
        raise StreamError(f"command {position}: LOOP_WS with a normalization is not supported")
    half = halves.next_loop() if halves is not None else 0
    a_half = run["a_spad_id"] - 1 if run["a_spad_id"] else half
    b_half = run["b_spad_id"] - 1 if run["b_spad_id"] else half
    loop = LoopMatmul(
        **bounds,
        a=ab["first"],
        b=ab["second"],
        d=dc["first"],
        c=dc["second"],
        a_stride=ab_strides["first"],
        b_stride=ab_strides["second"],
        d_stride=dc_strides["first"],
        c_stride=dc_strides["second"],
        accumulate=bool(run["accumulate"]),
        full_c=bool(run["full_c"]),
        low_d=bool(run["low_d"]),
        a_transpose=bool(run["a_transpose"]),
        b_transpose=bool(run["b_transpose"]),
        residual_add=bool(run["residual_add"]),
        a_start=a_half * config.spad_rows // 2,
        b_end=(b_half + 1) * config.spad_rows // 2,
        c_start=halves.next_c(dc["second"] != 0) if halves is not None else 0,
    )
    _check_fit(loop, config, position)
    return loop


def _check_fit(loop: LoopMatmul, config: GemminiConfig, position: int) -> None:
    if min(loop.i, loop.j, loop.k) < 1:
        raise StreamError(f"command {position}: LOOP_WS of {loop.i}×{loop.j}×{loop.k} tiles")
    if max(loop.pad_i, loop.pad_j, loop.pad_k) >= config.dim:
        raise StreamError(f"command {position}: LOOP_WS pads a whole tile or more")
    operands = 0 if loop.residual_add else loop.k * (loop.i + loop.j) * config.dim
    if operands > config.spad_rows // 2:
        raise StreamError(
            f"command {position}: A and B of LOOP_WS take {operands} scratchpad rows,"
            f" more than half of {config.spad_rows}"
        )
    results = loop.i * loop.j * config.dim
    if results > config.acc_rows // 2:
        raise StreamError(
            f"command {position}: C of LOOP_WS takes {results} accumulator rows,"
            f" more than half of {config.acc_rows}"
        )


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
    return c, _nothing(), _nothing(), a, b


def _nothing() -> Emitted:
    empty = np.zeros(0, np.int64)
    words = np.zeros(0, np.uint64)
    return Emitted(np.zeros(0, np.uint8), words, words, np.zeros((0, MACHINES), np.int64), empty)


def _emitted(funct: Any, words: tuple[Any, Any], progress: Column | None = None) -> Emitted:
    rs1, rs2 = np.broadcast_arrays(*(np.asarray(word, np.uint64) for word in words))
    count = len(rs1)
    return Emitted(
        np.broadcast_to(np.asarray(funct, np.uint8), count).copy(),
        rs1.copy(),
        rs2.copy(),
        np.zeros((count, MACHINES), np.int64),
        np.zeros(count, np.int64) if progress is None else progress,
    )


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
        return _nothing()
    words = encode(
        MOVE,
        dram=base + (row * stride + col) * dim * config.input_bytes,
        local=start + (row * cols + col) * dim,
        cols=_extent(col, wide, cols, pad_col, dim),
        rows=_extent(row, 1, rows, pad_row, dim),
    )
    return _emitted(Funct.MVIN if is_a else Funct.MVIN2, words, (k << 16) + other)


def _accumulator_moves(
    loop: LoopMatmul, config: GemminiConfig, funct: Funct, base: int, stride: int, flags: int
) -> Emitted:
    """Move a matrix of C's shape between DRAM and the accumulator, columns of blocks outermost."""
    if base == 0:
        return _nothing()
    dim = config.dim
    wide = config.max_blocks
    element = config.input_bytes
    if (funct == Funct.MVIN3 and not loop.low_d) or flags & FULL_WIDTH_BIT:
        wide = max(1, config.max_request_bytes // (dim * config.accumulator_bytes))
        element = config.accumulator_bytes
    j, i = _grid(np.arange(0, loop.j, wide), np.arange(loop.i))
    words = encode(
        MOVE,
        dram=base + (i * stride + j) * dim * element,
        local=(loop.c_start + (i * loop.j + j) * dim) | flags,
        cols=_extent(j, wide, loop.j, loop.pad_j, dim),
        rows=_extent(i, 1, loop.i, loop.pad_i, dim),
    )
    return _emitted(funct, words, (j << 16) + i)


def _emit_load_d(loop: LoopMatmul, config: GemminiConfig) -> Emitted:
    return _accumulator_moves(loop, config, Funct.MVIN3, loop.d, loop.d_stride, ACCUMULATOR_BIT)


def _emit_store(loop: LoopMatmul, config: GemminiConfig, *, after_execute: bool) -> Emitted:
    """Move C out, each piece once the last of its computations has been emitted."""
    flags = ACCUMULATOR_BIT | (FULL_WIDTH_BIT if loop.full_c else 0)
    emitted = _accumulator_moves(loop, config, Funct.MVOUT, loop.c, loop.c_stride, flags)
    if after_execute and len(emitted):
        j, i = emitted.progress >> 16, emitted.progress & 0xFFFF
        wide = 1 if loop.full_c else config.max_blocks
        last_j = np.minimum(j + wide, loop.j) - 1
        pairs = ((loop.k - 1) * loop.j + last_j) * loop.i + i + 1
        emitted.needs[:, EXECUTE_LOOP] = 2 * pairs
    return emitted


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
    emitted = _emitted(funct, (words[0], words[1]))
    for machine, needed in (
        (LOAD_A, _loads_needed(loop, config, LOAD_A, k, i)),
        (LOAD_B, _loads_needed(loop, config, LOAD_B, k, j)),
    ):
        emitted.needs[:, machine] = np.repeat(needed, 2)
    emitted.needs[:, LOAD_D] = len(_emit_load_d(loop, config))
    return emitted


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
