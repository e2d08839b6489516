"""Prove that two checked programs leave the same value in an output element (trusted core).

For an arbitrary element, the values of both programs are cases of terms over input elements and
sums. Cases that can meet must agree: the same shape, equal subscripts, and equal sums. Two sums are
equal if their non-zero summands can be paired; the certificate proposes the pairing, and Z3 proves

P   each summand of one sum has a partner among the summands of the other, and no two have the same
    (the proposal leads back); so neither sum has more summands of any kind than the other;
T   partners are the same term of the same input elements.

Sums wrap around modulo the width of their type, so the order of summands does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .certificate import Pairing, SumCertificate
from .checker import Violation
from .lemmas import LemmaResult
from .polyhedral import Statement
from .ranges import Range, type_range
from .smt import (
    Answer,
    Names,
    Query,
    Solver,
    conjunction,
    disjunction,
    equalities,
    holds,
    in_domain,
    negation,
    values,
    with_symbols,
)
from .sum_ranges import sum_range
from .terms import Term, is_float, is_zero, substitute, term
from .values import Case, Side, Sum, normal_case, slot_kind, slot_number, slots_of

ProposePairs = Callable[[int, tuple[str, int], tuple[str, int]], SumCertificate]
"""Asks the oracle to pair the sums at a read of the source and of the target, for an output."""
DecideShapes = Callable[[Term, Term, dict[Term, Range]], LemmaResult]
"""Whether two shapes over the same slots are equal, given ranges of slots (see ``lemmas``)."""

REASSOCIATED = "floating-point sums may be reassociated"


@dataclass
class Matcher:
    """Compares the outputs of a source and a target program."""

    source: Side
    target: Side
    solver: Solver
    propose: ProposePairs
    decide: DecideShapes

    def __post_init__(self) -> None:
        self.assumptions: list[str] = []
        self._element: dict[str, str] = {}

    def output(self, position: int) -> None:
        """Prove that the output parameter at ``position`` ends with the same contents.

        Raises ``Violation`` if an obligation fails or is not decided.
        """
        left, right = self.source.program.outputs[position], self.target.program.outputs[position]
        if left.array.extents != right.array.extents:
            raise Violation(f"output {position} has different extents", None)
        query, element = self._context(left, right)
        mine = self.source.value(query, left, self.source.symbols | element)
        theirs = self.target.value(query, right, self.target.symbols | element)
        for first in [self._unified(query, self.source, case) for case in mine]:
            for second in [self._unified(query, self.target, case) for case in theirs]:
                self._cases(position, query, first, second, right)

    def _context(self, left: Statement, right: Statement) -> tuple[Query, dict[str, str]]:
        query, symbols = with_symbols(self.source.program)
        target_symbols = [s for s in self.target.program.symbols if s.name not in symbols]
        symbols |= query.constants(target_symbols)
        query.add(holds(self.target.program.context, symbols))
        self.source.symbols = self.target.symbols = symbols
        element = query.constants(left.dims)
        query.add(in_domain(left, symbols | element))
        self._element = element
        return query, element

    def prove(self, query: Query, obligation: str, statement: Statement | None = None) -> None:
        origin = statement.origin if statement is not None else None
        answer, model = self.solver.check(query, obligation, origin)
        if answer is not Answer.UNSAT:
            raise Violation(obligation, model if answer is Answer.SAT else None, origin)

    def prove_each(
        self, query: Query, goals: Sequence[str], obligation: str, statement: Statement
    ) -> None:
        """Prove that each goal follows from the query."""
        open_goals = [negation(goal) for goal in goals if goal != "true"]
        for answer, model in self.solver.check_each(
            query, open_goals, obligation, statement.origin
        ):
            if answer is not Answer.UNSAT:
                known = model if answer is Answer.SAT else None
                raise Violation(obligation, known, statement.origin)

    # Values.

    def _cases(
        self, position: int, query: Query, first: Case, second: Case, final: Statement
    ) -> None:
        both = query.copy()
        both.add(first.guard)
        both.add(second.guard)
        if _without_readers(first.shape) is _without_readers(second.shape):
            self._slots(position, both, first, second, final)
            return
        obligation = f"the value {second.shape!r} equals {first.shape!r}"
        answer, model = self.solver.check(both, f"both values occur: {obligation}?", final.origin)
        if answer is Answer.UNSAT:
            return
        if answer is Answer.UNKNOWN:
            raise Violation(obligation, None, final.origin)
        pairs = self._pair_slots(position, both, first, second)
        lemma = self.decide(first.shape, substitute(second.shape, pairs), self._sum_ranges(first))
        if lemma.answer is not Answer.UNSAT:
            known = model if lemma.answer is Answer.SAT else None
            raise Violation(obligation, known, final.origin, lemma.witness)

    def _unified(self, query: Query, side: Side, case: Case) -> Case:
        """The case with one slot for each value that it reads at several places."""
        slots = slots_of(case.shape)
        if len(slots) < 2:
            return case
        query = query.copy()
        query.add(case.guard)
        same: dict[Term, Term] = {}
        for number, later in enumerate(slots):
            for slot in slots[:number]:
                if slot not in same and self._same_slot(query, side, case, slot, later):
                    same[later] = slot
                    break
        return normal_case(replace(case, shape=substitute(case.shape, same))) if same else case

    def _same_slot(self, query: Query, side: Side, case: Case, first: Term, second: Term) -> bool:
        kind = slot_kind(first)[0]
        a, b = _slot(case, first), _slot(case, second)
        if first.type != second.type or slot_kind(second)[0] != kind:
            return False
        if kind == "sum":
            return self._same_sum(query, side, _sum_of(first, a), _sum_of(second, b))
        return slot_kind(first) == slot_kind(second) and self._equal(query, a, b)

    def _same_sum(self, query: Query, side: Side, first: Sum, second: Sum) -> bool:
        """Whether two reads see exactly the same summands."""
        statements = [
            family.statement for total in (first, second) for family in side.families(total)
        ]
        for statement in dict.fromkeys(statements):
            inner = query.copy()
            names = side.constants(inner, statement)
            counted = [
                disjunction(
                    side.contributes(total, family, names)
                    for family in side.families(total)
                    if family.statement is statement
                )
                for total in (first, second)
            ]
            inner.add(f"(not (= {counted[0]} {counted[1]}))")
            if self.solver.check(inner, "two reads see different summands?")[0] is not Answer.UNSAT:
                return False
        return True

    def _slots(
        self, position: int, query: Query, first: Case, second: Case, final: Statement
    ) -> None:
        """Equal shapes: the slots, in order of appearance, must be equal."""
        order = zip(slots_of(first.shape), slots_of(second.shape), strict=True)
        different: list[str] = []
        for mine, theirs in order:
            a, b = _slot(first, mine), _slot(second, theirs)
            if slot_kind(mine)[0] == "sum":
                self._sums(position, query, (mine, a), (theirs, b))
            else:
                different.append(negation(equalities(a, b)))
        if different:
            query = query.copy()
            query.add(disjunction(different))
            self.prove(query, "the output is computed from the same input elements", final)

    def _pair_slots(
        self, position: int, query: Query, first: Case, second: Case
    ) -> dict[Term, Term]:
        """For each slot of the second shape the slot of the first with the same value."""
        pairs: dict[Term, Term] = {}
        for theirs in slots_of(second.shape):
            for mine in slots_of(first.shape):
                if slot_kind(mine)[0] != slot_kind(theirs)[0]:
                    continue
                a, b = _slot(first, mine), _slot(second, theirs)
                if slot_kind(mine)[0] == "sum":
                    self._sums(position, query, (mine, a), (theirs, b))
                elif slot_kind(mine) != slot_kind(theirs) or not self._equal(query, a, b):
                    continue
                pairs[theirs] = mine
                break
        return pairs

    def _sum_ranges(self, case: Case) -> dict[Term, Range]:
        """Ranges of the sums among the slots of a case of the source."""
        return {
            slot: sum_range(self.source, _sum_of(slot, _slot(case, slot)), self.solver)
            for slot in slots_of(case.shape)
            if slot_kind(slot)[0] == "sum" and not is_float(slot.type)
        }

    def _equal(self, query: Query, left: Sequence[str], right: Sequence[str]) -> bool:
        query = query.copy()
        query.add(negation(equalities(left, right)))
        return self.solver.check(query, "two reads see different elements?")[0] is Answer.UNSAT

    # Sums.

    def _sums(
        self,
        position: int,
        query: Query,
        mine: tuple[Term, tuple[str, ...]],
        theirs: tuple[Term, tuple[str, ...]],
    ) -> None:
        left = _sum_of(*mine)
        right = _sum_of(*theirs)
        if mine[0].type != theirs[0].type:
            self._fits_both(mine[0].type, theirs[0].type, left)
        if is_float(mine[0].type) and REASSOCIATED not in self.assumptions:
            self.assumptions.append(REASSOCIATED)
        key = (position, (left.reader, left.number), (right.reader, right.number))
        certificate = self.propose(*key)
        source = _Summing(self.source, left)
        target = _Summing(self.target, right)
        self._included(query, source, target, certificate.forward, certificate.backward)
        self._included(query, target, source, certificate.backward, certificate.forward)

    def _fits_both(self, first: str, second: str, total: Sum) -> None:
        """Sums of different widths agree where the exact sum fits both."""
        low, high = (-math.inf, math.inf)
        if not is_float(first) and not is_float(second):
            low, high = sum_range(self.source, total, self.solver)
        for type in (first, second):
            least, greatest = type_range(type) if not is_float(type) else (0, 0)
            if low < least or high > greatest:
                raise Violation(f"a sum in {first} equals the same sum in {second}", None)

    def _included(
        self,
        context: Query,
        left: _Summing,
        right: _Summing,
        forward: Sequence[Pairing],
        backward: Sequence[Pairing],
    ) -> None:
        """Each non-zero summand of the left sum has a partner of its own in the right sum."""
        for family in left.side.families(left.total):
            statement = family.statement
            query = context.copy()
            names = left.side.constants(query, statement)
            query.add(left.side.contributes(left.total, family, names))
            valued = query.copy()
            cases = left.side.value(valued, statement, names)
            nonzero = [case for case in cases if not is_zero(case.shape)]
            if not nonzero:
                continue
            valued.add(disjunction(case.guard for case in nonzero))
            here = self._element | names
            mine = [p for p in forward if p.left == statement.name]
            # That a summand is not zero is seldom needed to find its partner, and costs much.
            premises = [query, valued] if len(nonzero) == len(cases) else [valued]
            self._partner_exists(premises, here, statement, mine, right, backward)
            for pairing in mine:
                self._partner_is_equal(valued, here, statement, pairing, nonzero, right)

    def _partner_exists(
        self,
        premises: Sequence[Query],
        here: Names,
        statement: Statement,
        forward: Sequence[Pairing],
        right: _Summing,
        backward: Sequence[Pairing],
    ) -> None:
        role = "the source" if right.side is self.source else "the target"
        obligation = f"every summand of the other program occurs in {role}, once"
        for number, premise in enumerate(premises):
            query = premise.copy()
            partners = [
                self._partner_holds(query, here, statement, pairing, right, backward)
                for pairing in forward
            ]
            goals = partners[0] if len(partners) == 1 else [_any_of_all(partners)]
            try:
                self.prove_each(query, goals, obligation, statement)
                return
            except Violation:
                if number == len(premises) - 1:
                    raise

    def _partner_holds(
        self,
        query: Query,
        here: Names,
        statement: Statement,
        pairing: Pairing,
        right: _Summing,
        backward: Sequence[Pairing],
    ) -> list[str]:
        """The parts of: the pairing applies, to a summand that leads back."""
        partner, names = _partner(right.side, query, here, pairing)
        there = dict(here) | names
        families = [
            family
            for family in right.side.families(right.total)
            if family.statement.name == partner.name
        ]
        parts = [holds(pairing.condition, here)]
        if len(families) == 1:
            parts += right.side.contribution(right.total, families[0], names)
        else:
            parts.append(
                disjunction(right.side.contributes(right.total, f, names) for f in families)
            )
        back = [pairing for pairing in backward if pairing.left == partner.name]
        if len(back) == 1 and back[0].right == statement.name:
            own = [here[dim.name] for dim in statement.dims]
            texts = values(back[0].point, there)
            parts.append(holds(back[0].condition, there))
            return parts + [equalities([a], [b]) for a, b in zip(texts, own, strict=True)]
        return [*parts, _leads_back(statement, here, there, back)]

    def _partner_is_equal(
        self,
        query: Query,
        here: Names,
        statement: Statement,
        pairing: Pairing,
        cases: Sequence[Case],
        right: _Summing,
    ) -> None:
        query = query.copy()
        query.add(holds(pairing.condition, here))
        partner, names = _partner(right.side, query, here, pairing)
        differing: list[str] = []
        for other in right.side.value(query, partner, names):
            for case in cases:
                differ = "true"
                if case.shape is other.shape:
                    pairs = zip(case.slots, other.slots, strict=True)
                    differ = negation(conjunction(equalities(a, b) for a, b in pairs))
                differing.append(conjunction([case.guard, other.guard, differ]))
        query.add(disjunction(differing))
        self.prove(query, "paired summands are the same product of input elements", statement)


@dataclass(frozen=True)
class _Summing:
    """A sum of one of the programs."""

    side: Side
    total: Sum


def _partner(
    side: Side, query: Query, here: Names, pairing: Pairing
) -> tuple[Statement, dict[str, str]]:
    statement = side.statements.get(pairing.right)
    if statement is None or len(statement.dims) != len(pairing.point):
        raise Violation(f"the certificate names no statement {pairing.right}", None)
    texts = values(pairing.point, here)
    point = [query.define(d.name, t) for d, t in zip(statement.dims, texts, strict=True)]
    return statement, side.names(statement, point)


def _leads_back(
    statement: Statement, here: Names, there: Names, backward: Sequence[Pairing]
) -> str:
    """The first backward pairing that applies to the partner gives the summand itself."""
    cases: list[str] = []
    excluded: list[str] = []
    own = [here[dim.name] for dim in statement.dims]
    for pairing in backward:
        applies = holds(pairing.condition, there)
        if pairing.right == statement.name:
            same = equalities(values(pairing.point, there), own)
            cases.append(conjunction([*excluded, applies, same]))
        excluded.append(negation(applies))
    return disjunction(cases)


def _any_of_all(alternatives: Sequence[Sequence[str]]) -> str:
    return disjunction(conjunction(parts) for parts in alternatives)


def _sum_of(slot: Term, point: tuple[str, ...]) -> Sum:
    key = slot_kind(slot)[1]
    assert isinstance(key, tuple)
    return Sum(key[0], key[1], point)


def _slot(case: Case, slot: Term) -> tuple[str, ...]:
    return case.slots[slots_of(case.shape).index(slot)]


def _without_readers(shape: Term) -> Term:
    """The shape with sums that do not say who reads them, so that two programs' shapes compare."""
    erased = {
        slot: term("slot", slot.type, payload=("sum", None, slot_number(slot)))
        for slot in slots_of(shape)
        if slot_kind(slot)[0] == "sum"
    }
    return substitute(shape, erased)
