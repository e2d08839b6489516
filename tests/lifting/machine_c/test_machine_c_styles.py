"""Kernels as different authors write them: read, proved, timed, emitted and read again.

``kernels/style.plain.c`` is machine C and computes what ``kernels/plain_<plain>.c`` says.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import is_machine_c, read_machine_c
from liftproof.passes.emission.emit_c import emit_c
from liftproof.validation.decide import decide
from liftproof.validation.validate import PreparedSource, prepare

KERNELS = Path(__file__).parent / "kernels"
CONFIG = load_config()
STYLES = sorted(path for path in KERNELS.glob("*.c") if not path.name.startswith("plain_"))


@cache
def plain(name: str) -> PreparedSource:
    path = KERNELS / f"plain_{name}.c"
    return prepare(parse_c_kernel(path.read_text(), str(path)), CONFIG)


def test_there_are_many_styles() -> None:
    """At least 25 programs, all of which are recognised as machine C."""
    assert len(STYLES) >= 25
    assert all(is_machine_c(path.read_text()) for path in STYLES)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_style_is_proved_and_survives_emission(path: Path) -> None:
    """The program is equal to the plain kernel, and its emitted C is the same command stream."""
    module = read_machine_c(path.read_text(), path.name, CONFIG)
    result = decide(plain(path.stem.split(".")[1]), module, config=CONFIG)
    assert result.verdict == "proved", result.reason
    stream, _ = stream_of_module(module, CONFIG)
    timing = simulate_timing(stream, CONFIG, level="accelerator")
    assert timing.cycles > 0
    again, _ = stream_of_module(read_machine_c(emit_c(module), path.name, CONFIG), CONFIG)
    for column in ("funct", "rs1", "rs2"):
        assert np.array_equal(getattr(stream, column), getattr(again, column))


WRONG = [
    ("software_pipelined.gemm64.c", "a_next, 64, 16", "a_cur, 64, 16"),
    ("tiled_conv_auto.conv10x10.c", "(acc_t*)bias", "NULL"),
    ("tiled_resadd_auto.add64.c", "(elem_t*)B", "(elem_t*)A"),
    ("output_stationary.gemm32.c", "gemmini_compute_accumulated", "gemmini_compute_preloaded"),
    ("tiled_matmul.gemm64.c", "(elem_t*)A, (elem_t*)B", "(elem_t*)B, (elem_t*)A"),
]


@pytest.mark.parametrize(("name", "old", "new"), WRONG)
def test_wrong_siblings_are_refuted(name: str, old: str, new: str) -> None:
    """A wrong buffer, a lost bias, a wrong operand or a lost sum is refuted, at its place."""
    text = (KERNELS / name).read_text()
    assert old in text
    module = read_machine_c(text.replace(old, new, 1), name, CONFIG)
    result = decide(plain(name.split(".")[1]), module, config=CONFIG)
    assert result.verdict == "refuted"
    assert result.explanation.instruction_place.startswith(f"{name}:")
