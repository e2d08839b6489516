"""Pooling stores of unrolled programs: certificates, changed programs, and the order of rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.certificate_json import certificate_text, read_certificate
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.fuzz import parse_module
from liftproof.validation.recheck import check_certificate
from liftproof.validation.trace.api import validate_unrolled

CONFIG = load_config()
SOURCE = """#include <stdint.h>
void conv_pool(const int8_t X[5][5][8], const int8_t W[8][12], const int32_t B[12],
               int8_t Y[2][2][12]) {
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++)
      for (int c = 0; c < 12; c++) {
        int m = START;
        for (int r = 0; r < 3; r++)
          for (int s = 0; s < 3; s++) {
            int32_t sum = B[c];
            for (int k = 0; k < 8; k++) sum += X[2 * i + r][2 * j + s][k] * W[k][c];
            int8_t x = sum < 0 ? 0 : sum > 127 ? 127 : sum;
            if (x > m) m = x;
          }
        Y[i][j][c] = m;
      }
}"""
TARGET = """
func.func @conv_pool(%X: memref<5x5x8xi8>, %W: memref<8x12xi8>, %B: memref<12xi32>,
    %Y: memref<2x2x12xi8>) attributes {"liftproof.outputs" = array<i64: 3>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %c8 = arith.constant 8 : index
  %c12 = arith.constant 12 : index
  %c16 = arith.constant 16 : index
  %add = arith.constant true
  %none = gemmini.none
  gemmini.config_ex
  gemmini.config_ld {channel = 0 : i64, stride = 8 : i64, block_stride = 16 : i64}
  gemmini.config_ld {channel = 1 : i64, stride = 12 : i64, block_stride = 16 : i64}
  gemmini.config_ld {channel = 2 : i64, stride = 0 : i64, block_stride = 16 : i64}
  gemmini.config_st {stride = 12 : i64, activation = #gemmini<activation relu>,
    pool_stride = 2 : i64, pool_size = 3 : i64, pool_out_dim = 2 : i64, pool_rows = 2 : i64,
    pool_cols = 2 : i64, out_rows = 5 : i64, out_cols = 5 : i64}
  %w = gemmini.spad %c0
  gemmini.mvin %W[%c0, %c0] to %w[%c8, %c12] {channel = 1 : i64}
    : memref<8x12xi8>, !gemmini.local<spad>
  scf.for %y = %c0 to %c5 step %c1 {
    %row = arith.muli %y, %c5 : index
    %at = arith.addi %row, %c16 : index
    %a = gemmini.spad %at
    gemmini.mvin %X[%y, %c0, %c0] to %a[%c5, %c8] : memref<5x5x8xi8>, !gemmini.local<spad>
    %d = gemmini.acc %row
    gemmini.mvin %B[%c0] to %d[%c5, %c12] {channel = 2 : i64}
      : memref<12xi32>, !gemmini.local<acc>
    %t = gemmini.acc %row accumulate %add
    gemmini.preload %w[%c8, %c12] to %t[%c5, %c12] : !gemmini.local<spad>, !gemmini.local<acc>
    gemmini.compute_preloaded %a[%c5, %c8], %none[%c5, %c12]
      : !gemmini.local<spad>, !gemmini.local<none>
  }
  %s = gemmini.acc %c0
  gemmini.mvout %s[%c1, %c12] to %Y[%c0, %c0, %c0] : !gemmini.local<acc>, memref<2x2x12xi8>
  gemmini.fence
  func.return
}"""
Change = tuple[str, str]


def source(old: str = "START", new: str = "-128", start: str = "-128") -> Any:
    return parse_c_kernel(SOURCE.replace(old, new).replace("START", start), "conv.c")


def target(old: str = "", new: str = "") -> Any:
    assert old in TARGET
    return parse_module(TARGET.replace(old, new) if old else TARGET)


@pytest.fixture(scope="module")
def text() -> str:
    """The certificate of the right program."""
    proof = validate_unrolled(source(), target())
    assert proof.certificate is not None, proof.reason
    return certificate_text(proof.certificate, {})


@pytest.mark.parametrize("start", ["-128", "0", "-5000"])
def test_numbers_short_of_the_values_do_not_matter(start: str) -> None:
    """With ReLU a maximum may start from any number that is not above 0."""
    assert validate_unrolled(source(start=start), target()).verdict == "proved"


@pytest.mark.parametrize(
    "change",
    [
        ("k < 8", "k < 7"),
        ("s < 3", "s < 2"),
        ("r < 3", "r < 2"),
        ("[2 * i + r", "[2 * i + 2 - r"),
        ("sum < 0 ? 0", "sum < -128 ? -128"),
        ("START", "1"),
        ("x > m", "x < m"),
        ("B[c]", "0"),
    ],
    ids=str,
)
def test_other_kernels_are_not_proved(change: Change) -> None:
    """Fewer values, other values or another start are refuted; their order does not matter."""
    result = validate_unrolled(source(*change), target())
    assert result.verdict == {"2 - r": "proved", "x < m": "unknown"}.get(change[1][-5:], "refuted")


@pytest.mark.parametrize(
    "change",
    [
        ("pool_size = 3", "pool_size = 2"),
        ("out_cols = 5", "out_cols = 4"),
        ("%X[%y", "%X[%c0"),
        ("%row accumulate %add", "%row"),
        ("activation relu", "activation none"),
        ("%c0 to %c5", "%c1 to %c5"),
    ],
    ids=str,
)
def test_other_programs_are_refuted(change: Change) -> None:
    """What is pooled, and of which sums, is compared value by value."""
    assert validate_unrolled(source(), target(*change)).verdict == "refuted"


def test_rows_of_an_image_are_not_reloaded_too_early() -> None:
    """A pooling store reads all rows of its image: what overwrites one of them waits for it."""
    again = """
  %B0 = gemmini.acc %c16
  gemmini.mvin %B[%c0] to %B0[%c5, %c12] {channel = 2 : i64}
    : memref<12xi32>, !gemmini.local<acc>
  gemmini.fence"""
    assert validate_unrolled(source(), target("\n  gemmini.fence", again)).verdict == "proved"


def test_a_certificate_proves_what_the_proof_did(text: str) -> None:
    """What is written is read back as it was, and proves the same."""
    certificate = read_certificate(text)
    assert certificate_text(certificate, {}) == text
    assert check_certificate(source(), target(), certificate, CONFIG).obligations > 10


def window(document: Any) -> Any:
    """The claim about the values that the loops over windows form the maximum of."""
    return next(v for v in document["outputs"][0]["kinds"][0]["values"] if v["counters"])


def values(document: Any) -> Any:
    return document["outputs"][0]["kinds"][0]["values"]


DAMAGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no values": (lambda d: values(d).clear(), "formed of is claimed"),
    "no window": (lambda d: values(d).remove(window(d)), "formed of is claimed"),
    "smaller window": (
        lambda d: window(d)["inequalities"].append([1, -1, 0, 0, 0, 0]),
        "formed of is claimed",
    ),
    "larger window": (
        lambda d: window(d).update(inequalities=[], box=[[0, 3], [0, 2]]),
        "formed of each claimed value",
    ),
    "other point": (lambda d: window(d)["point"][0].__setitem__(0, 1), "formed of is claimed"),
    "other statement": (lambda d: window(d).update(statement="S0"), "name statements"),
    "other shape": (lambda d: window(d).update(shape="input 0 #0"), "is claimed"),
    "other counters": (lambda d: window(d)["counters"].__setitem__(0, 0), "formed of is claimed"),
    "no such counter": (lambda d: window(d)["counters"].__setitem__(0, 9), "are dimensions"),
    "negative counter": (lambda d: window(d)["counters"].__setitem__(0, -1), "are dimensions"),
    "counter more": (lambda d: window(d)["counters"].append(0), "fits the programs"),
    "small box": (lambda d: window(d).update(box=[[0, 1], [0, 2]]), "lie in its box"),
    "no box": (lambda d: window(d)["box"].pop(), "fits the programs|has its bounds"),
    "other element": (
        lambda d: window(d)["slots"][0][0]["elements"][0].__setitem__(0, 1),
        "claimed product|is the claimed one",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_claims_about_windows_are_refused(text: str, name: str) -> None:
    """Each way to damage a claim is refused by the obligation that it violates."""
    document = json.loads(text)
    damage, reason = DAMAGES[name]
    damage(document)
    with pytest.raises((Violation, Unsupported), match=reason):
        check_certificate(source(), target(), read_certificate(json.dumps(document)), CONFIG)
