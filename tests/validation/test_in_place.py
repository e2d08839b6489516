"""Reductions that read their own array in place: triangular products, and recurrences."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp

ROWS = "for (int i = 0; i < 9; i++)"
COLUMNS = "for (int j = 0; j < 9; j++)"
BELOW = "for (int k = i + 1; k < 9; k++)"
ADD = "R[i][j] += X[k][i] * R[k][j];"
TRIANGULAR = f"{ROWS} {COLUMNS} {BELOW} {ADD}"
LOCAL_SUM = f"{{ int32_t s = R[i][j]; {BELOW} s += X[k][i] * R[k][j]; R[i][j] = s; }}"
COPIED = f"int32_t T[9][9]; {ROWS} {COLUMNS} T[i][j] = R[i][j]; {ROWS} {COLUMNS} {BELOW}"


def kernel(body: str, type: str = "int32_t") -> ModuleOp:
    signature = f"void f(const {type} X[9][9], {type} R[9][9])"
    text = f"#include <stdint.h>\n{signature} {{ {body} }}".replace("int32_t s", f"{type} s")
    return parse_c_kernel(text, "f.c")


@pytest.mark.parametrize(
    "body",
    [
        f"{ROWS} {COLUMNS} for (int k = 8; k > i; k--) {ADD}",
        f"{COLUMNS} {ROWS} {LOCAL_SUM}",
        f"{COPIED} R[i][j] += X[k][i] * T[k][j];",
        f"for (int k = 0; k < 9; k++) for (int i = 0; i < k; i++) {COLUMNS} {ADD}",
    ],
    ids=["the other way", "in a local variable", "from a copy", "by rows that are added"],
)
def test_a_triangular_product_in_place(body: str) -> None:
    """Rows that are read are not changed yet, in whichever order the summands are added."""
    assert validate(kernel(TRIANGULAR), kernel(body)).verdict == "proved"
    if "T[" not in body:
        exact = validate(kernel(TRIANGULAR, "float"), kernel(body, "float"))
        assert any("reassociated" in text for text in exact.assumptions)


@pytest.mark.parametrize(
    "body",
    [
        f"for (int i = 8; i >= 0; i--) {COLUMNS} {BELOW} {ADD}",
        f"{ROWS} {COLUMNS} {BELOW.replace('i + 1', 'i')} {ADD}",
        f"{COPIED} R[i][j] += X[k][i] * T[i][j];",
        f"for (int k = 8; k >= 0; k--) for (int i = 0; i < k; i++) {COLUMNS} {ADD}",
    ],
    ids=["rows changed before", "its own row too", "another row", "by rows, changed before"],
)
def test_another_order_of_rows_is_another_product(body: str) -> None:
    """Where rows that are read have changed, or others are read, the result is another."""
    assert validate(kernel(TRIANGULAR), kernel(body)).verdict == "refuted"


def test_a_recurrence_is_no_sum() -> None:
    """Forward substitution reads sums of its own: no closed form, and not taken for one."""
    solve = f"{ROWS} {COLUMNS} for (int k = 0; k < i; k++) R[i][j] += X[i][k] * R[k][j];"
    result = validate(kernel(solve), kernel(f"{COLUMNS} {solve.replace(COLUMNS, '')}"))
    assert result.verdict == "unknown"
    assert "a recurrence that is not a sum" in result.reason


def test_the_same_change_twice_is_no_recurrence() -> None:
    """Two equal statements that change a cell in place are not one that repeats itself."""
    twice = f"{ROWS} {COLUMNS} {{ R[i][j] = R[i][j] * R[i][j]; R[i][j] = R[i][j] * R[i][j]; }}"
    fourth = f"{ROWS} {COLUMNS} {{ int32_t s = R[i][j] * R[i][j]; R[i][j] = s * s; }}"
    assert validate(kernel(twice), kernel(fourth)).verdict == "proved"
    cubed = fourth.replace("s * s", "s * R[i][j]")
    assert validate(kernel(twice), kernel(cubed)).verdict == "refuted"
