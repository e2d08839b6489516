"""How variables change from iteration to iteration, as formulas in the iteration's number.

Addresses that advance, phases that toggle, pairs that swap and values that lag one iteration behind
are guessed from the first iterations. A guess counts only once it is proved by induction: with the
formulas in place of the variables, one iteration of the body must lead to the formulas for the next
iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .algebra import Rewriter, choice, compare, product, remainder
from .terms import Atom, Sum, atom, constant

_MAX_PERIOD = 4


@dataclass(frozen=True)
class Formula:
    """The value that a variable has when iteration ``number`` begins."""

    number: Atom
    """The atom that stands for the iteration's number in ``value``."""
    value: Sum

    def at(self, number: Sum) -> Sum:
        """The value when iteration ``number`` begins."""
        return Rewriter({self.number: number}).sum(self.value)


def guess(
    number: Atom,
    after: Atom,
    variables: Sequence[Atom],
    initial: Sequence[Sum],
    updates: Sequence[Sum],
    level: int,
) -> list[Formula | None]:
    """Guess the formula of each variable, given what one iteration makes of all of them.

    ``updates`` are in terms of ``variables`` and ``number``; anything else in them must be of a
    region outside of the loop, of at most the given ``level``, for a guess to be made. Formulas are
    in terms of ``after``, which may be the number of iterations too, as ``number`` may not.
    """
    history = [list(initial)]
    for step in range(_MAX_PERIOD + 1):
        known = dict(zip(variables, history[-1], strict=True))
        rewriter = Rewriter({**known, number: constant(step)})
        history.append([rewriter.sum(update) for update in updates])
    return [
        _guess_one(
            number, after, [state[i] for state in history], updates[i], set(variables), level
        )
        for i in range(len(variables))
    ]


def _guess_one(
    number: Atom,
    after: Atom,
    states: Sequence[Sum],
    update: Sum,
    variables: set[Atom],
    level: int,
) -> Formula | None:
    n = Sum(((after, 1),))
    if all(state.level <= level for state in states):
        step = states[1] - states[0]
        if all(b - a == step for a, b in pairwise(states)):
            return Formula(after, states[0] + product(n, step))
        for period in range(2, _MAX_PERIOD + 1):
            if all(a == b for a, b in zip(states, states[period:], strict=False)):
                return Formula(after, _periodic(n, states[:period]))
        if all(state == states[1] for state in states[2:]):  # a flag that is set once
            return Formula(after, choice(compare("eq", n, constant(0)), states[0], states[1]))
    others = update.atoms - {number}
    if variables.isdisjoint(others) and all(other.level <= level for other in others):
        before = Rewriter({number: n - 1}).sum(update)
        return Formula(after, choice(compare("eq", n, constant(0)), states[0], before))
    return None


def _periodic(n: Sum, states: Sequence[Sum]) -> Sum:
    period = len(states)
    if (toggled := _toggled(n, states)) is not None:
        return toggled
    phase = remainder(n, period)
    for start in range(period):
        turned = [*states[start:], *states[:start]]
        step = turned[1] - turned[0]
        evenly = all(b - a == step for a, b in pairwise(turned))
        if evenly and step.is_constant and (step.constant > 0 or period == 2):
            turned_phase = remainder(n + (period - start) % period, period)
            return turned[0] + turned_phase.scaled(step.constant)
    result = states[-1]
    for number, state in reversed(list(enumerate(states[:-1]))):
        result = choice(compare("eq", phase, constant(number)), state, result)
    return result


def _toggled(n: Sum, states: Sequence[Sum]) -> Sum | None:
    """The formula of a value that depends on one bit, which every iteration toggles."""
    match states[0].terms:
        case ((bit, factor),) if len(states) == 2 and atom(bit).within(0, 1):
            pass
        case _:
            return None
    if states[1] != constant(states[0].constant + factor) - Sum(((bit, factor),)):
        return None
    return remainder(atom(bit) + n, 2).scaled(factor) + states[0].constant


def is_proved(formula: Formula, number: Atom, update: Sum) -> bool:
    """Whether ``update``, what iteration ``number`` makes of ``formula``, is it for the next one.

    Where terms alone do not show it, each remainder of a small period is tried for itself.
    """
    n = Sum(((number, 1),))
    following = formula.at(n + 1)
    if following == update:
        return True
    return any(
        all(_equal_at(number, following, update, period, r) for r in range(period))
        for period in range(2, _MAX_PERIOD + 1)
    )


def _equal_at(number: Atom, left: Sum, right: Sum, period: int, residue: int) -> bool:
    n = Sum(((number, period),), residue)
    rewriter = Rewriter({number: n})
    return rewriter.sum(left) == rewriter.sum(right)
