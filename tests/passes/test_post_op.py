"""Recognising what the store unit must do, and refusing what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from liftproof.dialects.tile import StoreOp
from liftproof.hw.gemmini.semantics import store_value
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.passes.post_op import stored
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

Apply = Callable[..., ModuleOp]

SHIFT = """
    %one = arith.constant 1 : i32
    %four = arith.constant 4 : i32
    %seven = arith.constant 7 : i32
    %quotient = arith.shrsi %sum, %four : i32
    %odd = arith.andi %quotient, %one : i32
    %nearly = arith.addi %seven, %odd : i32
    %raised = arith.addi %sum, %nearly : i32
    %shifted = arith.shrsi %raised, %four : i32
    %low = arith.constant -128 : i32
    %high = arith.constant 127 : i32
    %above = arith.maxsi %shifted, %low : i32
    %within = arith.minsi %above, %high : i32
    %narrow = arith.trunci %within : i32 to i8
    linalg.yield %narrow : i8"""
SELECTS = """
    %low = arith.constant -128 : i32
    %high = arith.constant 127 : i32
    %under = arith.cmpi slt, %sum, %low : i32
    %above = arith.select %under, %low, %sum : i32
    %over = arith.cmpi sgt, %above, %high : i32
    %within = arith.select %over, %high, %above : i32
    %narrow = arith.trunci %within : i32 to i8
    linalg.yield %narrow : i8"""
RELU_LAST = """
    %low = arith.constant 0 : i32
    %high = arith.constant 127 : i32
    %above = arith.maxsi %sum, %low : i32
    %within = arith.minsi %above, %high : i32
    %narrow = arith.trunci %within : i32 to i8
    linalg.yield %narrow : i8"""
TRUNCATE = """
    %narrow = arith.trunci %sum : i32 to i8
    linalg.yield %narrow : i8"""
FLOOR_SHIFT = """
    %four = arith.constant 4 : i32
    %shifted = arith.shrsi %sum, %four : i32
    %low = arith.constant -128 : i32
    %high = arith.constant 127 : i32
    %above = arith.maxsi %shifted, %low : i32
    %within = arith.minsi %above, %high : i32
    %narrow = arith.trunci %within : i32 to i8
    linalg.yield %narrow : i8"""
LEAKY = """
    %zero2 = arith.constant 0 : i32
    %three = arith.constant 3 : i32
    %eighth = arith.shrsi %sum, %three : i32
    %negative = arith.cmpi slt, %sum, %zero2 : i32
    %leaky = arith.select %negative, %eighth, %sum : i32
    %low = arith.constant -128 : i32
    %high = arith.constant 127 : i32
    %above = arith.maxsi %leaky, %low : i32
    %within = arith.minsi %above, %high : i32
    %narrow = arith.trunci %within : i32 to i8
    linalg.yield %narrow : i8"""
UNKNOWN = """
    %wide = arith.extui %old : i8 to i32
    %mixed = arith.remui %sum, %wide : i32
    %narrow = arith.trunci %mixed : i32 to i8
    linalg.yield %narrow : i8"""


def store_of(module: ModuleOp) -> StoreOp:
    (store,) = [op for op in module.walk() if isinstance(op, StoreOp)]
    return store


@pytest.mark.parametrize(
    ("options", "relu", "scale"),
    [
        ({}, False, 1.0),
        ({"relu": True}, True, 1.0),
        ({"scale": 1 / 64}, False, 1 / 64),
        ({"relu": True, "scale": 0.3}, True, 0.3),
        ({"body": SHIFT}, False, 1 / 16),
        ({"body": SELECTS}, False, 1.0),
        ({"body": RELU_LAST}, True, 1.0),
    ],
)
def test_the_store_is_found(
    gemm: Any, apply: Apply, options: dict[str, Any], relu: bool, scale: float
) -> None:
    """Saturation, ReLU, scales and rounding shifts are recognised in any spelling."""
    store = store_of(apply(gemm(20, 20, 40, **options).text(), "gemmini-lower-linalg"))
    assert (store.relu is not None) == relu
    assert store.scale is not None
    assert np.float32(store.scale.value.data) == np.float32(scale)


ROUNDED = """
#include <math.h>
#include <stdint.h>
#define SATURATE(x) ((x) > 127 ? 127 : (x) < -128 ? -128 : (x))
void kernel(const int8_t A[8][12], const int8_t B[12][9], int8_t C[8][9]) {{
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < 9; j++) {{
      int32_t sum = 0;
      for (int k = 0; k < 12; k++) sum += A[i][k] * B[k][j];
      {rounding}
      C[i][j] = SATURATE(rounded);
    }}
}}"""


@pytest.mark.parametrize(
    ("rounding", "scale"),
    [
        ("float rounded = roundf(sum * 0.03125f);", 0.03125),
        ("float rounded = roundf(sum * 0.01f);", 0.01),
        ("sum = sum > 0 ? sum : 0; int32_t rounded = (sum + 16) >> 5;", 0.03125),
    ],
)
def test_halves_may_be_rounded_away_from_zero(apply: Apply, rounding: str, scale: float) -> None:
    """The scale next to the kernel's makes ties of none of them, and the program is proved."""
    loops = parse_c_kernel(ROUNDED.format(rounding=rounding), "kernel.c")
    module = apply(str(lift(loops)), "gemmini-lower-linalg")
    store = store_of(module)
    assert store.scale is not None
    assert store.scale.value.data == np.nextafter(np.float32(scale), np.float32(1))
    assert validate(loops, module).verdict == "proved"


