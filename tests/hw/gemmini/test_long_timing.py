"""Programs in parts: the same commands and the same counts as of the whole."""

from __future__ import annotations

from functools import cache

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.long_timing import can_be_long, simulate_long
from liftproof.hw.gemmini.lower_bound import bound_program
from liftproof.hw.gemmini.memory import place_arrays
from liftproof.hw.gemmini.rocc import write_rocc
from liftproof.hw.gemmini.timing import Level, simulate_timing, traffic
from liftproof.hw.gemmini.unroll import kernel_function, unroll
from liftproof.hw.gemmini.unroll_parts import unroll_in_parts
from liftproof.hw.stream import CommandStream
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import best_guess, untuned_pipeline
from xdsl.dialects import func

CONFIG = load_config()
PRODUCT = """
typedef signed char i8;
void matmul(const i8 A[{m}][{k}], const i8 B[{k}][{n}], i8 C[{m}][{n}]) {{
  for (int i = 0; i < {m}; i++)
    for (int j = 0; j < {n}; j++) {{
      int sum = 0;
      for (int k = 0; k < {k}; k++) sum += A[i][k] * B[k][j];
      C[i][j] = sum > 127 ? 127 : (sum < -128 ? -128 : sum);
    }}
}}
"""
SUM = """
void add(const signed char A[200], const signed char B[200], signed char C[200]) {
  for (int i = 0; i < 200; i++) {
    int sum = A[i] + B[i];
    C[i] = sum > 127 ? 127 : (sum < -128 ? -128 : sum);
  }
}
"""
KERNELS = {"product": PRODUCT.format(m=34, n=20, k=40), "sum": SUM}


@cache
def program(name: str, schedule: str) -> func.FuncOp:
    """A kernel, lowered untuned or by the best guess."""
    text = str(lift_and_prove(parse_c_kernel(KERNELS[name], "kernel.c")).module)
    pipeline = untuned_pipeline(text) if schedule == "untuned" else best_guess(text)
    return kernel_function(lower(text, parse_pipeline(pipeline)))


PROGRAMS = [("product", "tuned"), ("product", "untuned"), ("sum", "tuned")]


@pytest.mark.parametrize("which", PROGRAMS, ids=str)
@pytest.mark.parametrize("size", [20, 1 << 20])
def test_parts_make_up_the_program(which: tuple[str, str], size: int) -> None:
    """One after the other, the parts are the commands that unrolling gives, with their costs."""
    function = program(*which)
    layout = place_arrays(function)
    parts = list(unroll_in_parts(function, CONFIG, layout, size))
    whole = unroll(function, CONFIG, layout)
    assert write_rocc(CommandStream.joined(parts)) == write_rocc(whole)
    assert (CommandStream.joined(parts).issue_cycles == whole.issue_cycles).all()
    assert len(parts) > len(whole) // (8 * size + 64)


@pytest.mark.parametrize("which", PROGRAMS, ids=str)
@pytest.mark.parametrize("level", ["accelerator", "soc"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_counts_are_those_of_the_whole(which: tuple[str, str], level: Level, warm: bool) -> None:
    """Cycles, causes, traffic and bound do not depend on the parts that are simulated at once."""
    function = program(*which)
    layout = place_arrays(function)
    whole = simulate_timing(unroll(function, CONFIG, layout), CONFIG, level=level, warm=warm)
    cold = level == "soc" and not warm
    for part in (10, 60):
        long = simulate_long(function, CONFIG, layout, level=level, warm=warm, part=part)
        assert long.cycles == whole.cycles
        assert long.units == whole.units
        assert (long.commands, long.cache) == (whole.commands, whole.cache)
        assert long.conflicts == whole.conflicts
        assert long.bound == bound_program(whole.program, CONFIG, cold=cold)
        assert long.traffic == traffic(whole.program, layout)


def test_hardware_loops_are_simulated_as_a_whole() -> None:
    """One command of theirs stands for many, which no part may separate."""
    text = str(lift_and_prove(parse_c_kernel(KERNELS["product"], "kernel.c")).module)
    module = lower(text, parse_pipeline("gemmini-lower-hardware-loops"))
    assert not can_be_long(kernel_function(module))
    assert can_be_long(program("product", "tuned"))
