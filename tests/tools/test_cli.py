"""The command-line contract: JSON keys, exit statuses, diagnostics, and no half-written files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.tools.cli import main

ROOT = Path(__file__).parents[2]
SMALL = str(ROOT / "examples" / "matmul_17x16x16.c")
PIPELINE = (
    "gemmini-lower-linalg,gemmini-overwrite-first,gemmini-place,gemmini-lower-tiles,"
    "gemmini-hoist-config"
)
HEAD = "#include <stdint.h>\nvoid f(int8_t a[4][4], int8_t b[4][4], int8_t c[4][4])\n"
NEST = "{{ for (int i = 0; i < {n}; i++) for (int j = 0; j < 4; j++) c[i][j] = {value}; }}"
BAD_KERNELS = {
    "syntax.c": (HEAD + "{ for (int i = 0; i < 4; i++ c[i][0] = 1; }", "syntax.c:3:"),
    "unsupported.c": (HEAD + "{ while (1) c[0][0] = a[0][0]; }", "while"),
    "non_affine.c": (HEAD + NEST.format(n=4, value="a[(i * i) % 4][j]"), "non-affine"),
    "types.c": (HEAD + NEST.format(n=4, value="a[i]"), "types.c:3:"),
    "bounds.c": (HEAD + NEST.format(n=5, value="a[0][j]"), "bounds.c:3:"),
    "undeclared.c": (HEAD + NEST.format(n=4, value="d[i][j]"), "'d'"),
    "empty.c": ("", "empty"),
    "no_function.c": ("int8_t x;\n", "no_function.c"),
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of one command."""
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def report_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and the one JSON object on stdout."""
    status, out, _ = run(capsys, *arguments, "--json")
    return status, json.loads(out)


@pytest.fixture
def compiled(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    """The output folder of a small compilation."""
    arguments = ("--pipeline", PIPELINE, "--out", str(tmp_path / "out"), "--emit", "mlir,c,rocc")
    assert run(capsys, "compile", SMALL, *arguments)[0] == 0
    return tmp_path / "out"


@pytest.mark.parametrize("name", BAD_KERNELS)
def test_bad_kernel_gets_a_diagnostic_and_leaves_nothing_behind(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Status 1, a message that names the fault, no traceback, no output file."""
    text, expected = BAD_KERNELS[name]
    (tmp_path / name).write_text(text)
    status, out, err = run(
        capsys, "optimize", str(tmp_path / name), "--out", str(tmp_path / "out"), "-j", "1"
    )
    assert status == 1, err
    assert expected in err
    assert "Traceback" not in out + err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "no such file"), (b"\x00\xff\x00", "not a text file")]
)
def test_missing_and_binary_files_are_refused(
    content: bytes | None, expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each command that reads a file says what is wrong with it."""
    path = tmp_path / "kernel.c"
    if content is not None:
        path.write_bytes(content)
    for command in ("optimize", "lift", "simulate"):
        status, _, err = run(capsys, command, str(path))
        assert status == 1
        assert expected in err


BAD_CALLS = {
    "optimize IR": ("optimize kernel.mlir", 1, "kernel.mlir: a C kernel is needed"),
    "output below a file": ("compile kernel.c --pipeline cse --out text/out", 1, "not a folder"),
    "lift nothing": ("lift empty.mlir", 1, "empty.mlir:1:1: error: the file is empty"),
    "invariants of no summary": ("lift kernel.c --invariants text", 2, "goes with --summary"),
    "certificate": ("validate kernel.c kernel.c --certificate .", 1, ".: Is a directory"),
    "replay of no file": ("validate kernel.c kernel.c --replay none.npz", 1, "none.npz: No such"),
    "replay of text": ("validate kernel.c kernel.c --replay text", 1, "not an .npz file"),
    "replay of nothing": ("validate kernel.c kernel.c --replay empty.mlir", 1, "not an .npz file"),
    "simulate no commands": ("simulate kernel.c", 1, "kernel.c: a plain C kernel"),
    "shape of no parameter": ("simulate kernel.c --shape A=3", 1, "--shape is about"),
    "suite without rows": ("bench --suite text --golden text", 1, "text: no golden counts"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_call_that_makes_no_sense_is_refused(
    name: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each says which argument is at fault, with its status, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernel.c").write_text(HEAD + NEST.format(n=4, value="a[i][j]"))
    for file, text in {"kernel.mlir": "builtin.module {}", "empty.mlir": "", "text": "no"}.items():
        (tmp_path / file).write_text(text)
    before = sorted(tmp_path.iterdir())
    call, status, expected = BAD_CALLS[name]
    found, out, err = run(capsys, *call.split())
    assert (found, out) == (status, "")
    assert expected in err
    assert sorted(tmp_path.iterdir()) == before


def test_usage_errors_end_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown commands, options and configurations are usage errors."""
    assert run(capsys, "optimise", SMALL)[0] == 2
    assert run(capsys, "optimize", SMALL, "--budget", "0")[0] == 2
    assert run(capsys, "simulate", SMALL, "--config", "no-such-machine")[0] == 2


def test_lift_reports_the_contract_s_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """`lift --json` prints one object with verdict, summaries, assumptions and method."""
    status, report = report_of(capsys, "lift", SMALL)
    assert status == 0
    assert report["verdict"] == "proved"
    assert report["method"] == "for all sizes"
    assert "linalg.generic" in report["summary_mlir"]
    assert {"summary_numpy", "assumptions", "seconds"} <= report.keys()


def test_compile_writes_a_proven_program(compiled: Path) -> None:
    """The output folder holds the program, its C, its commands and a report that names them."""
    report = json.loads((compiled / "report.json").read_text())
    assert report["verdict"] == "proved"
    assert report["pipeline"] == PIPELINE
    assert 0 < report["lower_bound_cycles"] <= report["best_cycles"] <= report["baseline_cycles"]
    assert {Path(name).name for name in report["files"]} == {p.name for p in compiled.iterdir()}


@pytest.mark.parametrize("name", ["kernel.mlir", "kernel.c"])
def test_written_programs_validate_against_the_kernel(
    name: str, compiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was written can be read back, and is proven equal to the source again."""
    status, report = report_of(capsys, "validate", SMALL, str(compiled / name))
    assert status == 0
    assert report["verdict"] == "proved"
    assert report["obligations"] > 0


def test_a_broken_program_is_refuted_with_replayable_arrays(
    compiled: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A wrong scratchpad row gives status 1, a counterexample, and the arrays that show it."""
    text = (compiled / "kernel.mlir").read_text()
    assert "constant 4096" in text
    broken = tmp_path / "broken.mlir"
    broken.write_text(text.replace("constant 4096", "constant 8", 1))
    arrays = tmp_path / "inputs.npz"
    status, report = report_of(
        capsys, "validate", SMALL, str(broken), "--counterexample", str(arrays)
    )
    assert status == 1
    assert report["verdict"] == "refuted"
    with np.load(arrays) as archive:
        inputs = dict(archive)
    outputs = tmp_path / "outputs.npz"
    assert (
        run(capsys, "simulate", str(broken), "--inputs", str(arrays), "--outputs", str(outputs))[0]
        == 0
    )
    exact = np.clip(inputs["a"].astype(int) @ inputs["b"].astype(int), -128, 127)
    assert not np.array_equal(np.load(outputs)["c"], exact)


def test_simulate_computes_what_numpy_computes(
    compiled: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Outputs of a run equal NumPy's on random full-range inputs."""
    generator = np.random.default_rng(1)
    arrays = {
        n: generator.integers(-128, 128, s, np.int8) for n, s in (("a", (17, 16)), ("b", (16, 16)))
    }
    np.savez(tmp_path / "in.npz", **arrays)
    status, report = report_of(
        capsys,
        "simulate",
        str(compiled / "kernel.mlir"),
        "--inputs",
        str(tmp_path / "in.npz"),
        "--outputs",
        str(tmp_path / "out.npz"),
        "--trace",
        str(tmp_path / "trace.json"),
    )
    assert status == 0
    keys = {"cycles", "lower_bound_cycles", "utilization", "instructions", "units", "segments"}
    assert keys | {"dram_bytes", "outputs", "seconds"} <= report.keys()
    exact = np.clip(arrays["a"].astype(int) @ arrays["b"].astype(int), -128, 127)
    assert np.array_equal(np.load(tmp_path / "out.npz")["c"], exact)
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_command_stream_takes_the_program_s_cycles(
    compiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The emitted `.rocc` stream costs exactly the cycles of the IR at accelerator level."""
    options = ("--level", "accelerator", "--timing-only")
    _, ir = report_of(capsys, "simulate", str(compiled / "kernel.mlir"), *options)
    _, stream = report_of(capsys, "simulate", str(compiled / "kernel.rocc"), *options)
    assert stream["cycles"] == ir["cycles"]


def test_optimize_replays_byte_for_byte(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Same seed, same program and same search, whatever the number of workers."""
    for jobs in ("1", "2"):
        arguments = ("--budget", "6", "-j", jobs, "--out", str(tmp_path / jobs))
        assert run(capsys, "optimize", SMALL, *arguments)[0] == 0
    for name in ("kernel.mlir", "kernel.c", "schedule.txt", "search.jsonl"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_bench_compares_with_golden_counts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A new or changed row fails until --update accepts it."""
    suite = tmp_path / "suite.toml"
    suite.write_text(f'[[row]]\nkernel = "{SMALL}"\npipeline = "{PIPELINE}"\n')
    assert run(capsys, "bench", "--suite", str(suite))[0] == 1
    assert run(capsys, "bench", "--suite", str(suite), "--update")[0] == 0
    status, report = report_of(capsys, "bench", "--suite", str(suite))
    assert status == 0
    assert 0 < report["rows"][0]["kernel_bound_cycles"] <= report["rows"][0]["cycles"]
    golden = suite.with_suffix(".golden.json")
    golden.write_text(golden.read_text().replace(str(report["rows"][0]["cycles"]), "1"))
    assert run(capsys, "bench", "--suite", str(suite))[0] == 1
