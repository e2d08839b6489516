"""Compile what is compiled ahead of time, so that the first command does not wait for it.

Run as ``python -m liftproof.tools.warm_up``; numba keeps the machine code in its cache on disk.
"""

from __future__ import annotations

import numpy as np

from ..hw.gemmini.config import DEFAULT_CONFIG, load_config
from ..hw.gemmini.functional import run
from ..hw.gemmini.random_streams import random_stream
from ..hw.gemmini.timing import simulate_timing
from ..hw.gemmini.unroll import kernel_function
from ..hw.trainium import config as trainium
from ..hw.trainium.timing import simulate_tiles
from ..hw.trainium.timing.stream_program import simulate_streams
from ..lifting.c.frontend import parse_c_kernel
from ..lifting.lift import lift
from ..llm.evaluate import lower, parse_pipeline
from ..passes.pipelines import baseline_pipeline
from ..validation.decide import decide
from ..validation.trace.api import validate_unrolled

COMMANDS = 20
CONFIGS = (DEFAULT_CONFIG, "gemmini-4x4-fp32")
TILES = "trn-lower-rows"
SQUARES = """void squares(const float x[128][16], float y[128][16]) {
  for (int i = 0; i < 128; i++)
    for (int j = 0; j < 16; j++) y[i][j] = x[i][j] * x[i][j];
}"""
KERNEL = """#include <stdint.h>
void product(const int8_t A[16][16], const int8_t B[16][16], int32_t C[16][16]) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++)
      for (int k = 0; k < 16; k++) C[i][j] = (k ? C[i][j] : 0) + A[i][k] * B[k][j];
}"""


def main() -> None:
    """Run each simulator, and the execution of symbolic values, once on a small program."""
    _warm_up_gemmini()
    _warm_up_trainium()


def _warm_up_gemmini() -> None:
    for config in map(load_config, CONFIGS):
        program = random_stream(np.random.default_rng(0), config, COMMANDS)
        simulate_timing(program.stream, config, level="soc")
        run(program.stream, config, program.memory)
    source = parse_c_kernel(KERNEL, "warm_up.c")
    validate_unrolled(source, lower(str(lift(source)), parse_pipeline(baseline_pipeline())))


def _warm_up_trainium() -> None:
    source = parse_c_kernel(SQUARES, "warm_up.c")
    for pipeline in (TILES, f"{TILES},trn-lower-streams"):
        program = lower(str(lift(source)), parse_pipeline(pipeline))
        simulate = simulate_streams if "streams" in pipeline else simulate_tiles
        simulate(kernel_function(program), trainium.load_config("trainium1"))
        decide(source, program)


if __name__ == "__main__":
    main()
