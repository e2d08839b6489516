"""Expansion of the hardware's loops into the commands that their state machines emit.

Each state machine emits its commands in a fixed order; which of them goes next is decided while
they run (LoopMatmul.scala, LoopConv.scala). What is fixed here are the orders, and for each command
how far the other machines must have come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stream import CommandStream, StreamError
from .config import GemminiConfig
from .conv_unroller import LoopConv, emit_conv
from .fields import (
    LOOP_CONV_WS,
    LOOP_CONV_WS_CONFIGS,
    LOOP_WS,
    LOOP_WS_BOUNDS,
    TWO_WORDS,
    Layout,
    decode,
)
from .isa import Activation, Funct
from .loop_machines import EMISSION_ORDER, Emitted
from .matmul_unroller import LoopMatmul, emit_matmul

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


@dataclass(frozen=True)
class UnrolledLoop:
    """One loop command at ``position`` of the stream, and what its state machines emit."""

    position: int
    machines: tuple[Emitted, ...]

    def __len__(self) -> int:
        return sum(map(len, self.machines))


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
            conv = _read_conv(stream, config, latest, halves if alternate else None)
            loops.append(UnrolledLoop(position, emit_conv(conv)))
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


def _read(
    stream: CommandStream, latest: dict[int, int], funct: Funct, run: Funct, layout: Layout
) -> dict[str, int]:
    """The numbers of the last ``funct`` before the loop command ``run``."""
    at = latest.get(funct)
    if at is None:
        raise StreamError(f"command {latest[run]}: {run.name} without {funct.name}")
    return decode(layout, int(stream.rs1[at]), int(stream.rs2[at]))


def _half(spad_id: int, half: int) -> int:
    """The half of the scratchpad that an operand uses: that of its id, else the next in turn."""
    return spad_id - 1 if spad_id else half


def _read_conv(
    stream: CommandStream, config: GemminiConfig, latest: dict[int, int], halves: _Halves | None
) -> LoopConv:
    position = latest[Funct.LOOP_CONV_WS]
    parameters = _read(stream, latest, Funct.LOOP_CONV_WS, Funct.LOOP_CONV_WS, LOOP_CONV_WS)
    for funct, layout in LOOP_CONV_WS_CONFIGS.items():
        parameters.update(_read(stream, latest, funct, Funct.LOOP_CONV_WS, layout))
    half = halves.next_loop() if halves is not None else 0
    conv = LoopConv(
        parameters,
        a_start=_half(parameters["a_spad_id"], half) * config.spad_rows // 2,
        b_end=(_half(parameters["b_spad_id"], half) + 1) * config.spad_rows // 2,
        c_start=halves.next_c(parameters["output"] != 0) if halves is not None else 0,
        dim=config.dim,
        blocks=config.max_blocks,
        accumulator_blocks=config.blocks_per_move(config.accumulator_bytes),
        input_bytes=config.input_bytes,
        accumulator_bytes=config.accumulator_bytes,
    )
    _check_conv(conv, config, position)
    return conv


def _check_conv(conv: LoopConv, config: GemminiConfig, position: int) -> None:
    sizes = ("batches", "orows", "ocols", "pochs", "krows", "kcols", "kchs", "stride")
    for name in (*sizes, "kernel_dilation"):
        if conv.parameters[name] == 0:
            raise StreamError(f"command {position}: LOOP_CONV_WS with {name} = 0")
    if min(conv.unpadded) < 0:
        raise StreamError(f"command {position}: LOOP_CONV_WS pads more than its input")
    _check_rows(conv.input_rows + conv.weight_rows, config.spad_rows, "scratchpad", position)
    _check_rows(conv.output_rows, config.acc_rows, "accumulator", position)


def _check_rows(rows: int, available: int, memory: str, position: int) -> None:
    """A loop may use half of each memory, so that two can be under way."""
    if rows > available // 2:
        raise StreamError(
            f"command {position}: the loop takes {rows} {memory} rows,"
            f" more than half of {available}"
        )


def _read_loop(
    stream: CommandStream, config: GemminiConfig, latest: dict[int, int], halves: _Halves | None
) -> LoopMatmul:
    position = latest[Funct.LOOP_WS]

    def read(funct: Funct, layout: Layout) -> dict[str, int]:
        return _read(stream, latest, funct, Funct.LOOP_WS, layout)

    bounds = read(Funct.LOOP_WS_CONFIG_BOUNDS, LOOP_WS_BOUNDS)
    ab = read(Funct.LOOP_WS_CONFIG_ADDRS_AB, TWO_WORDS)
    dc = read(Funct.LOOP_WS_CONFIG_ADDRS_DC, TWO_WORDS)
    ab_strides = read(Funct.LOOP_WS_CONFIG_STRIDES_AB, TWO_WORDS)
    dc_strides = read(Funct.LOOP_WS_CONFIG_STRIDES_DC, TWO_WORDS)
    run = read(Funct.LOOP_WS, LOOP_WS)
    if run["activation"] in (Activation.LAYERNORM, Activation.SOFTMAX):
        raise StreamError(f"command {position}: LOOP_WS with a normalization is not supported")
    half = halves.next_loop() if halves is not None else 0
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
        a_start=_half(run["a_spad_id"], half) * config.spad_rows // 2,
        b_end=(_half(run["b_spad_id"], half) + 1) * config.spad_rows // 2,
        c_start=halves.next_c(dc["second"] != 0) if halves is not None else 0,
    )
    _check_fit(loop, config, position)
    return loop


def _check_fit(loop: LoopMatmul, config: GemminiConfig, position: int) -> None:
    if min(loop.i, loop.j, 1 if loop.residual_add else loop.k) < 1:
        raise StreamError(f"command {position}: LOOP_WS of {loop.i}×{loop.j}×{loop.k} tiles")
    if max(loop.pad_i, loop.pad_j, loop.pad_k) >= config.dim:
        raise StreamError(f"command {position}: LOOP_WS pads a whole tile or more")
    operands = 0 if loop.residual_add else loop.k * (loop.i + loop.j) * config.dim
    _check_rows(operands, config.spad_rows, "scratchpad", position)
    _check_rows(loop.i * loop.j * config.dim, config.acc_rows, "accumulator", position)
