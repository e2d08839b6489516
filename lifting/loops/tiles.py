"""Tiled loops made one again: ``for ii … for i in ii .. ii + 4`` is a loop over all ``i``."""

from __future__ import annotations

from itertools import permutations

from .index import IndexExpression, LoopVariable, is_nonnegative
from .rewrite import substitute, substitute_variable
from .solve import Subscripts
from .terms import Reduction, Term, reduction

Scope = tuple[tuple[LoopVariable, ...], Subscripts, Term]
"""Loop variables, and the subscripts and the value that they range over."""


def fuse_tiles(scope: Scope, *, any_order: bool) -> Scope:
    """Return the same set of cells and values with every tile loop joined with its inner loop.

    ``any_order`` allows to join loops that are not directly inside each other.
    """
    scope = _from_zero(scope)
    while (fused := _fuse_one(scope, any_order)) is not None:
        scope = fused
    return scope


def fuse_reduction(term: Term, *, any_order: bool) -> Term:
    """Return the reduction with its tile loops joined."""
    if not isinstance(term, Reduction) or len(term.variables) < 2:
        return term
    variables, _, body = fuse_tiles((term.variables, (), term.body), any_order=any_order)
    return reduction(variables, body, term.init)


def _from_zero(scope: Scope) -> Scope:
    """Let every range that begins at another variable begin at 0 instead."""
    variables, indices, value = scope
    for position, variable in enumerate(variables):
        if not variable.lower.variables:
            continue
        lengths = tuple(upper - variable.lower for upper in variable.uppers)
        shifted = LoopVariable(variable.name, IndexExpression.of(0), lengths)
        values = {variable: IndexExpression.of(shifted) + variable.lower}
        others = tuple(substitute_variable(v, values) for v in variables[position + 1 :])
        renamed = {
            old: IndexExpression.of(new)
            for old, new in zip(variables[position + 1 :], others, strict=True)
            if old is not new
        }
        indices = tuple(index.substitute(values).substitute(renamed) for index in indices)
        value = substitute(substitute(value, values), renamed)
        return _from_zero(((*variables[:position], shifted, *others), indices, value))
    return scope


def _fuse_one(scope: Scope, any_order: bool) -> Scope | None:
    """Join the first pair of loops that can be joined."""
    variables, indices, value = scope
    for outer, inner in permutations(variables, 2):
        step = variables.index(inner) - variables.index(outer)
        if step != 1 and not any_order:
            continue
        joined = _joined_variable(outer, inner)
        if joined is None:
            continue
        whole, tile = joined
        values = {inner: IndexExpression.of(whole) - IndexExpression.of(outer) * tile}
        new_indices = tuple(index.substitute(values) for index in indices)
        new_value = substitute(value, values)
        left = new_value.free.union(*(index.variables for index in new_indices))
        bounds = frozenset[LoopVariable]().union(*(v.range_variables() for v in variables))
        if outer in left or inner in left or inner in bounds:
            continue
        kept = [whole if v is inner else v for v in variables if v is not outer]
        if any(outer in v.range_variables() for v in kept):
            continue
        return tuple(kept), new_indices, new_value
    return None


def _joined_variable(outer: LoopVariable, inner: LoopVariable) -> tuple[LoopVariable, int] | None:
    """Return the variable ``tile * outer + inner`` and ``tile``, if the tiles are seamless."""
    if outer.lower.constant != 0 or inner.lower.constant != 0 or len(outer.uppers) != 1:
        return None
    tiles = [upper.constant for upper in inner.uppers if upper.constant is not None]
    if len(tiles) != 1:
        return None
    tile = tiles[0]
    covered = outer.uppers[0] * tile
    base = IndexExpression.of(outer) * tile
    ends = [upper + base for upper in inner.uppers if upper.constant is None]
    if any(outer in end.variables for end in ends):
        return None
    if not all(is_nonnegative(covered - end) for end in ends):
        return None
    uppers = tuple(dict.fromkeys(ends)) or (covered,)
    return LoopVariable(inner.name, IndexExpression.of(0), uppers), tile
