"""``optimize`` and ``compile`` of kernels with several products."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.passes.statements import SEPARATOR
from liftproof.tools.cli import main
from liftproof.tools.optimize import OptimizeOptions, optimize
from liftproof.validation.decide import decide
from liftproof.validation.validate import PreparedSource, Validation
from xdsl.dialects.builtin import ModuleOp

KERNEL = """#include <stdint.h>
void layers(const int8_t X[20][16], const int8_t V[16][24], const int8_t W[24][8],
            int32_t Y[20][8]) {
  int8_t H[20][24];
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 24; j++) {
      int32_t s = 0;
      for (int k = 0; k < 16; k++) s += X[i][k] * V[k][j];
      H[i][j] = s < 0 ? 0 : s > 127 ? 127 : s;
    }
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 8; j++) {
      Y[i][j] = 0;
      for (int k = 0; k < 24; k++) Y[i][j] += H[i][k] * W[k][j];
    }
}
"""


def test_layers_with_an_array_in_between(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program is proved and computes NumPy's result; its schedule replays to the byte."""
    source = tmp_path / "layers.c"
    source.write_text(KERNEL)
    common = [str(source), "--emit", "mlir,c", "--out"]
    assert main(["optimize", *common, str(tmp_path / "a"), "--budget", "2", "-j", "1"]) == 0
    schedule = (tmp_path / "a" / "schedule.txt").read_text().strip()
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert (report["verdict"], report["pipeline"]) == ("proved", schedule)
    assert main(["compile", *common, str(tmp_path / "b"), "--pipeline", schedule]) == 0
    for name in ("kernel.mlir", "kernel.c"):
        first, second = ((tmp_path / run / name).read_text() for run in "ab")
        assert first == second
    generator = np.random.default_rng(0)
    arrays = {
        name: generator.integers(-9, 9, shape, dtype=np.int8)
        for name, shape in (("X", (20, 16)), ("V", (16, 24)), ("W", (24, 8)))
    }
    np.savez(tmp_path / "in.npz", **arrays)
    files = ["--inputs", str(tmp_path / "in.npz"), "--outputs", str(tmp_path / "out.npz")]
    assert main(["simulate", str(tmp_path / "a" / "kernel.c"), *files]) == 0
    x, v, w = (arrays[name].astype(np.int32) for name in "XVW")
    expected = np.clip(x @ v, 0, 127) @ w
    assert (np.load(tmp_path / "out.npz")["Y"] == expected).all()
    three = " ; ".join([schedule.split(" ; ")[0]] * 3)
    capsys.readouterr()
    assert main(["compile", *common, str(tmp_path / "c"), "--pipeline", three]) == 1
    assert "3 pipelines for 2 products" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_parts_that_are_not_proved_together_are_lowered_untuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two schedules that no proof holds for together, the one that is proved stays."""

    refused: list[str] = []

    def not_the_first(source: PreparedSource, target: ModuleOp, **options: Any) -> Validation:
        found, text = decide(source, target, **options), str(target)
        if "memref.alloc" in text and text in (refused or [text]):
            refused.append(text)
            return replace(found, verdict="unknown", reason="too much")
        return found

    monkeypatch.setattr("liftproof.tools.optimize.decide", not_the_first)
    source = tmp_path / "layers.c"
    source.write_text(re.sub("20|24|16", "8", KERNEL))
    with ThreadPoolExecutor(1) as executor:
        result = optimize(str(source), OptimizeOptions(budget=1), executor)
    first, second = result.best.pipeline.split(SEPARATOR)
    assert len(refused) == 2
    assert "gemmini-tile" in first
    assert "gemmini-tile" not in second
