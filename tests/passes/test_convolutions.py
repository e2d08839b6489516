"""Convolutions: windows of any stride and weight layout, without a copy of them in DRAM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.dialects.gemmini import MvinZerosOp, MvoutOp
from liftproof.dialects.tile import LoadOp, StoreOp
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.functional import run_function
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.passes.index_math import constant_value, range_of
from liftproof.passes.kernel import kernel_of, named_loop, named_loops
from liftproof.passes.nests import trip_count
from liftproof.passes.pipelines import baseline_pipeline, best_guess, first_pipelines
from liftproof.tools.read import read_module
from liftproof.validation.execution.execute import execute
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import validate
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException, VerifyException

Apply = Callable[..., ModuleOp]


@dataclass(frozen=True)
class Convolution:
    """An int8 convolution of N images, channels last, whose border is part of the input.

    With ``padding`` it is not: the kernel surrounds the input with zeros.
    """

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
    padding: int = 0

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Input, weights and output."""
        reach = (self.kernel - 2 * self.padding, self.stride)
        rows, cols = ((n - 1) * reach[1] + reach[0] for n in (self.height, self.width))
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
        (n, h, v, c), pad = self.shapes[0], self.padding
        whole = f"tensor<{n}x{h + 2 * pad}x{v + 2 * pad}x{c}xi8>"
        padded = f"""
  %nothing = arith.constant 0 : i8
  %around = tensor.empty() : {whole}
  %zeros = linalg.fill ins(%nothing : i8) outs(%around : {whole}) -> {whole}
  %padded = tensor.insert_slice %X into %zeros[0, {pad}, {pad}, 0] [{n}, {h}, {v}, {c}] [1, 1, 1, 1]
      : {x} into {whole}"""
        last = "%positive" if self.relu else "%s"
        return f"""
func.func @kernel(%X: {x}, %W: {w}, %D: tensor<{self.outputs}xi32>, %Y: {y}) -> {y}
    attributes {{liftproof.outputs = array<i64: 3>}} {{
  %zero = arith.constant 0 : i32
  %low = arith.constant -128 : i32
  %high = arith.constant 127 : i32
  %empty = tensor.empty() : {sums}{padded if pad else ""}
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
      ins({"%padded" if pad else "%X"}, %W : {whole}, {w}) outs(%init : {sums}) {{
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
        edge = (self.padding, self.padding)
        x = np.pad(x, ((0, 0), edge, edge, (0, 0)))
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


FOLD = "gemmini-lower-linalg{fold_terms=true}"
"""Tiles take terms of several lines of a window."""
KERNELS = [
    Convolution(),
    Convolution(images=2, width=17, inputs=20, outputs=33, relu=True),
    Convolution(height=5, width=7, inputs=3, kernel=7, stride=2),
    Convolution(width=30, stride=2, inputs=32),
    Convolution(weights="KRSC", inputs=24, outputs=40),
    Convolution(weights="RSKC", outputs=17),
    Convolution(kernel=1, width=20, inputs=40),
    Convolution(height=1, width=1, inputs=5, outputs=5),
    Convolution(images=2, height=5, width=18, outputs=20, padding=1),
    Convolution(height=4, width=9, inputs=20, kernel=5, stride=2, padding=2),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_the_untuned_convolution_is_right(apply: Apply, kernel: Convolution) -> None:
    """The baseline computes convolutions of ragged sizes, strides and weight layouts."""
    assert computes(kernel, apply(kernel.text(), baseline_pipeline()))


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_the_first_schedules_of_a_convolution_are_right(apply: Apply, kernel: Convolution) -> None:
    """No schedule that the search starts from changes the result."""
    pipelines = [*first_pipelines(kernel.text())]
    folded = [pipeline for pipeline in pipelines if FOLD in pipeline]
    for pipeline in dict.fromkeys([*pipelines[:3], *folded]):
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
    for pipeline in islice(first_pipelines(kernel.text()), 3):
        stream, _ = stream_of_module(apply(kernel.text(), pipeline), config)
        utilizations.append(ideal / simulate_timing(stream, config, level="soc").cycles)
    assert max(utilizations) > 0.94


@dataclass(frozen=True)
class Depthwise(Convolution):
    """A convolution of each channel by itself."""

    def text(self) -> str:
        """The kernel as tensor IR: the dense one without the loop over input channels."""
        text = super().text().replace("-> (d4, d5, d6, d3)", "-> (d4, d5, d3)")
        text = text.replace(f"d2 * {self.stride} + d5, d6)>", f"d2 * {self.stride} + d5, d3)>")
        text = text.replace(f"3x3x{self.inputs}x{self.outputs}", f"3x3x{self.inputs}")
        text = text.replace(", d5, d6)", ", d5)")
        return text.replace('"reduction", "reduction", "reduction"]', '"reduction", "reduction"]')

    def arrays(self) -> list[NDArray[Any]]:
        """Random inputs, with one weight for each channel and place in the window."""
        x, w, *others = super().arrays()
        return [x, w[..., 0].copy(), *others]

    def expected(self, arrays: list[NDArray[Any]]) -> NDArray[Any]:
        """The dense convolution with weights that are zero between different channels."""
        full = np.zeros((3, 3, self.inputs, self.outputs), np.int8)
        channels = range(self.inputs)
        full[..., channels, channels] = arrays[1]
        return super().expected([arrays[0], full, *arrays[2:]])


@pytest.mark.parametrize(
    "kernel",
    [
        Depthwise(height=3, width=20, inputs=5, outputs=5),
        Depthwise(height=5, width=5, stride=2, inputs=33, outputs=33, padding=1),
    ],
    ids=str,
)
def test_a_depthwise_convolution_is_right(apply: Apply, kernel: Depthwise) -> None:
    """Diagonal tiles of weights compute a convolution without a sum over channels."""
    for pipeline in (baseline_pipeline(), best_guess(kernel.text())):
        assert computes(kernel, apply(kernel.text(), pipeline))


SMALL = Depthwise(height=1, width=2, inputs=2, outputs=2, stride=2, padding=1)


def test_loads_with_borders_and_diagonals_are_right(apply: Apply) -> None:
    """Lowered loads do what the tile operations say, and those what the kernel says."""
    source, tiles = apply(SMALL.text()), apply(SMALL.text(), "gemmini-lower-linalg")
    for program in (tiles, apply(SMALL.text(), baseline_pipeline())):
        assert validate(source, program).verdict == "proved"
    arrays = SMALL.arrays()
    result = execute(tiles, arrays, load_config())[-1]
    assert np.array_equal(result, SMALL.expected(arrays))


def test_the_trace_engine_checks_each_column_of_a_diagonal(apply: Apply) -> None:
    """Diagonals are proved at their sizes, and refuted where one row keeps a second weight."""
    kernel = Depthwise(height=2, width=3, inputs=5, outputs=5)
    program = apply(kernel.text(), baseline_pipeline())
    assert validate_unrolled(apply(kernel.text()), program, load_config()).verdict == "proved"
    clears = [op for op in program.walk() if isinstance(op, MvinZerosOp)]
    clears[-1].detach()
    assert validate_unrolled(apply(kernel.text()), program, load_config()).verdict == "refuted"


@pytest.mark.parametrize("name", ["border", "diagonal"])
def test_borders_and_diagonals_matter(apply: Apply, name: str) -> None:
    """A program without one of these properties is refuted."""
    tiles = apply(SMALL.text(), "gemmini-lower-linalg")
    for op in tiles.walk():
        op.properties.pop(name, None)
    assert validate(apply(SMALL.text()), tiles).verdict == "refuted"


LINES_C = """#include <stdint.h>
void lines(const int8_t x[2][3][2], int8_t y[4][2]) {
  for (int r = 0; r < 4; r++)
    for (int c = 0; c < 2; c++)
      y[r][c] = (r + 1) / 2 < 2 ? x[(r + 1) / 2][(r + 1) % 2 + 1][c] : 0;
}
"""
LINES = """func.func @lines(%x: memref<2x3x2xi8>, %y: memref<4x2xi8>)
    attributes {liftproof.outputs = array<i64: 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %b = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  tile.load %x[%c0, %c1, %c0] to %b[] sizes %c4, %c2 from %c1
      {border, fold_width = 2 : i64, fold_dimension = 0 : i64, fold_step = 1 : i64}
      : memref<2x3x2xi8>, memref<16x16xi8, #gemmini<space spad>>
  tile.store %b[] to %y[%c0, %c0] sizes %c4, %c2
      : memref<16x16xi8, #gemmini<space spad>>, memref<4x2xi8>
  func.return
}
"""


def test_rows_go_on_in_the_next_line(apply: Apply, tmp_path: Path) -> None:
    """A load across the ends of an image's lines takes what the C kernel takes."""
    path = tmp_path / "lines.c"
    path.write_text(LINES_C)
    source = read_module(str(path))
    assert validate(source, apply(LINES)).verdict == "proved"
    assert validate(source, apply(LINES.replace("h = 2", "h = 3"))).verdict == "refuted"
    x = np.arange(12, dtype=np.int8).reshape(2, 3, 2)
    result = execute(apply(LINES), [x, np.full((4, 2), 9, np.int8)], load_config())[-1]
    assert result.tolist() == [[4, 5], [8, 9], [10, 11], [0, 0]]


