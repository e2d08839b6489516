"""Identities of C's arithmetic: those that hold are proved, those that nearly hold are refuted."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp

ROUNDED = "rintf(x[i] * 0.37f)"
UNSIGNED_CLAMP = f"{ROUNDED} > 255.0f ? 255.0f : {ROUNDED} < 0.0f ? 0.0f : {ROUNDED}"
EQUAL = [
    ("float float", "x[i] - 0.0f", "x[i]"),
    ("float float", "x[i] * 1.0f", "x[i]"),
    ("float float", "-(-x[i])", "x[i]"),
    ("float float", "x[i] / 2.0f", "x[i] * 0.5f"),
    ("float float", "x[i] + z[i]", "z[i] + x[i]"),
    ("float float", "x[i] - z[i]", "x[i] + (-z[i])"),
    ("float float", "x[i] * 2.0f", "x[i] + x[i]"),
    ("int32_t int32_t", "x[i] * 2", "x[i] + x[i]"),
    ("int32_t int32_t", "(x[i] ^ z[i]) ^ z[i]", "x[i]"),
    ("int32_t int32_t", "~x[i]", "-x[i] - 1"),
    ("int32_t int32_t", "x[i] < 0 ? -x[i] : x[i]", "abs(x[i])"),
    ("int32_t int32_t", "(int8_t)x[i]", "(x[i] << 24) >> 24"),
    ("int32_t int32_t", "(int16_t)(uint8_t)x[i]", "x[i] & 255"),
    ("int32_t int32_t", "(int32_t)(double)x[i]", "x[i]"),
    ("int32_t int32_t", "x[i] == z[i] ? x[i] : z[i]", "z[i]"),
    ("int32_t int32_t", "x[i] || z[i]", "(x[i] | z[i]) != 0"),
    ("int32_t int32_t", "(x[i] & z[i]) + (x[i] | z[i])", "x[i] + z[i]"),
    ("uint32_t uint32_t", "x[i] & 7", "x[i] % 8"),
    ("uint32_t uint32_t", "x[i] >> 3", "x[i] / 8"),
    ("uint32_t uint32_t", "x[i] - z[i]", "x[i] + ~z[i] + 1"),
    ("int8_t int32_t", "x[i] * z[i]", "(int16_t)(x[i] * z[i])"),
    ("int8_t int32_t", "(int32_t)floorf(x[i] * 0.5f)", "x[i] >> 1"),
    ("uint8_t int32_t", "(x[i] * z[i] + 255) >> 8", "(x[i] * z[i] + 255) / 256"),
    ("char int32_t", "x[i]", "(signed char)x[i]"),
    ("int32_t int32_t", "x[i]", "x[i] / z[i] * z[i] + x[i] % z[i]"),
    ("int32_t int32_t", "x[i] % 7", "x[i] - x[i] / 7 * 7"),
    ("int8_t float", "(x[i] + z[i]) * 0.5f", "x[i] * 0.5f + z[i] * 0.5f"),
    ("int32_t uint8_t", UNSIGNED_CLAMP, "rintf(fminf(fmaxf(x[i] * 0.37f, 0.0f), 255.0f))"),
    ("float float", "fmaxf(x[i], z[i])", "fmaxf(z[i], x[i])"),
]
DIFFERENT = [
    ("float float", "x[i] + 0.0f", "x[i]"),
    ("float float", "x[i] - x[i]", "0.0f"),
    ("float float", "0.0f * x[i]", "0.0f"),
    ("float float", "x[i] / 3.0f", "x[i] * (1.0f / 3.0f)"),
    ("float float", "(x[i] + z[i]) - z[i]", "x[i]"),
    ("float float", "x[i] < z[i] ? x[i] : z[i]", "z[i] < x[i] ? z[i] : x[i]"),
    ("float float", "x[i] < z[i] ? x[i] : z[i]", "fminf(x[i], z[i])"),
    ("float float", "x[i] > 0.0f ? x[i] : 0.0f", "x[i] < 0.0f ? 0.0f : x[i]"),
    ("float float", "fabsf(x[i])", "x[i] < 0.0f ? -x[i] : x[i]"),
    ("float float", "sqrtf(x[i] * x[i])", "fabsf(x[i])"),
    ("float float", "-x[i]", "0.0f - x[i]"),
    ("float float", "(float)(int)x[i]", "truncf(x[i])"),
    ("float double", "(double)(x[i] * z[i])", "(double)x[i] * (double)z[i]"),
    ("int32_t int32_t", "x[i] >> 1", "x[i] / 2"),
    ("int32_t int32_t", "x[i] & 7", "x[i] % 8"),
    ("int32_t int32_t", "(int32_t)(float)x[i]", "x[i]"),
    ("int32_t int32_t", "!!x[i]", "x[i]"),
    ("int32_t int32_t", "x[i] && z[i]", "(x[i] & z[i]) != 0"),
    ("uint32_t uint32_t", "x[i] + z[i] >= x[i]", "1"),
    ("int8_t int32_t", "x[i] + z[i]", "(int8_t)(x[i] + z[i])"),
    ("uint8_t int32_t", "x[i] * z[i]", "(int16_t)(x[i] * z[i])"),
    ("int8_t int32_t", "(x[i] * z[i] + 64) / 128", "(x[i] * z[i] + 64) >> 7"),
    ("int8_t int32_t", "(int32_t)rintf(x[i] * 0.5f)", "(int32_t)roundf(x[i] * 0.5f)"),
    ("int32_t uint8_t", UNSIGNED_CLAMP, "rintf(fminf(fmaxf(x[i] * 0.37f, 0.0f), 254.0f))"),
    ("int8_t int32_t", "(uint32_t)(x[i] - 5) < 10u", "x[i] >= 5 && x[i] <= 15"),
]


def kernel(types: str, value: str) -> ModuleOp:
    input, output = types.split()
    parameters = f"const {input} x[8], const {input} z[8], {output} y[8]"
    loop = f"for (int i = 0; i < 8; i++) y[i] = {value};"
    text = f"#include <stdint.h>\n#include <math.h>\nvoid f({parameters}) {{ {loop} }}\n"
    return parse_c_kernel(text, "f.c")


@pytest.mark.parametrize(("types", "left", "right"), EQUAL)
def test_identities_are_proved(types: str, left: str, right: str) -> None:
    """Two spellings of one value are equal for all inputs."""
    assert validate(kernel(types, left), kernel(types, right)).verdict == "proved"


@pytest.mark.parametrize(("types", "left", "right"), DIFFERENT)
def test_near_identities_are_refuted(types: str, left: str, right: str) -> None:
    """What differs for few inputs only (zeros of either sign, NaN, an ulp) is shown to differ."""
    result = validate(kernel(types, left), kernel(types, right))
    assert result.verdict == "refuted"
    assert result.counterexample is not None
