"""Values followed through a flow certificate by arithmetic alone, where isl would compose maps.

A read with one source in general and another one at the edges (a first load before the loop, the
others within) mostly sees the same element of the input, written differently. The general form is
taken, and tried at some points against the others. Untrusted: claims made from it are proved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ..core.at_point import is_true, value_at
from ..core.certificate import FlowCertificate, ReadName, Source
from ..core.condition import FALSE, TRUE, Condition, all_of
from ..core.folds import ADDITION
from ..core.index import Index
from ..core.polyhedral import Program, Role, Statement
from ..core.terms import Term, leaves, substitute, term
from ..core.values import numbered, slot_kind_of, slot_number, slots_of
from ..lemmas.normal_form import NormalForm

TRIALS = 24
"""Points at which two forms of a subscript are compared."""
ATTEMPTS = 300
"""Points that are drawn for it; those outside of the domain do not count."""


_Starts = dict[str, list[tuple[Condition, tuple[Index, ...]]]]
"""For statements by name: where they are meant, and their points there."""


class NotDirectError(Exception):
    """A value that is a sum, a recurrence, or not one element in general."""


@dataclass(frozen=True)
class DirectCase:
    """A value's shape, and the subscripts of each slot over the counters of a statement."""

    shape: Term
    slots: tuple[tuple[Index, ...], ...]

    @property
    def generality(self) -> int:
        """How many counters the subscripts use; those of the general case use most."""
        names = [index.variables for slot in self.slots for index in slot]
        return sum(len(used) for used in names)

    def at(self, values: Mapping[str, Index]) -> DirectCase:
        slots = tuple(tuple(index.replace(values) for index in slot) for slot in self.slots)
        return DirectCase(self.shape, slots)


class DirectValues:
    """What the statements of a program compute, as their certificate says."""

    def __init__(self, program: Program, certificate: FlowCertificate) -> None:
        self._program = program
        self._certificate = certificate
        self._statements = {statement.name: statement for statement in program.readers()}
        self._known: dict[str, list[DirectCase] | None] = {}
        self._starts: dict[tuple[int, ReadName], _Starts] = {}

    def cases(self, statement: Statement) -> list[DirectCase]:
        """The cases of a value, one for each shape; raises ``NotDirectError``."""
        if statement.name not in self._known:
            # Until the value is known, a way back to it is a recurrence.
            self._known[statement.name] = None
            self._known[statement.name] = self._compute(statement)
        found = self._known[statement.name]
        if found is None:
            raise NotDirectError(statement.name)
        return found

    def sum(self, name: ReadName) -> Term | None:
        """The sum (or other fold) at a read, as a value; ``None`` if there is no such read."""
        reader = self._statements.get(name[0])
        if reader is None or name[1] >= len(reader.reads):
            return None
        array = reader.reads[name[1]].array
        fold = self._program.fold_of(array) or ADDITION
        return term("slot", array.element_type, payload=(slot_kind_of(fold), name, 0))

    def contributors(self, name: ReadName) -> list[Statement]:
        """The statements that may contribute to the sum at a read."""
        read = self._statements[name[0]].reads[name[1]]
        sources = self._certificate.sources.get(name, ())
        starts = [self._statements[s.writer] for s in sources if s.accumulated]
        additions = [s for s in self._program.writers(read.array) if s.accumulates]
        return list({statement.name: statement for statement in [*starts, *additions]}.values())

    def starts(self, position: int, name: ReadName) -> _Starts:
        """For each statement that a sum starts from: its points, by the output element."""
        if (position, name) not in self._starts:
            self._starts[position, name] = self._starts_of(position, name)
        return self._starts[position, name]

    def _starts_of(self, position: int, name: ReadName) -> _Starts:
        found: dict[str, list[tuple[Condition, tuple[Index, ...]]]] = {}
        for condition, values in self._ways(position, name[0]):
            for source in self._certificate.sources.get(name, ()):
                if source.accumulated:
                    here = all_of([condition, source.condition.replace(values)])
                    point = tuple(index.replace(values) for index in source.point)
                    if here != FALSE:
                        found.setdefault(source.writer, []).append((here, point))
        return found

    def _ways(self, position: int, reader: str) -> Iterator[tuple[Condition, dict[str, Index]]]:
        """From output elements to the points of a reader that their values go through."""
        final = self._program.outputs[position]
        start = {dim.name: Index.of(dim) for dim in final.dims}
        pending: list[tuple[Statement, Condition, dict[str, Index], int]] = [
            (final, TRUE, start, 0)
        ]
        while pending:
            statement, condition, values, depth = pending.pop()
            if statement.name == reader:
                yield condition, values
                continue
            if depth > len(self._statements):
                raise NotDirectError("a recurrence")
            for number in range(len(statement.reads)):
                for source in self._certificate.sources.get((statement.name, number), ()):
                    if source.accumulated:
                        continue
                    writer = self._statements[source.writer]
                    here = all_of([condition, source.condition.replace(values)])
                    indices = [index.replace(values) for index in source.point]
                    point = dict(zip((dim.name for dim in writer.dims), indices, strict=True))
                    if here != FALSE:
                        pending.append((writer, here, point, depth + 1))

    def _compute(self, statement: Statement) -> list[DirectCase]:
        cases = [DirectCase(statement.value, ())]
        for leaf in leaves(statement.value, "index"):
            assert isinstance(leaf.payload, Index)
            counter = term("slot", leaf.type, payload=("index", 0, 0))
            choice = DirectCase(counter, ((leaf.payload,),))
            cases = [_inserted(case, leaf, choice) for case in cases]
        for leaf in leaves(statement.value, "read"):
            choices = self._read(statement, leaf)
            cases = [_inserted(case, leaf, choice) for case in cases for choice in choices]
        found: dict[Term, DirectCase] = {}
        for case in map(_normal, cases):
            if case.shape in found:
                raise NotDirectError("two ways to the same value")
            found[case.shape] = case
        return list(found.values())

    def _read(self, statement: Statement, leaf: Term) -> list[DirectCase]:
        assert isinstance(leaf.payload, int)
        read = statement.reads[leaf.payload]
        if read.array.role is Role.INPUT:
            shape = term("slot", leaf.type, payload=("input", read.array.position, 0))
            return [DirectCase(shape, (read.indices,))]
        ways: dict[Term, list[tuple[Source, DirectCase]]] = {}
        for source in self._certificate.sources.get((statement.name, leaf.payload), ()):
            if source.accumulated:
                raise NotDirectError("a sum")
            writer = self._statements[source.writer]
            point = dict(zip((dim.name for dim in writer.dims), source.point, strict=True))
            for case in self.cases(writer):
                ways.setdefault(case.shape, []).append((source, case.at(point)))
        return [self._general(statement, found) for found in ways.values()]

    def _general(
        self, statement: Statement, ways: Sequence[tuple[Source, DirectCase]]
    ) -> DirectCase:
        """The one form that stands for all; raises ``NotDirectError`` if there is none."""
        general = max((case for _, case in ways), key=lambda case: case.generality)
        for values in _points(self._program, statement):
            for source, case in ways:
                if case is general or not is_true(source.condition, values):
                    continue
                if _values(case, values) != _values(general, values):
                    raise NotDirectError("another element at the edges")
        return general


