"""Programs that cannot be called with the same arguments are not compared."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp

KERNEL = (
    "#include <stdint.h>\nvoid f({x} x[8], {y} y[8]) {{ for (int i = 0; i < 8; i++) y[i] = {v}; }}"
)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"x": "const int16_t"}, "parameter x: the source takes an array of i8"),
        ({"x": "const float"}, "an array of f32"),
        ({"y": "int64_t"}, "parameter y"),
    ],
)
def test_other_element_types_are_named(other: dict[str, str], named: str) -> None:
    """A parameter of another element type makes programs incomparable, whatever they compute."""
    types = {"x": "const int8_t", "y": "int32_t", "v": "0"}
    source = parse_c_kernel(KERNEL.format(**types), "f.c")
    result = validate(source, parse_c_kernel(KERNEL.format(**(types | other)), "f.c"))
    assert result.verdict == "unknown"
    assert "cannot be compared" in result.reason
    assert named in result.reason


def test_signs_of_parameters_are_no_difference() -> None:
    """Integers of one width are the same parameter: signs are in the operations."""
    types = {"x": "const int8_t", "y": "int32_t", "v": "x[i] & 1"}
    source = parse_c_kernel(KERNEL.format(**types), "f.c")
    other = types | {"x": "const uint8_t"}
    assert validate(source, parse_c_kernel(KERNEL.format(**other), "f.c")).verdict == "proved"


@pytest.mark.parametrize("other", ["int8_t", "uint8_t", "int64_t"])
def test_numbers_of_other_widths_are_other_numbers(other: str) -> None:
    """What does not fit the narrower one is not the same number in both programs."""

    def kernel(type: str) -> ModuleOp:
        loop = "for (int i = 0; i < 8; i++) y[i] = i < n ? 1 : 0;"
        return parse_c_kernel(
            f"#include <stdint.h>\nvoid f({type} n, int y[8]) {{ {loop} }}", "f.c"
        )

    assert validate(kernel("int"), kernel("int32_t")).verdict == "proved"
    result = validate(kernel("int"), kernel(other))
    assert "parameter n: the source takes a number of type i32" in result.reason
