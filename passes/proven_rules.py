"""Rewrite rules in passes: their text on one line, their proof, and their application."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.parser import Parser
from xdsl.utils.exceptions import DiagnosticException, ParseError, PassFailedException

from ..hw.gemmini.config import GemminiConfig
from ..validation.patterns.proof import RESOURCE_LIMIT, RuleProof, prove_rule
from ..validation.patterns.rule import PatternError, Rule, closed, match, rewrite, rules_of

QUOTE = "`"
"""Stands for the double quotes of a rule inside of a pipeline, where they delimit options."""
NOT_IN_OPTIONS = '"\\\n\r'
"""Characters that the text of an option cannot hold."""


def parse_rules(text: str, name: str, ctx: Context) -> list[Rule]:
    """The rules of a file called ``name``; raises ``PassFailedException`` where it is none."""
    try:
        module = Parser(ctx, text, name).parse_module()
        module.verify()
    except (ParseError, DiagnosticException, RecursionError) as error:
        raise PassFailedException(f"{name}: not a file of patterns: {error}") from error
    return rules_of(module)


def as_option(rule: Rule) -> str:
    """The text of ``rule`` on one line, as an option of a pass can hold it.

    Raises ``PatternError`` for a rule with text in it that cannot be written so.
    """
    text = " ".join(rule.text.split()).replace('"', QUOTE)
    if rule.text.count(QUOTE) or any(character in text for character in NOT_IN_OPTIONS):
        raise PatternError(f"{rule.name}: a text in it has characters that an option cannot hold")
    return text


def from_option(text: str) -> str:
    """The MLIR text of a rule that ``as_option`` wrote."""
    return text.replace(QUOTE, '"')


def proved(
    rule: Rule, ctx: Context, config: GemminiConfig, resource_limit: int = RESOURCE_LIMIT
) -> RuleProof:
    """The proof of ``rule``; raises ``PassFailedException`` with operands that break it."""
    proof = prove_rule(rule, ctx, config, resource_limit)
    if proof.verdict == "proved":
        return proof
    failed = next(each for each in proof.instances if each.verdict == proof.verdict)
    values = ", ".join(f"{name} = {value}" for name, value in failed.operands)
    shown = f" at {values}: {failed.actual} instead of {failed.expected}" if values else ""
    raise PassFailedException(f"pattern {proof.name} is {proof.verdict}: {failed.reason}{shown}")


def proved_for_all(
    rule: Rule, ctx: Context, config: GemminiConfig, resource_limit: int = RESOURCE_LIMIT
) -> RuleProof | None:
    """The proof of ``rule`` for whatever it matches; None where only a match says enough to prove.

    That is so for attributes without a value and arrays without a type. Raises like ``proved``.
    """
    if rule.open_attributes:
        return None
    try:
        return proved(rule, ctx, config, resource_limit)
    except PatternError:
        if rule.open_types:
            return None
        raise


def apply_rule(
    rule: Rule,
    ctx: Context,
    config: GemminiConfig,
    module: ModuleOp,
    resource_limit: int = RESOURCE_LIMIT,
) -> int:
    """Apply ``rule`` once to each operation that it matches; returns how many that were.

    Raises ``PassFailedException`` or ``PatternError`` if it is not proved. A rule that is proved
    for each match by itself is applied where it is proved, and refused if that is nowhere.
    """
    general = proved_for_all(rule, ctx, config, resource_limit)
    applied, failure = 0, None
    for operation in list(module.walk()):
        bindings = match(rule, operation) if operation.parent is not None else None
        if bindings is None:
            continue
        try:
            proof = general or proved(closed(rule, bindings), ctx, config, resource_limit)
        except (PassFailedException, PatternError) as error:
            failure = error
            continue
        types = rule.types_of(bindings)
        if general is None:
            types = tuple(type for type in types if not isinstance(type, MemRefType))
        if types in proof.proved_types:
            rewrite(rule, ctx, bindings)
            applied += 1
    if failure is not None and not applied:
        raise failure
    return applied


def matches(rule: Rule, module: ModuleOp) -> bool:
    """Whether ``rule`` matches anything in ``module``."""
    return any(match(rule, operation) is not None for operation in module.walk())