def test_lines_need_all_their_numbers(apply: Apply) -> None:
    """A load from a row of an image without the image's width is no operation."""
    with pytest.raises(VerifyException, match="a start, a width"):
        apply(LINES.replace("fold_width = 2 : i64, ", ""))


FOLDED = [
    Convolution(height=1, width=18, inputs=3, kernel=7, stride=2),
    Convolution(height=3, width=9, inputs=1, kernel=5, relu=True),
    Convolution(images=2, height=2, inputs=2, kernel=3, weights="KRSC"),
]


@pytest.mark.parametrize("kernel", FOLDED, ids=str)
def test_lines_of_a_window_share_tiles(apply: Apply, kernel: Convolution) -> None:
    """Tiles that take terms of several lines are as few as there can be, and right."""
    text, config = kernel.text(), load_config()
    tiles = apply(text, FOLD)
    terms = kernel.kernel**2 * kernel.inputs
    assert trip_count(named_loop(kernel_of(tiles), "k")) == -(-terms // config.dim)
    assert not set("rs") & set(named_loops(kernel_of(tiles)))
    program = apply(text, baseline_pipeline().replace("gemmini-lower-linalg", FOLD))
    assert validate_unrolled(apply(text), program, config).verdict == "proved"


@pytest.mark.parametrize(
    "kernel",
    [
        Convolution(),
        Convolution(height=4, width=9, inputs=3, kernel=5, padding=2),
        Convolution(height=2, width=17, inputs=3),
        Convolution(inputs=3, kernel=1),
    ],
    ids=["full tiles", "border", "one row in the last tile", "no window"],
)
def test_other_windows_stay_as_they_are(apply: Apply, kernel: Convolution) -> None:
    """Where folding saves nothing, or a load would have to begin outside, it changes nothing."""
    text = kernel.text()
    assert str(apply(text, FOLD)) == str(apply(text, "gemmini-lower-linalg"))


NARROW = [
    Convolution(height=8, width=16, inputs=32, kernel=1),
    Convolution(height=1, width=64, inputs=16, kernel=3, relu=True),
]


@pytest.mark.parametrize("kernel", NARROW, ids=str)
def test_narrow_rows_lie_side_by_side(apply: Apply, kernel: Convolution) -> None:
    """Stores of an output of 16 columns carry four rows, and compute what they shall."""
    text = kernel.text()
    tiles = apply(text, "gemmini-lower-linalg")
    expected = kernel.expected(kernel.arrays())
    assert np.array_equal(execute(tiles, kernel.arrays(), load_config())[-1], expected)
    staged = 'gemmini-lower-linalg,gemmini-stage{operand="c" loop="i"},gemmini-widen-moves'
    program = apply(text, baseline_pipeline().replace("gemmini-lower-linalg", staged))
    widths = [constant_value(op.cols) for op in program.walk() if isinstance(op, MvoutOp)]
    assert set(widths) == {64}
    assert validate_unrolled(apply(text), program, load_config()).verdict == "proved"


COPY_C = """#include <stdint.h>
void copy(const int8_t x[512], int8_t y[512]) {
  for (int i = 0; i < 512; i++) y[i] = x[i];
}
"""
COPY = """func.func @copy(%x: memref<512xi8>, %y: memref<512xi8>)
    attributes {liftproof.outputs = array<i64: 1>, liftproof.target = "gemmini-16x16-int8"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c16 = arith.constant 16 : index
  %c32 = arith.constant 32 : index
  %b = memref.alloc() : memref<4x2x16x16xi8, #gemmini<space spad>>
LOADSTORE
  func.return
}
"""
NEST = """  scf.for %j = %c0 to %c4 step %c1 {
    scf.for %k = %c0 to %c2 step %c1 {
      %row = arith.muli %j, %c32 : index
      %col = arith.muli %k, %c16 : index
      %at = arith.addi %row, %col : index
      MOVE sizes %c4, %c16 {row_dimension = 0 : i64, row_step = 128 : i64} : TYPES
    }
  }"""
TYPES = ("memref<512xi8>", "memref<4x2x16x16xi8, #gemmini<space spad>>")


def test_tiles_of_neighbouring_rows_are_moved_as_one(apply: Apply, tmp_path: Path) -> None:
    """Loads and stores of two tiles each, which lie side by side in memory, carry four."""
    path = tmp_path / "copy.c"
    path.write_text(COPY_C)
    load = NEST.replace("MOVE", "tile.load %x[%at] to %b[%j, %k]")
    store = NEST.replace("MOVE", "tile.store %b[%j, %k] to %y[%at]")
    store = store.replace("{row", "{scale = 1.0 : f32, row")
    nests = [
        load.replace("TYPES", ", ".join(TYPES)),
        store.replace("TYPES", ", ".join(TYPES[::-1])),
    ]
    wide = apply(COPY.replace("LOADSTORE", "\n".join(nests)), "gemmini-widen-moves")
    moves = [op for op in wide.walk() if isinstance(op, LoadOp | StoreOp)]
    assert [range_of(op.cols).high for op in moves] == [64, 64]
    assert validate(read_module(str(path)), wide).verdict == "proved"


WINDOW_C = """#include <stdint.h>
void window(const int8_t x[24], int8_t y[3][20]) {
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 20; c++)
      y[r][c] = x[r + (c + 1) / 9 * 6 + (c + 1) % 9];
}
"""
WINDOW = """func.func @window(%x: memref<24xi8>, %y: memref<3x20xi8>)
    attributes {liftproof.outputs = array<i64: 1>, liftproof.target = "gemmini-16x16-int8"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c20 = arith.constant 20 : index
  %b = memref.alloc() : memref<2x16x16xi8, #gemmini<space spad>>
  tile.load %x[%c0] to %b[%c0] sizes %c3, %c20 term %c1
      {row_dimension = 0 : i64, term_width = 9 : i64, term_step = 6 : i64}
      : memref<24xi8>, memref<2x16x16xi8, #gemmini<space spad>>
  tile.store %b[%c0] to %y[%c0, %c0] sizes %c3, %c20
      : memref<2x16x16xi8, #gemmini<space spad>>, memref<3x20xi8>
  func.return
}
"""


def test_columns_go_on_in_the_next_line(apply: Apply, tmp_path: Path) -> None:
    """A load across the ends of a window's lines takes what the C kernel takes."""
    path = tmp_path / "window.c"
    path.write_text(WINDOW_C)
    source = read_module(str(path))
    assert validate(source, apply(WINDOW)).verdict == "proved"
    assert validate(source, apply(WINDOW.replace("h = 9", "h = 8"))).verdict == "refuted"
    x = np.arange(24, dtype=np.int8)
    result = execute(apply(WINDOW), [x, np.full((3, 20), 9, np.int8)], load_config())[-1]
    place = np.arange(1, 21)
    assert np.array_equal(result, [x[r + place // 9 * 6 + place % 9] for r in range(3)])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("term_width = 9 : i64, ", "", "a first term, a width"),
        ("term_step = 6", "term_step = 0", "columns, and a distance"),
        ("{row_dimension", "{border, row_dimension", "without border"),
    ],
)
def test_windows_of_lines_are_verified(apply: Apply, old: str, new: str, reason: str) -> None:
    """A load of a window without its numbers, or with a border, is no operation."""
    with pytest.raises(VerifyException, match=reason):
        apply(WINDOW.replace(old, new))


@pytest.mark.parametrize("pattern", ["surrounded with zeros only", "not taken in pieces"])
def test_other_insertions_are_refused(apply: Apply, pattern: str) -> None:
    """A border of ones, and a part of an array, are refused with the reason."""
    text = Convolution(padding=1).text()
    if "zeros only" in pattern:
        text = text.replace("%nothing = arith.constant 0", "%nothing = arith.constant 1")
    else:
        text = text.replace("[1, 1, 1, 1]", "[1, 2, 1, 1]").replace(
            "[1, 6, 6, 16]", "[1, 3, 6, 16]"
        )
    with pytest.raises(PassFailedException, match=pattern):
        apply(text, "gemmini-lower-linalg")


def test_symbolic_sizes_are_refused(apply: Apply) -> None:
    """A dynamic dimension is answered with a diagnostic, not with a crash."""
    text = Convolution(images=5).text().replace("tensor<5x", "tensor<?x")
    text = text.replace("tensor.empty()", "tensor.empty(%images)")
    text = text.replace("%zero =", "%images = arith.constant 5 : index\n  %zero =", 1)
    with pytest.raises(PassFailedException, match="sizes that are numbers"):
        apply(text, "gemmini-lower-linalg")
