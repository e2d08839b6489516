"""``liftproof validate`` on NKI kernels: shapes from the other program, replays, bad input."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from liftproof.tools.cli import main

SOURCE = """
void twice(const float x[200][64], float y[200][64]) {
  for (int i = 0; i < 200; i++)
    for (int j = 0; j < 64; j++) y[i][j] = x[i][j] + x[i][j];
}
"""
KERNEL = """
import nki
import nki.isa as nisa
import nki.language as nl

@nki.jit
def twice(a):
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    for start, rows in ((0, 128), (128, 72)):
        t = nl.ndarray((rows, 64), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=t, src=a[start:start + rows, :])
        nisa.tensor_scalar(dst=t, data=t, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=out[start:start + rows, :], src=t)
    return out
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a C kernel, an NKI kernel that is equal, and one that is not."""
    (tmp_path / "twice.c").write_text(SOURCE)
    (tmp_path / "twice.py").write_text(KERNEL)
    (tmp_path / "wrong.py").write_text(KERNEL.replace("2.0", "2.5"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_shapes_come_from_the_other_program(capsys: pytest.CaptureFixture[str]) -> None:
    """No shape need be given: the parameters are those of the C kernel, in order."""
    assert main(["validate", "twice.c", "twice.py"]) == 0
    assert capsys.readouterr().out.startswith("proved")
    assert main(["validate", "twice.py", "twice.c", "--config", "trainium1"]) == 0


@pytest.mark.parametrize(
    "parameters",
    [
        "scale: float, a: nl.ndarray",
        "scale, a: 'tensor'",
        "scale: 'float', a: nt.tensor[200, 64]",
    ],
)
def test_numbers_have_no_shapes(folder: Path, parameters: str) -> None:
    """Annotations that say no shape do not matter, and parameters that are numbers have none."""
    text = KERNEL.replace("twice(a)", f"twice({parameters})").replace("2.0", "scale")
    (folder / "scaled.py").write_text(text)
    assert main(["validate", "twice.c", "scaled.py", "--shape", "scale=2.0"]) == 0


@pytest.mark.usefixtures("folder")
def test_given_shapes_win(capsys: pytest.CaptureFixture[str]) -> None:
    """A type on the command line is the kernel's, and then the programs cannot be compared."""
    assert main(["validate", "twice.c", "twice.py", "--shape", "a=200x64:bf16"]) == 3
    assert "parameter a: the source takes an array of f32" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_refutations_replay(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that is printed shows the same difference."""
    options = ["--shape", "a=200x64:f32", "--counterexample", "found.npz"]
    assert main(["validate", "twice.c", "wrong.py", *options]) == 1
    printed = capsys.readouterr().out
    difference = next(line for line in printed.splitlines() if "instead of" in line)
    command = next(line for line in printed.splitlines() if "replay: " in line).split(": ", 1)[1]
    assert main(shlex.split(command)[1:]) == 1
    assert difference in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["twice.c", "twice.c", "--shape", "a=3"], "--shape is about the parameters of NKI"),
        (["twice.py", "twice.py"], "a"),
        (["twice.c", "twice.py", "--shape", "b=2x2"], "no parameter 'b'"),
        (["twice.c", "missing.py"], "missing.py: no such file"),
        (["twice.c", "twice.py", "--config", "trainium9"], "trainium9"),
    ],
)
def test_bad_input_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """Each gives a diagnostic, a status that is no verdict of a proof, and no traceback."""
    assert main(["validate", *arguments]) in (1, 2)
    message = capsys.readouterr().err
    assert message.startswith("error") or ": error: " in message
    assert said in message
