"""The queries of a proof as files: complete, self-contained, and with the right answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import z3
from liftproof.validation.query_log import LoggedQuery, QueryLog, logging_queries
from liftproof.validation.validate import validate


def logged(kernel, *levels: str) -> tuple[int, QueryLog]:
    """The number of obligations, and the log, of one proof."""
    program = kernel(20, 24, 40)
    with logging_queries() as log:
        result = validate(*(program.module(level) for level in levels))
    assert result.verdict == "proved"
    return result.obligations, log


def status_of(script: str) -> str:
    """What stock Z3 answers to a script."""
    solver = z3.Solver()
    solver.from_string(script)
    return str(solver.check())


def test_dump_is_complete_and_stock_z3_gives_the_same_answers(kernel, tmp_path: Path) -> None:
    """Each obligation becomes one file; asked on its own, it has the status that it states."""
    obligations, log = logged(kernel, "loops", "instructions")
    paths = log.write(tmp_path / "smt")
    assert len(paths) >= obligations * 0.9  # equal scripts are written once
    for path in paths:
        script = path.read_text()
        assert f"(set-info :status {status_of(script)})" in script
        assert script.startswith(("; source: ", "; target: ", "; equality: ", "; lemma: "))


def test_file_names_and_comments_say_what_is_stated(kernel, tmp_path: Path) -> None:
    """Names hold the part and the statement, the comment the operation."""
    paths = logged(kernel, "loops", "instructions")[1].write(tmp_path)
    names = " ".join(path.name for path in paths)
    assert "target-every-element-of-spad-is-initialised" in names
    assert "equality-paired-summands-are-the-same-product" in names
    assert any("gemmini.compute_preloaded" in path.read_text() for path in paths)


def test_lemmas_are_logged_even_if_they_were_proved_before(kernel) -> None:
    """A log is complete whatever is in the cache of lemmas: two logs of one proof are equal."""
    first = logged(kernel, "loops", "instructions")[1]
    second = logged(kernel, "loops", "instructions")[1]
    assert {query.part for query in first.queries} >= {"source", "target", "equality"}
    assert [q.states for q in first.queries] == [q.states for q in second.queries]


def test_failing_obligation_is_logged_as_satisfiable(kernel, tmp_path: Path) -> None:
    """The log of a refuted program ends with a query that has a solution."""
    program = kernel(20, 24, 40)
    wrong = program.module("instructions", ("arith.remsi %next", "arith.remsi %ko"))
    with logging_queries() as log:
        assert validate(program.module("loops"), wrong).verdict == "refuted"
    assert log.queries[-1].answer == "sat"
    assert status_of(log.queries[-1].script) == "sat"


def test_a_folder_with_another_proof_is_refused(tmp_path: Path) -> None:
    """Files of two proofs are never mixed."""
    log = QueryLog()
    log.add(LoggedQuery("lemma", "true", "QF_LIA", "(assert false)", "unsat"))
    log.write(tmp_path)
    with pytest.raises(FileExistsError):
        log.write(tmp_path)


def test_nothing_is_kept_without_a_log(kernel) -> None:
    """Queries outside of the block are not in the log."""
    with logging_queries() as log:
        pass
    program = kernel(16, 16, 16)
    validate(program.module("loops"), program.module("tensors"))
    assert log.queries == ()
