"""Correct streams of many shapes are proved; wrong sources and unknown constructs are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.gemmini import isa
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.isa import Funct
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.matching import REASSOCIATED
from liftproof.validation.trace.api import validate_stream

VARIANTS = {
    "aligned": {},
    "single buffer": {"phases": 1, "k": 64},
    "ragged": {"m": 33, "n": 47, "k": 50},
    "one element": {"m": 1, "n": 1, "k": 1},
    "small": {"m": 12, "n": 14, "k": 8},
    "misaligned buffers": {"row_offset": 7},
    "bias matrix": {"bias": "matrix"},
    "bias row": {"bias": "row", "n": 20},
    "ReLU and scale": {"bias": "row", "scale": 0.015625, "activation": 1},
    "scale": {"scale": 0.3},
    "full width": {"full": True, "bias": "row"},
    "A transposed": {"a_transposed": True, "m": 33, "k": 50},
    "B transposed": {"b_transposed": True, "n": 47, "k": 50},
    "strided operands": {"a_stride": 3, "c_stride": 5, "bias": "matrix", "m": 40, "full": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_correct_products_are_proved(variant, gemm, config):
    """Every way to tile a product that computes it is proved at its size."""
    product = gemm(**VARIANTS[variant])
    result = validate_stream(product.kernel(), product.stream(), product.layout(), config)
    assert (result.verdict, result.reason) == ("proved", "")
    assert any("proved at size: A int8" in assumption for assumption in result.assumptions)


@given(
    m=st.integers(1, 40),
    n=st.integers(1, 40),
    k=st.integers(1, 70),
    row_offset=st.integers(0, 20),
    bias=st.sampled_from(["", "matrix", "row"]),
    transposed=st.sampled_from([{}, {"a_transposed": True}, {"b_transposed": True}]),
)
@settings(max_examples=15, deadline=None)
def test_products_of_any_size_are_proved(m, n, k, row_offset, bias, transposed, gemm, config):
    """The verdict does not depend on the sizes."""
    product = gemm(m=m, n=n, k=k, row_offset=row_offset, bias=bias, full=True, **transposed)
    result = validate_stream(product.kernel(), product.stream(), product.layout(), config)
    assert (result.verdict, result.reason) == ("proved", "")


@pytest.mark.parametrize("shape", [(5, 6, 3, 4, 1), (20, 20, 20, 18, 0), (4, 18, 32, 16, 1)])
def test_unrolled_convolutions_are_proved(shape, conv, config):
    """Unrolled convolutions, with and without padding, are proved."""
    layer = conv(*shape)
    result = validate_stream(layer.kernel(), layer.stream(), layer.layout(), config)
    assert (result.verdict, result.reason) == ("proved", "")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({}, {"scale": 0.5}),
        ({}, {"activation": 1}),
        ({"bias": "matrix"}, {"bias": "matrix", "scale": 0.25, "activation": 1}),
    ],
)
def test_another_source_is_refuted(left, right, gemm, config):
    """A stream is refuted against a kernel that treats the sums otherwise, with inputs."""
    source, target = gemm(**left), gemm(**right)
    result = validate_stream(source.kernel(), target.stream(), target.layout(), config)
    assert result.verdict == "refuted"
    assert result.counterexample is not None
    inputs = list(result.counterexample.inputs)
    place = result.counterexample.element
    assert str(source.expected(inputs)[place]) == result.counterexample.expected
    assert str(target.expected(inputs)[place]) == result.counterexample.actual


def test_padding_that_reads_neighbours_is_refuted(conv, config):
    """A convolution without its zeroing move-ins reads pixels of other rows."""
    layer = conv(5, 20, 4, 4)
    padded, bare = layer.stream(), conv(5, 20, 4, 4).stream()
    zeros = (bare.funct == Funct.MVIN) & (bare.rs1 == 0)
    row = int(np.flatnonzero(zeros)[3])
    bare.rs1[row] = layer.layout().arrays[0].address
    assert validate_stream(layer.kernel(), padded, layer.layout(), config).verdict == "proved"
    result = validate_stream(layer.kernel(), bare, layer.layout(), config)
    assert result.verdict == "refuted"
    assert "has too much X[0][0][" in result.reason


def test_the_first_wrong_element_is_named(gemm, streams, config):
    """A refutation names the command, the element, and the terms it lacks or has too much."""
    product = gemm(m=16, n=16, k=16)
    commands = product.commands()
    load = next(n for n, row in enumerate(commands) if row[0] == Funct.MVIN)
    funct, dram, local = commands[load]
    commands[load] = (funct, dram, local - (1 << 48))  # one row less
    result = validate_stream(product.kernel(), streams(commands), product.layout(), config)
    assert result.verdict == "refuted"
    assert result.reason.startswith("command 7: reads scratchpad row 15, column 0, which nothing")
    assert result.instruction.startswith("COMPUTE_PRELOADED")
    assert result.counterexample is not None
    assert "nothing has written" in result.counterexample.fault


def test_other_parameters_are_not_decided(gemm, config):
    """A stream on arrays of other shapes than the kernel's is unknown, with the shapes named."""
    source, target = gemm(m=16), gemm(m=32)
    result = validate_stream(source.kernel(), target.stream(), target.layout(), config)
    assert result.verdict == "unknown"
    assert "are not the arrays of the stream" in result.reason


