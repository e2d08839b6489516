"""Scalars of a kernel as arrays of one element: the same kernel with another interface."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.scalars import with_arrays_only
from liftproof.validation.validate import validate

BY_VALUE = "void f(float a, int n, const float x[8], float y[8]) { {code} }"
BY_ARRAY = "void f(const float a[1], int n, const float x[8], float y[8]) { {code} }"
CODE = "for (int i = 0; i < 8; i++) y[i] = {a} * x[i] + {a};"


@pytest.mark.parametrize(("read", "verdict"), [("a[0]", "proved"), ("(a[0] + x[0])", "refuted")])
def test_a_float_is_read_once_from_an_array(read: str, verdict: str) -> None:
    """The changed kernel computes what one with an array parameter does, and nothing else."""
    text = BY_VALUE.replace("{code}", CODE.replace("{a}", "a"))
    other = BY_ARRAY.replace("{code}", CODE.replace("{a}", read))
    changed = with_arrays_only(parse_c_kernel(text, "a.c"))
    assert validate(changed, parse_c_kernel(other, "b.c")).verdict == verdict


def test_a_result_is_written_to_an_array() -> None:
    """What a kernel returns becomes an array of one element behind its parameters."""
    code = "float s = 1.0f; for (int i = 0; i < 8; i++) s += x[i];"
    returned = parse_c_kernel(f"float f(const float x[8]) {{ {code} return s; }}", "a.c")
    written = parse_c_kernel(f"void f(const float x[8], float z[1]) {{ {code} z[0] = s; }}", "b.c")
    assert validate(with_arrays_only(returned), written).verdict == "proved"


def test_kernels_of_arrays_stay_as_they_are() -> None:
    """A module without float parameters and results is returned itself."""
    module = parse_c_kernel("void f(int n, float x[8]) { x[0] = 1.0f; }", "a.c")
    assert with_arrays_only(module) is module
