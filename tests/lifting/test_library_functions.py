"""Functions of the C library have a meaning: they are lifted, proved and told apart."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.c.library import LIBRARY
from liftproof.lifting.c.types import FLOAT
from liftproof.lifting.prove import lift_and_prove
from liftproof.lifting.tensors.describe import describe
from liftproof.validation.validate import validate

UNKNOWN = ("fmaf",)
"""Not lifted: it rounds once where a product and a sum round twice."""
FUNCTIONS = [
    name for name, function in LIBRARY.items() if function.result == FLOAT and name not in UNKNOWN
]


def kernel(function: str) -> str:
    second = ", z[i]" if len(LIBRARY[function].parameters) == 2 else ""
    return f"""
#include <math.h>
void kernel(const float x[4], const float z[4], float y[4]) {{
  for (int i = 0; i < 4; i++) y[i] = {function}(x[i]{second});
}}"""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_lifted(function: str) -> None:
    """Each is a function of its arguments for the validator too."""
    lifted = lift_and_prove(parse_c_kernel(kernel(function), "kernel.c"))
    assert lifted.verdict == "proved", lifted.reason
    assert describe(lifted.module)


def test_functions_are_told_apart() -> None:
    """Equal arguments of different functions are no equal values."""
    source, target = (parse_c_kernel(kernel(name), "kernel.c") for name in ("erff", "tanhf"))
    result = validate(source, target)
    assert result.verdict == "refuted"
    assert result.counterexample is not None
