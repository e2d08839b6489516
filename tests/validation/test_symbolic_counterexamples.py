"""Counterexamples of programs whose sizes are parameters: at the smallest sizes that differ."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.execution.counterexample import find_counterexample, replay
from liftproof.validation.execution.trial_sizes import smallest
from liftproof.validation.validate import Validation, validate

SOURCE = """
#include <stdint.h>
void f(int m, int n, const int8_t a[m][n], int32_t c[m][n]) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            c[i][j] = 3 * a[i][j];
}
"""
WRONG = {
    "last column missing": ("j < n", "j < n - 1", (1, 1)),
    "column clamped": ("a[i][j]", "a[i][j > 3 ? 3 : j]", (1, 5)),
    "row clamped": ("a[i][j]", "a[i > 5 ? 5 : i][j]", (7, 1)),
    "only in a corner": ("3 * a[i][j]", "(i > 1 && j > 2 ? 2 : 3) * a[i][j]", (3, 4)),
    "far from small": ("a[i][j]", "a[i][j > 15 ? 15 : j]", (1, 17)),
}


def refuted(old: str, new: str) -> Validation:
    assert old in SOURCE
    target = parse_c_kernel(SOURCE.replace(old, new), "wrong.c")
    return validate(parse_c_kernel(SOURCE, "source.c"), target)


@pytest.mark.parametrize(("old", "new", "sizes"), WRONG.values(), ids=WRONG)
def test_counterexample_has_the_smallest_sizes(old: str, new: str, sizes: tuple[int, int]) -> None:
    """The sizes are those at which the fault first shows, and the arrays have them."""
    result = refuted(old, new)
    assert result.verdict == "refuted", result.reason
    found = result.counterexample
    assert found is not None
    assert tuple(int(size) for size in found.inputs[:2]) == sizes
    assert found.inputs[2].shape == found.inputs[3].shape == sizes
    assert result.explanation.source_place.startswith("source.c:6:")


def test_no_smaller_sizes_differ() -> None:
    """Below the sizes of the counterexample, the programs agree on random arrays."""
    source = parse_c_kernel(SOURCE, "source.c")
    wrong = SOURCE.replace("a[i][j]", "a[i][j > 3 ? 3 : j]")
    target = parse_c_kernel(wrong, "wrong.c")
    rng = np.random.default_rng(0)
    for m, n in product((1, 2), (1, 2, 3, 4, 5)):
        arrays = [np.int32(m), np.int32(n), rng.integers(-128, 128, (m, n), np.int8)]
        found = replay(source, target, load_config(), [*arrays, np.zeros((m, n), np.int32)])
        assert (found is not None) == (n > 4)


def test_equal_programs_have_no_counterexample() -> None:
    """The search ends, and finds nothing."""
    source = parse_c_kernel(SOURCE, "source.c")
    same = SOURCE.replace("3 * a[i][j]", "a[i][j] + 2 * a[i][j]")
    target = parse_c_kernel(same, "same.c")
    assert find_counterexample(source, target, load_config()) is None


def test_shrinking_makes_each_size_minimal() -> None:
    """The result still differs, and one less in any size does not."""
    found = smallest({0: 40, 1: 9}, lambda sizes: sizes[0] >= 13 and sizes[1] >= 2)
    assert found == {0: 13, 1: 2}
