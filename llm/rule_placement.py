"""Where in a pipeline a rewrite rule helps most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.passes import ModulePass

from ..passes.apply_proven_rule import ApplyProvenRulePass
from ..passes.proven_rules import from_option, matches, parse_rules
from .evaluate import Outcome, Problem, Rejection, evaluate, lower, parse_pipeline, shared_context

PLACES = 6
"""Places whose programs are timed."""


def place_rule(problem: Problem, pipeline: str, rule: str) -> Outcome | None:
    """What becomes of ``pipeline`` with ``rule`` at the best place; None where it matches nowhere.

    Where the rule is not proved for anything that it matches, the outcome says why.
    """
    passes = parse_pipeline(pipeline) if pipeline else ()
    found = [
        evaluate(problem, with_rule(passes, place, rule))
        for place in rule_places(problem, passes, rule)
    ]
    timed = [outcome for outcome in found if outcome.cycles is not None]
    return min(timed, key=lambda o: o.cycles or 0) if timed else next(iter(found), None)


def with_rule(passes: Sequence[ModulePass], place: int, rule: str) -> str:
    """The pipeline ``passes`` with ``rule`` before the pass at ``place``."""
    changed = (*passes[:place], ApplyProvenRulePass(rule), *passes[place:])
    return ",".join(str(each.spec()) for each in changed)


def rule_places(problem: Problem, passes: Sequence[ModulePass], rule: str) -> Iterator[int]:
    """The first places of a pipeline at which ``rule`` matches something."""
    (parsed,) = parse_rules(from_option(rule), "pattern", shared_context())
    found = 0
    for place in range(1, len(passes) + 1):
        try:
            module = lower(problem.tensor_ir, tuple(passes[:place]))
        except Rejection:
            return
        if matches(parsed, module):
            yield place
            found += 1
        if found == PLACES:
            return
