"""Kernels as tensor IR, and what they compute, for all tests of the passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from liftproof.dialects.gemmini import GEMMINI
from liftproof.dialects.tile import TILE
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.functional import run_function
from liftproof.passes.registry import get_all_passes
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import get_all_dialects
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import PassPipeline
from xdsl.transforms import get_all_passes as get_stock_passes

SATURATE = """
    %low = arith.constant -128 : i32
    %high = arith.constant 127 : i32
    %above = arith.maxsi {x}, %low : i32
    %within = arith.minsi %above, %high : i32
    %narrow = arith.trunci %within : i32 to i8
    linalg.yield %narrow : i8"""


@dataclass(frozen=True)
class Gemm:
    """C = post(A·B + D) on int8 with int32 sums; arrays may be transposed."""

    m: int
    n: int
    k: int
    bias: str = ""
    """"", "matrix" or "row"."""
    relu: bool = False
    scale: float | None = None
    a_transposed: bool = False
    b_transposed: bool = False
    wide: bool = False
    """Whether C holds the int32 sums."""
    body: str = ""
    """Another body of the post-operation, which yields an i8 from ``%sum``."""

    def text(self) -> str:
        """The kernel as tensor IR, as the lifter writes it."""
        a = f"{self.k}x{self.m}" if self.a_transposed else f"{self.m}x{self.k}"
        b = f"{self.n}x{self.k}" if self.b_transposed else f"{self.k}x{self.n}"
        a_map = "(d2, d0)" if self.a_transposed else "(d0, d2)"
        b_map = "(d1, d2)" if self.b_transposed else "(d2, d1)"
        sums = f"tensor<{self.m}x{self.n}xi32>"
        bias = {"": "", "matrix": f"%D: {sums}, ", "row": f"%D: tensor<{self.n}xi32>, "}[self.bias]
        out = f"tensor<{self.m}x{self.n}x{'i32' if self.wide else 'i8'}>"
        return f"""
func.func @kernel(%A: tensor<{a}xi8>, %B: tensor<{b}xi8>, {bias}%C: {out}) -> {out}
    attributes {{liftproof.outputs = array<i64: {3 if bias else 2}>}} {{
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : {sums}
  {self._initial(sums)}
  %sums = linalg.generic {{indexing_maps = [affine_map<(d0, d1, d2) -> {a_map}>,
      affine_map<(d0, d1, d2) -> {b_map}>, affine_map<(d0, d1, d2) -> (d0, d1)>],
      iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%A, %B : tensor<{a}xi8>, tensor<{b}xi8>) outs(%init : {sums}) {{
  ^bb0(%a: i8, %b: i8, %c: i32):
    %wide_a = arith.extsi %a : i8 to i32
    %wide_b = arith.extsi %b : i8 to i32
    %product = arith.muli %wide_a, %wide_b : i32
    %sum = arith.addi %c, %product : i32
    linalg.yield %sum : i32
  }} -> {sums}
  {self._post(sums, out)}
}}
"""

    def _initial(self, sums: str) -> str:
        if not self.bias:
            return f"%init = linalg.fill ins(%zero : i32) outs(%empty : {sums}) -> {sums}"
        given = sums if self.bias == "matrix" else f"tensor<{self.n}xi32>"
        source = "(d0, d1)" if self.bias == "matrix" else "(d1)"
        return f"""%init = linalg.generic {{indexing_maps = [affine_map<(d0, d1) -> {source}>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}}
      ins(%D : {given}) outs(%empty : {sums}) {{
  ^bb0(%d: i32, %old: i32):
    linalg.yield %d : i32
  }} -> {sums}"""

    def _post(self, sums: str, out: str) -> str:
        if self.wide:
            return f"func.return %sums : {sums}"
        return f"""%target = tensor.empty() : {out}
  %result = linalg.generic {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}}
      ins(%sums : {sums}) outs(%target : {out}) {{
  ^bb0(%sum: i32, %old: i8):{self.body or self._standard_body()}
  }} -> {out}
  func.return %result : {out}"""

    def _standard_body(self) -> str:
        text, x = "", "%sum"
        if self.relu:
            text += f"\n    %positive = arith.maxsi {x}, %zero : i32"
            x = "%positive"
        if self.scale is not None:
            text += f"""
    %float = arith.sitofp {x} : i32 to f32
    %factor = arith.constant {float(self.scale):e} : f32
    %scaled = arith.mulf %float, %factor : f32
    %rounded = math.roundeven %scaled : f32
    %back = arith.fptosi %rounded : f32 to i32"""
            x = "%back"
        return text + SATURATE.format(x=x)

    def arrays(self, seed: int = 0) -> list[NDArray[Any]]:
        """Random full-range inputs, and an output full of another value."""
        random = np.random.default_rng(seed)

        def int8(rows: int, cols: int) -> NDArray[Any]:
            return random.integers(-128, 128, (rows, cols)).astype(np.int8)

        a = int8(self.k, self.m) if self.a_transposed else int8(self.m, self.k)
        b = int8(self.n, self.k) if self.b_transposed else int8(self.k, self.n)
        shape = (self.m, self.n) if self.bias == "matrix" else (self.n,)
        bias = [random.integers(-60000, 60000, shape).astype(np.int32)] if self.bias else []
        return [a, b, *bias, np.full((self.m, self.n), 99, np.int32 if self.wide else np.int8)]

    def expected(self, arrays: list[NDArray[Any]]) -> NDArray[Any]:
        """The output that the kernel means, by NumPy."""
        a = arrays[0].T if self.a_transposed else arrays[0]
        b = arrays[1].T if self.b_transposed else arrays[1]
        sums = a.astype(np.int32) @ b.astype(np.int32) + (arrays[2] if self.bias else 0)
        if self.wide:
            return sums
        sums = np.maximum(sums, 0) if self.relu else sums
        scaled = np.rint(sums.astype(np.float32) * np.float32(self.scale or 1))
        return np.clip(scaled, -128, 127).astype(np.int8)


@pytest.fixture(scope="session")
def context() -> Context:
    """A context with all dialects."""
    context = Context()
    for name, factory in get_all_dialects().items():
        context.register_dialect(name, factory)
    context.register_dialect("gemmini", lambda: GEMMINI)
    context.register_dialect("tile", lambda: TILE)
    return context


@pytest.fixture(scope="session")
def gemm() -> type[Gemm]:
    """The kernel description."""
    return Gemm


@pytest.fixture(scope="session")
def apply(context: Context) -> Callable[[str | ModuleOp, str], ModuleOp]:
    """Parse a text (or take a module) and run a pipeline on it; the result is verified."""
    passes = {**get_stock_passes(), **get_all_passes()}

    def run(source: str | ModuleOp, pipeline: str = "") -> ModuleOp:
        module = Parser(context, source).parse_module() if isinstance(source, str) else source
        if pipeline:
            PassPipeline.parse_spec(passes, pipeline).apply(context, module)
        module.verify()
        return module

    return run


@pytest.fixture(scope="session")
def agrees() -> Callable[[Gemm, ModuleOp], bool]:
    """Whether a lowered program computes what the kernel means, on random full-range inputs."""
    config = load_config()

    def check(kernel: Gemm, program: ModuleOp) -> bool:
        arrays = kernel.arrays()
        result = run_function(program, config, arrays)[-1]
        return np.array_equal(result, kernel.expected(arrays))

    return check
