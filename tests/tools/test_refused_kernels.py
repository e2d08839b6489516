"""What a kernel is told that the machine cannot compute, or not as a whole."""

from __future__ import annotations

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import DEFAULT_CONFIG
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.llm.evaluate import Problem
from liftproof.tools.routes import find_route

SUM = """int32_t s = 0;
      for (int k = 0; k < 4; k++) s += a[i][k] * b[k][j];"""
LAYER = """#include <stdint.h>
#include <math.h>
void f(const int8_t a[3][4], const int8_t b[4][5], PARAMETERS) {
  LOCALS
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 5; j++) {
      SUM
      STORE
    }
REST
}""".replace("SUM", SUM)


@pytest.mark.parametrize(
    ("parts", "line", "hint"),
    [
        (("int8_t c[3][5]", "", "c[i][j] = s >> 9 > 127 ? 127 : s >> 9;", ""), 9, "rounds down"),
        (
            ("const float g[5], int8_t c[3][5]", "", "c[i][j] = rintf(s * g[j] * 1e-9f);", ""),
            9,
            "scales of channels",
        ),
        (
            (
                "const int8_t w[5][6], int32_t c[3][6]",
                "int8_t t[3][5];",
                "t[i][j] = s / 512;",
                "  for (int i = 0; i < 3; i++) for (int j = 0; j < 6; j++) { int32_t s = 0;\n"
                "    for (int k = 0; k < 5; k++) s += t[i][k] * w[k][j];\n    c[i][j] = s; }",
            ),
            9,
            "rounds down",
        ),
    ],
)
def test_work_of_the_core_names_the_place_that_writes_the_result(
    parts: tuple[str, str, str, str], line: int, hint: str
) -> None:
    """The line is that of the array which the refused layer writes, also one of the function."""
    text = LAYER
    for name, part in zip(("PARAMETERS", "LOCALS", "STORE", "REST"), parts, strict=True):
        text = text.replace(name, part)
    route = find_route("f.c", parse_c_kernel(text, "f.c"), Problem("", DEFAULT_CONFIG))
    (why,) = (part.why_on_core for part in route.parts if part.why_on_core is not None)
    assert why.location is not None
    assert (why.location.file, why.location.line) == ("f.c", line)
    assert hint in why.hint


def test_products_that_the_array_does_not_form_are_refused() -> None:
    """The core does no products: the diagnostic names the place and what the array multiplies."""
    text = LAYER.replace("int8_t", "int16_t").replace("STORE", "c[i][j] = s;")
    text = text.replace("PARAMETERS", "int32_t c[3][5]").replace("LOCALS", "").replace("REST", "")
    with pytest.raises(Diagnostic, match="multiplies int8") as refused:
        find_route("f.c", parse_c_kernel(text, "f.c"), Problem("", DEFAULT_CONFIG))
    assert refused.value.location is not None
    assert refused.value.location.line == 9
