"""Let array tiles run across the ends of short rows of an image.

Rows of 7 pixels fill 7 of 16 rows of an array tile, and each product costs the core as much as a
full one. Where the output goes on from one row of pixels to the next but the input does not (it has
a border, or a stride), a tile takes several rows, which are loaded one by one.
"""

from __future__ import annotations

from dataclasses import replace

from ..dialects.tile import Fold
from .contraction import Contraction, Factor


def fold_rows(contraction: Contraction, dim: int) -> Contraction:
    """The contraction with its rows and a loop around them as one, where two fit a tile."""
    for outer in reversed(contraction.outer):
        folded = _folded(contraction, outer, dim)
        if folded is not None:
            return folded
    return contraction


def _folded(contraction: Contraction, outer: int, dim: int) -> Contraction | None:
    inner = contraction.i
    count, width = contraction.sizes[outer], contraction.sizes[inner]
    if min(count, width) < 2 or 2 * width > dim:
        return None
    written = [contraction.result, *([] if contraction.initial is None else [contraction.initial])]
    a = _folded_factor(contraction.a, outer, inner, width)
    used_by_b = any(outer in form for form in contraction.b.subscripts)
    if a is None or used_by_b:
        return None
    if any(view.steps(outer) != width * view.steps(inner) for view in written):
        return None
    result, *initial = (view.joined(outer, inner, width) for view in written)
    sizes = [*contraction.sizes]
    sizes[inner], sizes[outer] = count * width, 1
    return replace(
        contraction,
        sizes=tuple(sizes),
        outer=tuple(loop for loop in contraction.outer if loop != outer),
        a=a,
        result=result,
        initial=initial[0] if initial else None,
    )


def _folded_factor(a: Factor, outer: int, inner: int, width: int) -> Factor | None:
    """The factor whose tiles start at a pixel, counted across rows; None if rows lie otherwise."""
    places = [d for d, form in enumerate(a.subscripts) if outer in form]
    last = len(a.subscripts) - 1
    if a.transposed or len(places) != 1 or places[0] in (a.row_dimension, last):
        return None
    step = a.subscripts[places[0]][outer]
    if step < 1 or a.row_dimension == last:
        return None
    subscripts = tuple(
        {loop: factor for loop, factor in form.items() if loop not in (outer, inner)}
        for form in a.subscripts
    )
    return replace(a, subscripts=subscripts, fold=Fold(width, places[0], step))
