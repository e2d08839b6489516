"""Arrays whose elements only change places: copies, transposes, and numbers that repeat."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import untuned_pipeline
from liftproof.passes.statements import join_programs, split_statements
from liftproof.validation.validate import prepare, validate

ALL = "for (int i = 0; i < 5; i++) for (int j = 0; j < 37; j++)"
KERNELS = {
    "a copy": f"void f(const int8_t x[5][37], int8_t y[5][37]) {{ {ALL} y[i][j] = x[i][j]; }}",
    "a transpose": f"void f(const int8_t x[37][5], int8_t y[5][37]) {{ {ALL} y[i][j] = x[j][i]; }}",
    "channels first": f"""void f(const int32_t x[37][2][5], int32_t y[2][5][37]) {{
        for (int c = 0; c < 2; c++) {ALL} y[c][i][j] = x[j][c][i]; }}""",
    "a bias for each row": f"""
        void f(const int8_t a[5][3], const int8_t b[3][37], const int32_t d[5], int32_t y[5][37]) {{
          {ALL} {{ int32_t s = d[i]; for (int k = 0; k < 3; k++) s += a[i][k] * b[k][j];
            y[i][j] = s; }} }}""",
}


@pytest.mark.parametrize("name", KERNELS)
def test_elements_that_change_places_are_lowered_and_proved(name: str) -> None:
    """Loads and stores of one column take them, also where sums start from them."""
    config = load_config()
    loops = parse_c_kernel("#include <stdint.h>\n" + KERNELS[name], "f.c")
    lifted = lift_and_prove(loops).module
    statements = split_statements(lifted)
    assert (len(statements) > 1) == ("bias" in name)
    parts = [str(each.kernel) for each in statements] if len(statements) > 1 else [str(lifted)]
    programs = [lower(text, parse_pipeline(untuned_pipeline(text, config.name))) for text in parts]
    program = join_programs(lifted, statements, programs) if len(parts) > 1 else programs[0]
    assert validate(prepare(loops, config), program).verdict == "proved"
