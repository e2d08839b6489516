"""Random C expressions give the same bits in loop IR as in the program that gcc makes."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TYPES = {
    "int8_t": np.int8,
    "uint8_t": np.uint8,
    "int16_t": np.int16,
    "uint16_t": np.uint16,
    "int32_t": np.int32,
    "uint32_t": np.uint32,
    "int64_t": np.int64,
    "uint64_t": np.uint64,
    "float": np.float32,
    "double": np.float64,
}
INTEGERS = [name for name in TYPES if name.startswith(("int", "uint"))]
COUNT = 16

# {} stands for any integer expression. Divisors from 1 to 8 and shifts from 0 to 7 are defined for
# every operand type.
INTEGER_FORMS = [
    *(
        f"({{}} {operator} {{}})"
        for operator in ["+", "-", "*", "&", "|", "^", "<", "<=", ">", ">=", "==", "!=", "&&", "||"]
    ),
    *(f"({operator} {{}})" for operator in ["-", "~", "!", "+"]),
    *(f"(({kind}){{}})" for kind in [*INTEGERS, "char", "bool", "unsigned", "long long"]),
    "({} / (({} & 7) + 1))",
    "({} % (({} & 7) + 1))",
    "({} << ({} & 7))",
    "({} >> ({} & 7))",
    "({} >> 3)",
    "({} & 15)",
    "({} % 5)",
    "({} ? {} : {})",
    "({} < {} ? {} : {})",
    "abs({} % 1000)",
    "clamp({})",
]
INTEGER_LEAVES = [
    *(f"v_{name}[i]" for name in INTEGERS * 2),
    *("i", "(i * 3 - 20)", "n", "(unsigned)i", "(uint8_t)(i * 40)", "(i / 3)", "(i % 4)"),
    *("0", "1", "7", "127", "128u", "255", "-1", "65536L", "3000000000u", "4294967296"),
    *("'a'", "0x7f", "010", "true", "INT8_MIN", "UINT32_MAX", "(1ull << 40)", "INT64_MIN"),
]
# {} stands for any floating-point, [] for any integer expression.
FLOAT_FORMS = [
    *(f"({{}} {operator} {{}})" for operator in ["+", "-", "*", "/"]),
    *(f"({{}} {operator} {{}} ? {{}} : {{}})" for operator in ["<", ">=", "==", "!=", ">"]),
    *(
        f"{name}({{}})"
        for name in ["rintf", "roundf", "floorf", "ceilf", "truncf", "fabsf", "roundevenf"]
    ),
    *(f"{name}({{}})" for name in ["rint", "round", "nearbyint", "sqrt", "fabs", "sqrtf"]),
    "fmaxf({}, {} + 1.0f)",
    "fmin({}, {} - 0.25)",
    "((float){})",
    "((double){})",
    "(- {})",
    "(float)lrintf(fminf(fmaxf({}, -1e9f), 1e9f))",
    "((int8_t)fminf(fmaxf({}, -128.0f), 127.0f))",
    "((float)[])",
    "((double)[])",
    "({} * [])",
    "([] - {})",
    "([] ? {} : {})",
]
FLOAT_LEAVES = [
    *("v_float[i]", "v_double[i]", "v_float[i]", "v_double[i]"),
    *("0.5f", "1.0", "(1.0f / 64)", "3e2", "0x1.8p1f", "-0.0f", ".1f", "16777217.0"),
]

HEADER = """#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#define __STDC_WANT_IEC_60559_BFP_EXT__
#include <math.h>
float roundevenf(float);
static inline int8_t clamp(long x) {
    if (x > 127) return 127;
    if (x < -128) { return -128; } else return x;
}
"""


def integer_expression(generator: random.Random, depth: int) -> str:
    if depth == 0 or generator.random() < 0.1:
        return generator.choice(INTEGER_LEAVES)
    form = generator.choice(INTEGER_FORMS)
    while "{}" in form:
        form = form.replace("{}", integer_expression(generator, depth - 1), 1)
    return form


def float_expression(generator: random.Random, depth: int) -> str:
    if depth == 0 or generator.random() < 0.1:
        return generator.choice(FLOAT_LEAVES)
    form = generator.choice(FLOAT_FORMS)
    while "[]" in form:
        form = form.replace("[]", f"({integer_expression(generator, depth - 1)})", 1)
    while "{}" in form:
        form = form.replace("{}", float_expression(generator, depth - 1), 1)
    return form


def kernel(expressions: list[tuple[str, str]]) -> str:
    """Return a kernel that computes each expression, converted to a type, from each input."""
    inputs = [f"const {name} v_{name}[{COUNT}]" for name in TYPES]
    outputs = [f"{kind} out{n}[{COUNT}]" for n, (kind, _) in enumerate(expressions)]
    body = "\n".join(f"out{n}[i] = {text};" for n, (_, text) in enumerate(expressions))
    parameters = ", ".join(["int n", *inputs, *outputs])
    return f"{HEADER}void kernel({parameters}) {{ for (int i = 0; i < {COUNT}; i++) {{ {body} }} }}"


def arguments(seed: int, expressions: list[tuple[str, str]]) -> list[Any]:
    """Return random inputs, whose first entries are the extremes of each type, and outputs."""
    generator = np.random.default_rng(seed)
    arrays: list[Any] = [int(generator.integers(-100, 100))]
    for name, dtype in TYPES.items():
        if name in INTEGERS:
            info = np.iinfo(dtype)
            array = generator.integers(info.min, info.max, COUNT, dtype=dtype, endpoint=True)
            array[: COUNT // 2] //= dtype(max(1, info.max // 300))
            array[:4] = info.min, info.max, 0, 1
        else:
            array = generator.normal(0, 100, COUNT).astype(dtype)
            array[:4] = 0.5, -2.5, 0.0, 1e30
        arrays.append(array)
    return arrays + [np.zeros(COUNT, TYPES[kind]) for kind, _ in expressions]


SETTINGS = settings(
    max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@SETTINGS
@given(st.integers(0, 2**32))
def test_integer_expressions(both_ways: Any, seed: int) -> None:
    """Integer expressions keep C's promotions, conversions, wrap-around and truncation."""
    generator = random.Random(seed)
    expressions = [(kind, integer_expression(generator, 4)) for kind in INTEGERS]
    both_ways.check(kernel(expressions), arguments(seed, expressions))


@SETTINGS
@given(st.integers(0, 2**32))
def test_float_expressions(both_ways: Any, seed: int) -> None:
    """Floating-point expressions round where C rounds, to the bit."""
    generator = random.Random(seed)
    kinds = ["float", "double"] * 4
    expressions = [(kind, float_expression(generator, 4)) for kind in kinds]
    both_ways.check(kernel(expressions), arguments(seed, expressions))


@pytest.mark.parametrize("operator", ["-", "*", "<", "&", "=="])
def test_every_pair_of_types(both_ways: Any, operator: str) -> None:
    """Each operator on each pair of integer types is computed in C's common type."""
    pairs = itertools.product(INTEGERS, INTEGERS)
    expressions = [("int64_t", f"v_{a}[i] {operator} v_{b}[i]") for a, b in pairs]
    both_ways.check(kernel(expressions), arguments(0, expressions))
