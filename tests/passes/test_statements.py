"""Kernels of several products: split into statements, and their programs joined."""

from __future__ import annotations

import pytest
from liftproof.dialects.gemmini import FenceOp
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import baseline_pipeline
from liftproof.passes.statements import Statement, join_programs, split_statements
from liftproof.validation.decide import decide
from liftproof.validation.validate import prepare
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

PRODUCT = """for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) {{
  int s = 0;
  for (int k = 0; k < 8; k++) s += {a}[i][k] * {b}[k][j];
  {out}[i][j] = {value};
}}
"""
SATURATED = "s > 127 ? 127 : s < -128 ? -128 : s"
CHAIN = PRODUCT.format(a="A", b="B", out="T", value=SATURATED) + PRODUCT.format(
    a="T", b="A", out="C", value="s"
)
INDEPENDENT = PRODUCT.format(a="A", b="B", out="C", value="s") + PRODUCT.format(
    a="B", b="A", out="D", value="s"
)


def kernel(body: str, *outputs: str) -> ModuleOp:
    """The loops of a kernel of 8 × 8 arrays; outputs are ``type name``."""
    parameters = ", ".join(
        f"{array}[8][8]" for array in ("const int8_t A", "const int8_t B", *outputs)
    )
    return parse_c_kernel(f"#include <stdint.h>\nvoid f({parameters}) {{ {body} }}", "f.c")


def lowered(statements: tuple[Statement, ...]) -> list[ModuleOp]:
    passes = parse_pipeline(baseline_pipeline("gemmini-16x16-int8"))
    return [lower(str(statement.kernel), passes) for statement in statements]


@pytest.mark.parametrize(
    ("body", "outputs", "facts", "fences"),
    [
        (CHAIN, ["int8_t T", "int32_t C"], [(2, {0, 1}), (3, {0, 2})], 2),
        ("int8_t T[8][8];" + CHAIN, ["int32_t C"], [(3, {0, 1}), (2, {0, 3})], 2),
        (INDEPENDENT, ["int32_t C", "int32_t D"], [(2, {0, 1}), (3, {0, 1})], 1),
    ],
)
def test_joined_programs_are_proved(
    body: str, outputs: list[str], facts: list[tuple[int, set[int]]], fences: int
) -> None:
    """Statements know what they touch; a fence stands between those that depend on each other."""
    config = load_config()
    loops = kernel(body, *outputs)
    lifted = lift_and_prove(loops).module
    statements = split_statements(lifted)
    assert [(each.written, set(each.read)) for each in statements] == facts
    joined = join_programs(lifted, statements, lowered(statements))
    assert sum(isinstance(op, FenceOp) for op in joined.walk()) == fences
    assert decide(prepare(loops, config), joined, config=config).verdict == "proved"


def test_old_contents_are_not_read_too_late() -> None:
    """Where a statement overwrites what a later one reads, the order of the arrays is wrong."""
    body = """for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) {
      int s = 0, t = 0;
      for (int k = 0; k < 8; k++) { s += A[i][k] * B[k][j]; t += A[i][k] * B[k][j]; }
      D[i][j] = C[i][j] + t; C[i][j] = s;
    }"""
    lifted = lift_and_prove(kernel(body, "int32_t C", "int32_t D")).module
    with pytest.raises(PassFailedException, match="old contents of %C"):
        split_statements(lifted)
