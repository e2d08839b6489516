"""Accesses to one array as the dataflow analysis sees them, with as few counters as it can be.

Instructions move whole rows: the last subscript is often a counter of its own that ranges over a
row, and the row is ``16·tile + r``. Such counters are *lanes*: an element of one lane never meets
one of another, so the analysis need not know them. Where all accesses that may meet have the same
lanes, the flow is found without them and completed afterwards. Untrusted: the checker sees full
claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

import islpy as isl

from ..core.condition import Comparison, Condition, all_of
from ..core.index import FloorDivision, Index, Interval, Variable
from ..core.polyhedral import Statement
from .inverse import conjuncts
from .presburger import range_text, tuple_text

WHOLE = 1 << 62
"""More than any lane: where nothing but the lane is in a subscript."""
_IN, _OUT = isl.dim_type.in_, isl.dim_type.out


@dataclass(frozen=True)
class Access:
    """The elements that a statement writes, or that one of its reads sees."""

    name: str
    dims: tuple[Variable, ...]
    """All counters of the statement."""
    unordered: frozenset[str]
    """Counters that the time of the access does not depend on."""
    condition: Condition
    schedule: tuple[Index, ...]
    indices: tuple[Index, ...]
    lanes: tuple[Variable | None, ...] = ()
    """For each subscript the counter that is left out of it."""
    idle: frozenset[str] = frozenset()
    """Counters that are left out because neither element nor condition depends on them."""

    @property
    def left_out(self) -> frozenset[str]:
        return self.idle | {lane.name for lane in self.lanes if lane is not None}

    @property
    def kept(self) -> tuple[Variable, ...]:
        return tuple(dim for dim in self.dims if dim.name not in self.left_out)

    @property
    def tuple_text(self) -> str:
        return tuple_text(self.name, self.kept)

    @property
    def domain_text(self) -> str:
        return f"{range_text(self.kept)} and {self.condition.isl}"


def write_access(statement: Statement) -> Access:
    """The elements that a statement writes."""
    return _access(statement, statement.name, statement.indices, statement.schedule)


def read_access(statement: Statement, number: int) -> Access:
    """The elements that one of the statement's reads sees."""
    read = statement.reads[number]
    return _access(statement, f"{statement.name}_r{number}", read.indices, read.schedule)


def _access(
    statement: Statement, name: str, indices: tuple[Index, ...], schedule: tuple[Index, ...]
) -> Access:
    timed = {name for index in schedule for name in index.variables}
    unordered = frozenset(dim.name for dim in statement.dims) - timed
    dims, condition = _tightened(statement)
    return Access(name, dims, unordered, condition, schedule, indices)


def _tightened(statement: Statement) -> tuple[tuple[Variable, ...], Condition]:
    """The counters with the limits that the condition gives them, and what else it demands."""
    dims = {dim.name: dim for dim in statement.dims}
    rest: list[Condition] = []
    for part in conjuncts(statement.condition):
        terms = part.expression.terms if isinstance(part, Comparison) else ()
        atom, factor = terms[0] if len(terms) == 1 else (None, 0)
        if (
            not isinstance(part, Comparison)
            or part.is_equality
            or not isinstance(atom, Variable)
            or abs(factor) != 1
            or atom.name not in dims
        ):
            rest.append(part)
            continue
        dim, bound = dims[atom.name], -part.expression.constant * factor
        low = dim.low if factor < 0 else bound if dim.low is None else max(dim.low, bound)
        high = dim.high if factor > 0 else bound if dim.high is None else min(dim.high, bound)
        dims[atom.name] = Variable(dim.name, low, high)
    return tuple(dims.values()), all_of(rest)


