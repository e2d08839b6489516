"""Lemmas between recurrences, guessed and then proved by induction (the guess is not trusted).

A summary may compute its states in another way than the loop does: ``argmax`` looks at the best
element so far, a loop may keep it in a variable. The candidates are equations between states of
both at the same time; those that are not inductive together are dropped until the rest is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from xdsl.dialects import arith
from xdsl.dialects.builtin import i1

from .check import Obligation, Prover
from .encode import unfolded
from .simplify import add, apply, compare, constant, is_integer, state_of, substitute, width
from .terms import INDEX, Apply, Element, Fold, Symbol, Term, raw_fold, same, walk

MOST_CANDIDATES = 24
LIMIT = 2_000_000
"""Resource units for one question about a candidate."""
Candidate = tuple[Term, Term]
"""Two terms in a symbol for the time, said to be equal."""


def inductive_lemmas(
    left: Term, right: Term, assumptions: Sequence[Term]
) -> list[tuple[Term, Obligation]]:
    """Equations, as conditions, that hold of the states in ``left`` and ``right``.

    Each comes with the obligation that proved it; all were proved together by induction.
    """
    found: list[tuple[Term, Obligation]] = []
    for upper in _uppers(left, right):
        found += _at(upper, left, right, assumptions)
    return found


def _uppers(left: Term, right: Term) -> list[Term]:
    """The ends that folds on both sides have in common."""
    ends = [
        {part.upper: None for part in walk(side) if isinstance(part, Fold)}
        for side in (left, right)
    ]
    return [end for end in ends[0] if end in ends[1]]


def _at(
    upper: Term, left: Term, right: Term, assumptions: Sequence[Term]
) -> list[tuple[Term, Obligation]]:
    time = Symbol(INDEX, "t")
    ours, theirs = (list(_states(side, upper, time)) for side in (left, right))
    candidates = list(_candidates(ours, theirs))[:MOST_CANDIDATES]
    lower = _lowest([*ours, *theirs])
    if lower is None:
        return []
    start = [*assumptions, compare("sle", time, lower)]
    kept = [c for c in candidates if _holds(c, start, "initiation of a lemma?")]
    step = [*assumptions, compare("sle", lower, time), compare("slt", time, upper)]
    while kept:
        hypotheses = [*step, *(same(*candidate) for candidate in kept)]
        following = {time: add(time, 1)}
        good = [
            c
            for c in kept
            if _holds((_moved(c[0], following), _moved(c[1], following)), hypotheses, "step?")
        ]
        if len(good) == len(kept):
            break
        kept = good
    obligation = Obligation("lemma: states of the loop and of the summary agree", True)
    here = {time: upper}
    return [(same(_moved(a, here), _moved(b, here)), obligation) for a, b in kept]


def _moved(term: Term, values: dict[Symbol, Term]) -> Term:
    return substitute(term, values)


def _states(side: Term, upper: Term, time: Symbol) -> Iterator[Term]:
    """All states of the recurrences that end at ``upper``, at ``time`` instead."""
    seen: set[Term] = set()
    for part in walk(side):
        if not isinstance(part, Fold) or part.upper is not upper:
            continue
        for which in range(len(part.recurrence.states)):
            state = state_of(part.recurrence, which, part.arguments, time)
            if state not in seen:
                seen.add(state)
                yield state


def _candidates(ours: list[Term], theirs: list[Term]) -> Iterator[Candidate]:
    for a, b in product(ours, theirs):
        if a is b:
            continue
        for x, y in ((a, b), (b, a)):
            if x is a and x.type == y.type:
                yield x, y
            elif is_integer(x.type) and is_integer(y.type):
                yield from _converted(x, y)
    for a, b in product(ours, theirs):
        for x, y in ((a, b), (b, a)):
            for read in _elements_at(y):
                if read.type == x.type:
                    yield x, read


def _converted(x: Term, y: Term) -> Iterator[Candidate]:
    """Integers of different widths: the narrower one is a truth value, or widened."""
    if width(x.type) >= width(y.type):
        return
    if x.type == i1:
        yield x, compare("ne", y, constant(0, y.type))
        yield apply(arith.ExtUIOp, (x,), y.type), y
    elif y.type == INDEX:
        yield apply(arith.IndexCastOp, (x,), INDEX), y
    else:
        yield apply(arith.ExtSIOp, (x,), y.type), y


def _elements_at(state: Term) -> Iterator[Term]:
    """The elements that a recurrence reads, at the subscript that a state of it is."""
    if not isinstance(state, Fold) or not is_integer(state.type) or state.type == i1:
        return
    closed = state.recurrence
    _, step, _ = unfolded(state)
    before = raw_fold(closed, state.which, state.arguments, _before(state))
    place = apply(arith.IndexCastOp, (before,), INDEX) if before.type != INDEX else before
    for part in walk(step):
        if isinstance(part, Element) and place in part.indices:
            now = apply(arith.IndexCastOp, (state,), INDEX) if state.type != INDEX else state
            yield substitute(part, {place: now})


def _before(state: Fold) -> Term:
    return add(state.upper, -1)


def _lowest(states: Sequence[Term]) -> Term | None:
    """The earliest of the times at which the recurrences begin, if these are numbers."""
    found: list[Term] = []
    for state in states:
        assert isinstance(state, Fold)
        found.append(unfolded(state)[2])
    if not found or any(lower is not found[0] for lower in found):
        numbers = [lower for lower in found if not isinstance(lower, Apply | Symbol)]
        if len(numbers) < len(found) or not found:
            return None
        return min(found, key=lambda lower: getattr(lower, "value", 0))
    return found[0]


def _holds(candidate: Candidate, assumptions: Sequence[Term], states: str) -> bool:
    prover = Prover(resource_limit=LIMIT)
    prover.require_equal(*candidate, assumptions, states)
    return prover.obligations[0].proved
