"""The expansion of ``LOOP_CONV_WS`` computes convolutions, run by the functional simulator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.fields import (
    CONFIG_EX,
    CONFIG_ST,
    LOOP_CONV_WS,
    LOOP_CONV_WS_CONFIGS,
    encode,
    float_bits,
)
from liftproof.hw.gemmini.functional import run
from liftproof.hw.gemmini.isa import DRAM_BASE, ConfigType, Funct
from liftproof.hw.gemmini.loop_unroller import expand_loops
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.timing.bound import bound_program
from liftproof.hw.stream import FENCE, CommandStream, StreamError
from numpy.typing import NDArray

CONFIG = load_config()
INPUT, WEIGHTS, BIAS, OUTPUT = (DRAM_BASE + n * 0x10000 for n in range(4))


@dataclass(frozen=True)
class Convolution:
    """A whole convolution in NHWC layout, small enough for one loop command."""

    batch: int = 1
    rows: int = 5
    cols: int = 6
    in_channels: int = 3
    out_channels: int = 4
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    pool: tuple[int, int, int] = (0, 1, 0)
    """Size, stride and padding of the pooling; size 0 for none."""
    flags: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def reach(self) -> int:
        return self.kernel + (self.dilation - 1) * (self.kernel - 1)

    @property
    def out_shape(self) -> tuple[int, int]:
        return (
            (self.rows + 2 * self.padding - self.reach) // self.stride + 1,
            (self.cols + 2 * self.padding - self.reach) // self.stride + 1,
        )

    @property
    def pooled_shape(self) -> tuple[int, int]:
        size, stride, padding = self.pool
        if size == 0:
            return self.out_shape
        rows, cols = self.out_shape
        return (rows + 2 * padding - size) // stride + 1, (cols + 2 * padding - size) // stride + 1

    def arrays(self, seed: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        rng = np.random.default_rng(seed)
        image = rng.integers(-4, 5, (self.batch, self.rows, self.cols, self.in_channels))
        shape = (self.kernel, self.kernel, self.in_channels, self.out_channels)
        return image, rng.integers(-4, 5, shape), rng.integers(-50, 51, self.out_channels)

    def expected(self, seed: int) -> NDArray[Any]:
        """The convolution, element by element of the kernel."""
        image, weights, bias = self.arrays(seed)
        pad = ((0, 0), (self.padding, self.padding), (self.padding, self.padding), (0, 0))
        padded = np.pad(image, pad)
        rows, cols = self.out_shape
        result = np.zeros((self.batch, rows, cols, self.out_channels), np.int64) + bias
        for y in range(self.kernel):
            for x in range(self.kernel):
                down, right = y * self.dilation, x * self.dilation
                window = padded[
                    :,
                    down : down + rows * self.stride : self.stride,
                    right : right + cols * self.stride : self.stride,
                ][:, :rows, :cols]
                result += window @ weights[y, x]
        return self._pooled(np.clip(result, -128, 127))

    def _pooled(self, values: NDArray[Any]) -> NDArray[Any]:
        size, stride, padding = self.pool
        if size == 0:
            return values
        rows, cols = self.pooled_shape
        pad = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        padded = np.pad(values, pad)
        windows = [
            padded[:, y : y + rows * stride : stride, x : x + cols * stride : stride][
                :, :rows, :cols
            ]
            for y in range(size)
            for x in range(size)
        ]
        return np.max(windows, axis=0)

    def stream(self) -> CommandStream:
        execute = encode(
            CONFIG_EX,
            type=ConfigType.EXECUTE,
            weight_stationary=1,
            a_stride=self.stride,
            c_stride=1,
            scale=float_bits(1.0),
        )
        store = encode(
            CONFIG_ST, type=ConfigType.STORE, stride=self.out_channels, scale=float_bits(1.0)
        )
        commands = [(Funct.CONFIG, *execute), (Funct.CONFIG, *store)]
        values = self._values()
        for funct, layout in LOOP_CONV_WS_CONFIGS.items():
            words = encode(layout, **{name: values[name] for name in layout})
            commands.append((funct, *words))
        flags = {"no_pool": int(self.pool[0] == 0), "max_pixels_per_row": 1, **self.flags}
        commands += [(Funct.LOOP_CONV_WS, *encode(LOOP_CONV_WS, **flags)), (FENCE, 0, 0)]
        return CommandStream.of(commands)

    def _values(self) -> dict[str, int]:
        rows, cols = self.out_shape
        size, stride, padding = self.pool
        pooled_rows, pooled_cols = self.pooled_shape
        # The padded input is just as large as the windows reach; the rest is not needed.
        down = (rows - 1) * self.stride + self.reach - self.rows - self.padding
        right = (cols - 1) * self.stride + self.reach - self.cols - self.padding
        surplus = self.stride - 1
        return {
            "batch_size": self.batch,
            "in_row_dim": self.rows,
            "in_col_dim": self.cols,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "out_row_dim": rows,
            "out_col_dim": cols,
            "pool_out_row_dim": pooled_rows,
            "pool_out_col_dim": pooled_cols,
            "stride": self.stride,
            "padding": self.padding,
            "pool_size": max(1, size),
            "pool_stride": max(1, stride),
            "pool_padding": padding,
            "kernel_dim": self.kernel,
            "kernel_dilation": self.dilation,
            "batches": self.batch,
            "porows": pooled_rows,
            "pocols": pooled_cols,
            "pochs": self.out_channels,
            "krows": self.kernel,
            "kcols": self.kernel,
            "kchs": self.in_channels,
            "lpad": self.padding,
            "rpad": max(0, right + surplus),
            "upad": self.padding,
            "dpad": max(0, down + surplus),
            "plpad": padding,
            "prpad": padding,
            "pupad": padding,
            "pdpad": padding,
            "orows": rows,
            "ocols": cols,
            "out_stride": self.out_channels,
            "weight_stride": self.out_channels,
            "in_stride": self.in_channels,
            "weights": WEIGHTS,
            "output": OUTPUT,
            "bias": BIAS,
            "input": INPUT,
        }

    def run(self, seed: int) -> NDArray[Any]:
        image, weights, bias = self.arrays(seed)
        memory = np.zeros(0x40000, np.uint8)
        for address, array, kind in (
            (INPUT, image, np.int8),
            (WEIGHTS, weights, np.int8),
            (BIAS, bias, np.int32),
        ):
            data = array.astype(kind).tobytes()
            start = address - DRAM_BASE
            memory[start : start + len(data)] = np.frombuffer(data, np.uint8)
        run(self.stream(), CONFIG, memory)
        shape = (self.batch, *self.pooled_shape, self.out_channels)
        start = OUTPUT - DRAM_BASE
        count = int(np.prod(shape))
        return memory[start : start + count].view(np.int8).reshape(shape)


def _fits(convolution: Convolution) -> bool:
    """Whether it makes sense, and its outputs fit half of the accumulator."""
    rows, cols = convolution.out_shape
    if min(rows, cols) < 1 or convolution.padding >= convolution.reach:
        return False
    blocks = -(-convolution.out_channels // CONFIG.dim)
    return convolution.batch * rows * cols * blocks <= CONFIG.acc_rows // 2


convolutions = st.builds(
    Convolution,
    batch=st.integers(1, 2),
    rows=st.integers(3, 9),
    cols=st.integers(3, 20),
    in_channels=st.sampled_from([1, 3, 16, 17]),
    out_channels=st.sampled_from([1, 4, 16, 20, 65]),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
).filter(_fits)


@settings(max_examples=40, deadline=None)
@given(convolutions, st.integers(0, 1000))
def test_the_loop_computes_the_convolution(convolution: Convolution, seed: int) -> None:
    """With any sizes, stride, padding and dilation the outputs are those of NumPy."""
    np.testing.assert_array_equal(convolution.run(seed), convolution.expected(seed))


@pytest.mark.parametrize("pool", [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
@pytest.mark.parametrize("channels", [4, 20])
def test_outputs_are_pooled(pool: tuple[int, int, int], channels: int) -> None:
    """Pooled outputs are the maxima of their windows; outside of the image a window has zeros."""
    convolution = Convolution(rows=8, cols=8, out_channels=channels, batch=2, pool=pool)
    np.testing.assert_array_equal(convolution.run(5), convolution.expected(5))


def test_several_pixels_share_a_row_of_the_first_layer() -> None:
    """With few channels, neighbouring pixels of the kernel are computed in one go."""
    plain = Convolution(in_channels=3, kernel=3, rows=6, cols=9)
    packed = Convolution(in_channels=3, kernel=3, rows=6, cols=9, flags={"max_pixels_per_row": 3})
    np.testing.assert_array_equal(packed.run(7), plain.expected(7))
    assert len(expand_loops(packed.stream(), CONFIG)) < len(expand_loops(plain.stream(), CONFIG))


def test_a_rotated_kernel_is_turned_by_half_a_turn() -> None:
    """wrot180 uses the weights of the opposite corner."""
    rotated = Convolution(flags={"wrot180": 1})
    image, weights, bias = rotated.arrays(3)

    class Turned(Convolution):
        def arrays(self, seed: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
            return image, weights[::-1, ::-1], bias

    np.testing.assert_array_equal(rotated.run(3), Turned().expected(3))


def test_every_command_of_the_loop_runs_in_the_cycle_model() -> None:
    """The model executes what the expansion lists, and the products are those of the tiles."""
    convolution = Convolution(rows=14, cols=14, in_channels=16, out_channels=32)
    stream = convolution.stream()
    result = simulate_timing(stream, CONFIG)
    assert result.commands == len(expand_loops(stream, CONFIG)) - 1
    rows, cols = convolution.out_shape
    assert bound_program(result.program, CONFIG).macs == rows * cols * 9 * 16 * 32
    assert result.cycles >= bound_program(result.program, CONFIG).cycles


@pytest.mark.parametrize(
    ("convolution", "message"),
    [
        (Convolution(rows=16, cols=30, in_channels=512), "scratchpad rows"),
        (Convolution(rows=20, cols=40), "accumulator rows"),
        (Convolution(stride=0, kernel=1), "stride = 0"),
    ],
    ids=["scratchpad", "accumulator", "stride"],
)
def test_faulty_loops_are_diagnosed(convolution: Convolution, message: str) -> None:
    """A loop that does not fit, or makes no sense, is an error that names the command."""
    if convolution.stride == 0:
        stream = Convolution(kernel=1).stream()
        stream.rs2[2] &= ~np.uint64(0xFF << 48)
    else:
        stream = convolution.stream()
    with pytest.raises(StreamError, match=message):
        expand_loops(stream, CONFIG)


def test_a_loop_without_its_configuration_is_diagnosed() -> None:
    """Each missing configuration command is named."""
    stream = CommandStream.of([(Funct.LOOP_CONV_WS, 0, 1)])
    with pytest.raises(StreamError, match="without LOOP_CONV_WS_CONFIG_1"):
        expand_loops(stream, CONFIG)
