"""A pipeline that cannot be run is refused before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.tools.cli import main

KERNEL = """
void relu(const float x[8], float y[8]) {
  for (int i = 0; i < 8; i++) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}"""


@pytest.mark.parametrize(
    ("target", "pipeline", "said"),
    [
        ("gemmini", "gemmini-tyle", "did you mean gemmini-tile?"),
        ("gemmini", "gemmini-tile{", "Expected argument name here"),
        ("gemmini", "gemmini-tile{size=2}", "options: i, j, k"),
        ("gemmini", "gemmini-lower-linalg ; nothing-at-all", "there is no pass nothing-at-all"),
        ("gemmini", "", "names no pass"),
        ("trainium", "trn-lower-row", "did you mean trn-lower-rows?"),
        ("trainium", "trn-lower-rows,trn-lower-rows", "not a schedule for Trainium"),
    ],
)
def test_pipelines_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, pipeline: str, said: str
) -> None:
    """The diagnostic names what is wrong, and nothing is written."""
    kernel = tmp_path / "relu.c"
    kernel.write_text(KERNEL)
    out = tmp_path / "out"
    options = ["--target", target, "--pipeline", pipeline, "--out", str(out)]
    assert main(["compile", str(kernel), *options]) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_sizes_that_are_no_numbers_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trainium's tiles need numbers."""
    kernel = tmp_path / "relu.c"
    kernel.write_text(
        KERNEL.replace("const float x[8], float y[8]", "int n, float x[n], float y[n]")
    )
    kernel.write_text(kernel.read_text().replace("i < 8", "i < n"))
    assert (
        main(["optimize", str(kernel), "--target", "trainium", "--out", str(tmp_path / "o")]) == 1
    )
    error = capsys.readouterr().err
    assert "x has a size that is no number" in error
    assert "#define N 64" in error
