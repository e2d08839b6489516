"""The ``.rocc`` text of a command stream.

One command per line, ``funct rs1 rs2`` (decimal, hexadecimal, hexadecimal); ``FENCE`` waits until
the accelerator is idle; ``CORE n`` stands for ``n`` cycles of loops of the core over arrays; ``MARK
name`` ends the segment ``name``; ``WAIT n`` puts ``n`` cycles of the core before the next command;
``#`` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ...diagnostics import Diagnostic, SourceLocation
from ..stream import CORE_WORK, FENCE, CommandStream
from .config import GemminiConfig
from .isa import Funct

FUNCTS = frozenset(int(funct) for funct in Funct)
MAX_WAIT = (1 << 16) - 1
SYNTAX = (
    "a line is 'funct rs1 rs2', 'FENCE', 'CORE cycles', 'MARK name', 'WAIT cycles' or '# comment'"
)
_DECIMAL = re.compile(r"[0-9]{1,5}")
_CYCLES = re.compile(r"[0-9]{1,15}")
_WORD = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9a-fA-F]{1,16}")


@dataclass
class _Columns:
    """The stream under construction."""

    funct: list[int] = field(default_factory=list[int])
    rs1: list[int] = field(default_factory=list[int])
    rs2: list[int] = field(default_factory=list[int])
    wait: list[int] = field(default_factory=list[int])
    line: list[int] = field(default_factory=list[int])
    marks: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    pending_wait: int = 0

    def append(self, funct: int, rs1: int, rs2: int, line: int) -> None:
        self.funct.append(funct)
        self.rs1.append(rs1)
        self.rs2.append(rs2)
        self.wait.append(self.pending_wait)
        self.line.append(line)
        self.pending_wait = 0

    def stream(self) -> CommandStream:
        return CommandStream(
            np.array(self.funct, np.uint8),
            np.array(self.rs1, np.uint64),
            np.array(self.rs2, np.uint64),
            np.array(self.wait, np.uint16),
            np.array(self.line, np.int32),
            tuple(self.marks),
        )


def read_rocc(text: str, name: str, config: GemminiConfig) -> CommandStream:
    """The commands in ``text``, a file called ``name``; ``origin`` holds their line numbers.

    Raises ``Diagnostic`` with the line, the column and the command's index for an unknown funct, a
    malformed or truncated line, a move of no rows or columns, and a file without a command.
    """
    columns = _Columns()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        if words:
            _read_line(columns, words, name, number, line)
    if not columns.funct:
        raise Diagnostic(f"{name}: no command in the file", hint=SYNTAX)
    stream = columns.stream()
    _check_extents(stream, config, name)
    return stream


def write_rocc(stream: CommandStream) -> str:
    """The text that ``read_rocc`` reads back to the same stream (but for ``origin``)."""
    return "\n".join(_lines(stream)) + "\n"


def _lines(stream: CommandStream) -> Iterator[str]:
    marks = list(stream.marks)
    for index in range(len(stream) + 1):
        while marks and marks[0][0] == index:
            yield f"MARK {marks.pop(0)[1]}"
        if index == len(stream):
            return
        if stream.issue_cycles[index]:
            yield f"WAIT {stream.issue_cycles[index]}"
        if stream.funct[index] == FENCE:
            yield "FENCE"
        elif stream.funct[index] == CORE_WORK:
            yield f"CORE {stream.rs1[index]}"
        else:
            yield f"{stream.funct[index]} {stream.rs1[index]:#x} {stream.rs2[index]:#x}"


def _read_line(columns: _Columns, words: list[str], name: str, number: int, line: str) -> None:
    def fail(message: str, word: str, hint: str = SYNTAX) -> Diagnostic:
        place = SourceLocation(name, number, line.find(word) + 1)
        return Diagnostic(f"command {len(columns.funct)}: {message}", place, hint)

    if words[0] == "FENCE" and len(words) == 1:
        columns.append(FENCE, 0, 0, number)
        return
    if words[0] == "CORE" and len(words) == 2 and _CYCLES.fullmatch(words[1]):
        columns.append(CORE_WORK, int(words[1]), 0, number)
        return
    if words[0] == "MARK" and len(words) > 1:
        columns.marks.append((len(columns.funct), " ".join(words[1:])))
        return
    if words[0] == "WAIT" and len(words) == 2 and _DECIMAL.fullmatch(words[1]):
        columns.pending_wait = min(columns.pending_wait + int(words[1]), MAX_WAIT)
        return
    if not _DECIMAL.fullmatch(words[0]):
        raise fail(f"expected a funct number, got {words[0]!r}", words[0])
    if int(words[0]) not in FUNCTS:
        known = ", ".join(str(funct) for funct in sorted(FUNCTS))
        raise fail(f"unknown funct {words[0]}", words[0], f"known: {known}")
    if len(words) != 3:
        raise fail(f"expected 3 fields, got {len(words)}: the line is truncated or too long", line)
    for word in words[1:]:
        if not _WORD.fullmatch(word):
            raise fail(f"{word!r} is not a 64-bit hexadecimal number", word)
    columns.append(int(words[0]), int(words[1], 16), int(words[2], 16), number)


def _check_extents(stream: CommandStream, config: GemminiConfig, name: str) -> None:
    """Reject moves that the hardware cannot carry out: none or too many rows or columns."""
    moves = np.isin(stream.funct, (Funct.MVIN, Funct.MVIN2, Funct.MVIN3, Funct.MVOUT))
    cols = (stream.rs2 >> np.uint64(32)) & np.uint64(0xFFFF)
    rows = stream.rs2 >> np.uint64(48)
    pools = np.isin(stream.funct, (Funct.MVOUT,))
    faulty = moves & ((cols == 0) | ((rows == 0) | (rows > config.dim)) & ~pools)
    for index in np.flatnonzero(faulty):
        raise Diagnostic(
            f"command {index}: moves {rows[index]} rows and {cols[index]} columns",
            SourceLocation(name, int(stream.origin[index]), 1),
            f"a move has 1 to {config.dim} rows and at least one column",
        )