def apart(accesses: Sequence[Access]) -> list[list[Access]]:
    """Groups of accesses whose elements are different ones, as the ranges of subscripts show."""
    groups: list[list[Access]] = []
    for access in accesses:
        box = _box(access)
        touched = [group for group in groups if any(_meet(box, _box(other)) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([*(other for group in touched for other in group), access])
    return groups


def _box(access: Access) -> list[Interval]:
    dims = {dim.name: Index.of(dim) for dim in access.dims}
    return [_interval(index.replace(dims)) for index in access.indices]


def _interval(index: Index) -> Interval:
    """The range of an index, in which ``x - m·⌊x / m⌋`` is a remainder, from 0 to m - 1."""
    for atom, factor in index.terms:
        if isinstance(atom, FloorDivision) and factor % atom.divisor == 0:
            times = -factor // atom.divisor
            rest = index - Index.of(atom) * factor - atom.dividend * times
            if len(rest.terms) < len(index.terms):
                index = (
                    rest + Index.of(Variable(f"{atom.isl} remainder", 0, atom.divisor - 1)) * times
                )
    return index.interval


def _meet(left: Sequence[Interval], right: Sequence[Interval]) -> bool:
    for (low, high), (least, greatest) in zip(left, right, strict=True):
        if high is not None and least is not None and high < least:
            return False
        if low is not None and greatest is not None and greatest < low:
            return False
    return True


def without_lanes(accesses: Sequence[Access]) -> list[Access]:
    """The same accesses without the lanes that all of them have."""
    for place in range(len(accesses[0].indices)):
        lanes = [lane for access in accesses if (lane := _lane(access, place)) is not None]
        if len(lanes) < len(accesses) or len({lane.high for lane in lanes}) > 1:
            continue
        rests = [
            _without(access.indices[place], lane)
            for access, lane in zip(accesses, lanes, strict=True)
        ]
        factors = [factor for rest in rests for _, factor in rest.terms]
        width = gcd(*factors, *(rest.constant for rest in rests)) or WHOLE
        if width > (lanes[0].high or 0):
            zipped = zip(accesses, lanes, rests, strict=True)
            accesses = [_narrowed(a, place, lane, rest, width) for a, lane, rest in zipped]
    return list(accesses)


def without_idle(read: Access) -> Access:
    """The read without counters that neither its element nor its time nor its domain depends on."""
    used = {name for index in read.indices for name in index.variables}
    idle = read.unordered - used - _variables(read.condition) - read.left_out
    return replace(read, idle=idle)


def _lane(access: Access, place: int) -> Variable | None:
    """A counter that stands with factor 1 in this subscript, and nowhere else."""
    others = {n for p, index in enumerate(access.indices) if p != place for n in index.variables}
    used = others | _variables(access.condition)
    dims = {dim.name: dim for dim in access.dims}
    for atom, factor in access.indices[place].terms:
        if not isinstance(atom, Variable) or factor != 1 or atom.name in used:
            continue
        # The statement's own counter knows its range, whatever the subscript says of it.
        dim = dims.get(atom.name)
        rest = _without(access.indices[place], atom)
        if dim is None or dim.low != 0 or dim.high is None or atom.name in rest.variables:
            continue
        if atom.name in access.unordered:
            return dim
    return None


def _without(index: Index, counter: Variable) -> Index:
    """The index without the term that is the counter itself."""
    terms = [
        (atom, factor)
        for atom, factor in index.terms
        if not isinstance(atom, Variable) or atom.name != counter.name
    ]
    return Index(tuple(terms), index.constant)


def _narrowed(access: Access, place: int, lane: Variable, rest: Index, width: int) -> Access:
    """The access with one lane less, in units of the distance of equal lanes."""
    terms = tuple((atom, factor // width) for atom, factor in rest.terms)
    indices = list(access.indices)
    indices[place] = Index(terms, rest.constant // width)
    lanes = [*access.lanes, *[None] * (len(indices) - len(access.lanes))]
    lanes[place] = lane
    return replace(access, indices=tuple(indices), lanes=tuple(lanes))


def _variables(condition: Condition) -> frozenset[str]:
    if isinstance(condition, Comparison):
        return condition.expression.variables
    return frozenset[str]().union(*map(_variables, condition.parts))


def completed(function: isl.Map, reader: Access, writer: Access) -> isl.Map:
    """A map between points without lanes as one between points of the statements."""
    for kind, access in ((_IN, reader), (_OUT, writer)):
        for place, dim in enumerate(access.dims):
            if dim.name in access.left_out:
                function = function.insert_dims(kind, place, 1)
                function = _bounded(function, kind, place, dim)
    mine, theirs = [dim.name for dim in reader.dims], [dim.name for dim in writer.dims]
    for ours, other in zip(reader.lanes, writer.lanes, strict=True):
        if ours is not None and other is not None:
            function = function.equate(_IN, mine.index(ours.name), _OUT, theirs.index(other.name))
    return function.set_tuple_name(_IN, reader.name).set_tuple_name(_OUT, writer.name)


def _bounded(function: isl.Map, kind: isl.dim_type, place: int, dim: Variable) -> isl.Map:
    if dim.low is not None:
        function = function.lower_bound_val(kind, place, isl.Val(dim.low))
    return (
        function if dim.high is None else function.upper_bound_val(kind, place, isl.Val(dim.high))
    )


def completed_point(point: Sequence[Index], reader: Access, writer: Access) -> tuple[Index, ...]:
    """The writer's point in all its counters, from the one in those that are kept."""
    values = dict(zip((dim.name for dim in writer.kept), point, strict=True))
    for ours, other in zip(reader.lanes, writer.lanes, strict=True):
        if ours is not None and other is not None:
            values[other.name] = Index.of(ours)
    return tuple(values[dim.name] for dim in writer.dims)
