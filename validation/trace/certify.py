"""Z3 checks what a certificate says of the source at its sizes (trusted core).

What an output element is, was read off isl relations, which are proposals only. For an arbitrary
output element Z3 proves here

K   it is of a claimed kind, and then its value has the claimed shape;
L   if that is a maximum: the values it is formed of are those of the claims;
V   a slot that is no sum is the claimed input element;
E   an execution of an adding statement is a non-zero summand of a sum exactly where one of the
    statement's claims holds, and no two claims hold at once;
T   the summand is then the claimed product of the claimed input elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..core.certificate import KindClaim, Row, SlotClaims, TermClaim, ValueClaim
from ..core.checker import Violation
from ..core.polyhedral import Program, Statement, Unsupported
from ..core.smt import (
    Answer,
    Names,
    Query,
    Solver,
    conjunction,
    disjunction,
    equalities,
    in_domain,
    negation,
    smt_integer,
    with_symbols,
)
from ..core.summands import by_statement, contribution, sum_of
from ..core.terms import Term, is_zero
from ..core.totals import structure
from ..core.values import Case, Family, Side, Slot, Sum, slot_kind, slots_of

MAXIMUM = "max signed"
"""The fold of a pooling store, the one limit that an instruction forms (see ``core.folds``)."""
_Claim = TypeVar("_Claim", TermClaim, ValueClaim)


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
    """A value that its claim describes: a shape, whose slots are input elements or sums."""

    claim: ValueClaim
    shape: Term
    slots: dict[Term, tuple[Terms, ...]]


@dataclass(frozen=True)
class Kind:
    """Elements of one shape; ``values`` is one value, or what the shape's slot is a maximum of."""

    claim: KindClaim
    shape: Term
    is_maximum: bool
    values: tuple[Value, ...]


def certify(
    side: Side, final: Statement, claims: Sequence[KindClaim], solver: Solver
) -> tuple[Kind, ...]:
    """Prove the claims about an output.

    Raises ``Violation`` if one does not hold or is not decided, and ``Unsupported`` for values that
    are no function of input elements and sums of products of two.
    """
    return tuple(_Certification(side, final, claims, solver).run())


def position_of(slot: Term) -> int:
    """The parameter whose element a slot is."""
    kind, position = slot_kind(slot)
    if kind != "input" or not isinstance(position, int):
        raise Unsupported("a sum of terms that are not read from the input")
    return position


def maximum_in(shape: Term) -> Term | None:
    """The slot that is a maximum, if the value is nothing but it in a type that it may not fit."""
    slot = shape.operands[0] if shape.operation == "wrap" else shape
    is_maximum = slot.operation == "slot" and slot_kind(slot)[0] == MAXIMUM
    return slot if is_maximum else None


