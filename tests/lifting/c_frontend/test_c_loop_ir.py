"""The loop IR of a kernel describes its C interface, keeps places, and is small and clean."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from liftproof.diagnostics import SourceLocation
from liftproof.lifting.c import frontend
from liftproof.lifting.c.affine import check_affine
from liftproof.lifting.c.emitter import source_location
from liftproof.lifting.c.frontend import parse_c_kernel, read_c_kernel
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import ModuleOp

EXAMPLES = Path(__file__).parents[3] / "examples"
SMALL = {
    "matmul_512.c": {"N 512": "N 7"},
    "matmul_bias_relu_scale_100x75x130.c": {"M 100": "M 5", "N 75": "N 6", "K 130": "K 7"},
    "matmul_1x1x1.c": {},
    "matmul_17x16x16.c": {"DEPTH = 16": "DEPTH = 3"},
    "matmul_12544x64x256.c": {"112 * 112": "3 * 2", "LS 64": "LS 5", "LS 256": "LS 4"},
    "matmul_784x1024x256.c": {"M 784": "M 5", "K 1024": "K 6", "N 256": "N 7"},
    "matmul_transposed_b_64x96x128.c": {"M 64": "M 4", "N 96": "N 5", "K 128": "K 6"},
    "matmul_transposed_a_80x48x112.c": {"M 80": "M 4", "N 48": "N 5", "K 112": "K 6"},
    "matmul_int32_48x80x64.c": {"M 48": "M 4", "N 80": "N 5", "K 64": "K 6"},
}


def kernel_of(module: ModuleOp) -> func.FuncOp:
    (function,) = module.ops
    assert isinstance(function, func.FuncOp)
    return function


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.c")), ids=lambda path: path.name)
def test_examples_are_affine(path: Path) -> None:
    """Every example kernel is accepted, named after its C function, and affine."""
    function = kernel_of(read_c_kernel(path))
    assert f"{function.sym_name.data}(" in path.read_text()
    check_affine(read_c_kernel(path))


@pytest.mark.parametrize("name", SMALL)
def test_examples_compute_what_gcc_computes(
    both_ways: Any, random_arguments: Any, name: str
) -> None:
    """The examples, made small, leave the same arrays as the program that gcc makes."""
    text = (EXAMPLES / name).read_text()
    for old, new in SMALL[name].items():
        assert old in text
        text = text.replace(old, new)
    both_ways.check(text, random_arguments(both_ways.module(text), 1))


def test_documented_example() -> None:
    """The example in the front end's documentation is what it produces."""
    before, after = (frontend.__doc__ or "").split("becomes::")
    source = textwrap.dedent(before.split("For example::")[1])
    expected = after.split("The attributes of")[0]
    module = parse_c_kernel(source, "scale.c")
    printed = str(kernel_of(module))
    assert "".join(printed.split()) == "".join(expected.split())


def test_interface() -> None:
    """The attributes name each parameter's C type, extents, and what is written."""
    text = """
    void k(int n, const signed char A[4][8], float *p, double V[n][2 * n], unsigned char *q) {
        for (int i = 0; i < n; i++) { p[i] = A[0][0]; V[i][0] = q[i]; }
    }"""
    attributes = kernel_of(parse_c_kernel(text, "dir/k.c")).attributes
    assert str(attributes["liftproof.parameters"]) == '["n", "A", "p", "V", "q"]'
    assert str(attributes["liftproof.c_types"]) == (
        '["int32_t", "const int8_t[4][8]", "float *", "double[n][2 * n]", "uint8_t *"]'
    )
    assert str(attributes["liftproof.extents"]) == (
        '[[], [4 : i64, 8 : i64], ["n"], ["n", "2 * n"], ["n"]]'
    )
    assert str(attributes["liftproof.outputs"]) == "array<i64: 2, 3>"
    assert str(attributes["liftproof.source"]) == '"k.c"'


def test_places() -> None:
    """Each operation carries the place in the C source that it comes from."""
    text = "void k(int A[4]) {\n  for (int i = 0; i < 4; i++)\n    A[i] =\n      A[3 - i] * 2;\n}"
    places = {type(op): source_location(op) for op in parse_c_kernel(text, "k.c").walk()}
    assert places[func.FuncOp] == SourceLocation("k.c", 1, 6)
    assert places[scf.ForOp] == SourceLocation("k.c", 2, 3)
    assert places[memref.StoreOp] == SourceLocation("k.c", 3, 5)
    assert places[memref.LoadOp] == SourceLocation("k.c", 4, 7)
    assert places[arith.MuliOp] == SourceLocation("k.c", 4, 16)


def test_subscripts_ignore_how_they_are_written() -> None:
    """Casts, temporaries and macros leave no trace in a subscript."""
    plain = "void k(int A[99]) { for (int i = 0; i < 9; i++) A[8 * i + 3] = 1; }"
    dressed = """
    #define AT(r, c) ((r) * 8 + (c))
    void k(int A[99]) {
        for (int i = 0; i < 9; i++) {
            const long row = (long)i + 2;
            unsigned char column = 3;
            A[AT((int)row - 2, (size_t)column)] = 1;
        }
    }"""
    assert str(parse_c_kernel(plain, "k.c")) == str(parse_c_kernel(dressed, "k.c"))


def test_same_text_gives_the_same_ir() -> None:
    """The loop IR depends on nothing but the source text."""
    text = (EXAMPLES / "matmul_512.c").read_text()
    assert str(parse_c_kernel(text, "k.c")) == str(parse_c_kernel(text, "k.c"))


def test_assumptions() -> None:
    """What the end of a loop depends on is listed, and only then."""
    text = "void k(unsigned n, int *A) {{ for (unsigned i = 0; i {} n; i++) A[i] = 1; }}"
    wraps = kernel_of(parse_c_kernel(text.format("<="), "k.c")).attributes
    assert str(wraps["liftproof.assumptions"]) == (
        """["'A' points to n + 1 elements", "line 1: 'i' does not wrap around"]"""
    )
    plain = "void k(int n, int A[n]) { for (int i = 0; i < n; i++) A[i] = 1; }"
    assert "liftproof.assumptions" not in kernel_of(parse_c_kernel(plain, "k.c")).attributes
