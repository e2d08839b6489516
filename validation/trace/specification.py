"""What the source says of each output element: a function of one sum (trusted core).

At its real size, an output element ``x`` is ``shape(Σ terms)``, and the terms of a *family* are one
input element, or the product of two, for each integer point ``r`` of a box that satisfies linear
constraints. Element numbers are affine in ``x`` and ``r``. All of this is claimed by a certificate:
``certify`` proves the claims, and Z3 that all points lie in the box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.certificate import Row, SlotClaims, TermClaim
from ..core.checker import Violation
from ..core.polyhedral import Program, Statement, Unsupported
from ..core.smt import Answer, Query, Solver, disjunction, negation, smt_integer
from ..core.terms import Term, is_float, leaves, substitute, term
from ..core.values import Side, slots_of
from ..lemmas.ranges import Range, type_range
from .certify import Terms, certify, form_text, position_of

LARGEST_NUMBER = 1 << 62
"""Forms stay below it, so that the compiled comparison computes them exactly in 64 bits."""


@dataclass(frozen=True)
class Form:
    """``constant + Σ outputs · x + Σ counters · r``."""

    constant: int
    outputs: tuple[int, ...]
    counters: tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """An element of the array at parameter ``position``; ``element`` is its row-major number."""

    position: int
    type: str
    element: Form


def _range(type: str) -> Range:
    return (-math.inf, math.inf) if is_float(type) else type_range(type)


def _fits(inner: Range, type: str) -> bool:
    low, high = _range(type)
    return low <= inner[0] and inner[1] <= high


@dataclass(frozen=True)
class Family:
    """The terms that one statement contributes to every output element of a case."""

    operands: tuple[Operand, ...]
    """One operand: the element itself; two: their product."""
    low: tuple[int, ...]
    """Least value of each counter."""
    extents: tuple[int, ...]
    """Number of values of each counter."""
    at_least_zero: tuple[Form, ...]
    equal_zero: tuple[Form, ...]

    @property
    def volume(self) -> int:
        return math.prod(self.extents)

    @property
    def range(self) -> Range:
        """The least and greatest exact sum of the terms; not bounded for floats."""
        low, high = _range(self.operands[0].type)
        for operand in self.operands[1:]:
            corners = [a * b for a in (low, high) for b in _range(operand.type)]
            low, high = min(corners), max(corners)
        return low * self.volume, high * self.volume


@dataclass(frozen=True)
class Output:
    """One output array: each element is ``shape`` with ``total`` replaced by the sum of terms."""

    position: int
    extents: tuple[int, ...]
    type: str
    shape: Term
    total: Term
    families: tuple[Family, ...]

    def is_exact_in(self, type: str) -> bool:
        """Whether the sum of an element's terms is the same number in a type, however added."""
        if is_float(type):
            return [(len(f.operands), f.volume) for f in self.families] == [(1, 1)]
        return _fits(_sum_range(self.families), type)

    @property
    def ranges(self) -> dict[Term, Range]:
        """The range of ``total``: from its terms if they fit its type, else all of the type."""
        type = self.total.type
        if is_float(type):
            return {}
        return {self.total: _sum_range(self.families) if self.is_exact_in(type) else _range(type)}


def _sum_range(families: Sequence[Family]) -> Range:
    """The least and greatest exact sum of the terms of some families."""
    ranges = [family.range for family in families]
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


@dataclass(frozen=True)
class Specification:
    """All outputs of the source, the claims that it was proved from, and the effort."""

    outputs: tuple[Output, ...]
    claims: dict[int, tuple[SlotClaims, ...]]
    obligations: int


def specification_of(
    side: Side, claims: dict[int, tuple[SlotClaims, ...]], solver: Solver
) -> Specification:
    """The specification that the claims about each output of a source give, proved to be one.

    Raises ``Unsupported`` for sources whose outputs are not functions of one sum of input elements
    and products of two, and ``Violation`` if the proof fails.
    """
    program, before = side.program, solver.queries
    require_numbers(program)
    if claims.keys() != program.outputs.keys():
        raise Violation("the claims are about the outputs of the source", None)
    outputs = tuple(
        _output(side, final, claims[position], solver)
        for position, final in program.outputs.items()
    )
    return Specification(outputs, claims, solver.queries - before)


def require_numbers(program: Program) -> None:
    """Raises ``Unsupported`` unless all sizes of a program are numbers."""
    if program.symbols:
        raise Unsupported("a source with symbolic sizes or scalar parameters")


def _output(side: Side, final: Statement, claims: Sequence[SlotClaims], solver: Solver) -> Output:
    extents = tuple(extent.constant for extent in final.array.extents)
    if not extents:
        raise Unsupported("an output without dimensions")
    value = certify(side, final, claims, solver)
    families = {
        slot: tuple(_family(terms, extents, solver) for terms in found)
        for slot, found in value.slots.items()
    }
    shape = substitute(value.shape, _same_slots(families))
    shape, total, parts = _split_total(shape)
    for part in parts:
        # What is reduced to fewer bits before it is added is no sum of terms.
        if total.type != part.type and not _fits(_sum_range(families[part]), part.type):
            raise Unsupported(f"a sum that may not fit {part.type}, to which something is added")
    position = final.array.position
    assert position is not None
    terms = tuple(family for part in parts for family in families[part])
    return Output(position, extents, final.array.element_type, shape, total, terms)


def _same_slots(families: dict[Term, tuple[Family, ...]]) -> dict[Term, Term]:
    """Slots that are sums of the same terms, to the first of them: a sum may be read twice."""
    first: dict[tuple[str, tuple[Family, ...]], Term] = {}
    return {slot: first.setdefault((slot.type, terms), slot) for slot, terms in families.items()}