@dataclass
class _Certification:
    side: Side
    final: Statement
    claims: Sequence[KindClaim]
    solver: Solver

    def run(self) -> Iterator[Kind]:
        query, symbols = with_symbols(self.side.program)
        self.side.symbols = symbols
        element = query.constants(self.final.dims)
        query.add(in_domain(self.final, symbols | element))
        at = list(element.values())
        holds = [_holds(claim, at) for claim in self.claims]
        self._prove(query, negation(disjunction(holds)), "each output element is of a claimed kind")
        cases = self.side.value(query, self.final, symbols | element)
        for claim, here in zip(self.claims, holds, strict=True):
            inside = query.copy()
            inside.add(here)
            yield self._kind(inside, at, cases, claim)

    def _prove(self, query: Query, negated: str, obligation: str) -> None:
        query = query.copy()
        query.add(negated)
        answer, model = self.solver.check(query, obligation, self.final.origin)
        if answer is not Answer.UNSAT:
            raise Violation(obligation, model if answer is Answer.SAT else None, self.final.origin)

    def _by_statement(
        self, total: Sum, claims: Sequence[_Claim]
    ) -> Iterator[tuple[Sequence[Family], list[_Claim]]]:
        """What each statement adds to a sum or maximum, and the claims about it."""
        families = by_statement(self.side, total)
        if not {s.name for s, _ in families} >= {claim.statement for claim in claims}:
            raise Violation("the claims name statements that the value is formed of", None)
        for statement, mine in families:
            yield mine, [claim for claim in claims if claim.statement == statement.name]

    def _prove_disjoint(self, query: Query, holds: Sequence[str]) -> None:
        for number, here in enumerate(holds):
            for other in holds[:number]:
                self._prove(query, conjunction([here, other]), "no summand is claimed twice")

    def _case(self, query: Query, cases: Sequence[Case], shape: str) -> Case:
        """The case with the claimed shape, which holds for all points; the query learns it.

        One of the cases does: the certificate's check proved that reads have sources.
        """
        chosen = next((case for case in cases if structure(case.shape) == shape), None)
        if chosen is None:
            raise Violation("a value has the claimed shape", None)
        for case in cases:
            if case is not chosen:
                self._prove(query, case.guard, "all values of a claim have its shape")
        query.add(chosen.guard)
        return chosen

    def _kind(
        self, query: Query, at: Sequence[str], cases: Sequence[Case], claim: KindClaim
    ) -> Kind:
        case = self._case(query, cases, claim.shape)
        slot = maximum_in(case.shape)
        if slot is not None:
            values = self._limit(query, at, sum_of(slot, case.slots[0]), claim.values)
            return Kind(claim, case.shape, True, tuple(values))
        if len(claim.values) != 1 or claim.values[0].statement or claim.values[0].counters:
            raise Violation("an element that is no maximum has one value", None)
        (value,) = claim.values
        if _holds(value, at) != "true":
            raise Violation("a kind says of which elements the value is", None)
        return Kind(claim, case.shape, False, (self._value(query, at, case, value),))

    def _value(self, query: Query, at: Sequence[str], case: Case, claim: ValueClaim) -> Value:
        """What the slots of a value are, at the point ``at`` of its claim."""
        slots = slots_of(case.shape)
        if len(slots) != len(claim.slots):
            raise Violation("each slot of a value has its claims", None)
        parts = zip(slots, case.slots, claim.slots, strict=True)
        found = {slot: self._slot(query, at, slot, place, claims) for slot, place, claims in parts}
        return Value(claim, case.shape, found)

    # Maxima.

    def _limit(
        self, query: Query, element: Sequence[str], total: Sum, claims: Sequence[ValueClaim]
    ) -> Iterator[Value]:
        """The values that a maximum is formed of; one that is claimed twice changes nothing."""
        for mine, own in self._by_statement(total, claims):
            self._prove_all_claimed(query, element, total, mine, own)
            for claim in own:
                yield self._member(query, element, total, mine, claim)

    def _prove_all_claimed(
        self,
        query: Query,
        element: Sequence[str],
        total: Sum,
        families: Sequence[Family],
        claims: Sequence[ValueClaim],
    ) -> None:
        query, statement = query.copy(), families[0].statement
        names = self.side.constants(query, statement)
        query.add(self._contributes(total, families, names))
        here = [names[dim.name] for dim in statement.dims]
        for case in self.side.value(query, statement, names):
            claimed: list[str] = []
            for claim in claims:
                if claim.shape == structure(case.shape):
                    at = [*(here[counter] for counter in _counters(claim, here)), *element]
                    point = [form_text(row, at) for row in claim.point]
                    claimed.append(conjunction([equalities(here, point), _holds(claim, at)]))
            missing = conjunction([case.guard, negation(disjunction(claimed))])
            self._prove(query, missing, "each value that a maximum is formed of is claimed")

    def _member(
        self,
        query: Query,
        element: Sequence[str],
        total: Sum,
        families: Sequence[Family],
        claim: ValueClaim,
    ) -> Value:
        query, dims = query.copy(), families[0].statement.dims
        own = query.constants([dims[counter] for counter in _counters(claim, dims)])
        at = [*own.values(), *element]
        query.add(_holds(claim, at))
        point = zip(dims, claim.point, strict=True)
        names = self.side.symbols | {
            dim.name: query.define(dim.name, form_text(row, at)) for dim, row in point
        }
        outside = negation(self._contributes(total, families, names))
        self._prove(query, outside, "a maximum is formed of each claimed value")
        cases = self.side.value(query, families[0].statement, names)
        return self._value(query, at, self._case(query, cases, claim.shape), claim)

    def _contributes(self, total: Sum, families: Sequence[Family], names: Names) -> str:
        return conjunction(contribution(self.side, total, families, names))

    # Slots.

    def _slot(
        self, query: Query, at: Sequence[str], slot: Term, place: Slot, claims: SlotClaims
    ) -> tuple[Terms, ...]:
        kind, _ = slot_kind(slot)
        if kind == "input":
            return self._input(query, at, slot, place, claims)
        if kind != "sum":
            raise Unsupported(f"an output element that depends on {slot!r}")
        total = sum_of(slot, place)
        found: list[Terms] = []
        for mine, own in self._by_statement(total, claims):
            found += self._statement(query, at, total, mine, own)
        return tuple(found)

    def _input(
        self, query: Query, at: Sequence[str], slot: Term, place: Slot, claims: SlotClaims
    ) -> tuple[Terms, ...]:
        """The slot is one input element, the claimed one."""
        found = tuple(_terms(claim, [slot]) for claim in claims)
        holds = [_holds(claim, at) for claim in claims]
        self._prove(query, negation(disjunction(holds)), "each element has a value")
        self._prove_disjoint(query, holds)
        for terms, here in zip(found, holds, strict=True):
            same = self._same_elements(terms, [place], at)
            self._prove(
                query, conjunction([here, negation(same)]), "the element is the claimed one"
            )
        return found

    def _statement(
        self,
        query: Query,
        at: Sequence[str],
        total: Sum,
        families: Sequence[Family],
        claims: Sequence[TermClaim],
    ) -> tuple[Terms, ...]:
        query, statement = query.copy(), families[0].statement
        names = self.side.constants(query, statement)
        at = [*at, *(names[dim.name] for dim in statement.dims)]
        contributes = self._contributes(total, families, names)
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


def _counters(claim: ValueClaim, dims: Sequence[object]) -> tuple[int, ...]:
    """Which dimensions a claim's rows are over; raises ``Violation`` for such as do not exist."""
    if any(not 0 <= counter < len(dims) for counter in claim.counters):
        raise Violation("the counters of a claim are dimensions of its statement", None)
    return claim.counters


def _holds(claim: KindClaim | ValueClaim | TermClaim, at: Sequence[str]) -> str:
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
