"""``apply-proven-rule``: a rewrite rule that is part of the pipeline itself."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..diagnostics import Diagnostic
from .kernel import config_of, kernel_of
from .proven_rules import apply_rule, from_option, parse_rules

RESOURCE_LIMIT = 1_500_000
"""Z3 resource units for one query about a rule: about a second."""


@dataclass(frozen=True)
class ApplyProvenRulePass(ModulePass):
    """Apply one ``pdl.pattern`` rule, which the option holds as text, wherever it matches.

    Works on programs lowered for a machine. Needs the rule to be proved for all operands and
    refuses otherwise. Guarantees that the program keeps its meaning. So a schedule that a language
    model's rule is part of replays from its pipeline alone. Costs the proof, seconds at most, once
    per process.
    """

    name = "apply-proven-rule"

    rule: str
    """The rule in MLIR syntax on one line, with backquotes for its double quotes."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        config = config_of(kernel_of(op))
        try:
            rules = parse_rules(from_option(self.rule), "rule", ctx)
            if len(rules) != 1:
                raise PassFailedException(f"{self.name}: one rule is needed, not {len(rules)}")
            apply_rule(rules[0], ctx, config, op, RESOURCE_LIMIT)
        except Diagnostic as diagnostic:
            raise PassFailedException(f"{self.name}: {diagnostic.message}") from diagnostic
