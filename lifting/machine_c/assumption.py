"""What is known under a condition: narrower bounds of loop variables and of sums of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xdsl.ir import SSAValue

from .algebra import Rewriter, narrowed_atoms
from .terms import Atom, Comparison, Condition, Connective, Sum, Term, atom


class Assumption:
    """Rewrites sums to what they are under a condition, and back.

    ``5 * i + j > 0`` says something about a sum of several variables. An atom takes the place of
    the sum, so that ``5 * i + j - 1`` is known not to be negative.
    """

    def __init__(self, condition: Condition, value_of: Callable[[Sum], SSAValue | None]) -> None:
        """``value_of`` gives the operation's result that holds a sum, None while analysing."""
        aliases: dict[Sum, Atom] = {}
        for line in _lines(condition):
            if line not in aliases:
                aliases[line] = Atom("sum", line.interval, line.level, value_of(line))
        self._aliaser = _Aliaser(aliases)
        narrowed = narrowed_atoms(self._aliaser.condition(condition))
        self._narrower = Rewriter(narrowed)
        originals: dict[Term, Sum] = {term: atom(term) for term in narrowed}
        originals.update({alias: line for line, alias in aliases.items()})
        self._widener = Rewriter(originals)

    def narrow(self, value: Sum) -> Sum:
        """The value where the condition holds."""
        return self._narrower.sum(self._aliaser.sum(value))

    def widen(self, value: Sum) -> Sum:
        """A value found where the condition holds, in terms that are valid anywhere."""
        return self._widener.sum(value)


class _Aliaser(Rewriter):
    """Replaces sums of several terms, wherever they occur in a larger sum."""

    def __init__(self, aliases: dict[Sum, Atom]) -> None:
        super().__init__()
        self._aliases = aliases

    def sum(self, value: Sum) -> Sum:
        if not self._aliases or value.is_constant:
            return value
        value = self.rebuilt(value)
        for line, alias in self._aliases.items():
            factors = dict(value.terms)
            first, weight = line.terms[0]
            times, rest = divmod(factors.get(first, 0), weight)
            if rest or not times:
                continue
            if all(factors.get(term, 0) == times * factor for term, factor in line.terms):
                value = value - line.scaled(times) + Sum(((alias, times),))
        return value


def _lines(condition: Condition) -> Iterator[Sum]:
    """The sums of several terms that a condition bounds, each without its constant."""
    match condition:
        case Connective(operator="and"):
            yield from _lines(condition.left)
            yield from _lines(condition.right)
        case Comparison():
            difference = condition.left - condition.right
            line = Sum(difference.terms)
            if len(line.terms) > 1:
                yield line if line.terms[0][1] > 0 else -line
        case _:
            pass
