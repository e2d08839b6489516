"""Which summand of one program is which of the other: the oracle's proposals (untrusted)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import islpy as isl

from ..core.certificate import Pairing, SumCertificate, SumQuestion
from ..core.folds import is_limit, is_within_limit
from ..core.terms import Term, subterms
from ..core.totals import TotalName, align, outermost, total_bits, total_name
from ..core.values import slot_number, slots_of
from .direct_pairs import direct_pairs, unconditional
from .pairing import Difference, SummandMaps, differing
from .presburger import pieces_of
from .summand_maps import (
    Place,
    SummandClass,
    classes_alone,
    classes_at,
    is_lone_sum,
    subscripts_of,
)

_IN, _OUT = isl.dim_type.in_, isl.dim_type.out


@dataclass(frozen=True)
class _Question:
    """Two totals that must be equal at the same points."""

    left: Place
    right: Place
    elsewhere: list[_Question] = field(default_factory=list["_Question"], compare=False)
    """The same totals within other summands."""

    def everywhere(self) -> _Question:
        """The question for the points of all of these summands."""
        left, right = self.left, self.right
        for other in self.elsewhere:
            if (other.left.value, other.right.value) == (left.value, right.value):
                left, right = _joined(left, other.left), _joined(right, other.right)
        return _Question(left, right)


class Proposer:
    """Pairs the sums of a source and a target program."""

    def __init__(self, source: SummandMaps, target: SummandMaps) -> None:
        self._source = source
        self._target = target
        self._symbols = target.flow.symbols
        self._asked: list[SumQuestion] = []
        self._alone: dict[SumQuestion, SumCertificate | None] = {}
        self._inner: dict[tuple[TotalName, TotalName, int, frozenset[str]], _Question] = {}
        """Totals within summands that were paired, with the counters that tell where."""

    def certificate(self, asked: SumQuestion) -> SumCertificate:
        """Propose the partner of each summand of a total, in both directions.

        Most terms occur once in the whole program; their partners do not depend on where the total
        is asked for. Else summands are paired for each output element by itself.
        """
        self._asked.append(asked)
        if asked.depth == 0:
            # Counters inside other totals have other names.
            found = direct_pairs(self._source.direct, self._target.direct, asked)
            if found is not None:
                return found
        for question in self._questions(asked):
            key = replace(asked, output=0)
            if key not in self._alone:
                self._alone[key] = self._pair_alone(question)
            found = self._alone[key] or self._pair_at(question)
            if found is not None:
                return found
        return SumCertificate((), ())

    def differences(self) -> Iterator[Difference]:
        """Examples of summands that only one of the programs has, in the sums asked for."""
        for asked in self._asked:
            try:
                for question in islice(self._questions(asked), 1):
                    yield from list(islice(self._differences(question), 4))
            except isl.Error:
                # Only a hint for the search is lost.
                continue

    def _differences(self, question: _Question) -> Iterator[Difference]:
        bits = _bits(question)
        rank = len(question.left.names)
        mine, theirs = (
            [(summand.shape, _keys(summand, rank)) for summand in classes_at(place, bits)]
            for place in (question.left, question.right)
        )
        yield from differing(mine, theirs, rank)

    # Where a total is asked for.

    def _questions(self, asked: SumQuestion) -> Iterator[_Question]:
        known = [
            around
            for left, right, depth, around in self._inner
            if (left, right, depth) == (asked.left, asked.right, asked.depth)
            and around <= set(asked.around)
        ]
        if known:
            yield self._inner[asked.left, asked.right, asked.depth, max(known, key=len)]
        if asked.depth:
            return
        for mine in self._places(self._source, asked.output, asked.left):
            for theirs in self._places(self._target, asked.output, asked.right):
                yield _Question(mine, theirs)

    def _places(self, maps: SummandMaps, position: int, name: TotalName) -> Iterator[Place]:
        """The places in the value of an output element where the total occurs."""
        final = maps.flow.program.outputs[position]
        names = tuple(dim.name for dim in final.dims)
        for case in maps.value(final):
            points = case.domain.reset_tuple_id()
            slots = tuple(slot.reset_tuple_id(_IN) for slot in case.slots)
            for value in subterms(case.shape):
                if total_name(value) == name:
                    yield Place(maps, names, 0, points, value, slots)

    # Pairing.

    def _pair_alone(self, question: _Question) -> SumCertificate | None:
        """Pairs by the terms alone; ``None`` if a term has more than one partner."""
        bits = _bits(question)
        left, right = question.left, question.right
        if not (is_lone_sum(left.value, bits) and is_lone_sum(right.value, bits)):
            return None
        mine = classes_alone(left.maps, left.value, bits, left.depth)
        theirs = classes_alone(right.maps, right.value, bits, right.depth)
        forward = self._pairs(mine, theirs, 0, bits, unique=True)
        backward = self._pairs(theirs, mine, 0, bits, unique=True) if forward is not None else None
        if forward is None or backward is None:
            return None
        return SumCertificate(tuple(forward), tuple(backward))

    def _pair_at(self, question: _Question) -> SumCertificate | None:
        """Pairs for each point at which the totals are asked for."""
        question = question.everywhere()
        bits, rank = _bits(question), len(question.left.names)
        mine = list(classes_at(question.left, bits))
        theirs = list(classes_at(question.right, bits))
        forward = self._pairs(mine, theirs, rank, bits, unique=False)
        backward = self._pairs(theirs, mine, rank, bits, unique=False)
        if forward is None or backward is None:
            return None
        return SumCertificate(tuple(forward), tuple(backward))

    def _pairs(
        self,
        left: list[SummandClass],
        right: list[SummandClass],
        rank: int,
        bits: int,
        *,
        unique: bool,
    ) -> list[Pairing] | None:
        """Partners of the left summands; ``rank`` coordinates of each point are the context's."""
        found: list[Pairing] = []
        for mine in left:
            if is_limit(bits) and not slots_of(mine.shape):
                if unique:
                    return None
                found += self._bounded(mine, right, rank, bits)
                continue
            for theirs in _candidates(mine, right):
                keys, other_keys = _keys_of_both(mine, theirs, rank)
                if keys.dim(_OUT) != other_keys.dim(_OUT):
                    # Totals of different forms inside: no pairs by subscripts.
                    continue
                pairs = keys.apply_range(other_keys.reverse())
                if pairs.is_empty():
                    continue
                if not pairs.is_single_valued():
                    if unique:
                        return None
                    pairs = _with_equal_counters(pairs, rank).lexmin()
                self._note_inner(mine, theirs, pairs)
                found += self._pieces(mine, theirs, pairs, rank)
        return unconditional(found)

    def _pieces(
        self, mine: SummandClass, theirs: SummandClass, pairs: isl.Map, rank: int
    ) -> Iterator[Pairing]:
        points = pairs.project_out(_OUT, 0, rank)
        for condition, point in pieces_of(points, mine.place.names, self._symbols):
            yield Pairing(mine.label, theirs.label, condition, point)

    def _bounded(
        self, mine: SummandClass, others: list[SummandClass], rank: int, bits: int
    ) -> Iterator[Pairing]:
        """Partners of a number in a minimum or maximum: the first value that is as far."""
        rest = mine.place.points
        for theirs in others:
            if not is_within_limit(mine.shape, theirs.shape, bits):
                continue
            pairs = _context(mine, rank).apply_range(_context(theirs, rank).reverse())
            pairs = pairs.intersect_domain(rest).lexmin()
            if not pairs.is_empty():
                rest = rest.subtract(pairs.domain())
                yield from self._pieces(mine, theirs, pairs, rank)

    def _note_inner(self, mine: SummandClass, theirs: SummandClass, pairs: isl.Map) -> None:
        """Remember which totals within these summands must be equal."""
        for left, right in _at_same_places(mine.shape, theirs.shape):
            if total_bits(left) is None and total_bits(right) is None:
                continue
            points = pairs.domain()
            there = replace(
                theirs.place,
                names=mine.place.names,
                depth=mine.place.depth,
                points=points,
                value=right,
                slots=tuple(pairs.apply_range(slot) for slot in theirs.place.slots),
            )
            here = replace(mine.place, points=points, value=left)
            names = frozenset(mine.place.names)
            key = total_name(left), total_name(right), mine.place.depth, names
            question = _Question(here, there)
            known = self._inner.setdefault(key, question)
            if known is not question:
                known.elsewhere.append(question)


