"""The schedule library: the nearest kernels first, and nothing in it is trusted."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.llm.check import Task
from liftproof.llm.library import Features, Library, features_of

SIZES = st.lists(st.integers(1, 4096), min_size=3, max_size=3).map(tuple)
PIPELINE = "gemmini-lower-linalg,gemmini-place,gemmini-lower-tiles,gemmini-hoist-config"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "library.sqlite")


def tiled(size: int) -> str:
    return PIPELINE.replace("gemmini-place", f"gemmini-tile{{i={size}}},gemmini-place")


def scaled(task: Task, rows: int) -> Task:
    """The same kernel with another number of rows."""
    problem = replace(task.problem, tensor_ir=task.problem.tensor_ir.replace("17x16", f"{rows}x16"))
    return replace(task, problem=problem)


def test_nearest_sizes_come_first(library: Library, task: Task) -> None:
    """Of kernels that compute the same, those of the nearest sizes begin the search."""
    for rows in (19, 4000, 500, 60):
        library.add(scaled(task, rows).problem, tiled(rows), 1000, 500, "1")
    found = [entry.pipeline for entry in library.nearest(task.problem)]
    assert found == [tiled(19), tiled(60), tiled(500)]


def test_better_schedule_replaces_a_worse_one(library: Library, task: Task) -> None:
    """One schedule a kernel: the fastest of the current version."""
    for size, cycles in ((1, 900), (2, 800), (3, 850)):
        library.add(task.problem, tiled(size), cycles, 500, "1")
    (entry,) = library.nearest(task.problem)
    assert (entry.pipeline, entry.cycles) == (tiled(2), 800)
    library.add(task.problem, tiled(4), 870, 500, "2")
    (entry,) = library.nearest(task.problem)
    assert entry.pipeline == tiled(4)


def test_names_do_not_matter_but_machines_do(library: Library, task: Task) -> None:
    """A renamed kernel is the same kernel; another machine or level has schedules of its own."""
    library.add(task.problem, PIPELINE, 900, 500, "1")
    renamed = task.problem.tensor_ir.replace("%a", "%left").replace("@matmul", "@gemm")
    assert library.nearest(replace(task.problem, tensor_ir=renamed))
    assert features_of(renamed) == features_of(task.problem.tensor_ir)
    assert library.nearest(replace(task.problem, level="accelerator")) == []
    assert library.nearest(replace(task.problem, config="gemmini-4x4-fp32")) == []


def test_schedules_that_may_not_be_proposed_are_passed_over(library: Library, task: Task) -> None:
    """A library from elsewhere cannot run programs or read files."""
    for text in ('mlir-opt{executable="/bin/sh"}', "no-such-pass", ""):
        library.add(task.problem, text, 1, 1, "1")
        assert library.nearest(task.problem) == []


def test_missing_library_is_empty_and_other_files_are_refused(
    library: Library, task: Task, tmp_path: Path
) -> None:
    """Nothing to start from is no fault; a file of another kind is one."""
    assert library.nearest(task.problem) == []
    assert not library.path.exists()
    library.path.write_text("not a database, but long enough to be read as one " * 20)
    with pytest.raises(Diagnostic, match="not a schedule library"):
        library.nearest(task.problem)
    newer = tmp_path / "newer.sqlite"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Diagnostic, match="format 99"):
        Library(newer).nearest(task.problem)
    with pytest.raises(Diagnostic, match="cannot be opened"):
        Library(tmp_path / "no" / "folder").add(task.problem, PIPELINE, 1, 1, "1")


@given(SIZES, SIZES, st.booleans())
def test_distance_is_symmetric_and_zero_only_for_the_same(
    mine: tuple[int, ...], theirs: tuple[int, ...], same: bool
) -> None:
    """Distances compare kernels in either order."""
    left, right = Features("a", mine), Features("a" if same else "b", theirs)
    assert left.distance(right) == pytest.approx(right.distance(left))
    assert (left.distance(right) == 0) == (left == right)
