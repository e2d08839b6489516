"""Wrong summaries are refuted by arrays, and right ones in other words are proved."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.invariants.prove import Proof, summarise
from liftproof.lifting.invariants.python_view import python_view
from liftproof.lifting.invariants.summary import Summary
from liftproof.lifting.summaries.prove import lift_to_summary

LOOP = "for (int i = 0; i < n; i++)"
VECTOR, PAIR = "int n, const int a[n]", "int n, const int a[n], const int b[n]"
KERNELS = {
    "subtract": f"void k({PAIR}, int c[n]) {{ {LOOP} c[i] = a[i] - b[i]; }}",
    "burn": f"void k({PAIR}, int c[n]) {{ {LOOP} c[i] = a[i] + b[i] - 255; }}",
    "halve": f"void k({VECTOR}, int c[n]) {{ {LOOP} c[i] = a[i] / 2; }}",
    "guard": f"void k({PAIR}, int c[n]) {{ {LOOP} c[i] = b[i] == 0 ? 7 : a[i] / b[i]; }}",
    "scan": f"void k({VECTOR}, int c[n]) {{ int s = 0; {LOOP} {{ s += a[i]; c[i] = s; }} }}",
    "argmax": f"int k({VECTOR}) {{ int m = 0; {LOOP} if (a[i] > a[m]) m = i; return m; }}",
    "maximum": f"int k({VECTOR}) {{ int m = a[0]; {LOOP} if (a[i] > m) m = a[i]; return m; }}",
    "dot": f"int k({PAIR}) {{ int s = 0; {LOOP} s += a[i] * b[i]; return s; }}",
    "bytes": "void k(int n, const unsigned char a[n], unsigned char c[n])"
    f" {{ {LOOP} c[i] = a[i] + 200; }}",
    "clamp": f"void k({VECTOR}, signed char c[n])"
    f" {{ {LOOP} c[i] = a[i] > 127 ? 127 : a[i] < -128 ? -128 : a[i]; }}",
    "rows": "void k(int m, int n, const int a[m][n], int c[m]) { for (int i = 0; i < m; i++) {"
    " int s = 0; for (int j = 0; j < n; j++) s += a[i][j]; c[i] = s; } }",
    "filter": "void k(int n, const float x[n], float y[n], float p, float q)"
    f" {{ float s = 0; {LOOP} {{ s = p * s + q * x[i]; y[i] = s; }} }}",
    "count": f"int k({VECTOR}, int low) {{ int c = 0; {LOOP} if (a[i] >= low) c++; return c; }}",
    "find": f"int k({VECTOR}, int x)"
    f" {{ int p = -1; {LOOP} if (a[i] == x) {{ p = i; break; }} return p; }}",
    "rest": f"void k({VECTOR}, int c[n]) {{ {LOOP} c[i] = a[i] % 8; }}",
}
WRONG = [
    ("subtract", "a + b", "another operation"),
    ("subtract", "b - a", "operands swapped"),
    ("subtract", "a - b - 1", "constant off by one"),
    ("subtract", "where(a > b, a - b, 0)", "a guard too many"),
    ("burn", "a + b - 256", "constant off by one"),
    ("burn", "a + b + 255", "sign of a constant"),
    ("burn", "maximum(a + b - 255, 0)", "saturated"),
    ("burn", "a - b - 255", "another operation"),
    ("halve", "a // 2", "floor for truncation"),
    ("halve", "a >> 1", "shift for division"),
    ("halve", "trunc_div(a + 1, 2)", "rounded up"),
    ("guard", "where(b == 0, 0, trunc_div(a, b))", "value of the guard"),
    ("guard", "where(b == 0, 7, a // b)", "floor for truncation"),
    ("guard", "where(b == 0, 7, trunc_div(b, a))", "operands swapped"),
    ("guard", "where(a == 0, 7, trunc_div(a, b))", "guard on the wrong array"),
    ("scan", "cumsum(a) - a", "exclusive for inclusive"),
    ("scan", "cumsum(a[::-1])", "from the other end"),
    ("scan", "cumprod(a)", "another operation"),
    ("scan", "full(n, sum(a))", "the total for each prefix"),
    ("argmax", "argmin(a)", "another direction"),
    ("argmax", "n - 1 - argmax(a[::-1])", "last for first"),
    ("argmax", "argmax(a) + 1", "constant off by one"),
    ("argmax", "max(a)", "value for subscript"),
    ("maximum", "max(where(a > 0, a, 0))", "wrong start"),
    ("maximum", "max(a[:n - 1])", "wrong bound"),
    ("maximum", "max(abs(a))", "of magnitudes"),
    ("dot", "sum(a) * sum(b)", "product of sums"),
    ("dot", "sum(a[1:] * b[1:])", "wrong bound"),
    ("dot", "sum(a * a)", "wrong operand"),
    ("dot", "a @ b[::-1]", "in the wrong order"),
    ("bytes", "minimum(a + 200, 255)", "saturated for wrapped"),
    ("bytes", "int8(a) + 201", "constant off by one"),
    ("clamp", "int8(a)", "wrapped for saturated"),
    ("clamp", "clip(a, -127, 127)", "bound off by one"),
    ("clamp", "maximum(a, -128)", "missing guard"),
    ("rows", "array(lambda i: sum(a[0, :]), m)", "the first row always"),
    ("rows", "sum(a[:, 1:], axis=1)", "wrong bound"),
    ("rows", "array(lambda i: sum(a[:, 0]), m)", "wrong axis"),
    ("filter", "scan(lambda k, s: q * s + p * x[k], range(n), 0.0)", "constants swapped"),
    ("filter", "scan(lambda k, s: p * s + q * x[k], range(n), 1.0)", "wrong start"),
    ("filter", "p * x + q * x", "no state"),
    ("count", "count_nonzero(a > low)", "strict for not strict"),
    ("count", "sum(where(a >= low, a, 0))", "sum for count"),
    ("find", "first(a == x, 0)", "wrong default"),
    ("find", "n - 1 - first(a[::-1] == x, n)", "last for first"),
    ("rest", "a % 8", "sign of the divisor"),
    ("rest", "a & 7", "mask for remainder"),
]
RIGHT = [
    ("subtract", "-(b - a)"),
    ("burn", "a - (255 - b)"),
    ("halve", "where((a < 0) & (a % 2 != 0), a // 2 + 1, a // 2)"),
    ("guard", "where(b != 0, trunc_div(a, b), 7)"),
    ("scan", "array(lambda i: sum(a[:i + 1]), n)"),
    ("argmax", "first(a == max(a), -1) if n < 0 else argmax(a)"),
    ("maximum", "a[argmax(a)]"),
    ("dot", "a @ b"),
    ("bytes", "uint8(a) - 56"),
    ("clamp", "clip(a, -128, 127)"),
    ("rows", "sum(a, axis=1)"),
    ("filter", "scan(lambda k, s: q * x[k] + p * s, range(n), 0.0)"),
    ("count", "sum(where(a < low, 0, 1))"),
    ("find", "first(a == x, -1)"),
    ("rest", "fmod(a, 8)"),
]


@cache
def right(name: str) -> Proof:
    """The summary that the kernel's own recurrences give."""
    return summarise(parse_c_kernel(KERNELS[name], f"{name}.c"))


