"""Products of a matrix and a vector: as matrices of one row."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.isa import Funct
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import baseline_pipeline
from liftproof.validation.validate import prepare, validate


@pytest.mark.parametrize("element", ["A[i][k]", "A[k][i]"])
def test_results_are_stored_side_by_side(element: str) -> None:
    """Of 40 results of a product with a vector, three stores take 16, 16 and 8."""
    config = load_config()
    shape = "[40][24]" if element == "A[i][k]" else "[24][40]"
    loops = parse_c_kernel(
        f"""#include <stdint.h>
        void f(const int8_t A{shape}, const int8_t x[24], int32_t y[40]) {{
          for (int i = 0; i < 40; i++) {{
            y[i] = 0;
            for (int k = 0; k < 24; k++) y[i] += {element} * x[k];
          }}
        }}""",
        "f.c",
    )
    lifted = lift_and_prove(loops).module
    program = lower(str(lifted), parse_pipeline(baseline_pipeline(config.name)))
    assert validate(prepare(loops, config), program).verdict == "proved"
    stream, _ = stream_of_module(program, config)
    assert int((stream.funct == Funct.MVOUT).sum()) == 3
