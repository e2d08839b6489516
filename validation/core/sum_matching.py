"""Prove that two totals are equal: a bijection between their summands (trusted core).

Two totals are equal if their non-zero summands can be paired; the certificate proposes the pairing,
and Z3 proves

P   each summand of one total has a partner among the summands of the other, and no two have the
    same (the proposal leads back); so neither has more summands of any kind than the other; those
    that masks leave nothing of need none;
T   partners have the same value.

Sums wrap around modulo the width of their type, so the order of summands does not matter.

Two minima or maxima are equal if neither has a value beyond all of the other's: each value of one
has a partner in the other that is equal, or at least as far by the ranges of both. There several
values may have one partner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .certificate import Pairing, SumCertificate
from .checker import Violation
from .condition import TRUE
from .folds import is_limit, is_within_limit
from .masked import ADDS_NOTHING, adds_nothing
from .smt import (
    Answer,
    Names,
    Query,
    Solver,
    conjunction,
    disjunction,
    equalities,
    holds,
    negation,
    values,
)
from .sum_ranges import refined
from .summands import SEPARATOR, Followed, Summands, Valued, follow, summands_of
from .terms import Term
from .totals import FLOAT_TOTAL, TotalName, total_name
from .values import Side

if TYPE_CHECKING:
    from .matching import Context

Propose = Callable[["Context", TotalName, TotalName, int], SumCertificate]
Equal = Callable[["Context", Query, Valued, Valued, str], None]
SAME_SUMMAND = "paired summands are the same product of input elements"


class _Counters(dict[str, str]):
    """Constants that a certificate may name; a claim about any other counter is none."""

    def __missing__(self, name: str) -> str:
        raise Violation(f"the certificate names the counter {name}, which is not there", None)


@dataclass(frozen=True)
class _Direction:
    """From the summands of one total to those of the other."""

    context: Context
    right: Valued
    bits: int
    forward: tuple[Pairing, ...]
    backward: tuple[Pairing, ...]
    obligation: str
    compares: bool
    """Whether values of partners are compared; once is enough for pairs."""
    swapped: bool = False
    """From the target to the source."""

    def needs_none(self, summand: Term) -> bool:
        """Whether a summand needs no partner; then no value was compared to its own either."""
        return self.bits == FLOAT_TOTAL and adds_nothing(summand)


@dataclass(frozen=True)
class SumMatcher:
    """Compares totals; values of summands are compared by ``equal_values``."""

    solver: Solver
    propose: Propose
    equal_values: Equal
    assume: Callable[[str], None]
    """Notes what the proof takes for granted."""

    def equal(self, context: Context, query: Query, left: Valued, right: Valued, bits: int) -> None:
        """Prove a total of the source and one of the target equal wherever the query holds."""
        names = total_name(left.value), total_name(right.value)
        claim = self.propose(context, *names, bits)
        text = "every summand of the other program occurs in {}, once"
        forward = _Direction(
            context, right, bits, claim.forward, claim.backward, text.format("the target"), True
        )
        self._included(query, left, forward)
        backward = _Direction(
            context,
            left,
            bits,
            claim.backward,
            claim.forward,
            text.format("the source"),
            compares=is_limit(bits),
            swapped=True,
        )
        self._included(query, right, backward)

    def _included(self, query: Query, left: Valued, direction: _Direction) -> None:
        """Each non-zero summand of the left total has a partner of its own in the other."""
        depth = direction.context.depth
        labels: set[str] = set()
        for mine in summands_of(query, left, direction.bits, depth, self._refine):
            if mine.label in labels:
                # A claim about one would be taken for one about the other.
                raise Violation(f"two classes of summands are called {mine.label}", None)
            labels.add(mine.label)
            if direction.needs_none(mine.value.value):
                self.assume(ADDS_NOTHING)
                continue
            here = _Counters(left.side.symbols | dict(direction.context.names) | dict(mine.names))
            pairings = [p for p in direction.forward if p.left == mine.label]
            if len(pairings) != 1 or pairings[0].condition != TRUE:
                some = disjunction(holds(pairing.condition, here) for pairing in pairings)
                self._prove(mine.query, [some], direction, mine)
            for pairing in pairings:
                self._partner(mine, here, pairing, direction)

    def _partner(
        self, mine: Summands, here: Names, pairing: Pairing, direction: _Direction
    ) -> None:
        # That a summand is not zero is seldom needed to find its partner, and costs much.
        if mine.light is not None:
            try:
                self._exists(mine, mine.light, here, pairing, direction)
            except Violation:
                self._exists(mine, mine.query, here, pairing, direction)
        else:
            self._exists(mine, mine.query, here, pairing, direction)
        if not direction.compares:
            return
        # Mostly partners have the same value whatever they are added to, which is shown sooner.
        if mine.anywhere is not None:
            with suppress(Violation):
                self._same_value(mine, mine.anywhere, here, pairing, direction)
                return
        self._same_value(mine, mine.query, here, pairing, direction)

    def _same_value(
        self, mine: Summands, premise: Query, here: Names, pairing: Pairing, direction: _Direction
    ) -> None:
        query = premise.copy()
        query.add(holds(pairing.condition, here))
        partner = self._follow(query, here, pairing, direction)
        ours, theirs = mine.value, partner.value
        if is_limit(direction.bits) and is_within_limit(ours.value, theirs.value, direction.bits):
            return
        if not direction.swapped:
            context = replace(direction.context, names=here, depth=mine.depth)
            self.equal_values(context, partner.query, ours, theirs, SAME_SUMMAND)
            return
        # Totals inside are asked for from the source, at its counters.
        there = _Counters(theirs.side.symbols | dict(direction.context.names) | partner.names)
        depth = direction.context.depth + pairing.right.count(SEPARATOR)
        context = replace(direction.context, names=there, depth=depth)
        self.equal_values(context, partner.query, theirs, ours, SAME_SUMMAND)

    def _exists(
        self, mine: Summands, premise: Query, here: Names, pairing: Pairing, direction: _Direction
    ) -> None:
        """The partner is a summand of the other total, and leads back."""
        query = premise.copy()
        query.add(holds(pairing.condition, here))
        partner = self._follow(query, here, pairing, direction)
        if direction.swapped and direction.needs_none(partner.value.value):
            raise Violation("a summand that adds nothing is a partner", None)
        back: list[str] = []
        if not is_limit(direction.bits):
            back = _leads_back(mine, here, partner, direction.backward, pairing.right)
        for number, step in enumerate(partner.steps):
            # The first step of the only statement knows all counters: one query for both.
            at_once = number == 0 and len(partner.steps) == 2
            self._prove(step.query, step.goals + (back if at_once else []), direction, mine)
        if len(partner.steps) != 2:
            self._prove(partner.query, back, direction, mine)

    def _follow(
        self, query: Query, here: Names, pairing: Pairing, direction: _Direction
    ) -> Followed:
        point = values(pairing.point, here)
        depth = direction.context.depth
        return follow(
            query, direction.right, direction.bits, depth, pairing.right, point, self._refine
        )

    def _refine(self, side: Side, shape: Term) -> Term:
        return refined(side, shape, self.solver)

    def _prove(
        self, query: Query, goals: Sequence[str], direction: _Direction, mine: Summands
    ) -> None:
        """Prove that each goal follows from the query."""
        open_goals = [negation(goal) for goal in goals if goal != "true"]
        if not open_goals:
            return
        origin = mine.statement.origin if mine.statement is not None else None
        text = direction.obligation
        for answer, model in self.solver.check_each(query, open_goals, text, origin):
            if answer is not Answer.UNSAT:
                reason = self.solver.unproved(text, answer)
                raise Violation(reason, model if answer is Answer.SAT else None, origin)


def _leads_back(
    mine: Summands, here: Names, partner: Followed, backward: Sequence[Pairing], label: str
) -> list[str]:
    """The first backward pairing that applies to the partner gives the summand itself."""
    there = _Counters(dict(here) | partner.names)
    own = list(mine.names.values())
    back = [pairing for pairing in backward if pairing.left == label]
    if any(p.right == mine.label and len(p.point) != len(own) for p in back):
        raise Violation(f"the certificate gives no point of {mine.label}", None)
    if len(back) == 1 and back[0].right == mine.label:
        texts = values(back[0].point, there)
        same = [equalities([a], [b]) for a, b in zip(texts, own, strict=True)]
        return [holds(back[0].condition, there), *same]
    cases: list[str] = []
    excluded: list[str] = []
    for pairing in back:
        applies = holds(pairing.condition, there)
        if pairing.right == mine.label:
            same = equalities(values(pairing.point, there), own)
            cases.append(conjunction([*excluded, applies, same]))
        excluded.append(negation(applies))
    return [disjunction(cases)]
