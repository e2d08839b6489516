"""What the front end finds out about the arrays behind pointers."""

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from xdsl.dialects import func

HEAD = "void k(int m, int n, int lda, int h, int *A) { for (int i = 0; i < m; i++) "

SHAPES = [
    ("A[i] = 1;", '["m"]', []),
    ("A[i + 2] = 1;", '["m + 2"]', []),
    ("A[m - 1 - i] = 1;", '["m"]', []),
    ("for (int j = 0; j < n; j++) A[i * n + j] = 1;", '["m", "n"]', []),
    ("for (int j = 0; j < n; j++) A[j * m + i] = 1;", '["n", "m"]', []),
    ("for (int j = 0; j < n; j++) A[(i * n + j) * h] = 1;", '["m", "n", 1 : i64]', []),
    ("for (int j = 0; j < n; j++) A[i * lda + j] = 1;", '["m", "n"]', ["n <= lda"]),
    ("for (int j = 0; j < n; j++) A[i * n + n - 1 - j] = 1;", '["m", "n"]', []),
    ("for (int j = 0; j < 8; j++) A[i * 8 + j] = 1;", '["m", 8 : i64]', []),
    ("for (int j = 0; j < 9; j++) A[i * 8 + j] = 1;", '["8 * m + 1"]', []),
    ("{ A[2 * i] = 1; A[2 * i + 1] = 2; }", '["m", 2 : i64]', []),
    ("for (int j = 0; j < n; j++) A[h * n + j] = 1;", '["h + 1", "n"]', []),
    ("{ A[i] = 1; A[0] = 2; }", '["m"]', []),
    ("A[i * i] = 1;", '["?"]', []),
    ("{ A[i - 1] = 1; }", '["?"]', []),
]


@pytest.mark.parametrize(("body", "extents", "conditions"), SHAPES)
def test_shapes(body: str, extents: str, conditions: list[str]) -> None:
    """The accesses of a pointer give its dimensions, and what keeps its rows apart is listed."""
    module = parse_c_kernel(HEAD + body + " }", "k.c")
    (function,) = (op for op in module.ops if isinstance(op, func.FuncOp))
    assert str(function.attributes["liftproof.extents"]) == f"[[], [], [], [], {extents}]"
    assumptions = str(function.attributes.get("liftproof.assumptions", ""))
    assert assumptions.count("do not overlap") == len(conditions)
    assert all(condition in assumptions for condition in conditions)
