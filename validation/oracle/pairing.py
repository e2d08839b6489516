"""Propose which summand of one program corresponds to which of the other, with isl (untrusted)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import islpy as isl

from ..core.certificate import FlowCertificate
from ..core.folds import ADDITION
from ..core.index import Index, Variable
from ..core.polyhedral import Role, Statement
from ..core.terms import Term, is_zero, leaves, substitute, term
from ..core.values import numbered, slot_kind_of, slot_number, slots_of
from ..lemmas.normal_form import NormalForm
from .dataflow import Dataflow
from .direct import DirectValues
from .presburger import domain_text, simple_map, tuple_text

_IN, _OUT = isl.dim_type.in_, isl.dim_type.out


@dataclass(frozen=True)
class ValueCase:
    """A value's shape, the points where it has this shape, and the subscripts of each slot."""

    shape: Term
    domain: isl.Set
    slots: tuple[isl.Map, ...]

    def through(self, function: isl.Map) -> ValueCase:
        """The case as seen by the readers that ``function`` maps to these points."""
        domain = function.intersect_range(self.domain).domain()
        slots = tuple(function.apply_range(m.intersect_domain(self.domain)) for m in self.slots)
        return ValueCase(self.shape, domain, slots)

    def simple(self, whole: isl.Set) -> ValueCase:
        """The case with subscripts as single expressions where that is possible."""
        domain = whole if self.domain.is_equal(whole) else self.domain
        return ValueCase(self.shape, domain, tuple(simple_map(slot, domain) for slot in self.slots))

    def flat(self) -> isl.Map:
        """From points to all subscripts in a row."""
        result = isl.Map.from_domain(self.domain)
        for slot in self.slots:
            result = result.flat_range_product(slot)
        return result


@dataclass(frozen=True)
class Summands:
    """``[output, point] -> [output, subscripts]`` for the summands of one statement and shape."""

    statement: str
    dims: tuple[Variable, ...]
    shape: Term
    keys: isl.Map


class SummandMaps:
    """Values of one program as isl maps, as ``values`` has them as formulas."""

    def __init__(self, flow: Dataflow, certificate: FlowCertificate) -> None:
        self.flow = flow
        self.direct = DirectValues(flow.program, certificate)
        """The same values, where arithmetic finds them."""
        self.refine: Callable[[Term], Term] = lambda shape: shape
        """Leaves out limits that the sums in a shape never reach."""
        self._values: dict[str, list[ValueCase]] = {}

    def value(self, statement: Statement) -> list[ValueCase]:
        """The cases of a statement's value."""
        if statement.name not in self._values:
            self._values[statement.name] = []
            self._values[statement.name] = self._compute(statement)
        return self._values[statement.name]

    def _compute(self, statement: Statement) -> list[ValueCase]:
        cases = [ValueCase(statement.value, self.flow.domains[statement.name], ())]
        for leaf in [*leaves(statement.value, "read"), *leaves(statement.value, "index")]:
            inner = list(self._leaf(statement, leaf))
            cases = [_insert(case, leaf, choice) for case in cases for choice in inner]
        cases = _merge([normal_value(case) for case in cases])
        return [case.simple(self.flow.domains[statement.name]) for case in cases]

    def _leaf(self, statement: Statement, leaf: Term) -> Iterator[ValueCase]:
        domain = self.flow.domains[statement.name]
        if leaf.operation == "index":
            source = tuple_text(statement.name, statement.dims)
            assert isinstance(leaf.payload, Index)
            counter = self.flow.parse_map(source, f"[{leaf.payload.isl}]", domain_text(statement))
            yield ValueCase(term("slot", leaf.type, payload=("index", 0, 0)), domain, (counter,))
            return
        number = leaf.payload
        assert isinstance(number, int)
        read = statement.reads[number]
        if read.array.role is Role.INPUT:
            shape = term("slot", leaf.type, payload=("input", read.array.position, 0))
            element = self.flow.read_map(statement, number).reset_tuple_id(_OUT)
            yield ValueCase(shape, domain, (element,))
            return
        for writer, function, accumulated in self.flow.sources(statement.name, number):
            if accumulated:
                fold = self.flow.program.fold_of(read.array) or ADDITION
                key = (statement.name, number)
                shape = term("slot", leaf.type, payload=(slot_kind_of(fold), key, 0))
                here = function.domain()
                yield ValueCase(shape, here, (here.identity().reset_tuple_id(_OUT),))
                continue
            for case in self.value(self.flow.statements[writer]):
                seen = case.through(function)
                if not seen.domain.is_empty():
                    yield seen

    def reached(self, final: Statement, reader: str) -> isl.Map | None:
        """From output elements to the points of ``reader`` that their value goes through."""
        identity = self.flow.domains[final.name].identity()
        found: dict[str, isl.Map] = {final.name: identity}
        pending = [final.name]
        while pending:
            name = pending.pop()
            statement = self.flow.statements[name]
            for number in range(len(statement.reads)):
                for writer, function, accumulated in self.flow.sources(name, number):
                    if not accumulated and writer not in found:
                        found[writer] = found[name].apply_range(function)
                        pending.append(writer)
                    elif not accumulated:
                        found[writer] = found[writer].union(found[name].apply_range(function))
        return found.get(reader)

    def contributors(self, reader: str, number: int) -> list[Statement]:
        """The statements whose values are summands of the sum at a read."""
        starts = [w for w, _, accumulated in self.flow.sources(reader, number) if accumulated]
        additions = [writer for writer, _ in self.flow.additions(reader, number)]
        return [self.flow.statements[name] for name in dict.fromkeys([*starts, *additions])]

    def summands(self, final: Statement, reader: str, number: int) -> list[Summands]:
        """The summands of a sum, keyed by output element and subscripts."""
        found: list[Summands] = []
        for statement, points in self.contributions(final, reader, number):
            for case in self.value(statement):
                if is_zero(case.shape):
                    continue
                inner = points.range_map().apply_range(case.flat())
                keys = points.domain_map().flat_range_product(inner)
                if not keys.is_empty():
                    found.append(Summands(statement.name, statement.dims, case.shape, keys))
        return found

    def contributions(
        self, final: Statement, reader: str, number: int
    ) -> Iterator[tuple[Statement, isl.Map]]:
        """From output elements to the points of each statement that adds to the sum at a read."""
        outputs = self.reached(final, reader)
        if outputs is None:
            return
        outputs = outputs.reset_tuple_id(_IN)
        starts = [(w, f) for w, f, accumulated in self.flow.sources(reader, number) if accumulated]
        for writer, function in [*starts, *self.flow.additions(reader, number)]:
            points = outputs.apply_range(function)
            if not points.is_empty():
                yield self.flow.statements[writer], points

    def of_first_element(
        self, final: Statement, reader: str, number: int, most: int = 4096
    ) -> list[tuple[Term, tuple[int, ...]]]:
        """Summands of one output element: shape and subscripts, at most ``most`` per shape."""
        found: list[tuple[Term, tuple[int, ...]]] = []
        element: tuple[int, ...] | None = None
        rank = len(final.dims)
        for part in self.summands(final, reader, number):
            keys = part.keys.range()
            if element is None:
                element = _coordinates(keys.sample_point())[:rank]
            for place, value in enumerate(element):
                keys = keys.fix_val(isl.dim_type.set, place, isl.Val(value))
            if not keys.is_bounded() or keys.count_val().to_python() > most:
                continue
            points: list[isl.Point] = []
            keys.foreach_point(points.append)
            found += [(part.shape, _coordinates(point)[rank:]) for point in points]
        return found


