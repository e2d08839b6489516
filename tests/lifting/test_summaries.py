"""The summary language: NumPy's meaning with C's integers, and errors with their place."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.invariants.check import Checker, Prover
from liftproof.lifting.invariants.evaluate import evaluate
from liftproof.lifting.invariants.execution import Execution
from liftproof.lifting.invariants.python_view import python_view
from liftproof.lifting.summaries.operators import BINDING, OPERATORS, reference_lines
from liftproof.lifting.summaries.prove import lift_to_summary
from liftproof.lifting.summaries.read import read_summary
from liftproof.lifting.summaries.stated import proposer_of, read_invariants
from liftproof.validation.extract.structured import single_function
from xdsl.dialects.func import FuncOp

PARAMETERS = (
    "int n, int m, const int a[n], const int b[n], const float x[n], const int t[m][n],"
    " const unsigned char u[n], const short h[n], int s"
)
SHAPES = {
    "vector": "int out[n]",
    "scalar": "int out[1]",
    "matrix": "int out[m][n]",
    "rows": "int out[m]",
}
SHAPES |= {"floats": "float out[n]", "columns": "int out[n]"}
N, M = 5, 3


def function_of(shape: str) -> FuncOp:
    """A kernel with many parameters and one output; what it does is of no matter here."""
    first = "out[0][0]" if shape == "matrix" else "out[0]"
    text = f"void f({PARAMETERS}, {SHAPES[shape]}) {{ {first} = 0; }}"
    return single_function(parse_c_kernel(text, "f.c"))


def inputs() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {
        "n": np.int32(N),
        "m": np.int32(M),
        "a": rng.integers(-5, 6, N).astype(np.int32),
        "b": rng.integers(1, 6, N).astype(np.int32),
        "x": rng.integers(-9, 9, N).astype(np.float32) / np.float32(4),
        "t": rng.integers(-5, 6, (M, N)).astype(np.int32),
        "u": rng.integers(0, 256, N).astype(np.uint8),
        "h": rng.integers(-300, 300, N).astype(np.int16),
        "s": np.int32(3),
    }


def value_of(text: str, shape: str, expected: Any) -> np.ndarray:
    """What the summary says that the output holds."""
    summary = read_summary(text, function_of(shape))
    given = inputs()
    arrays = [np.asarray(v) for v in given.values()]
    arrays = [v.view(v.dtype.name.removeprefix("u")) for v in arrays]
    arrays.append(np.zeros(np.shape(expected), np.float32 if shape == "floats" else np.int32))
    found = evaluate(summary, arrays)[-1]
    scope: dict[str, Any] = {}
    exec(python_view(summary), scope)
    function = scope["f"]
    used = function.__code__.co_varnames[: function.__code__.co_argcount]
    np.testing.assert_array_equal(function(*(given[name] for name in used)), found)
    return found


CASES = [
    ("a + b", "vector", lambda v: v.a + v.b),
    ("2 * a - b // 3", "vector", lambda v: 2 * v.a - v.b // 3),
    ("a % b", "vector", lambda v: v.a % v.b),
    ("fmod(a, b)", "vector", lambda v: np.fmod(v.a, v.b)),
    ("trunc_div(a, b)", "vector", lambda v: np.trunc(v.a / v.b)),
    ("(a & 6) | (b ^ 1)", "vector", lambda v: (v.a & 6) | (v.b ^ 1)),
    ("~a << 2", "vector", lambda v: ~v.a << 2),
    ("a >> 1", "vector", lambda v: v.a >> 1),
    ("where(a > b, a, -b)", "vector", lambda v: np.where(v.a > v.b, v.a, -v.b)),
    ("0 <= a < 3", "vector", lambda v: (v.a >= 0) & (v.a < 3)),
    ("not a", "vector", lambda v: v.a == 0),
    ("a[::-1]", "vector", lambda v: v.a[::-1]),
    ("concatenate((a[1:], a[:1]))", "vector", lambda v: np.roll(v.a, -1)),
    ("a[arange(n)]", "vector", lambda v: v.a),
    ("u + 200", "vector", lambda v: v.u.astype(np.int32) + 200),
    ("uint8(u + 200)", "vector", lambda v: v.u + np.uint8(200)),
    ("int8(h)", "vector", lambda v: v.h.astype(np.int8)),
    ("h * h", "vector", lambda v: v.h.astype(np.int32) ** 2),
    ("cumsum(a)", "vector", lambda v: np.cumsum(v.a)),
    ("cumprod(a)", "vector", lambda v: np.cumprod(v.a)),
    ("cummax(a)", "vector", lambda v: np.maximum.accumulate(v.a)),
    ("cummin(a)", "vector", lambda v: np.minimum.accumulate(v.a)),
    ("clip(a, -2, 2)", "vector", lambda v: np.clip(v.a, -2, 2)),
    ("abs(a)", "vector", lambda v: np.abs(v.a)),
    ("full(n, s)", "vector", lambda v: np.full(N, v.s)),
    ("zeros(n) + t[1]", "vector", lambda v: v.t[1]),
    ("scan(lambda k, p: p * 2 + a[k], range(n), 1)", "vector", None),
    ("sum(t, axis=0)", "columns", lambda v: v.t.sum(axis=0)),
    ("max(t, axis=0)", "columns", lambda v: v.t.max(axis=0)),
    ("argmax(t, axis=1)", "rows", lambda v: v.t.argmax(axis=1)),
    ("argmin(t, axis=-1)", "rows", lambda v: v.t.argmin(axis=1)),
    ("t @ a", "rows", lambda v: v.t @ v.a),
    ("any(t > 3, axis=1)", "rows", lambda v: (v.t > 3).any(axis=1)),
    ("count_nonzero(t, axis=1)", "rows", lambda v: np.count_nonzero(v.t, axis=1)),
    ("t.T.T", "matrix", lambda v: v.t),
    ("t * a", "matrix", lambda v: v.t * v.a),
    ("t - t[:, 0][:, None]", "matrix", lambda v: v.t - v.t[:, :1]),
    ("array(lambda i, j: t[m - 1 - i, j] if i < j else i, (m, n))", "matrix", None),
    ("out = x * x + 1", "floats", lambda v: v.x * v.x + np.float32(1)),
    ("sqrt(abs(x))", "floats", lambda v: np.sqrt(np.abs(v.x))),
    ("maximum(x, 0)", "floats", lambda v: np.maximum(v.x, 0)),
    ("float32(a) / 2", "floats", lambda v: v.a.astype(np.float32) / np.float32(2)),
    ("int32(x)", "vector", lambda v: v.x.astype(np.int32)),
    ("rint(x) - floor(x)", "floats", lambda v: np.rint(v.x) - np.floor(v.x)),
    ("p = cumsum(a)\nout = p - p[0]", "vector", lambda v: np.cumsum(v.a) - v.a[0]),
    ("full(1, sum(t))", "scalar", lambda v: [v.t.sum()]),
    (
        "full(1, prod(b) + max(a) + min(t))",
        "scalar",
        lambda v: [v.b.prod() + v.a.max() + v.t.min()],
    ),
    ("full(1, a @ b + len(a) + t.shape[0])", "scalar", lambda v: [v.a @ v.b + N + M]),
    ("full(1, first(a == a[2], -1))", "scalar", lambda v: [np.argmax(v.a == v.a[2])]),
    ("full(1, a[-1] if all(b > 0) else 0)", "scalar", lambda v: [v.a[-1]]),
    ("full(1, fold(lambda k, p, q: (q, p + q), range(n), (0, 1))[0])", "scalar", lambda v: [5]),
    ("scan(lambda k, p: 0.5 * p + x[k], range(n), 0.0)", "floats", None),
    ("full(1, 0x10 + bool(s) + True)", "scalar", lambda v: [18]),
]
OWN = {
    "scan(lambda k, p: 0.5 * p + x[k], range(n), 0.0)": lambda v: np.array(
        list(accumulate(v.x, lambda p, x: np.float32(0.5) * p + x, initial=np.float32(0)))[1:]
    ),
    "scan(lambda k, p: p * 2 + a[k], range(n), 1)": lambda v: [
        2 ** (k + 1) + sum(2 ** (k - j) * int(v.a[j]) for j in range(k + 1)) for k in range(N)
    ],
    "array(lambda i, j: t[m - 1 - i, j] if i < j else i, (m, n))": lambda v: np.array(
        [[v.t[M - 1 - i, j] if i < j else i for j in range(N)] for i in range(M)]
    ),
}


@pytest.mark.parametrize(
    ("text", "shape", "numpy"),
    CASES,
    ids=lambda part: part[:40] if isinstance(part, str) else "numpy",
)
def test_expression_means_what_numpy_means(text: str, shape: str, numpy: Any) -> None:
    """The value equals NumPy's own, and the printed NumPy computes it as well."""
    given = type("Inputs", (), inputs())
    expected = np.asarray((numpy or OWN[text])(given))
    np.testing.assert_array_equal(value_of(text, shape, expected), expected)


