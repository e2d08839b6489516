"""``liftproof optimize --target trainium``: the contract's report, files that replay, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from liftproof.tools.cli import main

KERNEL = """
void matmul(const float A[200][140], const float B[140][300], float C[200][300]) {
  for (int i = 0; i < 200; i++)
    for (int j = 0; j < 300; j++) {
      float s = 0.0f;
      for (int k = 0; k < 140; k++) s += A[i][k] * B[k][j];
      C[i][j] = s;
    }
}
"""
KEYS = [
    *("kernel", "target", "config", "verdict", "baseline_cycles", "best_cycles"),
    *("lower_bound_cycles", "utilization", "pipeline", "evaluated", "rejected", "seconds", "files"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a kernel; the current folder of the test."""
    (tmp_path / "matmul.c").write_text(KERNEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_report_and_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report has the contract's keys; its files prove, time and compile to the same again."""
    assert main(["optimize", "matmul.c", "--target", "trainium", "--budget", "6", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [key for key in KEYS if key not in report] == []
    assert (report["target"], report["config"], report["verdict"]) == (
        "trainium",
        "trainium1",
        "proved",
    )
    assert report["lower_bound_cycles"] <= report["best_cycles"] <= report["baseline_cycles"]
    assert 0 < report["kernel_bound_cycles"] <= report["lower_bound_cycles"]
    assert all((folder / name).is_file() for name in report["files"])
    assert main(["validate", "matmul.c", "out/matmul/kernel.py"]) == 0
    simulate = ["simulate", "--config", "trainium1", "--timing-only", "--json"]
    for name in ("kernel.py", "kernel.mlir"):
        capsys.readouterr()
        assert main([*simulate, f"out/matmul/{name}"]) == 0
        assert json.loads(capsys.readouterr().out)["cycles"] == report["best_cycles"]
    again = ["--config", "trainium1", "--out", "again", "--json"]
    assert main(["compile", "matmul.c", "--pipeline", report["pipeline"], *again]) == 0
    assert json.loads(capsys.readouterr().out)["best_cycles"] == report["best_cycles"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "trainium", "--config", "gemmini-16x16-int8"], "is of gemmini"),
        (["--target", "trainium", "--emit", "c"], "choose from mlir, nki, isa"),
        (["--config", "gemmini-16x16-int8", "--emit", "nki"], "choose from mlir, c, rocc"),
    ],
)
def test_options_that_contradict_are_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """A diagnostic, and nothing is written."""
    assert main(["optimize", "matmul.c", *arguments]) != 0
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("element", "value", "said"),
    [
        ("int", "a[i] * 3", "kernel.c:2:6: error: cannot be lowered: a is an array of integers"),
        ("float", "coshf(a[i])", "trn-lower-rows: `math.cosh` has no instruction"),
    ],
)
def test_kernels_out_of_reach_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str], element: str, value: str, said: str
) -> None:
    """The place of the kernel, and what is not lowered, or why no lowering applies."""
    text = f"#include <math.h>\nvoid f(const {element} a[8], {element} b[8]) {{\n"
    text += f"  for (int i = 0; i < 8; i++) b[i] = {value};\n}}\n"
    (folder / "kernel.c").write_text(text)
    assert main(["optimize", "kernel.c", "--target", "trainium"]) == 1
    assert said in capsys.readouterr().err