def _coordinates(point: isl.Point) -> tuple[int, ...]:
    rank = isl.Set.from_point(point).dim(isl.dim_type.set)
    return tuple(
        point.get_coordinate_val(isl.dim_type.set, place).to_python() for place in range(rank)
    )


@dataclass(frozen=True)
class Difference:
    """A summand that only one program has: the output element and the inputs' subscripts."""

    missing: bool
    shape: Term
    element: tuple[int, ...]
    subscripts: tuple[int, ...]


Keyed = tuple[Term, isl.Map]
"""Summands of one shape: from their points to output element and subscripts."""


def differing(left: Sequence[Keyed], right: Sequence[Keyed], rank: int) -> Iterator[Difference]:
    """Examples of summands that only one of the programs has."""
    for mine, other, missing in ((left, right, True), (right, left, False)):
        for shape, keys in mine:
            rest = keys.range()
            for theirs, other_keys in other:
                if theirs is shape:
                    rest = rest.subtract(other_keys.range())
            if rest.is_empty():
                continue
            numbers = _coordinates(rest.sample_point())
            yield Difference(missing, shape, numbers[:rank], numbers[rank:])


def _insert(case: ValueCase, leaf: Term, inner: ValueCase) -> ValueCase:
    shift = len(case.slots)
    renumbered = {slot: numbered(slot, slot_number(slot) + shift) for slot in slots_of(inner.shape)}
    shape = substitute(
        case.shape, {leaf: term("typed", leaf.type, substitute(inner.shape, renumbered))}
    )
    return ValueCase(shape, case.domain.intersect(inner.domain), case.slots + inner.slots)


def normal_value(case: ValueCase) -> ValueCase:
    """Normalise the shape as ``values`` does, slots in order of appearance."""
    shape = NormalForm().of(case.shape)
    used = slots_of(shape)
    renumbered = {slot: numbered(slot, place) for place, slot in enumerate(used)}
    slots = tuple(case.slots[slot_number(slot)] for slot in used)
    return ValueCase(substitute(shape, renumbered), case.domain, slots)


def _merge(cases: Sequence[ValueCase]) -> list[ValueCase]:
    """One case per shape; the domains of the cases do not overlap."""
    merged: dict[Term, ValueCase] = {}
    for case in cases:
        known = merged.get(case.shape)
        if known is not None:
            pairs = zip(known.slots, case.slots, strict=True)
            slots = tuple(
                a.intersect_domain(known.domain).union(b.intersect_domain(case.domain)).coalesce()
                for a, b in pairs
            )
            case = ValueCase(case.shape, known.domain.union(case.domain).coalesce(), slots)
        merged[case.shape] = case
    return list(merged.values())