def _inserted(case: DirectCase, leaf: Term, inner: DirectCase) -> DirectCase:
    shift = len(case.slots)
    moved = {slot: numbered(slot, slot_number(slot) + shift) for slot in slots_of(inner.shape)}
    value = term("typed", leaf.type, substitute(inner.shape, moved))
    return DirectCase(substitute(case.shape, {leaf: value}), case.slots + inner.slots)


def _normal(case: DirectCase) -> DirectCase:
    """The shape normalised as ``core.values`` does, slots in order of appearance."""
    shape = NormalForm().of(case.shape)
    used = slots_of(shape)
    renumbered = {slot: numbered(slot, place) for place, slot in enumerate(used)}
    slots = tuple(case.slots[slot_number(slot)] for slot in used)
    return DirectCase(substitute(shape, renumbered), slots)


# Points to try.


def _points(program: Program, statement: Statement) -> Iterator[dict[str, int]]:
    """Some points of a statement, its edges above all."""
    random = Random(statement.name)
    names = [*program.symbols, *statement.dims]
    bounds = {v.name: (v.low or 0, v.high if v.high is not None else 40) for v in names}
    found = 0
    for attempt in range(ATTEMPTS):
        values: dict[str, int] = {}
        for place, (name, (low, high)) in enumerate(bounds.items()):
            inner = min(low + 1, high)
            values[name] = random.choice((low, inner, high, random.randint(low, high)))
            if place < attempt % (2 * len(bounds)) - len(bounds):
                values[name] = low
        if is_true(statement.condition, values) and is_true(program.context, values):
            found += 1
            yield values
        if found == TRIALS:
            return


def _values(case: DirectCase, values: Mapping[str, int]) -> list[int]:
    return [value_at(index, values) for slot in case.slots for index in slot]
