"""The schedule library: what was found for earlier kernels, in one SQLite file.

Schedules of similar kernels begin the next search. A library saves time and proves nothing: each
schedule is lowered, timed and proven anew, and may be refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log2
from pathlib import Path

from xdsl.dialects.linalg import ops as linalg
from xdsl.parser import Parser

from ..diagnostics import Diagnostic
from .anonymize import anonymize
from .evaluate import Problem, new_context
from .untrusted_pipeline import read_untrusted_pipeline

FORMAT = 1
SIMILAR = 3
"""Schedules that begin a search."""
OTHER_STRUCTURE = 16.0
"""Distance, in doublings of one size, between kernels that compute different things."""
_TABLE = """
CREATE TABLE IF NOT EXISTS schedules (
    structure TEXT NOT NULL,
    sizes TEXT NOT NULL,
    config TEXT NOT NULL,
    level TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    cycles INTEGER NOT NULL,
    lower_bound INTEGER NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (structure, sizes, config, level)
)
"""
_BETTER = """
INSERT INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET pipeline = excluded.pipeline, cycles = excluded.cycles,
    lower_bound = excluded.lower_bound, version = excluded.version
WHERE excluded.cycles < cycles OR excluded.version <> version
"""
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Features:
    """What makes kernels similar."""

    structure: str
    """Hash of the lifted kernel with all numbers left out."""
    sizes: tuple[int, ...]
    """Trip counts of the loops of its operations."""

    def distance(self, other: Features) -> float:
        """0 for the same kernel; else how often sizes double from one to the other."""
        if len(self.sizes) != len(other.sizes):
            return float("inf")
        sizes = zip(self.sizes, other.sizes, strict=True)
        apart = sum(abs(log2(max(1, mine) / max(1, theirs))) for mine, theirs in sizes)
        return apart + (0.0 if self.structure == other.structure else OTHER_STRUCTURE)


@dataclass(frozen=True)
class Entry:
    """The best schedule of one kernel."""

    features: Features
    pipeline: str
    cycles: int
    lower_bound: int

    def describe(self) -> str:
        """One line for a prompt."""
        sizes = " x ".join(map(str, self.features.sizes))
        return f"- sizes {sizes}: {self.cycles} cycles (bound {self.lower_bound}): {self.pipeline}"


def features_of(tensor_ir: str) -> Features:
    """The features of a lifted kernel; names do not matter."""
    text = anonymize(tensor_ir)
    module = Parser(new_context(), text).parse_module()
    sizes: list[int] = []
    for operation in module.walk():
        if isinstance(operation, linalg.GenericOp):
            sizes += operation.get_static_loop_ranges()
    shape = _NUMBER.sub("#", text)
    return Features(hashlib.sha256(shape.encode()).hexdigest()[:16], tuple(sizes))


class Library:
    """Schedules in a file, which is made when something is first added."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def nearest(self, problem: Problem, count: int = SIMILAR) -> list[Entry]:
        """The schedules of the most similar kernels for the same machine, the nearest first.

        Raises ``Diagnostic`` for a file that is no library.
        """
        if not self.path.exists():
            return []
        query = (
            "SELECT structure, sizes, pipeline, cycles, lower_bound FROM schedules"
            " WHERE config = ? AND level = ?"
        )
        with self.opened() as connection:
            connection.execute(_TABLE)
            rows = connection.execute(query, (problem.config, problem.level)).fetchall()
        wanted = features_of(problem.tensor_ir)
        found = [entry for row in rows if (entry := self._entry(row, problem.config)) is not None]
        near = [(wanted.distance(entry.features), entry.pipeline, entry) for entry in found]
        return [entry for distance, _, entry in sorted(near)[:count] if distance != float("inf")]

    def add(
        self, problem: Problem, pipeline: str, cycles: int, lower_bound: int, version: str
    ) -> None:
        """Keep a proven schedule, if it is faster than the known one or of another version."""
        features = features_of(problem.tensor_ir)
        sizes = json.dumps(features.sizes)
        key = (features.structure, sizes, problem.config, problem.level)
        with self.opened() as connection:
            connection.execute(_TABLE)
            connection.execute(_BETTER, (*key, pipeline, cycles, lower_bound, version))

    @contextmanager
    def opened(self) -> Generator[sqlite3.Connection]:
        """A connection with one transaction; raises ``Diagnostic`` for a file of another kind."""
        try:
            connection = sqlite3.connect(self.path)
        except sqlite3.Error as error:
            raise Diagnostic(f"{self.path}: cannot be opened: {error}") from error
        try:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found not in (0, FORMAT):
                raise Diagnostic(f"{self.path}: library format {found} is not {FORMAT}")
            with connection:
                connection.execute(f"PRAGMA user_version = {FORMAT}")
                yield connection
        except sqlite3.Error as error:
            raise Diagnostic(f"{self.path}: not a schedule library: {error}") from error
        finally:
            connection.close()

    def _entry(self, row: tuple[object, ...], config: str) -> Entry | None:
        """An entry; None where its schedule is not one that may be proposed any more."""
        structure, sizes, pipeline, cycles, lower_bound = row
        try:
            read_untrusted_pipeline(str(pipeline), config)
            numbers = tuple(int(size) for size in json.loads(str(sizes)))
            counts = int(str(cycles)), int(str(lower_bound))
        except (Diagnostic, ValueError, TypeError):
            return None
        return Entry(Features(str(structure), numbers), str(pipeline), *counts)
