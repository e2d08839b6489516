"""Certificates of proofs at size: they prove without isl, and prove nothing that is false."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.certificate import SizeCertificate
from liftproof.validation.core.certificate_json import (
    CertificateError,
    certificate_text,
    read_certificate,
)
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.fuzz import parse_module
from liftproof.validation.limits import ValidationOptions
from liftproof.validation.proof_cache import ProofCache, proof_key
from liftproof.validation.recheck import check_certificate
from liftproof.validation.trace.api import validate_unrolled

CONFIG = load_config()
REFUSED = (CertificateError, Violation, Unsupported)

SOURCE = """#include <stdint.h>
void two(const int8_t A[8][8], const int8_t B[8][8], int32_t C[8][8], int8_t D[8][8]) {
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < 8; j++) {
      int32_t sum = 0;
      for (int k = 0; k < 8; k++) sum += A[i][k] * B[k][j];
      C[i][j] = sum;
      D[i][j] = A[i][j];
    }
}"""

TARGET = """
func.func @two(%A: memref<8x8xi8>, %B: memref<8x8xi8>, %C: memref<8x8xi32>, %D: memref<8x8xi8>)
    attributes {"liftproof.outputs" = array<i64: 2, 3>} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  gemmini.config_ex
  gemmini.config_ld {stride = 8 : i64, block_stride = 16 : i64}
  gemmini.config_ld {channel = 1 : i64, stride = 8 : i64, block_stride = 16 : i64}
  %a = gemmini.spad %c0
  %b = gemmini.spad %c16
  %c = gemmini.acc %c0
  %full = gemmini.acc %c0 full
  %none = gemmini.none
  gemmini.mvin %A[%c0, %c0] to %a[%c8, %c8] : memref<8x8xi8>, !gemmini.local<spad>
  gemmini.mvin %B[%c0, %c0] to %b[%c8, %c8] {channel = 1 : i64}
    : memref<8x8xi8>, !gemmini.local<spad>
  gemmini.preload %b[%c8, %c8] to %c[%c8, %c8] : !gemmini.local<spad>, !gemmini.local<acc>
  gemmini.compute_preloaded %a[%c8, %c8], %none[%c16, %c16]
    : !gemmini.local<spad>, !gemmini.local<none>
  gemmini.config_st {stride = 32 : i64}
  gemmini.mvout %full[%c8, %c8] to %C[%c0, %c0] : !gemmini.local<acc>, memref<8x8xi32>
  gemmini.config_st {stride = 8 : i64}
  gemmini.mvout %a[%c8, %c8] to %D[%c0, %c0] : !gemmini.local<spad>, memref<8x8xi8>
  gemmini.fence
  func.return
}"""


def target(*changes: tuple[str, str]) -> Any:
    """The right program, with pieces of its text replaced."""
    text = TARGET
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return parse_module(text)


def source(old: str = "", new: str = "") -> Any:
    return parse_c_kernel(SOURCE.replace(old, new) if old else SOURCE, "two.c")


@pytest.fixture(scope="module")
def text() -> str:
    """The certificate of the right program."""
    proof = validate_unrolled(source(), target())
    assert isinstance(proof.certificate, SizeCertificate), proof.reason
    return certificate_text(proof.certificate, {})


def check(text: str, source: Any, target: Any) -> None:
    check_certificate(source, target, read_certificate(text), CONFIG)


def test_a_certificate_proves_what_the_proof_did(text: str) -> None:
    """What is written is read back as it was, and proves the same in as many obligations."""
    first = validate_unrolled(source(), target())
    certificate = read_certificate(text)
    assert certificate_text(certificate, {}) == text
    again = check_certificate(source(), target(), certificate, CONFIG)
    assert (again.assumptions, again.obligations) == (first.assumptions, first.obligations)


def test_proofs_at_size_are_kept(tmp_path: Path) -> None:
    """The cache of proofs finds them again, with a certificate that holds."""
    proof = validate_unrolled(source(), target())
    key = proof_key(source(), target(), CONFIG, ValidationOptions())
    ProofCache(tmp_path).keep(key, proof, {})
    kept = ProofCache(tmp_path).find(key)
    assert kept is not None
    assert kept.validation().assumptions == proof.assumptions
    check(kept.certificate, source(), target())


@pytest.mark.parametrize(
    ("programs", "reason"),
    [
        (lambda: (source("sum += A[i][k]", "sum += A[k][i]"), target()), "the claimed product"),
        (lambda: (source("k < 8", "k < 7"), target()), "the claimed summands"),
        (
            lambda: (source("C[i][j] = sum", "C[i][j] = -sum"), target()),
            "a value has the claimed shape",
        ),
        (lambda: (source("int8_t D[8][8]", "int8_t D[9][8]"), target()), "not the arrays"),
        (lambda: (source(), target(("%a[%c8, %c8], %none", "%a[%c8, %c0], %none"))), "lacks A"),
        (lambda: (source(), target(("%B[%c0, %c0]", "%A[%c0, %c0]"))), "lacks A.*B"),
        (lambda: (source(), target(("to %D[", "to %B["), ("i64: 2, 3", "i64: 2"))), "writes B"),
        (lambda: (source(), target(("gemmini.fence", ""))), "without a fence"),
        (lambda: (source(), source()), "the core works on arrays"),
        (lambda: (source("int8_t D[8][8]", "int32_t D[8][8]"), target()), "cannot be compared"),
    ],
    ids=[
        "transposed",
        "fewer terms",
        "negated",
        "larger output",
        "nothing multiplied",
        "other operand",
        "input overwritten",
        "no fence",
        "no instructions",
        "other type",
    ],
)
def test_a_certificate_proves_no_other_programs(
    text: str, programs: Callable[[], tuple[Any, Any]], reason: str
) -> None:
    """Where source or target is changed, the reason says what does not hold."""
    with pytest.raises(REFUSED, match=reason):
        check(text, *programs())


def kind(document: Any, output: int = 0) -> Any:
    """The claim about all elements of C or D."""
    return document["outputs"][output]["kinds"][0]


def slots(document: Any, output: int = 0) -> Any:
    """The claims about the slots of their values."""
    return kind(document, output)["values"][0]["slots"]


def product(document: Any) -> Any:
    """The claim about the terms of C."""
    return slots(document)[0][0]


def repeat(document: Any, output: int) -> None:
    slots(document, output)[0] *= 2


def swap(document: Any) -> None:
    for entry, position in zip(document["outputs"], (3, 2), strict=True):
        entry["output"] = position


def scale_equalities(document: Any) -> None:
    """The same claims in numbers that 64 bits do not hold, where twice as much would be zero."""
    claim = product(document)
    claim["equalities"] = [[number << 63 for number in row] for row in claim["equalities"]]
    claim["box"] = [[0, 7]] * 3


def shrink(document: Any) -> None:
    """One term less, in the claim and in its box."""
    claim = product(document)
    claim["inequalities"].append([6, 0, 0, 0, 0, -1])
    claim["box"] = [[0, 6]]


DAMAGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "other element": (lambda d: product(d)["elements"][0].__setitem__(0, 1), "claimed product"),
    "other array": (lambda d: product(d).update(shape="mul(input 0 #0, input 0 #1)"), "form"),
    "other statement": (lambda d: product(d).update(statement="S0"), "the claims name statements"),
    "fewer terms": (shrink, "the claimed summands are those of the source"),
    "more terms": (lambda d: product(d).update(inequalities=[]), "the claimed summands are those"),
    "no terms": (lambda d: slots(d)[0].clear(), "the claimed summands are those"),
    "terms twice": (lambda d: repeat(d, 0), "claimed twice"),
    "element twice": (lambda d: repeat(d, 1), "claimed twice"),
    "no element": (lambda d: slots(d, 1)[0].clear(), "each element has a value"),
    "small box": (lambda d: product(d).update(box=[[0, 6]]), "lie in its box"),
    "empty box": (lambda d: product(d).update(box=[[7, 0]]), "a box of numbers"),
    "endless box": (lambda d: product(d).update(box=[[0, 1 << 70]]), "a box of numbers"),
    "no box": (lambda d: product(d).update(box=[]), "fits the programs"),
    "long numbers": (scale_equalities, "beyond 64 bits"),
    "short row": (lambda d: product(d)["inequalities"][0].pop(), "fits the programs"),
    "empty row": (lambda d: product(d)["inequalities"][0].clear(), "fits the programs"),
    "infinite number": (lambda d: product(d)["box"][0].__setitem__(1, 1e999), "not a certificate"),
    "word for a number": (lambda d: product(d)["box"][0].__setitem__(1, "k"), "not a certificate"),
    "missing slot": (lambda d: slots(d).clear(), "has its claims"),
    "other shape": (lambda d: kind(d).update(shape="input 0"), "has the claimed shape"),
    "some elements": (lambda d: kind(d)["inequalities"].append([6, -1, 0]), "of a claimed kind"),
    "no kinds": (lambda d: d["outputs"][0]["kinds"].clear(), "of a claimed kind"),
    "no value": (lambda d: kind(d)["values"].clear(), "has one value"),
    "part of a value": (
        lambda d: kind(d)["values"][0]["inequalities"].append([6, -1, 0]),
        "of which elements the value is",
    ),
    "missing output": (lambda d: d["outputs"].pop(), "the outputs of the source"),
    "swapped outputs": (swap, "has the claimed shape"),
    "no dataflow": (lambda d: d["source"].clear(), "initialised before it is read"),
    "other version": (lambda d: d.update(version=1), "this version"),
    "other format": (lambda d: d.update(format="liftproof-certificate"), "not a certificate"),
    "no claims": (lambda d: d.pop("outputs"), "not a certificate"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_certificates_are_refused(text: str, name: str) -> None:
    """Each way to damage a claim is refused by the obligation that it violates."""
    document = json.loads(text)
    damage, reason = DAMAGES[name]
    damage(document)
    with pytest.raises(REFUSED, match=reason):
        check(json.dumps(document), source(), target())


def test_truncated_certificates_are_refused(text: str) -> None:
    """A part of a certificate is none."""
    for length in range(0, len(text) - 1, 97):
        with pytest.raises(CertificateError, match="not a certificate"):
            read_certificate(text[:length])


def numbers_in(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all integers in the claims of a JSON certificate."""
    if isinstance(node, int):
        return [path]
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return [
        place
        for key, value in items
        if not isinstance(value, str)
        for place in numbers_in(value, (*path, key))
    ]


def test_changed_claims_never_prove_a_wrong_program_at_size(text: str) -> None:
    """Whatever number is changed, a program that leaves out the last products is not proved."""
    seven = ("%c8 = ", "%c7 = arith.constant 7 : index\n  %c8 = ")
    wrong = target(seven, ("%a[%c8, %c8], %none", "%a[%c8, %c7], %none"))
    places = numbers_in(json.loads(text)["outputs"], ("outputs",))
    assert len(places) > 40
    for place in places[:: len(places) // 12]:
        document = json.loads(text)
        node = document
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = 6 if node[place[-1]] == 7 else 7
        with pytest.raises(REFUSED):
            check(json.dumps(document), source(), wrong)
