"""``apply-proven-pattern``: rewrite rules that a user or an LLM writes, once they are proved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import DiagnosticException, ParseError, PassFailedException

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG, load_config
from ..validation.patterns.proof import RuleProof, prove_rule
from ..validation.patterns.rule import Rule, match, rewrite, rules_of

MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class ApplyProvenPatternPass(ModulePass):
    """Apply the ``pdl.pattern`` rules of a file, each wherever it matches.

    Works on IR of any level. Needs every rule of the file to be proved for all operands
    (``liftproof validate --pattern``) and refuses otherwise. Guarantees that the program keeps its
    meaning. A rule is applied once to each operation of the program, not to what it has just made.
    A proof costs seconds at most, and is made once for each text of a rule.
    """

    name = "apply-proven-pattern"

    file: str
    """MLIR text with the rules."""
    config: str = DEFAULT_CONFIG
    """The machine for rules about its instructions."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            config = load_config(self.config)
            for rule in _read(self.file, ctx):
                _apply(rule, _proved(prove_rule(rule, ctx, config)), ctx, op)
        except Diagnostic as diagnostic:
            raise PassFailedException(f"{self.name}: {diagnostic.message}") from diagnostic


def _read(file: str, ctx: Context) -> list[Rule]:
    try:
        path = Path(file)
        if path.stat().st_size > MAX_BYTES:
            raise PassFailedException(f"{file}: larger than {MAX_BYTES >> 20} MiB")
        module = Parser(ctx, path.read_text(encoding="utf-8"), file).parse_module()
        module.verify()
    except (OSError, UnicodeDecodeError) as error:
        raise PassFailedException(f"{file}: {error}") from error
    except (ParseError, DiagnosticException, RecursionError) as error:
        raise PassFailedException(f"{file}: not a file of patterns: {error}") from error
    return rules_of(module)


def _proved(proof: RuleProof) -> RuleProof:
    if proof.verdict == "proved":
        return proof
    failed = next(each for each in proof.instances if each.verdict == proof.verdict)
    values = ", ".join(f"{name} = {value}" for name, value in failed.operands)
    shown = f" at {values}: {failed.actual} instead of {failed.expected}" if values else ""
    raise PassFailedException(f"pattern {proof.name} is {proof.verdict}: {failed.reason}{shown}")


def _apply(rule: Rule, proof: RuleProof, ctx: Context, module: ModuleOp) -> None:
    for operation in list(module.walk()):
        if operation.parent is None:
            continue
        bindings = match(rule, operation)
        if bindings is not None and rule.types_of(bindings) in proof.proved_types:
            rewrite(rule, ctx, bindings)
