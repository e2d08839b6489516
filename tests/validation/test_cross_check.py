"""Second solvers: they repeat every query, and a disagreement is noticed."""

from __future__ import annotations

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.validation import cross_check as module
from liftproof.validation.core.smt import Answer
from liftproof.validation.core.terms import constant, term
from liftproof.validation.cross_check import cross_check
from liftproof.validation.lemmas.equality import equal_for_all
from liftproof.validation.query_log import BIT_VECTORS, INTEGERS, LoggedQuery, logging_queries
from liftproof.validation.validate import validate

pytest.importorskip("cvc5")
pytest.importorskip("bitwuzla")


def query(logic: str, body: str, answer: str) -> LoggedQuery:
    return LoggedQuery("lemma", "something", logic, body, answer)


def test_cvc5_agrees_on_all_obligations_of_a_proof(kernel) -> None:
    """No query of a proof is left open or answered otherwise."""
    program = kernel(20, 24, 40)
    with logging_queries() as log:
        validate(program.module("loops"), program.module("instructions"))
    tally = cross_check(log.queries)["cvc5"]
    assert tally.agreed == len(log.queries) > 40
    assert not tally.disagreed
    assert tally.unknown == 0


@pytest.mark.parametrize(("part", "answer"), [(0.7, Answer.SAT), (0.75, Answer.UNSAT)])
def test_all_solvers_agree_on_a_float_lemma(part: float, answer: Answer) -> None:
    """A quarter of an integer as a product and as what is left of it: floats reach Bitwuzla."""
    number = term("sitofp", "f32", term("slot", "i32", payload=("sum", ("S", 0), 0)))
    slot = number.operands[0]
    left = term("mulf", "f32", number, constant(0.25, "f32"))
    rest = term("mulf", "f32", number, constant(part, "f32"))
    right = term("subf", "f32", number, rest)
    with logging_queries() as log:
        assert equal_for_all(left, right, {slot: (-1000, 1000)}).answer is answer
    tallies = cross_check(log.queries)
    assert log.queries
    for tally in tallies.values():
        assert tally.agreed == len(log.queries)
        assert not tally.disagreed


@pytest.mark.parametrize("logic", [INTEGERS, BIT_VECTORS])
def test_disagreement_is_found(logic: str) -> None:
    """A wrong expected answer is reported, by each solver that reads the logic."""
    wrong = query(logic, "(assert false)", "sat")
    tallies = cross_check([wrong])
    assert tallies["cvc5"].disagreed == [wrong]
    assert tallies["bitwuzla"].disagreed == ([] if logic == INTEGERS else [wrong])


def test_time_limit_counts_as_unknown() -> None:
    """A query that takes too long is counted as open, not as agreed."""
    sort = "(_ BitVec 64)"
    body = "\n".join(
        [
            *(f"(declare-const {name} {sort})" for name in "xyz"),
            "(assert (bvugt x #x0000000000000001))",
            "(assert (bvugt y #x0000000000000001))",
            "(assert (bvult x #x00000000ffffffff))",
            "(assert (bvult y #x00000000ffffffff))",
            "(assert (= (bvmul x y) #x7fffffffffffffe7))",
        ]
    )
    tallies = cross_check([query(BIT_VECTORS, body, "unsat")], seconds_per_query=0.2)
    for tally in tallies.values():
        assert (tally.agreed, tally.unknown, tally.disagreed) == (0, 1, [])
        assert tally.seconds < 10


def test_missing_solver_gets_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the package and the extra that installs it."""
    monkeypatch.setattr(module, "SOLVERS", {"no_such_solver": None})
    with pytest.raises(Diagnostic, match="no_such_solver") as caught:
        cross_check([])
    assert "cross-check" in caught.value.hint
