"""The rewrite rules of a schedule in its results: a file, and their proofs in the report."""

from __future__ import annotations

import hashlib
from typing import Any

from ..llm.rules import rules_in
from ..llm.untrusted_rule import prove_text, read_rule
from ..passes.proven_rules import from_option


def rules_file(pipeline: str) -> str:
    """The rules that ``pipeline`` applies, as MLIR; empty if there is none."""
    texts = dict.fromkeys(rules_in(pipeline))
    return "\n\n".join(read_rule(from_option(text)).text for text in texts)


def rules_report(pipeline: str, config: str) -> list[dict[str, Any]]:
    """Each rule of ``pipeline`` with what its proof covers and assumes."""
    found: list[dict[str, Any]] = []
    for text in dict.fromkeys(rules_in(pipeline)):
        rule = prove_text(from_option(text), config)
        found.append(
            {
                "name": rule.name,
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "proved": "for all that it matches" if rule.is_closed else "for each match",
                "types": list(rule.types),
                "assumptions": list(rule.assumptions),
                "obligations": rule.obligations,
            }
        )
    return found
