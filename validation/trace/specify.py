"""Ask isl what the outputs of a source are sums of (untrusted), and prove it.

The source's affine statements were analysed and checked by the first engine (``validate.prepare``);
``pairing.SummandMaps`` composes them. Here that becomes claims, which ``specification`` proves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import islpy as isl

from ..core.certificate import Row, SlotClaims, TermClaim
from ..core.polyhedral import Program, Statement, Unsupported
from ..core.smt import Solver
from ..core.terms import Term, is_zero
from ..core.totals import structure
from ..core.values import Side, slot_kind, slot_number, slots_of
from ..oracle.pairing import SummandMaps
from ..validate import PreparedSource
from .certify import extents_of, position_of
from .specification import Specification, eliminated, require_numbers, specification_of

_SET, _DIV = isl.dim_type.set, isl.dim_type.div


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
) -> tuple[SlotClaims, ...]:
    cases = maps.value(final)
    if len(cases) != 1:
        raise Unsupported(f"an output with {len(cases)} kinds of elements")
    shape, keys, rank = cases[0].shape, cases[0].slots, len(final.dims)
    return tuple(
        _claims_of_slot(program, maps, final, slot, keys[slot_number(slot)], rank)
        for slot in slots_of(shape)
    )


def _claims_of_slot(
    program: Program,
    maps: SummandMaps,
    final: Statement,
    slot: Term,
    keys: isl.Map,
    rank: int,
) -> SlotClaims:
    """What a slot of an output element is the sum of."""
    kind, key = slot_kind(slot)
    if kind == "input":
        return tuple(_claims(program, "", slot, _with_outputs(keys), rank))
    if kind != "sum" or not isinstance(key, tuple):
        raise Unsupported("an output that depends on a loop counter")
    found: list[TermClaim] = []
    for summands in maps.summands(final, key[0], key[1]):
        # A floating-point sum may start with 0.0; adding it is assumed to do nothing.
        if not is_zero(summands.shape):
            name, points = summands.statement, summands.keys
            found += _claims(program, name, summands.shape, points, rank)
    return tuple(found)


def _with_outputs(slot: isl.Map) -> isl.Map:
    """From ``x -> subscripts`` to ``x -> [x, subscripts]``, the form of summands."""
    slot = slot.reset_tuple_id(isl.dim_type.in_)
    return slot.domain().identity().flat_range_product(slot)


def _claims(
    program: Program, statement: str, shape: Term, keys: isl.Map, rank: int
) -> Iterator[TermClaim]:
    """The summands of one statement and shape, one claim for each convex part of their domain."""
    arrays = tuple(extents_of(program, position_of(slot)) for slot in slots_of(shape))
    pieces: list[tuple[isl.Set, isl.MultiAff]] = []
    if keys.domain_is_wrapping():
        keys = keys.flatten_domain()
    keys.as_pw_multi_aff().foreach_piece(lambda points, values: pieces.append((points, values)))
    for points, values in pieces:
        elements = _elements(arrays, values, rank)
        for part in points.make_disjoint().get_basic_sets():
            equalities, inequalities = _constraints(part)
            claim = TermClaim(statement, structure(shape), equalities, inequalities, elements, ())
            yield replace(claim, box=_bounding_box(claim, rank))


def _bounding_box(claim: TermClaim, rank: int) -> tuple[tuple[int, int], ...]:
    """Least and greatest value of each counter that no equality determines."""
    elements, inequalities, equalities = eliminated(claim, rank)
    width = len(elements[0]) - 1
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
    return tuple(
        (_bound(points.dim_min_val(place)), _bound(points.dim_max_val(place)))
        for place in range(rank, width)
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
