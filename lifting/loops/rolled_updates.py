"""Arrays written by loops that were unrolled by hand, or by one loop after the other.

``c[4 * i] = …; c[4 * i + 1] = …`` and so on, and a loop over what is left, write what one plain
loop writes.
"""

from __future__ import annotations

from dataclasses import replace

from xdsl.ir import SSAValue

from .index import IndexExpression, LoopVariable
from .rewrite import substitute
from .solve import Subscripts
from .state import ArrayState, Update
from .terms import Term
from .unroll import Stretch


def rolled(updates: list[Update], variable: LoopVariable) -> list[Update]:
    """Return the updates of a loop with those of each array joined where they take turns."""
    arrays = dict.fromkeys(update.array for update in updates)
    joined: list[Update] = []
    for array in arrays:
        own = [update for update in updates if update.array is array]
        whole = _taking_turns(own, variable) if len(own) > 1 else None
        joined += own if whole is None else [whole]
    return joined


def _taking_turns(updates: list[Update], variable: LoopVariable) -> Update | None:
    count = len(updates)
    if variable.lower.constant != 0 or len(variable.uppers) != 1:
        return None
    if any(u.indices is None or u.variables != updates[0].variables for u in updates):
        return None
    if variable not in updates[0].variables:
        return None
    whole = LoopVariable(variable.name, variable.lower, (variable.uppers[0] * count,))
    base = IndexExpression.of(variable) * count
    parts = {(update.indices, update.value) for update in updates}
    stretch = Stretch(variable, whole, count)
    for update in updates:
        assert update.indices is not None
        indices = [stretch.index(index) for index in update.indices]
        value = stretch.term(update.value)
        known = tuple(index for index in indices if index is not None)
        if value is None or len(known) < len(indices):
            return None
        steps = [{whole: base + step} for step in range(count)]
        expected = {(tuple(i.substitute(s) for i in known), substitute(value, s)) for s in steps}
        if expected == parts:
            variables = tuple(whole if v is variable else v for v in update.variables)
            return Update(update.array, variables, known, value, update.location)
    return None


def join_continued(state: ArrayState, array: SSAValue) -> None:
    """Join the last update of ``array`` with the one before it, if it goes on where that ends."""
    updates = state.updates.get(array, [])
    if len(updates) > 1 and (whole := _continued(updates[-2], updates[-1])) is not None:
        updates[-2:] = [whole]


def _continued(first: Update, second: Update) -> Update | None:
    """Return one update for two of which the second goes on where the first one ends."""
    if first.indices is None or second.indices is None:
        return None
    if first.array is not second.array or len(first.variables) != len(second.variables):
        return None
    for position, (old, new) in enumerate(zip(first.variables, second.variables, strict=True)):
        if len(old.uppers) != 1 or len(new.uppers) != 1 or old.uppers[0] != new.lower:
            continue
        variable = LoopVariable(new.name, old.lower, new.uppers)
        longer = (*second.variables[:position], variable, *second.variables[position + 1 :])
        if _over(first, longer) == (over := _over(second, longer)):
            return replace(second, variables=longer, indices=over[0], value=over[1])
    return None


def _over(update: Update, variables: tuple[LoopVariable, ...]) -> tuple[Subscripts, Term]:
    """Return subscripts and value in terms of other loop variables."""
    assert update.indices is not None
    pairs = zip(update.variables, variables, strict=True)
    values = {old: IndexExpression.of(new) for old, new in pairs if old is not new}
    indices = tuple(index.substitute(values) for index in update.indices)
    return indices, substitute(update.value, values)
