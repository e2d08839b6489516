"""Streams of Trainium on the command line: ``--emit isa``, ``validate``, ``liftproof-opt``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from liftproof.tools.cli import main
from liftproof.tools.opt import main as opt

KERNEL = """
void matmul(const float A[200][140], const float B[140][64], float C[200][64]) {
  for (int i = 0; i < 200; i++)
    for (int j = 0; j < 64; j++) {
      float s = 0.0f;
      for (int k = 0; k < 140; k++) s += A[i][k] * B[k][j];
      C[i][j] = s;
    }
}
"""
SQUARES = """
void squares(const float x[640][48], float y[640][48]) {
  for (int i = 0; i < 640; i++)
    for (int j = 0; j < 48; j++) y[i][j] = x[i][j] * x[i][j];
}
"""
TO_STREAMS = "lift-loops,trn-lower-rows,trn-lower-streams"
Mutate = Callable[[str], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two kernels, one of them as streams too."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "matmul.c").write_text(KERNEL)
    (folder / "squares.c").write_text(SQUARES)
    source, target = str(folder / "squares.c"), str(folder / "squares.mlir")
    opt([source, "-p", TO_STREAMS, "-o", target, "--validate-each", "--config", "trainium2"])
    return folder


def test_proven_streams_are_written(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report has their time, which the simulator repeats; the file proves again."""
    monkeypatch.chdir(folder)
    arguments = ["--pipeline", "trn-lower-matmul", "--config", "trainium1", "--emit", "isa"]
    assert main(["compile", "matmul.c", *arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["streams"]["cycles"] >= report["lower_bound_cycles"]
    assert "out/matmul/kernel.isa.mlir" in report["files"]
    assert main(["validate", "matmul.c", "out/matmul/kernel.isa.mlir"]) == 0
    capsys.readouterr()
    command = ["simulate", "out/matmul/kernel.isa.mlir", "--config", "trainium1", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["cycles"] == report["streams"]["cycles"]


def without(pattern: str) -> Mutate:
    """Leave out the first line that matches."""
    return lambda text: re.sub(rf"^.*{pattern}.*\n", "", text, count=1, flags=re.MULTILINE)


def replaced(pattern: str, text: str) -> Mutate:
    return lambda program: re.sub(pattern, text, program, count=1)


def swapped(text: str) -> str:
    """The first wait stands behind what it is for."""
    return re.sub(r"( *trn\.wait [^\n]*\n)([^\n]*\n)", r"\2\1", text, count=1)


@pytest.mark.parametrize(
    ("name", "mutate", "rule"),
    [
        ("a dropped wait", without("trn.wait"), "race"),
        ("a dropped inc", without("trn.inc"), "unsatisfiable wait"),
        ("a wrong count", replaced("by %c1", "by %c2"), "race"),
        ("a swapped order", swapped, "race"),
        ("a buffer used too early", replaced(r"(remui %\w+), %c2", r"\1, %c1"), "race"),
        ("a buffer past the end", replaced("offset 0 ", "offset 212900 "), "capacity"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_mutants_are_refuted(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    mutate: Mutate,
    rule: str,
) -> None:
    """The verdict is refuted, with the rule, both instructions and where they stand."""
    text = (folder / "squares.mlir").read_text()
    mutant = folder / f"{name.replace(' ', '_')}.mlir"
    mutant.write_text(mutate(text))
    assert mutant.read_text() != text
    source, config = str(folder / "squares.c"), ["--config", "trainium2", "--json"]
    assert main(["validate", source, str(mutant), *config]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["reason"].startswith(f"hazard: {rule}")
    assert report["reason"].count(f"{mutant.name}:") >= 1
    assert len(re.findall(r"'(?:%\w+ = )?trn\.\w+", report["reason"])) == 2


def test_the_machine_decides_about_capacity(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fits the SBUF of one NeuronCore may be too much for another's."""
    text = (folder / "squares.mlir").read_text().replace("offset 0 ", "offset 190000 ")
    (folder / "high.mlir").write_text(text)
    command = ["validate", str(folder / "squares.c"), str(folder / "high.mlir"), "--config"]
    assert main([*command, "trainium2"]) == 0
    assert main([*command, "trainium1"]) == 1
    assert "capacity" in capsys.readouterr().out
