"""Proven rewrite rules by name: what proposals may use, and how prompts speak of them.

In a proposal a rule is written like a pass, by its name. In a pipeline that is evaluated it stands
as ``apply-proven-rule`` with its text, so that the pipeline replays without the shelf.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xdsl.utils.arg_spec import ArgSpec, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from ..passes.apply_proven_rule import ApplyProvenRulePass
from ..passes.statements import SEPARATOR
from .proven_rule import ProvenRule

RULE = "rule"
"""The option of ``apply-proven-rule`` that holds the text."""


class Shelf:
    """The rules that were proved so far, in the order in which they came."""

    def __init__(self, rules: Iterable[ProvenRule] = ()) -> None:
        self._rules: dict[str, ProvenRule] = {}
        self._names: dict[str, str] = {}
        for rule in rules:
            self.add(rule)

    @property
    def rules(self) -> dict[str, ProvenRule]:
        """The rules by the names that proposals use; each rule has that name too."""
        return dict(self._rules)

    def __contains__(self, text: object) -> bool:
        """Whether the rule with this text is here."""
        return text in self._names

    def add(self, rule: ProvenRule) -> str:
        """Keep a rule; returns its name here, which has a number if another rule has its own."""
        if rule.text not in self._names:
            name, number = rule.name, 2
            while name in self._rules:
                name, number = f"{rule.name}_{number}", number + 1
            self._rules[name] = replace(rule, name=name)
            self._names[rule.text] = name
        return self._names[rule.text]

    def expand(self, pipeline: str) -> str:
        """``pipeline`` with the text of each rule in place of its name."""
        specs = _specs(pipeline)
        if not any(spec.name in self._rules for spec in specs):
            return pipeline
        return ",".join(str(self._expanded(spec)) for spec in specs)

    def _expanded(self, spec: ArgSpec) -> ArgSpec:
        if spec.name not in self._rules or spec.parameters:
            return spec
        return rule_spec(self._rules[spec.name].text)

    def fold(self, pipeline: str) -> str:
        """``pipeline`` with the name of each rule in place of its text."""
        for text, name in self._names.items():
            pipeline = pipeline.replace(str(rule_spec(text)), name)
        return pipeline


def rule_spec(text: str) -> ArgSpec:
    """How ``apply-proven-rule`` with the rule ``text`` is written in a pipeline."""
    return ApplyProvenRulePass(text).spec()


def rules_in(pipeline: str) -> list[str]:
    """The texts of the rules that ``pipeline`` applies."""
    specs = [spec for part in pipeline.split(SEPARATOR) for spec in _specs(part)]
    specs = [spec for spec in specs if spec.name == ApplyProvenRulePass.name]
    return [str(spec.parameters[RULE][0]) for spec in specs if spec.parameters.get(RULE)]


def _specs(pipeline: str) -> list[ArgSpec]:
    """The passes of a pipeline; none where it cannot be read, which its own reader reports."""
    try:
        return list(parse_pipeline(pipeline))
    except (ArgSpecParseError, ValueError):
        return []
