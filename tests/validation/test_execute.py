"""The reference executor against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.hw.gemmini.config import load_config
from liftproof.validation.execution.arithmetic import apply
from liftproof.validation.execution.execute import ExecutionFault, execute
from liftproof.validation.fuzz import parse_module

CONFIG = load_config()


@pytest.mark.parametrize("level", ["loops", "tensors", "tiles", "instructions"])
@pytest.mark.parametrize("sizes", [(20, 24, 40), (1, 1, 1), (16, 32, 48)])
def test_product(kernel, level: str, sizes: tuple[int, int, int]) -> None:
    """Each level of the kernel gives NumPy's saturated product on full-range inputs."""
    program = kernel(*sizes)
    rng = np.random.default_rng(1)
    a = rng.integers(-128, 128, (sizes[0], sizes[2]), dtype=np.int8)
    b = rng.integers(-128, 128, (sizes[2], sizes[1]), dtype=np.int8)
    c = np.full((sizes[0], sizes[1]), 77, np.int8)
    expected = np.clip(a.astype(np.int64) @ b.astype(np.int64), -128, 127)
    results = execute(program.module(level), [a, b, c], CONFIG)
    assert np.array_equal(results[2], expected)
    assert np.array_equal(results[0], a)
    assert (c == 77).all()


def test_large_product_is_fast(kernel) -> None:
    """Independent loops run as array axes: 256³ products take well under a minute of steps."""
    rng = np.random.default_rng(2)
    a, b = (rng.integers(-8, 8, (256, 256), dtype=np.int8) for _ in range(2))
    results = execute(kernel(256, 256, 256).module("loops"), [a, b, np.zeros_like(a)], CONFIG)
    assert np.array_equal(results[2], np.clip(a.astype(int) @ b.astype(int), -128, 127))


LOOP = """
func.func @f(%A: memref<16xi32>, %C: memref<16xi32>)
    attributes {{"liftproof.outputs" = array<i64: 1>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %five = arith.constant 5 : i32
  {body}
  func.return
}}"""

PREFIX_SUM = """scf.for %i = %c1 to %c16 step %c1 {
    %p = arith.subi %i, %c1 : index
    %x = memref.load %C[%p] : memref<16xi32>
    %a = memref.load %A[%i] : memref<16xi32>
    %s = arith.addi %x, %a : i32
    memref.store %s, %C[%i] : memref<16xi32>
  }"""

CONDITIONAL = """%last = memref.alloca() : memref<i32>
  memref.store %five, %last[] : memref<i32>
  scf.for %i = %c0 to %c16 step %c1 {
    %a = memref.load %A[%i] : memref<16xi32>
    %big = arith.cmpi sgt, %a, %five : i32
    scf.if %big {
      memref.store %a, %last[] : memref<i32>
    }
    %x = memref.load %last[] : memref<i32>
    memref.store %x, %C[%i] : memref<16xi32>
  }"""

TRIANGLE = """scf.for %i = %c0 to %c16 step %c1 {
    scf.for %j = %c0 to %i step %c1 {
      %x = memref.load %C[%i] : memref<16xi32>
      %a = memref.load %A[%j] : memref<16xi32>
      %s = arith.addi %x, %a : i32
      memref.store %s, %C[%i] : memref<16xi32>
    }
  }"""

PRIVATE = """scf.for %i = %c0 to %c16 step %c1 {
    %row = memref.alloca() : memref<2xi32>
    %a = memref.load %A[%i] : memref<16xi32>
    memref.store %a, %row[%c0] : memref<2xi32>
    memref.store %five, %row[%c1] : memref<2xi32>
    %x = memref.load %row[%c0] : memref<2xi32>
    %y = memref.load %row[%c1] : memref<2xi32>
    %s = arith.muli %x, %y : i32
    memref.store %s, %C[%i] : memref<16xi32>
  }"""


def prefix_sum(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    c = c.copy()
    for i in range(1, 16):
        c[i] = c[i - 1] + a[i]
    return c


def conditional(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    last, result = 5, c.copy()
    for i in range(16):
        last = a[i] if a[i] > 5 else last
        result[i] = last
    return result


def triangle(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.array([c[i] + a[:i].sum() for i in range(16)], np.int32)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (PREFIX_SUM, prefix_sum),
        (CONDITIONAL, conditional),
        (TRIANGLE, triangle),
        (PRIVATE, lambda a, c: a * 5),
    ],
)
def test_loops_with_dependences(body: str, expected) -> None:
    """Loops that carry values, hide them or end at another counter run as written."""
    module = parse_module(LOOP.format(body=body))
    rng = np.random.default_rng(3)
    a, c = (rng.integers(-20, 20, 16).astype(np.int32) for _ in range(2))
    assert np.array_equal(execute(module, [a, c], CONFIG)[1], expected(a, c))


def test_out_of_bounds_is_a_fault() -> None:
    """An access outside of an array stops the run."""
    body = PREFIX_SUM.replace("scf.for %i = %c1", "scf.for %i = %c0")
    module = parse_module(LOOP.format(body=body))
    zeros = np.zeros(16, np.int32)
    with pytest.raises(ExecutionFault):
        execute(module, [zeros, zeros], CONFIG)


int32 = st.integers(-(2**31), 2**31 - 1)


@settings(deadline=None)
@given(int32, int32)
def test_integer_arithmetic_is_that_of_c(x: int, y: int) -> None:
    """Wrap-around, truncating division and sign extension, on any two numbers."""
    a, b = np.int32(x), np.int32(y)

    def wrapped(value: int) -> int:
        return (value + 2**31) % 2**32 - 2**31

    assert apply("addi", "i32", [a, b]) == wrapped(x + y)
    assert apply("muli", "i32", [a, b]) == wrapped(x * y)
    assert apply("subi", "i32", [a, b]) == wrapped(x - y)
    assert apply("trunci", "i8", [a]) == (x + 128) % 256 - 128
    assert apply("extui", "i64", [a]) == x % 2**32
    assert apply("cmpi", "i1", [a, b], "ult") == (x % 2**32 < y % 2**32)
    if y != 0 and (x, y) != (-(2**31), -1):
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        assert apply("divsi", "i32", [a, b]) == quotient
        assert apply("remsi", "i32", [a, b]) == x - quotient * y
        assert apply("divui", "i32", [a, b]) == wrapped((x % 2**32) // (y % 2**32))
