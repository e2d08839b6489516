"""What the source says of each output element: a function of one sum, and the sum's terms.

The source's affine statements were analysed and checked by the first engine (``validate.prepare``);
``pairing.SummandMaps`` composes them and ``certify`` proves the result. Here they are numbers: at
the real size, an output element ``x`` is ``shape(Σ terms)``, and the terms of a *family* are one
input element, or the product of two, for each integer point ``r`` of a box that satisfies linear
constraints. Element numbers are affine in ``x`` and ``r``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import islpy as isl

from ..core.polyhedral import Program, Statement, Unsupported
from ..core.smt import Solver
from ..core.terms import Term, is_float, is_zero, leaves, substitute, term
from ..core.values import slot_kind, slot_number, slots_of
from ..lemmas.ranges import Range, type_range
from ..oracle.pairing import SummandMaps
from ..validate import PreparedSource
from .certify import Claim, Row, certify

_SET, _DIV = isl.dim_type.set, isl.dim_type.div


@dataclass(frozen=True)
class Form:
    """``constant + Σ outputs · x + Σ counters · r``."""

    constant: int
    outputs: tuple[int, ...]
    counters: tuple[int, ...]

    def vector(self) -> list[int]:
        return [self.constant, *self.outputs, *self.counters]


@dataclass(frozen=True)
class Operand:
    """An element of the array at parameter ``position``; ``element`` is its row-major number."""

    position: int
    type: str
    element: Form


def _magnitude(type: str) -> float:
    return math.inf if is_float(type) else -type_range(type)[0]


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
    def largest(self) -> float:
        """Largest magnitude of a term."""
        return math.prod(_magnitude(operand.type) for operand in self.operands)


@dataclass(frozen=True)
class Output:
    """One output array: each element is ``shape`` with ``total`` replaced by the sum of terms."""

    position: int
    extents: tuple[int, ...]
    type: str
    shape: Term
    total: Term
    families: tuple[Family, ...]

    @property
    def bound(self) -> float:
        """Largest magnitude of the exact sum of all terms; infinite for floats."""
        return sum(family.largest * family.volume for family in self.families)

    @property
    def ranges(self) -> dict[Term, Range]:
        """The range of ``total``: from its terms if they fit its type, else all of the type."""
        if is_float(self.total.type):
            return {}
        least, greatest = type_range(self.total.type)
        fits = self.bound <= greatest
        return {self.total: (-self.bound, self.bound) if fits else (least, greatest)}


@dataclass(frozen=True)
class Specification:
    """All outputs of the source, and the effort of proving the specification."""

    outputs: tuple[Output, ...]
    obligations: int
    solver_seconds: float


def specify(source: PreparedSource) -> Specification:
    """The specification of an analysed source at any level of IR, proved to be one.

    Raises ``Unsupported`` for sources whose outputs are not functions of one sum of input elements
    and products of two, and ``Violation`` if the proof fails. Proved once per prepared source.
    """
    known = source.derived.get("specification")
    if isinstance(known, Specification):
        return known
    program, solver = source.analysed.program, Solver()
    if program.symbols:
        raise Unsupported("a source with symbolic sizes or scalar parameters")
    outputs = tuple(_output(source, final, solver) for final in program.outputs.values())
    found = Specification(outputs, solver.queries, solver.seconds)
    source.derived["specification"] = found
    return found


def _output(source: PreparedSource, final: Statement, solver: Solver) -> Output:
    program, maps = source.analysed.program, source.analysed.summands
    cases = maps.value(final)
    if len(cases) != 1:
        raise Unsupported(f"an output with {len(cases)} kinds of elements")
    extents = tuple(extent.constant for extent in final.array.extents)
    if not extents:
        raise Unsupported("an output without dimensions")
    shape, keys = cases[0].shape, cases[0].slots
    claims = [
        (slot, _claims_of_slot(program, maps, final, slot, keys[slot_number(slot)], extents))
        for slot in slots_of(shape)
    ]
    certify(source, final, shape, claims, solver)
    families = {slot: tuple(_family(claim, extents) for claim in found) for slot, found in claims}
    shape = substitute(shape, _same_slots(families))
    shape, total, parts = _split_total(shape)
    position = final.array.position
    assert position is not None
    terms = tuple(family for part in parts for family in families[part])
    return Output(position, extents, final.array.element_type, shape, total, terms)


def _claims_of_slot(
    program: Program,
    maps: SummandMaps,
    final: Statement,
    slot: Term,
    keys: isl.Map,
    extents: tuple[int, ...],
) -> list[Claim]:
    """What a slot of an output element is the sum of."""
    kind, key = slot_kind(slot)
    if kind == "input":
        return _claims(program, "", slot, _with_outputs(keys), extents)
    if kind != "sum" or not isinstance(key, tuple):
        raise Unsupported("an output that depends on a loop counter")
    found: list[Claim] = []
    for summands in maps.summands(final, key[0], key[1]):
        # A floating-point sum may start with 0.0; adding it is assumed to do nothing.
        if not is_zero(summands.shape):
            name, points = summands.statement, summands.keys
            found += _claims(program, name, summands.shape, points, extents)
    return found


def _same_slots(families: dict[Term, tuple[Family, ...]]) -> dict[Term, Term]:
    """Slots that are sums of the same terms, to the first of them: a sum may be read twice."""
    first: dict[tuple[str, tuple[Family, ...]], Term] = {}
    return {slot: first.setdefault((slot.type, terms), slot) for slot, terms in families.items()}


def _with_outputs(slot: isl.Map) -> isl.Map:
    """From ``x -> subscripts`` to ``x -> [x, subscripts]``, the form of summands."""
    slot = slot.reset_tuple_id(isl.dim_type.in_)
    return slot.domain().identity().flat_range_product(slot)


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
        if sum(_magnitude(slot.type) for slot in slots) >= 1 << 31:
            raise Unsupported("a sum of more than 32 bits")
        shape = substitute(shape, {candidate: total})  # elements so short need no reduction
    return shape, total, slots


def _claims(
    program: Program, statement: str, shape: Term, keys: isl.Map, extents: tuple[int, ...]
) -> list[Claim]:
    """The summands of one statement and shape, one claim for each convex part of their domain."""
    slots = slots_of(shape)
    for slot in slots:
        if slot_kind(slot)[0] != "input":
            raise Unsupported(f"a sum of terms that are not read from the input: {shape!r}")
    found: list[Claim] = []
    pieces: list[tuple[isl.Set, isl.MultiAff]] = []
    if keys.domain_is_wrapping():
        keys = keys.flatten_domain()
    keys.as_pw_multi_aff().foreach_piece(lambda points, values: pieces.append((points, values)))
    arrays = tuple(_extents(program, _position(slot)) for slot in slots)
    for points, values in pieces:
        elements = _elements(arrays, values, len(extents))
        for part in points.make_disjoint().get_basic_sets():
            equalities, inequalities = _constraints(part)
            found.append(Claim(statement, shape, equalities, inequalities, elements, arrays))
    return found


def _factors(shape: Term) -> list[Term]:
    """The one or two input elements that a summand is the product of."""
    factors = list(shape.operands) if shape.operation in ("mul", "mulf") else [shape]
    kinds = [factor.operation == "slot" and slot_kind(factor)[0] == "input" for factor in factors]
    if not all(kinds) or len(factors) > 2:
        raise Unsupported(f"a sum of terms other than products of two elements: {shape!r}")
    return factors


def _family(claim: Claim, extents: tuple[int, ...]) -> Family:
    """The claim with only those counters that the output element does not determine."""
    rank, slots = len(extents), slots_of(claim.shape)
    elements, inequalities, equalities = _eliminate(claim, rank)
    box = _bounding_box(inequalities, equalities, rank)
    everything = [*((0, extent - 1) for extent in extents), *box]
    needed = [row for row in inequalities if _least(row, everything) < 0]
    return Family(
        tuple(
            Operand(_position(factor), factor.type, _form(elements[slots.index(factor)], rank))
            for factor in _factors(claim.shape)
        ),
        tuple(low for low, _ in box),
        tuple(high - low + 1 for low, high in box),
        tuple(_form(row, rank) for row in needed),
        tuple(_form(row, rank) for row in equalities if any(row)),
    )


def _bounding_box(
    inequalities: Sequence[Row], equalities: Sequence[Row], rank: int
) -> list[tuple[int, int]]:
    """Least and greatest value of each counter."""
    width = len((*inequalities, *equalities, (0,) * (1 + rank))[0]) - 1
    points = isl.Set.universe(isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, width))
    space = isl.LocalSpace.from_space(points.get_space())
    for rows, make in (
        (inequalities, isl.Constraint.alloc_inequality),
        (equalities, isl.Constraint.alloc_equality),
    ):
        for row in rows:
            constraint = make(space).set_constant_val(isl.Val(row[0]))
            for place, factor in enumerate(row[1:]):
                constraint = constraint.set_coefficient_val(_SET, place, isl.Val(factor))
            points = points.add_constraint(constraint)
    return [
        (_bound(points.dim_min_val(place)), _bound(points.dim_max_val(place)))
        for place in range(rank, width)
    ]


def _elements(
    arrays: tuple[tuple[int, ...], ...], values: isl.MultiAff, rank: int
) -> tuple[Row, ...]:
    """The row-major element number of each slot, from ``[x, subscripts of each slot]``."""
    result: list[Row] = []
    place = rank
    for extents in arrays:
        row: Row = (0,) * (1 + values.dim(isl.dim_type.in_))
        for extent in extents:
            subscript = _affine(values.get_at(place))
            row = tuple(extent * a + b for a, b in zip(row, subscript, strict=True))
            place += 1
        result.append(row)
    return tuple(result)


def _extents(program: Program, position: int) -> tuple[int, ...]:
    for statement in program.readers():
        for read in statement.reads:
            if read.array.position == position:
                return tuple(extent.constant for extent in read.array.extents)
    raise Unsupported(f"parameter {position} is never read")


def _position(slot: Term) -> int:
    position = slot_kind(slot)[1]
    assert isinstance(position, int)
    return position


def _affine(value: isl.Aff) -> Row:
    if value.dim(_DIV) or value.get_denominator_val().to_python() != 1:
        raise Unsupported("a source with divisions or remainders in its subscripts")
    count = value.dim(isl.dim_type.in_)
    factors = [value.get_coefficient_val(isl.dim_type.in_, n).to_python() for n in range(count)]
    return (value.get_constant_val().to_python(), *factors)


def _constraints(points: isl.BasicSet) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Equalities and inequalities."""
    if points.dim(_DIV):
        raise Unsupported("a source with divisions or remainders in its subscripts")
    equalities: list[Row] = []
    inequalities: list[Row] = []
    for constraint in points.get_constraints():
        row = [constraint.get_constant_val().to_python()]
        for place in range(points.dim(_SET)):
            row.append(constraint.get_coefficient_val(_SET, place).to_python())
        (equalities if constraint.is_equality() else inequalities).append(tuple(row))
    return tuple(equalities), tuple(inequalities)


def _eliminate(claim: Claim, rank: int) -> tuple[list[Row], list[Row], list[Row]]:
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


def _bound(value: isl.Val) -> int:
    if not value.is_int():
        raise Unsupported("a sum over an unbounded range")
    return value.to_python()
