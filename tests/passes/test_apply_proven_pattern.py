"""``apply-proven-pattern``: proved rules are applied, others refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.tools.cli import main as liftproof
from liftproof.tools.opt import main

PATTERNS = Path(__file__).parents[1] / "validation" / "patterns"
KERNEL = """
#include <stdint.h>
void scale(const int32_t a[8], int32_t c[8]) {
    for (int i = 0; i < 8; i++)
        c[i] = a[i] * 2 - (a[i] << 3);
}
"""


def run(
    capsys: pytest.CaptureFixture[str], folder: Path, patterns: Path, *more: str
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of applying a file of patterns to the kernel."""
    (folder / "kernel.c").write_text(KERNEL)
    pipeline = f'apply-proven-pattern{{file="{patterns}"}}'
    status = 0
    try:
        main([str(folder / "kernel.c"), "-p", pipeline, *more])
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_proved_rules_are_applied_and_the_program_is_still_right(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Both rewritable operations are gone, and validation proves the result."""
    status, out, err = run(capsys, tmp_path, PATTERNS / "right.mlir", "--validate-each")
    assert status == 0, err
    assert "arith.addi" in out
    assert "arith.shli" not in out
    assert "apply-proven-pattern: proved" in err


def test_refuted_rules_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The message names the rule and the operands that break it; nothing is printed."""
    status, out, err = run(capsys, tmp_path, PATTERNS / "wrong.mlir")
    assert status == 1
    assert out == ""
    assert "pattern halve is refuted" in err
    assert "at x = " in err


@pytest.mark.parametrize("text", ["not a pattern", "func.func @f() { func.return }", None])
def test_files_without_patterns_are_refused(
    text: str | None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A missing file, other text and other IR get a diagnostic."""
    path = tmp_path / "patterns.mlir"
    if text is not None:
        path.write_text(text)
    status, _, err = run(capsys, tmp_path, path)
    assert status == 1
    assert "Traceback" not in err
    assert "pattern" in err


def test_command_reports_each_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """`validate --pattern` has the status of the worst rule, and shows what breaks it."""
    assert liftproof(["validate", "--pattern", str(PATTERNS / "right.mlir")]) == 0
    assert "merge_moves: proved" in capsys.readouterr().out
    assert liftproof(["validate", "--pattern", str(PATTERNS / "wrong.mlir")]) == 1
    out = capsys.readouterr().out
    assert "halve: refuted" in out
    assert "at x = -1: -1 instead of 0" in out
    assert "assuming: all NaNs" in out


def test_options_about_programs_are_refused_for_patterns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An option that would be ignored is a usage error."""
    with pytest.raises(SystemExit) as stop:
        liftproof(["validate", "--pattern", str(PATTERNS / "right.mlir"), "--certificate", "x"])
    assert stop.value.code == 2
    assert "--pattern goes with" in capsys.readouterr().err
