"""``liftproof simulate`` with a Trainium configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.tools.cli import main

ISA = Path(__file__).parents[1] / "filecheck/dialects/trn/isa.mlir"

# y = x · 2 in bf16, 40 rows in tiles of 32.
SCALE = """
func.func @scale(%x : memref<40x16xbf16>, %y : memref<40x16xf32>) {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %c40 = arith.constant 40 : index
  scf.for %i = %c0 to %c40 step %c32 {
    %left = arith.subi %c40, %i : index
    %rows = arith.minsi %left, %c32 : index
    %tile = memref.alloc() : memref<32x16xbf16, #trn<space sbuf>>
    %result = memref.alloc() : memref<32x16xf32, #trn<space sbuf>>
    %xv = trn.view %x[%i, 0] sizes(%rows) : memref<40x16xbf16> to !trn.view<hbm, ?x16xbf16>
    %yv = trn.view %y[%i, 0] sizes(%rows) : memref<40x16xf32> to !trn.view<hbm, ?x16xf32>
    %t = trn.view %tile[0, 0] sizes(%rows)
      : memref<32x16xbf16, #trn<space sbuf>> to !trn.view<sbuf, ?x16xbf16>
    %r = trn.view %result[0, 0] sizes(%rows)
      : memref<32x16xf32, #trn<space sbuf>> to !trn.view<sbuf, ?x16xf32>
    trn.dma_copy %xv to %t : !trn.view<hbm, ?x16xbf16>, !trn.view<sbuf, ?x16xbf16>
    trn.tensor_scalar multiply %t to %r {immediate0 = 2.0 : f32}
      : !trn.view<sbuf, ?x16xbf16>, !trn.view<sbuf, ?x16xf32>
    trn.dma_copy %r to %yv : !trn.view<sbuf, ?x16xf32>, !trn.view<hbm, ?x16xf32>
  }
  func.return
}
"""


@pytest.fixture
def scale(tmp_path: Path) -> Path:
    path = tmp_path / "scale.mlir"
    path.write_text(SCALE, encoding="utf-8")
    return path


def simulate(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["simulate", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_tile_program_is_timed_and_run(
    scale: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arrays come from files (bf16 as float32) and go to files; no count is below its bound."""
    x = np.arange(640, dtype=np.float32).reshape(40, 16) / 8
    inputs, outputs = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(inputs, x=x)
    arguments = ["--config", "trainium1", "--inputs", str(inputs), "--outputs", str(outputs)]
    status, out, _ = simulate(capsys, str(scale), *arguments, "--json")
    report: dict[str, Any] = json.loads(out)
    assert status == 0
    assert report["cycles"] >= report["lower_bound_cycles"] > 0
    assert set(report["outputs"]) == {"x", "y"}
    with np.load(outputs) as found:
        np.testing.assert_array_equal(found["y"], 2 * found["x"])
        np.testing.assert_allclose(found["x"], x, rtol=2**-8)


def test_the_same_seed_gives_the_same_outputs(
    scale: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arrays that are not given are random, from the seed."""
    runs = [
        simulate(capsys, str(scale), "--config", "trainium2", "--seed", seed, "--json")
        for seed in ("1", "1", "2")
    ]
    digests = [json.loads(out)["outputs"]["y"]["sha256"] for _, out, _ in runs]
    assert digests[0] == digests[1] != digests[2]


def test_streams_are_timed_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The ISA level has cycles, a timeline, and outputs."""
    trace = tmp_path / "trace.json"
    arguments = ["--config", "trainium1", "--trace", str(trace), "--json"]
    status, out, _ = simulate(capsys, str(ISA), *arguments)
    report = json.loads(out)
    assert status == 0
    assert report["cycles"] >= report["lower_bound_cycles"] > 0
    assert set(report["outputs"]) == {"A", "B", "C"}
    bars = [bar["name"] for bar in json.loads(trace.read_text())["traceEvents"]]
    assert "mult_moving" in bars


def test_an_illegal_access_has_a_place(scale: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A read of memory that nothing wrote is a diagnostic with line and column, and status 1."""
    text = SCALE.replace(
        "trn.dma_copy %xv to %t : !trn.view<hbm, ?x16xbf16>, !trn.view<sbuf, ?x16xbf16>", ""
    )
    scale.write_text(text, encoding="utf-8")
    status, _, err = simulate(capsys, str(scale), "--config", "trainium1")
    assert status == 1
    assert "scale.mlir:18:5: error: trn.tensor_scalar: reads uninitialised memory" in err


def test_an_unknown_machine_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of both machines are listed; a file says which machine it describes."""
    status, _, err = simulate(capsys, "x.mlir", "--config", "no-such")
    assert status == 2
    assert "gemmini-16x16-int8" in err
    assert "trainium1" in err
    path = tmp_path / "other.toml"
    path.write_text('machine = "abacus"\n', encoding="utf-8")
    status, _, err = simulate(capsys, "x.mlir", "--config", str(path))
    assert status == 2
    assert "unknown machine 'abacus'; known: gemmini, trainium" in err
