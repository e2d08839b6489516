"""Kernels of several products: split into statements, and their programs joined."""

from __future__ import annotations

import pytest
from liftproof.dialects.gemmini import FenceOp
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import baseline_pipeline, untuned_pipeline
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


RESIDUAL = """int8_t T[6][4][24];
for (int y = 0; y < 6; y++) for (int x = 0; x < 4; x++) for (int c = 0; c < 24; c++) {
  int s = 0;
  for (int k = 0; k < 20; k++) s += A[y][x][k] * W[k][c];
  T[y][x][c] = s > 127 ? 127 : s < -128 ? -128 : s;
}
for (int y = 0; y < 6; y++) for (int x = 0; x < 4; x++) for (int c = 0; c < 24; c++) {
  int v = T[y][x][c] + B[y][x][c];
  C[y][x][c] = v < 0 ? 0 : v > 127 ? 127 : v;
}"""


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [("", "", "proved"), ("{\n  int v = T[y][x][c]", "{\n  int v = T[y][3 - x][c]", "refuted")],
)
def test_a_residual_connection_is_added_to_the_narrow_result(
    old: str, new: str, verdict: str
) -> None:
    """A layer and the sum behind it are statements on arrays with dimensions of their own."""
    loops, other = (
        parse_c_kernel(
            "#include <stdint.h>\nvoid f(const int8_t A[6][4][20], const int8_t W[20][24],"
            f" const int8_t B[6][4][24], int8_t C[6][4][24]) {{ {body} }}",
            "f.c",
        )
        for body in (RESIDUAL, RESIDUAL.replace(old, new))
    )
    lifted = lift_and_prove(loops).module
    statements = split_statements(lifted)
    programs = [
        lower(text, parse_pipeline(untuned_pipeline(text, separate=True)))
        for text in (str(statement.kernel) for statement in statements)
    ]
    joined = join_programs(lifted, statements, programs)
    assert len(statements) == 2
    assert decide(prepare(other, load_config()), joined).verdict == verdict
