"""Sums over windows, without products: loads that add, and stores that finish."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.llm.work import necessary_work
from liftproof.passes.pipelines import best_guess, untuned_pipeline
from liftproof.validation.decide import decide
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import prepare
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

MEAN = "float f = rintf(s * (1.0f / {count})); {out} = f > 127 ? 127 : f < -128 ? -128 : f;"


def _pool(size: int, window: int, step: int, channels: int) -> str:
    pooled = (size - window) // step + 1
    return (
        f"void f(const int8_t X[{size}][{size}][{channels}],"
        f" int8_t Y[{pooled}][{pooled}][{channels}]) {{"
        f" for (int y = 0; y < {pooled}; y++) for (int x = 0; x < {pooled}; x++)"
        f" for (int c = 0; c < {channels}; c++) {{ int s = 0;"
        f" for (int r = 0; r < {window}; r++) for (int t = 0; t < {window}; t++)"
        f" s += X[{step} * y + r][{step} * x + t][c];"
        f" {MEAN.format(count=window * window, out='Y[y][x][c]')} }} }}"
    )


ALL_PIXELS = (
    "void f(const int8_t X[3][3][200], int8_t Y[200]) { for (int c = 0; c < 200; c++) { int s = 0;"
    " for (int y = 0; y < 3; y++) for (int x = 0; x < 3; x++) s += X[y][x][c];"
    f" {MEAN.format(count=9, out='Y[c]')} }} }}"
)
COLUMNS = (
    "void f(const int32_t X[11][37], int32_t Y[37]) { for (int c = 0; c < 37; c++) { int s = 0;"
    " for (int y = 0; y < 11; y++) s += X[y][c]; Y[c] = s; } }"
)
KERNELS = {
    "apart": _pool(8, 2, 2, 20),
    "overlapping": _pool(5, 3, 1, 70),
    "all pixels": ALL_PIXELS,
    "columns": COLUMNS,
}


def _read(text: str) -> ModuleOp:
    return parse_c_kernel(f"#include <math.h>\n#include <stdint.h>\n{text}", "f.c")


@pytest.mark.parametrize(
    ("name", "config"),
    [*((name, "gemmini-16x16-int8") for name in KERNELS), ("all pixels", "gemmini-8x8-int8")],
)
def test_sums_over_windows_are_proved(name: str, config: str) -> None:
    """Blocks of many loads and of one are proved, and no two loads of a row meet."""
    source = prepare(_read(KERNELS[name]), load_config(config))
    text = str(lift_and_prove(source.module).module)
    for pipeline in {untuned_pipeline(text, config), best_guess(text, config)}:
        program = lower(text, parse_pipeline(pipeline))
        assert validate_unrolled(source, program).verdict == "proved"


def test_another_window_is_refuted() -> None:
    """The proof knows which pixels are added."""
    program = _read(KERNELS["overlapping"])
    text = str(lift_and_prove(program).module)
    lowered = lower(text, parse_pipeline(best_guess(text)))
    other = _read(KERNELS["overlapping"].replace("1 * x + t", "1 * x + 2 - r"))
    assert decide(other, lowered).verdict == "refuted"


def test_a_sum_multiplies_nothing() -> None:
    """It needs its input once; products are not counted."""
    work = necessary_work(lift_and_prove(_read(ALL_PIXELS)).module)
    assert (work.macs, work.read_bytes, work.written_bytes) == (0, 1800, 200)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("s += X", "s += 2 * X", "sign-extended"),
        ("f > 127 ? 127", "f > 99 ? 99", "closest store"),
    ],
)
def test_other_sums_are_refused(old: str, new: str, reason: str) -> None:
    """What loads and stores cannot do is refused with the reason."""
    text = str(lift_and_prove(_read(ALL_PIXELS.replace(old, new))).module)
    with pytest.raises(PassFailedException, match=reason):
        lower(text, parse_pipeline(untuned_pipeline(text)))


def test_sums_of_neighbours_are_added_one_by_one() -> None:
    """Loads cannot add elements side by side, but those of many rows below one another."""
    rows = COLUMNS.replace("X[11][37]", "X[37][11]").replace("X[y][c]", "X[c][y]")
    source = prepare(_read(rows), load_config("gemmini-16x16-int8"))
    text = str(lift_and_prove(source.module).module)
    program = lower(text, parse_pipeline(untuned_pipeline(text)))
    assert validate_unrolled(source, program).verdict == "proved"
