"""Chains of products: the engine that executes both programs over expressions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import read_machine_c
from liftproof.validation.chains.expressions import ZERO, Table
from liftproof.validation.chains.prove import validate_chain
from liftproof.validation.core.certificate import ChainCertificate, FlowCertificate
from liftproof.validation.core.certificate_json import certificate_text, read_certificate
from liftproof.validation.core.checker import Violation
from liftproof.validation.decide import decide
from liftproof.validation.recheck import check_certificate
from liftproof.validation.validate import PreparedSource, Validation, prepare

KERNELS = Path(__file__).parent / "kernels"
CONFIG = load_config("gemmini-4x4-fp32")
PROGRAMS = ["fences", "output_stationary", "weight_stationary"]


@cache
def source() -> PreparedSource:
    path = Path(__file__).parents[3] / "examples" / "control" / "forward_pass.c"
    return prepare(parse_c_kernel(path.read_text(), str(path)), CONFIG)


def chain(program: str, old: str = "", new: str = "") -> Validation:
    """Validate a program of the forward pass, with its text changed."""
    text = (KERNELS / f"forward_pass_{program}.c").read_text()
    assert old in text
    return validate_chain(source(), read_machine_c(text.replace(old, new, 1), program, CONFIG))


@pytest.mark.parametrize("program", PROGRAMS)
def test_recurrences_are_proved(program: str) -> None:
    """Products of what products computed, over several time steps, are proved at size."""
    result = chain(program)
    assert result.verdict == "proved", result.reason
    assert any("may be reassociated" in text for text in result.assumptions)


def test_certificates_of_chains() -> None:
    """They say that the source has a meaning; the rest of the proof is executed again."""
    result = chain("fences")
    assert isinstance(result.certificate, ChainCertificate)
    text = certificate_text(result.certificate, {})
    again = read_certificate(text)
    assert certificate_text(again, {}) == text
    right = (KERNELS / "forward_pass_fences.c").read_text()
    target = read_machine_c(right, "fences", CONFIG)
    found = check_certificate(source().module, target, again, CONFIG)
    assert (found.assumptions, found.obligations) == (result.assumptions, result.obligations)
    wrong = read_machine_c(right.replace("ACC(0) | 1 << 30", "ACC(0)", 1), "wrong", CONFIG)
    with pytest.raises(Violation, match="the source has"):
        check_certificate(source().module, wrong, again, CONFIG)
    with pytest.raises(Violation, match="before it is read"):
        check_certificate(source().module, target, ChainCertificate(FlowCertificate()), CONFIG)


WRONG = [
    ("output_stationary", "config_ld(4, -1.0", "config_ld(4, 1.0"),
    ("output_stationary", "XS(p,2), 4, 4, 1, 4);", "XS(p,1), 4, 4, 1, 4);"),
    ("output_stationary", "preload(DS(t)", "preload(DS(0)"),
    ("weight_stationary", "k ? US(p) : DS(t)", "k == 2 ? US(p) : DS(t)"),
    ("weight_stationary", "&x[t+1][4*i], XS(1-p,i)", "&x[t+1][4*i], XS(p,i)"),
    ("fences", "ACC(0) | 1 << 30", "ACC(0)"),
    ("fences", "gemmini_extended_config_st(4, 0, -1.0)", "gemmini_extended_config_st(4, 1, -1.0)"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "old", "new"), WRONG)
def test_wrong_siblings_are_not_proved(program: str, old: str, new: str) -> None:
    """One wrong sign, operand, bias, sum, place, accumulation or activation is noticed."""
    result = chain(program, old, new)
    assert result.verdict == "refuted"
    assert "the source has" in result.reason
    assert result.counterexample is not None


def test_missing_fence_is_a_hazard() -> None:
    """A load of what was stored needs a fence, even where a run in order gives the right sums."""
    result = chain(
        "fences", "gemmini_fence();\n    gemmini_extended_mvin(&u", "gemmini_extended_mvin(&u"
    )
    assert result.verdict == "refuted"
    assert "without a fence" in result.reason


def test_cells_that_nothing_wrote_are_refuted() -> None:
    """A product of scratchpad rows that were never loaded is no program."""
    result = chain(
        "output_stationary",
        "k < 3; k++) gemmini_extended_mvin(",
        "k < 2; k++) gemmini_extended_mvin(",
    )
    assert result.verdict == "refuted"
    assert "nothing has written" in result.reason


def test_decide_uses_the_engine_and_finds_counterexamples() -> None:
    """``decide`` proves a chain, and refutes a wrong one with inputs that show it."""
    text = (KERNELS / "forward_pass_output_stationary.c").read_text()
    right = read_machine_c(text, "right", CONFIG)
    wrong = read_machine_c(text.replace("preload(DS(t)", "preload(DS(0)"), "wrong", CONFIG)
    assert decide(source(), right).verdict == "proved"
    refuted = decide(source(), wrong)
    assert refuted.verdict == "refuted"
    assert refuted.counterexample is not None


def test_negated_terms_of_a_single_sum_are_proved() -> None:
    """What the other engines leave open, one sum of negated products, is asked here too."""
    kernel = """void f(const float A[4][4], const float x[4], float y[4]) {
      for (int i = 0; i < 4; i++) {
        float s = 0.0f;
        for (int j = 0; j < 4; j++) s += A[i][j] * x[j];
        y[i] = -s;
      }
    }"""
    program = """void f(const float A[4][4], const float x[4], float y[4]) {
      gemmini_config_ex(WS, NO_ACTIVATION, 0);
      gemmini_extended_config_ld(16, %s);
      gemmini_extended3_config_ld(4, 1.0, false, 1);
      gemmini_config_st(4);
      gemmini_mvin(A, 0);
      gemmini_extended_mvin2(x, 4096, 1, 4);
      gemmini_extended_preload(4096, 8192, 1, 4, 1, 4);
      gemmini_extended_compute_preloaded(0, GARBAGE_ADDR, 4, 4, 1, 4);
      gemmini_extended_mvout(y, 8192, 1, 4);
      gemmini_fence();
    }"""
    loops = prepare(parse_c_kernel(kernel, "f.c"), CONFIG)
    right, wrong = (read_machine_c(program % scale, "m.c", CONFIG) for scale in ("-1.0", "1.0"))
    assert decide(loops, right).verdict == "proved"
    assert decide(loops, wrong).verdict == "refuted"


def test_normal_form_knows_signs_but_distributes_nothing() -> None:
    """Sums are multisets of signed terms; products are commutative only."""
    table = Table()
    a, b, c = (table.element(0, number) for number in range(3))
    assert table.add(a, table.add(b, c)) == table.add(table.add(c, b), a)
    assert -table.add(a, b) == table.add(-b, -a)
    assert table.multiply(-a, b) == -table.multiply(b, a)
    assert table.add(a, ZERO) == a
    assert table.multiply(a, table.constant(-1.0)) == -a
    assert table.multiply(a, table.add(b, c)) != table.add(
        table.multiply(a, b), table.multiply(a, c)
    )
    assert table.multiply(table.multiply(a, b), c) != table.multiply(a, table.multiply(b, c))
    assert table.add(a, a) != a
    assert table.add(a, -a) != ZERO


LIBRARY = """#include "include/gemmini.h"
#define PRODUCT(M, rows, depth, v, bias, out, sign) \\
  tiled_matmul_auto(rows, 1, depth, (elem_t*)(M), (elem_t*)(v), (acc_t*)(bias), (elem_t*)(out), \\
    depth, 1, 1, 1, 1.0, 1.0, 1.0, 0, sign, 0, false, false, false, false, false, 0, WS)
