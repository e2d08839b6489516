"""Z3 checks what a certificate says of the source at its sizes (trusted core).

The terms of an output were read off isl relations, which are proposals only. For an arbitrary
output element Z3 proves here

V   all elements have the same shape, and a slot that is no sum is the claimed input element;
E   an execution of an adding statement is a non-zero summand of the sum exactly where one of the
    statement's claims holds, and no two claims hold at once;
T   the summand is then the claimed product of the claimed input elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.certificate import Row, SlotClaims, TermClaim
from ..core.checker import Violation
from ..core.polyhedral import Program, Statement, Unsupported
from ..core.smt import (
    Answer,
    Query,
    Solver,
    conjunction,
    disjunction,
    in_domain,
    negation,
    smt_integer,
    with_symbols,
)
from ..core.terms import Term, is_zero
from ..core.totals import structure
from ..core.values import Case, Side, Slot, Sum, slot_kind, slots_of


@dataclass(frozen=True)
class Terms:
    """A claim that holds, and the term that it speaks of."""

    claim: TermClaim
    shape: Term
    factors: tuple[Term, ...]
    """The one or two input elements that the term is the product of."""

    def element(self, factor: Term) -> Row:
        """The row-major number of a factor."""
        return self.claim.elements[slots_of(self.shape).index(factor)]


@dataclass(frozen=True)
class Value:
    """What every element of an output is: a shape, whose slots are input elements or sums."""

    shape: Term
    slots: dict[Term, tuple[Terms, ...]]


def certify(side: Side, final: Statement, claims: Sequence[SlotClaims], solver: Solver) -> Value:
    """Prove the claims about an output, one group for each slot of its value.

    Raises ``Violation`` if one does not hold or is not decided, and ``Unsupported`` for values that
    are no function of input elements and sums of products of two.
    """
    return _Certification(side, final, claims, solver).run()


def position_of(slot: Term) -> int:
    """The parameter whose element a slot is."""
    kind, position = slot_kind(slot)
    if kind != "input" or not isinstance(position, int):
        raise Unsupported("a sum of terms that are not read from the input")
    return position


@dataclass
class _Certification:
    side: Side
    final: Statement
    claims: Sequence[SlotClaims]
    solver: Solver

    def run(self) -> Value:
        query, symbols = with_symbols(self.side.program)
        self.side.symbols = symbols
        element = query.constants(self.final.dims)
        query.add(in_domain(self.final, symbols | element))
        self.element = list(element.values())
        cases = self.side.value(query, self.final, symbols | element)
        cases = [case for case in cases if self._is_reachable(query, case)]
        if len(cases) != 1:
            raise Violation("all elements of an output have the same shape", None)
        # The case covers all elements: the certificate's check proved that reads have sources.
        query.add(cases[0].guard)
        slots = slots_of(cases[0].shape)
        if len(slots) != len(self.claims):
            raise Violation("each slot of an output's value has its claims", None)
        parts = zip(slots, cases[0].slots, self.claims, strict=True)
        return Value(
            cases[0].shape,
            {slot: self._slot(query, slot, place, claims) for slot, place, claims in parts},
        )

    def _is_reachable(self, query: Query, case: Case) -> bool:
        query = query.copy()
        query.add(case.guard)
        return self.solver.check(query, "an output element has this case?")[0] is not Answer.UNSAT

    def _prove(self, query: Query, negated: str, obligation: str) -> None:
        query = query.copy()
        query.add(negated)
        answer, model = self.solver.check(query, obligation, self.final.origin)
        if answer is not Answer.UNSAT:
            raise Violation(obligation, model if answer is Answer.SAT else None, self.final.origin)

    def _prove_disjoint(self, query: Query, holds: Sequence[str]) -> None:
        for number, here in enumerate(holds):
            for other in holds[:number]:
                self._prove(query, conjunction([here, other]), "no summand is claimed twice")

    def _slot(self, query: Query, slot: Term, place: Slot, claims: SlotClaims) -> tuple[Terms, ...]:
        kind, key = slot_kind(slot)
        if kind == "input":
            return self._input(query, slot, place, claims)
        if kind != "sum" or not isinstance(key, tuple):
            raise Unsupported("an output that depends on a loop counter")
        total = Sum(key[0], key[1], place)
        families = self.side.families(total)
        statements = {family.statement.name: family.statement for family in families}
        if not statements.keys() >= {claim.statement for claim in claims}:
            raise Violation("the specification names statements of the source", None)
        found: list[Terms] = []
        for statement in statements.values():
            mine = [claim for claim in claims if claim.statement == statement.name]
            found += self._statement(query, total, statement, mine)
        return tuple(found)

    def _input(
        self, query: Query, slot: Term, place: Slot, claims: SlotClaims
    ) -> tuple[Terms, ...]:
        """The slot is one input element, the claimed one."""
        found = tuple(_terms(claim, [slot]) for claim in claims)
        holds = [_holds(claim, self.element) for claim in claims]
        self._prove(query, negation(disjunction(holds)), "each element has a value")
        self._prove_disjoint(query, holds)
        for terms, here in zip(found, holds, strict=True):
            same = self._same_elements(terms, [place], self.element)
            self._prove(
                query, conjunction([here, negation(same)]), "the element is the claimed one"
            )
        return found

    def _statement(
        self, query: Query, total: Sum, statement: Statement, claims: Sequence[TermClaim]
    ) -> tuple[Terms, ...]:
        query = query.copy()
        names = self.side.constants(query, statement)
        at = [*self.element, *(names[dim.name] for dim in statement.dims)]
        contributes = disjunction(
            self.side.contributes(total, family, names)
            for family in self.side.families(total)
            if family.statement.name == statement.name
        )
        cases = self.side.value(query, statement, names)
        nonzero = [case for case in cases if not is_zero(case.shape)]
        # A guard may choose constants of its own; without zeros among the cases it is not needed.
        guards = (
            disjunction(case.guard for case in nonzero) if len(nonzero) < len(cases) else "true"
        )
        summand = conjunction([contributes, guards])
        found = tuple(_terms(claim, [case.shape for case in nonzero]) for claim in claims)
        holds = [_holds(claim, at) for claim in claims]
        claimed = disjunction(holds)
        different = disjunction(
            [conjunction([summand, negation(claimed)]), conjunction([negation(summand), claimed])]
        )
        self._prove(query, different, "the claimed summands are those of the source")
        self._prove_disjoint(query, holds)
        for terms, here in zip(found, holds, strict=True):
            for case in nonzero:
                same = "false"
                if case.shape is terms.shape:
                    same = self._same_elements(terms, case.slots, at)
                negated = conjunction([here, case.guard, negation(same)])
                self._prove(query, negated, "a summand is the claimed product")
        return found

    def _same_elements(self, terms: Terms, slots: Sequence[Slot], at: Sequence[str]) -> str:
        """The slots' subscripts are those of the claimed element numbers."""
        program = self.side.program
        arrays = [extents_of(program, position_of(slot)) for slot in slots_of(terms.shape)]
        numbers = [
            form_text((0, *_strides(extents)), list(slot))
            for slot, extents in zip(slots, arrays, strict=True)
        ]
        pairs = zip(numbers, terms.claim.elements, strict=True)
        return conjunction(f"(= {number} {form_text(row, at)})" for number, row in pairs)