GEMMINI_MACROS = """
#include <limits.h>
#define ROUND_NEAR_EVEN(x) \\
  ({ const __typeof__(x) x_ = (x); \\
     const long long i = x_; \\
     const long long next = x_ < 0 ? x_ - 1 : x_ + 1; \\
     __typeof__(x) rem = x_ - i; \\
     rem = rem < 0 ? -rem : rem; \\
     __typeof__(x) result = rem < 0.5 ? i : (rem > 0.5 ? next : (i % 2 == 0 ? i : next)); \\
     result; })
#define ACC_SCALE(x, scale) \\
  ({ float y = ROUND_NEAR_EVEN((x) * (scale)); \\
     y > INT_MAX ? INT_MAX : (y < INT_MIN ? INT_MIN : (int32_t)y); })
#define ROUNDING_RIGHT_SHIFT(x, shift) \\
  ((shift) > 0 ? (((x) >> (shift)) + \\
    (((shift) == 0 ? 0 : (((x) >> ((shift)-1)) & 1)) & \\
      ((((shift) <= 1 ? 0 : ((x) & ((1 << ((shift)-1)) - 1))) != 0) | (((x) >> (shift)) & 1)))) \\
    : ((x) << (-(shift))))
"""
"""Rounding as ``gemmini_params.h`` spells it."""


@pytest.mark.parametrize(
    "rounding", ["ACC_SCALE(sum + D[j], 0.05f)", "ROUNDING_RIGHT_SHIFT(sum, 6)"]
)
def test_macros_of_the_machines_own_headers_are_stores(apply: Apply, rounding: str) -> None:
    """Statements with a value, dead arms of macros, and biases of any size are proved."""
    text = GEMMINI_MACROS + ROUNDED.format(rounding=f"int32_t rounded = {rounding};")
    text = text.replace("int8_t C[8]", "const int32_t D[9], int8_t C[8]")
    loops = parse_c_kernel(text, "kernel.c")
    module = apply(str(lift(loops)), "gemmini-lower-linalg")
    assert store_of(module).scale is not None
    assert validate(loops, module).verdict == "proved"


def test_sums_are_stored_as_they_are(gemm: Any, apply: Apply) -> None:
    """An int32 output needs no scale."""
    store = store_of(apply(gemm(20, 20, 40, wide=True).text(), "gemmini-lower-linalg"))
    assert store.scale is None
    assert store.relu is None


@pytest.mark.parametrize("body", [TRUNCATE, FLOOR_SHIFT, LEAKY, UNKNOWN])
def test_what_the_store_cannot_do_is_refused(gemm: Any, apply: Apply, body: str) -> None:
    """Truncation, rounding down and other activations are refused, never approximated."""
    with pytest.raises(PassFailedException, match=r"linalg\.generic"):
        apply(gemm(20, 20, 40, body=body).text(), "gemmini-lower-linalg")


@pytest.mark.parametrize("scale", [1.0, 0.25, 0.3, 1 / 64, 7.5])
def test_candidates_are_compared_with_the_machines_formula(scale: float) -> None:
    """The vectorised store of the recogniser is the one of the instruction semantics."""
    sums = np.random.default_rng(0).integers(-(2**31), 2**31, 500)
    sums = np.concatenate([sums, np.arange(-700, 700)])
    for relu in (False, True):
        expected = [store_value(int(x), relu, np.float32(scale), 8) for x in sums]
        assert stored(sums, relu, scale, 8).tolist() == expected
