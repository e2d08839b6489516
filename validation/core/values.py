"""What a read sees: its value as a term over input elements and sums (trusted core).

A read is followed through the writes that its certificate names, until it ends at an element of an
input, at a number, or at a sum. Different writes are different *cases*; cases with the same shape
are merged, with fresh constants for the subscripts, so that their number stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..lemmas.normal_form import NormalForm
from .certificate import FlowCertificate, Source
from .checker import Violation
from .folds import ADDITION
from .index import Index
from .polyhedral import Program, Role, Statement
from .smt import (
    Names,
    Query,
    conjunction,
    disjunction,
    earlier,
    equalities,
    holds,
    in_domain,
    values,
)
from .terms import Term, leaves, substitute, term

Slot: TypeAlias = tuple[str, ...]
"""SMT texts: the subscripts of an input element, the point of a sum's reader, or one number."""


@dataclass(frozen=True)
class Case:
    """Where ``guard`` holds, the value is ``shape`` with its slots at the given places."""

    guard: str
    shape: Term
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Sum:
    """The value of a read that sees additions: ``reader`` at ``point``, its read ``number``."""

    reader: str
    number: int
    point: Slot


@dataclass(frozen=True)
class Family:
    """The summands that one statement contributes to a sum.

    ``start`` is the certificate's source if the summand is the value that the sum starts from.
    """

    statement: Statement
    start: Source | None = None


@dataclass
class Side:
    """One of the two programs, with what the certificate says and names of its symbols."""

    program: Program
    certificate: FlowCertificate
    symbols: dict[str, str] = field(default_factory=dict[str, str])
    statements: dict[str, Statement] = field(default_factory=dict[str, Statement])
    ranges: dict[tuple[str, int], tuple[float, float]] = field(
        default_factory=dict[tuple[str, int], tuple[float, float]]
    )
    """Bounds on the sums at reads, as far as they are known already."""

    def __post_init__(self) -> None:
        self.statements = {statement.name: statement for statement in self.program.readers()}

    def constants(self, query: Query, statement: Statement) -> dict[str, str]:
        return self.symbols | query.constants(statement.dims)

    def names(self, statement: Statement, point: Sequence[str]) -> dict[str, str]:
        return self.symbols | {
            dim.name: text for dim, text in zip(statement.dims, point, strict=True)
        }

    def sources(self, statement: Statement, number: int) -> tuple[Source, ...]:
        return self.certificate.sources.get((statement.name, number), ())

    # Values.

    def value(
        self, query: Query, statement: Statement, names: Names, path: tuple[str, ...] = ()
    ) -> list[Case]:
        """The cases of the value that a statement computes at a point."""
        if statement.name in path:
            raise Violation(
                f"a recurrence that is not a sum, through {statement.array.name}",
                None,
                statement.origin,
            )
        path = (*path, statement.name)
        cases = [Case("true", statement.value, ())]
        for leaf in leaves(statement.value, "read"):
            number = leaf.payload
            assert isinstance(number, int)
            inner = self.read(query, statement, number, names, path)
            cases = [_insert(case, leaf, choice) for case in cases for choice in inner]
        for leaf in leaves(statement.value, "index"):
            assert isinstance(leaf.payload, Index)
            slot = (leaf.payload.smt.format_map(names),)
            counter = term("slot", leaf.type, payload=("index", 0, 0))
            cases = [_insert(case, leaf, Case("true", counter, (slot,))) for case in cases]
        return _merge(query, [normal_case(case) for case in cases])

    def read(
        self,
        query: Query,
        statement: Statement,
        number: int,
        names: Names,
        path: tuple[str, ...] = (),
    ) -> list[Case]:
        """The cases of what one read sees."""
        read = statement.reads[number]
        if read.array.role is Role.INPUT:
            shape = term("slot", read.array.element_type, payload=("input", read.array.position, 0))
            return [Case("true", shape, (tuple(values(read.indices, names)),))]
        cases: list[Case] = []
        by_writer: dict[tuple[str, bool], list[Source]] = {}
        for source in self.sources(statement, number):
            by_writer.setdefault((source.writer, source.accumulated), []).append(source)
        for (name, accumulated), sources in by_writer.items():
            if accumulated:
                guard = disjunction(holds(source.condition, names) for source in sources)
                key = (statement.name, number)
                kind = self.total_kind(statement, number)
                shape = term("slot", read.array.element_type, payload=(kind, key, 0))
                point = tuple(names[dim.name] for dim in statement.dims)
                cases.append(Case(guard, shape, (point,)))
                continue
            # One point of the writer for all ways to it, so that what it computes is asked once.
            writer = self.statements[name]
            point = query.constants(writer.dims)
            here = [point[dim.name] for dim in writer.dims]
            reached = disjunction(
                conjunction(
                    [holds(source.condition, names), equalities(here, values(source.point, names))]
                )
                for source in sources
            )
            for inner in self.value(query, writer, self.symbols | point, path):
                guard = conjunction([reached, inner.guard])
                cases.append(Case(guard, inner.shape, inner.slots))
        return _merge(query, cases)

    # Sums.

    def total_kind(self, statement: Statement, number: int) -> str:
        """The kind of slot for what a read sees of an array that values are combined in."""
        array = statement.reads[number].array
        fold = self.program.fold_of(array)
        if fold is None:
            reason = f"an array that is summed up and also combined otherwise, {array.name}"
            raise Violation(reason, None, statement.origin)
        return slot_kind_of(fold)

    def families(self, total: Sum) -> list[Family]:
        """All statements that may contribute to a sum."""
        reader = self.statements[total.reader]
        array = reader.reads[total.number].array
        starts = [
            Family(self.statements[source.writer], source)
            for source in self.sources(reader, total.number)
            if source.accumulated
        ]
        additions = [Family(s) for s in self.program.writers(array) if s.accumulates]
        return starts + additions

    def contributes(self, total: Sum, family: Family, names: Names) -> str:
        """The statement's execution at ``names`` is a summand of the sum."""
        return conjunction(self.contribution(total, family, names))

    def contribution(self, total: Sum, family: Family, names: Names) -> list[str]:
        """The parts of ``contributes``."""
        reader = self.statements[total.reader]
        read = reader.reads[total.number]
        outer = self.names(reader, total.point)
        statement = family.statement
        if family.start is not None:
            here = [names[dim.name] for dim in statement.dims]
            return [
                holds(family.start.condition, outer),
                equalities(here, values(family.start.point, outer)),
            ]
        begun: list[str] = []
        for source in self.sources(reader, total.number):
            if not source.accumulated:
                continue
            start = self.statements[source.writer]
            point = self.names(start, values(source.point, outer))
            after = earlier(start.schedule, point, statement.schedule, names)
            begun.append(conjunction([holds(source.condition, outer), after]))
        return [
            in_domain(statement, names),
            equalities(values(statement.indices, names), values(read.indices, outer)),
            disjunction(begun),
            earlier(statement.schedule, names, read.schedule, outer),
        ]