def _joined(one: Place, other: Place) -> Place:
    """The points of both places; those that are new have the subscripts of the other."""
    new = other.points.subtract(one.points)
    slots = list(one.slots)
    for number in map(slot_number, slots_of(one.value)):
        more = other.slots[number].intersect_domain(new)
        slots[number] = slots[number].intersect_domain(one.points).union(more)
    return replace(one, points=one.points.union(new), slots=tuple(slots))


def _candidates(mine: SummandClass, others: list[SummandClass]) -> list[SummandClass]:
    """Summands of the same form, whatever is read more than once for it.

    Without any, those over the same inputs, which may be equal too.
    """
    form = mine.form()
    same = [other for other in others if other.form() is form]
    same = same or [other for other in others if align(mine.shape, other.shape) is not None]
    if same:
        return same
    inputs = [slot.payload for slot in slots_of(form)]
    return [other for other in others if [s.payload for s in slots_of(other.form())] == inputs]


def _with_equal_counters(pairs: isl.Map, rank: int) -> isl.Map:
    """Pairs of equal summands with equal counters, where these say nothing of the summand.

    So summands that occur several times, once in each iteration of a loop, have partners of their
    own.
    """
    left = _free(pairs.reverse(), rank)
    for place in _free(pairs, rank):
        for counter in left:
            closer = pairs.equate(_IN, counter, _OUT, place)
            if closer.domain().is_equal(pairs.domain()):
                pairs = closer
                left.remove(counter)
                break
    return pairs


