"""The table of lifted kernels says what became of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.tools.lift_table import main, measure


def test_proved_kernel_has_its_summary(tmp_path: Path) -> None:
    """A kernel that is lifted and proved shows for which sizes, and what it is."""
    kernel = tmp_path / "scale.c"
    kernel.write_text("void scale(int *x, int n) { for (int i = 0; i < n; i++) x[i] *= 2; }")
    row = measure(kernel)
    assert (row.verdict, row.sizes, row.detail) == ("proved", "all sizes", "scale 2")


def test_refused_kernel_has_its_reason(tmp_path: Path) -> None:
    """A kernel that the front end refuses is a row with the reason, not an error."""
    kernel = tmp_path / "jump.c"
    kernel.write_text("void jump(int A[4]) { end: A[0] = 1; goto end; }")
    row = measure(kernel)
    assert row.verdict == "refused"
    assert row.detail


def test_totals_count_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line counts kernels below folders, in C and in C++."""
    (tmp_path / "inner").mkdir()
    text = "int first(int a[3]) { return a[0]; }"
    for place in (tmp_path / "one.c", tmp_path / "inner" / "two.cc"):
        place.write_text(text)
    assert main([str(tmp_path)]) == 0
    assert "2 kernels: 2 lifted, 2 proved" in capsys.readouterr().out
