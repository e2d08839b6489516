"""What a loop does to the arrays, from what one iteration does: maps, reductions, last writes."""

from __future__ import annotations

from dataclasses import replace

from .index import IndexExpression, LoopVariable, is_nonnegative, is_positive
from .recurrence import is_sum, recognise_reduction
from .rewrite import rename, substitute, substitute_variable
from .solve import Outcome, Subscripts, solve
from .state import ArrayState, Update, clobber, occurrences
from .terms import Read, Unliftable, walk
from .tiles import fuse_reduction, fuse_tiles


def close_loop(body: ArrayState, variable: LoopVariable) -> list[Update]:
    """Return the updates of the whole loop over ``variable``, relative to the state before it.

    ``body`` is the state after one iteration, relative to the state before that iteration. What
    has no closed form becomes unknown content of the array, with the reason.
    """
    if any(is_nonnegative(variable.lower - upper) for upper in variable.uppers):
        return []
    updates = [_fused(update) for update in body.all_updates()]
    return [_close(update, updates, variable, body) for update in updates]


def _close(
    update: Update, updates: list[Update], variable: LoopVariable, body: ArrayState
) -> Update:
    if update.indices is None or isinstance(update.value, Unliftable):
        return clobber(update.array, _reason(update), update.location)
    siblings = [u for u in updates if u.array is update.array and u is not update]
    if any(not _is_private(u, update.indices, variable) for u in siblings):
        return _fail(update, body, f"is written by several statements of loop '{variable.name}'")
    if variable in occurrences(update.indices):
        return _close_map(update, updates, variable, body)
    return _close_revisited(update, updates, variable, body)


def _reason(update: Update) -> str:
    assert isinstance(update.value, Unliftable)
    return update.value.reason


def _fail(update: Update, body: ArrayState, problem: str, cause: Update | None = None) -> Update:
    """Return unknown content for the array of ``update``, because of what ``cause`` writes."""
    cause = cause or update
    reason = f"'{body.name(cause.array)}' {problem}"
    return clobber(update.array, reason, cause.location)


def _close_map(
    update: Update, updates: list[Update], variable: LoopVariable, body: ArrayState
) -> Update:
    """Close a loop whose iterations write different cells."""
    assert update.indices is not None
    if not _is_private(update, update.indices, variable):
        return _fail(update, body, f"is written twice at one place by loop '{variable.name}'")
    for cell in _cells_before_iteration(update, body.depth):
        if (cause := _dependence(cell, updates, variable)) is not None:
            return _fail(update, body, _carried(variable), cause)
    return _fused(replace(update, variables=(variable, *update.variables)))


def _fused(update: Update) -> Update:
    """Join tile loops; afterwards no range begins at another loop variable."""
    if update.indices is None:
        return update
    scope = (update.variables, update.indices, update.value)
    variables, indices, value = fuse_tiles(scope, any_order=True)
    return replace(update, variables=variables, indices=indices, value=value)


def _close_revisited(
    update: Update, updates: list[Update], variable: LoopVariable, body: ArrayState
) -> Update:
    """Close a loop each of whose iterations writes the same cells."""
    assert update.indices is not None
    if any(variable in v.range_variables() for v in update.variables):
        return _fail(update, body, f"is written in part, depending on loop '{variable.name}'")
    own: list[Read] = []
    for cell in _cells_before_iteration(update, body.depth):
        if cell.array is update.array and cell.indices == update.indices:
            own.append(cell)
        elif (cause := _dependence(cell, updates, variable)) is not None:
            return _fail(update, body, _carried(variable), cause)
    if own:
        total = recognise_reduction(update.value, own[0], variable)
        if total is None:
            return _fail(update, body, f"{_carried(variable)}, and is not a reduction")
        total = fuse_reduction(total, any_order=is_sum(total))
        return replace(update, value=total)
    return _close_last(update, variable, body)


def _carried(variable: LoopVariable) -> str:
    return f"depends on earlier iterations of loop '{variable.name}'"


def _close_last(update: Update, variable: LoopVariable, body: ArrayState) -> Update:
    """Close a loop that overwrites the same cells: those of the last iteration stay."""
    assert update.indices is not None
    extent = variable.extent
    if extent is None or not is_positive(extent):
        return _fail(update, body, f"may not be written, if loop '{variable.name}' is empty")
    last = {variable: variable.uppers[0] - 1}
    variables = tuple(substitute_variable(v, last) for v in update.variables)
    scope = last | {
        old: IndexExpression.of(new)
        for old, new in zip(update.variables, variables, strict=True)
        if old is not new
    }
    indices = tuple(index.substitute(scope) for index in update.indices)
    return replace(
        update, variables=variables, indices=indices, value=substitute(update.value, scope)
    )


def _cells_before_iteration(update: Update, depth: int) -> list[Read]:
    return [t for t in walk(update.value) if isinstance(t, Read) and t.depth == depth]


def _dependence(cell: Read, updates: list[Update], variable: LoopVariable) -> Update | None:
    """Return an update that may write ``cell`` in another iteration than the one that reads it."""
    for update in updates:
        if update.array is not cell.array or _is_private(update, cell.indices, variable):
            continue
        if not _is_later(update, cell.indices, variable):
            return update
    return None


def _is_later(update: Update, cell: Subscripts, variable: LoopVariable) -> bool:
    """Return whether ``update`` writes ``cell`` only in iterations after the one that reads it."""
    if update.indices is None:
        return False
    variables, scope = rename((variable, *update.variables), {}, fresh=True)
    written = tuple(index.substitute(scope) for index in update.indices)
    solution = solve(variables, written, cell)
    other = solution.values.get(variables[0])
    if not solution.unique or other is None:
        return False
    return is_positive(other - IndexExpression.of(variable))


def _is_private(update: Update, cell: Subscripts, variable: LoopVariable) -> bool:
    """Return whether only the same iteration of ``variable`` can write ``cell`` by ``update``."""
    if update.indices is None:
        return False
    variables, scope = rename((variable, *update.variables), {}, fresh=True)
    written = tuple(index.substitute(scope) for index in update.indices)
    present = occurrences(written)
    # Variables that do not occur in the subscripts cannot tell iterations apart.
    unknowns = tuple(v for v in variables if v in present)
    solution = solve(unknowns, written, cell)
    if solution.outcome is Outcome.MISS:
        return True
    other = solution.values.get(variables[0])
    return solution.unique and other == IndexExpression.of(variable)
