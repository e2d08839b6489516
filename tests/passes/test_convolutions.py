"""Convolutions: windows of any stride and weight layout, without a copy of them in DRAM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.functional import run_function
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.passes.pipelines import baseline_pipeline, first_pipelines
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

Apply = Callable[..., ModuleOp]


@dataclass(frozen=True)
class Convolution:
    """An int8 convolution of N images, channels last, whose border is part of the input."""

    images: int = 1
    height: int = 6
    width: int = 6
    inputs: int = 16
    outputs: int = 16
    kernel: int = 3
    stride: int = 1
    weights: str = "RSCK"
    """Order of kernel row R, kernel column S, input channel C and output channel K."""
    relu: bool = False

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Input, weights and output."""
        reach = (self.kernel - 1, self.stride)
        rows, cols = ((n - 1) * reach[1] + reach[0] + 1 for n in (self.height, self.width))
        sizes = {"R": self.kernel, "S": self.kernel, "C": self.inputs, "K": self.outputs}
        return (
            (self.images, rows, cols, self.inputs),
            tuple(sizes[letter] for letter in self.weights),
            (self.images, self.height, self.width, self.outputs),
        )

    def text(self) -> str:
        """The kernel as tensor IR, as the lifter writes it."""
        x, w, y = (f"tensor<{'x'.join(map(str, shape))}xi8>" for shape in self.shapes)
        sums = y.replace("i8", "i32")
        dims = {"R": "d4", "S": "d5", "C": "d6", "K": "d3"}
        window = [f"d{p} * {self.stride} + d{k}" for p, k in ((1, 4), (2, 5))]
        loops = "(d0, d1, d2, d3, d4, d5, d6)"
        relu = "%positive = arith.maxsi %s, %zero : i32" if self.relu else ""
        last = "%positive" if self.relu else "%s"
        return f"""
func.func @kernel(%X: {x}, %W: {w}, %D: tensor<{self.outputs}xi32>, %Y: {y}) -> {y}
    attributes {{liftproof.outputs = array<i64: 3>}} {{
  %zero = arith.constant 0 : i32
  %low = arith.constant -128 : i32
  %high = arith.constant 127 : i32
  %empty = tensor.empty() : {sums}
  %init = linalg.generic {{indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d3)>,
      affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}}
      ins(%D : tensor<{self.outputs}xi32>) outs(%empty : {sums}) {{
  ^bb0(%d: i32, %old: i32):
    linalg.yield %d : i32
  }} -> {sums}
  %sums = linalg.generic {{indexing_maps = [affine_map<{loops} -> (d0, {", ".join(window)}, d6)>,
      affine_map<{loops} -> ({", ".join(dims[letter] for letter in self.weights)})>,
      affine_map<{loops} -> (d0, d1, d2, d3)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel",
        "reduction", "reduction", "reduction"]}}
      ins(%X, %W : {x}, {w}) outs(%init : {sums}) {{
  ^bb0(%a: i8, %b: i8, %c: i32):
    %wide_a = arith.extsi %a : i8 to i32
    %wide_b = arith.extsi %b : i8 to i32
    %product = arith.muli %wide_a, %wide_b : i32
    %sum = arith.addi %c, %product : i32
    linalg.yield %sum : i32
  }} -> {sums}
  %target = tensor.empty() : {y}
  %result = linalg.generic {{indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>,
      affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}}
      ins(%sums : {sums}) outs(%target : {y}) {{
  ^bb0(%s: i32, %old: i8):
    {relu}
    %above = arith.maxsi {last}, %low : i32
    %within = arith.minsi %above, %high : i32
    %narrow = arith.trunci %within : i32 to i8
    linalg.yield %narrow : i8
  }} -> {y}
  func.return %result : {y}
}}
"""

    def arrays(self) -> list[NDArray[Any]]:
        """Random inputs that reach and miss saturation, and an output full of another value."""
        random = np.random.default_rng(0)
        x, w, y = self.shapes
        data = [random.integers(-9, 10, shape).astype(np.int8) for shape in (x, w)]
        bias = random.integers(-200, 200, self.outputs).astype(np.int32)
        return [*data, bias, np.full(y, 99, np.int8)]

    def expected(self, arrays: list[NDArray[Any]]) -> NDArray[Any]:
        """The output that the kernel means, by NumPy."""
        x, w, bias, _ = arrays
        w = np.transpose(w, [self.weights.index(letter) for letter in "RSCK"]).astype(np.int32)
        windows = np.lib.stride_tricks.sliding_window_view(x, (self.kernel, self.kernel), (1, 2))
        windows = windows[:, :: self.stride, :: self.stride].astype(np.int32)
        sums = np.einsum("nhwcrs,rsck->nhwk", windows, w) + bias
        sums = np.maximum(sums, 0) if self.relu else sums
        return np.clip(sums, -128, 127).astype(np.int8)


