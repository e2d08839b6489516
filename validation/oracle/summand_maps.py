"""The summands of a total as isl maps, as ``summands`` has them as formulas (untrusted)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import islpy as isl

from ..core.masked import adds_nothing
from ..core.polyhedral import Statement
from ..core.summands import SEPARATOR, counter_name, step_text, times
from ..core.terms import Term, substitute, term
from ..core.totals import (
    FLOAT_TOTAL,
    Part,
    is_fold,
    is_sum,
    outermost,
    parts_of,
    structure,
    total_bits,
)
from ..core.values import Case, numbered, slot_kind, slot_number
from .pairing import SummandMaps, ValueCase, normal_value

_IN, _OUT, _SET = isl.dim_type.in_, isl.dim_type.out, isl.dim_type.set


@dataclass(frozen=True)
class Place:
    """Points at which a value is asked for, and the subscripts of its slots at each of them."""

    maps: SummandMaps
    names: tuple[str, ...]
    """Names of the points' coordinates."""
    depth: int
    points: isl.Set
    value: Term
    slots: tuple[isl.Map, ...]


@dataclass(frozen=True)
class SummandClass:
    """One class of summands; ``place.points`` are the context's coordinates and its own."""

    label: str
    place: Place
    statement: Statement | None
    """The only statement on the path, if it is one."""
    case: ValueCase | None
    """Its value, if the path ends there."""
    sums: frozenset[tuple[str, int]] = frozenset()
    """The reads of sums on the path; a recurrence through one of them is not followed."""

    @property
    def shape(self) -> Term:
        return self.place.value

    def form(self) -> Term:
        """The shape without saying which totals it contains: equal for partners."""
        named: dict[Term, Term] = {}
        for place, value in enumerate(outermost(self.shape)):
            if total_bits(value) is not None:
                named[value] = term("slot", "int", payload=("total", None, place))
            else:
                named[value] = numbered(value, place)
        return substitute(self.shape, named)


def classes_at(place: Place, bits: int) -> Iterator[SummandClass]:
    """All classes of summands of the total ``place.value``."""
    for part in parts_of(place.value, bits):
        yield from _classes(SummandClass(part.text, place, None, None), part, bits)


def classes_alone(maps: SummandMaps, total: Term, bits: int, depth: int) -> list[SummandClass]:
    """The classes of one sum, for all points of its statements, whoever reads the sum."""
    (part,) = parts_of(total, bits)
    assert part.total is not None
    reader, number = _key(part.total)
    found: list[SummandClass] = []
    for statement in maps.contributors(reader, number):
        names = tuple(counter_name(dim.name, depth) for dim in statement.dims)
        for plain in maps.value(statement):
            case = _simpler(maps, plain)
            points = case.domain.reset_tuple_id()
            slots = tuple(slot.reset_tuple_id(_IN) for slot in case.slots)
            for piece in parts_of(case.shape, bits):
                label = SEPARATOR.join([part.text, step_text(statement, plain.shape, piece)])
                place = Place(maps, names, depth + 1, points, case.shape, slots)
                start = SummandClass(label, place, statement, case, frozenset({(reader, number)}))
                found += _classes(start, piece, bits)
    return found


def _classes(path: SummandClass, part: Part, bits: int) -> Iterator[SummandClass]:
    place = path.place
    if part.total is None:
        if bits == FLOAT_TOTAL and adds_nothing(part.factor):
            return
        case = path.case if path.case is not None and part.factor is path.case.shape else None
        yield replace(path, place=replace(place, value=part.factor), case=case)
        return
    maps = place.maps
    reader, number = _key(part.total)
    if (reader, number) in path.sums:
        return
    sums = path.sums | {(reader, number)}
    at = place.slots[slot_number(part.total)]
    for statement, function in _contributions(maps, reader, number):
        steps = at.apply_range(function.reset_tuple_id(_IN)).reset_tuple_id(_OUT)
        if steps.is_empty():
            continue
        before = steps.domain_map().flatten_domain()
        here = steps.range_map().flatten_domain()
        names = tuple(counter_name(dim.name, place.depth) for dim in statement.dims)
        old = tuple(before.apply_range(slot) for slot in place.slots)
        for case in maps.value(statement):
            points = here.intersect_range(case.domain.reset_tuple_id()).domain()
            if points.is_empty():
                continue
            simple = _simpler(maps, case)
            new = tuple(here.apply_range(slot.reset_tuple_id(_IN)) for slot in simple.slots)
            product, slots = _product(part, place, simple, old, new)
            for piece in parts_of(product, bits):
                label = SEPARATOR.join([path.label, step_text(statement, case.shape, piece)])
                inner = Place(maps, place.names + names, place.depth + 1, points, product, slots)
                yield from _classes(SummandClass(label, inner, None, None, sums), piece, bits)


