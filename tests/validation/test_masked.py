"""Sums in which masks leave nothing of some summands: proved where these are zero, and said so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.certificate import ProofCertificate, SumCertificate
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.masked import ADDS_NOTHING
from liftproof.validation.recheck import check_certificate
from liftproof.validation.validate import validate

KERNEL = """
#include <math.h>
void kernel(const float p[6][6], const float v[6][3], float y[6][3]) {{
  for (int i = 0; i < 6; i++)
    for (int c = 0; c < 3; c++) {{
      float s = 0.0f;
      for (int j = 0; j < {end}; j++) s += {weight} * v[j][c];
      y[i][c] = s;
    }}
}}
"""


@pytest.mark.parametrize(
    ("weight", "masked", "verdict"),
    [
        ("p[i][j]", "(j <= i ? p[i][j] : 0.0f)", "proved"),
        ("expf(p[i][j])", "expf(j <= i ? p[i][j] : -INFINITY)", "proved"),
        ("expf(p[i][j] - 1.0f)", "expf((j <= i ? p[i][j] : -INFINITY) - 1.0f)", "proved"),
        ("(p[i][j] / p[i][0])", "((j <= i ? p[i][j] : 0.0f) / p[i][0])", "proved"),
        ("p[i][j]", "(j < i ? p[i][j] : 0.0f)", "refuted"),
        ("p[i][j]", "(j <= i ? p[i][j] : 1.0f)", "refuted"),
        ("expf(p[i][j])", "expf(j <= i ? p[i][j] : INFINITY)", "refuted"),
        ("expf(p[i][j])", "expf(j <= i ? p[i][j] : 0.0f)", "refuted"),
    ],
)
def test_masked_summands(weight: str, masked: str, verdict: str) -> None:
    """What is masked by 0, or by -inf before exp, adds nothing; no other mask leaves nothing."""
    short = KERNEL.format(end="i + 1", weight=weight)
    programs = (short, KERNEL.format(end="6", weight=masked))
    result = validate(*(parse_c_kernel(text, "kernel.c") for text in programs))
    assert result.verdict == verdict, result.reason
    assert (ADDS_NOTHING in result.assumptions) == (verdict == "proved")


@pytest.mark.parametrize(
    "weight",
    [
        "0.0f * expf(INFINITY + p[i][j])",
        "(p[i][j] * 0.0f) * (p[i][j] + INFINITY)",
        "0.0f * p[i][j] / 0.0f",
        "0.0f * (p[i][j] / 0.0f)",
    ],
)
def test_masks_of_what_is_never_finite_are_none(weight: str) -> None:
    """An assumption that no input meets is not made."""
    programs = (KERNEL.format(end="6", weight=each) for each in ("0.0f * p[i][j]", weight))
    source, target = (parse_c_kernel(text, "kernel.c") for text in programs)
    assert validate(source, target).verdict != "proved"


def test_sums_without_masks_assume_no_more() -> None:
    """A sum in another order lists that masked summands are zero only where some are masked."""
    programs = (KERNEL.format(end="6", weight=weight) for weight in ("p[i][j]", "p[i][j]"))
    source, target = (parse_c_kernel(text, "kernel.c") for text in programs)
    result = validate(source, target)
    assert result.verdict == "proved"
    assert ADDS_NOTHING not in result.assumptions


def test_masked_summands_are_no_partners() -> None:
    """No certificate pairs a summand with one that adds nothing, whose value nobody compares."""
    masked, like_masked, plain = (
        parse_c_kernel(KERNEL.format(end="6", weight=weight), "kernel.c")
        for weight in ("0.0f * p[i][j]", "2.0f * p[i][j]", "p[i][j] * 2.0f")
    )
    honest = validate(like_masked, plain).certificate
    assert isinstance(honest, ProofCertificate)
    ((question, pairs),) = honest.sums.items()
    false = SumCertificate(
        tuple(replace(pair, left=pair.left.replace("2.0", "0.0")) for pair in pairs.forward),
        tuple(replace(pair, right=pair.right.replace("2.0", "0.0")) for pair in pairs.backward),
    )
    certificate = replace(honest, sums={question: false})
    with pytest.raises(Violation, match="a summand that adds nothing is a partner"):
        check_certificate(masked, plain, certificate, load_config())
