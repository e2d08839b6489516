"""What the solvers are asked, kept as self-contained SMT-LIB 2 scripts.

Every query to a solver goes by ``note``. Unless a log is open (``with logging_queries() as log``)
that costs nothing. A log is written to a folder for other solvers to read, or asked again by them
(see ``cross_check``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

INTEGERS = "QF_LIA"
"""Linear integer arithmetic, with divisions by numbers: all obligations about programs."""
QUANTIFIED = "LIA"
"""The same, about all values of some variables."""
BIT_VECTORS = "QF_BV"
BIT_VECTORS_AND_FLOATS = "QF_BVFP"
ANYTHING = "ALL"

_FUNCTION = re.compile(r"\(declare-fun \S+ \((?!\))")
"""The declaration of a function that is not a constant."""
_SLUG_LENGTH = 70


@dataclass(frozen=True)
class LoggedQuery:
    """One query: what an unsatisfiable answer states, the script, and the answer that Z3 gave."""

    part: str
    """What it is about: ``source``, ``target``, ``equality`` or ``lemma``."""
    states: str
    logic: str
    body: str
    """Declarations and assertions."""
    answer: str
    """``sat``, ``unsat`` or ``unknown``."""
    origin: str = ""
    """The operation that the query is about, as text."""

    @property
    def question(self) -> str:
        """The script without its answer: a solver that knows it may complain instead of answer."""
        return f"(set-logic {self.logic})\n{self.body}\n(check-sat)\n"

    @property
    def script(self) -> str:
        """The whole SMT-LIB 2 script, with the answer as its expected status."""
        comment = [f"; {line}" for line in self._comment().split("\n")]
        return "\n".join(
            [
                *comment,
                "(set-info :smt-lib-version 2.6)",
                f"(set-logic {self.logic})",
                f"(set-info :status {self.answer})",
                self.body,
                "(check-sat)",
                "(exit)",
                "",
            ]
        )

    def _comment(self) -> str:
        lines = [f"{self.part}: {self.states}", "unsat: it holds (what is asserted is a violation)"]
        if self.states.endswith("?"):
            lines[1] = "unsat: no; the proof goes on with either answer"
        elif self.states.startswith("premises: "):
            lines[1] = "sat: the premises do not contradict each other"
        if self.origin:
            lines.append(f"operation: {self.origin}")
        return "\n".join(" ".join(line.split()) for line in lines)


@dataclass
class QueryLog:
    """The queries of one validation, each script once."""

    part: str = "equality"
    _queries: dict[LoggedQuery, None] = field(default_factory=dict[LoggedQuery, None])

    @property
    def queries(self) -> tuple[LoggedQuery, ...]:
        return tuple(self._queries)

    def add(self, query: LoggedQuery) -> None:
        self._queries[query] = None

    def write(self, folder: Path) -> list[Path]:
        """Write one file per query, numbered in the order of the proof.

        Raises ``FileExistsError`` if the folder holds SMT-LIB files: those of another proof must
        not pass for parts of this one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if next(folder.glob("*.smt2"), None) is not None:
            raise FileExistsError(f"{folder} already holds .smt2 files")
        paths: list[Path] = []
        for number, query in enumerate(self._queries):
            path = folder / f"{number:04}-{query.part}-{_slug(query.states)}.smt2"
            path.write_text(query.script, encoding="utf-8")
            paths.append(path)
        return paths


_OPEN: ContextVar[QueryLog | None] = ContextVar("open query log", default=None)


@contextmanager
def logging_queries() -> Generator[QueryLog]:
    """Keep every query that is asked within the block."""
    log = QueryLog()
    token = _OPEN.set(log)
    try:
        yield log
    finally:
        _OPEN.reset(token)


def is_logging() -> bool:
    return _OPEN.get() is not None


def begin_part(name: str) -> None:
    """What the queries from here on are about; without effect if no log is open."""
    log = _OPEN.get()
    if log is not None:
        log.part = name


@contextmanager
def without_log() -> Generator[None]:
    """Keep no query that is asked within the block, such as one about a guess."""
    token = _OPEN.set(None)
    try:
        yield
    finally:
        _OPEN.reset(token)


def note(
    states: str,
    logic: str,
    body: Callable[[], str],
    answer: str,
    *,
    origin: Callable[[], str] = str,
    part: str | None = None,
) -> None:
    """Add a query to the open log, if there is one; texts are only made then."""
    log = _OPEN.get()
    if log is not None:
        log.add(LoggedQuery(part or log.part, states, logic, body(), answer, origin()))


def note_lemma(states: str, body: str, answer: str) -> None:
    """``note`` for a query about bit-vectors and floats."""
    is_float = "FloatingPoint" in body or "fp" in body
    logic = BIT_VECTORS_AND_FLOATS if is_float else BIT_VECTORS
    if _FUNCTION.search(body):
        logic = ANYTHING
    note(states, logic, lambda: body, answer, part="lemma")


def _slug(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", text.lower())
    return words[:_SLUG_LENGTH].strip("-")
