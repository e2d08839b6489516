"""Builders of command streams: one command at a time, and whole tiled products and convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from liftproof.hw.gemmini import fields, isa
from liftproof.hw.gemmini.config import GemminiConfig, load_config
from liftproof.hw.gemmini.fields import encode, float_bits
from liftproof.hw.gemmini.isa import Funct
from liftproof.hw.gemmini.memory import MemoryLayout, PlacedArray
from liftproof.hw.stream import FENCE, CommandStream
from liftproof.lifting.c.frontend import parse_c_kernel
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

ACC = isa.ACCUMULATOR_BIT
ADD = isa.ACCUMULATE_BIT
FULL = isa.FULL_WIDTH_BIT
NONE = isa.GARBAGE_ADDRESS
DIM = 16


def placed(**arrays: tuple[tuple[int, ...], str]) -> MemoryLayout:
    """Arrays by name, one behind the other from the start of DRAM, each aligned to 64 bytes."""
    address, result = isa.DRAM_BASE, []
    for name, (shape, dtype) in arrays.items():
        result.append(PlacedArray(name, address, shape, np.dtype(dtype)))
        address += -(-result[-1].size // isa.DRAM_ALIGNMENT) * isa.DRAM_ALIGNMENT
    return MemoryLayout(tuple(result))


class Builder:
    """A list of commands; each method appends one."""

    def __init__(self) -> None:
        self.commands: list[tuple[int, int, int]] = []

    def add(self, funct: int, words: tuple[int, int]) -> None:
        self.commands.append((int(funct), *words))

    def config_ex(self, *, weight_stationary: bool = True, **values: int) -> None:
        values = {"a_stride": 1, "c_stride": 1, **values}
        words = encode(fields.CONFIG_EX, type=0, weight_stationary=int(weight_stationary), **values)
        self.add(Funct.CONFIG, words)

    def config_ld(self, stride: int, channel: int = 0, scale: float = 1.0, **values: int) -> None:
        values = {"block_stride": DIM, "pixel_repeats": 1, **values}
        words = encode(
            fields.CONFIG_LD,
            type=1,
            stride=stride,
            channel=channel,
            scale=float_bits(scale),
            **values,
        )
        self.add(Funct.CONFIG, words)

    def config_st(self, stride: int, scale: float = 1.0, activation: int = 0) -> None:
        words = encode(
            fields.CONFIG_ST, type=2, stride=stride, scale=float_bits(scale), activation=activation
        )
        self.add(Funct.CONFIG, words)

    def mvin(self, dram: int, local: int, rows: int, cols: int, channel: int = 0) -> None:
        words = encode(fields.MOVE, dram=dram, local=local, rows=rows, cols=cols)
        self.add(isa.MVIN_OF_CHANNEL[channel], words)

    def mvout(self, dram: int, local: int, rows: int, cols: int) -> None:
        self.add(Funct.MVOUT, encode(fields.MOVE, dram=dram, local=local, rows=rows, cols=cols))

    def pair(self, funct: int, first: tuple[int, int, int], second: tuple[int, int, int]) -> None:
        """Operands are ``(address, rows, cols)``."""
        words = encode(
            fields.PAIR,
            first=first[0],
            first_rows=first[1],
            first_cols=first[2],
            second=second[0],
            second_rows=second[1],
            second_cols=second[2],
        )
        self.add(funct, words)

    def preload(self, stationary: tuple[int, int, int], target: tuple[int, int, int]) -> None:
        self.pair(Funct.PRELOAD, stationary, target)

    def compute(
        self,
        a: tuple[int, int, int],
        other: tuple[int, int, int] = (NONE, DIM, DIM),
        *,
        preloaded: bool = True,
    ) -> None:
        funct = Funct.COMPUTE_PRELOADED if preloaded else Funct.COMPUTE_ACCUMULATED
        self.pair(funct, a, other)

    def fence(self) -> None:
        self.add(FENCE, (0, 0))

    def stream(self) -> CommandStream:
        return as_stream(self.commands)


def as_stream(commands: list[tuple[int, int, int]]) -> CommandStream:
    """The stream of ``(funct, rs1, rs2)`` rows."""
    functs, first, second = zip(*commands, strict=True) if commands else ((), (), ())
    count = len(commands)
    return CommandStream(
        np.array(functs, np.uint8),
        np.array(first, np.uint64),
        np.array(second, np.uint64),
        np.zeros(count, np.uint16),
        np.full(count, -1, np.int32),
    )


@dataclass(frozen=True)
class Gemm:
    """C = post(A·B + D) by tiles of 16, weight-stationary; what varies is a field."""

    m: int = 32
    n: int = 48
    k: int = 32
    bias: str = ""
    """``matrix`` (M×N), ``row`` (N, repeated) or empty."""
    scale: float = 1.0
    activation: int = 0
    full: bool = False
    phases: int = 2
    """Buffers per operand: 1, or 2 with the next load issued ahead."""
    a_transposed: bool = False
    b_transposed: bool = False
    row_offset: int = 0
    """Scratchpad rows by which all buffers are shifted out of alignment."""
    a_stride: int = 1
    c_stride: int = 1
    fences: bool = True

    def layout(self) -> MemoryLayout:
        arrays = {
            "A": ((self.k, self.m) if self.a_transposed else (self.m, self.k), "int8"),
            "B": ((self.n, self.k) if self.b_transposed else (self.k, self.n), "int8"),
        }
        if self.bias:
            arrays["D"] = ((self.m, self.n) if self.bias == "matrix" else (self.n,), "int32")
        arrays["C"] = ((self.m, self.n), "int32" if self.full else "int8")
        return placed(**arrays)

    def commands(self) -> list[tuple[int, int, int]]:
        return _GemmBuilder(self).build()

    def stream(self) -> CommandStream:
        return as_stream(self.commands())

    def kernel(self) -> ModuleOp:
        """The C kernel that the stream should refine, as loop IR."""
        a = "A[k][i]" if self.a_transposed else "A[i][k]"
        b = "B[j][k]" if self.b_transposed else "B[k][j]"
        start = {"": "0", "matrix": "D[i][j]", "row": "D[j]"}[self.bias]
        parameters = [
            f"{'' if array.name == 'C' else 'const '}{array.dtype.name}_t "
            + array.name
            + "".join(f"[{extent}]" for extent in array.shape)
            for array in self.layout().arrays
        ]
        relu = "sum = sum > 0 ? sum : 0;" if self.activation else ""
        store = "sum"
        if not self.full:
            store = f"(int8_t)MIN(MAX(rintf(sum * {self.scale}f), -128.0f), 127.0f)"
        return parse_c_kernel(
            f"""#include <stdint.h>
            #include <math.h>
            #define MAX(a, b) ((a) > (b) ? (a) : (b))
            #define MIN(a, b) ((a) < (b) ? (a) : (b))
            void product({", ".join(parameters)}) {{
              for (int i = 0; i < {self.m}; i++)
                for (int j = 0; j < {self.n}; j++) {{
                  int32_t sum = {start};
                  for (int k = 0; k < {self.k}; k++) sum += {a} * {b};
                  {relu}
                  C[i][j] = {store};
                }}
            }}""",
            "product.c",
        )

    def expected(self, arrays: list[NDArray[Any]]) -> NDArray[Any]:
        """C, computed with NumPy."""
        a, b = arrays[0].astype(np.int64), arrays[1].astype(np.int64)
        total = (a.T if self.a_transposed else a) @ (b.T if self.b_transposed else b)
        if self.bias:
            total = total + arrays[2]
        if self.full:
            return total.astype(np.int32)
        if self.activation:
            total = np.maximum(total, 0)
        scaled = np.rint(total.astype(np.float32) * np.float32(self.scale))
        return np.clip(scaled, -128, 127).astype(np.int8)


class _GemmBuilder(Builder):
    def __init__(self, gemm: Gemm) -> None:
        super().__init__()
        self.g = gemm
        self.at = {array.name: array for array in gemm.layout().arrays}

    def build(self) -> list[tuple[int, int, int]]:
        g = self.g
        self.config_ex(
            a_stride=g.a_stride,
            c_stride=g.c_stride,
            a_transpose=int(g.a_transposed),
            b_transpose=int(g.b_transposed),
        )
        self.config_ld(self.at["A"].strides[0], 0, block_stride=DIM)
        self.config_ld(self.at["B"].strides[0], 1)
        if g.bias:
            self.config_ld(self.at["D"].strides[0] if g.bias == "matrix" else 0, 2)
        self.config_st(self.at["C"].strides[0], g.scale, g.activation)
        steps = list(self.steps())
        self.load(steps[0], 0)
        for number, step in enumerate(steps):
            ahead = g.phases == 2
            if ahead and number + 1 < len(steps):
                self.load(steps[number + 1], number + 1)
            self.multiply(step, number)
            if not ahead and number + 1 < len(steps):
                self.load(steps[number + 1], number + 1)
        if g.fences:
            self.fence()
        return self.commands

    def steps(self) -> Iterator[tuple[int, int, int]]:
        g = self.g
        for i in range(0, g.m, DIM):
            for j in range(0, g.n, DIM):
                for k in range(0, g.k, DIM):
                    yield i, j, k

    def extents(self, step: tuple[int, int, int]) -> tuple[int, int, int]:
        i, j, k = step
        return min(DIM, self.g.m - i), min(DIM, self.g.n - j), min(DIM, self.g.k - k)

    def dram(self, name: str, row: int, col: int) -> int:
        array = self.at[name]
        strides = array.strides if len(array.strides) == 2 else (0, *array.strides)
        return array.address + row * strides[0] + col * strides[1]

    def a_row(self, number: int) -> int:
        return self.g.row_offset + 256 * (number % self.g.phases)

    def b_row(self, number: int) -> int:
        return 4096 + self.g.row_offset + 256 * (number % self.g.phases)

    def load(self, step: tuple[int, int, int], number: int) -> None:
        (i, j, k), (rows, cols, depth) = step, self.extents(step)
        g = self.g
        if g.a_transposed:
            self.load_a("A", (k, i), self.a_row(number), (depth, rows))
        else:
            self.load_a("A", (i, k), self.a_row(number), (rows, depth))
        if g.b_transposed:
            self.mvin(self.dram("B", j, k), self.b_row(number), cols, depth, 1)
        else:
            self.mvin(self.dram("B", k, j), self.b_row(number), depth, cols, 1)

    def load_a(self, name: str, at: tuple[int, int], row: int, extents: tuple[int, int]) -> None:
        if self.g.a_stride == 1:
            self.mvin(self.dram(name, *at), row, *extents)
            return
        for r in range(extents[0]):
            self.mvin(self.dram(name, at[0] + r, at[1]), row + r * self.g.a_stride, 1, extents[1])

    def multiply(self, step: tuple[int, int, int], number: int) -> None:
        (i, j, k), (rows, cols, depth) = step, self.extents(step)
        g = self.g
        tile = number // max(1, -(-g.k // DIM)) % 2
        target = ACC | (512 * tile)
        if k == 0 and g.bias:
            at = (i, j) if g.bias == "matrix" else (0, j)
            for r in range(rows) if g.c_stride > 1 else (0,):
                row = at[0] + (r if g.bias == "matrix" else 0)
                count = 1 if g.c_stride > 1 else rows
                self.mvin(self.dram("D", row, at[1]), target + r * g.c_stride, count, cols, 2)
        add = ADD if k > 0 or g.bias else 0
        b = (self.b_row(number), depth, cols)
        a = (self.a_row(number), rows, depth)
        self.preload(b, (target | add, rows, cols))
        self.compute(a)
        if k + DIM >= g.k:
            source = target | (FULL if g.full else 0)
            for r in range(rows) if g.c_stride > 1 else (0,):
                count = 1 if g.c_stride > 1 else rows
                self.mvout(self.dram("C", i + r, j), source + r * g.c_stride, count, cols)


@dataclass(frozen=True)
class Conv:
    """A 3×3 convolution, stride 1, of an H×W×C image; padding by zeroing move-ins."""

    height: int
    width: int
    channels: int
    filters: int
    pad: int = 1

    @property
    def out(self) -> tuple[int, int]:
        return self.height + 2 * self.pad - 2, self.width + 2 * self.pad - 2

    def layout(self) -> MemoryLayout:
        return placed(
            X=((self.height, self.width, self.channels), "int8"),
            W=((3, 3, self.channels, self.filters), "int8"),
            Y=((*self.out, self.filters), "int8"),
        )

    def kernel(self) -> ModuleOp:
        """The C kernel that the stream should refine, as loop IR."""
        h, w, c, o = self.height, self.width, self.channels, self.filters
        y, x = f"(y + ky - {self.pad})", f"(x + kx - {self.pad})"
        guard = f"if ({y} >= 0 && {y} < {h} && {x} >= 0 && {x} < {w})" if self.pad else ""
        return parse_c_kernel(
            f"""#include <stdint.h>
            void conv(const int8_t X[{h}][{w}][{c}], const int8_t W[3][3][{c}][{o}],
                      int8_t Y[{self.out[0]}][{self.out[1]}][{o}]) {{
              for (int y = 0; y < {self.out[0]}; y++)
                for (int x = 0; x < {self.out[1]}; x++)
                  for (int o = 0; o < {o}; o++) {{
                    int32_t sum = 0;
                    for (int ky = 0; ky < 3; ky++)
                      for (int kx = 0; kx < 3; kx++)
                        for (int c = 0; c < {c}; c++)
                          {guard} sum += X[{y}][{x}][c] * W[ky][kx][c][o];
                    Y[y][x][o] = sum > 127 ? 127 : sum < -128 ? -128 : sum;
                  }}
            }}""",
            "conv.c",
        )

    def stream(self) -> CommandStream:
        """All positions unrolled: 16 pixels of a row by 16 filters at a time."""
        builder = _ConvBuilder(self)
        for y in range(self.out[0]):
            for x in range(0, self.out[1], DIM):
                for o in range(0, self.filters, DIM):
                    builder.block(y, x, o)
        builder.fence()
        return builder.stream()


class _ConvBuilder(Builder):
    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.c = conv
        self.image, self.weights, self.result = conv.layout().arrays
        self.count = 0
        self.config_ex()
        self.config_ld(conv.channels, 0)
        self.config_ld(conv.filters, 1)
        self.config_st(conv.filters)

    def block(self, y: int, x: int, o: int) -> None:
        pixels, filters = min(DIM, self.c.out[1] - x), min(DIM, self.c.filters - o)
        add = 0
        for ky in range(3):
            if not 0 <= y + ky - self.c.pad < self.c.height:
                continue
            for kx in range(3):
                for c in range(0, self.c.channels, DIM):
                    depth = min(DIM, self.c.channels - c)
                    a, b = self.load((y, x, o), (ky, kx, c), (pixels, filters, depth))
                    self.preload((b, depth, filters), (ACC | add, pixels, filters))
                    self.compute((a, pixels, depth))
                    add = ADD
        place = (y * self.c.out[1] + x) * self.c.filters + o
        self.mvout(self.result.address + place, ACC, pixels, filters)

    def load(
        self, at: tuple[int, int, int], tap: tuple[int, int, int], extents: tuple[int, int, int]
    ) -> tuple[int, int]:
        """Load the pixels and weights of one tap; the local rows of both."""
        (y, x, o), (ky, kx, c), (pixels, filters, depth) = at, tap, extents
        a, b = 256 * (self.count % 2), 4096 + 256 * (self.count % 2)
        self.count += 1
        left = x + kx - self.c.pad
        first, last = max(0, -left), min(pixels, self.c.width - left)
        if first > 0:
            self.mvin(0, a, first, depth)
        if last < pixels:
            self.mvin(0, a + last, pixels - last, depth)
        pixel = (y + ky - self.c.pad) * self.c.width + left + first
        source = self.image.address + pixel * self.c.channels + c
        self.mvin(source, a + first, last - first, depth)
        weight = ((ky * 3 + kx) * self.c.channels + c) * self.c.filters + o
        self.mvin(self.weights.address + weight, b, depth, filters, 1)
        return a, b


@pytest.fixture(scope="session")
def gemm() -> type[Gemm]:
    """The class of tiled products."""
    return Gemm


@pytest.fixture(scope="session")
def conv() -> type[Conv]:
    """The class of unrolled convolutions."""
    return Conv


@pytest.fixture(scope="session")
def builder() -> type[Builder]:
    """The class of hand-made streams."""
    return Builder


@pytest.fixture(scope="session")
def place() -> Callable[..., MemoryLayout]:
    """The function that lays arrays out in DRAM."""
    return placed


@pytest.fixture(scope="session")
def streams() -> Callable[[list[tuple[int, int, int]]], CommandStream]:
    """The function that makes a stream of command rows."""
    return as_stream


@pytest.fixture(scope="session")
def config() -> GemminiConfig:
    """The default machine."""
    return load_config()
