"""What no store computes is left to loops of the core, between fences, and proved like the rest."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from liftproof.dialects.gemmini import ComputePreloadedOp, FenceOp
from liftproof.hw.gemmini.config import DEFAULT_CONFIG, load_config
from liftproof.hw.gemmini.estimate import estimate_timing
from liftproof.hw.gemmini.memory import place_arrays
from liftproof.hw.gemmini.rocc import read_rocc, write_rocc
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.unroll import stream_of_module, unroll
from liftproof.hw.stream import CORE_WORK, StreamError
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.llm.evaluate import Problem, lower, parse_pipeline
from liftproof.passes.emission.emit_c import emit_c
from liftproof.passes.kernel import kernel_of
from liftproof.passes.statements import split_statements
from liftproof.tools.routes import find_route
from liftproof.validation.decide import decide
from liftproof.validation.execution.execute import execute
from liftproof.validation.trace.api import validate_stream
from numpy.typing import NDArray
from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import ModuleOp

CONFIG = load_config()
PRELUDE = """#include <stdint.h>
#include <math.h>
"""
FLOOR_SHIFT = (
    PRELUDE
    + """
void f(const int8_t a[5][18], const int8_t w[18][7], const int32_t b[7], int8_t c[5][7]) {
  for (int i = 0; i < 5; i++)
    for (int j = 0; j < 7; j++) {
      int32_t s = b[j];
      for (int k = 0; k < 18; k++) s += a[i][k] * w[k][j];
      s >>= 8;
      c[i][j] = s < -128 ? -128 : s > 127 ? 127 : s;
    }
}"""
)
ELEMENTS = (
    PRELUDE
    + """
void f(const int32_t *a, const uint8_t b[4][9], const float g[9], int8_t c[4][9]) {
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 9; j++) {
      int64_t p = (int64_t)a[i * 9 + j] * (b[i][j] - 7);
      int32_t high = (int32_t)((p + (1 << 10)) >> 11);
      int32_t low = (a[i * 9 + j] ^ 85) & 4095;
      float v = rintf(high * g[j] + low / 3);
      if (high < 0) v = v * 0.25f;
      c[i][j] = v > 127.0f ? 127 : v < -128.0f ? -128 : (int8_t)v;
    }
}"""
)


def _program(text: str, *, on_core: bool = True) -> tuple[ModuleOp, ModuleOp]:
    """The loops of a kernel, and its untuned program."""
    loops = parse_c_kernel(text, "f.c")
    problem = Problem("", DEFAULT_CONFIG)
    route = find_route("f.c", loops, problem)
    assert any(part.why_on_core is not None for part in route.parts) == on_core
    best = [part.baseline for part in route.parts]
    programs = [
        lower(part.problem.tensor_ir, parse_pipeline(part.baseline.pipeline))
        for part in route.parts
    ]
    return loops, route.join(problem, best, programs).program


@pytest.fixture(scope="module")
def shifted() -> tuple[ModuleOp, ModuleOp]:
    return _program(FLOOR_SHIFT)


def test_the_core_does_what_no_store_computes(shifted: tuple[ModuleOp, ModuleOp]) -> None:
    """The program is proved, computes what the kernel does, and each simulation counts the core."""
    loops, program = shifted
    assert decide(loops, program).verdict == "proved"
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-128, 128, (5, 18), np.int8), rng.integers(-128, 128, (18, 7), np.int8)]
    arrays += [rng.integers(-9000, 9000, 7, np.int32), np.zeros((5, 7), np.int8)]
    wanted, got = (execute(module, arrays, CONFIG) for module in (loops, program))
    assert np.array_equal(wanted[-1], got[-1])
    stream, _ = stream_of_module(program, CONFIG)
    (work,) = stream.rs1[stream.funct == CORE_WORK]
    plain, _ = stream.without_core_work()
    for level in ("accelerator", "soc"):
        with_core = simulate_timing(stream, CONFIG, level=level)
        assert with_core.core_cycles == work > 5 * 7 * 5
        assert with_core.cycles == simulate_timing(plain, CONFIG, level=level).cycles + work


def test_estimates_count_the_core() -> None:
    """A sample of a long program has the core's cycles in full, and its text reads back."""
    function = kernel_of(_program(FLOOR_SHIFT.replace("[5]", "[90]").replace("i < 5", "i < 90"))[1])
    layout = place_arrays(function)
    stream = unroll(function, CONFIG, layout)
    (work,) = stream.rs1[stream.funct == CORE_WORK]
    estimate = estimate_timing(function, CONFIG, layout, budget=60)
    exact = simulate_timing(stream, CONFIG).cycles
    assert estimate.sampled < len(stream)
    assert estimate.compute_bound > work
    assert abs(estimate.cycles - exact) < exact / 10
    again = read_rocc(write_rocc(stream), "f.rocc", CONFIG)
    assert np.array_equal(again.funct, stream.funct)
    assert np.array_equal(again.rs1, stream.rs1)


def test_wrong_core_work_is_refuted(shifted: tuple[ModuleOp, ModuleOp]) -> None:
    """Another shift is refuted by a run of both programs, loops of the core among them."""
    loops, program = shifted
    wrong = program.clone()
    for op in wrong.walk():
        if op.name == "arith.shrsi":
            op.operands = op.operands[::-1]
    found = decide(loops, wrong)
    assert found.verdict == "refuted"
    assert found.counterexample is not None


def test_the_core_waits_for_the_accelerator(shifted: tuple[ModuleOp, ModuleOp]) -> None:
    """Without the fence before them, loops of the core may read what is not stored yet."""
    loops, program = shifted
    unfenced = program.clone()
    first = next(op for op in unfenced.walk() if isinstance(op, FenceOp))
    assert isinstance(first.next_op, scf.ForOp) or first.next_op is not None
    first.detach()
    assert decide(loops, unfenced).verdict != "proved"


