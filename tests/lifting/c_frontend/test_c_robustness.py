"""No text makes the front end or the lifter fail other than with a diagnostic."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.lifting.results import with_result_as_output

SUITES = Path(__file__).parents[1] / "suites"
SOURCES = [path.read_text() for path in sorted(SUITES.rglob("*")) if path.suffix in (".c", ".cc")]
WORDS = [
    *("vector<int>", "vector<vector<float>>", "std::", "using namespace std;", "auto", "const"),
    *("while", "do", "break;", "continue;", "for (int i : v)", "return v;", "return 0;"),
    *("v.push_back(1);", "v.size()", "v.clear();", "v[0]", "->", ".", "*p++", "&a[0]", "p += 2;"),
    *("struct s { int n; int *d; };", "s->d[0]", "typedef", "(int *)", "(", ")", "{", "}", ";"),
    *("n--", "i < n", "=", "+", "max(a, b)", "exp(x)", "<", ">", ">>", ",", "0", "1.5f", "x"),
]
SETTINGS = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def read(text: str, name: str) -> None:
    """Parse, lower and lift ``text``; diagnostics are fine, anything else is not."""
    try:
        lift(with_result_as_output(parse_c_kernel(text, name)))
    except Diagnostic:
        return


@SETTINGS
@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_words_in_any_order(words: list[str]) -> None:
    """Words of C and C++ in any order give a kernel or a diagnostic."""
    read("void k(int n, int *p, vector<int> v) { " + " ".join(words) + " }", "k.cc")


@SETTINGS
@given(st.data())
def test_damaged_kernels(data: st.DataObject) -> None:
    """A kernel with a piece left out, doubled or moved gives a kernel or a diagnostic."""
    text = data.draw(st.sampled_from(SOURCES))
    lines = text.splitlines()
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, min(len(lines), first + 3)))
    place = data.draw(st.integers(0, len(lines)))
    piece = lines[first:last]
    kept = lines[:first] + lines[last:] if data.draw(st.booleans()) else lines
    read("\n".join([*kept[:place], *piece, *kept[place:]]), "k.cc")


@SETTINGS
@given(st.data())
def test_swapped_tokens(data: st.DataObject) -> None:
    """A kernel with one word replaced by another gives a kernel or a diagnostic."""
    words = data.draw(st.sampled_from(SOURCES)).split(" ")
    place = data.draw(st.integers(0, len(words) - 1))
    words[place] = data.draw(st.sampled_from([*WORDS, *words]))
    read(" ".join(words), "k.cc")


REFUSED = [
    ("vector<int f(int n) { return n; }", "this '<' is not closed"),
    ("vector<int> f(vector<int> v) { v.sort(); return v; }", "'sort' is not a method"),
    ("void f(vector<int> v) { v.push_back(1); }", "'v' cannot grow"),
    ("void f(vector<int> v) { v[0] = 1; }", "'v' is const"),
    ("int f(vector<int> v) { vector<int> w(1, 2, 3); return v[0]; }", "a size and a value"),
    ("int f(vector<int> v) { return v; }", "the array 'v' is used as a scalar"),
    ("int f(vector<int> v) { vector<vector<int>> w(3); return 0; }", "has 2 dimensions"),
    ("struct s { int n; }; int f(struct s *p) { return p->m; }", "has no member 'm'"),
    ("int f(int n) { while (1) n++; return n; }", "does not count"),
    ("int f(int *p, int n) { int *q; return q[n]; }", "cannot tell where pointer 'q' points"),
    ("int f(int n) { auto x; return n; }", "cannot have type auto"),
    ("int f(int n) { int s = 0; for (int x : n) s = x; return s; }", "not an array"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refusals_say_why(text: str, reason: str) -> None:
    """What is not supported of C++ and of structures is refused with a place and the reason."""
    with pytest.raises(Diagnostic) as refusal:
        parse_c_kernel(text, "k.cc")
    assert reason in refusal.value.message
    assert refusal.value.location is not None
