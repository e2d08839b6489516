"""The summands of a total, as formulas: one class for each way from the total to a value.

A part of a total is a factor times a sum; a sum adds up what its statements compute; that may be a
total again. A *class* is one path through this, its counters are those of the statements on the
path, and each of its points is one summand (trusted core).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from .checker import Violation
from .polyhedral import Statement
from .smt import Names, Query, conjunction, disjunction, holds, in_domain, negation, ranges
from .terms import Term, constant_value, substitute
from .totals import Part, parts_of, scaled, structure
from .values import (
    Case,
    Family,
    Side,
    Slot,
    Sum,
    normal_case,
    numbered,
    slot_kind,
    slot_number,
    slots_of,
)

SEPARATOR = " > "
Refine = Callable[[Side, Term], Term]
"""Leaves out limits that the sums in a shape never reach (see ``sum_ranges``)."""


@dataclass(frozen=True)
class Valued:
    """A term of one program, and where its slots are."""

    side: Side
    value: Term
    slots: tuple[Slot, ...]

    def place(self, slot: Term) -> Slot:
        return self.slots[slot_number(slot)]

    def sum(self, slot: Term) -> Sum:
        return sum_of(slot, self.place(slot))


@dataclass(frozen=True)
class Summands:
    """One class of summands of a total, at constants of its own."""

    label: str
    """The path, as certificates name it."""
    names: Names
    """The constants of the counters on the path."""
    depth: int
    """How many statements lie on the path, those of enclosing totals included."""
    query: Query
    """Holds where the summand exists and has this form."""
    light: Query | None
    """Less than ``query`` that often suffices: that the statement adds something to the sum."""
    anywhere: Query | None
    """Less still: that the statement computes a value of this form, whatever it is added to."""
    value: Valued
    statement: Statement | None
    sums: frozenset[tuple[str, int]] = frozenset()
    """The reads of sums on the path."""


def sum_of(slot: Term, point: tuple[str, ...]) -> Sum:
    key = slot_kind(slot)[1]
    assert isinstance(key, tuple)
    return Sum(key[0], key[1], point)


def counter_name(name: str, depth: int) -> str:
    """The name of a counter in certificates; a statement may occur on a path more than once."""
    return name if depth == 0 else f"u{depth}_{name}"


def step_text(statement: Statement, shape: Term, part: Part) -> str:
    """One step of a path: a statement, the form of its value there, and a part of that."""
    whole = structure(shape)
    text = "" if part.text == whole else f" = {part.text}"
    return f"{statement.name}: {whole}{text}"


def simpler(side: Side, case: Case, refine: Refine) -> Case:
    """The case without limits that its sums never reach."""
    shape = refine(side, case.shape)
    return case if shape is case.shape else normal_case(replace(case, shape=shape))


def times(factor: Term, slots: tuple[Slot, ...], case: Case) -> Case:
    """The case of a summand, multiplied with the factor before its sum."""
    if constant_value(factor) == 1:
        return case
    shift = len(slots)
    moved = {s: numbered(s, slot_number(s) + shift) for s in slots_of(case.shape)}
    product = scaled(factor, substitute(case.shape, moved))
    return normal_case(Case(case.guard, product, slots + case.slots))


def summands_of(
    query: Query, total: Valued, bits: int, depth: int, refine: Refine
) -> Iterator[Summands]:
    """All classes of summands of a total, each with the query extended by its own constants."""
    for part in parts_of(total.value, bits):
        start = Summands(part.text, {}, depth, query, None, None, total, None)
        yield from _summands(start, part, bits, depth, refine)


def _summands(
    path: Summands, part: Part, bits: int, first: int, refine: Refine
) -> Iterator[Summands]:
    value = path.value
    if part.total is None:
        yield replace(path, value=Valued(value.side, part.factor, value.slots))
        return
    side, total = value.side, value.sum(part.total)
    if (total.reader, total.number) in path.sums:
        raise Violation(f"a recurrence that is not a sum, at {total.reader}", None)
    for statement, families in by_statement(side, total):
        query = path.query.copy()
        own = query.constants(statement.dims)
        here = side.symbols | own
        query.add(conjunction(contribution(side, total, families, here)))
        names = dict(path.names)
        names |= {counter_name(name, path.depth): text for name, text in own.items()}
        valued = query.copy()
        cases = side.value(valued, statement, here)
        for case in cases:
            product = times(part.factor, value.slots, simpler(side, case, refine))
            narrowed = valued.copy()
            narrowed.add(case.guard)
            alone = len(cases) == 1 and path.depth == first
            added = path.depth == first and all(family.start is None for family in families)
            for piece in parts_of(product.shape, bits):
                yield from _summands(
                    Summands(
                        SEPARATOR.join([path.label, step_text(statement, case.shape, piece)]),
                        names,
                        path.depth + 1,
                        narrowed,
                        query if alone and piece.total is None else None,
                        _anywhere(side, statement, here, narrowed, case) if added else None,
                        Valued(side, product.shape, product.slots),
                        statement,
                        path.sums | {(total.reader, total.number)},
                    ),
                    piece,
                    bits,
                    first,
                    refine,
                )


def _anywhere(side: Side, statement: Statement, names: Names, query: Query, case: Case) -> Query:
    """Only those of a query's assertions that are about the statement and the value's form."""
    lean = query.copy()
    lean.assertions.clear()
    lean.add(ranges(side.program.symbols, side.symbols))
    lean.add(holds(side.program.context, side.symbols))
    lean.add(in_domain(statement, names))
    lean.add(case.guard)
    return lean


def by_statement(side: Side, total: Sum) -> list[tuple[Statement, list[Family]]]:
    found: dict[str, list[Family]] = {}
    for family in side.families(total):
        found.setdefault(family.statement.name, []).append(family)
    return [(families[0].statement, families) for families in found.values()]


def contribution(side: Side, total: Sum, families: Sequence[Family], names: Names) -> list[str]:
    """The parts of: the statement's execution at ``names`` is a summand of the sum.

    A statement may start a sum in several ways, of which one holds at most.
    """
    if len(families) == 1:
        return side.contribution(total, families[0], names)
    return [disjunction(side.contributes(total, family, names) for family in families)]


@dataclass(frozen=True)
class Step:
    """Goals that must follow from a query for a claimed summand to exist and have its form."""

    query: Query
    goals: list[str]


@dataclass(frozen=True)
class Followed:
    """A claimed summand: what makes it one, and its value."""

    steps: list[Step]
    names: dict[str, str]
    query: Query
    value: Valued


def follow(
    query: Query,
    total: Valued,
    bits: int,
    depth: int,
    label: str,
    point: Sequence[str],
    refine: Refine,
) -> Followed:
    """The summand of the class ``label`` at ``point``, the counters on the path in a row.

    Raises ``Violation`` if the total has no such class.
    """
    query = query.copy()
    side, value, rest = total.side, total, list(point)
    start, *path = label.split(SEPARATOR)
    parts = parts_of(total.value, bits)
    part = next((part for part in parts if part.text == start), None)
    steps: list[Step] = []
    names: dict[str, str] = {}
    for text in path:
        if part is None or part.total is None:
            raise Violation(f"the certificate names no summand {label}", None)
        sum = value.sum(part.total)
        statement, families = _named(side, sum, text, label)
        here, rest = rest[: len(statement.dims)], rest[len(statement.dims) :]
        if len(here) != len(statement.dims):
            raise Violation(f"the certificate gives no point of {statement.name}", None)
        own = {d.name: query.define(d.name, t) for d, t in zip(statement.dims, here, strict=True)}
        names |= {counter_name(name, depth): value for name, value in own.items()}
        own = side.symbols | own
        steps.append(Step(query.copy(), contribution(side, sum, families, own)))
        cases = side.value(query, statement, own)
        wrong: list[str] = []
        part, case, factor, slots = None, None, part.factor, value.slots
        for other in cases:
            product = times(factor, slots, simpler(side, other, refine))
            pieces = parts_of(product.shape, bits)
            texts = [step_text(statement, other.shape, piece) for piece in pieces]
            found = pieces[texts.index(text)] if text in texts else None
            if found is None:
                wrong.append(other.guard)
            else:
                part, case = found, product
        if part is None or case is None:
            raise Violation(f"the certificate names no summand {label}", None)
        # A read sees something, so one of the cases holds.
        steps.append(Step(query.copy(), [negation(guard) for guard in wrong]))
        query.add(case.guard)
        value = Valued(side, case.shape, case.slots)
        depth += 1
    if part is None or part.total is not None or rest:
        raise Violation(f"the certificate names no summand {label}", None)
    return Followed(steps, names, query, Valued(side, part.factor, value.slots))


def _named(side: Side, total: Sum, text: str, label: str) -> tuple[Statement, list[Family]]:
    name = text.split(":")[0]
    for statement, families in by_statement(side, total):
        if statement.name == name:
            return statement, families
    raise Violation(f"the certificate names no summand {label}", None)
