"""Builders of command streams: one command at a time, and whole tiled products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from liftproof.hw.gemmini import fields, isa
from liftproof.hw.gemmini.fields import encode, float_bits
from liftproof.hw.gemmini.isa import Funct
from liftproof.hw.gemmini.memory import MemoryLayout, PlacedArray
from liftproof.hw.stream import FENCE, CommandStream

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
            fields.CONFIG_LD, type=1, stride=stride, channel=channel, scale=float_bits(scale), **values
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
    keep_weights: bool = False
    """Loop over i inside of the weights' tile."""
    a_transposed: bool = False
    b_transposed: bool = False
    row_offset: int = 0
    """Scratchpad rows by which all buffers are shifted out of alignment."""
    a_stride: int = 1
    c_stride: int = 1
    fences: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

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

    def with_(self, **changes: Any) -> Gemm:
        return replace(self, **changes)


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


@pytest.fixture(scope="session")
def gemm() -> type[Gemm]:
    """The class of tiled products."""
    return Gemm


@pytest.fixture(scope="session")
def builder() -> type[Builder]:
    """The class of hand-made streams."""
    return Builder