def computes(kernel: Convolution, program: ModuleOp) -> bool:
    """Whether a lowered program computes the convolution on random inputs."""
    arrays = kernel.arrays()
    result = run_function(program, load_config(), arrays)[-1]
    return np.array_equal(result, kernel.expected(arrays))


KERNELS = [
    Convolution(),
    Convolution(images=2, width=17, inputs=20, outputs=33, relu=True),
    Convolution(height=5, width=7, inputs=3, kernel=7, stride=2),
    Convolution(width=30, stride=2, inputs=32),
    Convolution(weights="KRSC", inputs=24, outputs=40),
    Convolution(weights="RSKC", outputs=17),
    Convolution(kernel=1, width=20, inputs=40),
    Convolution(height=1, width=1, inputs=5, outputs=5),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_the_untuned_convolution_is_right(apply: Apply, kernel: Convolution) -> None:
    """The baseline computes convolutions of ragged sizes, strides and weight layouts."""
    assert computes(kernel, apply(kernel.text(), baseline_pipeline()))


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_the_first_schedules_of_a_convolution_are_right(apply: Apply, kernel: Convolution) -> None:
    """No schedule that the search starts from changes the result."""
    for pipeline in first_pipelines(kernel.text())[:3]:
        assert computes(kernel, apply(kernel.text(), pipeline)), pipeline


@pytest.mark.parametrize(
    ("size", "inputs", "outputs"), [(56, 64, 64), (28, 128, 128), (14, 128, 128)]
)
def test_the_first_schedules_of_a_convolution_are_fast(
    apply: Apply, size: int, inputs: int, outputs: int
) -> None:
    """Rows of 56, 28 and 14 pixels, which 16 does not divide, keep the array as busy as others."""
    kernel = Convolution(4, size, size, inputs, outputs)
    config = load_config()
    ideal = 4 * size * size * inputs * outputs * 9 / config.dim**2
    utilizations: list[float] = []
    for pipeline in first_pipelines(kernel.text())[:3]:
        stream, _ = stream_of_module(apply(kernel.text(), pipeline), config)
        utilizations.append(ideal / simulate_timing(stream, config, level="soc").cycles)
    assert max(utilizations) > 0.94


def test_a_depthwise_convolution_is_right(apply: Apply) -> None:
    """Without a sum over channels, tiles of one column each compute the kernel."""
    kernel = Convolution(height=3, width=20, inputs=5, outputs=5)
    text = kernel.text().replace("-> (d4, d5, d6, d3)", "-> (d4, d5, d3)")
    text = text.replace("d2 * 1 + d5, d6)>", "d2 * 1 + d5, d3)>").replace("3x3x5x5", "3x3x5")
    text = text.replace(", d5, d6)", ", d5)").replace('"reduction",\n        "reduction"', "")
    text = text.replace('"reduction", "reduction", "reduction"]', '"reduction", "reduction"]')
    arrays = kernel.arrays()
    arrays[1] = arrays[1][..., 0].copy()
    full = np.zeros((3, 3, 5, 5), np.int8)
    full[..., range(5), range(5)] = arrays[1]
    expected = kernel.expected([arrays[0], full, *arrays[2:]])
    for pipeline in (baseline_pipeline(), first_pipelines(text)[0]):
        result = run_function(apply(text, pipeline), load_config(), arrays)[-1]
        assert np.array_equal(result, expected)


def test_symbolic_sizes_are_refused(apply: Apply) -> None:
    """A dynamic dimension is answered with a diagnostic, not with a crash."""
    text = Convolution(images=5).text().replace("tensor<5x", "tensor<?x")
    text = text.replace("tensor.empty()", "tensor.empty(%images)")
    text = text.replace("%zero =", "%images = arith.constant 5 : index\n  %zero =", 1)
    with pytest.raises(PassFailedException, match="static shapes"):
        apply(text, "gemmini-lower-linalg")
