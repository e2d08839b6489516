"""Proofs kept on disk are found again for the same question, and for no other."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.tools.cli import main
from liftproof.validation import proof_cache
from liftproof.validation.core.certificate_json import read_certificate
from liftproof.validation.decide import decide
from liftproof.validation.limits import ValidationOptions
from liftproof.validation.proof_cache import ProofCache, proof_key
from liftproof.validation.recheck import check_certificate
from xdsl.dialects.builtin import ModuleOp

CONFIG = load_config()
LIMITS = ValidationOptions()


def total(subscript: str) -> ModuleOp:
    return parse_c_kernel(_text(subscript), "total.c")


def _text(subscript: str) -> str:
    return f"""#include <stdint.h>
void total(const int8_t a[8][8], int32_t c[8]) {{
    for (int i = 0; i < 8; i++) {{
        int32_t sum = 0;
        for (int k = 0; k < 8; k++) sum += a{subscript};
        c[i] = sum;
    }}
}}"""


def test_a_kept_proof_has_a_certificate_that_holds(tmp_path: Path) -> None:
    """What is found again can be checked without the oracle, and rests on the same assumptions."""
    source, target = total("[i][k]"), total("[i][7 - k]")
    result = decide(source, target, config=CONFIG)
    key = proof_key(source, target, CONFIG, LIMITS)
    assert ProofCache(tmp_path).find(key) is None
    ProofCache(tmp_path).keep(key, result, {})
    kept = ProofCache(tmp_path).find(key)
    assert kept is not None
    assert kept.validation().assumptions == result.assumptions
    check_certificate(source, target, read_certificate(kept.certificate), CONFIG)


def test_every_part_of_the_question_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs, another machine, another limit or another prover: another key."""
    source, target = total("[i][k]"), total("[i][7 - k]")
    machine = replace(CONFIG, name="another")
    keys = [
        proof_key(source, target, CONFIG, LIMITS),
        proof_key(target, source, CONFIG, LIMITS),
        proof_key(source, total("[k][i]"), CONFIG, LIMITS),
        proof_key(source, target, machine, LIMITS),
        proof_key(source, target, CONFIG, replace(LIMITS, resource_limit=1)),
    ]
    monkeypatch.setattr(proof_cache, "prover_digest", lambda: "of another version")
    keys.append(proof_key(source, target, CONFIG, LIMITS))
    assert len(set(keys)) == len(keys)
    monkeypatch.undo()
    assert proof_key(total("[i][k]"), target, CONFIG, LIMITS) == keys[0]


def test_refutations_are_not_kept(tmp_path: Path) -> None:
    """Only what was proved is kept."""
    source, target = total("[i][k]"), total("[k][i]")
    result = decide(source, target, config=CONFIG)
    assert result.verdict == "refuted"
    key = proof_key(source, target, CONFIG, LIMITS)
    ProofCache(tmp_path).keep(key, result, {})
    assert ProofCache(tmp_path).find(key) is None


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_broken_file_is_like_an_empty_one(tmp_path: Path, content: bytes) -> None:
    """A file that is no database, or one without proofs, is no reason to fail."""
    (tmp_path / "proofs.sqlite").write_bytes(content)
    assert ProofCache(tmp_path).find(b"key") is None


def test_a_proof_that_is_no_proof_is_not_used(tmp_path: Path) -> None:
    """An entry that cannot be read is not found."""
    source, target = total("[i][k]"), total("[i][7 - k]")
    key = proof_key(source, target, CONFIG, LIMITS)
    ProofCache(tmp_path).keep(key, decide(source, target, config=CONFIG), {})
    with sqlite3.connect(tmp_path / "proofs.sqlite") as file:
        file.execute("UPDATE proofs SET proof = ?", (b"{}",))
    file.close()
    assert ProofCache(tmp_path).find(key) is None


def test_the_command_line_says_what_was_proved_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second time the proof is found, with the same certificate; not with --no-cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths: list[str] = []
    for name, subscript in (("source", "[i][k]"), ("target", "[i][7 - k]")):
        (tmp_path / f"{name}.c").write_text(_text(subscript))
        paths.append(str(tmp_path / f"{name}.c"))
    texts: list[str] = []
    for options in ([], [], ["--no-cache"]):
        certificate = tmp_path / f"proof{len(texts)}.json"
        assert main(["validate", *paths, "--certificate", str(certificate), *options]) == 0
        texts.append(certificate.read_text())
    assert len(set(texts)) == 1
    assert capsys.readouterr().out.count("proved before") == 1
