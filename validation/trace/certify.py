"""Z3 checks what the specification says of the source (trusted core).

The terms of an output were read off isl relations, which are proposals only. For an arbitrary
output element Z3 proves here

V   the element is the claimed shape of the claimed input elements and sums;
E   an execution of an adding statement is a non-zero summand of the sum exactly where one of the
    statement's claims holds, and no two claims hold at once;
T   the summand is then the claimed product of the claimed input elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.checker import Violation
from ..core.polyhedral import Statement
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
from ..core.values import Case, Side, Slot, Sum, slot_kind, slots_of
from ..validate import PreparedSource

Row = tuple[int, ...]
"""Coefficients: constant, output subscripts, counters of the statement."""


@dataclass(frozen=True)
class Claim:
    """Where ``equalities`` are 0 and ``inequalities`` are not negative, there is a summand.

    Rows are over the output's subscripts and the statement's counters. The summand is ``shape``,
    whose slots are the elements with the row-major numbers ``elements``.
    """

    statement: str
    """The adding statement; empty if the value is an input element itself."""
    shape: Term
    equalities: tuple[Row, ...]
    inequalities: tuple[Row, ...]
    elements: tuple[Row, ...]
    extents: tuple[tuple[int, ...], ...]
    """Extents of the array behind each slot."""


def certify(
    source: PreparedSource,
    final: Statement,
    shape: Term,
    claims: Sequence[tuple[Term, Sequence[Claim]]],
    solver: Solver,
) -> None:
    """Prove the claims about an output, slot by slot of its ``shape``.

    Raises ``Violation`` if one does not hold or is not decided.
    """
    _Certification(source, final, shape, claims, solver).run()


@dataclass
class _Certification:
    source: PreparedSource
    final: Statement
    shape: Term
    claims: Sequence[tuple[Term, Sequence[Claim]]]
    solver: Solver

    def run(self) -> None:
        analysed = self.source.analysed
        self.side = Side(analysed.program, analysed.certificate)
        query, symbols = with_symbols(analysed.program)
        self.side.symbols = symbols
        element = query.constants(self.final.dims)
        query.add(in_domain(self.final, symbols | element))
        self.element = list(element.values())
        cases = self.side.value(query, self.final, symbols | element)
        cases = [case for case in cases if self._is_reachable(query, case)]
        if len(cases) != 1 or cases[0].shape is not self.shape:
            raise Violation("the specification has the shape of the source", None)
        # The cases cover all elements: the certificate's check proved that reads have sources.
        query.add(cases[0].guard)
        order = slots_of(self.shape)
        for slot, claims in self.claims:
            self._slot(query, slot, cases[0].slots[order.index(slot)], claims)

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

    def _slot(self, query: Query, slot: Term, place: Slot, claims: Sequence[Claim]) -> None:
        kind, key = slot_kind(slot)
        if kind == "input":
            self._input(query, place, claims)
            return
        assert isinstance(key, tuple)
        total = Sum(key[0], key[1], place)
        statements = {
            family.statement.name: family.statement for family in self.side.families(total)
        }
        for claim in claims:
            if claim.statement not in statements:
                raise Violation("the specification names statements of the source", None)
        for statement in statements.values():
            mine = [claim for claim in claims if claim.statement == statement.name]
            self._statement(query, total, statement, mine)

    def _input(self, query: Query, place: Slot, claims: Sequence[Claim]) -> None:
        """The slot is one input element, the claimed one."""
        holds = [_holds(claim, self.element) for claim in claims]
        self._prove(query, negation(disjunction(holds)), "each element has a value")
        for claim, here in zip(claims, holds, strict=True):
            same = _same_elements(claim, [place], self.element)
            self._prove(
                query, conjunction([here, negation(same)]), "the element is the claimed one"
            )

    def _statement(
        self, query: Query, total: Sum, statement: Statement, claims: Sequence[Claim]
    ) -> None:
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
        holds = [_holds(claim, at) for claim in claims]
        claimed = disjunction(holds)
        different = disjunction(
            [conjunction([summand, negation(claimed)]), conjunction([negation(summand), claimed])]
        )
        self._prove(query, different, "the claimed summands are those of the source")
        for number, here in enumerate(holds):
            for other in holds[:number]:
                self._prove(query, conjunction([here, other]), "no summand is claimed twice")
        for claim, here in zip(claims, holds, strict=True):
            for case in nonzero:
                same = "false"
                if case.shape is claim.shape:
                    same = _same_elements(claim, case.slots, at)
                negated = conjunction([here, case.guard, negation(same)])
                self._prove(query, negated, "a summand is the claimed product")


def _holds(claim: Claim, at: Sequence[str]) -> str:
    equal = (f"(= {_form(row, at)} 0)" for row in claim.equalities)
    return conjunction([*equal, *(f"(>= {_form(row, at)} 0)" for row in claim.inequalities)])


def _same_elements(claim: Claim, slots: Sequence[Slot], at: Sequence[str]) -> str:
    """The slots' subscripts are those of the claimed element numbers."""
    numbers = [
        _form((0, *_strides(extents)), list(slot))
        for slot, extents in zip(slots, claim.extents, strict=True)
    ]
    pairs = zip(numbers, claim.elements, strict=True)
    return conjunction(f"(= {number} {_form(row, at)})" for number, row in pairs)


def _strides(extents: Sequence[int]) -> list[int]:
    """Elements between neighbours in each dimension of a row-major array."""
    strides = [1]
    for extent in reversed(extents[1:]):
        strides.append(strides[-1] * extent)
    return strides[::-1][: len(extents)]


def _form(row: Sequence[int], at: Sequence[str]) -> str:
    parts = [f"(* {smt_integer(f)} {name})" for f, name in zip(row[1:], at, strict=True) if f]
    parts.append(smt_integer(row[0]))
    return parts[0] if len(parts) == 1 else f"(+ {' '.join(parts)})"
