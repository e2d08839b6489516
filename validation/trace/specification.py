"""What the source says of each output element: a function of one sum (trusted core).

At its real size, an output element ``x`` is ``shape(Σ terms)``, and the terms of a *family* are one
input element, or the product of two, for each integer point ``r`` of a box that satisfies linear
constraints. Element numbers are affine in ``x`` and ``r``. Or the element is the greatest of such
values, one for each point ``w`` of a window: all forms are then over ``w``, ``x`` and ``r``.
Elements at borders may be of other *kinds*. All of this is claimed by a certificate: ``certify``
proves the claims, and Z3 that all points lie in the boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.certificate import KindClaim, Row, TermClaim, ValueClaim
from ..core.checker import Violation
from ..core.polyhedral import Program, Statement, Unsupported
from ..core.smt import Answer, Query, Solver, disjunction, negation, smt_integer
from ..core.terms import Term, is_float, leaves, substitute, term
from ..core.values import Side, slots_of
from ..lemmas.ranges import Range, Ranges, type_range
from . import certify
from .certify import Terms, form_text, position_of

LARGEST_NUMBER = 1 << 62
"""Forms stay below it, so that the compiled comparison computes them exactly in 64 bits."""


@dataclass(frozen=True)
class Form:
    """``constant + Σ point · (w, x) + Σ counters · r``."""

    constant: int
    point: tuple[int, ...]
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
    """The terms that one statement contributes to a value, the same at each of its points."""

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
class Region:
    """The points of a box where some forms are 0 and others not negative; rows as in claims."""

    low: tuple[int, ...]
    extents: tuple[int, ...]
    equal_zero: tuple[Row, ...]
    at_least_zero: tuple[Row, ...]


@dataclass(frozen=True)
class Value:
    """At each point of its region ``shape``, with ``total`` replaced by the sum of terms.

    The points are those of a window, if it has one, and the subscripts of an output element.
    """

    region: Region
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

    @property
    def limits(self) -> Range:
        """The least and the greatest number that the value can be."""
        return Ranges(self.ranges).integer(self.shape)


def _sum_range(families: Sequence[Family]) -> Range:
    """The least and greatest exact sum of the terms of some families."""
    ranges = [family.range for family in families]
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


@dataclass(frozen=True)
class Kind:
    """Elements of one form: the only one of ``values``, or the greatest of them all."""

    region: Region
    is_maximum: bool
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Output:
    """One output array; each of its elements is of one of the kinds."""

    position: int
    extents: tuple[int, ...]
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Specification:
    """All outputs of the source, the claims that it was proved from, and the effort."""

    outputs: tuple[Output, ...]
    claims: dict[int, tuple[KindClaim, ...]]
    obligations: int


def specification_of(
    side: Side, claims: dict[int, tuple[KindClaim, ...]], solver: Solver
) -> Specification:
    """The specification that the claims about each output of a source give, proved to be one.

    Raises ``Unsupported`` for sources whose outputs are no functions of one sum of input elements
    and products of two, nor maxima of such, and ``Violation`` if the proof fails.
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


def _output(side: Side, final: Statement, claims: Sequence[KindClaim], solver: Solver) -> Output:
    extents = tuple(extent.constant for extent in final.array.extents)
    if not extents:
        raise Unsupported("an output without dimensions")
    position, type = final.array.position, final.array.element_type
    assert position is not None
    kinds = (
        _kind(kind, extents, type, solver) for kind in certify.certify(side, final, claims, solver)
    )
    return Output(position, extents, tuple(kinds))


def _kind(kind: certify.Kind, extents: tuple[int, ...], type: str, solver: Solver) -> Kind:
    claim = kind.claim
    region = _region((0,) * len(extents), extents, claim)
    values = tuple(_value(value, region, type, solver) for value in kind.values)
    if kind.is_maximum:
        _require_fitting(kind.shape, values)
    return Kind(region, kind.is_maximum, values)


def _region(
    low: tuple[int, ...], extents: tuple[int, ...], claim: KindClaim | ValueClaim
) -> Region:
    region = Region(low, extents, claim.equalities, claim.inequalities)
    for row in (*claim.equalities, *claim.inequalities):
        _require_exact(row, _box(region))
    return region


def _require_fitting(shape: Term, values: Sequence[Value]) -> None:
    """Raise ``Unsupported`` if a maximum that is reduced to fewer bits may not fit them.

    Numbers among its values do not count: those that other values may not reach are refused later.
    """
    if shape.operation != "wrap":
        return
    assert isinstance(shape.payload, int)
    end = 1 << (shape.payload - 1)
    for value in values:
        low, high = value.limits
        if value.shape.operation != "constant" and not -end <= low <= high < end:
            raise Unsupported(f"a maximum that may not fit {shape.payload} bits")


