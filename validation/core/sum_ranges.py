"""Bounds on sums, derived from the number and the range of their summands (trusted core)."""

from __future__ import annotations

import math

from ..lemmas.normal_form import NormalForm, integer
from ..lemmas.ranges import Range, Ranges, type_range
from .polyhedral import Statement
from .smt import Answer, Solver, equalities, in_domain, negation, with_symbols
from .terms import Term, is_float
from .totals import is_sum, total_bits
from .values import Family, Side, Sum, slot_kind, slots_of


def refined(side: Side, shape: Term, solver: Solver) -> Term:
    """The shape, without limits that its sums never reach if it is a total then.

    The array clips what leaves it; short sums pass unchanged.
    """
    sums = [slot for slot in slots_of(shape) if is_sum(slot) and not is_float(slot.type)]
    if not sums or total_bits(shape) is not None:
        return shape
    known: dict[Term, Range] = {}
    for slot in sums:
        key = slot_kind(slot)[1]
        assert isinstance(key, tuple)
        if key not in side.ranges:
            side.ranges[key] = sum_range(side, Sum(key[0], key[1], ()), solver)
        known[slot] = side.ranges[key]
    result = NormalForm(known).of(shape)
    return result if total_bits(result) is not None else shape


def sum_range(side: Side, total: Sum, solver: Solver) -> Range:
    """The range of a sum: exact integers if they fit its type, else all values of the type."""
    reader = side.statements[total.reader]
    type = reader.reads[total.number].array.element_type
    start: list[Range] = [(0, 0)]
    low: float = 0
    high: float = 0
    for family in side.families(total):
        least, greatest = _value_range(side, family.statement)
        if family.start is not None:
            start.append((least, greatest))
            continue
        count = _largest_count(side, total, family, solver)
        low += _times(count, min(least, 0))
        high += _times(count, max(greatest, 0))
    low += min(bounds[0] for bounds in start)
    high += max(bounds[1] for bounds in start)
    least, greatest = type_range(type)
    return (low, high) if least <= low and high <= greatest else (least, greatest)


def _times(count: float, bound: float) -> float:
    return 0 if bound == 0 or count == 0 else count * bound


def _value_range(side: Side, statement: Statement) -> Range:
    """The hull of the ranges of all cases of a statement's value."""
    query, symbols = with_symbols(side.program)
    side.symbols = side.symbols or symbols
    names = symbols | query.constants(statement.dims)
    ranges = Ranges({})
    found = [ranges.integer(case.shape) for case in side.value(query, statement, names)]
    found = found or [ranges.integer(integer(0))]
    return min(low for low, _ in found), max(high for _, high in found)


def _largest_count(side: Side, total: Sum, family: Family, solver: Solver) -> float:
    """An upper bound on how many summands of one statement are in one sum.

    Some counters tell the summands apart; that they suffice is proved. Their ranges bound the
    number.
    """
    reader = side.statements[total.reader]
    statement = family.statement
    fixed = {dim.name for dim in reader.dims}
    for index in statement.indices:
        fixed |= index.variables
    own = [dim for dim in statement.dims if dim.name not in fixed]
    query, symbols = with_symbols(side.program)
    outer = query.constants(reader.dims)
    query.add(in_domain(reader, symbols | outer))
    here = Sum(total.reader, total.number, tuple(outer.values()))
    previous, side.symbols = side.symbols, symbols
    first = symbols | query.constants(statement.dims)
    second = symbols | query.constants(statement.dims)
    query.add(side.contributes(here, family, first))
    query.add(side.contributes(here, family, second))
    side.symbols = previous
    query.add(equalities([first[d.name] for d in own], [second[d.name] for d in own]))
    names = [dim.name for dim in statement.dims]
    query.add(negation(equalities([first[n] for n in names], [second[n] for n in names])))
    counted = "the number of summands is at most the product of their counters' ranges"
    if solver.check(query, counted)[0] is not Answer.UNSAT:
        return math.inf
    count: float = 1
    for dim in own:
        if dim.low is None or dim.high is None:
            return math.inf
        count *= max(0, dim.high - dim.low + 1)
    return count