void forward_pass(const float K[4][12], const float A[12][12], const float B[12][4],
                  const float d[5][4], float x[6][12], float u[5][4]) {
  static float t[12][1];
  for (int i = 0; i < 5; i++) {
    PRODUCT(K, 4, 12, x[i], d[i], u[i], -1.0);
    PRODUCT(A, 12, 12, x[i], NULL, t, 1.0);
    PRODUCT(B, 12, 4, u[i], t, x[i + 1], 1.0);
  }
}"""


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("", "", "proved"),
        ("NULL, t, 1.0", "NULL, t, -1.0", "refuted"),
        ("A, 12", "B, 4", "refuted"),
    ],
)
def test_results_may_lie_in_arrays_of_the_program(old: str, new: str, verdict: str) -> None:
    """Calls of the library, with a result in memory that only the accelerator uses."""
    text = LIBRARY.replace(old, new, 1)
    assert decide(source(), read_machine_c(text, "k.c", CONFIG), config=CONFIG).verdict == verdict


@pytest.mark.parametrize(("fence", "verdict"), [("gemmini_fence();", "proved"), ("", "refuted")])
def test_results_in_own_arrays_need_fences_too(fence: str, verdict: str) -> None:
    """What is stored there may only be loaded behind a fence."""
    plain = "void f(const float x[4], float y[4]) { for (int i = 0; i < 4; i++) y[i] = x[i]; }"
    program = f"""void f(const float x[4], float y[4]) {{
      static float t[4];
      gemmini_config_ld(4);
      gemmini_config_st(4);
      gemmini_extended_mvin(x, 0, 1, 4);
      gemmini_extended_mvout(t, 0, 1, 4);
      {fence}
      gemmini_extended_mvin(t, 8, 1, 4);
      gemmini_extended_mvout(y, 8, 1, 4);
      gemmini_fence();
    }}"""
    target = read_machine_c(program, "f.c", CONFIG)
    found = validate_chain(prepare(parse_c_kernel(plain, "f.c"), CONFIG), target)
    assert found.verdict == verdict
    assert ("hazard" in found.reason) == (verdict == "refuted")