def test_streams_do_not_say_what_the_core_computes(shifted: tuple[ModuleOp, ModuleOp]) -> None:
    """Who has the stream alone neither runs it nor proves anything of it."""
    from liftproof.hw.gemmini.functional import run

    loops, program = shifted
    stream, layout = stream_of_module(program, CONFIG)
    with pytest.raises(StreamError, match="core's own loops"):
        run(stream, CONFIG, layout.image(), layout=layout)
    assert validate_stream(loops, stream, layout).verdict == "unknown"


def test_emitted_loops_of_the_core_compute_what_the_kernel_does(tmp_path: Path) -> None:
    """Both in C, compiled and run: integers that wrap around, wide products, floats, uint8."""
    _, program = _program(ELEMENTS)
    assert any(isinstance(op, memref.StoreOp) for op in program.walk())
    (tmp_path / "gemmini.h").write_text("#define gemmini_fence() ((void)0)\n")
    (tmp_path / "kernel.c").write_text(ELEMENTS.replace("void f(", "void kernel("))
    (tmp_path / "emitted.c").write_text(emit_c(program))
    library = tmp_path / "both.so"
    options = ["-O1", "-Wall", "-Werror", "-ffp-contract=off", "-shared", "-fPIC", f"-I{tmp_path}"]
    sources = [str(tmp_path / name) for name in ("kernel.c", "emitted.c")]
    subprocess.run(["gcc", *options, *sources, "-o", str(library), "-lm"], check=True)
    loaded = ctypes.CDLL(str(library))
    rng = np.random.default_rng(1)
    a, b = rng.integers(-(2**31), 2**31, (4, 9)), rng.integers(0, 256, (4, 9), np.uint8)
    g = rng.standard_normal(9).astype(np.float32) * np.float32(1e-6)
    inputs = [a.astype(np.int32), b, g]
    results: list[NDArray[np.int8]] = []
    for function in (loaded.kernel, loaded.f):
        results.append(np.full((4, 9), 99, np.int8))
        function(*(ctypes.c_void_p(x.ctypes.data) for x in (*inputs, results[-1])))
    assert np.array_equal(results[0], results[1])
    assert len(np.unique(results[0])) > 5


PRODUCT = """
void f(const int8_t x[4][18], const int8_t w[18][5], PARAMETERS) {
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 5; j++) {
      int32_t s = START;
      for (int k = 0; k < 18; k++) s += x[i][k] * w[k][j];
      STORE;
    }
}"""
LAYERS = {
    "a bias in another type, and numbers as parameters": (
        ("const int16_t b[5], int32_t zero, int8_t n, int32_t y[4][5]", "b[j]"),
        "y[i][j] = (s >> (n & 7)) + zero",
        1,
    ),
    "an array with extents of one": (
        ("const int32_t b[1][1][5], int32_t y[1][4][5]", "b[0][0][j]"),
        "y[0][i][j] = s",
        0,
    ),
    "a bias that is computed": (
        ("const int8_t b[5], int unused, int32_t y[4][5]", "(b[j] << 3) + 16"),
        "y[i][j] = s",
        1,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_surrounds_a_product_does_not_keep_it_from_the_array(name: str) -> None:
    """The product is one of the accelerator, whatever it starts from and whatever is unused."""
    (parameters, start), store, on_core = LAYERS[name]
    text = PRELUDE + PRODUCT.replace("PARAMETERS", parameters).replace("START", start)
    loops, program = _program(text.replace("STORE", store), on_core=bool(on_core))
    assert any(isinstance(op, ComputePreloadedOp) for op in program.walk())
    assert decide(loops, program).verdict == "proved"


ZERO_POINTS = {
    "signed, in both": ("int8_t", "int8_t", "(x[i][k] + 3) * (w[k][j] - 5)"),
    "gemmlowp": ("uint8_t", "uint8_t", "(x[i][k] - 121) * (w[k][j] - 130)"),
}


@pytest.mark.parametrize("name", ZERO_POINTS)
def test_products_with_zero_points_are_products_of_the_array(name: str) -> None:
    """Offsets and bytes without a sign go into what sums start from; another offset is refuted."""
    x, w, term = ZERO_POINTS[name]
    text = PRELUDE + PRODUCT.replace("x[i][k] * w[k][j]", term)
    text = text.replace("int8_t x", f"{x} x").replace("int8_t w", f"{w} w")
    text = text.replace("PARAMETERS", "const int32_t b[5], int32_t y[4][5]")
    text = text.replace("START", "b[j]").replace("STORE", "y[i][j] = s")
    loops, program = _program(text)
    assert sum(isinstance(op, ComputePreloadedOp) for op in program.walk()) > 0
    assert decide(loops, program).verdict == "proved"
    other = parse_c_kernel(text.replace("* (", "* (1 + "), "f.c")
    assert decide(other, program).verdict == "refuted"


def test_a_vector_with_an_offset_is_multiplied_as_it_is() -> None:
    """Where the other factor is a vector, what sums start from has one number for each of them."""
    text = """#include <stdint.h>
    void f(const int8_t x[32], const int8_t w[7][32], int32_t y[7]) {
      for (int i = 0; i < 7; i++) {
        int32_t s = 0;
        for (int k = 0; k < 32; k++) s += w[i][k] * (x[k] + 3);
        y[i] = s;
      }
    }"""
    lifted = lift(parse_c_kernel(text, "f.c"))
    written = [kernel_of(x.kernel) for x in split_statements(lifted, lambda _: False)]
    assert len(written) == 3
    assert sum("arith.extsi" in str(function) for function in written) == 2
