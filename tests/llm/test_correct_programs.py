"""Correct programs that people wrote, and that our passes emit, are accepted: all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.anonymize import anonymize
from liftproof.llm.check import Task, check
from liftproof.llm.describe import describe
from liftproof.llm.evaluate import Problem, evaluate
from liftproof.llm.proposal import Kind, Proposal
from liftproof.passes.pipelines import best_guess

ROOT = Path(__file__).parents[2]
CONFIG = "gemmini-16x16-int8"
CLIPPED = "sum > 127 ? 127 : sum < -128 ? -128 : sum"
SIZES = {
    "backwards": (48, 48, 48),
    "hardware_loop": (123, 40, 80),
    "lookup_tables": (64, 32, 64),
    "pipelined": (128, 128, 128),
    "ragged_rows": (28, 60, 40),
    "reused_weights": (64, 64, 64),
    "swapped_buffers": (96, 64, 128),
    "toggled": (64, 64, 64),
    "uneven_steps": (80, 16, 32),
    "unrolled": (16, 32, 64),
}
"""Rows, columns and depth of the kernels in ``examples/machine_c`` that are plain products."""
EMITTED = ("matmul_transposed_b_64x96x128", "conv_3x3_stride2_relu_9x9x20x24")


def task_of(text: str, name: str) -> Task:
    """The kernel as models see it."""
    loops = parse_c_kernel(text, name)
    problem = Problem(anonymize(str(lift_and_prove(loops).module)), CONFIG)
    return Task(problem, anonymize(str(loops)), 1 << 20)


def product(m: int, n: int, k: int, bias: bool = False) -> Task:
    """A product of ``m`` by ``k`` and ``k`` by ``n`` bytes, saturated."""
    parameter = f"const int32_t D[{m}][{n}], " if bias else ""
    text = f"""#include <stdint.h>
    void matmul(const int8_t A[{m}][{k}], const int8_t B[{k}][{n}], {parameter}
                int8_t C[{m}][{n}]) {{
      for (int i = 0; i < {m}; i++)
        for (int j = 0; j < {n}; j++) {{
          int32_t sum = {"D[i][j]" if bias else "0"};
          for (int k = 0; k < {k}; k++) sum += A[i][k] * B[k][j];
          C[i][j] = {CLIPPED};
        }}
    }}"""
    return task_of(text, "matmul.c")


def by_hand(name: str) -> str:
    text = (ROOT / "examples" / "machine_c" / f"matmul_{name}.c").read_text()
    if "fence" in text:
        return text
    # A kernel that leaves it to its caller to wait.
    end = text.rindex("}")
    return f"{text[:end]}gemmini_fence();\n{text[end:]}"


@pytest.mark.parametrize("name", SIZES)
def test_hand_written_product_is_accepted_as_c_and_as_ir(name: str) -> None:
    """Whatever style it is written in, a right program is proved; so is the IR it becomes."""
    task = product(*SIZES[name])
    found = check(task, Proposal("c", by_hand(name)))
    assert found.diagnostic == ""
    again = check(task, Proposal("ir", found.program))
    assert (again.diagnostic, again.cycles) == ("", found.cycles)


def test_hand_written_product_with_bias_and_helpers_is_accepted() -> None:
    """Functions, macros and a bias make no difference."""
    assert check(product(64, 64, 64, bias=True), Proposal("c", by_hand("helpers"))).diagnostic == ""


def test_program_that_leaves_the_fence_to_its_caller_is_refused_for_that_alone() -> None:
    """The reason says that only the fence is missing."""
    text = (ROOT / "examples" / "machine_c" / "matmul_reused_weights.c").read_text()
    outcome = check(product(64, 64, 64), Proposal("c", text))
    assert "with a fence at its end the program is proved" in outcome.diagnostic


@pytest.mark.parametrize("name", EMITTED)
def test_emitted_program_is_accepted_in_every_form(name: str) -> None:
    """The best first schedule of a kernel, said as C, as ISA IR and as tile IR."""
    path = ROOT / "examples" / f"{name}.c"
    task = task_of(path.read_text(), path.name)
    pipeline = best_guess(task.problem.tensor_ir, CONFIG)
    found = describe(task.problem, evaluate(task.problem, pipeline))
    forms: list[tuple[Kind, str]] = [("c", found.c), ("ir", found.isa), ("ir", found.tile)]
    outcomes = [check(task, Proposal(kind, text)) for kind, text in forms]
    assert [outcome.diagnostic for outcome in outcomes] == [""] * len(forms)
