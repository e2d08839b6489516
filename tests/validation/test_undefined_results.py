"""Inputs for which a source has no defined result, or only one that rounding decides."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.execution import counterexample
from liftproof.validation.validate import Validation, validate

ELEMENTS = """#include <math.h>
#include <stdint.h>
void f(const int32_t x[8], const int32_t s[8], const float v[8], int32_t y[8]) {{
  for (int i = 0; i < 8; i++) y[i] = {}; }}"""
SUMS = """
#include <math.h>
void f(const float a[16], const float b[16], const float c[16], float y[1]) {{
  float t = 0.0f, u = 0.0f;
  for (int i = 0; i < 16; i++) {{ t += {}; u += {}; }}
  y[0] = 1000000.0f * (t - u); }}"""


def verdict(template: str, source: tuple[str, ...], target: tuple[str, ...]) -> Validation:
    programs = (template.format(*values) for values in (source, target))
    return validate(*(parse_c_kernel(text, "f.c") for text in programs))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("x[i] << s[i]", "x[i] << (s[i] & 31)", "proved"),
        ("x[i] >> (s[i] & 31)", "x[i] >> s[i]", "refuted"),
        ("(x[i] >> s[i]) >> 1", "(x[i] >> 1) >> s[i]", "proved"),
        ("x[i] << s[i]", "s[i] >= 0 && s[i] < 32 ? x[i] << s[i] : 77", "proved"),
        ("s[i] >= 0 && s[i] < 33 ? x[i] << s[i] : 77", "s[i] == 32 ? 5 : 0", "refuted"),
        ("s[i] >= 0 && s[i] < 31 ? x[i] << s[i] : 77", "x[i] << s[i]", "refuted"),
        # What && and || skip may have no result, and the source still has one.
        ("s[i] >= 0 && s[i] < 32 && x[i] << s[i] > 5", "s[i] > 99 ? 7 : {}", "unknown"),
        ("s[i] < 0 || s[i] > 31 || x[i] << s[i] > 5", "s[i] > 99 ? 7 : {}", "unknown"),
        ("v[i] < 9.0f && v[i] > 0.0f && (int32_t)v[i] > 5", "v[i] > 1e9f ? 7 : {}", "unknown"),
        ("(int32_t)v[i]", "v[i] < 3e9f ? (int32_t)v[i] : 7", "proved"),
        ("v[i] < 3e9f ? (int32_t)v[i] : 7", "v[i] < 2147483648.0f ? (int32_t)v[i] : 7", "proved"),
    ],
)
def test_only_defined_results_count(source: str, target: str, expected: str) -> None:
    """Where the source shifts by the width or converts what does not fit, any target will do."""
    found = verdict(ELEMENTS, (source,), (target.format(source),))
    assert found.verdict == expected, (found.reason, found.counterexample)


LEFT, RIGHT = "(expf(a[i]) * b[i]) * c[i]", "expf(a[i]) * (b[i] * c[i])"


def test_rounding_alone_refutes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sums cancel, a difference no larger than what rounding does to the source is none."""
    equal = (LEFT, RIGHT), (RIGHT, LEFT)
    assert verdict(SUMS, *equal).verdict == "unknown"
    assert verdict(SUMS, equal[0], (RIGHT, LEFT.replace("c", "b"))).verdict == "refuted"
    search = counterexample._InputSearch  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(search, "_is_beyond_rounding", lambda *_: True)
    assert verdict(SUMS, *equal).verdict == "refuted"
