"""The terms of a value in numbers that compiled code can look up.

Each term of a family, apart from the point of the value it belongs to, has a *code*: a number over
all families. The value at ``x`` has the term with code c if c's constraints hold at x; operand o of
the term is then element ``value[c, o] + Σ factor · x``. A point is that of a window, if there is
one, then the subscripts of an output element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.polyhedral import Unsupported
from .specification import Family, Form, Region, Value

LARGEST_TABLE = 1 << 26
"""Entries of a look-up table: more would not fit the memory that validation may use."""

NO_CODE = -1
"""No term, or several, are known to use an element as an operand."""


Numbers: TypeAlias = Any
"""An array, as compiled code sees it."""


class TermTable(NamedTuple):
    """See the module; ``constraint`` rows of a family stand from ``constraint_first`` on."""

    low: Numbers  # [rank] least point
    extents: Numbers  # [rank] of the points
    family: Numbers  # [codes]
    value: Numbers  # [codes, 2]
    operands: Numbers  # [families]: 1 or 2
    first_code: Numbers  # [families + 1]
    factor: Numbers  # [families, 2, rank]
    constraint_first: Numbers  # [families + 1]
    constraint_factor: Numbers  # [constraints, rank]
    constraint_is_equality: Numbers  # [constraints]
    constraint_value: Numbers  # [codes, most constraints of a family]
    code_of: Numbers  # [elements of all arrays]: code, or NO_CODE
    depends_on_last: bool
    """Whether a constraint depends on the last subscript of the output."""


def present(region: Region) -> NDArray[np.bool_]:
    """Which points of its box a region has, the last coordinate running fastest.

    Raises ``Unsupported`` for a box that is too large.
    """
    if math.prod(region.extents) > LARGEST_TABLE:
        raise Unsupported(f"maxima of windows with {math.prod(region.extents)} values")
    found = np.ones(region.extents, np.bool_)
    box = zip(region.low, region.extents, strict=True)
    axes = np.ix_(*(np.arange(low, low + extent) for low, extent in box))
    for rows, is_equality in ((region.equal_zero, True), (region.at_least_zero, False)):
        for row in rows:
            used = (factor * axis for factor, axis in zip(row[1:], axes, strict=True) if factor)
            values = sum(used, np.int64(row[0]))
            found &= (values == 0) if is_equality else (values >= 0)
    return found.ravel()


def term_table(value: Value, first: Sequence[int], counts: Sequence[int]) -> TermTable:
    """The table of a value; ``first`` numbers the elements of the parameter arrays.

    Raises ``Unsupported`` if it would be too large.
    """
    region, families = value.region, value.families
    rank = len(region.extents)
    volumes = [family.volume for family in families]
    if sum(volumes) > LARGEST_TABLE // 8:
        raise Unsupported(f"an output element with {sum(volumes)} terms")
    forms = [(*family.at_least_zero, *family.equal_zero) for family in families]
    most = max((len(rows) for rows in forms), default=0)
    values = np.zeros((sum(volumes), 2), np.int64)
    constraints = np.zeros((sum(volumes), most), np.int64)
    starts = np.concatenate([[0], np.cumsum(volumes)]).astype(np.int64)
    factors = np.zeros((len(families), 2, rank), np.int64)
    for number, family in enumerate(families):
        codes = slice(starts[number], starts[number + 1])
        points = _points(family)
        for place, operand in enumerate(family.operands):
            values[codes, place] = first[operand.position] + _at_points(operand.element, points)
            factors[number, place] = operand.element.point
        for place, form in enumerate(forms[number]):
            constraints[codes, place] = _at_points(form, points)
    rows = [form for part in forms for form in part]
    is_equality = [
        form in family.equal_zero
        for family, part in zip(families, forms, strict=True)
        for form in part
    ]
    factor_rows = np.array([form.point for form in rows], np.int64).reshape(len(rows), rank)
    table = TermTable(
        np.array(region.low, np.int64),
        np.array(region.extents, np.int64),
        np.repeat(np.arange(len(families)), volumes),
        values,
        np.array([len(family.operands) for family in families], np.int64),
        starts,
        factors,
        np.concatenate([[0], np.cumsum([len(part) for part in forms])]).astype(np.int64),
        factor_rows,
        np.array(is_equality, np.bool_),
        constraints,
        np.full(sum(counts), NO_CODE, np.int32),
        bool(rank and factor_rows[:, -1:].any()),
    )
    for number, family in enumerate(families):
        for place, operand in enumerate(family.operands):
            start = first[operand.position]
            _enter_codes(table, number, place, start, counts[operand.position])
    return table


def _points(family: Family) -> NDArray[np.int64]:
    """All counters of a family's box, one row each, in order of the codes."""
    axes = [np.arange(low, low + n) for low, n in zip(family.low, family.extents, strict=True)]
    if not axes:
        return np.zeros((1, 0), np.int64)
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def _at_points(form: Form, points: NDArray[np.int64]) -> NDArray[np.int64]:
    return form.constant + points @ np.array(form.counters, np.int64)


def _enter_codes(table: TermTable, family: int, place: int, start: int, count: int) -> None:
    """Note for each element which code uses it; an element with several codes keeps none.

    This is a guess that saves a search: a code is checked where it is used.
    """
    codes = np.arange(table.first_code[family], table.first_code[family + 1])
    offsets = np.zeros(1, np.int64)
    box = zip(table.low, table.extents, strict=True)
    for factor, (low, extent) in zip(table.factor[family, place], box, strict=True):
        if factor:
            offsets = (offsets[:, None] + factor * np.arange(low, low + extent)).ravel()
        if len(offsets) * len(codes) > LARGEST_TABLE:
            return
    elements = (table.value[codes, place][:, None] + offsets).ravel()
    numbers = np.repeat(codes, len(offsets))
    inside = (elements >= start) & (elements < start + count)
    elements, numbers = elements[inside], numbers[inside]
    known = table.code_of[elements]
    clashes = elements[(known != NO_CODE) & (known != numbers)]
    table.code_of[elements] = numbers
    different = elements[table.code_of[elements] != numbers]
    table.code_of[clashes] = NO_CODE
    table.code_of[different] = NO_CODE


def expected_terms(value: Value, at: Sequence[int], first: Sequence[int]) -> Any:
    """The terms of a value at a point: a tuple of element numbers for each, factors in order."""
    found: list[tuple[int, ...]] = []
    for family in value.families:
        points = _points(family)
        keep = np.ones(len(points), np.bool_)
        for form in family.at_least_zero:
            keep &= _fixed(form, at) + _at_points(form, points) >= 0
        for form in family.equal_zero:
            keep &= _fixed(form, at) + _at_points(form, points) == 0
        columns = [
            first[operand.position]
            + _fixed(operand.element, at)
            + _at_points(operand.element, points[keep])
            for operand in family.operands
        ]
        found += [tuple(sorted(row)) for row in np.stack(columns, axis=1).tolist()]
    return found


def _fixed(form: Form, at: Sequence[int]) -> int:
    return sum(factor * x for factor, x in zip(form.point, at, strict=True))
