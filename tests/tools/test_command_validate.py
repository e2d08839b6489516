"""``liftproof validate``: dumps, certificates, second solvers, counterexamples and replays."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from liftproof.tools.cli import main

SOURCE = """
#include <stdint.h>
void scale(const int8_t a[12][20], int32_t c[12][20]) {
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < 20; j++)
            c[i][j] = 3 * a[i][j];
}
"""
RIGHT = SOURCE.replace("3 * a[i][j]", "a[i][j] + 2 * a[i][j]")
WRONG = SOURCE.replace("3 * a[i][j]", "3 * a[i][19 - j]")
RUN = "import sys; from liftproof.tools.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a source, a right and a wrong target; the current folder of the test."""
    (tmp_path / "source.c").write_text(SOURCE)
    (tmp_path / "right.c").write_text(RIGHT)
    (tmp_path / "wrong.c").write_text(WRONG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and the one JSON object on stdout."""
    capsys.readouterr()
    status = main(["validate", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_dump_certificate_and_check(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run writes queries and certificate; the certificate proves the same again."""
    status, first = report_of(
        capsys, "source.c", "right.c", "--dump-smt", "smt", "--certificate", "proof.json"
    )
    assert status == 0
    assert first["smt_files"] == len(list((files / "smt").glob("*.smt2"))) > 0
    assert first["certificate"] == "proof.json"
    about = json.loads((files / "proof.json").read_text())["about"]
    assert about["source"] == "source.c"
    status, again = report_of(capsys, "source.c", "right.c", "--check-certificate", "proof.json")
    assert (status, again["verdict"], again["obligations"]) == (0, "proved", first["obligations"])
    status, wrong = report_of(capsys, "source.c", "wrong.c", "--check-certificate", "proof.json")
    assert (status, wrong["verdict"]) == (3, "unknown")


def test_dump_into_a_used_folder_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Queries of two proofs are not mixed."""
    assert main(["validate", "source.c", "right.c", "--dump-smt", "smt"]) == 0
    assert main(["validate", "source.c", "right.c", "--dump-smt", "smt"]) == 1
    assert "already holds" in capsys.readouterr().err


def test_cross_check_is_reported(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All solvers' tallies are in the report."""
    pytest.importorskip("cvc5")
    pytest.importorskip("bitwuzla")
    status, report = report_of(capsys, "source.c", "right.c", "--cross-check")
    assert status == 0
    cvc5 = report["cross_check"]["cvc5"]
    assert cvc5["agreed"] > 0
    assert cvc5["unknown"] == cvc5["disagreed"] == 0
    assert "bitwuzla" in report["cross_check"]


def test_disagreement_takes_the_verdict_back(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a second solver says otherwise, nothing is proved: an internal error, status 3."""
    from liftproof.validation import cross_check

    monkeypatch.setattr(cross_check, "SOLVERS", {"z3": lambda script, seconds: "sat"})
    status, report = report_of(capsys, "source.c", "right.c", "--cross-check")
    assert (status, report["verdict"]) == (3, "unknown")
    assert report["reason"].startswith("internal error: z3 does not answer unsat")
    assert report["cross_check"]["z3"]["disagreed"] > 0


def test_counterexample_names_values_places_and_a_replay_that_shows_it(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The replay command, run as it is printed, ends with status 1 and the same difference."""
    status, report = report_of(capsys, "source.c", "wrong.c", "--counterexample", "inputs")
    assert (status, report["verdict"]) == (1, "refuted")
    found = report["counterexample"]
    assert found["parameter"] == "c"
    assert found["expected"] != found["actual"]
    assert found["summary"].endswith(f"is {found['actual']} instead of {found['expected']}")
    assert found["source_place"].startswith("source.c:6:")
    assert found["instruction_place"].startswith("wrong.c:")
    assert found["shapes"] == {"a": [12, 20], "c": [12, 20]}
    assert found["arrays"] == "inputs.npz"
    command = shlex.split(found["replay"])
    assert command[0] == "liftproof"
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert found["summary"] in done.stdout


def test_replay_without_a_difference_decides_nothing(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arrays that show no difference are no proof; arrays of other names are refused."""
    report_of(capsys, "source.c", "wrong.c", "--counterexample", "inputs.npz")
    status, report = report_of(capsys, "source.c", "right.c", "--replay", "inputs.npz")
    assert (status, report["verdict"]) == (3, "unknown")
    (files / "other.c").write_text(SOURCE.replace("a[", "b["))
    assert main(["validate", "other.c", "other.c", "--replay", "inputs.npz"]) == 1
    assert "parameters: b, c" in capsys.readouterr().err


def test_resource_limit_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With next to no resources the verdict is unknown, and the reason names the limit."""
    status, report = report_of(capsys, "source.c", "right.c", "--rlimit", "1")
    assert (status, report["verdict"]) == (3, "unknown")
    assert "--rlimit" in report["reason"]


def test_assumptions_are_complete(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Aliasing, extents, sizes and reassociation are all named in the verdict."""
    text = """
void total(int m, const float *a, const float b[m], float c[m]) {
    for (int i = 0; i < m; i++) {
        float sum = 0.0f;
        for (int j = 0; j < m; j++)
            sum += a[j] * b[j];
        c[i] = sum;
    }
}
"""
    (files / "total.c").write_text(text)
    (files / "backwards.c").write_text(text.replace("[j]", "[m - 1 - j]"))
    status, report = report_of(capsys, "total.c", "backwards.c")
    assert status == 0
    stated = "; ".join(report["assumptions"])
    expected = ("do not overlap", "extents", "m >= 1", "'a' points to m elements", "reassociated")
    for words in expected:
        assert words in stated


def test_a_command_imports_what_it_needs_only(files: Path) -> None:
    """Neither help nor a proof loads the second solvers, and help loads no solver at all."""
    script = (
        "import sys; from liftproof.tools.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('cvc5', 'bitwuzla', 'z3', 'islpy', 'numba') if m in sys.modules])"
    )
    for arguments, loaded in ((["--help"], "[]"), (["validate", "source.c", "right.c"], None)):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
        )
        shown = done.stdout.splitlines()[-1]
        assert "cvc5" not in shown
        assert "bitwuzla" not in shown
        assert loaded in (None, shown)


MATMUL = """
#include <stdint.h>
void matmul(const int8_t A[64][64], const int8_t B[64][64], int8_t C[64][64]) {
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++) {
            int32_t sum = 0;
            for (int k = 0; k < 64; k++) sum += A[i][k] * B[k][j];
            C[i][j] = sum > 127 ? 127 : sum < -128 ? -128 : sum;
        }
}
"""
MACHINE_C = Path(__file__).parents[2] / "examples" / "machine_c" / "matmul_toggled.c"


def test_a_fault_of_the_machine_names_its_line_in_the_program(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The simulator stops at a command; the report says which line of the C issued it."""
    (files / "matmul.c").write_text(MATMUL)
    text = MACHINE_C.read_text()
    line = next(n for n, t in enumerate(text.splitlines(), 1) if "preload(b_sp" in t)
    assert "phase = !phase" in text
    bad = text.replace("preload(b_sp", "preload(64 + b_sp").replace("!phase", "k > 16")
    (files / "bad.c").write_text(bad)
    status, report = report_of(capsys, "matmul.c", "bad.c")
    assert (status, report["verdict"]) == (1, "refuted")
    found = report["counterexample"]
    assert "nothing has written" in found["fault"]
    assert found["instruction_place"].startswith(f"bad.c:{line}:")
    assert found["instruction"].startswith("gemmini.preload")
