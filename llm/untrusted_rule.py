"""Rewrite rules from outside: limits on what a ``pdl.pattern`` may say, and its proof.

A rule that keeps to the limits is proved or refuted in seconds. Nothing is believed: the pass that
applies a rule proves it again in its own process.
"""

from __future__ import annotations

import re

from xdsl.context import Context
from xdsl.dialects import pdl
from xdsl.ir import Attribute

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import load_config
from ..passes.apply_proven_rule import RESOURCE_LIMIT
from ..passes.proven_rules import as_option, from_option, parse_rules, proved_for_all
from ..validation.patterns.rule import Rule
from .evaluate import shared_context, universe
from .proven_rule import ProvenRule
from .untrusted_text import check_mlir

DIALECTS = ("builtin", "pdl", "arith", "gemmini")
"""Dialects that the text of a rule may mention."""
MATCHED_DIALECTS = ("arith.", "gemmini.")
"""Prefixes of the operations that a rule may match and make."""
MAX_OPERATIONS = 24
"""Operations that a rule matches and makes, together."""
MAX_OPEN_TYPES = 2
"""Types that a rule leaves open: the proof goes through all combinations."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def read_rule(text: str) -> Rule:
    """The one rule in ``text``; raises ``Diagnostic``, or ``PassFailedException``, for others."""
    check_mlir(text, "pattern")
    context = Context()
    for name in DIALECTS:
        context.register_dialect(name, universe().all_dialects[name])
    try:
        rules = parse_rules(text, "pattern", context)
    except (ValueError, IndexError, KeyError, AssertionError) as error:
        raise Diagnostic(f"the pattern cannot be parsed: {error}") from error
    if len(rules) != 1:
        raise Diagnostic(f"a proposal is one `pdl.pattern`, not {len(rules)}")
    rule = rules[0]
    if not _NAME.fullmatch(rule.name) or rule.name in universe().all_passes:
        raise Diagnostic(f"{rule.name!r:.60} cannot be the name of a pattern", hint="as in @swap_2")
    _check_operations(rule)
    return rule


def _check_operations(rule: Rule) -> None:
    made = [op for op in rule.rewrite if isinstance(op, pdl.OperationOp)]
    names = [op.opName.data if op.opName else "" for op in (*rule.operations, *made)]
    if len(names) > MAX_OPERATIONS:
        raise Diagnostic(f"{rule.name}: over {MAX_OPERATIONS} operations")
    if len(rule.open_types) > MAX_OPEN_TYPES:
        raise Diagnostic(f"{rule.name}: over {MAX_OPEN_TYPES} types are open")
    for name in names:
        if not name.startswith(MATCHED_DIALECTS):
            raise Diagnostic(f"{rule.name}: {name!r:.40} is not admitted in a pattern")


def prove_text(text: str, config: str) -> ProvenRule:
    """Read the rule in ``text``, and prove it for the machine ``config`` as far as it is closed.

    Raises ``Diagnostic`` or ``PassFailedException`` for a rule that is not admitted or not proved;
    the message of a refuted one has operands for which it is wrong.
    """
    rule = read_rule(text)
    option = as_option(rule)
    found = proved_for_all(rule, shared_context(), load_config(config), RESOURCE_LIMIT)
    if found is None:
        return ProvenRule(rule.name, option, is_closed=False)
    return ProvenRule(
        rule.name,
        option,
        tuple(_words(each.types) for each in found.instances if each.types),
        found.assumptions,
        sum(each.obligations for each in found.instances),
    )


def check_option(text: str) -> None:
    """Raise ``Diagnostic`` for an option of ``apply-proven-rule`` that holds no admitted rule."""
    read_rule(from_option(text))


def _words(types: tuple[Attribute, ...]) -> str:
    return ", ".join(str(each) for each in types)
