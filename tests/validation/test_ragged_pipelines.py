"""Schedules of ragged sizes: phases, blocks and edges that do not divide each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel, read_c_kernel
from liftproof.lifting.lift import lift
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import TO_INSTRUCTIONS, baseline_pipeline
from liftproof.validation.validate import validate

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEDULE = (
    'gemmini-lower-linalg,gemmini-tile{{i={} j={} k={}}},gemmini-stage{{operand="c" loop="jo"}},'
    'gemmini-interchange{{order="ko","k","j","i"}},gemmini-stage{{operand="a" loop="ko"}},'
    'gemmini-stage{{operand="b" loop="ko"}},gemmini-widen-moves,'
    'gemmini-double-buffer{{operand="c"}},gemmini-sink{{loop="ko"}},'
    'gemmini-double-buffer{{operand="a"}},gemmini-double-buffer{{operand="b"}},'
    'gemmini-interleave{{loop="j"}},gemmini-peel{{loop="i"}},' + TO_INSTRUCTIONS
)


@pytest.mark.parametrize("block", [(7, 4, 4), (4, 4, 4)])
def test_double_buffered_blocks_with_edges_are_proved(block: tuple[int, int, int]) -> None:
    """Three chunks of K in two phases: the counter of both loops has no common digits."""
    loops = read_c_kernel(EXAMPLES / "matmul_bias_relu_scale_100x75x130.c")
    target = lower(str(lift(loops)), parse_pipeline(SCHEDULE.format(*block)))
    result = validate(loops, target)
    assert result.verdict == "proved", result.reason


BOTH_TRANSPOSED = """#include <stdint.h>
void kernel(const int8_t A[40][20], const int8_t B[24][40], int8_t C[20][24]) {
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 24; j++) {
      int32_t acc = 0;
      for (int k = 0; k < 40; k++) acc += A[k][i] * B[j][k];
      C[i][j] = acc > 127 ? 127 : acc < -128 ? -128 : acc;
    }
}"""


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULE.format(1, 2, 3).replace('gemmini-peel{loop="i"},', ""),
        baseline_pipeline(),
    ],
)
def test_output_stationary_products_are_proved(schedule: str) -> None:
    """What leaves the array is clipped to 20 bits, which the sum of one tile cannot exceed."""
    loops = parse_c_kernel(BOTH_TRANSPOSED, "both_transposed.c")
    target = lower(str(lift(loops)), parse_pipeline(schedule))
    assert "dataflow os" in str(target)
    result = validate(loops, target)
    assert result.verdict == "proved", result.reason