def _insert(case: Case, leaf: Term, inner: Case) -> Case:
    """Put one case of a leaf's value into a case of the whole value."""
    shift = len(case.slots)
    renumbered = {slot: numbered(slot, slot_number(slot) + shift) for slot in slots_of(inner.shape)}
    shape = substitute(
        case.shape, {leaf: term("typed", leaf.type, substitute(inner.shape, renumbered))}
    )
    return Case(conjunction([case.guard, inner.guard]), shape, case.slots + inner.slots)


def normal_case(case: Case) -> Case:
    """Normalise the shape and number its slots in order of appearance."""
    shape = NormalForm().of(case.shape)
    used = slots_of(shape)
    renumbered = {slot: numbered(slot, place) for place, slot in enumerate(used)}
    slots = tuple(case.slots[slot_number(slot)] for slot in used)
    return Case(case.guard, substitute(shape, renumbered), slots)


def _merge(query: Query, cases: Sequence[Case]) -> list[Case]:
    """One case per shape."""
    groups: dict[Term, list[Case]] = {}
    for case in cases:
        if case.guard != "false":
            groups.setdefault(case.shape, []).append(case)
    merged: list[Case] = []
    for shape, group in groups.items():
        if len(group) == 1:
            merged.append(group[0])
            continue
        slots = tuple(tuple(query.constant("at") for _ in slot) for slot in group[0].slots)
        flat = [text for slot in slots for text in slot]
        guard = disjunction(
            conjunction([case.guard, equalities(flat, [t for s in case.slots for t in s])])
            for case in group
        )
        merged.append(Case(guard, shape, slots))
    return merged


def slot_kind_of(fold: str) -> str:
    """The kind of the slots that stand for values combined by a fold."""
    return "sum" if fold == ADDITION else fold


def slots_of(shape: Term) -> list[Term]:
    """The slots of a shape in order of first appearance."""
    return leaves(shape, "slot")


def slot_kind(slot: Term) -> tuple[str, object]:
    """``("input", position)``, ``("index", 0)``, ``("sum", (reader, number))`` or another fold."""
    payload = slot.payload
    assert isinstance(payload, tuple)
    return payload[0], payload[1]


def slot_number(slot: Term) -> int:
    assert isinstance(slot.payload, tuple)
    return slot.payload[2]


def numbered(slot: Term, number: int) -> Term:
    kind, key = slot_kind(slot)
    return term("slot", slot.type, payload=(kind, key, number))  # pyright: ignore[reportArgumentType]