def test_a_border_of_zeros_is_proved(builder, place, config):
    """An output may have several kinds of elements; each is compared with what it is."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void below(const int8_t A[3][8], int8_t C[4][8]) {
          for (int i = 0; i < 4; i++)
            for (int j = 0; j < 8; j++) {
              C[i][j] = 0;
              if (i > 0) C[i][j] = A[i - 1][j];
            }
        }""",
        "below.c",
    )
    layout = place(A=((3, 8), "int8"), C=((4, 8), "int8"))

    def verdict(first: int, rows: int) -> str:
        stream = builder()
        stream.config_ld(8)
        stream.config_st(8)
        stream.mvin(0, 0, 4, 8)
        stream.mvin(layout.arrays[0].address, first, rows, 8)
        stream.mvout(layout.arrays[1].address, 0, 4, 8)
        stream.fence()
        return validate_stream(kernel, stream.stream(), layout, config).verdict

    assert verdict(1, 3) == "proved"
    assert verdict(0, 3) == verdict(1, 2) == "refuted"


@pytest.mark.parametrize(
    ("store", "scale", "verdict"),
    [("sum", 1.0, "proved"), ("sum * 2.0f", 2.0, "proved"), ("sum", 2.0, "refuted")],
)
def test_floating_point_products_are_proved_up_to_reassociation(
    store, scale, verdict, builder, place
):
    """A 4×4 floating-point machine: proved, with the order of additions as an assumption."""
    config, (m, n, k) = load_config("gemmini-4x4-fp32"), (9, 7, 10)
    kernel = parse_c_kernel(
        f"""void product(const float A[{m}][{k}], const float B[{k}][{n}], float C[{m}][{n}]) {{
          for (int i = 0; i < {m}; i++) for (int j = 0; j < {n}; j++) {{
            float sum = 0.0f;
            for (int k = 0; k < {k}; k++) sum += A[i][k] * B[k][j];
            C[i][j] = {store};
          }}
        }}""",
        "product.c",
    )
    layout = place(A=((m, k), "float32"), B=((k, n), "float32"), C=((m, n), "float32"))
    a, b, c = (array.address for array in layout.arrays)
    build = builder()
    build.config_ex()
    build.config_ld(4 * k, 0, block_stride=4)
    build.config_ld(4 * n, 1, block_stride=4)
    build.config_st(4 * n, scale)
    for i in range(0, m, 4):
        for j in range(0, n, 4):
            for inner in range(0, k, 4):
                rows, cols, depth = min(4, m - i), min(4, n - j), min(4, k - inner)
                build.mvin(a + 4 * (i * k + inner), 0, rows, depth, 0)
                build.mvin(b + 4 * (inner * n + j), 4096, depth, cols, 1)
                target = isa.ACCUMULATOR_BIT | (isa.ACCUMULATE_BIT if inner else 0)
                build.preload((4096, depth, cols), (target, rows, cols))
                build.compute((0, rows, depth), (isa.GARBAGE_ADDRESS, 4, 4))
            build.mvout(c + 4 * (i * n + j), isa.ACCUMULATOR_BIT, rows, cols)
    build.fence()
    result = validate_stream(kernel, build.stream(), layout, config)
    assert result.verdict == verdict
    if verdict == "proved":
        assert REASSOCIATED in result.assumptions
