"""Merge assignments into those that only add their results: fewer products end in memory.

``t = A·x; y = -t - d`` becomes ``y = -A·x - d``. Sums are reassociated, which validation lists as
an assumption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xdsl.ir import SSAValue

from .products import Access, Affine, Assign, Counter, Loop, Node, Term, assignments, plus


def merge_sums(nodes: Sequence[Node], locals: Sequence[SSAValue]) -> list[Node]:
    """The nodes with sums written into those that add them, without what nobody needs."""
    merged = _merged(nodes)
    while True:
        kept = _without_unread(merged, locals, merged)
        if kept == merged:
            return kept
        merged = kept


def _merged(nodes: Sequence[Node]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            found.append(Loop(node.counter, _merged(node.body)))
            continue
        merged = _with_sums(node, found)
        replaced = [
            index
            for index, other in enumerate(found)
            if isinstance(other, Assign) and _overwrites(merged, other, found[index + 1 :])
        ]
        for index in reversed(replaced):
            del found[index]
        found.append(merged)
    return found


def _with_sums(assign: Assign, before: Sequence[Node]) -> Assign:
    """The assignment with plain terms replaced by the sums that were assigned to them."""
    terms: list[Term] = []
    for term in assign.terms:
        definition = None if len(term.factors) != 1 else _definition(term.factors[0], before)
        if definition is not None and _reads_other_elements(definition, assign):
            definition = None  # one tile of the result would be written before the next reads it
        if definition is None:
            terms.append(term)
        else:
            terms += [t if term.sign > 0 else t.negated for t in definition]
    return replace(assign, terms=tuple(terms))


def _reads_other_elements(terms: Sequence[Term], assign: Assign) -> bool:
    """Whether terms read the array that is assigned, elsewhere than at the element itself."""
    return any(
        factor.array is assign.target.array and factor.subscripts != assign.target.subscripts
        for term in terms
        for factor in term.factors
    )


def _definition(access: Access, before: Sequence[Node]) -> tuple[Term, ...] | None:
    """The terms of the last assignment to an element, if they still have the same values."""
    for position in range(len(before) - 1, -1, -1):
        node = before[position]
        written = {assign.target.array for assign in assignments([node])}
        if access.array not in written:
            continue
        if not isinstance(node, Assign) or any(
            read.array in {a.target.array for a in assignments(before[position:])}
            for read in node.reads
        ):
            return None
        return _renamed(node, access)
    return None


def _renamed(node: Assign, access: Access) -> tuple[Term, ...] | None:
    """The terms of ``node`` for the element that ``access`` names, None if it may be another."""
    values: dict[int, Affine] = {}
    for mine, wanted in zip(node.target.subscripts, access.subscripts, strict=True):
        loops = [c for c in node.loops if mine.get(c.number)]
        if not loops:
            if plus(mine, wanted, -1):
                return None
            continue
        counter = loops[0]
        rest = {key: n for key, n in mine.items() if key != counter.number}
        if len(loops) > 1 or mine[counter.number] != 1 or counter.number in values:
            return None
        values[counter.number] = plus(wanted, rest, -1)
    if set(values) != {counter.number for counter in node.loops}:
        return None
    return tuple(
        replace(term, factors=tuple(_substituted(factor, values) for factor in term.factors))
        for term in node.terms
    )


def _substituted(access: Access, values: dict[int, Affine]) -> Access:
    forms: list[Affine] = []
    for form in access.subscripts:
        total: Affine = {key: n for key, n in form.items() if key not in values}
        for number, value in values.items():
            total = plus(total, value, form.get(number, 0))
        forms.append(total)
    return Access(access.array, tuple(forms))


def _overwrites(assign: Assign, other: Assign, between: Sequence[Node]) -> bool:
    """Whether ``assign`` writes all that ``other`` wrote, and nobody reads that any more."""
    if assign.target.array is not other.target.array or _extents(assign) != _extents(other):
        return False
    later = [*assignments(between), assign]
    return all(read.array is not other.target.array for node in later for read in node.reads)


def _extents(assign: Assign) -> list[tuple[Affine, int | None]]:
    """Subscripts without the loops over elements, and how far each of these goes."""
    found: list[tuple[Affine, int | None]] = []
    by_number = {counter.number: counter for counter in assign.loops}
    for form in assign.target.subscripts:
        inner = [key for key in form if key in by_number]
        rest = {key: n for key, n in form.items() if key not in by_number}
        counter: Counter | None = by_number[inner[0]] if inner else None  # pyright: ignore
        found.append((rest, None if counter is None else counter.extent))
    return found


def _without_unread(
    nodes: Sequence[Node], locals: Sequence[SSAValue], all_nodes: Sequence[Node]
) -> list[Node]:
    """The nodes without assignments to local arrays that nobody reads."""
    read = {access.array for assign in assignments(all_nodes) for access in assign.reads}
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            found.append(Loop(node.counter, _without_unread(node.body, locals, all_nodes)))
        elif node.target.array in read or node.target.array not in locals:
            found.append(node)
    return found
