"""Ask isl what the outputs of a source are sums of (untrusted), and prove it.

The source's affine statements were analysed and checked by the first engine (``validate.prepare``);
``pairing.SummandMaps`` composes them. Here that becomes claims, which ``specification`` proves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import islpy as isl

from ..core.certificate import KindClaim, Row, SlotClaims, TermClaim, ValueClaim
from ..core.polyhedral import Program, Statement, Unsupported
from ..core.smt import Solver
from ..core.terms import Term, is_zero
from ..core.totals import structure
from ..core.values import Side, slot_kind, slot_number, slots_of
from ..oracle.pairing import SummandMaps, ValueCase
from ..validate import PreparedSource
from .certify import extents_of, maximum_in, position_of
from .specification import (
    Specification,
    eliminate,
    eliminated,
    require_numbers,
    specification_of,
)

_IN, _OUT, _SET, _DIV = (
    isl.dim_type.in_,
    isl.dim_type.out,
    isl.dim_type.set,
    isl.dim_type.div,
)


def specify(source: PreparedSource) -> Specification:
    """The specification of an analysed source at any level of IR, proved to be one.

    Raises ``Unsupported`` for sources whose outputs are not functions of one sum of input elements
    and products of two, and ``Violation`` if the proof fails. Proved once per prepared source.
    """
    known = source.derived.get("specification")
    if isinstance(known, Specification):
        return known
    analysed = source.analysed
    program = analysed.program
    require_numbers(program)
    claims = {
        position: _claims_of_output(program, analysed.summands, final)
        for position, final in program.outputs.items()
    }
    found = specification_of(Side(program, analysed.certificate), claims, Solver())
    source.derived["specification"] = found
    return found


def _claims_of_output(
    program: Program, maps: SummandMaps, final: Statement
) -> tuple[KindClaim, ...]:
    found: list[KindClaim] = []
    for case in maps.value(final):
        for part in case.domain.coalesce().make_disjoint().get_basic_sets():
            equalities, inequalities = _constraints(part)
            slot = maximum_in(case.shape)
            if slot is None:
                slots = _claims_of_slots(program, maps, final, case)
                shape = structure(case.shape)
                values = (ValueClaim("", shape, (), (), (), (), (), slots),)
            else:
                values = tuple(_values_of_maximum(program, maps, final, slot))
            found.append(KindClaim(structure(case.shape), equalities, inequalities, values))
    return tuple(found)


def _claims_of_slots(
    program: Program, maps: SummandMaps, reader: Statement, case: ValueCase
) -> tuple[SlotClaims, ...]:
    """What the slots of a statement's value are; rows are over the statement's dimensions."""
    return tuple(
        _claims_of_slot(program, maps, reader, slot, case.slots[slot_number(slot)])
        for slot in slots_of(case.shape)
    )


def _values_of_maximum(
    program: Program, maps: SummandMaps, final: Statement, slot: Term
) -> Iterator[ValueClaim]:
    """The values that output elements are maxima of, one claim for each convex part."""
    key = slot_kind(slot)[1]
    assert isinstance(key, tuple)
    for statement, points in maps.contributions(final, key[0], key[1]):
        for case in maps.value(statement):
            found = points.intersect_range(case.domain).reset_tuple_id(_IN).reset_tuple_id(_OUT)
            slots = _claims_of_slots(program, maps, statement, case)
            for part in found.wrap().flatten().make_disjoint().get_basic_sets():
                claim = _value_claim(statement, structure(case.shape), part, len(final.dims))
                inner = tuple(tuple(_at_point(term, claim.point) for term in of) for of in slots)
                yield replace(claim, slots=inner)


def _value_claim(statement: Statement, shape: str, part: isl.BasicSet, rank: int) -> ValueClaim:
    """The claim about points ``[x, dimensions]``, without dimensions that the others determine."""
    columns = range(1 + rank, 1 + rank + len(statement.dims))
    equal, at_least = map(list, _constraints(part))
    point = [tuple(int(place == own) for place in range(columns.stop)) for own in columns]
    kept = eliminate(equal, (at_least, point), 1 + rank)[1 + rank :] if equal else list(columns)
    return ValueClaim(
        statement.name,
        shape,
        tuple(column - 1 - rank for column in kept),
        _counters_first(point, rank),
        _counters_first(equal, rank),
        _counters_first(at_least, rank),
        _bounds(equal, at_least, range(rank, rank + len(kept))),
        (),
    )


def _counters_first(rows: Sequence[Row], rank: int) -> tuple[Row, ...]:
    """Rows over subscripts and counters as rows over counters and subscripts."""
    return tuple((row[0], *row[1 + rank :], *row[1 : 1 + rank]) for row in rows)


def _at_point(claim: TermClaim, point: Sequence[Row]) -> TermClaim:
    """A claim over the dimensions of a statement as one over the variables of its point."""
    count, rank = len(point), len(point[0]) - 1

    def composed(rows: Sequence[Row]) -> tuple[Row, ...]:
        return tuple(map(compose, rows))

    def compose(row: Row) -> Row:
        factors, own = row[1 : 1 + count], row[1 + count :]
        inner = [
            sum(f * of[place] for f, of in zip(factors, point, strict=True))
            for place in range(1 + rank)
        ]
        return (row[0] + inner[0], *inner[1:], *own)

    moved = replace(
        claim,
        equalities=composed(claim.equalities),
        inequalities=composed(claim.inequalities),
        elements=composed(claim.elements),
    )
    return _with_box(moved, rank)


def _claims_of_slot(
    program: Program,
    maps: SummandMaps,
    final: Statement,
    slot: Term,
    keys: isl.Map,
) -> SlotClaims:
    """What a slot of a value is the sum of."""
    (kind, key), rank = slot_kind(slot), len(final.dims)
    if kind == "input":
        return tuple(_claims(program, "", slot, _with_outputs(keys), rank))
    if kind == "index":
        raise Unsupported("an output that depends on a loop counter")
    if kind != "sum" or not isinstance(key, tuple):
        raise Unsupported(f"an output whose elements depend on {slot!r}")
    found: list[TermClaim] = []
    for summands in maps.summands(final, key[0], key[1]):
        # A floating-point sum may start with 0.0; adding it is assumed to do nothing.
        if not slots_of(summands.shape) and not is_zero(summands.shape):
            raise Unsupported("a sum with a number that is no element of an array")
        if not is_zero(summands.shape):
            name, points = summands.statement, summands.keys
            found += _claims(program, name, summands.shape, points, rank)
    return tuple(found)


def _with_outputs(slot: isl.Map) -> isl.Map:
    """From ``x -> subscripts`` to ``x -> [x, subscripts]``, the form of summands."""
    slot = slot.reset_tuple_id(_IN)
    return slot.domain().identity().flat_range_product(slot)


def _claims(
    program: Program, statement: str, shape: Term, keys: isl.Map, rank: int
) -> Iterator[TermClaim]:
    """The summands of one statement and shape, one claim for each convex part of their domain."""
    arrays = tuple(extents_of(program, position_of(slot)) for slot in slots_of(shape))
    pieces: list[tuple[isl.Set, isl.MultiAff]] = []
    if keys.domain_is_wrapping():
        keys = keys.flatten_domain()
    # Pieces that are one set are one family: elements of several families are slow to tell apart.
    sources = keys.coalesce().as_pw_multi_aff().coalesce()
    sources.foreach_piece(lambda points, values: pieces.append((points, values)))
    for points, values in pieces:
        elements = _elements(arrays, values, rank)
        for part in points.coalesce().make_disjoint().get_basic_sets():
            equalities, inequalities = _constraints(part)
            claim = TermClaim(statement, structure(shape), equalities, inequalities, elements, ())
            yield _with_box(claim, rank)


def _with_box(claim: TermClaim, rank: int) -> TermClaim:
    """The claim with the bounds of the counters that no equality determines."""
    elements, inequalities, equalities = eliminated(claim, rank)
    places = range(rank, len(elements[0]) - 1)
    return replace(claim, box=_bounds(equalities, inequalities, places))


def _bounds(
    equalities: Sequence[Row], inequalities: Sequence[Row], places: range
) -> tuple[tuple[int, int], ...]:
    """Least and greatest value of some variables of points where all rows hold."""
    points = isl.Set.universe(isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, places.stop))
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
    return tuple(
        (_bound(points.dim_min_val(place)), _bound(points.dim_max_val(place))) for place in places
    )


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


def _bound(value: isl.Val) -> int:
    if not value.is_int():
        raise Unsupported("a sum over an unbounded range")
    return value.to_python()
