"""``liftproof validate --pattern``: prove rewrite rules, once for all operands."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..dialects.context import new_context
from ..hw.gemmini.config import GemminiConfig
from ..validation.patterns.proof import RESOURCE_LIMIT, InstanceProof, RuleProof, prove_rule
from ..validation.patterns.rule import rules_of
from .read import parse_mlir, read_text


def pattern_report(config: GemminiConfig, options: argparse.Namespace) -> dict[str, Any]:
    """The verdict on every rule of a file; the file's verdict is that of its worst rule.

    Raises ``Diagnostic`` for a file that does not hold rules.
    """
    start = time.perf_counter()
    context = new_context()
    limit = options.rlimit or RESOURCE_LIMIT
    rules = rules_of(parse_mlir(read_text(options.pattern), options.pattern))
    proofs = [prove_rule(rule, context, config, limit) for rule in rules]
    verdicts = {proof.verdict for proof in proofs}
    worst = next((v for v in ("refuted", "unknown") if v in verdicts), "proved")
    instances = [each for proof in proofs for each in proof.instances]
    return {
        "verdict": worst,
        "obligations": sum(each.obligations for each in instances),
        "solver": "z3",
        "seconds": round(time.perf_counter() - start, 3),
        "rules": [_rule(proof) for proof in proofs],
    }


def _rule(proof: RuleProof) -> dict[str, Any]:
    return {
        "name": proof.name,
        "verdict": proof.verdict,
        "assumptions": list(proof.assumptions),
        "seconds": round(proof.seconds, 3),
        "instances": [_instance(each) for each in proof.instances],
    }


def _instance(proof: InstanceProof) -> dict[str, Any]:
    return {
        "types": [str(type) for type in proof.types],
        "verdict": proof.verdict,
        "reason": proof.reason,
        "operands": dict(proof.operands),
        "expected": proof.expected or None,
        "actual": proof.actual or None,
    }


def print_pattern_report(report: dict[str, Any]) -> None:
    """The report for people."""
    for rule in report["rules"]:
        types = [", ".join(each["types"]) for each in rule["instances"] if each["types"]]
        scope = f" for {'; '.join(types)}" if types else ""
        print(f"{rule['name']}: {rule['verdict']}{scope} ({rule['seconds']:.2f} s)")
        for each in rule["instances"]:
            if each["verdict"] != "proved":
                _print_failed(each)
        for assumption in rule["assumptions"]:
            print(f"  assuming: {assumption}")


def _print_failed(instance: dict[str, Any]) -> None:
    scope = f" ({', '.join(instance['types'])})" if instance["types"] else ""
    print(f"  {instance['verdict']}{scope}: {instance['reason']}")
    if instance["operands"]:
        values = ", ".join(f"{name} = {value}" for name, value in instance["operands"].items())
        print(f"  at {values}: {instance['actual']} instead of {instance['expected']}")
