"""Random legal command streams, for fuzzing simulators, readers and cycle models.

A stream works on a few windows of the local memories, which it fills first, so that operands
overlap, banks and ends of memories are met, and no read meets a cell that nothing has written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream import FENCE, CommandStream
from . import isa
from .config import GemminiConfig
from .fields import (
    CONFIG_EX,
    CONFIG_LD,
    CONFIG_NORM,
    CONFIG_ST,
    KEEP_SCALE,
    MOVE,
    PAIR,
    encode,
    float_bits,
)
from .isa import DRAM_BASE, Activation, ConfigType, Funct
from .semantics import NormCommand

DRAM_BYTES = 1 << 14
"""Size of the DRAM image of a random stream."""
WINDOW_TILES = 3
"""A window of a local memory spans this many times DIM rows."""
MAX_REPEATS = 4


@dataclass(frozen=True)
class RandomStream:
    """A legal stream and the DRAM image it starts from (at ``DRAM_BASE``)."""

    stream: CommandStream
    memory: NDArray[np.uint8]


def random_stream(rng: np.random.Generator, config: GemminiConfig, length: int) -> RandomStream:
    """A stream of about ``length`` commands (and those that fill the local memories before).

    Every instruction and every mode that ``config`` has may occur, but for the hardware loops. The
    same generator state gives the same stream.
    """
    writer = _Writer(rng, config)
    writer.prepare()
    start = len(writer.commands)
    while len(writer.commands) < start + length:
        writer.step()
    return RandomStream(CommandStream.of(writer.commands), _memory(rng, config))


def _memory(rng: np.random.Generator, config: GemminiConfig) -> NDArray[np.uint8]:
    """Random contents: any bytes for integers, finite numbers of mixed size for floats.

    Some images of integers are mostly the least number, whose sums leave every width soon.
    """
    if config.is_integer:
        image = rng.integers(0, 256, DRAM_BYTES, dtype=np.uint8)
        image[rng.random(DRAM_BYTES) < rng.choice((0.0, 0.95))] = 0x80
        return image
    numbers = rng.standard_normal(DRAM_BYTES // config.input_bytes) * 2.0 ** rng.integers(-8, 9)
    return numbers.astype(config.input_type).view(np.uint8)


@dataclass(frozen=True)
class _Window:
    """Rows ``start`` to ``end`` - 1 of one local memory, all written."""

    in_accumulator: bool
    start: int
    end: int


@dataclass
class _Load:
    stride: int
    block_stride: int
    repeats: int
    shrunk: bool


@dataclass
class _State:
    """The configuration in force."""

    loads: list[_Load] = field(default_factory=list[_Load])
    store_stride: int = 0
    activation: int = 0
    softmax_forever: bool = False
    pool: dict[str, int] = field(default_factory=dict[str, int])
    weight_stationary: bool = True
    a_transpose: bool = False
    b_transpose: bool = False
    a_stride: int = 1
    c_stride: int = 1
    has_array: bool = False
    is_filled: bool = False


class _Writer:
    """Appends legal commands; each method writes one kind."""

    def __init__(self, rng: np.random.Generator, config: GemminiConfig) -> None:
        self.rng = rng
        self.config = config
        self.dim = config.dim
        self.window_rows = min(WINDOW_TILES * config.dim, config.spad_rows, config.acc_rows)
        self.commands: list[tuple[int, int, int]] = []
        self.state = _State([_Load(0, config.dim, 1, False) for _ in isa.MVIN_OF_CHANNEL])
        self.spad_windows = self._windows(False, config.spad_rows, config.spad_bank_rows)
        self.acc_windows = self._windows(True, config.acc_rows, config.acc_bank_rows)

    def step(self) -> None:
        """Write one random command, or a preload with its computation."""
        kinds = [self.product] * 8 + [self.move_in] * 5 + [self.move_out] * 4
        kinds += [self.config_load] * 2 + [self.config_store] * 2 + [self.config_execute] * 2
        kinds += [self.fence_or_flush]
        if self.config.has_normalizations:
            kinds += [self.config_norm] * 2 + [self.normalize_row] * 2
        kinds[self.pick(len(kinds))]()

    def prepare(self) -> None:
        """Configure everything and fill the windows."""
        self.config_execute(complete=True)
        self.config_store(complete=True)
        if self.config.has_normalizations:
            for kind in (0, 1):
                self.config_norm(complete=True, q_const_type=kind)
        self.write_load(0, _Load(self.dim * self.config.accumulator_bytes, self.dim, 1, False), 1.0)
        for window in (*self.spad_windows, *self.acc_windows):
            for row in range(window.start, window.end, self.dim):
                rows = min(self.dim, window.end - row)
                self.write_move_in(0, window, row, rows, self.dim)
        self.state.is_filled = True
        for channel in range(len(self.state.loads)):
            self.config_load(channel)

    # Random choices.

    def pick(self, count: int) -> int:
        """A number below ``count``."""
        return int(self.rng.integers(count))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def extent(self, limit: int) -> int:
        """1 to ``limit``, often the limit."""
        return limit if self.chance(0.4) else 1 + self.pick(limit)

    def row_in(self, window: _Window, rows: int) -> int:
        """The first of ``rows`` consecutive rows in the window."""
        return window.start + self.pick(window.end - window.start - rows + 1)

    def window(self, in_accumulator: bool, avoid: tuple[_Window, ...] = ()) -> _Window | None:
        """A window that is none of those to avoid; None if there is no other."""
        windows = self.acc_windows if in_accumulator else self.spad_windows
        free = [window for window in windows if window not in avoid]
        return free[self.pick(len(free))] if free else None

    def scale(self) -> float:
        """A scale factor: powers of two, which round to ties, and others."""
        if self.chance(0.5):
            return float(2.0 ** -self.pick(9))
        return float(np.float32(self.rng.normal() * 2.0 ** -self.pick(6)))

    def _windows(self, in_accumulator: bool, rows: int, bank_rows: int) -> list[_Window]:
        size = self.window_rows
        # Both ends, the middle (where loops split a memory), and across the first bank's end.
        starts = {0, rows // 2, rows - size, max(bank_rows - self.dim, 0)}
        windows: list[_Window] = []
        for start in sorted(min(start, rows - size) for start in starts):
            # Pixel repeats reach a few rows below the window that they are written to.
            if not windows or start >= windows[-1].end + MAX_REPEATS:
                windows.append(_Window(in_accumulator, start, start + size))
        chosen = [window for window in windows if self.chance(0.5)]
        return chosen or [windows[self.pick(len(windows))]]

    # Configurations.

    def write(self, funct: int, layout: Any, **values: int) -> None:
        self.commands.append((int(funct), *encode(layout, **values)))

    def config_execute(self, complete: bool = False) -> None:
        state = self.state
        longest = (self.window_rows - 1) // max(self.dim - 1, 1)
        state.a_stride = self.pick(longest + 1) if self.chance(0.3) else 1
        state.c_stride = 1 + self.pick(longest) if self.chance(0.3) else 1
        strides_only = not complete and self.chance(0.2)
        numbers: dict[str, int] = {}
        if not strides_only:
            state.weight_stationary = self.chance(0.6)
            modes = (
                ((0, 0), (1, 0), (0, 1)) if state.weight_stationary else ((0, 0), (1, 0), (1, 1))
            )
            a_transpose, b_transpose = modes[self.pick(3)]
            state.a_transpose, state.b_transpose = a_transpose == 1, b_transpose == 1
            numbers = {
                "weight_stationary": state.weight_stationary,
                "a_transpose": a_transpose,
                "b_transpose": b_transpose,
                "activation": self.pick(2),
                "shift": self.pick(20) if self.chance(0.7) else 0,
                "scale": float_bits(1.0),
            }
        self.write(
            Funct.CONFIG,
            CONFIG_EX,
            type=ConfigType.EXECUTE,
            strides_only=strides_only,
            a_stride=state.a_stride,
            c_stride=state.c_stride,
            **numbers,
        )

    def config_load(self, channel: int | None = None) -> None:
        channel = self.pick(len(self.state.loads)) if channel is None else channel
        element = self.config.accumulator_bytes
        stride = 0 if self.chance(0.1) else element * self.pick(3 * self.dim)
        block_stride = self.dim + self.pick(self.dim // 2 + 1)
        repeats = 1 + self.pick(min(MAX_REPEATS, self.dim)) if self.chance(0.2) else 1
        load = _Load(stride, block_stride, repeats, self.chance(0.3))
        self.write_load(channel, load, 1.0 if self.chance(0.5) else self.scale())

    def write_load(self, channel: int, load: _Load, scale: float) -> None:
        self.state.loads[channel] = load
        self.write(
            Funct.CONFIG,
            CONFIG_LD,
            type=ConfigType.LOAD,
            channel=channel,
            stride=load.stride,
            block_stride=load.block_stride,
            pixel_repeats=0 if load.repeats == 1 and self.chance(0.3) else load.repeats,
            shrunk=load.shrunk,
            scale=float_bits(scale),
        )

    def config_store(self, complete: bool = False) -> None:
        state = self.state
        state.store_stride = self.config.accumulator_bytes * self.pick(3 * self.dim)
        kinds = Activation.SOFTMAX if self.config.has_normalizations else Activation.LAYERNORM
        state.activation = 0 if state.softmax_forever else self.pick(kinds)
        state.pool = self.pooling() if self.chance(0.25) else {}
        keeps = not complete and self.chance(0.2)
        self.write(
            Funct.CONFIG,
            CONFIG_ST,
            type=ConfigType.STORE,
            stride=state.store_stride,
            activation=state.activation,
            scale=KEEP_SCALE if keeps else float_bits(self.scale()),
            **state.pool,
        )

    def pooling(self) -> dict[str, int]:
        """A pooling configuration whose image fits a window."""
        out_rows = 1 + self.pick(4)
        return {
            "pool_stride": 1 + self.pick(3),
            "pool_size": 1 + self.pick(3),
            "upper_pad": self.pick(3),
            "left_pad": self.pick(3),
            "pool_out_dim": self.pick(5),
            "pool_rows": 1 + self.pick(3),
            "pool_cols": 1 + self.pick(3),
            "out_rows": out_rows,
            "out_cols": 1 + self.pick(min(6, self.window_rows // out_rows)),
        }

    def config_norm(self, complete: bool = False, q_const_type: int | None = None) -> None:
        """Constants of a quantized transformer with a random step size (I-BERT)."""
        kind = self.pick(2) if q_const_type is None else q_const_type
        softmax = self.state.activation == 0 and self.chance(0.3)
        stat_id_only = not complete and self.chance(0.5)
        self.state.softmax_forever |= softmax and not stat_id_only
        step = 2.0 ** -(3 + self.pick(6))
        qln2 = int(0.693147 / step)
        sign = -1 if self.chance(0.5) else 1  # i-GELU's qb and qc are negative, softmax's are not
        self.write(
            Funct.CONFIG,
            CONFIG_NORM,
            type=ConfigType.NORM,
            stat_id=self.pick(4),
            act_msb=softmax,
            stat_id_only=stat_id_only,
            q_const_type=kind,
            q_const=65536 // qln2 if kind else qln2,
            igelu_qb=sign * int(1.353 / step) & 0xFFFF_FFFF,
            igelu_qc=sign * int(0.344 / (0.3585 * step * step)) & 0xFFFF_FFFF,
        )

    def normalize_row(self) -> None:
        """The statistics of some rows, then the rows themselves, as the library issues them."""
        if self.state.softmax_forever:
            steps = [(NormCommand.MAX, NormCommand.MAX)]
            steps += [(NormCommand.SUM_EXP, NormCommand.INV_SUM_EXP)]
        else:
            self.state.activation = Activation.LAYERNORM
            steps = [(NormCommand.SUM, NormCommand.MEAN)]
            steps += [(NormCommand.VARIANCE, NormCommand.INV_STDDEV)]
        self.state.pool = {}
        self.write(
            Funct.CONFIG,
            CONFIG_ST,
            type=ConfigType.STORE,
            stride=self.state.store_stride,
            activation=0 if self.state.softmax_forever else Activation.LAYERNORM,
            scale=float_bits(float(1 + self.pick(64))),
        )
        window = self.window(True)
        assert window is not None
        pieces = [(self.row_in(window, 1), self.extent(self.dim)) for _ in range(1 + self.pick(3))]
        commands = [[running] * (len(pieces) - 1) + [final] for running, final in steps]
        for command in (*commands, [NormCommand.RESET] * len(pieces)):
            for (row, cols), each in zip(pieces, command, strict=True):
                self.write(
                    Funct.MVOUT,
                    MOVE,
                    dram=self.address(cols * self.config.input_bytes, self.config.input_bytes),
                    local=self.local(window, row) | each << 26,
                    rows=1,
                    cols=cols,
                )

    # Moves.

    def move_in(self, avoid: tuple[_Window, ...] = ()) -> None:
        channel = self.pick(len(self.state.loads))
        load = self.state.loads[channel]
        window = self.window(load.repeats == 1 and self.chance(0.4), avoid)
        if window is None:
            return
        wide = window.in_accumulator and not load.shrunk
        element = self.config.accumulator_bytes if wide else self.config.input_bytes
        limit = max(self.config.max_request_bytes // element, self.dim)
        cols = self.extent(self.dim // load.repeats if load.repeats > 1 else limit)
        rows = self.extent(self.dim)
        blocks = -(-cols // self.dim)
        local_rows = (blocks - 1) * load.block_stride + rows
        if local_rows > window.end - window.start:
            cols, local_rows = min(cols, self.dim), rows
        self.write_move_in(channel, window, self.row_in(window, local_rows), rows, cols)

    def write_move_in(self, channel: int, window: _Window, row: int, rows: int, cols: int) -> None:
        load = self.state.loads[channel]
        wide = window.in_accumulator and not load.shrunk
        element = self.config.accumulator_bytes if wide else self.config.input_bytes
        length = (rows - 1) * load.stride + cols * element
        zeros = self.chance(0.1)
        # Only a window that is already filled may be added to.
        accumulates = window.in_accumulator and self.state.is_filled and self.chance(0.5)
        self.write(
            isa.MVIN_OF_CHANNEL[channel],
            MOVE,
            dram=0 if zeros else self.address(length, element),
            local=self.local(window, row, accumulates),
            rows=rows,
            cols=cols,
        )

    def move_out(self, avoid: tuple[_Window, ...] = ()) -> None:
        window = self.window(self.chance(0.7), avoid)
        if window is None:
            return
        pool, dim = self.state.pool, self.dim
        flags = 0
        if pool and self.row_wise and window.in_accumulator:
            return
        if pool:
            rows, cols, element = 0, self.extent(dim), self.config.input_bytes
            local_rows = pool["out_rows"] * pool["out_cols"]
            pixels = (pool["pool_rows"] - 1) * pool["pool_out_dim"] + pool["pool_cols"]
        else:
            full = window.in_accumulator and self.chance(0.3)
            flags = isa.FULL_WIDTH_BIT if full else self.norm_command(window)
            rows = pixels = self.extent(dim)
            blocks = 1 if full else min(self.extent(self.config.max_blocks), WINDOW_TILES)
            cols = (blocks - 1) * dim + self.extent(dim)
            local_rows = (blocks - 1) * dim + rows
            element = self.config.accumulator_bytes if full else self.config.input_bytes
        length = (pixels - 1) * self.state.store_stride + cols * element
        local = self.local(window, self.row_in(window, local_rows), self.chance(0.2)) | flags
        dram = self.address(length, element)
        self.write(Funct.MVOUT, MOVE, dram=dram, local=local, rows=rows, cols=cols)

    @property
    def row_wise(self) -> bool:
        """Whether stores are normalized by row (layernorm or softmax)."""
        activation = self.state.activation
        return activation == Activation.LAYERNORM or self.state.softmax_forever

    def norm_command(self, window: _Window) -> int:
        if not (self.config.has_normalizations and window.in_accumulator and self.chance(0.4)):
            return 0
        return self.pick(len(NormCommand)) << 26

    def address(self, length: int, element: int) -> int:
        """An aligned DRAM address with ``length`` bytes of the image behind it."""
        return DRAM_BASE + element * self.pick((DRAM_BYTES - length) // element + 1)

    def local(self, window: _Window, row: int, accumulates: bool = False) -> int:
        if not window.in_accumulator:
            return row
        return isa.ACCUMULATOR_BIT | (isa.ACCUMULATE_BIT if accumulates else 0) | row

    # Computations.

    def product(self) -> None:
        """A preload and its computation, sometimes with something harmless in between."""
        state = self.state
        preloaded = not state.has_array or self.chance(0.6)
        b_swaps = state.weight_stationary and state.b_transpose
        stationary, b_window = self.operand(0.15 if preloaded else 0.8, b_swaps, 1)
        target, c_window = self.target()
        self.write(Funct.PRELOAD, PAIR, **_halves(stationary, target))
        if self.chance(0.3):
            avoid = tuple(window for window in (b_window, c_window) if window is not None)
            (self.move_in, self.move_out)[self.pick(2)](avoid)
        a, _ = self.operand(0.05, state.a_transpose, state.a_stride)
        other_swaps = not state.weight_stationary and state.b_transpose
        other, _ = self.operand(0.4 if state.weight_stationary else 0.1, other_swaps, 1)
        funct = Funct.COMPUTE_PRELOADED if preloaded else Funct.COMPUTE_ACCUMULATED
        self.write(funct, PAIR, **_halves(a, other))
        state.has_array = True

    def operand(
        self, none: float, swapped: bool, stride: int
    ) -> tuple[tuple[int, int, int], _Window | None]:
        """Address, rows and columns of a scratchpad operand, which is none with probability."""
        rows, cols = self.extent(self.dim), self.extent(self.dim)
        if self.chance(none):
            return (isa.GARBAGE_ADDRESS, rows, cols), None
        window = self.window(False)
        assert window is not None
        local_rows = ((cols if swapped else rows) - 1) * stride + 1
        return (self.row_in(window, local_rows), rows, cols), window

    def target(self) -> tuple[tuple[int, int, int], _Window | None]:
        """Address, rows and columns of C."""
        rows, cols = self.extent(self.dim), self.extent(self.dim)
        if self.chance(0.1):
            return (isa.GARBAGE_ADDRESS, rows, cols), None
        window = self.window(self.chance(0.7))
        assert window is not None
        row = self.row_in(window, (rows - 1) * self.state.c_stride + 1)
        return (self.local(window, row, self.chance(0.6)), rows, cols), window

    def fence_or_flush(self) -> None:
        if self.chance(0.7):
            self.commands.append((FENCE, 0, 0))
        else:
            self.commands.append((int(Funct.FLUSH), self.pick(2), 0))


def _halves(first: tuple[int, int, int], second: tuple[int, int, int]) -> dict[str, int]:
    names = ("first", "first_rows", "first_cols", "second", "second_rows", "second_cols")
    return dict(zip(names, (*first, *second), strict=True))
