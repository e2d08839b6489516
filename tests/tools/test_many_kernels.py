"""``optimize`` with several kernels: one run, one report, a folder for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from liftproof.tools.cli import main

KERNEL = Path(__file__).parents[2] / "examples" / "matmul_1x1x1.c"


def test_each_kernel_has_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object with a report for each kernel, in their order; files in folders of theirs."""
    other = tmp_path / "other.c"
    other.write_text(KERNEL.read_text().replace("multiply", "other"))
    out = tmp_path / "out"
    options = ["--budget", "1", "-j", "1", "--json", "--out", str(out)]
    assert main(["optimize", str(KERNEL), str(other), *options]) == 0
    reports = json.loads(capsys.readouterr().out)["results"]
    assert [report["kernel"] for report in reports] == ["matmul_1x1x1", "other"]
    assert all(report["verdict"] == "proved" for report in reports)
    assert "other(" in (out / "other" / "kernel.c").read_text()
    assert (out / "matmul_1x1x1" / "kernel.c").exists()


def test_kernels_that_would_share_a_folder_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files of the same name would overwrite each other's results."""
    twin = tmp_path / KERNEL.name
    twin.write_text(KERNEL.read_text())
    assert main(["optimize", str(KERNEL), str(twin), "--out", str(tmp_path / "out")]) == 1
    assert "same file name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
