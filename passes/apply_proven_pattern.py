"""``apply-proven-pattern``: rewrite rules that a user or an LLM writes, once they are proved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG, load_config
from .proven_rules import apply_rule, parse_rules

MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class ApplyProvenPatternPass(ModulePass):
    """Apply the ``pdl.pattern`` rules of a file, each wherever it matches.

    Works on IR of any level. Needs every rule of the file to be proved for all operands
    (``liftproof validate --pattern``) and refuses otherwise. Attributes without a value and arrays
    without a type are those of each match, for which the rule is then proved. Guarantees that the
    program keeps its meaning. A rule is applied once to each operation of the program, not to what
    it has just made. A proof costs seconds at most, and is made once for each text of a rule.
    """

    name = "apply-proven-pattern"

    file: str
    """MLIR text with the rules."""
    config: str = DEFAULT_CONFIG
    """The machine for rules about its instructions."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            config = load_config(self.config)
            for rule in parse_rules(_read(self.file), self.file, ctx):
                apply_rule(rule, ctx, config, op)
        except Diagnostic as diagnostic:
            raise PassFailedException(f"{self.name}: {diagnostic.message}") from diagnostic


def _read(file: str) -> str:
    try:
        path = Path(file)
        if path.stat().st_size > MAX_BYTES:
            raise PassFailedException(f"{file}: larger than {MAX_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PassFailedException(f"{file}: {error}") from error
