"""What cannot be read is refused at its place, with a reason, and never with a traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.machine_c import context, read_machine_c

BEFORE = "void k(const elem_t A[64][64], const acc_t D[64][64], elem_t C[64][64]) {\n"
AFTER = "\nmvout(&C[0][0], 1u << 31, 16, 16);\nfence();\n}\n"
CASES = (Path(__file__).parent / "rejected_statements.txt").read_text().split("// -----\n")
"""Statements of a kernel's body, each under the place and the message of its error."""
EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "machine_c").glob("*.c"))


def refusal(text: str) -> Diagnostic:
    with pytest.raises(Diagnostic) as caught:
        read_machine_c(text, "kernel.c", load_config())
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.splitlines()[1][:40])
def test_statements_are_refused_where_they_are_wrong(case: str) -> None:
    """The diagnostic names file, line, column and reason, exactly."""
    header, body = case.split("\n", 1)
    expected = re.fullmatch(r"// error (\d+):(\d+): (.*)", header)
    assert expected is not None
    error = refusal(BEFORE + body.rstrip("\n") + AFTER)
    line = int(expected[1]) + 1
    assert f"{error.location} {error.message}" == f"kernel.c:{line}:{expected[2]} {expected[3]}"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "the file is empty"),
        ("int x;", "1:1", "the file defines no kernel function"),
        ("void k(elem_t C[4]) { fence(); }", "1:6", "kernel 'k' moves nothing out"),
        ("void k(int n, elem_t C[4]) { }", "1:12", "parameter 'n' is no array"),
        ("void k(elem_t *C) { }", "1:16", "the size of array 'C' is unknown"),
        ("void k(elem_t C[0]) { }", "1:17", "array 'C' has extent 0"),
        ("int k(elem_t C[4]) { return 3; }", "1:5", "a kernel returns nothing"),
        ("void k(elem_t C[4], elem_t C[4]) { }", "1:28", "'C' is declared twice"),
        (
            "void k(elem_t C[4]) { mvout(C, 0, 4, 1);",
            "1:41",
            "the file ends too early, '}' expected",
        ),
        (
            "void h(int a) { } void k(elem_t C[4]) { h(); }",
            "1:41",
            "'h' takes 1 arguments, 0 given",
        ),
        ("int f(int x) { return f(x); } void k(elem_t C[4]) { }", "1:23", "'f' calls itself"),
    ],
)
def test_files_are_refused_where_they_are_wrong(text: str, place: str, message: str) -> None:
    """Functions and parameters are checked like statements."""
    error = refusal(text)
    assert f"{error.location} {error.message}" == f"kernel.c:{place} {message}"


def test_argument_counts_name_the_parameters() -> None:
    """The hint for a wrong number of arguments spells the call out."""
    error = refusal(BEFORE + "gemmini_extended_mvin(&A[0][0], 0, 16);" + AFTER)
    assert error.hint == "write gemmini_extended_mvin(dram, local, cols, rows)"


def test_missing_commas_are_suspected() -> None:
    """Two operands in a row make the reader suspect a missing comma."""
    error = refusal(BEFORE + "mvin(&A[0][0], 0 16, 16);" + AFTER)
    assert "','" in error.hint


def test_deep_nesting_is_refused() -> None:
    """A hundred thousand parentheses are refused, not followed."""
    text = BEFORE + f"mvin(&A[0][0], {'(' * 100_000}0{')' * 100_000}, 16, 16);" + AFTER
    assert "nested too deeply" in refusal(text).message


def test_long_chains_of_updates_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that no address needs is given up with a diagnostic, if its loop is long."""
    monkeypatch.setattr(context, "STATEMENT_LIMIT", 1000)
    updates = "x = x % 7 + x / 5;\n" * 120
    text = BEFORE + f"for (int i = 0; i < 9; i++) {{ int x = i;\n{updates}\n }}" + AFTER
    assert refusal(text).message == "the value of 'x' is too complicated to follow"


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_kernels_are_read_or_refused(data: st.DataObject) -> None:
    """Deleting or doubling a piece of a kernel never leads to anything but a diagnostic."""
    text = data.draw(st.sampled_from(EXAMPLES)).read_text()
    start = data.draw(st.integers(0, len(text) - 1))
    end = min(len(text), start + data.draw(st.integers(1, 12)))
    damaged = data.draw(st.sampled_from([text[:start] + text[end:], text[:end] + text[start:]]))
    error = None
    try:
        read_machine_c(damaged, "kernel.c", load_config()).verify()
    except Diagnostic as caught:
        error = caught
    if error is not None:
        assert error.location is not None
        assert 1 <= error.location.line <= damaged.count("\n") + 2
