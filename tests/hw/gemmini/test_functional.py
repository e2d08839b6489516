"""Whole programs on the functional simulator, against NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.dialects import gemmini
from liftproof.hw.gemmini.config import GemminiConfig, load_config
from liftproof.hw.gemmini.fields import (
    CONFIG_EX,
    CONFIG_LD,
    CONFIG_ST,
    LOOP_WS,
    LOOP_WS_BOUNDS,
    MOVE,
    PAIR,
    TWO_WORDS,
    Layout,
    encode,
    float_bits,
)
from liftproof.hw.gemmini.findings import CommandError
from liftproof.hw.gemmini.functional import run, run_function
from liftproof.hw.gemmini.isa import (
    ACCUMULATOR_BIT,
    DRAM_BASE,
    FULL_WIDTH_BIT,
    GARBAGE_ADDRESS,
    ConfigType,
    Funct,
)
from liftproof.hw.stream import CommandStream
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import affine, arith, builtin, func, scf
from xdsl.parser import Parser

INT8 = load_config()
FP32 = load_config("gemmini-4x4-fp32")

MATMUL = """
func.func @matmul(%A: memref<{m}x{k}x{t}>, %B: memref<{k}x{n}x{t}>, %D: memref<{n}x{w}>,
                  %C: memref<{m}x{n}x{t}>) {{
  %true = arith.constant true
  %c0 = arith.constant 0 : index
  %dim = arith.constant {dim} : index
  %m = arith.constant {m} : index
  %n = arith.constant {n} : index
  %k = arith.constant {k} : index
  %b_row = arith.constant {dim} : index
  %a_spad = gemmini.spad %c0
  %b_spad = gemmini.spad %b_row
  %acc = gemmini.acc %c0
  %sum = gemmini.acc %c0 accumulate %true
  %none = gemmini.none
  gemmini.config_ex
  gemmini.config_ld {{channel = 0 : i64, stride = {a_stride} : i64, block_stride = {dim} : i64}}
  gemmini.config_ld {{channel = 1 : i64, stride = {b_stride} : i64, block_stride = {dim} : i64}}
  gemmini.config_ld {{channel = 2 : i64, stride = 0 : i64, block_stride = {dim} : i64}}
  gemmini.config_st {{stride = {b_stride} : i64, scale = {scale} : f32,
                      activation = #gemmini.activation relu}}
  scf.for %i = %c0 to %m step %dim {{
    %rows = affine.min affine_map<(d0) -> ({dim}, {m} - d0)> (%i)
    scf.for %j = %c0 to %n step %dim {{
      %cols = affine.min affine_map<(d0) -> ({dim}, {n} - d0)> (%j)
      gemmini.mvin %D[%j] to %acc[%rows, %cols] {{channel = 2 : i64}}
        : memref<{n}x{w}>, !gemmini.local<acc>
      scf.for %l = %c0 to %k step %dim {{
        %depth = affine.min affine_map<(d0) -> ({dim}, {k} - d0)> (%l)
        gemmini.mvin %A[%i, %l] to %a_spad[%rows, %depth]
          : memref<{m}x{k}x{t}>, !gemmini.local<spad>
        gemmini.mvin %B[%l, %j] to %b_spad[%depth, %cols] {{channel = 1 : i64}}
          : memref<{k}x{n}x{t}>, !gemmini.local<spad>
        gemmini.preload %b_spad[%depth, %cols] to %sum[%rows, %cols]
          : !gemmini.local<spad>, !gemmini.local<acc>
        gemmini.compute_preloaded %a_spad[%rows, %depth], %none[%dim, %dim]
          : !gemmini.local<spad>, !gemmini.local<none>
      }}
      gemmini.mvout %acc[%rows, %cols] to %C[%i, %j]
        : !gemmini.local<acc>, memref<{m}x{n}x{t}>
    }}
  }}
  gemmini.fence
  func.return
}}
"""
"""C = round(max(A·B + D, 0) · scale), one tile at a time, with partial tiles at the edges."""


def matmul_module(config: GemminiConfig, m: int, n: int, k: int, scale: float) -> builtin.ModuleOp:
    context = Context()
    for dialect in (
        builtin.Builtin,
        arith.Arith,
        affine.Affine,
        func.Func,
        scf.Scf,
        gemmini.GEMMINI,
    ):
        context.load_dialect(dialect)
    narrow, wide = ("i8", "i32") if config.is_integer else ("f32", "f32")
    text = MATMUL.format(
        m=m,
        n=n,
        k=k,
        t=narrow,
        w=wide,
        dim=config.dim,
        a_stride=k * config.input_bytes,
        b_stride=n * config.input_bytes,
        scale=f"{scale:e}",
    )
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def requantized(sums: NDArray[np.int32], scale: float) -> NDArray[np.int8]:
    scaled = np.rint(np.maximum(sums, 0).astype(np.float32) * np.float32(scale))
    return np.clip(scaled, -128, 127).astype(np.int8)


@pytest.mark.parametrize(
    "shape", [(16, 16, 16), (1, 1, 1), (17, 16, 16), (35, 21, 50), (100, 75, 130)]
)
def test_tiled_int8_matmul_equals_numpy(shape: tuple[int, int, int]) -> None:
    """A tiled product with bias, ReLU and scale is exact on full-range inputs, edges included."""
    m, n, k = shape
    rng = np.random.default_rng(m * n * k)
    a = rng.integers(-128, 128, (m, k), np.int8)
    b = rng.integers(-128, 128, (k, n), np.int8)
    d = rng.integers(-(2**20), 2**20, n, np.int32)
    module = matmul_module(INT8, m, n, k, 2.0**-9)
    arrays = run_function(module, INT8, {"A": a, "B": b, "D": d})
    assert np.array_equal(arrays[3], requantized(a.astype(np.int32) @ b + d, 2.0**-9))
    assert all(map(np.array_equal, arrays[:3], (a, b, d)))


def test_tiled_float_matmul_equals_sums_in_order() -> None:
    """The floating-point machine adds each tile's products in order, in single precision."""
    m, n, k = 9, 6, 11
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
    d = rng.standard_normal(n).astype(np.float32)
    (_, _, _, c) = run_function(matmul_module(FP32, m, n, k, 0.5), FP32, [a, b, d, None])
    expected = np.broadcast_to(d, (m, n)).copy()
    for start in range(0, k, FP32.dim):
        tile = np.zeros((m, n), np.float32)
        for depth in range(start, min(k, start + FP32.dim)):
            tile += a[:, depth, None] * b[None, depth, :]
        expected += tile
    assert np.array_equal(c, np.maximum(expected, 0) * np.float32(0.5))


def test_arrays_must_fit_the_parameters() -> None:
    """Contents of another shape, or too few arrays, are refused."""
    module = matmul_module(INT8, 16, 16, 16, 1.0)
    with pytest.raises(Diagnostic, match=r"array A: expected int8\[16, 16\], got int8\[16, 17\]"):
        run_function(module, INT8, {"A": np.zeros((16, 17), np.int8)})
    with pytest.raises(Diagnostic, match="expected 4 arrays, got 1"):
        run_function(module, INT8, [np.zeros((16, 16), np.int8)])


def loop_commands(
    config: GemminiConfig, tiles: tuple[int, int, int], pads: tuple[int, int, int], **flags: int
) -> list[tuple[int, int, int]]:
    """C = A·B by one LOOP_WS; A, B and C lie 2**14 bytes apart."""
    dim, (i, j, k), (pad_i, pad_j, pad_k) = config.dim, tiles, pads
    scale = float_bits(1 / 8)
    execute = {name: flags.get(name, 0) for name in ("a_transpose", "b_transpose")}
    a_cols = i * dim - pad_i if flags.get("a_transpose") else k * dim - pad_k
    b_cols = k * dim - pad_k if flags.get("b_transpose") else j * dim - pad_j
    c_cols = j * dim - pad_j
    numbers = {"i": i, "j": j, "k": k, "pad_i": pad_i, "pad_j": pad_j, "pad_k": pad_k}
    load = {"type": ConfigType.LOAD, "block_stride": dim, "scale": float_bits(1.0)}
    arrays = [DRAM_BASE + (number << 14) for number in range(3)]
    return [
        (
            Funct.CONFIG,
            *encode(
                CONFIG_EX,
                type=ConfigType.EXECUTE,
                weight_stationary=1,
                a_stride=1,
                c_stride=1,
                **execute,
            ),
        ),
        (Funct.CONFIG, *encode(CONFIG_LD, channel=0, stride=a_cols, **load)),
        (Funct.CONFIG, *encode(CONFIG_LD, channel=1, stride=b_cols, **load)),
        (
            Funct.CONFIG,
            *encode(CONFIG_ST, type=ConfigType.STORE, stride=c_cols, scale=scale),
        ),
        (Funct.LOOP_WS_CONFIG_BOUNDS, *encode(LOOP_WS_BOUNDS, **numbers)),
        (Funct.LOOP_WS_CONFIG_ADDRS_AB, arrays[0], arrays[1]),
        (Funct.LOOP_WS_CONFIG_ADDRS_DC, 0, arrays[2]),
        (Funct.LOOP_WS_CONFIG_STRIDES_AB, *encode(TWO_WORDS, first=a_cols, second=b_cols)),
        (Funct.LOOP_WS_CONFIG_STRIDES_DC, *encode(TWO_WORDS, first=0, second=c_cols)),
        (Funct.LOOP_WS, *encode(LOOP_WS, **flags)),
    ]


@pytest.mark.parametrize("flags", [{}, {"a_transpose": 1}, {"b_transpose": 1}])
def test_loop_ws_is_a_matrix_product(flags: dict[str, int]) -> None:
    """The hardware loop computes the padded tiled product, either operand transposed."""
    rng = np.random.default_rng(5)
    m, n, k = 3 * 16 - 5, 2 * 16 - 1, 4 * 16 - 7
    a = rng.integers(-128, 128, (m, k), np.int8)
    b = rng.integers(-128, 128, (k, n), np.int8)
    memory = np.zeros(3 << 14, np.uint8)
    stored_a = a.T if flags.get("a_transpose") else a
    stored_b = b.T if flags.get("b_transpose") else b
    memory[: a.size] = stored_a.astype(np.int8).reshape(-1).view(np.uint8)
    memory[1 << 14 : (1 << 14) + b.size] = stored_b.astype(np.int8).reshape(-1).view(np.uint8)
    run(CommandStream.of(loop_commands(INT8, (3, 2, 4), (5, 1, 7), **flags)), INT8, memory)
    c = memory[2 << 14 : (2 << 14) + m * n].view(np.int8).reshape(m, n)
    sums = (a.astype(np.int32) @ b).astype(np.float32)
    assert np.array_equal(c, np.clip(np.rint(sums / 8), -128, 127).astype(np.int8))


def test_errors_inside_a_hardware_loop_name_the_loop() -> None:
    """An illegal command that a loop emits is reported with the index of the loop command."""
    commands = loop_commands(INT8, (3, 2, 4), (5, 1, 7))
    memory = np.zeros(1 << 10, np.uint8)
    with pytest.raises(CommandError, match="command 9: reaches the bytes"):
        run(CommandStream.of(commands), INT8, memory)


@pytest.mark.parametrize(("shift", "expected"), [(0, 2**19 - 1), (1, 3 * 2**17), (20, 1)])
def test_output_stationary_sums_leave_through_twenty_bits(shift: int, expected: int) -> None:
    """3 · 2¹⁸ in the array reaches the accumulator shifted, rounded and clipped to 20 bits."""
    layouts: list[tuple[int, Layout, dict[str, int]]] = [
        (Funct.CONFIG, CONFIG_EX, {"type": ConfigType.EXECUTE, "shift": shift, "c_stride": 1}),
        (Funct.CONFIG, CONFIG_LD, {"type": ConfigType.LOAD, "scale": float_bits(1.0)}),
        (Funct.CONFIG, CONFIG_ST, {"type": ConfigType.STORE, "scale": float_bits(1.0)}),
        (Funct.MVIN, MOVE, {"dram": DRAM_BASE, "rows": 16, "cols": 16}),
    ]
    extents = {"first_rows": 16, "first_cols": 16, "second_rows": 16, "second_cols": 16}
    for funct in (Funct.COMPUTE_PRELOADED, *[Funct.COMPUTE_ACCUMULATED] * 2):
        target = {"first": GARBAGE_ADDRESS, "second": ACCUMULATOR_BIT}
        layouts += [(Funct.PRELOAD, PAIR, {**extents, **target}), (funct, PAIR, extents)]
    full = {"local": ACCUMULATOR_BIT | FULL_WIDTH_BIT, "rows": 1, "cols": 16}
    layouts.append((Funct.MVOUT, MOVE, {"dram": DRAM_BASE + 64, **full}))
    memory = np.full(128, 0x80, np.uint8)
    stream = CommandStream.of([(funct, *encode(layout, **n)) for funct, layout, n in layouts])
    run(stream, INT8, memory)
    assert memory[64:].view(np.int32).tolist() == [expected] * 16


def test_another_configuration_needs_no_other_code() -> None:
    """Any array size, bank count and width in the configuration is simulated."""
    config = replace(INT8, dim=8, spad_banks=2, spad_bank_rows=64, acc_banks=1, acc_bank_rows=32)
    rng = np.random.default_rng(9)
    a = rng.integers(-128, 128, (13, 20), np.int8)
    b = rng.integers(-128, 128, (20, 11), np.int8)
    d = rng.integers(-1000, 1000, 11, np.int32)
    (_, _, _, c) = run_function(matmul_module(config, 13, 11, 20, 0.125), config, [a, b, d, None])
    assert np.array_equal(c, requantized(a.astype(np.int32) @ b + d, 0.125))


def test_a_stream_without_commands_changes_nothing() -> None:
    """The empty stream is legal."""
    memory = np.arange(64, dtype=np.uint8)
    run(CommandStream.of([]), INT8, memory)
    assert np.array_equal(memory, np.arange(64))
