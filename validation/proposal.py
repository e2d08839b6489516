"""Which summand of one program is which of the other: the oracle's proposals (untrusted)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import islpy as isl

from .certificate import Pairing, SumCertificate
from .condition import TRUE, Condition
from .index import Index
from .inverse import solve
from .pairing import Difference, SummandMaps, Summands, ValueCase, differences
from .polyhedral import Statement
from .presburger import pieces_of
from .terms import is_zero

ReadName = tuple[str, int]
"""A read: the statement and the number of the read."""


class Proposer:
    """Pairs the sums of a source and a target program."""

    def __init__(self, source: SummandMaps, target: SummandMaps) -> None:
        self._source = source
        self._target = target
        self._symbols = target.flow.symbols
        self._asked: list[tuple[int, ReadName, ReadName]] = []
        self._alone: dict[tuple[tuple[str, ...], ...], SumCertificate | None] = {}

    def certificate(self, position: int, left: ReadName, right: ReadName) -> SumCertificate:
        """Propose the partner of each summand, in both directions.

        Most terms occur once in the whole program; their partners do not depend on the output
        element. Else summands are paired for each output element by itself.
        """
        self._asked.append((position, left, right))
        mine, theirs = self._source.contributors(*left), self._target.contributors(*right)
        key = (tuple(s.name for s in mine), tuple(s.name for s in theirs))
        if key not in self._alone:
            forward = self._pair_terms(self._source, left, self._target, right)
            backward = self._pair_terms(self._target, right, self._source, left)
            both = None
            if forward is not None and backward is not None:
                both = SumCertificate(tuple(forward), tuple(backward))
            self._alone[key] = both
        return self._alone[key] or self._by_element(position, left, right)

    def differences(self) -> Iterator[Difference]:
        """Examples of summands that only one of the programs has, in the sums asked for."""
        for position, left, right in self._asked:
            final = self._source.flow.program.outputs[position]
            mine, theirs = self._summands(position, left, right)
            yield from differences(mine, theirs, len(final.dims))

    def _summands(
        self, position: int, left: ReadName, right: ReadName
    ) -> tuple[list[Summands], list[Summands]]:
        mine = self._source.summands(self._source.flow.program.outputs[position], *left)
        theirs = self._target.summands(self._target.flow.program.outputs[position], *right)
        return mine, theirs

    def _pair_terms(
        self, left: SummandMaps, read: ReadName, right: SummandMaps, other: ReadName
    ) -> list[Pairing] | None:
        """Pairs by the terms alone; ``None`` if a term has more than one partner."""
        found: list[Pairing] = []
        for mine in left.contributors(*read):
            for theirs in right.contributors(*other):
                for first in left.value(mine):
                    for second in right.value(theirs):
                        if first.shape is not second.shape or is_zero(first.shape):
                            continue
                        solved = _solved(mine, first, theirs, second, self._symbols)
                        if solved is not None:
                            found.append(Pairing(mine.name, theirs.name, *solved))
                            continue
                        pairs = first.flat().apply_range(second.flat().reverse())
                        if not pairs.is_single_valued():
                            return None
                        names = [dim.name for dim in mine.dims]
                        found += _pairings(mine.name, theirs.name, pairs, names, self._symbols)
        return _unconditional(found)

    def _by_element(self, position: int, left: ReadName, right: ReadName) -> SumCertificate:
        mine, theirs = self._summands(position, left, right)
        return SumCertificate(
            tuple(_unconditional(self._pair_summands(position, mine, theirs))),
            tuple(_unconditional(self._pair_summands(position, theirs, mine))),
        )

    def _pair_summands(
        self, position: int, left: list[Summands], right: list[Summands]
    ) -> Iterator[Pairing]:
        outputs = self._source.flow.program.outputs[position].dims
        for mine in left:
            for theirs in right:
                if mine.shape is not theirs.shape:
                    continue
                pairs = mine.keys.apply_range(theirs.keys.reverse())
                if pairs.is_empty():
                    continue
                points = pairs.apply_range(pairs.range().unwrap().range_map()).flatten_domain()
                if not points.is_single_valued():
                    points = points.lexmin()
                names = [dim.name for dim in (*outputs, *mine.dims)]
                yield from _pairings(mine.statement, theirs.statement, points, names, self._symbols)


def _solved(
    left: Statement, first: ValueCase, right: Statement, second: ValueCase, symbols: list[str]
) -> tuple[Condition, tuple[Index, ...]] | None:
    """The partner of each summand, where the subscripts are digits of the partner's counters."""
    mine, theirs = first.subscripts(left, symbols), second.subscripts(right, symbols)
    if mine is None or theirs is None:
        return None
    return solve(right, list(zip(theirs, mine, strict=True)))


def _pairings(
    left: str, right: str, points: isl.Map, names: list[str], symbols: list[str]
) -> Iterator[Pairing]:
    if points.is_empty():
        return
    for condition, point in pieces_of(points, names, symbols):
        yield Pairing(left, right, condition, point)


def _unconditional(pairings: Iterable[Pairing]) -> list[Pairing]:
    """A statement with one partner expression needs no condition: nobody asks it elsewhere."""
    found = list(pairings)
    count = Counter(pairing.left for pairing in found)
    return [
        replace(pairing, condition=TRUE) if count[pairing.left] == 1 else pairing
        for pairing in found
    ]
