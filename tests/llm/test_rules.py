"""Rewrite rules as proposals: proved, put on the menu, and used again, also by other kernels."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import read_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.advice import ModelOptions
from liftproof.llm.advised import Advice
from liftproof.llm.chat import Answer, Request
from liftproof.llm.check import Task, check
from liftproof.llm.evaluate import Outcome, Problem, lower, parse_pipeline
from liftproof.llm.library import Library
from liftproof.llm.proposal import Proposal
from liftproof.llm.proven_rule import ProvenRule
from liftproof.llm.render import rule_item, template
from liftproof.llm.rule_library import keep_rule, known_rules
from liftproof.llm.rules import Shelf, rule_spec, rules_in
from liftproof.llm.search import Search, SearchState
from liftproof.llm.session import Session, open_session
from liftproof.llm.untrusted_rule import prove_text, read_rule
from liftproof.passes.pipelines import baseline_pipeline
from liftproof.passes.proven_rules import apply_rule, as_option, from_option, parse_rules
from liftproof.tools.rule_report import rules_file, rules_report
from xdsl.utils.exceptions import PassFailedException

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
CONFIG = "gemmini-16x16-int8"
RIGHT = (FOLDER / "attacks" / "base_pattern.mlir").read_text()
RIGHT_AND_WRONG = (
    '%new2 = pdl.operation "gemmini.mvin" (%right, %k, %j, %at2, %depth, %cols',
    '%new2 = pdl.operation "gemmini.mvin" (%right, %k, %j, %at2, %depth, %rows',
)
WRONG = RIGHT.replace(*RIGHT_AND_WRONG)
NAME = "weights_first"
BY_HAND = ROOT / "examples" / "transcripts" / "patterns.by_hand.jsonl"
DOUBLE = """\
pdl.pattern @double : benefit(1) {
  %type = pdl.type
  %x = pdl.operand : %type
  %r = pdl.operation "arith.addi" (%x, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r {
    %s = pdl.operation "arith.OPERATION" (%x, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    pdl.replace %r with %s
  }
}
"""


@pytest.fixture(scope="module")
def proved(task: Task) -> Outcome:
    """What becomes of the right rule in the untuned lowering."""
    return check(task, Proposal("pattern", RIGHT, baseline_pipeline(CONFIG)))


def task_of(name: str) -> Task:
    loops = read_c_kernel(str(ROOT / "examples" / f"{name}.c"))
    return Task(Problem(str(lift_and_prove(loops).module), CONFIG), str(loops), 1 << 16)


def test_proved_rule_makes_a_proven_program(proved: Outcome, task: Task) -> None:
    """The rule is put where it helps: the program is faster, and replays from its pipeline."""
    assert proved.diagnostic == ""
    assert proved.cycles is not None
    assert proved.rule is not None
    assert (proved.kind, proved.rule.name) == ("pipeline", NAME)
    assert proved.cycles < (check(task, baseline()).cycles or 0)
    assert check(task, Proposal("pipeline", proved.pipeline)).cycles == proved.cycles


def baseline() -> Proposal:
    return Proposal("pipeline", baseline_pipeline(CONFIG))


def test_rule_of_one_kernel_is_proved_anew_for_another(proved: Outcome) -> None:
    """Arrays and strides that a rule leaves open are those of the program it is applied to."""
    assert proved.rule is not None
    other = task_of("matmul_int32_48x80x64")
    shelf = Shelf([proved.rule])
    pipeline = baseline_pipeline(CONFIG).replace("gemmini-hoist", f"{NAME},gemmini-hoist")
    outcome = check(other, Proposal("pipeline", shelf.expand(pipeline)))
    assert outcome.diagnostic == ""
    assert outcome.digest != check(other, baseline()).digest


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            '%row2_op = pdl.operation "arith.constant" {"value" = %row2_value}'
            " -> (%index : !pdl.type)\n  %row2 = pdl.result 0 of %row2_op",
            "%row2 = pdl.operand : %index",
            r"refuted.* at .*row2 = .* instead of ",
        ),
        (*RIGHT_AND_WRONG, r"refuted.* at .* instead of "),
        (
            "erase %load1\n    pdl.erase %load2",
            "erase %load2\n    pdl.erase %load1",
            "root .* last",
        ),
    ],
)
def test_wrong_rule_is_refused_with_what_breaks_it(
    task: Task, old: str, new: str, reason: str
) -> None:
    """The same rule for rows that may overlap, or with a wrong size, shows operands and values."""
    assert old in RIGHT
    text = RIGHT.replace(old, new)
    if "operand" in new:
        text = text.replace("  %row2_value = pdl.attribute\n", "")
    outcome = check(task, Proposal("pattern", text, baseline_pipeline(CONFIG)))
    assert (outcome.cycles, outcome.rule) == (None, None)
    assert re.search(reason, outcome.diagnostic), outcome.diagnostic


def test_rule_without_a_match_is_proved_all_the_same(task: Task) -> None:
    """A rule that says all of itself needs no program; it is on the menu, and nothing is faster."""
    outcome = check(task, Proposal("pattern", DOUBLE.replace("OPERATION", "addi")))
    assert outcome.rule is not None
    assert outcome.rule.types == ("i1", "i8", "i16", "i32", "i64", "index")
    assert outcome.cycles is None
    assert "changes nothing" in outcome.diagnostic


def test_shelf_translates_between_names_and_texts(proved: Outcome) -> None:
    """Proposals say names, pipelines hold texts; equal rules are one, equal names are two."""
    assert proved.rule is not None
    shelf = Shelf([proved.rule, proved.rule])
    assert list(shelf.rules) == [NAME]
    assert NAME in shelf.fold(proved.pipeline)
    assert "pdl" not in shelf.fold(proved.pipeline)
    assert shelf.expand(shelf.fold(proved.pipeline)) == proved.pipeline
    assert shelf.add(ProvenRule(NAME, "another")) == f"{NAME}_2"
    assert [rule.name for rule in shelf.rules.values()] == [NAME, f"{NAME}_2"]
    for text in ("", "cse,", "x{", f"{NAME}{{file=1}}"):
        assert shelf.expand(text) == text
    assert rules_in(proved.pipeline) == [proved.rule.text]
    assert "gemmini.mvin" in rule_item(proved.rule).about


def test_results_hold_the_rule_and_what_its_proof_covers(proved: Outcome) -> None:
    """A file from which the rule can be proved again, and a row of the report."""
    assert proved.rule is not None
    assert prove_text(rules_file(proved.pipeline), CONFIG) == proved.rule
    (row,) = rules_report(proved.pipeline, CONFIG)
    assert (row["name"], row["proved"]) == (NAME, "for each match")
    assert rules_report(baseline_pipeline(CONFIG), CONFIG) == []
    assert rules_file(baseline_pipeline(CONFIG)) == ""


def test_rule_that_no_match_proves_is_refused_where_it_is_applied(task: Task) -> None:
    """The pass proves for itself: it does not believe whoever wrote the pipeline."""
    passes = parse_pipeline("gemmini-lower-linalg,gemmini-place,gemmini-lower-tiles")
    module = lower(task.problem.tensor_ir, passes).clone()
    before = str(module)
    (rule,) = parse_rules(WRONG, "wrong", new_context())
    with pytest.raises(PassFailedException, match="refuted"):
        apply_rule(rule, new_context(), load_config(CONFIG), module)
    assert str(module) == before
    pipeline = baseline_pipeline(CONFIG).replace(
        "gemmini-hoist", f"{rule_spec(as_option(rule))},gemmini-hoist"
    )
    assert "refuted" in check(task, Proposal("pipeline", pipeline)).diagnostic


def test_library_keeps_rules_and_proves_them_again(
    tmp_path: Path, proved: Outcome, task: Task
) -> None:
    """Another run finds the rules for its machine; one that does not hold is left out."""
    assert proved.rule is not None
    library = Library(tmp_path / "l.sqlite")
    assert known_rules(library, CONFIG) == []
    wrong = as_option(read_rule(DOUBLE.replace("OPERATION", "muli")))
    for rule in (proved.rule, proved.rule, ProvenRule("double", wrong)):
        keep_rule(library, rule, CONFIG, "1")
    assert known_rules(library, CONFIG) == [proved.rule]
    assert known_rules(library, "gemmini-4x4-fp32") == []
    assert library.nearest(task.problem) == []


def test_example_in_the_prompt_is_a_right_rule(task: Task) -> None:
    """What models are shown is proved for the untuned program."""
    text = template("how_pattern").template
    example = text.partition("```mlir\n")[2].partition("```")[0]
    outcome = check(task, Proposal("pattern", example, baseline_pipeline(CONFIG)))
    assert outcome.diagnostic == ""
    assert outcome.rule is not None


def test_text_that_an_option_cannot_hold_is_refused() -> None:
    """A rule is written into a pipeline and read from it without loss, or not at all."""
    rule = read_rule(DOUBLE.replace("OPERATION", "addi"))
    assert as_option(read_rule(from_option(as_option(rule)))) == as_option(rule)
    with pytest.raises(Diagnostic, match="cannot be the name"):
        read_rule(DOUBLE.replace("@double", '@"a`b"'))


class Counting:
    """An endpoint that counts what it passes on."""

    def __init__(self, session: Session) -> None:
        self.inner = session.asker.endpoint
        self.requests: list[Request] = []
        session.asker.endpoint = self

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        self.requests += requests
        return self.inner.ask(requests)


def run(task: Task, session: Session, budget: int) -> SearchState:
    """Search from the untuned lowering, in this process."""
    advice = Advice(session, task.problem, task.source_ir, 721, 0)
    with ThreadPoolExecutor(1) as executor, advice.opened(executor, 1) as (guide, _):
        search = Search(
            advice.problem,
            lambda pipeline: "",
            executor,
            budget,
            advisor=guide,
            examine=lambda proposals: [check(advice.task, each) for each in proposals],
        )
        return search.run([baseline_pipeline(CONFIG)])


def test_rule_is_mended_proved_and_used_on_a_second_kernel(task: Task) -> None:
    """One session, written by hand: a wrong rule, its counterexample, the right one, its name."""
    assert all("by hand" in json.loads(line)["origin"] for line in BY_HAND.open())
    session = open_session(ModelOptions(replay=BY_HAND))
    endpoint = Counting(session)
    first = run(task, session, 6)
    told = [request.messages[-1].content for request in endpoint.requests]
    assert any("was refused" in words and "is refuted" in words for words in told)
    assert list(session.shelf.rules) == [NAME]
    assert any(rules_in(o.pipeline) and o.cycles for o in first.outcomes)
    endpoint.requests.clear()
    second = run(task_of("matmul_1x1x1"), session, 6)
    told = [request.messages[-1].content for request in endpoint.requests]
    assert any(f"- {NAME}: Rewrite" in words for words in told if "# Menu" in words)
    assert any(rules_in(o.pipeline) and o.cycles for o in second.outcomes)
