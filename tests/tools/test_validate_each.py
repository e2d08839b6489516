"""``liftproof-opt --validate-each``: names the pass that broke the program, and proves the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from liftproof.tools.opt import main
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

KERNEL = """
#include <stdint.h>
void scale(const int8_t a[8][8], int32_t c[8][8]) {
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            c[i][j] = 3 * (a[i][j] + 5);
}
"""


@dataclass(frozen=True)
class Replace(ModulePass):
    """Replace one integer constant by another: right only for constants that do not matter."""

    name = "replace-constant"
    old: int
    new: int

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for constant in [each for each in op.walk() if isinstance(each, arith.ConstantOp)]:
            value = constant.value
            if isinstance(value, IntegerAttr) and value.value.data == self.old:
                new = IntegerAttr(self.new, value.type)
                Rewriter.replace_op(constant, arith.ConstantOp(new))


def run(
    capsys: pytest.CaptureFixture[str], folder: Path, pipeline: str
) -> tuple[int, str, dict[str, object]]:
    """Exit status, stderr and the report of one run."""
    (folder / "scale.c").write_text(KERNEL)
    status = 0
    arguments = [str(folder / "scale.c"), "-p", pipeline, "--validate-each"]
    arguments += ["--validation-report", str(folder / "report.json")]
    try:
        main(arguments, [Replace])
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, capsys.readouterr().err, json.loads((folder / "report.json").read_text())


def test_right_passes_are_proved_and_summarised(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each application has a line; the table counts proved and unchanged ones."""
    status, err, report = run(capsys, tmp_path, "lift-loops,canonicalize,canonicalize")
    assert status == 0
    assert "lift-loops: proved" in err
    assert "3 pass applications:" in err
    assert "0 not proved" in err
    assert report["broken_by"] is None
    steps = report["steps"]
    assert isinstance(steps, list)
    assert [step["application"] for step in steps] == ["lift-loops", "canonicalize", "canonicalize"]
    assert steps[-1]["verdict"] == "unchanged"


def test_the_pass_that_broke_the_program_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The second of two equal passes with other options is wrong, and it is the one named."""
    pipeline = (
        "canonicalize,replace-constant{old=77 new=1},replace-constant{old=5 new=6},lift-loops"
    )
    status, err, report = run(capsys, tmp_path, pipeline)
    assert status == 1
    assert report["broken_by"] == "replace-constant{old=5 new=6}"
    assert "`replace-constant{old=5 new=6}` broke the program" in err
    assert "counterexample: c[0][0] is" in err
    assert "lift-loops:" not in err
    assert "replace-constant{old=77 new=1}  unchanged" in err


def test_no_report_without_validation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without the option, the broken pass goes through: it is validation that stops it."""
    (tmp_path / "scale.c").write_text(KERNEL)
    main([str(tmp_path / "scale.c"), "-p", "replace-constant{old=5 new=6}"], [Replace])
    captured = capsys.readouterr()
    assert "arith.constant 6" in captured.out
    assert captured.err == ""
