"""The grammar of pipelines: every string of it parses, and every schedule is one of its strings."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import LarkError
from liftproof.llm.check import Task
from liftproof.llm.grammar import Option, ebnf, gbnf, pass_forms
from liftproof.llm.untrusted_pipeline import proposable_passes, read_untrusted_pipeline
from liftproof.passes.pipelines import first_pipelines
from liftproof.tools.cli import main

CONFIG = "gemmini-16x16-int8"


def lark_of(grammar: str) -> str:
    """The same rules in Lark's notation: other names, and regular expressions."""
    rules: list[str] = []
    for line in grammar.strip().splitlines():
        name, _, body = line.partition(" ::= ")
        body = re.sub(r"\{0,(\d+)\}", r"~0..\1", body)
        body = re.sub(r"(?<![\"\w])\[([^\]]+)\]", r"/[\1]/", body)
        body = re.sub(r'("(?:\\.|[^"\\])*")|\b([a-z]+)-(\d+)', _rename, body)
        rules.append(f"{name.replace('-', '_')}: {body}")
    return "\n".join(rules)


def _rename(match: re.Match[str]) -> str:
    return match.group(1) or f"{match.group(2)}_{match.group(3)}"


_PARSER = Lark(lark_of(gbnf()), start="root", parser="earley", lexer="dynamic")


VALUES = {
    "integer": st.integers(0, 9999).map(str),
    "boolean": st.sampled_from(["true", "false"]),
    "word": st.from_regex(r"[A-Za-z0-9_]+", fullmatch=True).map(json.dumps),
}
VALUES["words"] = st.lists(VALUES["word"], min_size=1, max_size=4).map(",".join)


@st.composite
def passes(draw: st.DrawFn) -> str:
    """One pass with some of its options."""
    form = draw(st.sampled_from(pass_forms()))

    def given_options(option: Option) -> bool:
        return option.required or draw(st.booleans())

    options = [o for o in form.options if given_options(o)]
    inner = " ".join(f"{option.name}={draw(VALUES[option.kind])}" for option in options)
    return f"{form.name}{{{inner}}}" if inner else form.name


@given(st.lists(passes(), min_size=1, max_size=4))
def test_strings_of_the_grammar_parse_as_pipelines(chosen: list[str]) -> None:
    """What the grammar allows, the pipeline parser accepts, and prints back as the same passes."""
    instances = read_untrusted_pipeline(",".join(chosen), CONFIG)
    again = ",".join(str(instance.spec()) for instance in instances)
    assert read_untrusted_pipeline(again, CONFIG) == instances


@given(passes())
def test_grammar_accepts_every_form_of_a_pass(text: str) -> None:
    """The exported rules derive each pass with each choice of its options."""
    _PARSER.parse(text)


def test_grammar_accepts_the_schedules_of_a_search(task: Task) -> None:
    """Schedules that the search starts from are strings of the grammar."""
    for pipeline in first_pipelines(task.problem.tensor_ir, CONFIG):
        _PARSER.parse(pipeline)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mlir-opt",
        "gemmini-tile{i=-1}",
        "gemmini-tile{}",
        'gemmini-stage{loop="i"}',
        'gemmini-place{layout="../x"}',
        "cse,",
        "cse licm",
        'gemmini-lower-linalg{config="x"}',
    ],
)
def test_grammar_refuses_what_no_proposal_may_say(text: str) -> None:
    """Unknown passes, paths, missing options and other machines are not derived."""
    with pytest.raises(LarkError):
        _PARSER.parse(text)


def test_both_notations_name_every_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """``liftproof grammar`` prints each proposable pass in either notation."""
    for notation, text in (("gbnf", gbnf()), ("ebnf", ebnf())):
        assert main(["grammar", "--notation", notation]) == 0
        printed = capsys.readouterr().out
        assert printed == text
        assert all(f'"{name}"' in printed for name in proposable_passes())
