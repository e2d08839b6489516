"""Speed of unrolling and of the functional simulator, from 64³ to 512³ (int8, 16 × 16)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from liftproof.dialects.gemmini import GEMMINI
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.functional import run
from liftproof.hw.gemmini.unroll import stream_of_module
from xdsl.context import Context
from xdsl.dialects import arith, builtin, func, scf
from xdsl.parser import Parser

CONFIG = load_config()
SIZES = (64, 128, 256, 512)
MATMUL = """
func.func @matmul(%A: memref<{n}x{n}xi8>, %B: memref<{n}x{n}xi8>, %C: memref<{n}x{n}xi8>) {{
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %n = arith.constant {n} : index
  %a = gemmini.spad %c0
  %b = gemmini.spad %c16
  %none = gemmini.none
  gemmini.config_ex
  gemmini.config_ld {{stride = {n} : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = {n} : i64, scale = 1.562500e-02 : f32}}
  scf.for %i = %c0 to %n step %c16 {{
    scf.for %j = %c0 to %n step %c16 {{
      scf.for %k = %c0 to %n step %c16 {{
        %not_first = arith.cmpi ne, %k, %c0 : index
        %c = gemmini.acc %c0 accumulate %not_first
        gemmini.mvin %A[%i, %k] to %a[%c16, %c16] : memref<{n}x{n}xi8>, !gemmini.local<spad>
        gemmini.mvin %B[%k, %j] to %b[%c16, %c16] : memref<{n}x{n}xi8>, !gemmini.local<spad>
        gemmini.preload %b[%c16, %c16] to %c[%c16, %c16]
          : !gemmini.local<spad>, !gemmini.local<acc>
        gemmini.compute_preloaded %a[%c16, %c16], %none[%c16, %c16]
          : !gemmini.local<spad>, !gemmini.local<none>
      }}
      %c = gemmini.acc %c0
      gemmini.mvout %c[%c16, %c16] to %C[%i, %j] : !gemmini.local<acc>, memref<{n}x{n}xi8>
    }}
  }}
  func.return
}}
"""


def matmul(size: int) -> builtin.ModuleOp:
    context = Context()
    for dialect in (builtin.Builtin, arith.Arith, func.Func, scf.Scf, GEMMINI):
        context.load_dialect(dialect)
    return Parser(context, MATMUL.format(n=size)).parse_module()


@pytest.mark.parametrize("size", SIZES)
def test_unroll(benchmark: Any, size: int) -> None:
    """ISA IR to a command stream; about 4 commands per 16³ products."""
    stream, _ = benchmark(stream_of_module, matmul(size), CONFIG)
    benchmark.extra_info["commands"] = len(stream)


@pytest.mark.parametrize("size", SIZES)
def test_functional(benchmark: Any, size: int) -> None:
    """The whole run: resolve, check and simulate; the result is NumPy's."""
    rng = np.random.default_rng(size)
    a, b = (rng.integers(-128, 128, (size, size), np.int8) for _ in range(2))
    stream, layout = stream_of_module(matmul(size), CONFIG)
    memory = layout.image([a, b, None])
    benchmark.pedantic(run, (stream, CONFIG, memory), {"layout": layout}, rounds=3, warmup_rounds=1)
    benchmark.extra_info["commands"] = len(stream)
    sums = (a.astype(np.float64) @ b).astype(np.float32)
    expected = np.clip(np.rint(sums / np.float32(64)), -128, 127).astype(np.int8)
    assert np.array_equal(layout.read(memory)[2], expected)
