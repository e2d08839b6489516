"""Tests of reading and writing ``.rocc`` text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.rocc import read_rocc, write_rocc
from liftproof.hw.gemmini.timing.contention import contending_stream
from liftproof.hw.stream import FENCE

CONFIG = load_config()


@given(st.integers(0, 2**32), st.integers(5, 60))
def test_a_written_stream_reads_back_the_same(seed: int, length: int) -> None:
    """Writing and reading a stream gives the same commands."""
    stream = contending_stream(seed, length, CONFIG)
    again = read_rocc(write_rocc(stream), "x.rocc", CONFIG)
    for column in ("funct", "rs1", "rs2", "issue_cycles"):
        np.testing.assert_array_equal(getattr(again, column), getattr(stream, column))


def test_all_kinds_of_lines_are_read() -> None:
    """Fences, marks, waits and comments land where the text has them."""
    text = "# a comment\n2 0x80000000 0x10001000000000 # behind\nWAIT 7\nFENCE\nMARK one two\n"
    stream = read_rocc(text, "x.rocc", CONFIG)
    assert stream.funct.tolist() == [2, FENCE]
    assert stream.rs1.tolist() == [0x80000000, 0]
    assert stream.issue_cycles.tolist() == [0, 7]
    assert stream.origin.tolist() == [2, 4]
    assert stream.marks == ((2, "one two"),)
    assert read_rocc(write_rocc(stream), "y", CONFIG).marks == stream.marks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no command"),
        ("# only a comment\n", "no command"),
        ("MARK lonely\n", "no command"),
        ("77 0x0 0x0\n", "unknown funct 77"),
        ("256 0x0 0x0\n", "unknown funct 256"),
        ("255 0x0 0x0\n", "unknown funct 255"),
        ("2 0x0\n", "truncated"),
        ("2 0x0 0x0 0x0\n", "truncated or too long"),
        ("2 0xg 0x0\n", "not a 64-bit hexadecimal"),
        ("2 0x10000000000000000 0x0\n", "not a 64-bit hexadecimal"),
        ("2 -1 0x0\n", "not a 64-bit hexadecimal"),
        ("two 0x0 0x0\n", "expected a funct number"),
        ("WAIT\n", "expected a funct number"),
        ("WAIT -3\n", "expected a funct number"),
        ("2 0x80000000 0x0\n", "moves 0 rows"),
        ("2 0x80000000 0x11001000000000\n", "moves 17 rows"),
        ("3 0x80000000 0x10000000000000\n", "0 columns"),
    ],
)
def test_faulty_text_is_diagnosed(text: str, message: str) -> None:
    """Each fault is a diagnostic that says what is wrong, never a traceback or a wrap-around."""
    with pytest.raises(Diagnostic, match=message):
        read_rocc(text, "x.rocc", CONFIG)


def test_a_diagnostic_names_line_column_and_command() -> None:
    """The place and the command's index are those of the faulty line."""
    with pytest.raises(Diagnostic) as caught:
        read_rocc("# one\n7 0x0 0x0\n  99 0x0 0x0\n", "x.rocc", CONFIG)
    assert "x.rocc:3:3" in str(caught.value)
    assert "command 1" in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_diagnosed(text: str) -> None:
    """No text raises anything but a diagnostic."""
    try:
        stream = read_rocc(text, "x.rocc", CONFIG)
    except Diagnostic:
        return
    assert len(stream) > 0