def _simpler(maps: SummandMaps, case: ValueCase) -> ValueCase:
    """The case without limits that its sums never reach."""
    shape = maps.refine(case.shape)
    if shape is case.shape:
        return case
    return normal_value(ValueCase(shape, case.domain, case.slots))


def _product(
    part: Part,
    place: Place,
    case: ValueCase,
    old: tuple[isl.Map, ...],
    new: tuple[isl.Map, ...],
) -> tuple[Term, tuple[isl.Map, ...]]:
    """The shape of a summand times the factor before its sum, with its slots."""
    # Formulas multiply places given as texts; numbers stand for the maps here.
    outer = tuple((str(number),) for number in range(len(old)))
    inner = tuple((str(len(old) + number),) for number in range(len(new)))
    product = times(part.factor, outer, Case("true", case.shape, inner))
    slots = (*old, *new)
    return product.shape, tuple(slots[int(number)] for (number,) in product.slots)


def _contributions(
    maps: SummandMaps, reader: str, number: int
) -> Iterator[tuple[Statement, isl.Map]]:
    """The statements that contribute to a sum: from points of the reader to theirs."""
    found: dict[str, isl.Map] = {}
    flow = maps.flow
    starts = [(w, f) for w, f, accumulated in flow.sources(reader, number) if accumulated]
    for writer, function in [*starts, *flow.additions(reader, number)]:
        function = function.set_tuple_name(_OUT, writer)
        found[writer] = found[writer].union(function) if writer in found else function
    for writer, function in found.items():
        yield flow.statements[writer], function


def _key(total: Term) -> tuple[str, int]:
    key = slot_kind(total)[1]
    assert isinstance(key, tuple)
    return key[0], key[1]


# Keys by which summands of two programs are compared.


def subscripts_of(summand: SummandClass, values: Sequence[Term] | None = None) -> isl.Map:
    """From points of the class to all subscripts in a row; for a total, those of its first term.

    They are those of the outermost totals and slots, or of the given ones.
    """
    place = summand.place
    result = isl.Map.from_domain(place.points)
    for value in outermost(summand.shape) if values is None else values:
        if total_bits(value) is None:
            result = result.flat_range_product(place.slots[slot_number(value)])
        else:
            result = result.flat_range_product(_first_term(replace(place, value=value)))
    return result


def _first_term(place: Place) -> isl.Map:
    """From each point to the subscripts of the first term, in some order, of a total."""
    bits = total_bits(place.value)
    assert bits is not None
    by_form: dict[str, isl.Map] = {}
    count = len(place.names)
    for summand in classes_at(place, bits):
        form = structure(summand.form())
        keys = subscripts_of(summand)
        own = keys.dim(_IN) - count
        keys = keys.project_out(_IN, count, own).intersect_domain(place.points)
        by_form[form] = by_form[form].union(keys) if form in by_form else keys
    if not by_form:
        return isl.Map.from_domain(place.points)
    # A product tells more than a bias does, which many totals share, as they do a maximum.
    most = max(keys.dim(_OUT) for keys in by_form.values())
    first = {form: keys.lexmin() for form, keys in by_form.items() if keys.dim(_OUT) == most}
    alike = {form: keys.apply_range(keys.reverse()) for form, keys in first.items()}

    def told(form: str) -> tuple[int, str]:
        """How many others tell fewer points apart."""
        return sum(alike[form].is_strict_subset(other) for other in alike.values()), form

    return first[max(first, key=told)] if len(first) > 1 else next(iter(first.values()))


def is_lone_sum(total: Term, bits: int) -> bool:
    """Whether a total is one sum, or other fold, so that its summands stand for themselves."""
    return is_fold(total) and total_bits(total) == bits if bits < 0 else is_sum(total)