def _terms(claim: TermClaim, shapes: Sequence[Term]) -> Terms:
    """The claim with that one of the shapes which it names."""
    shape = next((shape for shape in shapes if structure(shape) == claim.shape), None)
    if shape is None:
        raise Violation("a summand has the claimed form", None)
    factors = shape.operands if shape.operation in ("mul", "mulf") else (shape,)
    for slot in slots_of(shape):
        position_of(slot)
    if len(factors) > 2 or any(factor.operation != "slot" for factor in factors):
        raise Unsupported(f"a sum of terms other than products of two elements: {shape!r}")
    return Terms(claim, shape, factors)


def extents_of(program: Program, position: int) -> tuple[int, ...]:
    """The extents of the array that a program reads at a parameter."""
    for statement in program.readers():
        for read in statement.reads:
            if read.array.position == position:
                return tuple(extent.constant for extent in read.array.extents)
    raise Unsupported(f"parameter {position} is never read")


def _holds(claim: TermClaim, at: Sequence[str]) -> str:
    equal = (f"(= {form_text(row, at)} 0)" for row in claim.equalities)
    return conjunction([*equal, *(f"(>= {form_text(row, at)} 0)" for row in claim.inequalities)])


def _strides(extents: Sequence[int]) -> list[int]:
    """Elements between neighbours in each dimension of a row-major array."""
    strides = [1]
    for extent in reversed(extents[1:]):
        strides.append(strides[-1] * extent)
    return strides[::-1][: len(extents)]


def form_text(row: Sequence[int], at: Sequence[str]) -> str:
    """An affine form over constants of a query."""
    parts = [f"(* {smt_integer(f)} {name})" for f, name in zip(row[1:], at, strict=True) if f]
    parts.append(smt_integer(row[0]))
    return parts[0] if len(parts) == 1 else f"(+ {' '.join(parts)})"