def run_numpy(summary: Summary, inputs: tuple[np.ndarray, ...]) -> Any:
    """What the summary printed as NumPy computes."""
    scope: dict[str, Any] = {}
    exec(python_view(summary), scope)
    function = scope["k"]
    used = function.__code__.co_varnames[: function.__code__.co_argcount]
    by_name = dict(zip(summary.names, inputs, strict=True))
    with np.errstate(all="ignore"):
        return function(*(by_name[name] for name in used))


@pytest.mark.parametrize(("name", "text", "mistake"), WRONG, ids=lambda part: part[:30])
def test_wrong_summary_is_refuted(name: str, text: str, mistake: str) -> None:
    """The counterexample is arrays on which NumPy runs of kernel and summary differ as well."""
    proof = lift_to_summary(parse_c_kernel(KERNELS[name], f"{name}.c"), text)
    assert proof.verdict == "refuted", (mistake, proof.reason)
    assert proof.counterexample is not None
    inputs = proof.counterexample.inputs
    expected = run_numpy(right(name).summary, inputs)
    try:
        actual = run_numpy(proof.summary, inputs)
    except (IndexError, TypeError):
        return  # the wrong summary does not even run on these arrays
    assert not np.array_equal(expected, actual, equal_nan=np.asarray(expected).dtype.kind == "f")


@pytest.mark.parametrize(("name", "text"), RIGHT, ids=lambda part: part[:30])
def test_right_summary_in_other_words_is_proved(name: str, text: str) -> None:
    """What means the same is proved the same, for all sizes."""
    proof = lift_to_summary(parse_c_kernel(KERNELS[name], f"{name}.c"), text)
    assert proof.verdict == "proved", proof.reason


def test_at_least_forty_mistakes() -> None:
    """The suite of mistakes does not shrink, and each is another one."""
    assert len(set(WRONG)) >= 40


def test_subtraction_is_never_an_addition() -> None:
    """The loop that subtracts was once 'proved' to add elsewhere; here it is refuted."""
    proof = lift_to_summary(parse_c_kernel(KERNELS["subtract"], "k.c"), "a + b")
    assert proof.verdict == "refuted"
    assert not any(
        made.states.startswith("postcondition") and made.proved for made in proof.obligations
    )