def _free(pairs: isl.Map, rank: int) -> list[int]:
    """The coordinates of right points that have several values for a left one."""
    count = pairs.dim(_OUT)
    alone = (
        pairs.project_out(_OUT, n + 1, count - n - 1).project_out(_OUT, 0, n) for n in range(count)
    )
    return [n for n, only in enumerate(alone) if n >= rank and not only.is_single_valued()]


def _at_same_places(mine: Term, theirs: Term) -> Sequence[tuple[Term, Term]]:
    """What must be equal in two values: in different forms, what they contain in its order."""
    aligned = align(mine, theirs)
    if aligned is not None:
        return aligned
    return list(zip(outermost(mine), outermost(theirs), strict=False))


def _keys_of_both(mine: SummandClass, theirs: SummandClass, rank: int) -> tuple[isl.Map, isl.Map]:
    """Keys that are equal for equal summands, also where one of them reads a value twice."""
    if mine.form() is theirs.form():
        return _keys(mine, rank), _keys(theirs, rank)
    pairs = list(dict.fromkeys(align(mine.shape, theirs.shape) or ()))
    if not pairs or any(outermost(value) != [value] for pair in pairs for value in pair):
        # A total may equal a value that is none, whose subscripts say nothing of a partner.
        return _keys(mine, rank), _keys(theirs, rank)
    left, right = zip(*pairs, strict=True)
    return _keys(mine, rank, left), _keys(theirs, rank, right)


def _keys(summand: SummandClass, rank: int, values: Sequence[Term] | None = None) -> isl.Map:
    """From points to the context's coordinates and the subscripts."""
    keys = subscripts_of(summand, values)
    if rank == 0:
        return keys
    return _context(summand, rank).flat_range_product(keys)


def _context(summand: SummandClass, rank: int) -> isl.Map:
    """From points to the context's coordinates."""
    context = summand.place.points.identity()
    return context.project_out(_OUT, rank, context.dim(_OUT) - rank)


def _bits(question: _Question) -> int:
    widths = [total_bits(place.value) for place in (question.left, question.right)]
    return min(width for width in widths if width is not None)