def _value(value: certify.Value, region: Region, type: str, solver: Solver) -> Value:
    claim = value.claim
    if value.claim.statement:
        low = (*(low for low, _ in claim.box), *region.low)
        sizes = (*(high - low + 1 for low, high in claim.box), *region.extents)
        region = _region(low, sizes, claim)
        window = range(len(claim.counters))
        if len(claim.box) != len(window):
            raise Violation("each counter of a claim has its bounds", None)
        _prove_within(_box(region), window, _rows(region), solver)
    families = {
        slot: tuple(_family(terms, region, solver) for terms in found)
        for slot, found in value.slots.items()
    }
    shape = substitute(value.shape, _same_slots(families))
    shape, total, parts = _split_total(shape, type)
    for part in parts:
        # What is reduced to fewer bits before it is added is no sum of terms.
        if total.type != part.type and not _fits(_sum_range(families[part]), part.type):
            raise Unsupported(f"a sum that may not fit {part.type}, to which something is added")
    terms = tuple(family for part in parts for family in families[part])
    return Value(region, type, shape, total, terms)


def _box(region: Region) -> list[tuple[int, int]]:
    """Least and greatest value of each coordinate."""
    return [(low, low + n - 1) for low, n in zip(region.low, region.extents, strict=True)]


def _rows(region: Region) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Inequalities and equalities."""
    return region.at_least_zero, region.equal_zero


def _same_slots(families: dict[Term, tuple[Family, ...]]) -> dict[Term, Term]:
    """Slots that are sums of the same terms, to the first of them: a sum may be read twice."""
    first: dict[tuple[str, tuple[Family, ...]], Term] = {}
    return {slot: first.setdefault((slot.type, terms), slot) for slot, terms in families.items()}


def _split_total(shape: Term, type: str) -> tuple[Term, Term, list[Term]]:
    """Name the sum inside of a shape: the shape over a new slot, that slot, and its parts.

    Where elements are added to the sum before anything else happens (a bias), they are terms too.
    A number is a function of an empty sum.
    """
    slots = slots_of(shape)
    if not slots:
        return shape, term("slot", type, payload=("total", 0, 0)), []
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


def _family(terms: Terms, region: Region, solver: Solver) -> Family:
    """The terms with only those counters that the point of the value does not determine."""
    rank, box = len(region.low), terms.claim.box
    elements, inequalities, equalities = eliminated(terms.claim, rank)
    everything = [*_box(region), *box]
    outer = [[(*row, *(0,) * len(box)) for row in rows] for rows in _rows(region)]
    rows = [*inequalities, *outer[0]], [*equalities, *outer[1]]
    _prove_within(everything, range(rank, len(everything)), rows, solver)
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
    places: range,
    rows: tuple[Sequence[Row], Sequence[Row]],
    solver: Solver,
) -> None:
    """Prove that the coordinates ``places`` of points where all rows hold lie in the box.

    The other coordinates do.
    """
    if any(low > high or max(-low, high) >= LARGEST_NUMBER for low, high in box):
        raise Violation("the counters of a claim lie in a box of numbers", None)
    query = Query()
    at = [query.constant("x") for _ in box]
    inside = [
        f"(<= {smt_integer(low)} {name} {smt_integer(high)})"
        for name, (low, high) in zip(at, box, strict=True)
    ]
    for place, text in enumerate(inside):
        if place not in places:
            query.add(text)
    inequalities, equalities = rows
    for row in inequalities:
        query.add(f"(>= {form_text(row, at)} 0)")
    for row in equalities:
        query.add(f"(= {form_text(row, at)} 0)")
    query.add(disjunction(negation(inside[place]) for place in places))
    if solver.check(query, "the terms of a claim lie in its box")[0] is not Answer.UNSAT:
        raise Violation("the terms of a claim lie in its box", None)


def eliminated(claim: TermClaim, rank: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Elements, inequalities and equalities without counters that an equality determines."""
    elements, inequalities = list(claim.elements), list(claim.inequalities)
    equalities = list(claim.equalities)
    eliminate(equalities, (elements, inequalities), 1 + rank)
    return elements, inequalities, equalities


def eliminate(equalities: list[Row], others: Sequence[list[Row]], first: int) -> list[int]:
    """Take out of all rows the variables that an equality determines; the columns that are left.

    Only those from column ``first`` on. A variable with coefficient ±1 is an integer for every
    value of the others, so that points with and without it correspond one to one.
    """
    kept = list(range(len(equalities[0]))) if equalities else []
    while True:
        pivots = (
            (row, column)
            for row in equalities
            for column in range(first, len(row))
            if abs(row[column]) == 1
        )
        pivot = next(pivots, None)
        if pivot is None:
            return kept
        row, column = pivot
        equalities.remove(row)
        del kept[column]
        for rows in (*others, equalities):
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