def test_every_function_is_tested_and_shown() -> None:
    """No function of the language is without a case above or without a line of documentation."""
    texts = " ".join(text for text, _, _ in CASES)
    rare = {
        "exp",
        "log",
        "tanh",
        "ceil",
        "trunc",
        "fmin",
        "fmax",
        "minimum",
        "transpose",
        "float64",
    }
    casts = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
    untested = {name for name in (*OPERATORS, *BINDING) if f"{name}(" not in texts}
    assert untested <= rare | casts
    assert all(f"{name}(" in reference_lines() for name in (*OPERATORS, *BINDING))


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a +", (1, 3), "not expected"),
        ("a + $", (1, 5), "no meaning"),
        ("a + c", (1, 5), "'c' is not known"),
        ("cumsumm(a)", (1, 1), "no function 'cumsumm'"),
        ("a.real", (1, 1), "no attribute"),
        ("a / b", (1, 1), "divides floats"),
        ("a + t[:, 1]", (1, 1), "shapes"),
        ("a[1:]", (1, 1), "does not have the shape"),
        ("a[0, 1]", (1, 6), "too many subscripts"),
        ("t[0, x[0]]", (1, 1), "integer"),
        ("sum(a, axis=2)", (1, 1), "no axis 2"),
        ("sum(a, keepdims=1)", (1, 8), "takes no 'keepdims='"),
        ("sum()", (1, 1), "other arguments"),
        ("lambda k: k", (1, 1), "a lambda stands only"),
        ("(lambda k: k)(a)", (1, 2), "only the functions"),
        ("fold(lambda k, s: s, a, 0)", (1, 22), "range"),
        ("fold(lambda k, k: k, range(n), 0)", (1, 6), "bound twice"),
        ("fold(lambda k, s: (s, s), range(n), 0)", (1, 1), "1 scalars"),
        ("__import__('os')", (1, 12), "no meaning"),
        ("(a, b)", (1, 1), "tuple"),
        ("x @ t", (1, 1), "inner extents"),
        ("sqrt(a)", (1, 1), "must be a float"),
        ("x << 1", (1, 1), "needs integers"),
        ("a[::2]", (1, 1), "step 1 or -1"),
        ("\n\nout = a +\n", (3, 10), "not expected"),
        ("b = a", (1, 1), "cannot be defined"),
        ("p = a", (1, 1), "does not say what 'out' holds"),
        ("99999999999999999999999", (1, 1), "64 bits"),
        ("(" * 100 + "a" + ")" * 100, None, "open brackets"),
        ("a" * 30000, None, "characters"),
        ("-" * 3000 + "a", None, "times"),
        ("", None, "empty"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_error_has_its_place(text: str, place: tuple[int, int] | None, message: str) -> None:
    """What cannot be read is refused with line, column and reason."""
    with pytest.raises(Diagnostic) as caught:
        read_summary(text, function_of("vector"))
    assert message in caught.value.message
    if place is not None:
        assert caught.value.location is not None
        assert (caught.value.location.line, caught.value.location.column) == place


TWICE = """
void twice(int n, int a[2 * n]) {
    for (int i = 0; i < n; i++) { a[i] = a[i] + 1; a[n + i] = a[i]; }
}
"""
SOLVE = """
void run(int n, const int s[n], int x[n], int y[n]) {
    int k = 0;
    for (int i = 0; i < n; i++) {
        if (s[i] > 0) { x[k] = i; k = k + 1; }
        y[i] = k;
    }
}
"""


def test_stated_invariants_prove_more() -> None:
    """A loop without a recurrence is proved through a stated equation of its array."""
    stated = """
loop i:
    a == array(lambda d: where(d < i, a_0[d] + 1,
                         where((d >= n) & (d < n + i), a_0[d - n] + 1, a_0[d])), 2 * n)
"""
    module = parse_c_kernel(TWICE, "twice.c")
    summary = "concatenate((a[:n] + 1, a[:n] + 1))"
    assert "no closed form" in lift_to_summary(module, summary).reason
    proof = lift_to_summary(module, summary, stated)
    assert proof.verdict == "proved", proof.reason
    wrong = lift_to_summary(module, summary, stated.replace("d < i,", "d <= i,"))
    assert wrong.verdict == "unknown"
    assert "initiation" in wrong.reason or "consecution" in wrong.reason


def test_stated_inequality_is_checked() -> None:
    """Conditions are proved inductive; a false one is not believed."""
    module = parse_c_kernel(SOLVE, "run.c")
    summary = (
        "x = array(lambda d: fold(lambda i, k, e: (k + (s[i] > 0),"
        " where((s[i] > 0) & (d == k), i, e)), range(n), (0, x[d]))[1], n)\ny = cumsum(s > 0)"
    )
    true = lift_to_summary(module, summary, "loop i:\n  0 <= k\n  k <= i\n")
    assert true.verdict == "proved", true.reason
    false = lift_to_summary(module, summary, "loop i:\n  k < i\n")
    assert false.verdict == "unknown"
    assert "a condition" in false.reason


def test_conditions_of_a_branch_stay_in_it() -> None:
    """What holds behind a loop in a branch is not assumed where the branch was not taken."""
    text = """
    void k(int n, int flag, const int a[n], int c[1]) {
        int s = 0;
        if (flag > 0) for (int i = 0; i < n; i++) s = s + a[i];
        c[0] = s;
    }
    """
    function = single_function(parse_c_kernel(text, "k.c"))
    sections = read_invariants("loop i:\n  0 <= i\n  i <= n\n", function)
    checker = Checker(Prover(), proposer_of(sections, function))
    execution = Execution(checker.on_loop)
    execution.run_function(function)
    assert execution.path == []
    assert len(checker.invariants) == 1


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("k <= i", 1, "before any"),
        ("loop j:\n  k <= i", 1, "no loop 'j'"),
        ("loop i#2:\n  k <= i", 1, "no loop 'i'"),
        ("loop i:\n  k <=", 2, "not expected"),
    ],
)
def test_invariants_that_cannot_be_read(text: str, line: int, message: str) -> None:
    """The place in the whole text is named."""
    function = single_function(parse_c_kernel(SOLVE, "run.c"))
    with pytest.raises(Diagnostic) as caught:
        read_invariants(text, function)
    assert message in caught.value.message
    assert caught.value.location is not None
    assert caught.value.location.line == line
