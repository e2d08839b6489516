"""Estimates of long programs: near the simulation, exact where nothing is left out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.estimate import Estimate, estimate_timing
from liftproof.hw.gemmini.memory import place_arrays
from liftproof.hw.gemmini.sampling import Role, commands_at_most, period, sample
from liftproof.hw.gemmini.timing import Level, simulate_timing
from liftproof.hw.gemmini.unroll import kernel_function, unroll
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import baseline_pipeline, best_guess
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

CONFIG = load_config()
KERNEL = """#include <stdint.h>
void matmul(const int8_t A[{m}][{k}], const int8_t B[{k}][{n}], int8_t C[{m}][{n}]) {{
  for (int i = 0; i < {m}; i++)
    for (int j = 0; j < {n}; j++) {{
      int32_t sum = 0;
      for (int k = 0; k < {k}; k++) sum += A[i][k] * B[k][j];
      C[i][j] = sum > 127 ? 127 : (sum < -128 ? -128 : sum);
    }}
}}
"""


@cache
def programs(m: int, n: int, k: int) -> tuple[func.FuncOp, ...]:
    """The kernel lowered by its first schedule, by none, and to the hardware's loops."""
    lifted = lift_and_prove(parse_c_kernel(KERNEL.format(m=m, n=n, k=k), "kernel.c"))
    text = str(lifted.module)
    pipelines = [
        best_guess(text),
        baseline_pipeline(),
        "gemmini-lower-hardware-loops{i=2 j=2 k=8}",
    ]
    return tuple(kernel_function(lower(text, parse_pipeline(p))) for p in pipelines)


def both(function: func.FuncOp, level: Level, budget: int) -> tuple[Estimate, int]:
    layout = place_arrays(function)
    stream = unroll(function, CONFIG, layout)
    estimate = estimate_timing(function, CONFIG, layout, level=level, budget=budget)
    return estimate, simulate_timing(stream, CONFIG, level=level).cycles


@pytest.mark.parametrize("level", ["accelerator", "soc"])
@pytest.mark.parametrize("shape", [(512, 256, 256), (1200, 90, 150)], ids=str)
def test_an_estimate_is_near_the_simulation(shape: tuple[int, int, int], level: Level) -> None:
    """A sample of part of the commands is off by less than 1 %, at the edges of tiles too."""
    for function in programs(*shape):
        commands = len(unroll(function, CONFIG))
        most = commands_at_most(function, CONFIG, place_arrays(function))
        estimate, cycles = both(function, level, most // 2)
        assert estimate.sampled < 0.8 * commands
        assert estimate.compute_bound <= cycles
        assert estimate.cycles == pytest.approx(cycles, rel=0.01)


@pytest.mark.parametrize("level", ["accelerator", "soc"])
def test_an_estimate_without_anything_left_out_is_the_simulation(level: Level) -> None:
    """A budget that is large enough gives the count itself."""
    estimate, cycles = both(programs(1200, 90, 150)[0], level, 1 << 20)
    assert estimate.cycles == cycles


@pytest.mark.parametrize("budget", [500, 2000, 8000])
def test_weights_count_every_command(budget: int) -> None:
    """The commands that a sample stands for are exactly those of the program."""
    for function in programs(512, 256, 256):
        found = sample(function, CONFIG, place_arrays(function), budget)
        assert int(np.sum(found.weights)) == len(unroll(function, CONFIG))


def test_marks_open_and_close_each_loop_in_turn() -> None:
    """Each time a cut loop runs it has a first, a middle and a last part, in order."""
    function = programs(512, 256, 256)[0]
    marks = sample(function, CONFIG, place_arrays(function), 2000).marks
    assert marks
    for loop in {mark.loop for mark in marks}:
        roles = [mark.role for mark in marks if mark.loop == loop]
        assert roles == list(Role) * (len(roles) // len(Role))
    assert [mark.position for mark in marks] == sorted(mark.position for mark in marks)


def test_the_period_of_a_loop_is_that_of_its_phases() -> None:
    """Remainders of sums, multiples and quotients of the loop's variable repeat together."""
    module = Parser(
        new_context(),
        """
        func.func @f(%zero: index) {
          %0 = arith.constant 0 : index
          %1 = arith.constant 1 : index
          %2 = arith.constant 2 : index
          %4 = arith.constant 4 : index
          %48 = arith.constant 48 : index
          scf.for %i = %0 to %48 step %2 {
            %next = arith.addi %i, %1 : index
            %phase = arith.remsi %next, %4 : index
            %half = arith.floordivsi %next, %2 : index
            %part = arith.remsi %half, %4 : index
          }
          func.return
        }
        """,
    ).parse_module()
    assert isinstance(module, ModuleOp)
    (loop,) = (op for op in module.walk() if isinstance(op, scf.ForOp))
    assert period(loop) == 4
