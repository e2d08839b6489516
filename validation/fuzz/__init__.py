"""Test the validator to destruction: random mutants of programs, judged by running them.

A mutant that is proved and yet differs is a soundness bug; one that is refuted and yet agrees is a
false alarm; one that is neither may be an incompleteness. The command is
``python -m liftproof.tools.fuzz``, which also makes the programs.
"""

from __future__ import annotations

from .campaign import UNCHANGED, Campaign, fuzz
from .judge import FAULTS, UNDECIDED, Judgement, Outcome
from .lemmas import LemmaReport, fuzz_lemmas
from .modules import parse_module
from .report import Report

__all__ = [
    "FAULTS",
    "UNCHANGED",
    "UNDECIDED",
    "Campaign",
    "Judgement",
    "LemmaReport",
    "Outcome",
    "Report",
    "fuzz",
    "fuzz_lemmas",
    "parse_module",
]