def _split_total(shape: Term) -> tuple[Term, Term, list[Term]]:
    """Name the sum inside of a shape: the shape over a new slot, that slot, and its parts.

    Where elements are added to the sum before anything else happens (a bias), they are terms too.
    """
    slots = slots_of(shape)
    if not slots:
        raise Unsupported("an output that does not depend on the input")
    if len(slots) == 1:
        total = term("slot", slots[0].type, payload=("total", 0, 0))
        return substitute(shape, {slots[0]: total}), total, slots
    for candidate in leaves(shape, "add"):
        is_sum = all(operand.operation == "slot" for operand in candidate.operands)
        if is_sum and set(candidate.operands) == set(slots):
            return _with_wrapped_total(shape, candidate, slots)
    raise Unsupported(f"an output element that combines several sums or elements: {shape!r}")


def _with_wrapped_total(
    shape: Term, candidate: Term, slots: list[Term]
) -> tuple[Term, Term, list[Term]]:
    """Name an addition that is reduced to at most 32 bits wherever it is used."""
    total = term("slot", "i32", payload=("total", 0, 0))
    replacements: dict[Term, Term] = {}
    for wrapped in leaves(shape, "wrap"):
        bits = wrapped.payload
        if wrapped.operands[0] is candidate and isinstance(bits, int) and bits <= 32:
            narrow = total if bits == 32 else term("wrap", "int", total, payload=bits)
            replacements[wrapped] = narrow
    shape = substitute(shape, replacements)
    if candidate in leaves(shape, "add"):
        if sum(-_range(slot.type)[0] for slot in slots) >= 1 << 31:
            raise Unsupported("a sum of more than 32 bits")
        shape = substitute(shape, {candidate: total})  # elements so short need no reduction
    return shape, total, slots


def _family(terms: Terms, extents: tuple[int, ...], solver: Solver) -> Family:
    """The terms with only those counters that the output element does not determine."""
    rank, box = len(extents), terms.claim.box
    elements, inequalities, equalities = eliminated(terms.claim, rank)
    everything = [*((0, extent - 1) for extent in extents), *box]
    _prove_within(everything, rank, (inequalities, equalities), solver)
    for row in (*elements, *inequalities, *equalities):
        _require_exact(row, everything)
    places = {slot: place for place, slot in enumerate(slots_of(terms.shape))}
    return Family(
        tuple(
            Operand(position_of(factor), factor.type, _form(elements[places[factor]], rank))
            for factor in terms.factors
        ),
        tuple(low for low, _ in box),
        tuple(high - low + 1 for low, high in box),
        tuple(_form(row, rank) for row in inequalities if _least(row, everything) < 0),
        tuple(_form(row, rank) for row in equalities if any(row)),
    )


def _require_exact(row: Row, box: Sequence[tuple[int, int]]) -> None:
    sizes = (abs(f) * max(abs(low), abs(high)) for f, (low, high) in zip(row[1:], box, strict=True))
    if abs(row[0]) + sum(sizes) >= LARGEST_NUMBER:
        raise Unsupported("a source with subscripts beyond 64 bits")


def _prove_within(
    box: Sequence[tuple[int, int]],
    rank: int,
    rows: tuple[Sequence[Row], Sequence[Row]],
    solver: Solver,
) -> None:
    """Prove that points where inequalities and equalities hold lie in the box."""
    if any(low > high or max(-low, high) >= LARGEST_NUMBER for low, high in box):
        raise Violation("the counters of a claim lie in a box of numbers", None)
    query = Query()
    at = [query.constant("x") for _ in box]
    inside = [
        f"(<= {smt_integer(low)} {name} {smt_integer(high)})"
        for name, (low, high) in zip(at, box, strict=True)
    ]
    for subscript in inside[:rank]:
        query.add(subscript)
    inequalities, equalities = rows
    for row in inequalities:
        query.add(f"(>= {form_text(row, at)} 0)")
    for row in equalities:
        query.add(f"(= {form_text(row, at)} 0)")
    query.add(disjunction(negation(counter) for counter in inside[rank:]))
    if solver.check(query, "the terms of a claim lie in its box")[0] is not Answer.UNSAT:
        raise Violation("the terms of a claim lie in its box", None)


def eliminated(claim: TermClaim, rank: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Elements, inequalities and equalities without counters that an equality determines.

    A counter with coefficient ±1 is an integer for every value of the others, so that points with
    and without it correspond one to one.
    """
    elements, inequalities = list(claim.elements), list(claim.inequalities)
    equalities = list(claim.equalities)
    while True:
        pivots = (
            (row, column)
            for row in equalities
            for column in range(1 + rank, len(row))
            if abs(row[column]) == 1
        )
        pivot = next(pivots, None)
        if pivot is None:
            return elements, inequalities, equalities
        row, column = pivot
        equalities.remove(row)
        for rows in (elements, inequalities, equalities):
            rows[:] = [_substitute(other, row, column) for other in rows]


def _substitute(row: Row, equality: Row, column: int) -> Row:
    """``row`` without its variable ``column``, which the equality gives with coefficient ±1."""
    factor = row[column] * equality[column]
    changed = [a - factor * b for a, b in zip(row, equality, strict=True)]
    return tuple(changed[:column] + changed[column + 1 :])


def _form(row: Row, rank: int) -> Form:
    return Form(row[0], tuple(row[1 : 1 + rank]), tuple(row[1 + rank :]))


def _least(row: Row, box: Sequence[tuple[int, int]]) -> int:
    """The least value of a form over a box of all its variables."""
    parts = (min(f * low, f * high) for f, (low, high) in zip(row[1:], box, strict=True))
    return row[0] + sum(parts)
