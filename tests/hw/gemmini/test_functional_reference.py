"""The functional simulator against a slow interpreter that shares no code with it.

``ReferenceGemmini`` is written from the description of the instruction set alone: one element at a
time, in Python integers, decoding every word itself.
"""

from __future__ import annotations

import os
import struct
from dataclasses import replace

import numpy as np
import pytest
from liftproof.hw.gemmini.config import GemminiConfig, load_config
from liftproof.hw.gemmini.functional import run
from liftproof.hw.gemmini.random_streams import random_stream

BASE = 0x8000_0000
STREAMS = int(os.environ.get("LIFTPROOF_RANDOM_STREAMS", "120"))
"""Random streams per configuration; the nightly run asks for more."""


def float32(number: float) -> float:
    """Round to single precision; sums, products, quotients and roots of such are then exact."""
    with np.errstate(over="ignore"):
        return float(np.float32(number))


def float_of(bits: int) -> float:
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> (width - 1) else bits


class ReferenceGemmini:
    """Local memories are dictionaries of cells, so that reading an unwritten one is a KeyError."""

    def __init__(self, config: GemminiConfig, memory: bytearray) -> None:
        self.dim = config.dim
        self.integer = config.is_integer
        self.element = config.input_bytes
        self.wide = config.accumulator_bytes
        self.half = config.spad_banks * config.spad_bank_rows // 2
        self.memory = memory
        self.spad: dict[tuple[int, int], float] = {}
        self.acc: dict[tuple[int, int], float] = {}
        self.array: list[list[float]] = []
        self.loads = [(0, 0, 1, False, 1.0)] * 3
        self.store = (0, 0)
        self.store_scale = 1.0
        self.act_msb = 0
        self.execute = (0, 0, 0, 0, 0)
        self.strides = (1, 1)
        self.preloaded = (0, 0)
        self.stat_id = 0
        self.constants = {"qln2": 0, "qln2_inv": 0, "qb": 0, "qc": 0}
        self.stats = [{"last": 0, "inv_stddev": 0.0, "inv_sum": 0.0} for _ in range(4)]
        for stat in self.stats:
            stat.update(sum=0, count=0, mean=0, max=0)

    def command(self, funct: int, rs1: int, rs2: int) -> None:
        if funct == 0:
            self.configure(rs1, rs2)
        elif funct in (2, 1, 14):
            self.mvin((2, 1, 14).index(funct), rs1, rs2)
        elif funct == 3:
            self.mvout(rs1, rs2)
        elif funct == 6:
            self.preloaded = (rs1, rs2)
        elif funct in (4, 5):
            self.compute(rs1, rs2, flip=funct == 4)
        else:
            assert funct in (7, 255)

    # Numbers.

    def wrap(self, number: int) -> int:
        return signed(number & 0xFFFFFFFF, 32)

    def clip(self, number: float, bits: int) -> int:
        return int(max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, number)))

    def scaled(self, number: float, scale: float) -> float:
        """What a scaling path makes of a number: a float, or an integer of element width."""
        product = float32(float32(number) * scale)
        return self.clip(round(product), 8 * self.element) if self.integer else product

    def read(self, address: int, size: int) -> float:
        at = address - BASE
        assert 0 <= at <= len(self.memory) - size
        data = bytes(self.memory[at : at + size])
        return int.from_bytes(data, "little", signed=True) if self.integer else self.unpack(data)

    def unpack(self, data: bytes) -> float:
        return struct.unpack("<f", data)[0]

    def write(self, address: int, number: float, size: int) -> None:
        at = address - BASE
        assert 0 <= at <= len(self.memory) - size
        data = number.to_bytes(size, "little", signed=True) if self.integer else self.pack(number)
        self.memory[at : at + size] = data

    def pack(self, number: float) -> bytes:
        return struct.pack("<f", number)

    # Configuration.

    def configure(self, rs1: int, rs2: int) -> None:
        kind = rs1 & 3
        if kind == 0:
            self.strides = (rs1 >> 16 & 0xFFFF, rs2 >> 48)
            if not rs1 >> 7 & 1:
                fields = (rs1 >> 2 & 1, rs1 >> 3 & 3, rs1 >> 8 & 1, rs1 >> 9 & 1)
                self.execute = (*fields, rs2 & 0xFFFFFFFF)
        elif kind == 1:
            repeats = max(rs1 >> 8 & 0xFF, 1)
            scale = float_of(rs1 >> 32)
            block_stride = rs1 >> 16 & 0xFFFF
            self.loads[rs1 >> 3 & 3] = (rs2, block_stride, repeats, bool(rs1 & 4), scale)
        elif kind == 2:
            self.store = (rs1, rs2 & 0xFFFFFFFF)
            if rs2 >> 32 != 0xFFFFFFFF:
                self.store_scale = float_of(rs2 >> 32)
        else:
            self.stat_id = rs1 >> 8 & 0xFF
            if not rs1 >> 17 & 1:
                self.act_msb |= rs1 >> 16 & 1
                name = "qln2_inv" if rs1 >> 18 & 1 else "qln2"
                self.constants[name] = signed(rs1 >> 32, 32)
                self.constants["qb"] = signed(rs2 & 0xFFFFFFFF, 32)
                self.constants["qc"] = signed(rs2 >> 32, 32)

    # Moves.

    def mvin(self, channel: int, dram: int, operand: int) -> None:
        stride, block_stride, repeats, shrunk, scale = self.loads[channel]
        accumulator, accumulate = operand >> 31 & 1, operand >> 30 & 1
        base, cols, rows = operand & 0x3FFFFFF, operand >> 32 & 0xFFFF, operand >> 48
        wide = accumulator and not shrunk
        size = self.wide if wide else self.element
        for row in range(rows):
            for col in range(cols):
                number = 0 if self.integer else 0.0
                if dram:
                    number = self.read(dram + row * stride + col * size, size)
                    if not (wide and self.integer):
                        number = self.scaled(number, scale)
                local = base + row + col // self.dim * block_stride
                if accumulator:
                    self.deposit(local, col % self.dim, number, accumulate)
                    continue
                self.spad[local, col % self.dim] = number
                for repeat in range(1, repeats):
                    copy = local - repeat
                    if copy >= (self.half if local >= self.half else 0):
                        self.spad[copy, col + repeat * cols] = number

    def deposit(self, row: int, col: int, number: float, accumulate: int) -> None:
        if accumulate:
            total = self.acc[row, col] + number
            number = self.wrap(total) if self.integer else float32(total)
        self.acc[row, col] = number

    def mvout(self, dram: int, operand: int) -> None:
        word, stride = self.store
        base, cols, rows = operand & 0x3FFFFFF, operand >> 32 & 0xFFFF, operand >> 48
        accumulator, full = operand >> 31 & 1, operand >> 29 & 1
        if word >> 4 & 3:
            self.pool(dram, base, cols, accumulator)
            return
        norm = operand >> 26 & 7 if accumulator else 0
        for row in range(rows):
            for col in range(cols):
                cell = (base + row + col // self.dim * self.dim, col % self.dim)
                if not accumulator:
                    address = dram + row * stride + col * self.element
                    self.write(address, self.spad[cell], self.element)
                elif norm:
                    is_last = (cols - 1) // self.dim == col // self.dim
                    ends = is_last and col == cols - 1
                    self.statistic(norm, self.acc[cell], is_last, ends)
                elif full:
                    self.write(dram + row * stride + col * self.wide, self.acc[cell], self.wide)
                else:
                    self.stats[self.stat_id]["last"] = 0
                    number = self.activated(self.acc[cell])
                    self.write(dram + row * stride + col * self.element, number, self.element)

    def activated(self, number: float) -> float:
        """ReLU comes before the scaling, as in the hardware."""
        activation = self.store[0] >> 2 & 3 | self.act_msb << 2
        stat, scale = self.stats[self.stat_id], self.store_scale
        if activation == 1:
            number = max(number, 0)
        elif activation == 2:
            number = self.wrap(number - stat["mean"])
            scale = float32(scale * stat["inv_stddev"])
        elif activation == 3:
            number = self.gelu(number)
        elif activation == 4:
            number = self.exponential(number)
            scale = float32(scale * stat["inv_sum"])
        return self.scaled(number, scale)

    def gelu(self, q: int) -> int:
        qb, qc = self.constants["qb"], self.constants["qc"]
        sign = 1 if q > 0 else -1 if q < 0 else 0
        clipped = min(abs(q), -qb)
        return self.wrap(q * (sign * ((clipped + qb) ** 2 + qc) + qc))

    def exponential(self, q: int) -> int:
        numbers = self.constants
        q = self.wrap(q - self.stats[self.stat_id]["max"])
        z = self.wrap(-q * numbers["qln2_inv"] >> 16)
        rest = q + z * numbers["qln2"] + numbers["qb"]
        return self.wrap(self.wrap(rest) ** 2 + numbers["qc"]) >> max(0, min(z, 31))

    def statistic(self, norm: int, number: int, is_last_block: bool, ends: bool) -> None:
        stat = self.stats[self.stat_id]
        running = {2: 1, 4: 3, 7: 6}.get(norm, norm)
        if stat["last"] != running:
            stat.update(sum=0, count=0)
            if running == 5:
                stat["max"] = -(1 << 31)
        if running == 5:
            stat["max"] = max(stat["max"], number)
        elif running == 3:
            number = (number - stat["mean"]) ** 2
        elif running == 6:
            number = self.exponential(number)
        stat["sum"] = self.wrap(stat["sum"] + number)
        stat["count"] += 1
        stat["last"] = running
        if not ends:
            return
        stat["last"] = norm
        mean = abs(stat["sum"]) // stat["count"] * (-1 if stat["sum"] < 0 else 1)
        if norm == 2:
            stat["mean"] = mean
        elif norm == 4:
            root = float32(max(float32(mean), 0.0) ** 0.5)
            stat["inv_stddev"] = float32(1 / root) if mean > 0 else 1.0
        elif norm == 7:
            total = float32(stat["sum"])
            stat["inv_sum"] = float32(127 / total) if stat["sum"] > 0 else 127.0

    def pool(self, dram: int, base: int, cols: int, accumulator: int) -> None:
        word, stride = self.store
        step, size, upad, lpad = (word >> low & 3 for low in (4, 6, 8, 10))
        out_dim, porows, pocols, orows, ocols = (word >> low & 0xFF for low in (24, 32, 40, 48, 56))
        for porow in range(porows):
            for pocol in range(pocols):
                for channel in range(cols):
                    window = [
                        self.pixel(
                            base, porow * step + i - upad, pocol * step + j - lpad, orows, ocols,
                            channel, accumulator,
                        )
                        for i in range(size)
                        for j in range(size)
                    ]  # fmt: skip
                    address = dram + (porow * out_dim + pocol) * stride + channel * self.element
                    self.write(address, max(window), self.element)

    def pixel(
        self, base: int, row: int, col: int, rows: int, cols: int, channel: int, accumulator: int
    ) -> float:
        if not (0 <= row < rows and 0 <= col < cols):
            return 0 if self.integer else 0.0
        cell = (base + row * cols + col, channel)
        return self.activated(self.acc[cell]) if accumulator else self.spad[cell]

    # Computations.

    def operand(
        self, word: int, swapped: int, stride: int = 1, *, extents: bool = True
    ) -> list[list[float]]:
        """A DIM × DIM operand with zeros outside of its extents."""
        zero = 0 if self.integer else 0.0
        matrix = [[zero] * self.dim for _ in range(self.dim)]
        if word & 0xFFFFFFFF == 0xFFFFFFFF:
            return matrix
        base, cols, rows = word & 0x3FFFFFF, word >> 32 & 0xFFFF, word >> 48
        for i in range(rows):
            for j in range(cols):
                r, c = (j, i) if swapped else (i, j)
                matrix[i][j] = self.spad[base + r * stride, c]
        return matrix

    def compute(self, a_word: int, other_word: int, flip: bool) -> None:
        stationary_word, c_word = self.preloaded
        ws, activation, a_swapped, b_swapped, shift = self.execute
        if flip:
            self.array = self.operand(stationary_word, ws and b_swapped)
        a = self.operand(a_word, a_swapped, self.strides[0])
        other = self.operand(other_word, not ws and b_swapped)
        left, right = (other, self.array) if ws else (self.array, other)
        dim = range(self.dim)
        total = [[left[i][j] for j in dim] for i in dim]
        for i in dim:
            for j in dim:
                for k in dim:
                    if self.integer:
                        total[i][j] += a[i][k] * right[k][j]
                    else:
                        product = float32(a[i][k] * right[k][j])
                        total[i][j] = float32(total[i][j] + product)
                if self.integer:
                    total[i][j] = self.wrap(total[i][j])
        if not ws:
            self.array = [list(row) for row in total]
        if c_word & 0xFFFFFFFF != 0xFFFFFFFF:
            self.write_c(c_word, total, activation, None if ws else shift)

    def write_c(
        self, word: int, total: list[list[float]], activation: int, shift: int | None
    ) -> None:
        base, cols, rows = word & 0x3FFFFFF, word >> 32 & 0xFFFF, word >> 48
        for i in range(rows):
            for j in range(cols):
                number = total[i][j]
                row = base + i * self.strides[1]
                if self.integer and shift is not None:
                    # An exact half goes to the even neighbour, as Python's round has it.
                    number = self.clip(round_half_even(number, shift), self.output_bits)
                if word >> 31 & 1:
                    self.deposit(row, j, number, word >> 30 & 1)
                    continue
                if self.integer:
                    number = self.clip(number, 8 * self.element)
                self.spad[row, j] = max(number, 0) if activation == 1 else number

    @property
    def output_bits(self) -> int:
        return 20


def round_half_even(number: int, shift: int) -> int:
    quotient, rest = divmod(number, 1 << shift)
    twice = 2 * rest
    return quotient + (twice > 1 << shift or (twice == 1 << shift and quotient % 2))


SMALL = replace(
    load_config("gemmini-16x16-int8"),
    name="small",
    dim=4,
    spad_bank_rows=16,
    acc_bank_rows=16,
    max_request_bytes=16,
)
CONFIGS = {
    "16x16 int8": load_config("gemmini-16x16-int8"),
    "4x4 fp32": load_config("gemmini-4x4-fp32"),
    "small int8": SMALL,
    "normalizer": replace(SMALL, has_normalizations=True, spad_bank_rows=32),
    "8x8 int8": replace(SMALL, dim=8, max_request_bytes=64, acc_banks=1, acc_bank_rows=64),
}
COMMANDS = {"16x16 int8": 12}
"""Commands per stream; the interpreter is slow on the large array."""


@pytest.mark.parametrize("name", CONFIGS)
def test_random_streams_agree_with_the_reference(name: str) -> None:
    """Memory, scratchpad and accumulator are equal bit by bit after every random stream."""
    config = CONFIGS[name]
    count = STREAMS // 4 if name in COMMANDS else STREAMS
    for seed in range(count):
        check_stream(config, seed, COMMANDS.get(name, 40))


def check_stream(config: GemminiConfig, seed: int, length: int) -> None:
    program = random_stream(np.random.default_rng(seed), config, length)
    reference = ReferenceGemmini(config, bytearray(program.memory.tobytes()))
    stream = program.stream
    for funct, rs1, rs2 in zip(stream.funct, stream.rs1, stream.rs2, strict=True):
        reference.command(int(funct), int(rs1), int(rs2))
    memory = program.memory.copy()
    result = run(stream, config, memory)
    assert_same_bytes(np.frombuffer(reference.memory, config.input_type), memory, f"seed {seed}")
    for cells, actual, valid in (
        (reference.spad, result.scratchpad, result.scratchpad_valid),
        (reference.acc, result.accumulator, result.accumulator_valid),
    ):
        expected = np.zeros_like(actual)
        written = np.zeros_like(valid)
        for cell, number in cells.items():
            expected[cell] = number
            written[cell] = 1
        assert np.array_equal(written, valid), f"seed {seed}"
        assert_same_bytes(expected, actual, f"seed {seed}")


def assert_same_bytes(expected: np.ndarray, actual: np.ndarray, context: str) -> None:
    """Equal bit by bit, so that signs of zeros count."""
    same = np.array_equal(
        np.ascontiguousarray(expected).view(np.uint8).reshape(-1),
        np.ascontiguousarray(actual).view(np.uint8).reshape(-1),
    )
    assert same, context
